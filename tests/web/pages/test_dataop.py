"""The data operator's pages: links, what needs a look, one SMS's whole life."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.audit.models import AuditRecord
from duaarah.people.models import Membership
from duaarah.registry.models import CatalogueItem, CataloguePrice, Sim
from duaarah.sms.console import ambiguous, links
from duaarah.sms.models import Bind, InboundSms, OutboundSegment, Receipt
from duaarah.sms.operations import (
    FrameNotAgain,
    SegmentOrder,
    decide_ambiguous,
    enqueue_segments,
    judge_stale_segments,
)
from duaarah.web.dataop.words import status_name, without_tokens

pytestmark = pytest.mark.slow


def machine_now() -> dt.datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at: dt.datetime = cursor.fetchone()[0]
        return at


def queued(town: Town, house: House, message_class: str = "METER_FRAME") -> OutboundSegment:
    from django.db import transaction

    order = SegmentOrder(
        bind_id=town.bind.pk,
        meter_id=house.meter.pk,
        message_class=message_class,
        priority=0,
        retry=False,
        source="3123",
        destination=house.pairing.sim.msisdn,
        data_coding=4,
        payload=b"\x01\x02\x03",
        validity_s=3600,
        registered=True,
        correlation=None,
    )
    with transaction.atomic():
        (made,) = enqueue_segments([order], now=town.now)
    return OutboundSegment.objects.get(pk=made)


def test_a_link_says_its_window_rate_queue_and_codes(town: Town, household: House) -> None:
    at = machine_now()
    rows = [queued(town, household) for _ in range(13)]
    ids = [row.pk for row in rows]
    OutboundSegment.objects.filter(pk__in=ids[:2]).update(state="SUBMITTING", lease_until_at=at)
    OutboundSegment.objects.filter(pk__in=ids[2:8]).update(state="ACCEPTED", answered_at=at, smsc_status=0)
    OutboundSegment.objects.filter(pk=ids[8]).update(state="REFUSED", answered_at=at, smsc_status=0x58)
    OutboundSegment.objects.filter(pk=ids[9]).update(
        state="REFUSED", answered_at=at - dt.timedelta(seconds=90), smsc_status=0x58
    )
    # Both instants one: a past that was written in, no traffic of the last minute.
    OutboundSegment.objects.filter(pk=ids[10]).update(state="ACCEPTED", submitted_at=at, answered_at=at, smsc_status=0)
    OutboundSegment.objects.filter(pk=ids[12]).update(message_class="WARNING")
    (line,) = links()
    assert (line.in_window, line.answered, line.tps_tenths) == (2, 7, 1)
    assert {(q.message_class, q.waiting, q.oldest_at) for q in line.queue} == {
        ("METER_FRAME", 1, town.now),
        ("WARNING", 1, town.now),
    }
    assert [(c.status, c.segments) for c in line.codes] == [(0x58, 2)]
    assert links(operator_ids=[town.operator.pk])[0].bind == town.bind and links(operator_ids=[]) == []


def test_the_console_is_live_and_says_what_it_knows(sign_in: SignIn, town: Town, household: House) -> None:
    Bind.objects.update(state="DOWN", state_reason="connection refused")
    row = queued(town, household)
    OutboundSegment.objects.filter(pk=row.pk).update(state="REFUSED", smsc_status=0x58)
    client = sign_in("dataop")
    page = client.get("/data/").content.decode()
    assert "connection refused" in page and "ESME_RTHROTTLED" in page
    part = client.get("/data/", headers={"hx-request": "true"})
    assert part.status_code == 200 and "<html" not in part.content.decode()
    again = client.get("/data/", headers={"hx-request": "true", "if-none-match": part["ETag"]})
    assert again.status_code == 304


def test_a_lost_response_a_lonely_receipt_and_an_unreadable_sms_need_a_look(
    sign_in: SignIn, town: Town, household: House
) -> None:
    at = machine_now()
    row = queued(town, household)
    OutboundSegment.objects.filter(pk=row.pk).update(
        state="SUBMITTING", lease_until_at=at - dt.timedelta(seconds=1), submitted_at=at, attempts=1
    )
    assert judge_stale_segments(now=town.now) == 1
    assert [r.pk for r in ambiguous()] == [row.pk]
    Receipt.objects.create(bind=town.bind, message_ids=["a-1"], state=5, error="011", received_at=at)
    # One whose id nobody can read stands there with its words, a token in them hidden.
    text = "terkirim: Token 1234 5678 9012 3456 7890"
    Receipt.objects.create(bind=town.bind, message_ids=[], state=7, text=text, received_at=at)
    inbound = town.arrive(source=household.pairing.phone, payload=b"?", kind="TEXT", data_coding=0)
    InboundSms.objects.filter(pk=inbound).update(state="FAILED", outcome="given_up")
    client = sign_in("dataop")
    page = client.get("/data/perlu-dilihat/").content.decode()
    for words in (
        f"/data/pesan/{row.pk}/",
        "a-1",
        "could not be delivered",
        "none can be read",
        "terkirim: Token ····",
        f"/data/pesan/masuk/{inbound}/",
    ):
        assert words in page
    assert "1234 5678" not in page
    life = client.get(f"/data/pesan/{row.pk}/").content.decode()
    assert "The response was lost" in life and "Ambiguous: the reservation stays until it is decided" in life
    assert "given_up" in client.get(f"/data/pesan/masuk/{inbound}/").content.decode()


def test_a_sms_is_followed_from_question_to_answer_and_no_phone_is_shown(
    sign_in: SignIn, town: Town, household: House
) -> None:
    town.text(household, "SALDO")
    town.run()
    row = OutboundSegment.objects.get()
    OutboundSegment.objects.update(
        smsc_message_id="m-77", submitted_at=town.now, answered_at=town.now + dt.timedelta(milliseconds=42)
    )
    Receipt.objects.create(bind=town.bind, segment=row, message_ids=["m-77"], state=2, received_at=town.now)
    client = sign_in("dataop")
    for path in ("/data/pesan/?cari=m-77", f"/data/pesan/?cari={household.meter.drn}", "/data/pesan/?kelas=REPLY"):
        assert f"/data/pesan/{row.pk}/" in client.get(path).content.decode(), path
    assert "No message fits" in client.get("/data/pesan/?cari=m-78").content.decode()
    life = client.get(f"/data/pesan/{row.pk}/").content.decode()
    for words in (
        "42 ms",
        "m-77",
        "Receipt of the network</b>: delivered",
        "Answer to a customer",
        "Message to a person",
    ):
        assert words in life
    inbound = client.get(f"/data/pesan/masuk/{InboundSms.objects.get().pk}/").content.decode()
    assert household.pairing.phone not in life + inbound
    assert client.get("/data/pesan/999999/").status_code == 404


def test_words() -> None:
    assert (status_name(0x58), status_name(0x400), status_name(0), status_name(None)) == (
        "ESME_RTHROTTLED",
        "0x00000400",
        "",
        "",
    )
    assert without_tokens("Token 1234 5678 9012 3456 7890. Saldo 38,4") == "Token ···· ···· ···· ···· 7890. Saldo 38,4"
    assert without_tokens("12345678901234567890") == "···· ···· ···· ···· 7890"


def test_a_sims_state_is_changed_with_a_reason_by_those_who_may(sign_in: SignIn, town: Town, household: House) -> None:
    sim = household.pairing.sim
    path = f"/data/sim/{sim.iccid}/"
    client = sign_in("dataop")
    assert sim.iccid in client.get("/data/sim/").content.decode()
    # A SIM that is in a meter, though its state says in stock: an alarm.
    Sim.objects.filter(pk=sim.pk).update(state="IN_STOCK")
    assert "though its state says it cannot" in client.get(path).content.decode()
    said = client.post(path, {"state": "ACTIVE", "reason": "r"}, follow=True).content.decode()
    assert "This state does not follow" in said and Sim.objects.get(pk=sim.pk).state == "IN_STOCK"
    client.post(path, {"state": "IN_MODEM", "reason": "fitted"})
    assert Sim.objects.get(pk=sim.pk).state == "IN_MODEM"
    page = client.get(path).content.decode()
    assert "fitted" in page and sim.msisdn not in page
    Membership.objects.filter(login__username="dataop").update(role="VIEWER")
    assert client.post(path, {"state": "ACTIVE", "reason": "r"}).status_code == 403
    assert Sim.objects.get(pk=sim.pk).state == "IN_MODEM"


def test_a_price_begins_on_a_coming_day(sign_in: SignIn, town: Town) -> None:
    CatalogueItem.objects.create(code="SMS-28", kind="PACKAGE", name="28 SMS", segments_monthly=28)
    client = sign_in("dataop")
    form = {"item": "SMS-28", "amount": "5.500", "from": "2026-02-17", "reason": "new year"}
    for wrong, words in (
        ({"from": "2026-02-16"}, "tomorrow at the earliest"),
        ({"from": "yesterday"}, "whole rupiah"),
        ({"amount": "-1"}, "whole rupiah"),
        ({"item": "X"}, "whole rupiah"),
        ({"reason": ""}, "Say why"),
    ):
        page = client.post("/data/katalog/harga/", {**form, **wrong}, follow=True).content.decode()
        assert words in page and CataloguePrice.objects.count() == 0, wrong
    page = client.post("/data/katalog/harga/", form, follow=True).content.decode()
    assert "Rp 5,500" in page and "to come" in page and "no price yet" in page
    assert CataloguePrice.objects.get().set_by.startswith("login:")
    Membership.objects.filter(login__username="dataop").update(role="VIEWER")
    assert client.post("/data/katalog/harga/", form).status_code == 403
    assert CataloguePrice.objects.count() == 1


def lost(town: Town, house: House, message_class: str) -> OutboundSegment:
    """A segment whose response was lost."""
    row = queued(town, house, message_class)
    ended = machine_now() - dt.timedelta(seconds=1)
    OutboundSegment.objects.filter(pk=row.pk).update(state="SUBMITTING", lease_until_at=ended, attempts=1)
    assert judge_stale_segments(now=town.now) == 1
    return row


def test_a_person_decides_what_became_of_a_lost_response(sign_in: SignIn, town: Town, household: House) -> None:
    first, second = lost(town, household, "WARNING"), lost(town, household, "WARNING")
    client = sign_in("dataop")
    path = f"/data/pesan/{first.pk}/putuskan/"
    assert path in client.get(f"/data/pesan/{first.pk}/").content.decode()
    client.post(path, {"outcome": "sent", "reason": "the customer has it"})
    assert OutboundSegment.objects.get(pk=first.pk).state == "ACCEPTED"
    page = client.post(path, {"outcome": "not_sent", "reason": "r"}, follow=True).content.decode()
    assert "known by now" in page and OutboundSegment.objects.get(pk=first.pk).state == "ACCEPTED"
    assert path not in page
    client.post(f"/data/pesan/{second.pk}/putuskan/", {"outcome": "again", "reason": "the operator never had it"})
    again = OutboundSegment.objects.latest("pk")
    assert (OutboundSegment.objects.get(pk=second.pk).state, again.state, again.retry) == ("CANCELLED", "QUEUED", True)
    verbs = AuditRecord.objects.filter(verb="sms.decide_ambiguous").order_by("id")
    assert [(r.refused, r.reason) for r in verbs] == [
        (False, "the customer has it"),
        (True, "r"),
        (False, "the operator never had it"),
    ]


def test_the_verb_itself_sends_no_frame_again(town: Town, household: House) -> None:
    frame = lost(town, household, "METER_FRAME")
    before = OutboundSegment.objects.count()
    with pytest.raises(FrameNotAgain):
        decide_ambiguous(segment_id=frame.pk, sent=False, resend=True, actor="op", reason="r", now=town.now)
    assert [r.pk for r in ambiguous()] == [frame.pk] and OutboundSegment.objects.count() == before
    refusal = AuditRecord.objects.get(verb="sms.decide_ambiguous")
    assert (refusal.refused, refusal.code) == (True, "frame_not_again")


def test_a_decision_needs_an_outcome_a_reason_and_the_right(sign_in: SignIn, town: Town, household: House) -> None:
    row, frame = lost(town, household, "WARNING"), lost(town, household, "METER_FRAME")
    client = sign_in("dataop")
    before = OutboundSegment.objects.count()
    for pk, form, words in (
        (row.pk, {"outcome": "sent", "reason": " "}, "how you know"),
        (row.pk, {"outcome": "burnt", "reason": "r"}, "how you know"),
        (row.pk, {"outcome": "sent", "reason": "r" * 401}, "how you know"),
        (frame.pk, {"outcome": "again", "reason": "r"}, "sent again by its command"),
    ):
        page = client.post(f"/data/pesan/{pk}/putuskan/", form, follow=True).content.decode()
        assert words in page, form
    Membership.objects.filter(login__username="dataop").update(role="VIEWER")
    good = {"outcome": "sent", "reason": "r"}
    assert client.post(f"/data/pesan/{row.pk}/putuskan/", good).status_code == 403
    assert [r.pk for r in ambiguous()] == [row.pk, frame.pk] and OutboundSegment.objects.count() == before
