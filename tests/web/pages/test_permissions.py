"""Every page as every role: what is not his is refused, nothing is learnt and nothing moves."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from tests.flows.house import House, Town
from tests.flows.ppob_host import partner
from tests.web.pages.conftest import SignIn
from tests.web.vendors import vendor

from duaarah.analytics.models import Compensation, DeclaredLevel, LossDecision, ReadingEdit, TMPMonth
from duaarah.core.order import Order, OrderKind
from duaarah.headend.campaigns.choice import Choice
from duaarah.headend.campaigns.operations import plan_campaign
from duaarah.headend.models import Campaign, Command, Firmware, FirmwareRollout, KeyRotation, Maker, Shipment
from duaarah.headend.operations import place_order, withdraw_order
from duaarah.headend.shipments.operations import set_maker
from duaarah.messaging.models import Message
from duaarah.notices.auto.rules import Wish, set_rule
from duaarah.notices.models import AutoRule, TopUpRequest
from duaarah.outages.models import Outage, PlannedOutage
from duaarah.people.models import APIKey, Approval, Login, Organisation, Unit
from duaarah.people.operations import decide_approval
from duaarah.registry.models import CataloguePrice, Delegation, Meter, NetworkNode, NumberRange, Sim
from duaarah.reports.models import Issue, Subscription
from duaarah.sms.models import Bind, InboundSms, IssuedInvoice, OutboundSegment, Reconciliation, RecordFile
from duaarah.vending.batch_models import Correction, KeyRoll, TokenBatch, TokenPhone
from duaarah.vending.models import Channel, KeyChange, LedgerEntry, LedgerLine, Payment, Token, Vend
from duaarah.vending.operations import order_key_change, request_key_change, withdraw_key_change
from duaarah.vending.operations.books import book
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.reconcile import reconcile
from duaarah.vending.vendor_models import VendorKey
from duaarah.web.utility.report_letters import unsubscribe_token

pytestmark = pytest.mark.slow
CUSTOMERS, DESK, DATA, PLN = {"household", "fleet"}, {"pln", "dataop"}, {"dataop"}, {"pln"}
REFERENCE = "00000000-0000-4000-8000-000000000001"
ALL = {"nobody", "household", "fleet", "pln", "dataop", "mobile", "gerai"}
# Every page by the name of its URL: its path, how it is asked for, and the roles that see it. The meter and its token
# are the household's; a page of a meter that the fleet owner may see is in the list as one of his own.
PAGES: dict[str, tuple[str, str, set[str]]] = {
    "start": ("/", "redirect", ALL),
    "sign-in": ("/masuk/", "get", ALL),
    "sign-out": ("/keluar/", "post-redirect", ALL),
    "set_language": ("/bahasa/", "post-redirect", ALL),
    "api-documentation": ("/api/v1/", "get", ALL),
    "home": ("/rumah/", "get", CUSTOMERS),
    "home-preferences": ("/rumah/pengaturan/", "get", CUSTOMERS),
    "home-package": ("/rumah/paket/", "get", CUSTOMERS),
    "home-delegations": ("/rumah/izin/", "get", CUSTOMERS),
    "home-keys": ("/rumah/kunci/", "post", CUSTOMERS),
    "home-meter": ("/rumah/meter/{drn}/", "get", {"household"}),
    "home-now": ("/rumah/meter/{drn}/sekarang/", "get", {"household"}),
    "home-buy": ("/rumah/meter/{drn}/isi/", "get", {"household"}),
    "home-receipt": ("/rumah/token/{vend}/struk/", "get", {"household"}),
    "home-token": ("/rumah/token/{vend}/", "get", {"household"}),
    "home-usage": ("/rumah/meter/{drn}/pemakaian/", "get", {"household"}),
    "home-token-part": ("/rumah/token/{vend}/jejak/", "get", {"household"}),
    "home-auto-list": ("/rumah/otomatis/", "get", CUSTOMERS),
    "home-auto-new": ("/rumah/otomatis/baru/", "get", CUSTOMERS),
    "home-auto-edit": ("/rumah/otomatis/{rule}/", "get", {"household"}),
    "fleet-auto-list": ("/armada/otomatis/", "get", CUSTOMERS),
    "fleet-auto-new": ("/armada/otomatis/baru/", "get", CUSTOMERS),
    "fleet-auto-edit": ("/armada/otomatis/{rule}/", "get", {"household"}),
    # Whose rule it is not, is told that there is none to stop; nothing waits for a second person here.
    "home-auto-stop": ("/rumah/otomatis/{rule}/henti/", "post-redirect", CUSTOMERS),
    "home-auto-decide": ("/rumah/otomatis/putuskan/1/", "post", set()),
    # Whose rule it is not, is told that there is none to stop; nothing waits for a second person here.
    "fleet-auto-stop": ("/armada/otomatis/{rule}/henti/", "post-redirect", CUSTOMERS),
    "fleet-auto-decide": ("/armada/otomatis/putuskan/1/", "post", set()),
    "fleet": ("/armada/", "get", CUSTOMERS),
    "fleet-review": ("/armada/isi/", "post-redirect", CUSTOMERS),
    "fleet-top-up": ("/armada/isi/laksanakan/", "post-redirect", CUSTOMERS),
    "fleet-batch": (f"/armada/isi/{REFERENCE}/", "get", CUSTOMERS),
    "desk": ("/operasi/", "get", DESK),
    "desk-find": ("/operasi/meter/", "get", DESK),
    "desk-meter": ("/operasi/meter/{drn}/", "get", DESK),
    "desk-order": ("/operasi/meter/{drn}/perintah/?order=push_now", "get", DESK),
    "desk-meter-orders": ("/operasi/meter/{drn}/perintah/jejak/", "get", DESK),
    "desk-meter-address": ("/operasi/meter/{drn}/alamat/", "post-redirect", DESK),
    "desk-order-withdraw": ("/operasi/perintah/{command}/tarik/", "post-redirect", DESK),
    "desk-campaigns": ("/operasi/kampanye/", "get", DESK),
    "desk-campaign-new": ("/operasi/kampanye/baru/", "get", DESK),
    "desk-campaign": ("/operasi/kampanye/{campaign}/", "get", DESK),
    "desk-campaign-part": ("/operasi/kampanye/{campaign}/jejak/", "get", DESK),
    "desk-campaign-step": ("/operasi/kampanye/{campaign}/langkah/", "post-redirect", DESK),
    "desk-morning": ("/operasi/jaringan/", "get", PLN),
    "desk-profiles": ("/operasi/profil/", "get", PLN),
    "desk-meter-profile": ("/operasi/meter/{drn}/profil/", "get", DESK),
    "desk-meter-quality": ("/operasi/meter/{drn}/mutu/", "get", DESK),
    "desk-meter-quality-edit": ("/operasi/meter/{drn}/mutu/sunting/", "post-redirect", PLN),
    "desk-meter-quality-undo": ("/operasi/meter/{drn}/mutu/{edit}/batal/", "post-redirect", PLN),
    "desk-voltage": ("/operasi/tegangan/", "get", PLN),
    "desk-voltage-transformer": ("/operasi/tegangan/{node}/", "get", PLN),
    "desk-losses": ("/operasi/susut/", "get", PLN),
    "desk-losses-findings": ("/operasi/susut/temuan/", "get", PLN),
    "desk-losses-node": ("/operasi/susut/simpul/{node}/", "get", PLN),
    "desk-losses-meter": ("/operasi/susut/simpul/{node}/meter/{drn}/", "get", PLN),
    "desk-losses-decide": ("/operasi/susut/simpul/{node}/meter/{drn}/putuskan/", "post-redirect", PLN),
    "desk-losses-undo": ("/operasi/susut/putusan/{loss_decision}/batalkan/", "post-redirect", PLN),
    "desk-outages": ("/operasi/padam/", "get", DESK),
    "desk-outage": ("/operasi/padam/{outage}/", "get", DESK),
    "desk-outage-change": ("/operasi/padam/{outage}/ubah/", "post-redirect", DESK),
    "desk-outage-plans": ("/operasi/padam/rencana/", "get", DESK),
    "desk-outage-plan": ("/operasi/padam/rencana/{plan}/", "get", DESK),
    "desk-outage-plan-change": ("/operasi/padam/rencana/{plan}/ubah/", "post-redirect", DESK),
    "desk-paces": ("/operasi/laju/", "get", DESK),
    "desk-meter-communication": ("/operasi/meter/{drn}/komunikasi/", "get", DESK),
    "desk-meter-usage": ("/operasi/meter/{drn}/pemakaian/", "get", DESK),
    "desk-messages": ("/operasi/pesan/", "get", DESK),
    "desk-meter-key": ("/operasi/meter/{drn}/kunci/", "get", DESK),
    "desk-meter-key-part": ("/operasi/meter/{drn}/kunci/jejak/", "get", DESK),
    "desk-meter-dlms": ("/operasi/meter/{drn}/kunci-dlms/", "get", DESK),
    "desk-meter-dlms-part": ("/operasi/meter/{drn}/kunci-dlms/jejak/", "get", DESK),
    "desk-dlms-withdraw": ("/operasi/kunci-dlms/{rotation}/tarik/", "post-redirect", DESK),
    "desk-firmware": ("/operasi/firmware/", "get", DESK),
    "desk-firmware-part": ("/operasi/firmware/jejak/", "get", DESK),
    "desk-rollout": ("/operasi/firmware/{rollout}/", "get", DESK),
    "desk-rollout-turn": ("/operasi/firmware/{rollout}/ubah/", "post-redirect", DESK),
    "desk-keys": ("/operasi/kunci/", "get", DESK),
    "desk-approvals": ("/operasi/kunci/persetujuan/", "get", DESK),
    "desk-decide": ("/operasi/kunci/persetujuan/{approval}/", "post-redirect", DESK),
    "desk-key-withdraw": ("/operasi/kunci/{change}/tarik/", "post-redirect", DESK),
    "desk-batches": ("/operasi/token-luar/", "get", DESK),
    "desk-batch": ("/operasi/token-luar/{token_batch}/", "get", DESK),
    "desk-untold": ("/operasi/token-luar/tanpa-nomor/", "get", DESK),
    "desk-take-back": ("/operasi/pembelian/{vend}/salah-meter/", "get", DESK),
    "desk-take-back-end": ("/operasi/salah-meter/{taken_back}/akhiri/", "post-redirect", DESK),
    "desk-key-rolls": ("/operasi/kunci/tertinggal/", "get", DESK),
    "desk-key-roll-end": ("/operasi/kunci/tertinggal/{roll}/akhiri/", "post-redirect", DESK),
    "desk-vendors": ("/operasi/penjual/", "get", PLN),
    "desk-vendor": ("/operasi/penjual/TOKO/", "get", PLN),
    "desk-vendor-revoke": ("/operasi/penjual/kunci/{vendor_key}/cabut/", "post-redirect", PLN),
    "desk-shipments": ("/operasi/kiriman/", "get", DESK),
    "desk-shipment": ("/operasi/kiriman/{consignment}/", "get", DESK),
    "desk-shipment-close": ("/operasi/kiriman/{consignment}/tutup/", "post-redirect", DESK),
    "data": ("/data/", "get", DATA),
    "data-binds": ("/data/jalur/", "get", DATA),
    "data-bind-new": ("/data/jalur/baru/", "get", DATA),
    "data-bind": ("/data/jalur/{bind}/", "get", DATA),
    "data-bind-edit": ("/data/jalur/{bind}/ubah/", "get", DATA),
    "data-bind-switch": ("/data/jalur/{bind}/sakelar/", "post-redirect", DATA),
    "data-bind-test": ("/data/jalur/{bind}/uji/", "post-redirect", DATA),
    "data-draft": ("/data/jalur/usul/{draft}/", "get", DATA),
    "data-draft-test": ("/data/jalur/usul/{draft}/uji/", "post-redirect", DATA),
    "data-trial": ("/data/jalur/uji/{trial}/", "get", DATA),
    "data-attention": ("/data/perlu-dilihat/", "get", DATA),
    "data-messages": ("/data/pesan/", "get", DATA),
    "data-message": ("/data/pesan/{segment}/", "get", DATA),
    "data-decide": ("/data/pesan/{segment}/putuskan/", "post-redirect", DATA),
    "data-sims": ("/data/sim/", "get", DATA),
    "data-sim": ("/data/sim/{iccid}/", "get", DATA),
    "data-receive": ("/data/sim/terima/", "get", DATA),
    "data-ranges": ("/data/sim/terima/rentang/", "post-redirect", DATA),
    "data-shipment": ("/data/sim/terima/{shipment}/", "get", DATA),
    "data-sales": ("/data/gerai/", "get", DATA),
    "data-sales-csv": ("/data/gerai/csv/", "get", DATA),
    "data-catalogue": ("/data/katalog/", "get", DATA),
    "data-price": ("/data/katalog/harga/", "post-redirect", DATA),
    "data-package": ("/data/paket/", "get", DATA),
    "data-customer": ("/data/paket/pelanggan/{holder}/", "get", DATA),
    "data-statement": ("/data/paket/{operator}/rekening/", "get", DATA),
    "data-invoice": ("/data/paket/{operator}/tagihan/", "get", DATA),
    "data-issued": ("/data/tagihan/{invoice}/", "get", DATA),
    "data-reconciliations": ("/data/rekonsiliasi/", "get", DATA),
    "data-format": ("/data/rekonsiliasi/format/{operator}/", "get", DATA),
    "data-records": ("/data/rekonsiliasi/berkas/{file}/", "get", DATA),
    "data-reconciliation": ("/data/rekonsiliasi/{reconciliation}/", "get", DATA),
    "data-reconciliation-decide": ("/data/rekonsiliasi/{reconciliation}/putuskan/", "post-redirect", DATA),
    "data-traffic": ("/data/lalu-lintas/", "get", DATA),
    "mobile": ("/seluler/", "get", {"mobile"}),
    "mobile-traffic": ("/seluler/lalu-lintas/", "get", {"mobile"}),
    "mobile-package": ("/seluler/paket/", "get", {"mobile"}),
    # Of the town's operator, which is not the one that this login belongs to: nobody of `mobile` sees it.
    "mobile-issued": ("/seluler/tagihan/{invoice}/", "get", set()),
    "mobile-reconciliations": ("/seluler/rekonsiliasi/", "get", {"mobile"}),
    "mobile-reconciliation": ("/seluler/rekonsiliasi/{reconciliation}/", "get", set()),
    "mobile-sims": ("/seluler/sim/", "get", {"mobile"}),
    "mobile-books": ("/seluler/buku/", "get", {"mobile"}),
    "mobile-account": ("/seluler/buku/akun/?akun=mobile/cash", "get", {"mobile"}),
    "mobile-entry": ("/seluler/buku/entri/{mobile_entry}/", "get", {"mobile"}),
    "data-books": ("/data/buku/", "get", DATA),
    "data-account": ("/data/buku/akun/?akun=dataop/cash", "get", DATA),
    "data-entry": ("/data/buku/entri/{dataop_entry}/", "get", DATA),
    "desk-books": ("/operasi/buku/", "get", PLN),
    "desk-account": ("/operasi/buku/akun/?akun=wallet", "get", PLN),
    "desk-entry": ("/operasi/buku/entri/{pln_entry}/", "get", PLN),
    "desk-sales": ("/operasi/buku/penjualan/", "get", PLN),
    "desk-channels": ("/operasi/buku/kanal/", "get", PLN),
    "desk-channel": ("/operasi/buku/kanal/WEB/", "get", PLN),
    "desk-channel-file": ("/operasi/buku/rekonsiliasi/{compared}/", "get", PLN),
    "desk-channel-resolve": ("/operasi/buku/rekonsiliasi/{compared}/putuskan/", "post-redirect", PLN),
    "desk-corrections": ("/operasi/buku/koreksi/", "get", PLN),
    "desk-banks": ("/operasi/bank/", "get", PLN),
    "desk-bank": ("/operasi/bank/{bank}/", "get", PLN),
    "desk-bank-turn": ("/operasi/bank/{bank}/ubah/", "post-redirect", PLN),
    "desk-bank-again": ("/operasi/bank/tanya/{vend}/", "post-redirect", PLN),
    "desk-correct": ("/operasi/buku/koreksi/{correction}/", "post-redirect", PLN),
    "desk-planner": ("/operasi/perencana/", "get", PLN),
    "desk-reports": ("/operasi/laporan/", "get", PLN),
    "desk-report-new": ("/operasi/laporan/baru/", "post-redirect", PLN),
    # Another login's: it does not exist for anybody here.
    "desk-report-trial": ("/operasi/laporan/{subscription}/coba/", "post", set()),
    "desk-report-end": ("/operasi/laporan/{subscription}/akhiri/", "post", set()),
    # Whoever holds a letter's link may end that report; this one has ended already.
    "report-unsubscribe": ("/operasi/laporan/berhenti/{end_token}/", "get", ALL),
    "desk-transformer": ("/operasi/gardu/T9/", "get", PLN),
    "desk-feeder": ("/operasi/penyulang/P9/", "get", PLN),
    "desk-reliability": ("/operasi/keandalan/", "get", PLN),
    "desk-exclude": ("/operasi/keandalan/kecualikan/", "post-redirect", PLN),
    "desk-exclude-decide": ("/operasi/keandalan/kecualikan/{exclusion}/", "post-redirect", PLN),
    "desk-tmp": ("/operasi/tmp/", "get", PLN),
    "desk-tmp-declare": ("/operasi/tmp/deklarasi/", "post-redirect", PLN),
    "desk-tmp-propose": ("/operasi/tmp/tutup/", "post-redirect", PLN),
    "desk-tmp-month": ("/operasi/tmp/{tmp_month}/", "get", PLN),
    "desk-tmp-decide": ("/operasi/tmp/{tmp_month}/putuskan/", "post-redirect", PLN),
    "gerai": ("/gerai/", "get", {"gerai"}),
    "gerai-sale": ("/gerai/jual/?meter={drn}", "get", {"gerai"}),
    # Of the household's own purchase, which no till sold.
    "gerai-receipt": ("/gerai/struk/{vend}/", "get", set()),
    "gerai-closing": ("/gerai/tutup/", "get", {"gerai"}),
    "data-inbound": ("/data/pesan/masuk/{inbound}/", "get", DATA),
}


def withdrawn_order(town: Town, household: House) -> int:
    """Whoever may withdraw it, is told that there is nothing to withdraw."""
    order = Order(kind=OrderKind.CLEAR_TAMPER)
    command_id = place_order(
        meter=household.meter, order=order, reason="", driver=town.driver, actor="test", now=town.now
    )
    assert withdraw_order(command_id=command_id, actor="test", now=town.now)
    return command_id


def discarded_shipment(town: Town) -> Shipment:
    """Whoever may decide it, is told that there is nothing to decide."""
    maker = set_maker(code="ACME", name="Acme", transport_key_wrapped=None, actor="test", now=town.now)
    return Shipment.objects.create(
        maker=maker, file_name="a", digest=b"", state="DISCARDED", rows=0, wrong=0, keys_clear=False, read_at=town.now
    )


def planned_campaign(town: Town) -> Campaign:
    """Of every meter; whoever may go on with it says no step."""
    return plan_campaign(
        title="Clock",
        kind="clear_tamper",
        values={},
        choice=Choice(),
        everything=True,
        per_hour=1,
        in_flight_max=1,
        reason="test",
        driver=town.driver,
        actor="test",
        now=town.now,
    )


def closed_rotation_and_rollout(town: Town, household: House) -> dict[str, int]:
    """Whoever may withdraw or stop them, is told that it is too late."""
    when = {"reason": "", "ordered_by": "test", "ordered_at": town.now, "correlation": REFERENCE}
    rotation = KeyRotation.objects.create(
        request_id=REFERENCE, meter=household.meter, state="WITHDRAWN", number=1, **when
    )
    asker = Login.objects.create_user("asks for firmware")
    life = {"requested_at": town.now, "expires_at": town.now}
    approval = Approval.objects.create(verb="x", subject="x", detail={}, state="USED", requested_by=asker, **life)
    maker = Maker.objects.create(code="FIRM", name="Firm")
    image = {"profile": "x", "version": "1", "digest": b"", "signature": b"", "content": b"", "octets": 1}
    firmware = Firmware.objects.create(maker=maker, taken_at=town.now, **image)
    plan = {"first": 1, "percent": 1, "failures_percent": 1}
    rollout = FirmwareRollout.objects.create(firmware=firmware, approval=approval, state="DONE", **plan, **when)
    return {"rotation": rotation.pk, "rollout": rollout.pk}


def of_elsewhere(town: Town, vend: Vend) -> dict[str, int]:
    """A file that was refused, a correction and a standing approval that are over."""
    atm = Channel.objects.create(code="ATM", name="ATM", kind="ELSEWHERE")
    batch = TokenBatch.objects.create(
        channel=atm, file_name="f.csv", digest=b"", state="REFUSED", brought_by="test", received_at=town.now
    )
    asker = Login.objects.create_user("asks for tokens")
    life = {"requested_at": town.now, "expires_at": town.now, "requested_by": asker, "state": "USED", "detail": {}}
    first, second = (Approval.objects.create(verb=verb, subject="x", **life) for verb in ("x", "y"))
    made = Correction.objects.create(vend=vend, approval=first, state="FAILED", made_at=town.now)
    roll = KeyRoll.objects.create(approval=second, register="x", target={}, begun_at=town.now, ended_at=town.now)
    return {"token_batch": batch.pk, "taken_back": made.pk, "roll": roll.pk}


ROLES = ("nobody", "household", "fleet", "pln", "dataop", "mobile", "gerai")
# What no refused request may add to.
MOVED = (
    Payment,
    Vend,
    Token,
    LedgerLine,
    Campaign,
    Command,
    Message,
    OutboundSegment,
    APIKey,
    Approval,
    KeyChange,
    KeyRotation,
    TokenBatch,
    TokenPhone,
    Correction,
    KeyRoll,
    CataloguePrice,
    Delegation,
    IssuedInvoice,
    RecordFile,
    Sim,
    NumberRange,
    Meter,
    AutoRule,
    TopUpRequest,
    VendorKey,
    TMPMonth,
    ReadingEdit,
    Compensation,
    DeclaredLevel,
    LossDecision,
    Subscription,
    Issue,
)


def names(patterns: list[URLPattern | URLResolver]) -> set[str]:
    """The names of all URLs; those of the API have tests of their own, by operation."""
    found: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace != "api-1":
                found |= names(pattern.url_patterns)
        else:
            assert pattern.name, f"{pattern.pattern} has no name"
            found.add(pattern.name)
    return found


def test_every_page_has_a_row() -> None:
    assert names(get_resolver().url_patterns) == set(PAGES)


def test_the_stage_is_not_part_of_the_platform(sign_in: SignIn) -> None:
    for path in ("/panggung/hidup/", "/panggung/tur/", "/panggung/masuk/pln/", "/panggung/habiskan/"):
        assert sign_in("nobody").post(path).status_code == 404


@pytest.mark.parametrize("role", ROLES)
def test_the_permission_table(sign_in: SignIn, town: Town, household: House, role: str) -> None:
    vend = bought(sign_in("household"), household)
    # A change that was withdrawn already: whoever may, is told that there is nothing to decide or to withdraw.
    change = withdrawn(town, household)
    town.text(household, "SALDO")
    town.run()
    rows: dict[str, Any] = {
        "segment": OutboundSegment.objects.latest("pk").pk,
        "inbound": InboundSms.objects.latest("pk").pk,
        "iccid": household.pairing.sim.iccid,
        "holder": household.holder.pk,
        "operator": town.operator.code,
        **compared_and_invoiced(town),
        "command": withdrawn_order(town, household),
        "consignment": discarded_shipment(town).pk,
        "vendor_key": vendor().key.pk,
        "campaign": planned_campaign(town).pk,
        **closed_rotation_and_rollout(town, household),
        **of_elsewhere(town, vend),
        **booked(town),
        **(dark := dark_and_planned(town, household)),
        "loss_decision": undone_decision(town, household, int(str(dark["node"]))),
        **ended_report(town),
        "bank": partner(filled_idr=0).code,
    }
    desk = sign_in("dataop")
    rows["rule"] = ruled(town, household).pk
    rows |= {
        "bind": town.bind.pk,
        "draft": desk.post(f"/data/jalur/{town.bind.pk}/sakelar/")["Location"].split("/")[-2],
        "shipment": desk.post(
            "/data/sim/terima/", {"operator": town.operator.pk, "text": "8962980000000000015;08990001"}
        )["Location"].split("/")[-2],
        "trial": desk.post(f"/data/jalur/{town.bind.pk}/uji/")["Location"].split("/")[-2],
    }
    binds = list(Bind.objects.values())
    client = sign_in(role)
    before = {model: model.objects.count() for model in MOVED}
    for name, (pattern, how, allowed) in PAGES.items():
        path = pattern.format(
            drn=household.meter.drn, vend=vend.pk, change=change.pk, approval=change.approval_id, **rows
        )
        response = client.post(path) if how.startswith("post") else client.get(path)
        if name in ("sign-out", "set_language", "start"):
            assert response.status_code == 302, name
            if name == "sign-out":
                client = sign_in(role)
        elif role in allowed:
            # A form without its fields is sent back to its page with a sentence.
            assert response.status_code == (302 if how.endswith("redirect") else 200), name
        elif role == "nobody":
            assert (response.status_code, response["Location"]) == (302, f"/masuk/?next={path.partition('?')[0]}"), name
        else:
            assert response.status_code in (403, 404), name
            unseen(response.content.decode(), household, vend, name)
    after = {model: model.objects.count() for model in MOVED}
    # A key without a name is a key: the one thing that a post without fields makes, for its own holder.
    after[APIKey] -= APIKey.objects.filter(holder__logins__username=role).count()
    assert after == before
    assert list(Bind.objects.values()) == binds


def ended_report(town: Town) -> dict[str, object]:
    """Somebody's report by e-mail that goes on no more."""
    when = {"next_due_at": town.now, "created_at": town.now, "ended_at": town.now, "ended_by": "test", "hour": 6}
    what = {"email": "x@pln.example", "report": "MORNING", "rhythm": "DAILY", "language": "id"}
    made = Subscription.objects.create(login=Login.objects.create_user("reads reports"), **what, **when)
    return {"subscription": made.pk, "end_token": unsubscribe_token(made)}


