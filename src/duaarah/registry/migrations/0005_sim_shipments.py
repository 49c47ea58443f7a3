# SPDX-License-Identifier: Apache-2.0
"""SIMs come into stock by shipments; they have an IMSI; operators have number ranges; a paired SIM is not in stock."""

import django.db.models.deletion
from django.db import migrations, models

# Rows that were paired without a word about their state.
STATES = (
    "UPDATE registry_sim s SET state = 'ACTIVE' FROM registry_pairing p "
    "WHERE p.sim_id = s.id AND upper_inf(p.valid) AND s.state = 'IN_STOCK'"
)


class Migration(migrations.Migration):
    dependencies = [("people", "0003_operatorkey"), ("registry", "0004_reporting_plan")]

    operations = [
        migrations.RunSQL(STATES, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="sim",
            name="imsi",
            field=models.CharField(blank=True, default="", help_text="Empty: not known", max_length=15),
        ),
        migrations.CreateModel(
            name="NumberRange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("prefix", models.CharField(help_text="Canonical: 62...", max_length=10, unique=True)),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SimShipment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("file_name", models.CharField(blank=True, max_length=80)),
                ("text", models.TextField(help_text="The list as it came")),
                ("digest", models.CharField(help_text="SHA-256 of the text", max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("PREVIEW", "Looked at"), ("RECEIVED", "Taken into stock")],
                        default="PREVIEW",
                        max_length=8,
                    ),
                ),
                ("asked_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                ("asked_at", models.DateTimeField(help_text="Business time")),
                ("received_at", models.DateTimeField(help_text="Business time", null=True)),
                ("added", models.PositiveIntegerField(default=0, help_text="SIMs that it brought into stock")),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="sim",
            name="shipment",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="sims", to="registry.simshipment"
            ),
        ),
        migrations.AddConstraint(
            model_name="sim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("imsi", ""), _negated=True), fields=("imsi",), name="registry_sim_imsi"
            ),
        ),
        migrations.AddConstraint(
            model_name="simshipment",
            constraint=models.UniqueConstraint(fields=("operator", "digest"), name="registry_shipment_once"),
        ),
    ]
