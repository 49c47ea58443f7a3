# SPDX-License-Identifier: Apache-2.0
"""
`bench grid`: the grid's measures over a utility made by a seed, against hand-written DuckDB SQL of the same questions.

Every measure runs in a process of its own, so that its peak memory is its own; expression and SQL take turns in a second
one, on the same files, and their answers are compared. With Spark: the same expressions on two workers, compared too.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd

from duaarah.analytics.engines import connect, read_parquet
from duaarah.analytics.measures import balance, profile, saidi, voltage
from duaarah.stage import bench_grid_data, bench_grid_sql
from duaarah.stage.bench_grid_data import Utility

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table

METERS, DAYS, SEED = 100_000, 11, 7
BEST_OF = 5
ZONE = ZoneInfo("Asia/Jakarta")
MEASURES = ("profile", "losses", "voltage", "saidi")
SAME = 1e-9
Record = dict[str, Any]
Answer = list[pd.DataFrame]


def run(meters: int | None, days: int | None, spark: bool) -> Iterator[Record]:
    """
    The figures; the files are kept under the folder for temporary files and found again by the next run.

    Raises:
        EngineMissing: `spark` without Java or pyspark.
    """
    meters, days = meters or METERS, days or DAYS
    folder = Path(tempfile.gettempdir()) / "duaarah-bench-grid"
    utility = bench_grid_data.make(folder, meters, days, SEED, lambda text: print(f"bench: {text}", file=sys.stderr))
    common = {"bench": "grid", "cores": os.cpu_count() or 1, "meters": meters, "seed": SEED}
    for name in MEASURES:
        yield from ({**common, **figure} for figure in _figures(name, utility))
    if days > 1:
        for name in MEASURES[:3]:
            told = _child("time", name, meters, days)
            yield {
                **common,
                "figure": f"{name}_all_days",
                "value": told["s"],
                "unit": "s",
                "rows": utility.rows,
                "days": days,
            }
    if spark:
        yield from ({**common, **figure} for figure in _on_spark(utility, folder))


def _figures(name: str, utility: Utility) -> Iterator[Record]:
    told = _child("time", name, utility.meters, 1)
    rows = {"rows": told["rows"], "best_of": BEST_OF}
    span = "twelve_months" if name == "saidi" else "one_day"
    load = {"load": round(os.getloadavg()[0], 2)}
    yield {"figure": f"{name}_{span}", "value": told["s"], "unit": "s", **rows, **load}
    # All threads' own time: on a busy machine what the seconds of the clock are not.
    yield {"figure": f"{name}_processor", "value": told["processor_s"], "unit": "s", **rows, **load}
    yield {"figure": f"{name}_peak_memory", "value": told["peak_mb"], "unit": "MB"}
    against = _child("ratio", name, utility.meters, 1)
    yield {"figure": f"{name}_against_sql", "value": against["ratio"], "unit": "ratio", **rows}
    yield {"figure": f"{name}_answers_equal", "value": int(against["equal"]), "unit": "bool"}


def _child(how: str, name: str, meters: int, days: int) -> Record:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "duaarah.stage.bench_grid", how, name, str(meters), str(days)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=600)
    told: Record = json.loads(done.stdout.splitlines()[-1])
    return told


class Tables:
    """The files of a utility opened once on an engine, as a process that is asked often has them."""

    def __init__(self, utility: Utility, connection: BaseBackend, days: int) -> None:
        self.meters, self.connection, self.days = utility.meters, connection, days
        self.network = read_parquet(connection, [utility.network])
        self.customers = self.network.filter(self.network.role == balance.CUSTOMER)
        self.outages = read_parquet(connection, [utility.outages])
        self.readings = read_parquet(connection, utility.days[:days])

    def answers(self, name: str) -> Answer:
        """A measure: feeders' profiles, transformers' losses, phases and their lowest meters, daily outages."""
        if name == "saidi":
            return [self._run(saidi.daily(self.outages, ZONE, *bench_grid_sql.YEAR))]
        if name == "profile":
            feeders = self.customers.select("meter_id", group=self.customers.feeder_id)
            return [self._run(profile.profiles(self.readings, feeders, 15))]
        if name == "losses":
            return [self._run(balance.losses(self.readings, self.network))]
        last_date = bench_grid_data.FIRST_DATE + dt.timedelta(days=self.days - 1)
        evening = voltage.in_spans(self.readings, voltage.evenings(bench_grid_data.FIRST_DATE, last_date, ZONE))
        return [
            self._run(voltage.by_phase(self.readings, evening, self.customers)),
            self._run(voltage.lowest_meters(evening, self.customers)),
        ]

    def whole(self, name: str) -> object:
        """What is timed: of the outages also T_MED, and the months with and without major event days."""
        if name != "saidi":
            return self.answers(name)
        return saidi.reliability(
            self.outages,
            customers_served=[self.meters] * 12,
            zone=ZONE,
            first_date=bench_grid_sql.YEAR[0],
            last_date=bench_grid_sql.YEAR[1],
            connection=self.connection,
        )

    def _run(self, expression: Table) -> pd.DataFrame:
        found: pd.DataFrame = self.connection.to_pyarrow(expression).to_pandas()
        return found


def equal(left: Answer, right: Answer) -> bool:
    """The same rows in any order, numbers to 1e-9."""
    return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))


def _same(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    if set(left.columns) != set(right.columns) or len(left) != len(right) or left.empty:
        return False
    keys = [key for key in ("group", "transformer_id", "phase", "place", "day") if key in left.columns]
    left, right = (table.sort_values(keys).reset_index(drop=True) for table in (left, right))
    return all(_same_column(left[column], right[column], column) for column in left.columns)


def _same_column(a: pd.Series, b: pd.Series, name: str) -> bool:
    if "ts" in name:
        a, b = (pd.to_datetime(x, utc=True) for x in (a, b))
        return bool((a == b).all())
    if pd.api.types.is_numeric_dtype(a):
        a, b = a.astype("float64"), b.astype("float64")
        return bool((((a - b).abs() <= SAME * a.abs().clip(lower=1)) | (a.isna() & b.isna())).all())
    return a.tolist() == b.tolist()


def _best(ask: Callable[[], object], repetitions: int) -> float:
    best = float("inf")
    for _ in range(repetitions):
        begun = time.perf_counter()
        ask()
        best = min(best, time.perf_counter() - begun)
    return best


def _time(name: str, utility: Utility, days: int) -> Record:
    tables = Tables(utility, connect(), days)
    before_s, times = time.process_time(), BEST_OF if days == 1 else 2
    best_s = _best(lambda: tables.whole(name), times)
    processor_s = (time.process_time() - before_s) / times
    rows = int(utility.meters * bench_grid_data.OUTAGES_A_METER) if name == "saidi" else utility.rows
    return {"s": round(best_s, 4), "processor_s": round(processor_s, 4), "peak_mb": _peak_mb(), "rows": rows}


def _ratio(name: str, utility: Utility) -> Record:
    """Expression and SQL in turns, so that both meet the same load of the machine."""
    ours = Tables(utility, connect(), 1)
    theirs: Any = connect()
    questions = bench_grid_sql.questions(name, utility)

    def ask_sql() -> Answer:
        return [theirs.con.sql(question).to_arrow_table().to_pandas() for question in questions]

    is_equal = equal(ours.answers(name), ask_sql())
    ours_s = sql_s = float("inf")
    for _ in range(2 * BEST_OF):
        ours_s = min(ours_s, _best(lambda: ours.answers(name), 1))
        sql_s = min(sql_s, _best(ask_sql, 1))
    return {"ratio": round(ours_s / sql_s, 3), "equal": is_equal}


def _peak_mb() -> int:
    """The greatest resident size of this process since its program began; `getrusage` would tell its parent's too."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024


