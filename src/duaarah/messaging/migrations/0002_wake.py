# SPDX-License-Identifier: Apache-2.0
"""A new message wakes the messenger."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("messaging", "0001_initial"), ("audit", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER messaging_wake AFTER INSERT ON messaging_message"
            " FOR EACH STATEMENT EXECUTE FUNCTION duaarah_wake('message')",
            "DROP TRIGGER messaging_wake ON messaging_message",
        )
    ]
