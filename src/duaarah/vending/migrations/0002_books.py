# SPDX-License-Identifier: Apache-2.0
"""The books hold by themselves: zero sum at commit, nothing changed, nothing removed."""

from django.db import migrations

SQL = """
CREATE FUNCTION vending_entry_sums_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT coalesce(sum(amount_sen), 0) FROM vending_ledgerline WHERE entry_id = NEW.entry_id) <> 0 THEN
        RAISE EXCEPTION 'ledger entry % does not sum to zero', NEW.entry_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER vending_zero_sum AFTER INSERT ON vending_ledgerline
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION vending_entry_sums_to_zero();
CREATE TRIGGER vending_line_append_only BEFORE UPDATE OR DELETE ON vending_ledgerline
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_entry_append_only BEFORE UPDATE OR DELETE ON vending_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_token_append_only BEFORE UPDATE OR DELETE ON vending_token
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_payment_append_only BEFORE UPDATE OR DELETE ON vending_payment
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_quote_append_only BEFORE UPDATE OR DELETE ON vending_quote
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER vending_zero_sum ON vending_ledgerline;
DROP TRIGGER vending_line_append_only ON vending_ledgerline;
DROP TRIGGER vending_entry_append_only ON vending_ledgerentry;
DROP TRIGGER vending_token_append_only ON vending_token;
DROP TRIGGER vending_payment_append_only ON vending_payment;
DROP TRIGGER vending_quote_append_only ON vending_quote;
DROP FUNCTION vending_entry_sums_to_zero();
"""


class Migration(migrations.Migration):
    dependencies = [("vending", "0001_initial"), ("audit", "0002_append_only")]
    operations = [migrations.RunSQL(SQL, UNDO)]
