# SPDX-License-Identifier: Apache-2.0
"""Questions that there is no way to ask have a state of their own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("outages", "0004_pings"),
    ]

    operations = [
        migrations.AlterField(
            model_name="ping",
            name="state",
            field=models.CharField(
                choices=[
                    ("WANTED", "To be asked"),
                    ("ASKED", "Asked, no outcome yet"),
                    ("ANSWERED", "It answered: it has supply"),
                    ("LOST", "Its frame went out, no answer came"),
                    ("UNASKED", "Never sent: it says nothing"),
                    ("NO_WAY", "Can not be asked: no modem of its own, or one that knows no such question"),
                ],
                max_length=8,
            ),
        ),
    ]
