# SPDX-License-Identifier: Apache-2.0
"""What the verbs of `grid` share: files read with a sentence for each fault, records written, engines opened."""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table

# The codes of errors in a record (docs/records).
BAD_FILE, BAD_ROW, NO_READINGS = "bad_file", "bad_row", "no_readings"


class GridError(Exception):
    """A fault of a file's content: the record's code and sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def write(record: dict[str, Any]) -> None:
    """A line on stdout. A number that JSON does not have (an infinite threshold) is null."""
    plain = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in record.items()
    }
    sys.stdout.write(json.dumps(plain, allow_nan=False) + "\n")
    sys.stdout.flush()


def refuse(error: GridError) -> int:
    """The fault as the record; the status of a failed line."""
    write({"error": error.code, "message": str(error)})
    return 1


def say(sentence: str, status: int) -> int:
    """A sentence on stderr and the status."""
    print(f"duaarah: {sentence}", file=sys.stderr)
    return status


def utc_text(instant: dt.datetime | None) -> str | None:
    """ISO 8601 with Z."""
    return None if instant is None else instant.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


def readable(text: str) -> Path:
    """An argument that names a file which can be read."""
    path = Path(text)
    try:
        path.open("rb").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from error
    return path


def day(text: str) -> dt.date:
    """An argument that is a day, YYYY-MM-DD."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 (a day has no zone)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no day such as 2026-07-31") from error


def zone(text: str) -> ZoneInfo:
    """An argument that names a time zone."""
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError; a folder's name an OSError
        raise argparse.ArgumentTypeError(f"{text} is no time zone such as Asia/Jakarta") from error


def positive(text: str) -> float:
    """An argument that is a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return number


def count(text: str) -> int:
    """An argument that is a whole number, 0 or more."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is no whole number")
    return int(text)


def rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """
    Line number and stripped values of the named columns of each row of a CSV; further columns and blank lines are ignored.

    Raises:
        GridError: no header, a column missing, a row too short, no UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            if not header:
                raise GridError(BAD_FILE, f"{path} is empty; its first line names the columns {', '.join(columns)}.")
            if missing := [name for name in columns if name not in header]:
                raise GridError(BAD_FILE, f"{path} has no column {', '.join(missing)}.")
            places = [header.index(name) for name in columns]
            for values in reader:
                if not any(value.strip() for value in values):
                    continue
                if len(values) <= max(places):
                    raise GridError(BAD_ROW, f"{path}, line {reader.line_num}: the row is too short.")
                yield (
                    reader.line_num,
                    {name: values[place].strip() for name, place in zip(columns, places, strict=True)},
                )
    except (UnicodeDecodeError, csv.Error) as error:
        raise GridError(BAD_FILE, f"{path} is no CSV in UTF-8: {error}.") from error


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """--readings, --interval, --engine and --spark-master."""
    from duaarah.analytics.engines import ENGINES

    parser.add_argument(
        "--readings",
        required=True,
        type=readable,
        metavar="FILE.parquet",
        help="columns meter_id, ts (end of the interval; naive is UTC), energy_wh, voltage_v",
    )
    parser.add_argument("--interval", type=positive, default=15.0, metavar="MINUTES", help="of a reading; default 15")
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument(
        "--spark-master", metavar="URL", help="spark://HOST:PORT of a cluster; default: Spark in this machine"
    )


def open_tidy(path: Path, connection: BaseBackend, values: Sequence[str]) -> Table:
    """
    The readings of a foreign file, one row a meter and instant: the last in the file; with the columns `values`.

    Raises:
        GridError: no Parquet, a column missing or of another type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from duaarah.analytics.engines import read_parquet
    from duaarah.analytics.measures.tidy import tidy

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise GridError(BAD_FILE, f"{path} is no Parquet file: {error}.") from error
    wanted = {"meter_id": _is_name, "ts": pa.types.is_timestamp, **dict.fromkeys(values, _is_number)}
    for name, fits in wanted.items():
        if name not in schema.names:
            raise GridError(BAD_FILE, f"{path} has no column {name}.")
        if not fits(schema.field(name).type):
            raise GridError(BAD_FILE, f"{path}: the column {name} holds {schema.field(name).type}.")
    return tidy(read_parquet(connection, [path], row_numbers=True), values)


def _is_name(kind: Any) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    # A column without one value is stored without a type.
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind))
