"""Every way in which meters lay out a push body, in bodies of our own making; and the lists of makers as data."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from tests.wire.dlms.test_axdr import VALUES

from duaarah.core.intent import CreditExhausted, DataBlock, LastGasp, LowCredit, PowerRestored, TokenResult
from duaarah.core.obis import Obis
from duaarah.drivers import lists
from duaarah.drivers.kinds import BadProfile, UnknownProfile, profiles
from duaarah.drivers.lists import Scale, body_lists
from duaarah.drivers.readings import readings, text
from duaarah.sim.meter.bodies import notification
from duaarah.sim.meter.models import MODELS
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure

ENERGY, CURRENT, CLOCK, SERIAL, RELAY = (
    bytes.fromhex(h) for h in ("0100010800ff", "01001f0700ff", "0000010000ff", "0000600100ff", "000060030aff")
)
CLASS, ATTRIBUTE = Data(Tag.LONG_UNSIGNED, 3), Data(Tag.INTEGER, 2)
WH, DECIAMPERE = (structure(Data(Tag.INTEGER, s), Data(Tag.ENUM, u)) for s, u in ((0, 30), (-1, 33)))
RAW, AMPS = Data(Tag.DOUBLE_LONG_UNSIGNED, 1234), Data(Tag.LONG_UNSIGNED, 57)
BOTH = [("1-0:1.8.0", "1234", "Wh", 0), ("1-0:31.7.0", "5.7", "A", -1)]
BARE = [("1-0:1.8.0", "1234", None, None), ("1-0:31.7.0", "57", None, None)]


def array(*elements: Data) -> Data:
    return Data(Tag.ARRAY, elements)


def read(body: Data, name: str | None = None) -> list[tuple[str, str | None, str | None, int | None]]:
    found = readings(body, body_lists(name) if name else None)
    return [(str(one.obis), one.value, one.unit, one.scaler) for one in found]


def push_object(class_id: int, obis: bytes, attribute: int, *more: Data) -> Data:
    index = Data(Tag.LONG_UNSIGNED, 0)
    return structure(Data(Tag.LONG_UNSIGNED, class_id), octets(obis), Data(Tag.INTEGER, attribute), index, *more)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (array(structure(octets(ENERGY), RAW, WH), structure(octets(CURRENT), AMPS, DECIAMPERE)), BOTH),
        (array(structure(octets(ENERGY), WH, RAW), structure(octets(CURRENT), DECIAMPERE, AMPS)), BOTH),
        (structure(octets(ENERGY), RAW, WH, octets(CURRENT), AMPS, DECIAMPERE), BOTH),
        (structure(octets(ENERGY), RAW, *WH.value, octets(CURRENT), AMPS, *DECIAMPERE.value), BOTH),
        (structure(RAW, CLASS, WH, octets(ENERGY), AMPS, CLASS, DECIAMPERE, octets(CURRENT)), BOTH),
        (
            array(
                structure(CLASS, octets(ENERGY), Data(Tag.INTEGER, 0), RAW),
                structure(CLASS, octets(CURRENT), Data(Tag.INTEGER, -1), AMPS),
            ),
            [("1-0:1.8.0", "1234", None, 0), ("1-0:31.7.0", "5.7", None, -1)],
        ),
        (
            array(structure(CLASS, octets(ENERGY), ATTRIBUTE, RAW), structure(CLASS, octets(CURRENT), ATTRIBUTE, AMPS)),
            BARE,
        ),
        # Attribute descriptors: of a relay's state (3), of an object's own name (1), of a value (2, without a type tag).
        (
            structure(
                Data(Tag.ENUM, 1),
                array(
                    structure(CLASS, octets(RELAY), Data(Tag.UNSIGNED, 3), Data(Tag.ENUM, 1)),
                    structure(CLASS, octets(CLOCK), Data(Tag.UNSIGNED, 1), octets(CLOCK)),
                    structure(CLASS, octets(ENERGY), Data(Tag.UNSIGNED, 2), RAW),
                    structure(CLASS, octets(RELAY), Data(Tag.INTEGER, 3), Data(Tag.ENUM, 0)),
                    structure(CLASS, octets(CLOCK), octets(bytes(12))),
                ),
            ),
            [
                ("0-0:96.3.10", "1", None, None),
                ("1-0:1.8.0", "1234", None, None),
                ("0-0:96.3.10", "0", None, None),
                ("0-0:1.0.0", "00" * 12, None, None),
            ],
        ),
        (array(structure(octets(ENERGY), RAW), structure(octets(CURRENT), AMPS)), BARE),
        (structure(Data(Tag.VISIBLE_STRING, "LIST_1"), octets(ENERGY), RAW, octets(CURRENT), AMPS), BARE),
        (structure(octets(b"KFM_001"), structure(octets(ENERGY), RAW), array(octets(CURRENT), AMPS)), BARE),
        (array(), []),
        (structure(), []),
        (structure(array(), array(structure())), []),
        (array(structure(octets(ENERGY))), []),
        (array(structure(octets(ENERGY), array())), []),
        (RAW, []),
        (structure(octets(b"123456"), RAW), []),  # six characters of a serial number are no code
        (structure(octets(b"LDN"), octets(bytes.fromhex("0001190900ff")), RAW), []),  # the name of a push setup
    ],
)
def test_the_ways_to_write_a_body(body: Data, expected: list[object]) -> None:
    assert read(body) == expected


def test_a_list_of_push_objects_before_its_values() -> None:
    objects = array(
        push_object(40, bytes.fromhex("0000190900ff"), 2),
        push_object(8, CLOCK, 2),
        push_object(1, SERIAL, 2),
        push_object(3, ENERGY, 2, structure()),
        push_object(3, ENERGY, 3),
        push_object(3, CURRENT, 2),
        push_object(3, CURRENT, 1),
    )
    values = (octets(bytes(12)), Data(Tag.VISIBLE_STRING, "12345678"), RAW, WH, AMPS, octets(CURRENT))
    expected = [
        ("0-0:1.0.0", "00" * 12, None, None),
        ("0-0:96.1.0", "12345678", None, None),
        ("1-0:1.8.0", "1234", "Wh", 0),
        ("1-0:31.7.0", "57", None, None),
    ]
    assert read(structure(objects, *values)) == expected
    # The list may leave itself out.
    assert read(structure(array(*objects.value[1:]), *values)) == expected
    assert read(structure(objects, *values), "three-phase-retrofit") == expected
    # A list that is longer or shorter than the values tells nothing, and its descriptors are no readings.
    assert read(structure(array(*objects.value, *objects.value[:3]), *values)) == []
    assert read(structure(objects, octets(ENERGY), RAW, WH)) == [("1-0:1.8.0", "1234", "Wh", 0)]
    assert read(structure(structure(CLASS, octets(ENERGY), ATTRIBUTE))) == []
    demand = array(push_object(5, ENERGY, 2), push_object(5, ENERGY, 3), push_object(5, ENERGY, 4))
    assert read(structure(demand, RAW, AMPS, DECIAMPERE)) == [
        ("1-0:1.8.0", "123.4", "A", -1),
        ("1-0:1.8.0", "5.7", "A", -1),
    ]


@pytest.mark.parametrize(
    ("data", "scaler", "expected"),
    [
        (Data(Tag.LONG_UNSIGNED, 2500), -1, "250.0"),
        (Data(Tag.DOUBLE_LONG_UNSIGNED, 1362), 0, "1362"),
        (Data(Tag.UNSIGNED, 5), 3, "5000"),
        (Data(Tag.UNSIGNED, 0), -2, "0.00"),
        (Data(Tag.LONG, -7), -3, "-0.007"),
        (Data(Tag.LONG64_UNSIGNED, (1 << 64) - 1), -3, "18446744073709551.615"),
        (Data(Tag.LONG64_UNSIGNED, (1 << 64) - 1), 2, "1844674407370955161500"),
        (Data(Tag.FLOAT32, 1.5), 1, "15"),
        (Data(Tag.FLOAT64, 1e-7), 0, "0.0000001"),
        (Data(Tag.FLOAT64, float("nan")), 0, None),
        (Data(Tag.BOOLEAN, True), 0, "1"),
        (Data(Tag.ENUM, 4), 0, "4"),
        (Data(Tag.BIT_STRING, "0101"), 0, "0101"),
        (Data(Tag.VISIBLE_STRING, "A"), -1, "A"),
        (Data(Tag.OCTET_STRING, b"\xab"), 0, "ab"),
        (Data(Tag.NULL, None), -1, None),
    ],
)
def test_values_as_text(data: Data, scaler: int, expected: str | None) -> None:
    assert text(data, scaler) == expected


@given(VALUES)
def test_no_body_is_an_exception(body: Data) -> None:
    for name in (None, *lists.names()):
        for inside in (body, structure(octets(ENERGY), body), structure(CLASS, octets(ENERGY), ATTRIBUTE, body)):
            assert all(Obis.parse(obis) and len(one) == 3 for obis, *one in read(inside, name))


def test_kaifa_lists_have_no_codes_and_are_told_apart_by_their_length() -> None:
    power = Data(Tag.DOUBLE_LONG_UNSIGNED, 1234)
    assert read(structure(power)) == []
    assert read(structure(power), "kaifa") == [("1-0:1.7.0", "1234", "W", 0)]
    head = (octets(b"KFM_001"), octets(b"6970631400000000"), octets(b"MA304H3E"))
    powers = tuple(Data(Tag.DOUBLE_LONG_UNSIGNED, n) for n in (1000, 0, 0, 21))
    amps = tuple(Data(Tag.DOUBLE_LONG_UNSIGNED, n) for n in (2345, 1, 20))
    volts = tuple(Data(Tag.DOUBLE_LONG_UNSIGNED, n) for n in (2301, 0, 2299))
    registers = (octets(bytes(12)), *(Data(Tag.DOUBLE_LONG_UNSIGNED, n) for n in (10, 20, 30, 40)))
    three = read(structure(*head, *powers, *amps, *volts, *registers), "kaifa")
    assert len(three) == 18
    assert three[0] == ("1-1:0.2.129", b"KFM_001".hex(), None, None)
    assert three[6:9] == [
        ("1-0:4.7.0", "21", "var", 0),
        ("1-0:31.7.0", "2.345", "A", -3),
        ("1-0:51.7.0", "0.001", "A", -3),
    ]
    assert three[10] == ("1-0:32.7.0", "230.1", "V", -1)
    assert three[13:15] == [("0-0:1.0.0", "00" * 12, None, None), ("1-0:1.8.0", "10", "Wh", 0)]
    single = read(structure(*head, *powers, amps[0], volts[0]), "kaifa")
    assert [one[0] for one in single[7:]] == ["1-0:31.7.0", "1-0:32.7.0"]
    assert len(read(structure(*head, *powers, *amps, *volts), "kaifa")) == 13
    assert len(read(structure(*head, *powers, amps[0], volts[0], *registers), "kaifa")) == 14
    assert read(structure(*head, *powers), "kaifa") == []


def test_kamstrup_names_codes_and_leaves_scalers_out() -> None:
    codes = [bytes.fromhex(h) for h in ("0101000005ff", "0101010700ff", "01011f0700ff", "0101200700ff", "0101010800ff")]
    values = (
        Data(Tag.VISIBLE_STRING, "5706567000000000"),
        Data(Tag.DOUBLE_LONG_UNSIGNED, 1234),
        Data(Tag.DOUBLE_LONG_UNSIGNED, 567),
        Data(Tag.LONG_UNSIGNED, 229),
        Data(Tag.DOUBLE_LONG_UNSIGNED, 99),
    )
    pairs = [part for code, value in zip(codes, values, strict=True) for part in (octets(code), value)]
    body = structure(Data(Tag.VISIBLE_STRING, "Kamstrup_V0001"), *pairs)
    assert [one[1:] for one in read(body)] == [
        (text, None, None) for text in ("5706567000000000", "1234", "567", "229", "99")
    ]
    assert read(body, "kamstrup") == [
        ("1-1:0.0.5", "5706567000000000", None, None),
        ("1-1:1.7.0", "1234", "W", 0),
        ("1-1:31.7.0", "5.67", "A", -2),
        ("1-1:32.7.0", "229", "V", 0),
        ("1-1:1.8.0", "990", "Wh", 1),
    ]


def test_a_scaler_in_the_body_wins_over_the_list() -> None:
    body = array(structure(octets(CURRENT), AMPS, structure(Data(Tag.INTEGER, -2), Data(Tag.ENUM, 33))))
    assert read(body, "nve") == [("1-0:31.7.0", "0.57", "A", -2)]
    assert read(array(structure(octets(CURRENT), AMPS)), "nve") == [("1-0:31.7.0", "5.7", "A", -1)]


AT = datetime(2026, 7, 11, 8, 0, tzinfo=timezone(timedelta(hours=7)))
PUSHES = [
    (LowCredit(5000, True), {"0-0:19.10.0": "5000", "0-0:96.3.10": "1"}),
    (CreditExhausted(False), {"0-0:96.3.10": "0"}),
    (LastGasp(), {}),
    (PowerRestored(), {}),
    (
        DataBlock(123_450, 6_780, 3, 2, 61),
        {"1-0:1.8.0": "123450", "0-0:19.10.0": "6780", "0-0:96.15.0": "3", "0-0:96.7.21": "2", "0-0:96.7.19": "61"},
    ),
    (
        TokenResult(9, "accept", 4711, 25_600, 30_000),
        {"0-0:43.1.0": "9", "0-0:128.40.2": "4711", "0-0:128.40.3": "25600", "0-0:19.10.0": "30000"},
    ),
]


@pytest.mark.parametrize("name", profiles())
@pytest.mark.parametrize(("push", "expected"), PUSHES)
def test_our_own_kinds_are_read_with_codes_and_units(name: str, push: object, expected: dict[str, str]) -> None:
    made = notification(MODELS[name], push, logical_name=b"DUA0000000000001", long_invoke=1, now=AT)  # type: ignore[arg-type]
    found = {
        obis.replace("0-0:128.19.10", "0-0:19.10.0"): (value, unit) for obis, value, unit, _ in read(made.body, name)
    }
    assert {obis: found[obis][0] for obis in expected} == expected
    for obis in ("0-0:19.10.0", "1-0:1.8.0", "0-0:128.40.3"):
        assert obis not in expected or found[obis][1] == "Wh"


def test_every_list_loads_and_a_wrong_one_is_refused() -> None:
    assert set(lists.names()) == {"kaifa", "kamstrup", "nve", *profiles()}
    assert all(body_lists(name).name == name for name in lists.names())
    assert body_lists("kamstrup").objects[Obis(1, 1, 1, 8, 0)] == Scale(1, "Wh")
    with pytest.raises(UnknownProfile):
        body_lists("nobody")
    for wrong in (
        "",
        'name = "x"\n[[list]]\ncolumns = [{ obis = "1" }]',
        'name = "x"\n[objects]\n"1.0.1.8.0.255" = { unit = "kWh" }',
        'name = "x"\n[objects]\n"1.0.1.8.0.255" = { scaler = 200 }',
        'name = "x"\nlist = 3',
        "name =",
    ):
        with pytest.raises(BadProfile):
            lists.parse(wrong)
