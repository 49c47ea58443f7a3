# SPDX-License-Identifier: Apache-2.0
"""Our numbers and how often we answer, with their first rows: 3123 converses, 8123 sends notices."""

from django.db import migrations, models

FIRST_ROWS = """
INSERT INTO messaging_shortcode (number, purpose) VALUES ('3123', 'CONVERSATION'), ('8123', 'NOTICES');
INSERT INTO messaging_answerlimit (subject, window_s, answers_max)
VALUES ('PHONE', 3600, 60), ('STRANGER', 3600, 3), ('METER', 3600, 20);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0003_package_classes"),
    ]

    operations = [
        migrations.CreateModel(
            name="AnswerLimit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject",
                    models.CharField(
                        choices=[
                            ("PHONE", "One paired phone"),
                            ("STRANGER", "One phone that is not paired"),
                            ("METER", "All phones about one meter"),
                        ],
                        max_length=10,
                        unique=True,
                    ),
                ),
                ("window_s", models.PositiveIntegerField()),
                ("answers_max", models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="ShortCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=8, unique=True)),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("CONVERSATION", "Inquiries and top-ups"),
                            ("NOTICES", "Outage and public-service notices"),
                        ],
                        max_length=12,
                    ),
                ),
            ],
        ),
        migrations.RunSQL(FIRST_ROWS, migrations.RunSQL.noop),
    ]
