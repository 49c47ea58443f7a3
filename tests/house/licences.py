"""Whether a distribution may be used: by what its metadata says and by what its own licence file begins with."""

from __future__ import annotations

import hashlib
import re
from importlib import metadata

REFUSED = frozenset({"AGPL", "GPL", "SSPL", "BUSL"})
LGPL_ALLOWED = frozenset({"psycopg", "psycopg-binary", "psycopg-pool"})
HEAD_CHARACTERS = 1500
# Licence files that a person has read, by SHA-256: what they hold is allowed, though they begin with another heading.
REVIEWED = {
    "ba00f51a0d92823b5a1cde27d8b5b9d2321e67ed8da9bc163eff96d5e17e577e": "Apache-2.0 and BSD-3-Clause, both in full",
}

# In this order: the names of some contain the names of others.
_FILE = (
    ("AGPL", r"gnu affero general public"),
    ("SSPL", r"server side public license"),
    ("BUSL", r"business source license"),
    ("LGPL", r"gnu lesser general public|gnu library general public"),
    ("GPL", r"gnu general public license"),
    ("MPL", r"mozilla public license"),
    ("APACHE", r"apache (?:software )?license"),
    ("PSF", r"python software foundation license"),
    ("MIT", r"permission is hereby granted, free of charge"),
    ("BSD", r"redistribution and use in source and binary forms"),
)
_METADATA = (
    ("AGPL", r"\bagpl|affero"),
    ("SSPL", r"\bsspl|server side public"),
    ("BUSL", r"\bbusl|\bbsl-1\.1|business source"),
    ("LGPL", r"\blgpl|lesser general"),
    ("GPL", r"(?<![la])gpl|gnu general public"),
    ("MPL", r"\bmpl|mozilla"),
    ("APACHE", r"apache"),
    ("PSF", r"\bpsf|python software foundation|python-2\.0"),
    ("MIT", r"\bmit\b"),
    ("BSD", r"\bbsd|\b0bsd|\bisc\b"),
)


def said(declared: str) -> set[str]:
    """The families that a licence expression, a licence field or classifiers name."""
    return {family for family, pattern in _METADATA if re.search(pattern, declared, re.IGNORECASE)}


def heads(licence_text: str) -> str | None:
    """The family that the main licence file begins with; bundled notices further down are not the package's own."""
    head = " ".join(licence_text.split())[:HEAD_CHARACTERS].lower()
    found = [(match.start(), family) for family, pattern in _FILE if (match := re.search(pattern, head))]
    return min(found)[1] if found else None


def verdict(name: str, declared: str, licence_text: str) -> str | None:
    """None when a distribution may be used, else why not."""
    families, family = said(declared), heads(licence_text)
    if not families and family is None:
        return f"{name} does not say under which licence it is"
    for one in families | ({family} if family else set()):
        if one in REFUSED:
            return f"{name} is under {one}"
        if one == "LGPL" and name not in LGPL_ALLOWED:
            return f"{name} is under the LGPL and not on the list"
    if hashlib.sha256(licence_text.encode()).hexdigest() in REVIEWED:
        return None
    if families and family is not None and family not in families:
        return f"{name} says {', '.join(sorted(families))}, its licence file begins with {family}"
    return None


def declared_by(distribution: metadata.Distribution) -> str:
    """The licence as the metadata gives it: the expression, else field and classifiers."""
    fields = distribution.metadata
    expression = fields.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [c for c in fields.get_all("Classifier", []) if c.startswith("License ::")]
    return " ".join([(fields.get("License") or "")[:100], *classifiers])


def main_licence(distribution: metadata.Distribution) -> str:
    """The text of the main licence file: the one with the plainest name."""
    named = re.compile(r"dist-info/(?:licenses/)?(?:licen[cs]e|copying)[^/]*$", re.IGNORECASE)
    files = sorted((f for f in distribution.files or [] if named.search(str(f))), key=lambda f: len(str(f)))
    return distribution.locate_file(files[0]).read_text(errors="replace") if files else ""  # type: ignore[attr-defined]
