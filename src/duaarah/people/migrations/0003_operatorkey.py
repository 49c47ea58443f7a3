# SPDX-License-Identifier: Apache-2.0
"""Keys of vending operators' programs."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0002_apikey"),
    ]

    operations = [
        migrations.CreateModel(
            name="OperatorKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("sts:issue", "Credit tokens (class 0)"),
                                ("sts:engineering", "Tests and settings (classes 1 and 2)"),
                                ("sts:decode", "Read tokens"),
                            ],
                            max_length=20,
                        ),
                        help_text="What it may ask for",
                        size=None,
                    ),
                ),
                (
                    "registers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40),
                        help_text="Names of the key registers it may use",
                        size=None,
                    ),
                ),
                ("created_at", models.DateTimeField(help_text="Business time")),
                ("revoked_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="operator_keys",
                        to="people.organisation",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="operator_keys",
                        to="people.unit",
                    ),
                ),
            ],
        ),
    ]