def ruled(town: Town, household: House) -> AutoRule:
    """A rule of the household's."""
    wish = Wish(name="Rumah", nominal_idr=50_000, budget_idr=150_000, threshold_wh=5_000)
    return set_rule(holder=household.holder, wish=wish, meters=[household.meter], actor="test", now=town.now)


def compared_and_invoiced(town: Town) -> dict[str, object]:
    """An empty comparison with its file, and an invoice of nothing: rows that pages open."""
    month = {"operator": town.operator, "month_date": dt.date(2026, 2, 1)}
    made = Reconciliation.objects.create(**month, digest="0" * 64, actor="test", at=town.now, matched=0)
    file = RecordFile.objects.create(**month, name="f", content=b"", octets=0, rows=0, actor="test", at=town.now)
    row = IssuedInvoice.objects.create(
        **month, number="OPS-1", sequence=1, total_idr=0, open_sms=0, digest="", issued_by="test", issued_at=town.now
    )
    return {"reconciliation": made.pk, "file": file.pk, "invoice": row.number}


def undone_decision(town: Town, household: House, node: int) -> int:
    """Whoever may undo it, is told that it is undone; a meter of which something was said has a page."""
    said_by, when = Login.objects.create_user("inspects"), {"made_at": town.now, "undone_at": town.now}
    made = LossDecision.objects.create(
        node_id=node, meter=household.meter, state="NOTHING", note="x", made_by=said_by, undone_by=said_by, **when
    )
    return made.pk


