# SPDX-License-Identifier: Apache-2.0
"""
The seeded world of a small town: meters, SIMs, keys, customers, a fleet owner and what goes wrong in a day.

Pure and deterministic: the same seed and number of meters give the same world, in every process that asks. All
numbers, names and keys are made up here; the meters' maker prefix 99 and the phones' round numbers belong to nobody.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from duaarah.core.sts import DecoderKey, KeyConfiguration, derive, luhn_digit, pan_of
from duaarah.sim.town.load import DAY_US, HOUR_US, WUS_PER_MWH, Curve, Habit, LivedCurve

WIB = timezone(timedelta(hours=7))
START = datetime(2026, 2, 16, tzinfo=WIB)
METERS_MAX = 100_000

REGISTER, NEXT_REGISTER, NEXT_KRN = "town", "town-2", 2
CHANNEL = "ATM-DEMO"
REGION = "Depok"
HEAD_END_TITLE = b"DUAHES01"
READER_TITLE = b"DUARDR01"

SINGLE_PHASE, THREE_PHASE, RETROFIT = "single-phase-modem", "three-phase-modem", "three-phase-retrofit"
_FLEET_SHARE = 8
_FLEET_WALLET_IDR = 20_000_000
_METERS_PER_TRANSFORMER = 25
_TRANSFORMERS_PER_FEEDER = 4
_FEEDERS_PER_SUBSTATION = 10
_MWH_PER_WH = 1000

# Contracted power, tariff group, mean load in W and how often, for homes; the mean keeps one purchase enough for a day.
_HOMES = (
    (450, "R-1", 120, 4),
    (900, "R-1", 190, 3),
    (900, "R-1M", 230, 6),
    (1300, "R-1", 330, 6),
    (2200, "R-1", 520, 4),
    (3500, "R-2", 650, 2),
    (5500, "R-2", 750, 1),
    (6600, "R-3", 850, 1),
)
# Alias, VA, mean W and the share of that mean in each hour of the day, for sites.
_SITES = (("BTS", "BTS", 10_600, 900), ("BILLBOARD", "BB", 6_600, 700), ("ATM", "ATM", 6_600, 600))
_EVENING = (55, 50, 48, 48, 55, 85, 110, 105, 85, 80, 82, 90, 98, 95, 92, 95, 105, 130, 180, 195, 185, 160, 110, 70)
_FLAT = (96, 96, 95, 95, 95, 96, 97, 98, 100, 102, 104, 106, 107, 107, 106, 104, 102, 101, 100, 100, 99, 98, 98, 97)
_NIGHT = (200, 200, 200, 200, 200, 120, 15, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 60, 200, 200, 200, 200, 200, 200)
_SHAPES = {"HOME": _EVENING, "BTS": _FLAT, "BILLBOARD": _NIGHT, "ATM": _FLAT}
_GARBAGE = ("halo mbak listrik sy knp ya", "ok", "ISI pulsa 5rb", "sdh bayar td pagi", "???")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who pays: one wallet, one phone, one language; a company holds several meters."""

    name: str
    phone: str
    language: str
    pin: str = field(repr=False)
    wallet_idr: int
    company: bool


