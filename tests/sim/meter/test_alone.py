"""`sim meter`: a meter from its command line, and what it keeps when its process ends at any moment."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from tests.sim.meter.meters import NOW

from duaarah.core.sts import issue_electricity_credit
from duaarah.sim.meter import alone, device_state
from duaarah.sim.meter.device import LOAD_PROFILE, MANAGER_SAP, RELAY_LOG
from duaarah.sim.meter.objects.control import LIMITER, RELAY
from duaarah.sim.meter.objects.image import IMAGE, image_of
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.blocks import AttributeOf


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    alone.add_arguments(parser)
    return parser.parse_args(words)


def test_a_seed_is_a_meter_and_keys_may_be_given() -> None:
    one, _ = alone.made(arguments("--seed", "5"))
    two, _ = alone.made(arguments("--seed", "5"))
    other, _ = alone.made(arguments("--seed", "6"))
    keys = [device.meter.config.keys for device in (one, two, other)]
    assert keys[0] == keys[1] != keys[2]
    given, _ = alone.made(arguments("--encryption-key", "11" * 16, "--decoder-key", "22" * 8))
    assert given.meter.config.keys.encryption_key == b"\x11" * 16
    assert given.meter.decoder_key.octets == b"\x22" * 8
    assert len(one.profiles[LOAD_PROFILE].rows) == 96


def test_what_it_tells_holds_no_key_unless_asked() -> None:
    device, _ = alone.made(arguments())
    config = device.meter.config
    hidden = json.dumps(alone._told(arguments(), config, 1))
    assert config.keys.encryption_key.hex() not in hidden and config.decoder.key.octets.hex() not in hidden
    shown = alone._told(arguments("--show-keys"), config, 1)
    assert shown["encryption_key"] == config.keys.encryption_key.hex()


def test_everything_changed_outlives_the_process(tmp_path: Path) -> None:
    words = ("--state", str(tmp_path / "meter.json"), "--drn", "01234567890")
    device, keep = alone.made(arguments(*words))
    meter = device.meter
    token = issue_electricity_credit(meter.decoder_key, energy_wh=5_000, tid=0x640000, rnd=1, ken=255)
    before_wh = meter.credit_wh
    assert meter.enter_token(token.digits, NOW).energy_wh == 5_000
    image = image_of(b"DUA-2.0", b"body" * 100)
    for method, parameter in (
        (1, structure(octets(b"fw"), Data(Tag.DOUBLE_LONG_UNSIGNED, len(image)))),
        (2, structure(Data(Tag.DOUBLE_LONG_UNSIGNED, 1), octets(image[192:384]))),
    ):
        assert device.act(MANAGER_SAP, AttributeOf(18, IMAGE, method), parameter) == (0, None)
    limit = Data(Tag.DOUBLE_LONG_UNSIGNED, 900)
    assert device.set(MANAGER_SAP, AttributeOf(71, LIMITER, 4), limit) == 0
    assert device.act(MANAGER_SAP, AttributeOf(70, RELAY, 1), Data(Tag.INTEGER, 0)) == (0, None)
    keep()
    assert (tmp_path / "meter.json").stat().st_mode & 0o077 == 0

    again, _ = alone.made(arguments(*words))
    assert again.meter.credit_wh == before_wh + 5_000 and again.meter.held_open
    assert again.meter.enter_token(token.digits, NOW).result.value == "used"
    assert again.get(MANAGER_SAP, AttributeOf(71, LIMITER, 4)) == limit
    assert again.get(MANAGER_SAP, AttributeOf(18, IMAGE, 3)) == Data(Tag.BIT_STRING, "010")
    assert [row.cells[1].value for row in again.profiles[RELAY_LOG].rows] == [60]
    assert device_state.state(again) == device_state.state(device)


@pytest.mark.parametrize("words", [("--encryption-key", "1122"), ("--decoder-key", "11"), ("--credit-wh", "-1")])
def test_a_meter_that_cannot_be_is_refused_in_a_sentence(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert alone.run(arguments(*words)) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("duaarah: this meter cannot be made: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--drn", "123"), "--drn has 11 digits"),
        (("--pdu-max", "1"), "--pdu-max is 64 to 65535"),
        (("--pdu-max", "70000"), "--pdu-max is 64 to 65535"),
        (("--client-title", "00"), "--client-title has 8 octets"),
        (("--load-w", "-1"), "--load-w is not negative"),
        (("--rows", "-1"), "--rows is not negative"),
        (("--port", "99999"), "--port is 0 to 65535"),
        (("--control-port", "-1"), "--control-port is 0 to 65535"),
        (("--smsc", "127.0.0.1:2775", "--smsc-account", "x"), "--smsc-account is USER:PASSWORD"),
        (("--keys", "/nowhere/lab.json"), "/nowhere/lab.json: No such file or directory."),
        (("--state", "/nowhere/meter.json", "--port", "0"), "/nowhere/meter.json.new: No such file or directory."),
    ],
)
def test_what_no_meter_can_be_is_said_in_one_sentence(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alone.run(arguments(*words)) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""


def test_a_key_file_that_is_none_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "lab.json"
    for text in ("nothing", "[]", '{"encryption_key": 5}'):
        wrong.write_text(text)
        with pytest.raises(ValueError, match=r"lab\.json is not"):
            alone.lab(arguments("--keys", str(wrong)))
