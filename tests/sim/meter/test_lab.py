"""A meter on its table: the faults of its line, its keypad, what the control port does, its key file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.sim.meter.meters import KINDS, build, token
from tests.sim.meter.test_alone import arguments

from duaarah.net.jsonport import ControlFailed, call
from duaarah.sim.meter import alone
from duaarah.sim.meter.lab import BadOrder
from duaarah.sim.meter.models import MODELS
from duaarah.sim.meter.outbound import Outbound, to_ip
from duaarah.wire.dlms import wrapper


def line() -> tuple[Outbound, list[bytes]]:
    went: list[bytes] = []
    return Outbound(went.append), went


def test_pushes_are_lost_doubled_and_swapped_as_often_as_asked() -> None:
    outbound, went = line()
    outbound.faults.lose = 1
    outbound.send([b"a", b"b"])
    assert went == [b"b"] and outbound.counts == {"lost": 1, "sent": 1}
    outbound.faults.double = 1
    outbound.send([b"c", b"d"])
    assert went == [b"b", b"c", b"c", b"d"]
    outbound.faults.reorder = 1
    outbound.send([b"e", b"f", b"g"])
    assert went[4:] == [b"f", b"e", b"g"]


def test_a_late_push_comes_later_and_the_next_one_at_once() -> None:
    async def whole() -> list[bytes]:
        outbound, went = line()
        outbound.faults.late, outbound.faults.late_s = 1, 0.01
        outbound.send([b"a", b"b"])
        assert went == [b"b"]
        await asyncio.sleep(0.05)
        return went

    assert asyncio.run(whole()) == [b"b", b"a"]


@pytest.mark.parametrize("kind", KINDS)
def test_over_ip_the_same_apdu_travels_under_the_long_wrapper(kind: str) -> None:
    meter = build(kind)
    (payload,) = meter.push_now(alone.LabClock().now())
    model = MODELS[kind]
    framed = wrapper.unwrap(to_ip(model, payload))
    assert (framed.source, framed.destination) == (model.server_sap, model.client_sap)
    assert payload.endswith(framed.apdu)


def test_codes_of_two_makers_show_the_same_figures() -> None:
    one = alone.lab(arguments("--credit-wh", "20000", "--rows", "0"))
    assert [one.keypad.type(keys).display for keys in ("37", "41", "44", "79", "75")] == [
        "20.00",
        "220.4",
        "1.59",
        "5.00",
        "01234567890",
    ]
    other = alone.lab(arguments("--kind", "three-phase-modem", "--rows", "0"))
    assert [other.keypad.type(keys).display for keys in ("801", "807", "37")] == ["20.00", "220.4", "SALAH"]
    assert one.keypad.type("45607").display == "BENAR" and one.device.meter.threshold_wh == 7_000
    assert one.keypad.type("4560").display == "SALAH" and one.device.meter.threshold_wh == 7_000


def test_a_token_is_typed_and_its_words_shown() -> None:
    lab = alone.lab(arguments("--rows", "0"))
    digits = token(3_000, key=lab.device.meter.decoder_key)
    before_wh = lab.device.meter.credit_wh
    assert lab.type({"keys": digits}) == {"display": "BENAR", "result": "accept"}
    assert lab.type({"keys": digits}) == {"display": "USED", "result": "used"}
    assert lab.device.meter.credit_wh == before_wh + 3_000 and lab.keypad.type("59").display == "3.00"
    for _ in range(3):
        assert lab.type({"keys": "0" * 20})["display"] == "GAGAL"
    assert lab.type({"keys": digits})["display"] == "TUNGGU"


def test_the_control_port_breaks_what_it_says() -> None:
    async def whole() -> dict[str, Any]:
        args = arguments("--port", "0", "--control-port", "0", "--rows", "0")
        async with alone.lab(args, tick_s=0.01) as lab:
            port = lab.control_port
            assert port is not None

            def ask(op: str, **request: Any) -> Any:
                return asyncio.to_thread(call, port, {"op": op, **request})

            meter, seen = lab.device.meter, {}
            counter = meter.link.sent_counter
            seen["jump"] = (await ask("counter_jump", by=1000))["sent_counter"] - counter
            seen["dead"] = (await ask("modem", dead=True))["reachable"], (await ask("modem", dead=False))["reachable"]
            seen["cut"] = (await ask("power", on=False))["powered"]
            assert (await ask("keypad", keys="37"))["display"] == ""
            seen["back"] = (await ask("power", on=True))["powered"]
            seen["used"] = (await ask("use_up", energy_wh=15_500))["credit_wh"]
            seen["faults"] = await ask("faults", lose=2, late=1, late_s=3)
            await ask("clock", offset_s=120, drift_ppm=500)
            seen["offset_s"] = (lab.device.clock.now() - lab.clock.now()).total_seconds()
            await ask("load", load_w=50_000)
            await asyncio.sleep(0.1)
            seen["load"] = meter.credit_wh < 4_500
            for op, wrong in (("counter_jump", {"by": -1}), ("load", {"load_w": "x"}), ("keypad", {}), ("nothing", {})):
                with pytest.raises(ControlFailed):
                    await ask(op, **wrong)
            return seen

    seen = asyncio.run(whole())
    assert seen.pop("offset_s") == pytest.approx(120, abs=1)
    assert seen == {
        "jump": 1000,
        "dead": (False, True),
        "cut": False,
        "back": True,
        "used": 4_500,
        "faults": {"lose": 2, "double": 0, "reorder": 0, "late": 1, "late_s": 3},
        "load": True,
    }


def test_a_refused_order_moves_nothing() -> None:
    lab = alone.lab(arguments("--rows", "0"))
    before = lab.status({})
    for order, request in (
        (lab.counter_jump, {"by": 1 << 40}),
        (lab.use_up, {"energy_wh": -1}),
        (lab.load, {"load_w": -5}),
    ):
        with pytest.raises(BadOrder):
            order(request)
    after = lab.status({})
    assert {**after, "now": before["now"]} == before


def test_a_key_file_is_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "lab.json"
    first = alone._config(arguments("--keys", str(path)))
    assert path.stat().st_mode & 0o077 == 0
    assert alone._config(arguments("--keys", str(path))).keys == first.keys
    assert json.loads(path.read_text())["system_title"] == first.system_title.hex()
    other = alone._config(arguments("--keys", str(tmp_path / "other.json")))
    assert other.keys != first.keys and other.decoder.key.octets != first.decoder.key.octets


@pytest.mark.parametrize(
    "words",
    [
        ("--defect", "nothing"),
        ("--push", "ftp:127.0.0.1:1"),
        ("--push", "tcp:nowhere"),
        ("--push", "tcp:127.0.0.1:1", "--smsc", "127.0.0.1:2"),
    ],
)
def test_a_wrong_command_line_is_refused_in_a_sentence(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert alone.run(arguments(*words)) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("duaarah: this meter cannot be made: ")
