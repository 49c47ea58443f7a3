# SPDX-License-Identifier: Apache-2.0
"""A quote also keeps where and at which power it was made, and what a programme paid; so it is explained as it was."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vending", "0010_p2apst")]
    operations = [
        migrations.AddField(
            model_name="quote",
            name="region",
            field=models.CharField(
                blank=True, db_default="", help_text="Whose PPJ; empty: not written down", max_length=40
            ),
        ),
        migrations.AddField(
            model_name="quote",
            name="contracted_va",
            field=models.PositiveIntegerField(help_text="On that day; NULL: not written down", null=True),
        ),
        migrations.AddField(
            model_name="quote",
            name="discount_sen",
            field=models.BigIntegerField(db_default=0, help_text="What a programme paid on top of the nominal"),
        ),
    ]
