# SPDX-License-Identifier: Apache-2.0
"""The rights of other phones on a meter, in time."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_operatorkey"),
        ("registry", "0002_stock_and_catalogue"),
    ]

    operations = [
        migrations.CreateModel(
            name="Delegation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("phone", models.CharField(max_length=15)),
                ("right", models.CharField(choices=[("READ", "May ask"), ("BUY", "May ask and buy")], max_length=4)),
                ("valid", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                (
                    "holder",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="delegations",
                        to="people.accountholder",
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="delegations", to="registry.meter"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["phone"], name="registry_delegation_phone")],
                "constraints": [
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[("meter", "="), ("phone", "="), ("valid", "&&")], name="registry_delegation_once"
                    )
                ],
            },
        ),
    ]
