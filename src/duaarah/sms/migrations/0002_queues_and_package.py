# SPDX-License-Identifier: Apache-2.0
"""Wake-ups of the queues, the append-only package ledger, and the first dated package rules."""

from django.db import migrations

SQL = """
CREATE TRIGGER sms_segment_wake AFTER INSERT ON sms_outboundsegment
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_wake('segment');
CREATE TRIGGER sms_inbound_wake AFTER INSERT ON sms_inboundsms
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_wake('inbound');
CREATE TRIGGER sms_package_append_only BEFORE UPDATE OR DELETE ON sms_packageentry
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
-- The seed's package: what a top-up takes counts, what the customer himself sends or asks does not.
INSERT INTO sms_packagerule (message_class, counts, valid_from_date) VALUES
    ('METER_FRAME', true, '2014-01-01'), ('METER_PUSH', true, '2014-01-01'), ('METER_ANSWER', true, '2014-01-01'),
    ('WARNING', true, '2014-01-01'), ('RECEIPT', true, '2014-01-01'), ('REPLY', false, '2014-01-01'),
    ('NOTICE', false, '2014-01-01'), ('CUSTOMER_MO', false, '2014-01-01'), ('UNKNOWN_MO', false, '2014-01-01');
"""

UNDO = """
DROP TRIGGER sms_segment_wake ON sms_outboundsegment;
DROP TRIGGER sms_inbound_wake ON sms_inboundsms;
DROP TRIGGER sms_package_append_only ON sms_packageentry;
DELETE FROM sms_packagerule;
"""


class Migration(migrations.Migration):
    dependencies = [("sms", "0001_initial"), ("audit", "0002_append_only")]
    operations = [migrations.RunSQL(SQL, UNDO)]
