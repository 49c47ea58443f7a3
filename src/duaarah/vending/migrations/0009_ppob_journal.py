# SPDX-License-Identifier: Apache-2.0
"""The PPOB host's journal, append-only and partitioned by UTC month before its first row; the first policy."""

from django.db import migrations

# Four inquiries in a row are P2APST's habit; an hour, a day and five seconds are ours.
SQL = """
INSERT INTO vending_ppobpolicy (from_date, inquiries_max, block_s, inquiry_valid_s, answer_s, unit_phone, footer, network_codes)
VALUES ('2013-01-01', 4, 3600, 86400, 5, '123', '',
    '{"001": "sign_on", "002": "sign_off", "201": "cut_off", "301": "echo"}');

ALTER TABLE vending_ppobmessage RENAME TO vending_ppobmessage_plain;
CREATE TABLE vending_ppobmessage (LIKE vending_ppobmessage_plain INCLUDING DEFAULTS INCLUDING IDENTITY)
    PARTITION BY RANGE (at);
DROP TABLE vending_ppobmessage_plain;
ALTER TABLE vending_ppobmessage ADD PRIMARY KEY (id, at),
    ADD FOREIGN KEY (partner_id) REFERENCES vending_ppobpartner DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX vending_ppob_partner ON vending_ppobmessage (partner_id, id DESC);
CREATE INDEX vending_ppob_ref ON vending_ppobmessage (pln_ref) WHERE pln_ref <> '';
CREATE TABLE vending_ppobmessage_default PARTITION OF vending_ppobmessage DEFAULT;
SELECT duaarah_make_month('vending_ppobmessage'::regclass, m.start::date)
FROM generate_series(date_trunc('month', now() AT TIME ZONE 'UTC'),
    date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months', interval '1 month') AS m (start);
"""
SQL += "".join(
    f"""
CREATE TRIGGER vending_{table}_append_only BEFORE UPDATE OR DELETE ON vending_{table}
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_{table}_no_truncate BEFORE TRUNCATE ON vending_{table}
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""
    for table in ("ppobpolicy", "ppobmessage")
)


class Migration(migrations.Migration):
    dependencies = [("vending", "0009_ppob"), ("audit", "0002_append_only")]

    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
