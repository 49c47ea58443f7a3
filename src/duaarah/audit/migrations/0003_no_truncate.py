# SPDX-License-Identifier: Apache-2.0
"""TRUNCATE passes row triggers by; the audit tables refuse it too."""

from django.db import migrations

REFUSE = """
CREATE TRIGGER audit_record_no_truncate BEFORE TRUNCATE ON audit_auditrecord
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER audit_seal_no_truncate BEFORE TRUNCATE ON audit_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER audit_record_no_truncate ON audit_auditrecord;
DROP TRIGGER audit_seal_no_truncate ON audit_auditseal;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [migrations.RunSQL(REFUSE, UNDO)]
