"""Both languages say everything, with the same placeholders."""

from __future__ import annotations

import re

import pytest
from tests.messages import ROOT, wanted

from duaarah.project.catalogues import parse

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
