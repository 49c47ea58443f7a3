"""A catalogue is parsed and compiled as gettext reads it, and again when it was changed."""

from __future__ import annotations

import gettext
import io
import os
from pathlib import Path

from tests.messages import ROOT

from duaarah.project.catalogues import compile_mo, compiled_folder, ensure, parse


def test_the_compiled_form_is_read_by_gettext() -> None:
    entries = parse((ROOT / "locale/id/LC_MESSAGES/django.po").read_text(encoding="utf-8"))
    read = gettext.GNUTranslations(io.BytesIO(compile_mo(entries)))
    assert [read.gettext(key) for key in entries if key] == [value for key, value in entries.items() if key]
    assert read.gettext("nobody translates this") == "nobody translates this"


def test_parsing_takes_lines_together_and_skips_what_is_not_translated() -> None:
    text = 'msgid ""\n"a "\n"b"\nmsgstr "c \\"d\\""\n\nmsgid "e"\nmsgstr ""\n'
    assert parse(text) == {"a b": 'c "d"'}


def test_a_catalogue_that_is_older_than_what_was_compiled_is_compiled_all_the_same(tmp_path: Path) -> None:
    source = tmp_path / "locale/id/LC_MESSAGES/django.po"
    source.parent.mkdir(parents=True)
    compiled = compiled_folder(tmp_path) / "id/LC_MESSAGES/django.mo"
    for translated in ("lama", "baru"):
        source.write_text(f'msgid "a"\nmsgstr "{translated}"\n', encoding="utf-8")
        os.utime(source, (1, 1))
        ensure(tmp_path)
        assert compiled.read_bytes() == compile_mo({"a": translated})
    before = compiled.stat().st_mtime_ns
    os.utime(source)
    ensure(tmp_path)
    assert compiled.stat().st_mtime_ns == before
    assert sorted(each.name for each in compiled.parent.iterdir()) == ["django.mo", "django.sha256"]
