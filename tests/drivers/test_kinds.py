"""Profiles as data: a bad file is found when it is loaded."""

from __future__ import annotations

from importlib import resources

import pytest

from duaarah.drivers import BadProfile, UnknownProfile, profile, profiles
from duaarah.drivers.kinds import parse

GOOD = (resources.files("duaarah.drivers") / "profiles" / "single-phase-modem.toml").read_text()


def test_the_three_kinds() -> None:
    assert profiles() == ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")
    assert [profile(name).name for name in profiles()] == list(profiles())


@pytest.mark.parametrize("name", ["", "nobody", "../kinds", "single-phase-modem.toml"])
def test_an_unknown_profile(name: str) -> None:
    with pytest.raises(UnknownProfile):
        profile(name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('framing = "short"', 'framing = "tall"'),
        ('short_order = "own_first"', 'short_order = "alphabetical"'),
        ('encoding = "ascii"', 'encoding = "morse"'),
        ("crc = 1\n", ""),
        ("crc = 1\n", "crc = 0\n"),
        ('is = "energy_wh"', 'is = "balance_wh"'),
        ('is = "energy_wh"', 'is = "colour"'),
        ('type = "enum"', 'type = "poem"'),
        ('hex = "0003190900ff"', 'is = "skip"'),
        ("tokens_distinct =", "tokens_other ="),
        ('report = "last_gasp"', 'report = "sigh"'),
        ('obis = "0.0.19.40.0.255"', 'obis = "0.0.19"'),
        ("[token]", "[tokens"),
    ],
)
def test_a_contradictory_profile_is_refused(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(BadProfile):
        parse(GOOD.replace(old, new))
