"""DLMS keys and firmware on the operators' pages: two people, progress in words, refusals in sentences."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn
from tests.web.pages.test_orders import second

from duaarah.headend.firmware.operations import set_firmware_key, take_firmware
from duaarah.headend.models import Command, FirmwareJob, FirmwareRollout, InvocationCounter, KeyRotation, Maker
from duaarah.headend.operations import set_line
from duaarah.people.models import Approval

pytestmark = pytest.mark.slow
APPROVALS = "/operasi/kunci/persetujuan/"


def test_new_keys_are_asked_agreed_and_seen_in_force(sign_in: SignIn, town: Town, household: House) -> None:
    one, path = sign_in("pln"), f"/operasi/meter/{household.meter.drn}/kunci-dlms/"
    page = one.get(path).content.decode()
    assert "as the maker gave them" in page and "Ask a second person" in page
    assert one.post(path, {"reason": " "}).status_code == 409 and Approval.objects.count() == 0
    page = one.post(path, {"reason": "yearly"}, follow=True).content.decode()
    assert "Asked." in page and "it waits for a second person" in page
    two, decide = second(sign_in), f"{APPROVALS}{Approval.objects.get().pk}/"
    waiting = two.get(APPROVALS).content.decode()
    assert "New DLMS keys" in waiting and household.meter.drn in waiting and "yearly" in waiting
    one.post(decide, {"decision": "yes"})
    assert KeyRotation.objects.count() == 0
    page = two.post(decide, {"decision": "yes"}, follow=True).content.decode()
    assert "on their way" in page and "Ordered, nothing sent yet" in page and "Withdraw" in page
    assert household.meter.drn in one.get("/operasi/kunci/").content.decode()
    town.run()
    part = one.get(path + "jejak/").content.decode()
    assert "In force: the meter has used them" in part and "number 1" in part
    rotation = KeyRotation.objects.get()
    assert bytes(rotation.old_keys_wrapped).hex() not in part
    page = one.post(f"/operasi/kunci-dlms/{rotation.pk}/tarik/", follow=True).content.decode()
    assert "Something was sent" in page and "number 1" in page


def test_a_counter_near_its_end_stands_on_the_keys_page(sign_in: SignIn, household: House) -> None:
    InvocationCounter.objects.filter(pk=household.meter.pk).update(from_meter_highest=2_000_000_001)
    page = sign_in("pln").get("/operasi/kunci/").content.decode()
    assert "counter near its end" in page and "2000000001" in page


def test_firmware_is_rolled_out_by_two_and_paused_by_one(sign_in: SignIn, town: Town, household: House) -> None:
    one, path = sign_in("pln"), "/operasi/firmware/"
    assert "No firmware is here yet" in one.get(path).content.decode()
    signer, maker = Ed25519PrivateKey.generate(), Maker.objects.create(code="ACME", name="Acme")
    public = signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    set_firmware_key(maker=maker, key=public, actor="test", now=town.now)
    known = {"maker": maker, "profile": "single-phase-modem", "version": "DUA-2.0", "file_name": "dua.bin"}
    firmware = take_firmware(**known, content=b"x", signature=signer.sign(b"x"), actor="test", now=town.now)
    form = {"image": firmware.pk, "first": "1", "percent": "10", "failures": "5", "reason": "clock", "activate_at": ""}
    assert "No meter of this kind" in one.post(path, form).content.decode()
    set_line(meter=household.meter, host="127.0.0.1", port=4059, actor="test", now=town.now)
    assert "A whole number is needed" in one.post(path, {**form, "first": "one"}).content.decode()
    assert "Asked." in one.post(path, form, follow=True).content.decode()
    two, decide = second(sign_in), f"{APPROVALS}{Approval.objects.get().pk}/"
    waiting = two.get(APPROVALS).content.decode()
    assert "Firmware DUA-2.0" in waiting and bytes(firmware.digest).hex() in waiting and "1 meters" in waiting
    page = two.post(decide, {"decision": "yes"}, follow=True).content.decode()
    assert "The roll-out has begun" in page and "0 of 1 meters say the new version" in page
    rollout = FirmwareRollout.objects.get()
    for turn, state in (("pause", "PAUSED"), ("resume", "RUNNING"), ("nonsense", "RUNNING"), ("stop", "STOPPED")):
        two.post(f"{path}{rollout.pk}/ubah/", {"turn": turn})
        rollout.refresh_from_db()
        assert rollout.state == state
    assert "not in the state" in two.post(f"{path}{rollout.pk}/ubah/", {"turn": "pause"}, follow=True).content.decode()
    page = two.get(f"{path}{rollout.pk}/?keadaan=STOPPED").content.decode()
    assert household.meter.drn in page and "Stopped before it was activated" in page
    assert FirmwareJob.objects.get().state == "STOPPED" and Command.objects.count() == 0