@dataclass(frozen=True, slots=True)
class Site:
    """A fleet owner's place: `kind` BTS, BILLBOARD or ATM, and the short alias he uses in an SMS."""

    kind: str
    alias: str
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a meter hangs in the network, by codes."""

    substation: str
    feeder: str
    transformer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TownMeter:
    """One meter with everything that was fixed before the day begins. Its keys are never printed."""

    drn: str
    pan: str
    system_title: bytes
    profile: str
    contracted_va: int
    tariff_group: str
    region: str
    msisdn: str
    iccid: str
    imei: str
    ek: bytes = field(repr=False)
    ak: bytes = field(repr=False)
    sts: KeyConfiguration
    credit_wh: int
    threshold_wh: int
    load_w: tuple[int, ...]
    idpel: str
    holder: Holder
    site: Site | None
    place: Place

    @property
    def mk(self) -> bytes:
        """The master key that its maker gave it, made of the others so that no draw of the seeded world moves."""
        return hashlib.sha256(b"master" + self.ek + self.ak).digest()[:16]

    @property
    def curve(self) -> LivedCurve:
        """What it draws while it has supply and credit; a new object each time, which keeps the days it was asked for."""
        return _curve(self.drn, self.load_w, self.contracted_va, self.site)


@dataclass(frozen=True, slots=True)
class Question:
    """An SMS that a customer sends of his own accord, so many minutes after midnight."""

    minute: int
    phone: str
    text: str


@dataclass(frozen=True, slots=True)
class DeadModem:
    """One modem is without network between these minutes of the day."""

    drn: str
    from_minute: int
    to_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """
    The whole town. `lossy_drn` is the meter whose first frame the radio loses in any case, so that every day has a
    retry; `vending_key`, `next_vending_key` (KRN 2) and `channel_secret` are secrets: shared out by the stage, never printed.
    """

    seed: int
    meters: tuple[TownMeter, ...]
    questions: tuple[Question, ...]
    dead_modem: DeadModem | None
    lossy_drn: str | None
    vending_key: bytes = field(repr=False)
    next_vending_key: bytes = field(repr=False)
    channel_secret: bytes = field(repr=False)

    def decoder_key(self, meter: TownMeter) -> DecoderKey:
        """The key that this meter left the factory with."""
        return DecoderKey(meter.sts.ea, derive(self.vending_key, meter.sts, meter.pan))

    @property
    def holders(self) -> tuple[Holder, ...]:
        """Every payer once, in the order of their first meter."""
        return tuple(dict.fromkeys(meter.holder for meter in self.meters))


def make_world(seed: int, meters: int) -> World:
    """The town of this seed with so many meters."""
    if not 1 <= meters <= METERS_MAX:
        raise ValueError(f"A town has 1 to {METERS_MAX} meters.")
    rng = random.Random(f"duaarah town {seed}")
    vending_key, channel_secret = rng.randbytes(20), rng.randbytes(32)
    first_serial = rng.randrange(10_000_000, 90_000_000 - METERS_MAX)
    sites = _spread_sites(rng, meters)
    low_at = _low_times(rng, meters)
    empty = _chosen(rng, [i for i in range(meters) if i not in sites], 8)
    lossy = next((i for i in reversed(low_at) if i not in sites), None)
    dead = next((i for i in low_at if i not in sites and i not in empty), next(iter(low_at), 0))
    low_at[dead] = rng.randrange(13 * 60 + 20, 14 * 60 + 20)
    fleet = Holder("Menara Contoh", _phone(0), "id", _pin(rng), _FLEET_WALLET_IDR, True)
    made = []
    for index in range(meters):
        site = sites.get(index)
        holder = fleet if site else _home_holder(rng, index, empty)
        made.append(_meter(rng, index, first_serial + index, site, holder, low_at.get(index)))
    return World(
        seed=seed,
        meters=tuple(made),
        questions=_questions(rng, made),
        dead_modem=DeadModem(made[dead].drn, 13 * 60, 15 * 60),
        lossy_drn=made[lossy].drn if lossy is not None and lossy != dead else None,
        vending_key=vending_key,
        next_vending_key=random.Random(f"duaarah town {seed}, its next key").randbytes(len(vending_key)),
        channel_secret=channel_secret,
    )


def _spread_sites(rng: random.Random, meters: int) -> dict[int, Site]:
    """Which meters are the fleet owner's: about one in eight, at least three of each town of ten."""
    count = meters // _FLEET_SHARE if meters < 10 else max(3, meters // _FLEET_SHARE)
    sites = {}
    for number, index in enumerate(sorted(rng.sample(range(meters), count))):
        kind, prefix, _, _ = _SITES[number % len(_SITES)]
        alias = f"{prefix}{number // len(_SITES) + 1:03d}"
        sites[index] = Site(kind, alias, f"{kind.title() if kind == 'BILLBOARD' else kind} {alias[-3:]}")
    return sites


