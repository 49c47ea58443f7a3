"""Loads a batch in a process that kills itself: `python -m tests.vending.killable_batch BATCH KEYS WHERE AFTER`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duaarah.project.settings")


def main(batch_id: int, keys: str, where: str, after: int) -> None:
    django.setup()
    from tests.flows.house import START

    from duaarah.keystore import FileKeyStore
    from duaarah.vending.operations import batches
    from duaarah.wiring.token_sources import OwnKeys

    calls = 0

    def counted() -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            os.kill(os.getpid(), signal.SIGKILL)

    take, note = batches.take_notification, batches._note

    def taken(**said: Any) -> Any:
        if where == "before":
            counted()
        answer = take(**said)
        if where == "after":
            counted()
        return answer

    def noted(row_id: int, vend: Any, word: str) -> None:
        note(row_id, vend, word)
        if where == "within":
            counted()

    batches.take_notification, batches._note = taken, noted  # type: ignore[assignment]
    store = FileKeyStore.open(__import__("pathlib").Path(keys), "a passphrase for tests")
    batches.load_batch(batch_id=batch_id, reader=OwnKeys(store), now=START)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