def dark_and_planned(town: Town, household: House) -> dict[str, object]:
    """An outage that was none, of a node without meters, and work that is over."""
    feeder = NetworkNode.objects.create(code="P9", kind="FEEDER")
    node = NetworkNode.objects.create(code="T9", kind="TRANSFORMER", parent=feeder)
    outage = Outage.objects.create(
        level="TRANSFORMER", node=node, state="WITHDRAWN", began_at=town.now, known_at=town.now, closed_at=town.now
    )
    plan = PlannedOutage.objects.create(
        node=node,
        begin_at=town.now - dt.timedelta(days=2),
        end_at=town.now - dt.timedelta(days=1),
        reason="x",
        state="DONE",
        asked_by="test",
        asked_at=town.now,
    )
    login = Login.objects.create_user("edits")
    edit = ReadingEdit.objects.create(
        meter=household.meter, ends_at=town.now, period_s=900, energy_wh=1.0, reason="x", made_by=login,
        made_at=town.now, undone_by=login, undone_at=town.now,
    )  # fmt: skip
    return {"outage": outage.pk, "plan": plan.pk, "node": node.pk, "edit": edit.pk}


def booked(town: Town) -> dict[str, object]:
    """An entry in each entity's books, a comparison without lines, and a write-off that was refused already."""
    made: dict[str, object] = {}
    for code in ("dataop", "mobile"):
        with transaction.atomic():
            book(
                kind=LedgerEntry.Kind.INVOICE_PAID,
                reference=code,
                at=town.now,
                vend_id=None,
                lines_sen={f"{code}/cash": 5, f"{code}/revenue": -5},
                entity=code,
            )
        made[f"{code}_entry"] = LedgerEntry.objects.get(reference=code).pk
    made["pln_entry"] = LedgerEntry.objects.filter(book="PLN").latest("pk").pk
    compared = reconcile(
        channel=Channel.objects.get(code="WEB"),
        day_date=dt.date(2026, 1, 1),
        content=b"reference;meter;nominal;time",
        actor="test",
        now=town.now,
    )
    refused = Approval.objects.create(
        verb="vending.write_off",
        subject="account:x",
        detail={"account": "x", "amount_sen": 1, "book": "PLN"},
        reason="x",
        state="REFUSED",
        requested_by=Login.objects.create_user("wants"),
        requested_at=town.now,
        expires_at=town.now + dt.timedelta(days=1),
    )
    left_in = {"verb": "reliability.exclude", "subject": "day:2026-01-01", "detail": {"date": "2026-01-01"}}
    exclusion = Approval.objects.create(
        **left_in,
        reason="x",
        state="REFUSED",
        requested_by=refused.requested_by,
        requested_at=town.now,
        expires_at=town.now + dt.timedelta(days=1),
    )
    organisation, _ = Organisation.objects.get_or_create(code="pln", defaults={"name": "pln", "kind": "UTILITY"})
    month = TMPMonth.objects.create(
        unit=Unit.objects.create(organisation=organisation, code="UT", name="UT"),
        month_date=dt.date(2026, 1, 1),
        state="REFUSED",
        approval=exclusion,
        proposed_at=town.now,
    )
    return {
        **made,
        "compared": compared.pk,
        "correction": refused.pk,
        "exclusion": exclusion.pk,
        "tmp_month": month.pk,
    }


