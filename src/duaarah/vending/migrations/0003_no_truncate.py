# SPDX-License-Identifier: Apache-2.0
"""TRUNCATE passes row triggers by; the append-only tables refuse it too."""

from django.db import migrations

REFUSE = """
CREATE TRIGGER vending_ledgerline_no_truncate BEFORE TRUNCATE ON vending_ledgerline
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_ledgerentry_no_truncate BEFORE TRUNCATE ON vending_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_token_no_truncate BEFORE TRUNCATE ON vending_token
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_payment_no_truncate BEFORE TRUNCATE ON vending_payment
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_quote_no_truncate BEFORE TRUNCATE ON vending_quote
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER vending_ledgerline_no_truncate ON vending_ledgerline;
DROP TRIGGER vending_ledgerentry_no_truncate ON vending_ledgerentry;
DROP TRIGGER vending_token_no_truncate ON vending_token;
DROP TRIGGER vending_payment_no_truncate ON vending_payment;
DROP TRIGGER vending_quote_no_truncate ON vending_quote;
"""


class Migration(migrations.Migration):
    dependencies = [("vending", "0002_books"), ("audit", "0002_append_only")]
    operations = [migrations.RunSQL(REFUSE, UNDO)]
