"""No phone number, token, key, PIN or code passes the log."""

from __future__ import annotations

import pytest

from duaarah.project.logs import redact


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("to 6281234567890 now", "to [phone ...890] now"),
        ("token 12345678901234567890", "token [token]"),
        ("token 1234 5678 9012 3456 7890.", "token [token]."),
        ("key " + "ab" * 20, "key [key]"),
        ("text ISI 50000 K7P", "text ISI 50000 [code]"),
        ("frame 17: token_accept", "frame 17: token_accept"),
    ],
)
def test_redaction(said: str, kept: str) -> None:
    assert redact(said) == kept
