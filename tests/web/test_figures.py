"""Figures as they are read."""

from __future__ import annotations

from django.utils import translation

from duaarah.web.shared.figures import figure


def test_figures_in_both_languages_and_nothing_without_a_sign() -> None:
    with translation.override("id"):
        assert (figure(1234.5, 2), figure(-1234.5, 1), figure(None, 1)) == ("1.234,50", "-1.234,5", "-")
        assert (figure(-0.4, 0), figure(-0.004, 2), figure(-0.6, 0)) == ("0", "0,00", "-1")
    with translation.override("en"):
        assert figure(1234.5, 2) == "1,234.50"
