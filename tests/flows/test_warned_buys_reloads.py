"""A customer is warned, buys, and the meter reloads itself; and everything that may go wrong on the way."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.db import connection

from duaarah.audit.models import AuditRecord
from duaarah.headend.models import Command, MeterEvent
from duaarah.headend.operations import end_leases
from duaarah.registry.models import Pairing, Site
from duaarah.sms.models import InboundSms, OutboundSegment, PackageEntry
from duaarah.sms.operations import claim_inbound, give_up_inbound
from duaarah.vending.models import LedgerLine, Payment, Token, Vend, Wallet
from duaarah.vending.operations import fill_wallet, send_digits_instead, take_payment, top_up
from duaarah.vending.operations.sweep import resume_paid
from duaarah.vending.operations.top_up import NominalRefused, ReferenceReused, WalletTooLow
from duaarah.vending.ports import Issued, Refused, Unknown
from tests.flows.house import Town

pytestmark = pytest.mark.slow
KINDS = ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")


def ledger_is_zero() -> bool:
    return sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0


def state_of_things() -> dict[str, object]:
    """Everything that a refusal must leave as it was."""
    return {
        "payments": Payment.objects.count(),
        "vends": Vend.objects.count(),
        "tokens": Token.objects.count(),
        "commands": Command.objects.count(),
        "events": MeterEvent.objects.count(),
        "wallets": sorted(Wallet.objects.values_list("pk", "balance_sen")),
        "lines": LedgerLine.objects.count(),
    }


@pytest.mark.parametrize("profile", KINDS)
def test_low_credit_warning_reply_token_and_receipt(town: Town, profile: str) -> None:
    house = town.house(profile=profile)

    town.use(house, 1_200)
    town.run()
    (warning,) = town.words_to(house)
    hint = re.search(r"ISI 50000 ([A-Z]\d[A-Z])", warning)
    assert hint is not None and warning.startswith("Stroom 4,8 kWh (meter 99...")
    before_wh = house.sim.credit_wh
    town.text(house, f"isi 50rb {hint[1].lower()}")
    town.run()

    vend = Vend.objects.get()
    digits = vend.token.digits
    assert (vend.state, vend.result, vend.encoded_wh) == ("LOADED", "accept", 33_600)
    assert house.sim.credit_wh == before_wh + 33_600
    assert town.words_to(house)[1:] == [
        "Terisi 33,6 kWh (Rp50.000). Saldo 38,4 kWh. Token "
        + " ".join(digits[i : i + 4] for i in range(0, 20, 4))
        + "."
    ]
    assert Wallet.objects.get().balance_sen == 15_000_000
    assert ledger_is_zero()
    # push, warning, frame, answer, receipt: five count; the customer's own SMS does not.
    settled = PackageEntry.objects.filter(inbound__isnull=False) | PackageEntry.objects.filter(kind="RESERVE")
    assert sorted(settled.filter(counts=True).values_list("message_class", flat=True)) == [
        "METER_ANSWER",
        "METER_FRAME",
        "METER_PUSH",
        "RECEIPT",
        "WARNING",
    ]
    assert settled.filter(counts=False).values_list("message_class", flat=True).get() == "CUSTOMER_MO"


def test_a_repeated_reference_returns_the_same_token_and_takes_no_money_twice(town: Town) -> None:
    house = town.house()
    bought = [
        top_up(
            pairing=house.pairing,
            amount_idr=50_000,
            channel=town.channel,
            reference="abc",
            token_source=town.source,
            now=town.now + dt.timedelta(minutes=minute),
        )
        for minute in (0, 7)
    ]

    assert bought[0].digits == bought[1].digits and bought[1].repeated
    assert Wallet.objects.get().balance_sen == 15_000_000
    assert Command.objects.count() == 1


def test_a_lost_answer_is_sent_again_under_a_new_counter_and_used_means_loaded(town: Town) -> None:
    house = town.house()
    house.sim.faults.lose_next_answer = 1
    before_wh = house.sim.credit_wh
    top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="r",
        token_source=town.source,
        now=town.now,
    )
    town.run()
    assert (Vend.objects.get().state, Command.objects.get().state) == ("ISSUED", "SENT")

    town.end_leases_now()
    assert end_leases(now=town.now, backoff_s=0) == 1
    town.run()

    vend, command = Vend.objects.get(), Command.objects.get()
    assert (vend.state, vend.result, command.state, command.attempts) == ("LOADED", "used", "ACKED", 2)
    assert sorted(command.attempt_rows.values_list("counter", flat=True)) == [1, 2]
    assert house.sim.credit_wh == before_wh + 33_600
    assert PackageEntry.objects.filter(retry=True, kind="RESERVE").count() == 1
    assert len(town.words_to(house)) == 1


def test_without_an_answer_for_15_minutes_the_digits_go_out_instead_and_once(town: Town) -> None:
    house = town.house()
    top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="r",
        token_source=town.source,
        now=town.now,
    )
    town.run(to_meters=False)
    town.now += dt.timedelta(minutes=14, seconds=59)
    assert send_digits_instead(now=town.now) == 0

    town.now += dt.timedelta(seconds=1)
    assert send_digits_instead(now=town.now) == 1
    assert send_digits_instead(now=town.now) == 0
    town.run(to_meters=False)
    (words,) = town.words_to(house)
    assert words.startswith("Meter belum menjawab. Ketik di meter: ")

    # He keys it in; the meter tells by itself; no second receipt is charged to his package.
    result, pushes = house.sim.keypad(Vend.objects.get().token.digits, town.now)
    assert result == "accept"
    town.push(house, pushes)
    town.run(to_meters=False)
    assert Vend.objects.get().state == "LOADED"
    assert Command.objects.get().state == "ACKED"
    assert len(town.words_to(house)) == 1


class _Answers:
    """A token source that gives the answers it was told, then the real ones."""

    def __init__(self, town: Town, *answers: Issued | Refused | Unknown) -> None:
        self.town, self.answers, self.asked = town, list(answers), []

    def obtain(self, request):  # type: ignore[no-untyped-def]
        self.asked.append(request)
        return self.answers.pop(0) if self.answers else self.town.source.obtain(request)


def test_an_unknown_outcome_is_asked_again_with_the_stored_configuration(town: Town) -> None:
    house = town.house()
    source = _Answers(town, Unknown("no answer"))
    outcome = top_up(
        pairing=house.pairing, amount_idr=50_000, channel=town.channel, reference="r", token_source=source, now=town.now
    )
    assert (outcome.vend.state, outcome.digits) == ("PAID", None)
    house.meter.krn = 2
    house.meter.save()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE vending_vend SET obtain_not_before_at = clock_timestamp()")

    assert resume_paid(token_source=source, now=town.now + dt.timedelta(minutes=3)) == 1

    assert source.asked[0] == source.asked[1]
    assert Vend.objects.get().state == "ISSUED"
    assert Wallet.objects.get().balance_sen == 15_000_000


def test_a_refused_token_gives_the_money_back(town: Town) -> None:
    house = town.house()
    before = Wallet.objects.get().balance_sen
    top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="r",
        token_source=_Answers(town, Refused("ken_expired", "expired")),
        now=town.now,
    )
    town.run()
    assert Vend.objects.get().state == "REFUNDED"
    assert Wallet.objects.get().balance_sen == before
    assert Command.objects.count() == 0 and ledger_is_zero()
    assert town.words_to(house) == ["Pembelian Rp50.000 batal, tidak ada token. Uang sudah kembali ke dompet Anda."]


def test_after_t1_alone_the_sweeper_finishes_with_the_same_digits(town: Town) -> None:
    house = town.house()
    vend, _ = take_payment(pairing=house.pairing, amount_idr=50_000, channel=town.channel, reference="r", now=town.now)
    # The process died here.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE vending_vend SET obtain_not_before_at = clock_timestamp()")
    assert resume_paid(token_source=town.source, now=town.now) == 1
    digits = Token.objects.get().digits
    again = top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="r",
        token_source=town.source,
        now=town.now,
    )
    assert again.digits == digits and again.vend.pk == vend.pk


@pytest.mark.parametrize(
    ("words", "beginning"),
    [
        ("ISI 50001 123456", "Nominal 50001 tidak tersedia"),
        ("ISI 50000", "Utk membeli tambah PIN 6 angka Anda"),
        ("ISI 50000 999999", "PIN salah, tidak ada yang dibeli"),
        ("ISI 50000 B2B", "Kode salah atau sudah terpakai"),
        ("halo apa kabar semuanya", "Maaf, kami belum mengerti"),
        ("BANTUAN", "SALDO sisa kWh"),
        ("SALDO", "Meter 99...016 belum pernah melapor"),
        ("TOKEN", "Belum ada token"),
        ("ISI 1000000 123456", "Dompet Rp200.000, kurang utk Rp1.000.000"),
    ],
)
def test_wrong_or_harmless_words_get_one_helpful_sms_and_nothing_moves(town: Town, words: str, beginning: str) -> None:
    house = town.house()
    house.pairing.meter = house.meter
    before = state_of_things()
    town.text(house, words)
    town.run()
    (reply,) = town.words_to(house)
    assert reply.startswith(beginning.replace("99...016", f"99...{house.meter.drn[-3:]}")), reply
    assert state_of_things() == before


def test_three_wrong_pins_lock_and_a_right_one_is_refused_then(town: Town) -> None:
    house = town.house()
    for pin in ("000001", "000002", "000003", "123456"):
        town.text(house, f"ISI 50000 {pin}")
        town.run()
    assert town.words_to(house)[-1].startswith("PIN terkunci 1 jam")
    assert Payment.objects.count() == 0


def test_a_reply_code_is_spent_once(town: Town) -> None:
    house = town.house()
    town.use(house, 1_200)
    town.run()
    code = re.search(r"ISI 50000 (\w+)", town.words_to(house)[0])[1]  # type: ignore[index]
    for _ in range(2):
        town.text(house, f"ISI 50000 {code}")
        town.run()
    assert Payment.objects.count() == 1
    assert town.words_to(house)[-1].startswith("Kode salah atau sudah terpakai")


def test_one_correlation_id_runs_through_the_log_from_payment_to_the_meters_answer(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    house = town.house()
    with caplog.at_level("INFO", logger="duaarah"):
        town.text(house, "ISI 50000 123456")
        town.run()
    vend = Vend.objects.get()
    said = [r.getMessage() for r in caplog.records if getattr(r, "correlation", None) == vend.correlation]
    assert [line.split(" ", 2)[0] + " " + line.split(" ", 2)[2] for line in said] == [
        "vend paid: Rp50000 by SMS",
        "vend is ISSUED",
        "command goes under counter 1",
        "vend the meter says accept",
        "message handed over: receipt",
    ]
    assert vend.token.digits not in caplog.text and house.pairing.phone not in caplog.text


def test_a_code_survives_an_empty_wallet_and_works_after_it_was_filled(town: Town) -> None:
    house = town.house(wallet_idr=0)
    town.use(house, 1_200)
    town.run()
    code = re.search(r"ISI 50000 (\w+)", town.words_to(house)[0])[1]  # type: ignore[index]
    before = state_of_things()
    town.text(house, f"ISI 50000 {code}")
    town.run()
    assert town.words_to(house)[-1].startswith("Dompet Rp0, kurang utk Rp50.000")
    assert state_of_things() == before
    fill_wallet(holder=house.holder, amount_idr=50_000, reference="later", now=town.now)
    town.text(house, f"ISI 50000 {code}")
    town.run()
    assert Vend.objects.get().state == "LOADED" and Wallet.objects.get().balance_sen == 0


def test_an_sms_that_fails_every_time_is_listed_booked_and_audited(town: Town) -> None:
    town.house()
    inbound_id = town.arrive(source="6281200000001", payload=b"SALDO", kind="TEXT", data_coding=0)
    for _ in range(5):
        assert claim_inbound(kind="TEXT", limit=20, lease_s=0) == [inbound_id]
    assert claim_inbound(kind="TEXT", limit=20, lease_s=0) == []

    assert give_up_inbound(now=town.now) == 1
    assert give_up_inbound(now=town.now) == 0

    assert InboundSms.objects.get(pk=inbound_id).state == "FAILED"
    assert PackageEntry.objects.filter(inbound_id=inbound_id, counts=False).count() == 1
    assert AuditRecord.objects.get(subject=f"inbound:{inbound_id}").code == "given_up"


def test_a_stranger_learns_nothing(town: Town) -> None:
    town.house()
    before = state_of_things()
    town.arrive(source="6281299999999", payload=b"SALDO", kind="TEXT", data_coding=0)
    town.run()
    (reply,) = town.inbox["6281299999999"]
    assert reply == "Nomor ini belum dipasangkan dengan meter dua arah. Daftar di gerai atau hubungi 123."
    assert state_of_things() == before
    assert AuditRecord.objects.get(refused=True, verb="texting.answer").code == "unknown_sender"


@pytest.mark.parametrize("damage", ["tag", "replay", "stranger", "garbage"])
def test_a_frame_that_is_not_right_is_refused_and_logged(town: Town, damage: str) -> None:
    house = town.house()
    (push,) = house.sim.consume(1_200_000, town.now)
    source = house.pairing.sim.msisdn
    if damage == "replay":
        town.push(house, [push])
        town.run()
    payload = {"tag": push[:-1] + bytes([push[-1] ^ 1]), "garbage": b"\x00\xff" * 20}.get(damage, push)
    before, said = state_of_things(), len(town.words_to(house))

    inbound_id = town.arrive(
        source="6281100000999" if damage == "stranger" else source, payload=payload, kind="BINARY", data_coding=4
    )
    town.run()

    code = {"tag": "auth_failed", "replay": "replayed", "stranger": "unknown_sender"}.get(damage)
    row = InboundSms.objects.get(pk=inbound_id)
    assert row.state == "REFUSED" and (code is None or row.outcome == code)
    assert state_of_things() == before and len(town.words_to(house)) == said
    assert AuditRecord.objects.filter(refused=True, subject=f"inbound:{inbound_id}").count() == 1
    assert PackageEntry.objects.filter(inbound_id=inbound_id, counts=False).count() == 1


def test_refusals_of_the_till_move_nothing_and_leave_an_audit_line(town: Town) -> None:
    house = town.house(wallet_idr=60_000)
    buy = {"pairing": house.pairing, "channel": town.channel, "now": town.now}
    take_payment(amount_idr=50_000, reference="first", **buy)
    before = state_of_things()
    for amount_idr, reference, error in (
        (12_345, "n", NominalRefused),
        (20_000, "w", WalletTooLow),
        (100_000, "first", ReferenceReused),
    ):
        with pytest.raises(error):
            take_payment(amount_idr=amount_idr, reference=reference, **buy)
    assert state_of_things() == before
    assert sorted(AuditRecord.objects.filter(refused=True).values_list("code", flat=True)) == [
        "reference_reused",
        "wallet_too_low",
        "wrong_nominal",
    ]


def test_two_purchases_in_one_minute_have_consecutive_tids_and_go_one_after_the_other(town: Town) -> None:
    house = town.house()
    for reference in ("a", "b"):
        top_up(
            pairing=house.pairing,
            amount_idr=20_000,
            channel=town.channel,
            reference=reference,
            token_source=town.source,
            now=town.now,
        )
    first, second = Vend.objects.order_by("pk")
    assert second.tid == first.tid + 1
    town.run()
    assert set(Vend.objects.values_list("state", flat=True)) == {"LOADED"}
    frames = OutboundSegment.objects.filter(message_class="METER_FRAME").count()
    assert frames == 2 and house.sim.tokens_distinct == 2


def test_the_longest_question_for_a_site_still_fits_one_sms(town: Town) -> None:
    first, second = town.house(), town.house()
    for house, alias in ((first, "ABCDEFGHIJKL"), (second, "MNOPQRSTUVWX")):
        Pairing.objects.filter(pk=house.pairing.pk).update(phone=first.pairing.phone)
        Site.objects.create(holder=first.holder, meter=house.meter, alias=alias, name=alias, kind="BTS")
    before = state_of_things()
    town.text(first, "ISI 99999999jt 123456")
    town.run()
    (reply,) = town.words_to(first)
    assert reply.startswith("Anda punya beberapa lokasi. Sebut satu, mis. ISI ABCDEFGHIJKL.") and len(reply) <= 160
    assert state_of_things() == before
