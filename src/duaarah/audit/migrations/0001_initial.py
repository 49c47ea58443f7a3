# SPDX-License-Identifier: Apache-2.0
"""First schema."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(max_length=80)),
                ("verb", models.CharField(max_length=60)),
                ("subject", models.CharField(max_length=120)),
                ("reason", models.CharField(blank=True, max_length=400)),
                ("refused", models.BooleanField()),
                ("code", models.CharField(blank=True, max_length=60)),
                ("correlation", models.UUIDField(null=True)),
                ("detail", models.JSONField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["subject", "id"], name="audit_subject"),
                    models.Index(fields=["correlation"], name="audit_correlation"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("hash", models.BinaryField(max_length=32)),
                (
                    "record",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="seal", to="audit.auditrecord"
                    ),
                ),
            ],
        ),
    ]
