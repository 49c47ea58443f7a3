# SPDX-License-Identifier: Apache-2.0
"""
The folder that channels drop files of sold tokens into: `<folder>/<channel>/in`, then `done` or `refused`.

A sender writes under another name and renames to `*.csv`. A file without its trailer is left alone as long as it may still
be growing. The result is written first, then the file moves, then its row says so: a death in between repeats that step.
"""

from __future__ import annotations

import csv
import io
import logging
import os
import stat
import time
from datetime import datetime
from pathlib import Path

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.core.sheets import cell
from duaarah.core.tokenbatch import OCTETS_MAX, complete
from duaarah.vending.batch_models import TokenBatch, TokenBatchRow
from duaarah.vending.models import Channel
from duaarah.vending.operations.batches import file_away, load_batch, receive_batch, resume_batches
from duaarah.vending.ports import TokenReader
from duaarah.wiring.keystores import unwrap_channel_secret

LOG = logging.getLogger(__name__)
INCOMING, DONE, REFUSED = "in", "done", "refused"
SETTLED_S = 120
FILES_EACH = 100
ACTOR = "folder"
RESULT_HEAD = ("line", "notification_id", "state", "code")


def secret_of(channel: Channel) -> bytes | None:
    """The secret that a channel signs with; None for one that has none. Raises keystore.Unwrapped."""
    wrapped = channel.secret_wrapped
    return unwrap_channel_secret(channel.code, bytes(wrapped)) if wrapped is not None else None


def run_token_folder(*, folder: Path | None, reader: TokenReader, now: datetime) -> int:
    """What a crash left, then every whole file of every channel's folder, oldest first; returns how many files moved."""
    resume_batches(reader=reader, now=now)
    if folder is None:
        return 0
    if not folder.is_dir():
        LOG.error("DUAARAH_TOKEN_FOLDER is no folder; no file is read")
        return 0
    moved = 0
    for place in sorted(folder.iterdir()):
        for path in _waiting(place / INCOMING) if (place / INCOMING).is_dir() else ():
            try:
                moved += _take(place, path, reader, now)
            except OSError as error:
                # One folder that cannot be written keeps no other channel waiting; the next minute tries again.
                LOG.error("%s of %s stays where it is: %s", path.name, place.name, error.strerror)
    return moved


def _waiting(incoming: Path) -> list[Path]:
    """Plain files only: a link could point at anything that we may read."""
    found = []
    for entry in os.scandir(incoming):
        if entry.name.endswith(".csv") and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
            found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
    return [incoming / name for _, name in sorted(found)[:FILES_EACH]]


def _read(path: Path) -> tuple[bytes, bool] | None:
    """A file's octets, cut behind the most that is taken, and whether it has been quiet for a while; None: it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        LOG.warning("%s cannot be read: %s", path.name, error.strerror)
        return None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            return None
        return file.read(OCTETS_MAX + 1), time.time() - facts.st_mtime > SETTLED_S


def _take(place: Path, path: Path, reader: TokenReader, now: datetime) -> int:
    read = _read(path)
    if read is None:
        return 0
    content, settled = read
    if not complete(content) and len(content) <= OCTETS_MAX and not settled:
        return 0
    channel = Channel.objects.filter(code=place.name).first()
    if channel is None:
        return _stranger(place, path, now)
    made, repeated = receive_batch(
        channel=channel, file_name=path.name, content=content, secret=secret_of(channel), actor=ACTOR, now=now
    )
    if made.state == TokenBatch.State.WAITING:
        load_batch(batch_id=made.pk, reader=reader, now=now)
        made.refresh_from_db()
    fine = made.state == TokenBatch.State.DONE
    _put_away(path, place / (DONE if fine else REFUSED), result_csv(made))
    file_away(batch_id=made.pk)
    LOG.info("%s of %s: %s%s", path.name, place.name, made.state, " (here before)" if repeated else "")
    return 1


def _stranger(place: Path, path: Path, now: datetime) -> int:
    """A folder of no channel: nobody's secret fits, so nothing in the file is believed."""
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now,
            actor=ACTOR,
            verb="vending.receive_batch",
            subject=f"channel:{place.name}",
            code="channel_unknown",
            detail={"file": path.name[:120]},
        )
    _put_away(path, place / REFUSED, _csv([("", "", "REFUSED", "channel_unknown")]))
    return 1


def result_csv(made: TokenBatch) -> bytes:
    """What became of each row, for the channel: no digits in it."""
    if made.state == TokenBatch.State.REFUSED:
        return _csv([("", "", made.state, made.code)])
    rows = TokenBatchRow.objects.filter(batch=made).order_by("line")
    found = rows.values_list("line", "notification_id", "state", "code")
    return _csv([(line, cell(name), state, code) for line, name, state, code in found.iterator(chunk_size=2_000)])


def _csv(rows: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(RESULT_HEAD)
    writer.writerows(rows)
    return text.getvalue().encode()


def _put_away(path: Path, target: Path, result: bytes) -> None:
    target.mkdir(exist_ok=True)
    name = _free(target, path.name)
    written = target / f".{name}.part"
    with written.open("wb") as file:
        file.write(result)
        file.flush()
        os.fsync(file.fileno())
    written.replace(target / f"{name}.result.csv")
    path.rename(target / name)


def _free(target: Path, name: str) -> str:
    """A name that no earlier file has; one whose result alone is there is ours, from before a death."""
    stem, number = name.removesuffix(".csv"), 1
    while (target / name).exists():
        number += 1
        name = f"{stem}-{number}.csv"
    return name
