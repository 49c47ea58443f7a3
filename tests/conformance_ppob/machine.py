"""
The purchase protocol in any order: inquiry, purchase, duplicate, advice, late answer, sweeper, unsold token, bill and
reversal, cut-off, and a death before any statement, before or after any commit, before or after the source is asked.

After each step the invariants hold (tests.conformance_ppob.invariants), and what was told of one purchase never
contradicts itself: `Purchase` keeps what its bank heard.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from duaarah.audit.models import AuditRecord
from duaarah.registry.models import Meter
from duaarah.vending.models import LedgerLine
from duaarah.vending.operations import fill_deposit, ppob, resume_paid
from duaarah.vending.operations.ppob.sale import Named
from duaarah.vending.ppob_models import PPOBPartner
from tests.conformance_ppob.invariants import check_books, check_source, paid
from tests.conformance_ppob.world import (
    ADMIN_IDR,
    BANK,
    BP_IDR,
    MORNING,
    WIB,
    Broken,
    Died,
    Source,
    World,
    dying,
    reborn,
)

PENDING, GONE = "0068", ("0063", "0098")
CUT_OFF = "0090"
# Where the process dies (world.dying); in two of three calls nowhere.
_ALL_SEAMS = [
    *(("statement", number) for number in range(1, 25)),
    *(("commit", number) for number in (1, 2)),
    *(("committed", number) for number in (1, 1, 1, 2, 2, 3)),
    *(("source", number) for number in (0, 1)),
]
SEAMS = st.sampled_from([None] * 2 * len(_ALL_SEAMS) + _ALL_SEAMS)
ANSWERS = st.sampled_from(["ISSUE", "ISSUE", "ISSUE", "ISSUE", "LOST", "UNKNOWN", "REFUSE"])
# The first meter and bank are met most, so that what happens to them has a past.
WHO = st.sampled_from([0, 0, 0, 1])
NOMINAL = st.sampled_from([100_000, 100_000, 20_000])
OFFERED = "offered"  # option 1 and the first unsold token's nominal, where there is one
OPTION = st.sampled_from(["0"] * 4 + [OFFERED] * 4 + ["1"])
AGAIN = st.sampled_from(["buy", "buy", "advise", "advise", "keep", "keep", "another amount", "reverse"])
MEANWHILE = st.sampled_from([None, None, None, None, "advise", "buy", "sweep", "keep"])


@dataclass(eq=False)
class Purchase:
    """One PLN reference as its bank knows it. `heard`: every answer; `given_up`: an advice said that nothing was bought."""

    partner: PPOBPartner
    meter: Meter
    found: Any
    amount_idr: int
    option: str
    heard: list[str] = field(default_factory=list)
    digits: str = ""
    given_up: bool = False
    given_back: bool = False

    @property
    def named(self) -> Named:
        return Named(
            pln_ref=self.found.pln_ref,
            switcher_ref=self.found.switcher_ref,
            meter_no=self.found.customer.meter_no,
            idpel=self.found.customer.idpel,
        )

    @property
    def reference(self) -> str:
        return f"ppob:{self.found.pln_ref}"

    def paid(self) -> tuple[str, str | None] | None:
        return paid(channel=self.partner.channel_id, reference=self.reference)

    def told_token(self, digits: str, *, late: bool = False) -> None:
        """`late`: a call that began before something else was told; its bank may hear it after that."""
        if self.digits and digits != self.digits:
            raise Broken("never_two_tokens", (self.digits, digits))
        if self.given_up:
            raise Broken("no_token_after_a_refund", digits)
        stands = self.paid()
        if not self.given_back and (stands is None or stands[1] != digits):
            raise Broken("told_is_booked", (digits, stands))
        self.digits = digits
        self.heard.append("0000")

    def told_refusal(self, code: str, *, advice: bool) -> None:
        """A refusal of what this purchase really is (nothing about the message was wrong)."""
        self.heard.append(code)
        stands = self.paid()
        held = stands is not None and stands[0] != "BACK"
        final = code in GONE if advice else code != PENDING
        if not final:
            return
        if self.digits and not self.given_back:
            raise Broken("no_refusal_after_a_token", (code, self.heard))
        if held:
            raise Broken("refused_means_not_held", (code, stands))
        self.given_up = self.given_up or advice


@dataclass(eq=False)
class Bill:
    """One inquiry of a registration."""

    partner: PPOBPartner
    number: str
    found: Any
    said: Any
    paid: bool = False
    reversed: bool = False


class PurchaseProtocol(RuleBasedStateMachine):
    """Play with `world` set on a subclass."""

    world: World
    deposits_idr = (4_000_000, 150_000)
    purchases = Bundle("purchases")

    @initialize()
    def begin(self) -> None:
        self.now = MORNING
        self.source = Source(self.world.keys)
        self.after_entry = LedgerLine.objects.order_by("-entry_id").values_list("entry_id", flat=True).first() or 0
        self.partners = [self.world.partner(filled_idr=filled_idr, now=self.now) for filled_idr in self.deposits_idr]
        # 648 and 324 kWh a month: four and one of Rp100,000.
        self.meters = [self.world.meter(contracted_va=va) for va in (900, 450)]
        self.registration = self.world.registration(now=self.now)
        self.channels = [partner.channel_id for partner in self.partners]
        self.known: list[Purchase] = []
        self.bills: list[Bill] = []
        self.filled = 0

    # -- the host, as its desk calls it ----------------------------------------------------------------------------------

    def _gate(self, partner: PPOBPartner, phase: str, product: str = "502") -> Any:
        caller = ppob.Caller(partner=partner.code, switcher=partner.code, bank=BANK, product=product)
        return ppob.admit(caller, phase=phase, now=self.now)

    def _call(self, verb: Callable[[], Any], seam: Any = None) -> tuple[str, Any]:
        """What the peer hears: ("0000", answer), (code, None), or ("", None) when the process died before it answered."""
        refusals = AuditRecord.objects.filter(refused=True).count()
        try:
            with dying(seam, self.source):
                return "0000", verb()
        except ppob.PPOBRefused as error:
            ppob.record_refused(partner="t", kind="t", error=error, trace="", pln_ref="", now=self.now)
            if error.response != PENDING and AuditRecord.objects.filter(refused=True).count() <= refusals:
                already = error.recorded or error.response in GONE
                if not already:
                    raise Broken("refusal_audited", error.response) from error
            return error.response, None
        except Died:
            reborn()
            return "", None

    def _in_cut_off(self) -> bool:
        at = self.now.astimezone(WIB).time()
        return at >= dt.time(23, 30) or at < dt.time(0, 30)

    def _within(self, meanwhile: str | None, purchase: Purchase) -> None:
        """What another connection or the sweeper does while the source is being asked."""
        acts: dict[str, Callable[[], None]] = {
            "advise": lambda: self._advise(purchase, None),
            "buy": lambda: self._buy(purchase, None),
            "sweep": lambda: self._sweep(None),
            "keep": lambda: self._keep(purchase, None),
        }
        self.source.meanwhile = acts[meanwhile] if meanwhile else None

    def _buy(self, purchase: Purchase, seam: Any, amount_idr: int = 0) -> None:
        asked_idr = amount_idr or purchase.amount_idr
        same = asked_idr == purchase.amount_idr
        before = purchase.paid()
        code, sold = self._call(
            lambda: ppob.purchase(
                gate=self._gate(purchase.partner, "purchase"),
                named=purchase.named,
                amount_idr=asked_idr,
                admin_idr=ADMIN_IDR,
                option=purchase.option,
                token_source=self.source,
                now=self.now,
            ),
            seam,
        )
        if code == "0000":
            if self._in_cut_off() and before is None:
                raise Broken("cut_off_sells_nothing", purchase.reference)
            if not same:
                # Only where nothing was paid before: then this is the purchase.
                if before is not None:
                    raise Broken("another_amount_is_refused", (asked_idr, before))
                purchase.amount_idr = asked_idr
            purchase.told_token(sold.digits)
        elif code and same:
            purchase.told_refusal(code, advice=False)
        if code and not same and before is None and purchase.paid() is not None:
            purchase.amount_idr = asked_idr
        if not code and not same and before is None and purchase.paid() is not None:
            purchase.amount_idr = asked_idr

    def _advise(self, purchase: Purchase, seam: Any) -> None:
        code, sold = self._call(
            lambda: ppob.advise(
                gate=self._gate(purchase.partner, "advice"),
                named=purchase.named,
                amount_idr=purchase.amount_idr,
                token_source=self.source,
                now=self.now,
            ),
            seam,
        )
        if code == "0000":
            purchase.told_token(sold.digits)
        elif code:
            purchase.told_refusal(code, advice=True)

    def _sweep(self, seam: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE vending_vend SET obtain_not_before_at = clock_timestamp() - interval '1 s' WHERE state = 'PAID'"
            )
        self._call(lambda: resume_paid(token_source=self.source, now=self.now), seam)

    def _keep(self, purchase: Purchase, seam: Any) -> None:
        def keep() -> None:
            try:
                ppob.keep_unsold(
                    channel=purchase.partner.channel,
                    reference=purchase.reference,
                    reason="The customer left.",
                    actor="t",
                    now=self.now,
                )
            except ppob.NotUnsold:
                return

        self._call(keep, seam)
        # Its own wish: from now on "it went back" is no contradiction where the books say so too.
        stands = purchase.paid()
        purchase.given_back = purchase.given_back or (stands is not None and stands[0] == "BACK")

    # -- what happens ----------------------------------------------------------------------------------------------------

    def _inquire(self, who: int, meter: int, amount_idr: int, option: str, seam: Any) -> Purchase | None:
        partner, asked = self.partners[who], self.meters[meter]
        code, found = self._call(
            lambda: ppob.inquire(gate=self._gate(partner, "inquiry"), number=asked.drn, by_idpel=False, now=self.now),
            seam,
        )
        if code == "0000" and self._in_cut_off():
            raise Broken("cut_off_sells_nothing", "inquiry")
        if code != "0000":
            return None
        if option == OFFERED:
            amount_idr, option = (found.unsold_idr[0], "1") if found.unsold_idr else (amount_idr, "0")
        made = Purchase(partner, asked, found, amount_idr, option)
        self.known.append(made)
        return made

    @rule(
        target=purchases,
        who=WHO,
        meter=WHO,
        amount_idr=NOMINAL,
        option=OPTION,
        says=ANSWERS,
        seam=SEAMS,
        meanwhile=MEANWHILE,
        buys=st.sampled_from([True, True, True, True, False]),
    )
    def inquire(
        self,
        who: int,
        meter: int,
        amount_idr: int,
        option: str,
        says: str,
        seam: Any,
        meanwhile: str | None,
        buys: bool,
    ) -> Any:
        purchase = self._inquire(who, meter, amount_idr, option, None if buys else seam)
        if purchase is None:
            return multiple()
        if not buys:
            return purchase
        self.source.says = says
        self._within(meanwhile, purchase)
        self._buy(purchase, seam)
        return purchase

    def _go_on(self, purchase: Purchase, how: str, says: str, seam: Any, meanwhile: str | None) -> None:
        """What a bank does with a purchase that it knows, and what it should never do."""
        self.source.says = says
        if how in ("buy", "advise"):
            self._within(meanwhile, purchase)
        acts: dict[str, Callable[[], None]] = {
            "buy": lambda: self._buy(purchase, seam),
            "advise": lambda: self._advise(purchase, seam),
            "keep": lambda: self._keep(purchase, seam),
            "another amount": lambda: self._buy(purchase, None, 20_000 if purchase.amount_idr > 20_000 else 100_000),
            "reverse": lambda: self._reverse_a_purchase(purchase),
        }
        acts[how]()
        self.source.meanwhile = None

    # A second name, so that it is chosen twice as often.
    go_on_again = rule(purchase=purchases, how=AGAIN, says=ANSWERS, seam=SEAMS, meanwhile=MEANWHILE)(_go_on)
    go_on = rule(purchase=purchases, how=AGAIN, says=ANSWERS, seam=SEAMS, meanwhile=MEANWHILE)(_go_on)

    def _reverse_a_purchase(self, purchase: Purchase) -> None:
        """A prepaid purchase has an advice, never a reversal: whatever is answered, nothing moves."""
        before = purchase.paid()
        code, _ = self._call(
            lambda: ppob.reverse(
                gate=self._gate(purchase.partner, "reversal"),
                product="502",
                pln_ref=purchase.found.pln_ref,
                number=purchase.found.customer.meter_no,
                original=ppob.Said(trace="1", sent="20260216080000", bank=BANK),
                amount_idr=purchase.amount_idr,
                now=self.now,
            )
        )
        if code == "0000" or purchase.paid() != before:
            raise Broken("prepaid_is_not_reversed", code)
        if code in GONE and before is not None and before[0] != "BACK":
            raise Broken("refused_means_not_held", code)

    @precondition(lambda self: self.known)
    @rule(says=ANSWERS, seam=SEAMS, until=st.sampled_from([None] * 4 + [5, 3_700, 3_700, (23, 30), (0, 30), (0, 30)]))
    def time_passes(self, says: str, seam: Any, until: int | tuple[int, int] | None) -> None:
        """Seconds, or until a time of day (WIB); then the sweeper comes."""
        if isinstance(until, int):
            self.now += dt.timedelta(seconds=until)
        elif until is not None:
            local = self.now.astimezone(WIB)
            then = local.replace(hour=until[0], minute=until[1], second=0)
            self.now = then if then > local else then + dt.timedelta(days=1)
        self.source.says = says
        self._sweep(seam)

    def _fill(self, who: int, seam: Any) -> None:
        """Said until it was done, as an operator would."""
        self.filled += 1
        channel, reference = self.partners[who].channel, f"again-{self.filled}"
        for one in (seam, None):
            self._call(
                lambda: fill_deposit(channel=channel, amount_idr=500_000, reference=reference, actor="t", now=self.now),
                one,
            )

    # -- bills -----------------------------------------------------------------------------------------------------------

    @rule(
        who=WHO,
        which=st.integers(0, 2),
        how=st.sampled_from(["ask", "pay", "pay", "reverse", "reverse", "fill"]),
        seam=SEAMS,
    )
    def a_bill(self, who: int, which: int, how: str, seam: Any) -> None:
        """A bill that was asked for is paid or reversed; a deposit is filled as well."""
        if how == "fill":
            self._fill(who, seam)
            return
        if how == "ask" or not self.bills:
            self._inquire_a_bill(who)
        if self.bills and how != "ask":
            bill = self.bills[-1 - which % len(self.bills)]
            acts = {"pay": self._pay_a_bill, "reverse": self._reverse_a_bill}
            acts[how](bill, seam)

    def _inquire_a_bill(self, who: int) -> None:
        partner, row = self.partners[who], self.registration
        code, found = self._call(
            lambda: ppob.inquire_registration(
                gate=self._gate(partner, "inquiry", "504"), number=row.number, transaction_code="000", now=self.now
            )
        )
        if code == "0000":
            said = ppob.Said(trace=f"{len(self.bills):012d}", sent=f"{self.now:%Y%m%d%H%M%S}", bank=BANK)
            self.bills.append(Bill(partner, row.number, found, said))

    def _pay_a_bill(self, bill: Bill, seam: Any) -> None:
        code, _ = self._call(
            lambda: ppob.pay_registration(
                gate=self._gate(bill.partner, "purchase", "504"),
                pln_ref=bill.found.pln_ref,
                switcher_ref=bill.found.switcher_ref,
                number=bill.number,
                amount_idr=BP_IDR,
                said=bill.said,
                now=self.now,
            ),
            seam,
        )
        if code == "0000" and bill.reversed:
            raise Broken("reversed_stays_reversed", bill.number)
        if code and code != "0000" and bill.paid and not bill.reversed and not self._was_reversed(bill):
            raise Broken("no_refusal_after_a_payment", code)
        bill.paid = bill.paid or code == "0000"

    def _reverse_a_bill(self, bill: Bill, seam: Any) -> None:
        code, _ = self._call(
            lambda: ppob.reverse(
                gate=self._gate(bill.partner, "reversal", "504"),
                product="504",
                pln_ref=bill.found.pln_ref,
                number=bill.number,
                original=bill.said,
                amount_idr=BP_IDR,
                now=self.now,
            ),
            seam,
        )
        if code == "0063" and bill.paid:
            raise Broken("a_payment_is_found", bill.number)
        if code == "0094" and not bill.reversed and not self._was_reversed(bill):
            raise Broken("a_reversal_is_found", bill.number)
        bill.reversed = bill.reversed or code in ("0000", "0063", "0094")

    def _was_reversed(self, bill: Bill) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT b.reversed_at IS NOT NULL FROM vending_billpayment b"
                " JOIN vending_ppobinquiry i ON i.id = b.inquiry_id WHERE i.pln_ref = %s",
                [bill.found.pln_ref],
            )
            found = cursor.fetchone()
        return bool(found and found[0])

    # -- what is always true ---------------------------------------------------------------------------------------------

    @invariant()
    def everything_agrees(self) -> None:
        if not hasattr(self, "channels"):
            return
        check_books(channels=self.channels, after_entry=self.after_entry)
        check_source(channels=self.channels, source=self.source)
        for purchase in self.known:
            stands = purchase.paid() if purchase.given_up or purchase.digits else None
            if purchase.given_up and stands is not None and stands[0] != "BACK":
                raise Broken("no_token_after_a_refund", stands)
            if purchase.digits and not purchase.given_back and (stands is None or stands[1] != purchase.digits):
                raise Broken("told_is_booked", stands)

    def teardown(self) -> None:
        """All comes to rest: the source answers, the sweeper and an advice find the end of each purchase."""
        if not hasattr(self, "channels"):
            return
        self.source.says, self.source.meanwhile = "ISSUE", None
        self._sweep(None)
        for purchase in self.known:
            self._advise(purchase, None)
            if purchase.heard[-1] not in ("0000", *GONE):
                raise Broken("all_comes_to_rest", (purchase.reference, purchase.heard))
        self.everything_agrees()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM vending_vend v JOIN vending_payment p ON p.id = v.payment_id"
                " WHERE p.channel_id = ANY(%s) AND v.state = 'PAID'",
                [self.channels],
            )
            if cursor.fetchone()[0]:
                raise Broken("all_comes_to_rest", "money is held")
