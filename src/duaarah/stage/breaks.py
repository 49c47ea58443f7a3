# SPDX-License-Identifier: Apache-2.0
"""One planted defect each, behind the platform's back; the verdict must name what it broke."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection

BREAKS = ("double-load", "lost-ack", "ledger", "sms")

# Once: an authentic answer is acknowledged to the SMSC but its row never appears, and the lease stays open for a day.
_LOST_ACK = """
CREATE TABLE stage_break (done boolean NOT NULL);
CREATE FUNCTION stage_lose_answer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    waiting bigint;
BEGIN
    SELECT c.id INTO waiting FROM headend_command c JOIN registry_pairing p ON p.meter_id = c.meter_id
        JOIN registry_sim s ON s.id = p.sim_id WHERE c.state = 'SENT' AND s.msisdn = NEW.source LIMIT 1;
    IF waiting IS NULL OR EXISTS (SELECT 1 FROM stage_break) THEN
        RETURN NEW;
    END IF;
    INSERT INTO stage_break VALUES (true);
    UPDATE headend_command SET lease_until_at = clock_timestamp() + interval '1 day' WHERE id = waiting;
    RETURN NULL;
END $$;
CREATE TRIGGER stage_lose_answer BEFORE INSERT ON sms_inboundsms FOR EACH ROW WHEN (NEW.kind = 'BINARY')
    EXECUTE FUNCTION stage_lose_answer();
"""

_SMS = """
CREATE TABLE stage_break (done boolean NOT NULL);
CREATE FUNCTION stage_skip_booking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM stage_break) THEN
        RETURN NEW;
    END IF;
    INSERT INTO stage_break VALUES (true);
    RETURN NULL;
END $$;
CREATE TRIGGER stage_skip_booking BEFORE INSERT ON sms_packageentry FOR EACH ROW
    WHEN (NEW.kind = 'SETTLE' AND NEW.segment_id IS NOT NULL) EXECUTE FUNCTION stage_skip_booking();
"""

_LEDGER = """
ALTER TABLE vending_ledgerline DISABLE TRIGGER USER;
UPDATE vending_ledgerline SET amount_sen = amount_sen + 100 WHERE id = (SELECT max(id) FROM vending_ledgerline);
ALTER TABLE vending_ledgerline ENABLE TRIGGER USER;
"""


def plant(name: str | None, fault_all: Callable[[dict[str, object]], None]) -> None:
    """Before the day: triggers in the database, or faults in the simulated meters."""
    if name == "double-load":
        fault_all({"tid_store_off": True, "lose_next_answer": 1})
    elif name in ("lost-ack", "sms"):
        with connection.cursor() as cursor:
            cursor.execute(_LOST_ACK if name == "lost-ack" else _SMS)


def plant_at_end(name: str | None) -> None:
    """After the day: one line of the books is changed behind the trigger."""
    if name == "ledger":
        with connection.cursor() as cursor:
            cursor.execute(_LEDGER)
