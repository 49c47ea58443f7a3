# SPDX-License-Identifier: Apache-2.0
"""`grid balance`: losses and voltages a transformer (docs/records/grid-balance.schema.json)."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from duaarah.cli.grid_files import (
    BAD_FILE,
    BAD_ROW,
    NO_READINGS,
    GridError,
    add_reading_arguments,
    open_tidy,
    readable,
    refuse,
    rows,
    say,
    utc_text,
    write,
)

if TYPE_CHECKING:
    import pandas as pd

VALUES = ("energy_wh", "voltage_v")
COLUMNS = ("meter_id", "transformer_id", "role")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reading_arguments(parser)
    parser.add_argument(
        "--topology",
        required=True,
        type=readable,
        metavar="FILE.csv",
        help="columns meter_id, transformer_id, role (customer or total)",
    )


def run(args: argparse.Namespace) -> int:
    """0, 1 when a file cannot be read, 3 without Java or pyspark."""
    from duaarah.analytics.engines import EngineFailed, EngineMissing, connect
    from duaarah.analytics.measures.balance import balances

    try:
        topology = _topology(args.topology)
        connection = connect(args.engine, spark_master=args.spark_master)
    except EngineMissing as error:
        return say(str(error), 3)
    except EngineFailed as error:
        return refuse(GridError(error.code, str(error)))
    except GridError as error:
        return refuse(error)
    try:
        found = balances(open_tidy(args.readings, connection, VALUES), topology, args.interval, connection)
        if not found:
            raise GridError(NO_READINGS, f"{args.readings} holds no reading.")
    except GridError as error:
        return refuse(error)
    finally:
        connection.disconnect()
    for one in found:
        fields = {**dataclasses.asdict(one), "v_min_at": utc_text(one.v_min_at)}
        write({"v_min_ts" if name == "v_min_at" else name: value for name, value in fields.items()})
    return 0


def _topology(path: Path) -> pd.DataFrame:
    """One row a meter; a row that is there twice counts once."""
    import pandas as pd

    from duaarah.analytics.measures.balance import ROLES

    places: dict[str, tuple[str, str]] = {}
    for line, row in rows(path, COLUMNS):
        where = f"{path}, line {line}"
        meter_id, place = row["meter_id"], (row["transformer_id"], row["role"])
        if not meter_id or not place[0]:
            raise GridError(BAD_ROW, f"{where}: the meter_id or the transformer_id is empty.")
        if place[1] not in ROLES:
            raise GridError(BAD_ROW, f"{where}: {place[1] or 'nothing'} is no role; roles are {' and '.join(ROLES)}.")
        if places.setdefault(meter_id, place) != place:
            raise GridError(BAD_ROW, f"{where}: the meter {meter_id} is already at another place.")
    if not places:
        raise GridError(BAD_FILE, f"{path} names no meter.")
    return pd.DataFrame([(meter, *place) for meter, place in places.items()], columns=list(COLUMNS))
