# SPDX-License-Identifier: Apache-2.0
"""The money side of the past: payments, quotes, vends, tokens, commands, the books and their audit lines."""

from __future__ import annotations

import hashlib
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from django.db import connection

from duaarah.core.intent import TokenResult
from duaarah.core.tariff import quote, terms
from duaarah.headend.operations.commands import ATTEMPTS_MAX, LIFE_S
from duaarah.sim.town.past import ATM
from duaarah.sim.town.world import CHANNEL
from duaarah.sms.models import Priority
from duaarah.stage.history.replay import Bought, Deed
from duaarah.stage.history.tables import Row, Table
from duaarah.vending.operations.books import PENDING, issued_lines_sen, wallet_account

if TYPE_CHECKING:
    from duaarah.stage.history.rows import Registered

SECOND = timedelta(seconds=1)
_TABLES = (
    *("vending_account", "vending_payment", "vending_quote", "headend_command", "vending_vend", "vending_token"),
    *("vending_notification", "vending_ledgerentry", "vending_ledgerline", "audit_auditrecord"),
)
_QUOTE_LINES = ("stamp_sen", "instalment_sen", "ppj_sen", "ppn_sen", "stroom_sen", "rounding_sen", "energy_wh")


@dataclass
class Purchase:
    """What later deeds of one purchase need of the earlier ones."""

    bought: Bought
    vend: Row
    command: Row
    correlation: uuid.UUID