def withdrawn(town: Town, household: House) -> KeyChange:
    asked, decided = (Login.objects.create_user(name) for name in ("asks", "decides"))
    to = replace(key_terms(household.meter), ti="02")
    request = request_key_change(meter=household.meter, target=to, reason="roll", requested_by=asked, now=town.now)
    decide_approval(approval_id=request.pk, approve=True, decided_by=decided, now=town.now)
    change = order_key_change(approval_id=request.pk, source=town.source, actor="login:0", now=town.now)
    withdraw_key_change(change_id=change.pk, actor="login:0", now=town.now)
    return change


def bought(client: Client, household: House) -> Vend:
    """A token of the household's."""
    client.post(f"/rumah/meter/{household.meter.drn}/isi/", {"nominal": "50000", "reference": REFERENCE})
    return Vend.objects.get()


def unseen(page: str, household: House, vend: Vend, name: str) -> None:
    assert household.meter.customer is not None
    digits = vend.token.digits
    page = re.sub(r'(csrfmiddlewaretoken" value=)"[^"]+"', "", page)  # drawn anew each time, it may hold any word
    words = (household.meter.customer.idpel, household.holder.name, household.pairing.phone, "kWh", digits, digits[:4])
    assert not [word for word in words if word in page], name


@pytest.mark.parametrize("role", ["fleet", "pln", "mobile"])
def test_anothers_and_nobodys_meter_are_refused_alike(sign_in: SignIn, household: House, role: str) -> None:
    client = sign_in(role)
    for pattern in ("/rumah/meter/{}/", "/rumah/meter/{}/sekarang/", "/rumah/meter/{}/isi/?nominal=50000"):
        his, nobodys = (client.get(pattern.format(drn)) for drn in (household.meter.drn, "99999999999"))
        assert his.status_code == nobodys.status_code
        assert said(his, household.meter.drn) == said(nobodys, "99999999999")


