"""No distribution that a user gets is under a licence that would bind him."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from tests.house.licences import declared_by, main_licence, verdict

ROOT = Path(__file__).parents[2]
MIT = "MIT License. Permission is hereby granted, free of charge, to any person"


def locked() -> list[str]:
    text = "".join(
        (ROOT / name).read_text()
        for name in ("requirements.lock", "requirements-dev.lock", "requirements-hsm.lock", "requirements-oracle.lock")
    )
    return sorted(set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", text, re.MULTILINE)))


@pytest.mark.parametrize("name", locked())
def test_a_locked_distribution_may_be_used(name: str) -> None:
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed: of another platform, or of an extra")
    assert verdict(name, declared_by(distribution), main_licence(distribution)) is None


@pytest.mark.parametrize(
    ("declared", "text", "why"),
    [
        ("MIT", "Business Source License 1.1. Parameters: Licensor", "BUSL"),
        ("AGPL-3.0-or-later", "", "AGPL"),
        ("GPL-3.0-only", "", "GPL"),
        ("GPL-2.0 OR LicenseRef-commercial", MIT, "GPL"),
        ("MIT", "GNU AFFERO GENERAL PUBLIC LICENSE Version 3", "AGPL"),
        ("LGPL-3.0-only", "GNU LESSER GENERAL PUBLIC LICENSE", "not on the list"),
        ("Apache-2.0", MIT, "its licence file begins with MIT"),
        ("", "", "does not say"),
    ],
)
def test_what_is_refused(declared: str, text: str, why: str) -> None:
    assert why in (verdict("some-package", declared, text) or "")


@pytest.mark.parametrize(
    ("name", "declared", "text"),
    [
        ("a", "MIT", MIT),
        ("b", "Apache-2.0 OR BSD-3-Clause", "Redistribution and use in source and binary forms"),
        ("c", "MPL-2.0", "Mozilla Public License Version 2.0"),
        ("d", "MIT", MIT + ". Bundled: " + "x " * 2000 + "GNU GENERAL PUBLIC LICENSE"),
        ("psycopg", "LGPL-3.0-only", "GNU LESSER GENERAL PUBLIC LICENSE"),
    ],
)
def test_what_is_allowed(name: str, declared: str, text: str) -> None:
    assert verdict(name, declared, text) is None
