# SPDX-License-Identifier: Apache-2.0
"""First schema."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="BusinessClock",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("anchor_at", models.DateTimeField()),
                ("machine_anchor_at", models.DateTimeField()),
                ("rate", models.PositiveIntegerField()),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="clock_one_row")],
            },
        ),
    ]