def _on_spark(utility: Utility, folder: Path) -> Iterator[Record]:
    from duaarah.stage.spark_cluster import SparkCluster

    duck = Tables(utility, connect(), 1)
    with SparkCluster(folder / "spark", memory_mb=2048) as cluster:
        connection = connect("spark", spark_master=cluster.url, memory_mb=1536)
        spark = Tables(utility, connection, 1)
        try:
            for name in MEASURES:
                same = equal(duck.answers(name), spark.answers(name))  # also warms it up
                begun = time.perf_counter()
                spark.answers(name)
                spent_s = round(time.perf_counter() - begun, 3)
                yield {"figure": f"{name}_on_spark", "value": spent_s, "unit": "s", "workers": 2}
                yield {"figure": f"{name}_on_spark_equal", "value": int(same), "unit": "bool", "workers": 2}
        finally:
            connection.disconnect()


def main(arguments: list[str]) -> None:
    """A child's measurement: `time|ratio MEASURE METERS DAYS`; the files are there already."""
    how, name, meters, days = arguments
    folder = Path(tempfile.gettempdir()) / "duaarah-bench-grid"
    utility = bench_grid_data.make(folder, int(meters), int(days), SEED)
    print(json.dumps(_time(name, utility, int(days)) if how == "time" else _ratio(name, utility)))


if __name__ == "__main__":
    main(sys.argv[1:])
