# SPDX-License-Identifier: Apache-2.0
"""Commands that are under way in the message of another."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0013_sessions"),
        ("registry", "0005_sim_shipments"),
    ]

    operations = [
        migrations.AddField(
            model_name="command",
            name="bundled_with",
            field=models.ForeignKey(
                db_index=False,
                help_text="While it waits: the command in whose message it is under way",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="bundled",
                to="headend.command",
            ),
        ),
        migrations.AddIndex(
            model_name="command",
            index=models.Index(
                condition=models.Q(("bundled_with__isnull", False)),
                fields=["bundled_with"],
                name="headend_command_bundled",
            ),
        ),
    ]
