# SPDX-License-Identifier: Apache-2.0
"""`bench web`: each page at 50 requests a second, with so many meters in the database that a forgotten index shows."""

from __future__ import annotations

import http.client
import os
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.db import connection

from duaarah.people.models import Login, Membership, Organisation, Unit
from duaarah.sim.town.world import START
from duaarah.stage.opening import open_stage
from duaarah.stage.processes import Processes

PER_S = 50
CALLERS = 8
SITES = 400
VENDS_EACH = 3

# A country of meters, one household each; the fleet owner of the town gets some hundred of them.
_FILL = """
CREATE TEMPORARY TABLE n AS SELECT generate_series(1, %(meters)s) AS i;
INSERT INTO people_accountholder (id, name, kind, language, pin_hash, pin_failures)
    SELECT 1000000 + i, 'Contoh ' || i, 'HOUSEHOLD', 'id', '', 0 FROM n;
INSERT INTO people_customer (id, idpel, name, holder_id)
    SELECT 1000000 + i, lpad((520000000000 + i)::text, 12, '0'), 'Contoh ' || i,
        CASE WHEN i <= %(sites)s THEN %(fleet)s ELSE 1000000 + i END FROM n;
INSERT INTO registry_meter (id, drn, pan, profile, customer_id, transformer_id, zone, tariff_group, region, contracted_va,
        low_credit_threshold_wh, system_title, dlms_keys_wrapped, sts_register, sgc, ti, krn, kt, ken, base_date, dkga, ea)
    SELECT 1000000 + i, lpad((80000000000 + i)::text, 11, '0'), '600727' || lpad((80000000000 + i)::text, 12, '0'),
        m.profile, 1000000 + i, m.transformer_id, m.zone, m.tariff_group, m.region, m.contracted_va,
        m.low_credit_threshold_wh, decode(lpad(to_hex(i), 16, '0'), 'hex'), m.dlms_keys_wrapped, m.sts_register, m.sgc,
        m.ti, m.krn, m.kt, m.ken, m.base_date, m.dkga, m.ea
    FROM n, (SELECT * FROM registry_meter ORDER BY id LIMIT 1) AS m;
INSERT INTO registry_site (holder_id, meter_id, alias, name, kind)
    SELECT %(fleet)s, 1000000 + i, 'X' || i, 'Menara ' || i, 'BTS' FROM n WHERE i <= %(sites)s;
INSERT INTO headend_invocationcounter (meter_id, to_meter_latest, from_meter_highest, from_meter_bitmap, gaps,
        latest_contact_at, balance_wh, balance_at)
    SELECT 1000000 + i, 5, 5, '\\x0000000000000000', 0, %(now)s, (i * 137) %% 90000, %(now)s FROM n;
INSERT INTO vending_wallet (holder_id, balance_sen) SELECT 1000000 + i, 20000000 FROM n;
INSERT INTO vending_payment (id, channel_id, reference, holder_id, meter_id, amount_idr, admin_idr, taken_at)
    SELECT 10000000 + i * 10 + k, %(channel)s, 'bench:' || i || ':' || k, c.holder_id, 1000000 + i, 50000, 0, %(now)s
    FROM n JOIN people_customer c ON c.id = 1000000 + i, generate_series(1, %(vends)s) AS k;
INSERT INTO vending_quote (payment_id, tariff_group, rate_idr_per_kwh, ppj_rate, ppn_rate, stamp_sen, instalment_sen,
        ppj_sen, ppn_sen, stroom_sen, rounding_sen, energy_wh)
    SELECT id, 'R-1', 1444.70, 0.03, 0, 0, 0, 145631, 0, 4854369, 0, 33600 FROM vending_payment WHERE id > 10000000;
INSERT INTO vending_vend (id, request_id, origin, payment_id, meter_id, phone, state, correlation, drn, pan, base_date, tid,
        rnd, sts_register, dkga, ea, sgc, ti, krn, kt, ken, requested_wh, encoded_wh, paid_at, issued_at, closed_at, result,
        obtain_attempts, obtain_not_before_at)
    SELECT 10000000 + i * 10 + k, gen_random_uuid(), 'OURS', 10000000 + i * 10 + k, m.id, '', 'LOADED', gen_random_uuid(),
        m.drn, m.pan, m.base_date, 6000000 + k, 1, m.sts_register, m.dkga, m.ea, m.sgc, m.ti, m.krn, m.kt, m.ken, 33600,
        33600, %(now)s, %(now)s, %(now)s, 'accept', 0, %(now)s
    FROM n JOIN registry_meter m ON m.id = 1000000 + i, generate_series(1, %(vends)s) AS k;
INSERT INTO vending_token (vend_id, digits, energy_wh, created_at)
    SELECT id, lpad((id * 1000003)::text, 20, '0'), 33600, %(now)s FROM vending_vend WHERE id > 10000000;
ANALYZE;
"""


