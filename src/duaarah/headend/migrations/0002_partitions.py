# SPDX-License-Identifier: Apache-2.0
"""Attempts and meter events become append-only tables partitioned by UTC month, before their first row."""

from django.db import migrations

SQL = """
ALTER TABLE headend_attempt RENAME TO headend_attempt_plain;
CREATE TABLE headend_attempt (LIKE headend_attempt_plain INCLUDING DEFAULTS INCLUDING IDENTITY)
    PARTITION BY RANGE (started_at);
DROP TABLE headend_attempt_plain;
ALTER TABLE headend_attempt ADD PRIMARY KEY (id, started_at),
    ADD FOREIGN KEY (command_id) REFERENCES headend_command DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (meter_id) REFERENCES registry_meter DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (segment_id) REFERENCES sms_outboundsegment DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX headend_attempt_counter ON headend_attempt (meter_id, counter);
CREATE INDEX headend_attempt_command ON headend_attempt (command_id);
CREATE TABLE headend_attempt_default PARTITION OF headend_attempt DEFAULT;

ALTER TABLE headend_meterevent RENAME TO headend_meterevent_plain;
CREATE TABLE headend_meterevent (LIKE headend_meterevent_plain INCLUDING DEFAULTS INCLUDING IDENTITY)
    PARTITION BY RANGE (recorded_at);
DROP TABLE headend_meterevent_plain;
ALTER TABLE headend_meterevent ADD PRIMARY KEY (id, recorded_at),
    ADD FOREIGN KEY (meter_id) REFERENCES registry_meter DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (inbound_id) REFERENCES sms_inboundsms DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX headend_event_meter ON headend_meterevent (meter_id, id);
CREATE INDEX headend_event_kind ON headend_meterevent (kind, id);
CREATE TABLE headend_meterevent_default PARTITION OF headend_meterevent DEFAULT;

SELECT duaarah_make_month(t.parent, m.start::date)
FROM (VALUES ('headend_attempt'::regclass), ('headend_meterevent'::regclass)) AS t (parent),
     generate_series(date_trunc('month', now() AT TIME ZONE 'UTC'),
                     date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months', interval '1 month') AS m (start);

CREATE TRIGGER headend_attempt_append_only BEFORE UPDATE OR DELETE ON headend_attempt
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER headend_event_append_only BEFORE UPDATE OR DELETE ON headend_meterevent
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER headend_command_wake AFTER INSERT ON headend_command
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_wake('command');
"""


class Migration(migrations.Migration):
    dependencies = [("headend", "0001_initial"), ("audit", "0002_append_only")]
    operations = [migrations.RunSQL(SQL)]
