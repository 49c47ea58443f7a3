# SPDX-License-Identifier: Apache-2.0
"""TRUNCATE passes row triggers by; the append-only tables refuse it too."""

from django.db import migrations

REFUSE = """
CREATE TRIGGER headend_attempt_no_truncate BEFORE TRUNCATE ON headend_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER headend_meterevent_no_truncate BEFORE TRUNCATE ON headend_meterevent
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER headend_attempt_no_truncate ON headend_attempt;
DROP TRIGGER headend_meterevent_no_truncate ON headend_meterevent;
"""


class Migration(migrations.Migration):
    dependencies = [("headend", "0002_partitions"), ("audit", "0002_append_only")]
    operations = [migrations.RunSQL(REFUSE, UNDO)]