class Money:
    """Rows of vending, of the commands that it orders, and of the audit."""

    def __init__(self, known: Registered, dice: random.Random, machine_now_at: datetime) -> None:
        self._known, self._dice, self._machine_now_at = known, dice, machine_now_at
        self._purchases: dict[tuple[str, int], Purchase] = {}
        self._latest_tid: dict[str, int] = {}
        self._tables = {name: Table(name) for name in _TABLES}
        with connection.cursor() as cursor:
            cursor.execute("SELECT code, id FROM vending_account")
            self._accounts: dict[str, int] = dict(cursor.fetchall())

    def tables(self) -> list[Table]:
        """All of them; each after those that it points to."""
        sequences = Table("vending_tidsequence")
        for drn, tid in self._latest_tid.items():
            sequences.add(
                meter_id=self._known.meter_ids[drn],
                base_date=self._known.configurations[drn]["base_date"],
                latest_tid=tid,
            )
        return [*self._tables.values(), sequences]

    def purchase(self, deed: Deed) -> Purchase:
        """The purchase that a frame or an answer belongs to."""
        return self._purchases[deed.meter.drn, cast(int, deed.purchase)]

    def bought(self, deed: Bought, reference: str) -> None:
        """T1 and T2, or the notification of a token sold elsewhere."""
        correlation = uuid.UUID(int=self._dice.getrandbits(128), version=4)
        elsewhere = deed.what.via == ATM
        payment_id = None if elsewhere else self._pay(deed, reference)
        command = self._command(deed, correlation)
        vend = self._vend(deed, correlation, payment_id, command)
        self._tables["vending_token"].add(
            vend_id=vend["id"], digits=deed.digits, energy_wh=deed.what.energy_wh, created_at=deed.at
        )
        if elsewhere:
            self._notify(deed, vend, correlation)
        else:
            self._book_purchase(deed, vend, correlation)
        drn = deed.meter.drn
        self._latest_tid[drn] = max(self._latest_tid.get(drn, 0), deed.tid)
        self._purchases[drn, cast(int, deed.purchase)] = Purchase(deed, vend, command, correlation)

    def loaded(self, purchase: Purchase, report: TokenResult, at: datetime) -> None:
        """The meter's answer closes command and vend."""
        purchase.command |= {"state": "ACKED", "closed_at": at, "result": report.result}
        purchase.vend |= {"state": "LOADED", "closed_at": at, "result": report.result}
        self.audit(
            at,
            f"meter:{purchase.vend['meter_id']}",
            "vending.record_delivery",
            f"meter:{purchase.vend['meter_id']}",
            purchase.correlation,
            {
                "vend": purchase.vend["id"],
                "result": report.result,
                "energy_wh": report.energy_wh,
                "tid": report.tid,
            },
        )

    def book(self, kind: str, reference: str, at: datetime, vend_id: int | None, lines_sen: dict[str, int]) -> None:
        """One ledger entry with its lines; zero lines are left out."""
        entry = self._tables["vending_ledgerentry"].add(kind=kind, at=at, vend_id=vend_id, reference=reference)
        for code, amount_sen in lines_sen.items():
            if amount_sen:
                self._tables["vending_ledgerline"].add(
                    entry_id=entry["id"], account_id=self._account(code), amount_sen=amount_sen
                )

    def audit(
        self,
        at: datetime,
        actor: str,
        verb: str,
        subject: str,
        correlation: uuid.UUID | None,
        detail: dict[str, Any],
    ) -> None:
        """One line of the audit; the sealer chains it like any other."""
        self._tables["audit_auditrecord"].add(
            at=at,
            actor=actor,
            verb=verb,
            subject=subject,
            reason="",
            refused=False,
            code="",
            correlation=correlation,
            detail=detail,
        )

    def _account(self, code: str) -> int:
        if code not in self._accounts:
            self._accounts[code] = self._tables["vending_account"].add(code=code)["id"]
        return self._accounts[code]

    def _pay(self, deed: Bought, reference: str) -> int:
        meter, what = deed.meter, deed.what
        found = terms(
            group=meter.tariff_group,
            va=meter.contracted_va,
            region=meter.region,
            nominal_idr=what.nominal_idr,
            date=deed.at.date(),
            admin_idr=0,
        )
        lines = quote(what.nominal_idr, found)
        payment = self._tables["vending_payment"].add(
            channel_id=self._known.channel_ids[what.via],
            reference=reference,
            holder_id=self._known.holder_ids[meter.drn],
            meter_id=self._known.meter_ids[meter.drn],
            amount_idr=what.nominal_idr,
            admin_idr=0,
            taken_at=deed.at,
        )
        self._tables["vending_quote"].add(
            payment_id=payment["id"],
            tariff_group=meter.tariff_group,
            region=meter.region,
            contracted_va=meter.contracted_va,
            rate_idr_per_kwh=lines.rate_idr_per_kwh,
            ppj_rate=found.ppj_rate,
            ppn_rate=found.ppn_rate,
            **{name: getattr(lines, name) for name in _QUOTE_LINES},
        )
        self._lines = lines
        number: int = payment["id"]
        return number

    def _command(self, deed: Bought, correlation: uuid.UUID) -> Row:
        return self._tables["headend_command"].add(
            request_id=uuid.UUID(int=self._dice.getrandbits(128), version=4),
            meter_id=self._known.meter_ids[deed.meter.drn],
            kind="LOAD_CREDIT",
            payload={"token": deed.digits},
            priority=int(Priority.TOKEN),
            state="QUEUED",
            correlation=correlation,
            created_at=deed.at + SECOND,
            expires_at=deed.at + timedelta(seconds=LIFE_S),
            closed_at=None,
            attempts=0,
            attempts_max=ATTEMPTS_MAX,
            not_before_at=self._machine_now_at,
            leased_at=None,
            lease_until_at=None,
            result="",
        )

    def _vend(self, deed: Bought, correlation: uuid.UUID, payment_id: int | None, command: Row) -> Row:
        return self._tables["vending_vend"].add(
            request_id=command["request_id"],
            origin="ELSEWHERE" if payment_id is None else "OURS",
            payment_id=payment_id,
            meter_id=command["meter_id"],
            phone=deed.meter.holder.phone,
            state="ISSUED",
            correlation=correlation,
            **self._known.configurations[deed.meter.drn],
            tid=deed.tid,
            rnd=deed.what.rnd,
            requested_wh=deed.what.energy_wh if payment_id is None else self._lines.energy_wh,
            encoded_wh=deed.what.energy_wh,
            paid_at=deed.at,
            issued_at=deed.at + (timedelta() if payment_id is None else SECOND),
            digits_sent_at=None,
            closed_at=None,
            command_id=command["id"],
            result="",
            obtain_attempts=0,
            obtain_not_before_at=self._machine_now_at,
        )

    def _book_purchase(self, deed: Bought, vend: Row, correlation: uuid.UUID) -> None:
        total_sen = deed.what.nominal_idr * 100
        wallet = wallet_account(self._known.holder_ids[deed.meter.drn])
        self.book("PAYMENT_TAKEN", f"paid:{vend['id']}", deed.at, vend["id"], {wallet: total_sen, PENDING: -total_sen})
        issued = issued_lines_sen(self._lines, total_sen=total_sen, admin_idr=0)
        self.book("TOKEN_ISSUED", f"issued:{vend['id']}", vend["issued_at"], vend["id"], issued)
        subject = f"meter:{vend['meter_id']}"
        paid = {
            "vend": vend["id"],
            "amount_idr": deed.what.nominal_idr,
            "energy_wh": vend["requested_wh"],
            "tid": deed.tid,
        }
        self.audit(deed.at, f"channel:{deed.what.via}", "vending.take_payment", subject, correlation, paid)
        made = {
            "vend": vend["id"],
            "tid": deed.tid,
            "requested_wh": vend["requested_wh"],
            "encoded_wh": vend["encoded_wh"],
        }
        self.audit(vend["issued_at"], "vending", "vending.issue", subject, correlation, made)

    def _notify(self, deed: Bought, vend: Row, correlation: uuid.UUID) -> None:
        notification_id = f"{CHANNEL}-{deed.meter.drn}-{deed.tid}"
        self._tables["vending_notification"].add(
            channel_id=self._known.channel_ids[CHANNEL],
            notification_id=notification_id,
            digest=hashlib.sha256(notification_id.encode()).digest(),
            received_at=deed.at,
            amount_idr=deed.what.nominal_idr,
            vend_id=vend["id"],
        )
        detail = {"vend": vend["id"], "tid": deed.tid, "encoded_wh": vend["encoded_wh"]}
        subject = f"meter:{vend['meter_id']}"
        self.audit(deed.at, f"channel:{CHANNEL}", "vending.take_notification", subject, correlation, detail)
