"""Profiles prove themselves by their samples, and more of them can be brought in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from duaarah import drivers
from duaarah.drivers import kinds

SHIPPED = ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")


def text_of(name: str) -> str:
    return (resources.files("duaarah.drivers") / "profiles" / f"{name}.toml").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    kinds._FOLDERS.clear()
    kinds.profiles.cache_clear()
    kinds.profile.cache_clear()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_profile_reads_its_samples(name: str) -> None:
    results = drivers.try_samples(drivers.profile(name), text_of(name))
    assert len(results) >= 2 and all(result["ok"] for result in results)


def test_a_sample_that_is_read_otherwise_says_how() -> None:
    text = text_of("single-phase-modem").replace("remaining_wh = 4990", "remaining_wh = 4991")
    first = drivers.try_samples(drivers.parse(text), text)[0]
    assert not first["ok"] and first["read"]["remaining_wh"] == 4990
    assert first["read"]["at"] == "2026-02-16T08:00:00+07:00"


@pytest.mark.parametrize("sample", ['plain = "zz"\nreport = {}', 'plain = "00"', "report = { kind = 'x' }"])
def test_a_sample_that_cannot_be_meant(sample: str) -> None:
    text = text_of("single-phase-modem") + f"\n[[sample]]\n{sample}\n"
    with pytest.raises(drivers.BadProfile):
        drivers.try_samples(drivers.parse(text), text)


def test_a_maker_s_profile_from_a_folder(folder: Path) -> None:
    mine = text_of("single-phase-modem").replace('name = "single-phase-modem"', 'name = "acme-2"', 1)
    (folder / "acme-2.toml").write_text(mine.replace("client_sap = 16", "client_sap = 48"))
    drivers.use_folder(folder)
    assert drivers.profiles() == ("acme-2", *SHIPPED)
    assert drivers.profile("acme-2").link.client_sap == 48
    assert (drivers.origin("acme-2"), drivers.origin(SHIPPED[0])) == ("folder", "shipped")


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("acme-2", ("[token]", "[tokens]"), "acme-2.toml: 'token' is missing"),
        ("acme-2", ('type = "enum"', 'type = "poem"'), "acme-2.toml: 'POEM' is missing, or not a name that is known"),
        ("single-phase-modem", ("", ""), "give yours another name"),
        ("other", ("", ""), "calls itself acme-2"),
    ],
)
def test_a_bad_file_of_a_folder_is_named(folder: Path, name: str, change: tuple[str, str], sentence: str) -> None:
    mine = text_of("single-phase-modem").replace('name = "single-phase-modem"', 'name = "acme-2"', 1)
    (folder / f"{name}.toml").write_text(mine.replace(*change, 1))
    with pytest.raises(drivers.BadProfile) as caught:
        drivers.use_folder(folder)
    assert sentence in str(caught.value)


def test_no_folder(folder: Path) -> None:
    with pytest.raises(drivers.BadProfile):
        drivers.use_folder(folder / "none")
