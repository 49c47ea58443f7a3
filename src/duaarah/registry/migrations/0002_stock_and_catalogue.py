# SPDX-License-Identifier: Apache-2.0
"""SIMs have a state; what is sold has dated prices that nobody edits."""

import django.db.models.deletion
from django.db import migrations, models

# A SIM that serves a meter today is active; any other is taken to lie in stock until somebody says otherwise.
STATES = (
    "UPDATE registry_sim s SET state = 'ACTIVE' FROM registry_pairing p WHERE p.sim_id = s.id AND upper_inf(p.valid)"
)
REFUSE = """
CREATE TRIGGER registry_price_append_only BEFORE UPDATE OR DELETE ON registry_catalogueprice
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER registry_price_no_truncate BEFORE TRUNCATE ON registry_catalogueprice
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""
UNDO = """
DROP TRIGGER registry_price_append_only ON registry_catalogueprice;
DROP TRIGGER registry_price_no_truncate ON registry_catalogueprice;
"""
SIM_STATES = [
    ("IN_STOCK", "In stock"),
    ("IN_MODEM", "In a modem, not yet active"),
    ("ACTIVE", "Active"),
    ("SUSPENDED", "Suspended"),
    ("ENDED", "Ended for good"),
]


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial"), ("audit", "0002_append_only")]

    operations = [
        migrations.AddField("sim", "state", models.CharField(choices=SIM_STATES, default="IN_STOCK", max_length=10)),
        migrations.AddField(
            "sim",
            "state_at",
            models.DateTimeField(help_text="Business time; empty: since before states were kept", null=True),
        ),
        migrations.AddIndex("sim", models.Index(fields=["state", "id"], name="registry_sim_state")),
        migrations.CreateModel(
            name="CatalogueItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=20, unique=True)),
                ("kind", models.CharField(choices=[("MODEM", "Modem"), ("PACKAGE", "SMS package")], max_length=10)),
                ("name", models.CharField(max_length=120)),
                (
                    "segments_monthly",
                    models.PositiveSmallIntegerField(help_text="SMS segments a month; of packages only", null=True),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind", "PACKAGE"), ("segments_monthly__isnull", False))
                        | models.Q(("kind", "MODEM"), ("segments_monthly", None)),
                        name="registry_catalogue_segments",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CataloguePrice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount_idr", models.PositiveIntegerField(help_text="Without VAT")),
                ("valid_from_date", models.DateField(help_text="WIB")),
                ("set_at", models.DateTimeField(help_text="Business time")),
                ("set_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="prices",
                        to="registry.catalogueitem",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["item", "valid_from_date", "id"], name="registry_price_in_force")],
            },
        ),
        migrations.RunSQL(REFUSE, UNDO),
        migrations.RunSQL(STATES, migrations.RunSQL.noop),
    ]
