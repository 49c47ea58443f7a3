"""Both languages say everything, with the same placeholders; the compiled form is one that gettext reads."""

from __future__ import annotations

import gettext
import io
import os
import re
from pathlib import Path

import pytest
from tests.messages import ROOT, wanted

from duaarah.project.catalogues import compile_mo, compiled_folder, ensure, parse

PLACE = re.compile(r"%\(\w+\)[sd]")


def catalogue(language: str) -> dict[str, str]:
    return parse((ROOT / "locale" / language / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_sentence_is_there_and_none_is_left_over(language: str) -> None:
    assert set(catalogue(language)) - {""} == wanted()


@pytest.mark.parametrize("language", ["id", "en"])
def test_placeholders_are_the_same(language: str) -> None:
    for source, translated in catalogue(language).items():
        assert sorted(PLACE.findall(source)) == sorted(PLACE.findall(translated)), source


def test_the_compiled_form_is_read_by_gettext() -> None:
    entries = catalogue("id")
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