def run(processes: Processes, seconds: int, meters: int) -> Iterator[dict[str, Any]]:
    """Yields one record a page: the 95th percentile of its answers at 50 requests a second."""
    pages: list[tuple[str, str]] = []
    open_stage(processes, before_start=lambda _: pages.extend(_pages(meters)))
    for page, session in pages:
        # The first second reads templates and plans statements; it is not counted.
        _load(processes.web_port, page, session, 1)
        taken_s, failed = _load(processes.web_port, page, session, seconds)
        taken_s.sort()
        yield {
            "bench": "web",
            "figure": f"p95 {page}",
            "value": round(1000 * taken_s[int(len(taken_s) * 0.95) - 1], 1),
            "unit": "ms",
            "cores": os.cpu_count(),
            "median_ms": round(1000 * statistics.median(taken_s), 1),
            "at_per_s": PER_S,
            "requests": len(taken_s),
            "failed": failed,
            "meters": meters,
        }


def _pages(meters: int) -> list[tuple[str, str]]:
    """Fills the database; (path, session cookie) of every page built here."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM people_accountholder WHERE kind = 'COMPANY' ORDER BY id LIMIT 1")
        (fleet_id,) = cursor.fetchone()
        cursor.execute("SELECT id FROM vending_channel WHERE code = 'WEB'")
        values = {"meters": meters, "sites": SITES, "fleet": fleet_id, "channel": cursor.fetchone()[0]}
        cursor.execute(_FILL, {**values, "now": START, "vends": VENDS_EACH})
    household = Login.objects.create_user("bench-home", holder_id=1_000_000 + SITES + 1)
    fleet = Login.objects.create_user("bench-fleet", holder_id=fleet_id)
    operator = Login.objects.create_user("bench-pln")
    unit = Unit.objects.create(organisation=Organisation.objects.get(code="PLN"), code="B", name="B")
    Membership.objects.create(login=operator, unit=unit, role="OPERATOR")
    drn = f"{80_000_000_000 + SITES + 1:011d}"
    home, sites, desk = _session(household), _session(fleet), _session(operator)
    vend = 10_000_000 + (SITES + 1) * 10 + 1
    return [
        ("/rumah/", home),
        (f"/rumah/meter/{drn}/isi/?nominal=50000", home),
        (f"/rumah/token/{vend}/", home),
        ("/rumah/pengaturan/", home),
        ("/armada/", sites),
        ("/operasi/", desk),
        (f"/operasi/meter/{drn}/", desk),
        (f"/operasi/meter/?cari={520_000_000_000 + SITES + 1}", desk),
        ("/operasi/pesan/", desk),
    ]


def _session(login: Login) -> str:
    """The cookie of somebody who has signed in."""
    session = SessionStore()
    session[SESSION_KEY] = str(login.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = login.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def _load(port: int, path: str, session: str, seconds: int) -> tuple[list[float], int]:
    """An open load: each caller sends at its own times, whether the last answer was quick or not; seconds from due time."""
    taken_s: list[float] = []
    failed = [0] * CALLERS
    begin_s = time.monotonic() + 0.2

    def caller(number: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for turn in range(number, PER_S * seconds, CALLERS):
            due_s = begin_s + turn / PER_S
            time.sleep(max(0.0, due_s - time.monotonic()))
            link.request("GET", path, headers={"Cookie": session, "Host": f"127.0.0.1:{port}"})
            answer = link.getresponse()
            answer.read()
            failed[number] += answer.status not in (200, 302)
            taken_s.append(time.monotonic() - due_s)
        link.close()

    callers = [threading.Thread(target=caller, args=(number,)) for number in range(CALLERS)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    return taken_s, sum(failed)
