# SPDX-License-Identifier: Apache-2.0
"""A profile proves itself: plain APDUs in its own file, each with what it has to be read as."""

from __future__ import annotations

import dataclasses
import tomllib
from typing import Any

from duaarah.drivers.kinds import BadProfile, Profile
from duaarah.drivers.reports import decode_report


def try_samples(profile: Profile, text: str) -> list[dict[str, Any]]:
    """
    Each `[[sample]]` (plain = hex of the deciphered APDU; report = {kind, fields}) read by the profile.

    One record a sample: {"sample", "ok", "read", "expected"}; `read` also holds the meter's clock as `at`.
    Raises BadProfile for a sample that cannot be meant.
    """
    results = []
    for number, sample in enumerate(tomllib.loads(text).get("sample", ()), start=1):
        try:
            plain, expected = bytes.fromhex(sample["plain"]), dict(sample["report"])
        except (KeyError, TypeError, ValueError):
            raise BadProfile(f"Sample {number} needs `plain` (hex) and `report` (a table).") from None
        read = record(decode_report(profile, plain))
        same = all(read.get(name) == value for name, value in expected.items()) and "kind" in expected
        results.append({"sample": number, "ok": same, "read": read, "expected": expected})
    return results


def record(report: Any) -> dict[str, Any]:
    """A report for people and files: its `kind` and its fields, as JSON values."""
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(report).__name__).lstrip("_")
    values = {name: _plain(value) for name, value in dataclasses.asdict(report).items()}
    return {"kind": words, **values}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else value