def _low_times(rng: random.Random, meters: int) -> dict[int, int]:
    """Half of the meters, each with the minute of the day when its credit goes under the threshold."""
    chosen = rng.sample(range(meters), -(-meters // 2))
    return {index: rng.randrange(5 * 60 + 30, 21 * 60) for index in chosen}


def _chosen(rng: random.Random, among: list[int], one_in: int) -> frozenset[int]:
    return frozenset(rng.sample(among, -(-len(among) // one_in)))


def _phone(number: int) -> str:
    return f"62812{number + 1:08d}"


def _pin(rng: random.Random) -> str:
    return f"{rng.randrange(1_000_000):06d}"


def _home_holder(rng: random.Random, index: int, empty: Iterable[int]) -> Holder:
    language = "en" if rng.randrange(5) == 0 else "id"
    wallet_idr = 0 if index in empty else rng.randrange(500_000, 2_000_001, 10_000)
    return Holder(f"Contoh {index + 1:03d}", _phone(index + 1), language, _pin(rng), wallet_idr, False)


def _meter(
    rng: random.Random, index: int, serial: int, site: Site | None, holder: Holder, low_minute: int | None
) -> TownMeter:
    va, group, mean_w = _service(rng, site)
    profile = SINGLE_PHASE if va < 6_600 else (RETROFIT, THREE_PHASE)[index % 2]
    shape = _SHAPES[site.kind if site else "HOME"]
    load_w = tuple(max(15, mean_w * share * rng.randrange(85, 116) // 10_000) for share in shape)
    threshold_wh = max(1_000, sum(load_w) // 3 // 500 * 500)
    head = f"99{serial:08d}"
    drn = head + luhn_digit(head)
    iccid, imei = f"896299{index + 1:012d}", f"00100100{index + 1:06d}"
    kind_octet = (SINGLE_PHASE, THREE_PHASE, RETROFIT).index(profile) + 1
    return TownMeter(
        drn=drn,
        pan=pan_of(drn),
        system_title=b"DUA" + bytes([kind_octet]) + serial.to_bytes(4, "big"),
        profile=profile,
        contracted_va=va,
        tariff_group=group,
        region=REGION,
        msisdn=f"62811{index + 1:08d}",
        iccid=iccid + luhn_digit(iccid),
        imei=imei + luhn_digit(imei),
        ek=rng.randbytes(16),
        ak=rng.randbytes(16),
        sts=_key_configuration("07" if rng.randrange(2) == 0 else "11"),
        credit_wh=threshold_wh + _head_room_wh(rng, _curve(drn, load_w, va, site), low_minute),
        threshold_wh=threshold_wh,
        load_w=load_w,
        idpel=f"5399{index + 1:08d}",
        holder=holder,
        site=site,
        place=_place(index),
    )


def _curve(drn: str, load_w: tuple[int, ...], contracted_va: int, site: Site | None) -> LivedCurve:
    """Homes stray, sites hardly do."""
    days, quarters = (200, 400) if site is None else (30, 60)
    return LivedCurve(load_w, Habit(drn, days, quarters, contracted_va * 7 // 10))


def _service(rng: random.Random, site: Site | None) -> tuple[int, str, int]:
    """Contracted VA, tariff group and mean watts."""
    if site is not None:
        _, _, va, mean_w = next(row for row in _SITES if row[0] == site.kind)
        return va, "B-2", mean_w
    va, group, mean_w, _ = rng.choices(_HOMES, weights=[row[3] for row in _HOMES])[0]
    return va, group, mean_w * rng.randrange(80, 111) // 100


def _key_configuration(ea: str) -> KeyConfiguration:
    return KeyConfiguration(dkga="04", ea=ea, sgc="999901", ti="01", krn=1, kt=2, ken=255, base_date=2014)


def _head_room_wh(rng: random.Random, curve: Curve, low_minute: int | None) -> int:
    """Credit above the threshold: enough until the chosen minute of the first day, or for one and a half to eight days."""
    until_us = low_minute * HOUR_US // 60 if low_minute is not None else rng.randrange(DAY_US * 3 // 2, DAY_US * 8)
    return curve.used(until_us) // (WUS_PER_MWH * _MWH_PER_WH)


def _place(index: int) -> Place:
    transformer = index // _METERS_PER_TRANSFORMER
    feeder = transformer // _TRANSFORMERS_PER_FEEDER
    substation = feeder // _FEEDERS_PER_SUBSTATION
    return Place(f"GI-{substation + 1:02d}", f"F-{feeder + 1:03d}", f"T-{transformer + 1:04d}")


def _questions(rng: random.Random, meters: list[TownMeter]) -> tuple[Question, ...]:
    """Who asks what of his own accord: SALDO one in ten, BANTUAN one in fifteen, TOKEN one in twenty, garbage one or two."""
    askers: dict[str, TownMeter] = {}
    for meter in meters:
        askers.setdefault(meter.holder.phone, meter)
    asked = []
    for verb, one_in in (("SALDO", 10), ("BANTUAN", 15), ("TOKEN", 20)):
        for meter in rng.sample(list(askers.values()), -(-len(askers) // one_in)):
            alias = f" {meter.site.alias}" if meter.site and verb != "BANTUAN" else ""
            asked.append(Question(rng.randrange(6 * 60, 21 * 60), meter.holder.phone, verb + alias))
    for phone in rng.sample(list(askers), min(len(askers), rng.randrange(1, 3))):
        asked.append(Question(rng.randrange(6 * 60, 21 * 60), phone, rng.choice(_GARBAGE)))
    return tuple(sorted(asked, key=lambda question: (question.minute, question.phone, question.text)))
