# SPDX-License-Identifier: Apache-2.0
"""Message catalogues: `locale/*/LC_MESSAGES/django.po` compiled to the .mo form (GNU gettext manual, 10.3), without tools."""

from __future__ import annotations

import ast
import hashlib
import os
import struct
from pathlib import Path

_MAGIC = 0x950412DE


def parse(text: str) -> dict[str, str]:
    """msgid -> msgstr of a .po file; entries without a translation are left out. No plurals, no contexts."""
    entries: dict[str, str] = {}
    parts: dict[str, str] = {}
    field = ""
    for line in [*text.splitlines(), 'msgid ""']:
        line = line.strip()
        keyword, _, rest = line.partition(" ")
        if keyword in ("msgid", "msgstr"):
            if keyword == "msgid" and parts.get("msgstr"):
                entries[parts["msgid"]] = parts["msgstr"]
            if keyword == "msgid":
                parts = {}
            field = keyword
            parts[field] = ast.literal_eval(rest)
        elif line.startswith('"'):
            parts[field] += ast.literal_eval(line)
    return entries


def compile_mo(entries: dict[str, str]) -> bytes:
    """The binary catalogue: header, two tables of (length, offset), the strings; sorted by msgid."""
    pairs = [(key.encode(), value.encode()) for key, value in sorted(entries.items())]
    head = 28
    originals, translations = head, head + 8 * len(pairs)
    at = head + 16 * len(pairs)
    tables: list[list[tuple[int, int]]] = [[], []]
    octets = b""
    for index in (0, 1):
        for pair in pairs:
            tables[index].append((len(pair[index]), at + len(octets)))
            octets += pair[index] + b"\0"
    head_octets = struct.pack("<7I", _MAGIC, 0, len(pairs), originals, translations, 0, at)
    return head_octets + b"".join(struct.pack("<2I", *row) for table in tables for row in table) + octets


def compiled_folder(checkout: Path) -> Path:
    """Where Django finds the .mo files."""
    return checkout / ".cache" / "locale"


def ensure(checkout: Path) -> None:
    """Compile what has changed, by content: an unpacked release keeps times older than what was compiled here before."""
    for source in sorted((checkout / "locale").glob("*/LC_MESSAGES/django.po")):
        target = compiled_folder(checkout) / source.relative_to(checkout / "locale").with_suffix(".mo")
        octets, mark = source.read_bytes(), target.with_suffix(".sha256")
        digest = hashlib.sha256(octets).hexdigest()
        if target.exists() and mark.exists() and mark.read_text() == digest:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # The mark comes last: whoever dies between the two compiles once more.
        for path, fresh in ((target, compile_mo(parse(octets.decode()))), (mark, digest.encode())):
            written = path.with_suffix(f"{path.suffix}.{os.getpid()}")
            written.write_bytes(fresh)
            written.replace(path)
