# SPDX-License-Identifier: Apache-2.0
"""The PPOB host's journal, append-only and by UTC month before its first row; its first policy; entries checked quicker."""

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


# The check runs at commit for each line of an entry; the last line that a transaction wrote speaks for those before it.
# A line of another transaction does not: it did not see this one.
SQL += """
CREATE OR REPLACE FUNCTION vending_entry_sums_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    total numeric;
    own boolean;
BEGIN
    IF EXISTS (SELECT FROM vending_ledgerline l WHERE l.entry_id = NEW.entry_id AND l.id > NEW.id
        AND l.xmin = pg_current_xact_id()::xid) THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(sum(l.amount_sen), 0), bool_and(a.book = e.book) INTO total, own
    FROM vending_ledgerline l JOIN vending_account a ON a.id = l.account_id
        JOIN vending_ledgerentry e ON e.id = l.entry_id
    WHERE l.entry_id = NEW.entry_id;
    IF total <> 0 THEN
        RAISE EXCEPTION 'ledger entry % does not sum to zero', NEW.entry_id USING ERRCODE = 'check_violation';
    END IF;
    IF NOT own THEN
        RAISE EXCEPTION 'ledger entry % has accounts of other books', NEW.entry_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("vending", "0013_ppob"), ("audit", "0002_append_only")]

    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
