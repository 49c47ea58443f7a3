# SPDX-License-Identifier: Apache-2.0
"""The one row: business time is machine time until a stage says otherwise."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("clock", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "INSERT INTO clock_businessclock (id, anchor_at, machine_anchor_at, rate)"
            " SELECT 1, t, t, 1 FROM (SELECT clock_timestamp() AS t) AS machine",
            "DELETE FROM clock_businessclock",
        )
    ]
