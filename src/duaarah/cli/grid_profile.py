# SPDX-License-Identifier: Apache-2.0
"""`grid profile`: the load profile of a file of readings (docs/records/grid-profile.schema.json)."""

from __future__ import annotations

import argparse

from duaarah.cli.grid_files import (
    NO_READINGS,
    GridError,
    add_reading_arguments,
    open_tidy,
    refuse,
    say,
    utc_text,
    write,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reading_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0, 1 when the file cannot be read, 3 without Java or pyspark."""
    from duaarah.analytics.engines import EngineFailed, EngineMissing, connect
    from duaarah.analytics.measures.profile import profile

    try:
        connection = connect(args.engine, spark_master=args.spark_master)
    except EngineMissing as error:
        return say(str(error), 3)
    except EngineFailed as error:
        return refuse(GridError(error.code, str(error)))
    try:
        found = profile(open_tidy(args.readings, connection, ["energy_wh"]), args.interval, connection)
        if found is None:
            raise GridError(NO_READINGS, f"{args.readings} holds no reading.")
    except GridError as error:
        return refuse(error)
    finally:
        connection.disconnect()
    write(
        {
            "energy_kwh": found.energy_kwh,
            "peak_kw": found.peak_kw,
            "peak_ts": utc_text(found.peak_at),
            "load_factor": found.load_factor,
            "coincidence": found.coincidence,
            "diversity": found.diversity,
        }
    )
    return 0
