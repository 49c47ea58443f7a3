# SPDX-License-Identifier: Apache-2.0
"""Append-only by trigger: the function that other features' append-only tables use too, and the partition maker."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION duaarah_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_record_append_only BEFORE UPDATE OR DELETE ON audit_auditrecord
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER audit_seal_append_only BEFORE UPDATE OR DELETE ON audit_auditseal
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();

-- One partition a UTC month, made ahead of time by a chore; rows that come first land in the default partition.
CREATE FUNCTION duaarah_make_month(parent regclass, month_start date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    child text := parent::text || '_' || to_char(month_start, 'YYYY_MM');
BEGIN
    IF to_regclass(child) IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)', child, parent,
                       month_start::timestamp AT TIME ZONE 'UTC',
                       (month_start + interval '1 month')::timestamp AT TIME ZONE 'UTC');
    END IF;
END $$;

-- Workers sleep on one channel; the payload names the queue that has work.
CREATE FUNCTION duaarah_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('duaarah', TG_ARGV[0]);
    RETURN NULL;
END $$;
"""

UNDO = """
DROP TRIGGER audit_record_append_only ON audit_auditrecord;
DROP TRIGGER audit_seal_append_only ON audit_auditseal;
DROP FUNCTION duaarah_refuse_change();
DROP FUNCTION duaarah_make_month(regclass, date);
DROP FUNCTION duaarah_wake();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunSQL(REFUSE, UNDO)]
