# SPDX-License-Identifier: Apache-2.0
"""First schema."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("registry", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReplyCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("phone", models.CharField(max_length=15)),
                ("code", models.CharField(max_length=6)),
                ("nominal_idr", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(help_text="Business time")),
                ("expires_at", models.DateTimeField(help_text="Business time")),
                ("used_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "used_by",
                    models.CharField(blank=True, help_text="Reference of the payment that spent it", max_length=64),
                ),
                ("meter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="registry.meter")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("used_at", None)), fields=("phone", "code"), name="notices_reply_code_live"
                    )
                ],
            },
        ),
    ]
