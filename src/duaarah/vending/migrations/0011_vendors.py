# SPDX-License-Identifier: Apache-2.0
"""Keys, message ids, free issues and replacements of vendors."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = ("vendormessage", "replacement")
SQL = "".join(
    f"""
CREATE TRIGGER vending_{table}_append_only BEFORE UPDATE OR DELETE ON vending_{table}
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_{table}_no_truncate BEFORE TRUNCATE ON vending_{table}
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""
    for table in APPEND_ONLY
)
UNDO = "".join(
    f"""
DROP TRIGGER vending_{table}_append_only ON vending_{table};
DROP TRIGGER vending_{table}_no_truncate ON vending_{table};
"""
    for table in APPEND_ONLY
)


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_operatorkey"),
        ("registry", "0006_sim_expiry"),
        ("vending", "0010_p2apst"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="VendorKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("vend", "Sell, ask what became of it, print again, replace"),
                                ("free_issue", "Ask for tokens without money"),
                                ("statement", "Read the statement of the deposit"),
                            ],
                            max_length=20,
                        ),
                        size=None,
                    ),
                ),
                ("created_at", models.DateTimeField(help_text="Business time")),
                ("revoked_at", models.DateTimeField(help_text="Business time", null=True)),
                ("used_at", models.DateTimeField(help_text="Business time, to the minute: its latest use", null=True)),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="vendor_keys", to="vending.channel"
                    ),
                ),
                (
                    "login",
                    models.ForeignKey(
                        help_text="Who answers for what it asks for without money; the second person is another",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="VendorMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message_id", models.CharField(max_length=40)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("VEND", "A sale"),
                            ("FREE_ISSUE", "A token without money"),
                            ("REPLACEMENT", "A token in the place of another"),
                            ("CLOSED", "Closed by an advice"),
                        ],
                        max_length=12,
                    ),
                ),
                ("digest", models.BinaryField(help_text="SHA-256 of what was asked for", max_length=32)),
                ("received_at", models.DateTimeField(help_text="Business time")),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.channel"
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.vendorkey"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FreeIssue",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="free_issue",
                        serialize=False,
                        to="vending.vendormessage",
                    ),
                ),
                ("energy_wh", models.PositiveBigIntegerField()),
                ("reason", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ASKED", "Waits for a second person"),
                            ("AGREED", "Agreed, the token is to be made"),
                            ("MADE", "Made"),
                            ("FAILED", "No token could be made"),
                        ],
                        max_length=8,
                    ),
                ),
                ("result", models.CharField(blank=True, help_text="Why no token could be made", max_length=30)),
                (
                    "approval",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.approval"
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.meter"
                    ),
                ),
                (
                    "vend",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.vend"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Replacement",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="replacement",
                        serialize=False,
                        to="vending.vendormessage",
                    ),
                ),
                ("reason", models.CharField(max_length=200)),
                (
                    "old",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="replacement", to="vending.vend"
                    ),
                ),
                (
                    "vend",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="replaces", to="vending.vend"
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="vendormessage",
            constraint=models.UniqueConstraint(fields=("channel", "message_id"), name="vending_vendor_message_once"),
        ),
        migrations.AddConstraint(
            model_name="vendorkey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("scopes__contains", ["free_issue"]), _negated=True),
                    ("login__isnull", False),
                    _connector="OR",
                ),
                name="vending_free_by_a_person",
            ),
        ),
        migrations.AddIndex(
            model_name="freeissue",
            index=models.Index(condition=models.Q(("state", "AGREED")), fields=["message"], name="vending_free_agreed"),
        ),
        migrations.RunSQL(SQL, UNDO),
    ]
