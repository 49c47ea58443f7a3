# SPDX-License-Identifier: Apache-2.0
"""TRUNCATE passes row triggers by; the append-only tables refuse it too."""

from django.db import migrations

REFUSE = """
CREATE TRIGGER sms_packageentry_no_truncate BEFORE TRUNCATE ON sms_packageentry
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER sms_packageentry_no_truncate ON sms_packageentry;
"""


class Migration(migrations.Migration):
    dependencies = [("sms", "0003_inbound_failed"), ("audit", "0002_append_only")]
    operations = [migrations.RunSQL(REFUSE, UNDO)]
