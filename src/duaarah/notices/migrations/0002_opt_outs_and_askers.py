# SPDX-License-Identifier: Apache-2.0
"""What people opt out of, and who waits for a meter's answer."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0005_key_commands"),
        ("notices", "0001_initial"),
        ("registry", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="OptOut",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("phone", models.CharField(max_length=15)),
                ("kind", models.CharField(choices=[("LOW_CREDIT", "Low-credit warnings")], max_length=12)),
                ("since_at", models.DateTimeField(help_text="Business time")),
                ("meter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="registry.meter")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("phone", "meter", "kind"), name="notices_opt_out_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="SettingAsk",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.CharField(help_text="The SMS that asked", max_length=64, unique=True)),
                ("phone", models.CharField(max_length=15)),
                ("language", models.CharField(choices=[("id", "Bahasa Indonesia"), ("en", "English")], max_length=2)),
                ("source", models.CharField(help_text="Short code that was asked", max_length=15)),
                ("bind_name", models.CharField(help_text="The bind that brought the question", max_length=40)),
                ("told_at", models.DateTimeField(help_text="Business time", null=True)),
                ("command", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, to="headend.command")),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("told_at", None)), fields=["id"], name="notices_ask_open")
                ],
            },
        ),
    ]