def said(response: Any, drn: str) -> str:
    """A page without what is drawn anew each time, and without the number that was asked for."""
    page: str = response.content.decode().replace(drn, "")
    return re.sub(r'(csrfmiddlewaretoken" value=)"[^"]+"', "", page)


@pytest.mark.parametrize("role", ["nobody", "fleet", "pln", "mobile"])
def test_nobody_buys_for_anothers_meter(sign_in: SignIn, town: Town, household: House, role: str) -> None:
    client = sign_in(role)
    reference = "00000000-0000-4000-8000-000000000001"
    for path, form in (
        (f"/rumah/meter/{household.meter.drn}/isi/", {"nominal": "50000", "reference": reference}),
        ("/armada/isi/laksanakan/", {"nominal": "50000", "meter": [household.meter.drn], "batch": reference}),
    ):
        assert client.post(path, form).status_code in (302, 403, 404)
    assert Payment.objects.count() == 0 and Vend.objects.count() == 0


def test_anothers_token_does_not_exist(sign_in: SignIn, household: House) -> None:
    mine = sign_in("household")
    reference = "00000000-0000-4000-8000-000000000001"
    mine.post(f"/rumah/meter/{household.meter.drn}/isi/", {"nominal": "50000", "reference": reference})
    vend = Vend.objects.get()
    other = sign_in("fleet").get(f"/rumah/token/{vend.pk}/")
    assert other.status_code == 404 and vend.token.digits not in other.content.decode()
    assert mine.get(f"/rumah/token/{vend.pk}/").status_code == 200


def test_headers_and_a_wrong_password(sign_in: SignIn) -> None:
    client = sign_in("nobody")
    page = client.post("/masuk/", {"username": "household", "password": "wrong", "next": "//elsewhere.example/"})
    assert page.status_code == 401
    assert b"do not fit together" in page.content
    assert page["Content-Security-Policy"].startswith("default-src 'self'") and page["X-Frame-Options"] == "DENY"
