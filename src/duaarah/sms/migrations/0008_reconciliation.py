# SPDX-License-Identifier: Apache-2.0
"""An operator's records against ours: formats, comparisons and their lines."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_operatorkey"),
        ("sms", "0007_package"),
    ]

    operations = [
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month_date", models.DateField()),
                ("digest", models.CharField(help_text="SHA-256 of the file", max_length=64)),
                ("actor", models.CharField(max_length=80)),
                ("at", models.DateTimeField(help_text="Business time")),
                ("matched", models.PositiveIntegerField()),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReconciliationLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "list",
                    models.CharField(
                        choices=[
                            ("OURS_ONLY", "We have it, the operator has not"),
                            ("THEIRS_ONLY", "The operator has it, we have not"),
                            ("DIFFERENT", "Both have it, not the same"),
                            ("ERROR", "A row that cannot be read"),
                            ("SETTLED", "Ambiguous: the operator has it"),
                            ("RELEASED", "Ambiguous: the operator never had it"),
                            ("UNDECIDED", "Ambiguous: a person decides"),
                        ],
                        max_length=12,
                    ),
                ),
                ("row", models.PositiveIntegerField(help_text="Line of the file, the head is 1", null=True)),
                ("segment_id", models.BigIntegerField(null=True)),
                ("message_id", models.CharField(blank=True, max_length=65)),
                (
                    "code",
                    models.CharField(
                        blank=True, help_text="What differs, or what is wrong with the row", max_length=40
                    ),
                ),
                ("ours", models.CharField(blank=True, max_length=80)),
                ("theirs", models.CharField(blank=True, max_length=80)),
                (
                    "reconciliation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="sms.reconciliation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RecordFormat",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("delimiter", models.CharField(default=";", max_length=1)),
                ("encoding", models.CharField(default="utf-8-sig", max_length=20)),
                ("message_id_column", models.CharField(default="message_id", max_length=40)),
                ("at_column", models.CharField(default="time", max_length=40)),
                ("destination_column", models.CharField(default="destination", max_length=40)),
                ("class_column", models.CharField(blank=True, default="class", max_length=40)),
                ("price_column", models.CharField(default="price", max_length=40)),
                ("at_format", models.CharField(default="%Y-%m-%d %H:%M:%S", max_length=40)),
                ("zone", models.CharField(default="Asia/Jakarta", max_length=40)),
                (
                    "classes",
                    models.JSONField(
                        default=dict, help_text="His class -> ours; a class that is not in it is not compared"
                    ),
                ),
                (
                    "operator",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
                    ),
                ),
            ],
        ),
    ]
