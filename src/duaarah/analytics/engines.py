# SPDX-License-Identifier: Apache-2.0
"""
Where Ibis expressions run: DuckDB inside the process, or a Spark cluster; sessions are in UTC on both.

Every process opens DuckDB in memory of its own and shares Parquet files, never a database file: a DuckDB file takes one
writing process at a time. Spark needs Java and the extra `cluster`, and storage which every worker sees at the same path.
No database and no Django are needed here; the interval store is asked only by `open_readings`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib
import importlib.util
import os
import shutil
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from duaarah.readings.columns import READINGS

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table

DUCKDB, SPARK = "duckdb", "spark"
ENGINES = (DUCKDB, SPARK)
MEMORY_MB = 1024  # of DuckDB; above it spills to disk
LOCAL_MASTER = "local[*]"  # Spark inside this machine, without a cluster
ROW_NUMBER = "row_number"
ANSWER_WITHIN_S = 5
INSTALL = "install the extra cluster: .venv/bin/pip install --require-hashes -r requirements-cluster.lock"

_own = threading.local()


class EngineMissing(Exception):
    """Java or pyspark is not installed; the message says which and how to get it."""

    code = "extra_missing"
    retryable = False


class EngineFailed(Exception):
    """The engine is there and does not answer or does not start."""

    code = "engine_failed"
    retryable = True


def connect(
    engine: str = DUCKDB, *, spark_master: str | None = None, memory_mb: int = MEMORY_MB, threads: int | None = None
) -> BaseBackend:
    """
    A connection of its own to an engine; `disconnect()` ends it (and the Spark application with it).

    Args:
        engine: one of ENGINES.
        spark_master: `spark://host:port` of a cluster, or `local[n]`; None is this machine alone.
        memory_mb: what DuckDB may hold, or each Spark executor.
        threads: of DuckDB; None is one a core.

    Raises:
        EngineMissing: Spark is asked for and Java or pyspark is not installed.
        EngineFailed: the cluster's master does not answer.
        ValueError: no such engine.
    """
    if engine == SPARK:
        return _connect_spark(spark_master or LOCAL_MASTER, memory_mb)
    if engine != DUCKDB:
        raise ValueError(f"There is no engine {engine!r}; the engines are {', '.join(ENGINES)}.")
    options: dict[str, Any] = {"memory_limit": f"{memory_mb}MB", "preserve_insertion_order": False}
    if threads is not None:
        options["threads"] = threads
    return ibis.duckdb.connect(**options)  # Ibis puts the session in UTC


def own_connection() -> BaseBackend:
    """DuckDB in memory, one a process and thread, kept."""
    if getattr(_own, "pid", None) != os.getpid():  # a connection does not survive a fork
        _own.pid, _own.connection = os.getpid(), connect()
    connection: BaseBackend = _own.connection
    return connection


def read_parquet(
    connection: BaseBackend, paths: Sequence[str | Path], *, row_numbers: bool = False, schema: pa.Schema = READINGS
) -> Table:
    """
    An Ibis table over Parquet files; no file is an empty table of `schema`.

    Args:
        connection: of `connect`.
        paths: files of one schema; on a cluster every worker sees them at these paths.
        row_numbers: adds ROW_NUMBER, the position of each row in its file from 0.
        schema: of the table over no file.

    Returns: the files' columns; timestamps of a Spark table are microseconds in UTC whatever the file holds.
    """
    files = [str(Path(path).resolve()) for path in paths]
    if not files:
        return _empty(schema, row_numbers)
    # One name for one list of files: a process that asks for years does not gather views.
    digest = hashlib.sha256("\n".join([*files, str(row_numbers)]).encode()).hexdigest()[:24]
    name = f"parquet_{digest}"
    if connection.name == "pyspark":
        return _read_on_spark(connection, files, name, row_numbers)
    options = {"file_row_number": True} if row_numbers else {}
    table: Table = connection.read_parquet(files, table_name=name, **options)
    return table.rename({ROW_NUMBER: "file_row_number"}) if row_numbers else table


def open_readings(first_date: dt.date, last_date: dt.date, connection: BaseBackend | None = None) -> Table:
    """
    The readings of a range of UTC days from the interval store, both ends included; schema READINGS.

    Args:
        first_date, last_date: UTC days in which the intervals end.
        connection: of `connect`; None is this process's own DuckDB.
    """
    # Imported only here: the store's manifest needs Django set up, nothing else in this module does.
    store = importlib.import_module("duaarah.readings.store")
    files = store.reading_files(first_date, last_date)
    return read_parquet(connection or own_connection(), list(files))


def _empty(schema: pa.Schema, row_numbers: bool) -> Table:
    if row_numbers:
        schema = schema.append(pa.field(ROW_NUMBER, pa.int64()))
    return ibis.memtable(schema.empty_table(), schema=ibis.Schema.from_pyarrow(schema))


def _read_on_spark(connection: BaseBackend, files: list[str], name: str, row_numbers: bool) -> Table:
    from pyspark.sql import functions
    from pyspark.sql.types import TimestampNTZType

    spark: Any = connection
    frame = spark._session.read.parquet(*files)
    if row_numbers:
        frame = frame.select("*", functions.col("_metadata.row_index").alias(ROW_NUMBER))
    stored = pq.read_schema(files[0])
    for field in frame.schema.fields:
        column = functions.col(f"`{field.name}`")
        kind = stored.field(field.name).type if field.name in stored.names else None
        if kind is not None and pa.types.is_timestamp(kind) and field.dataType.typeName() == "long":
            # Nanoseconds, which Spark cannot hold: they are read as numbers (see _connect_spark).
            frame = frame.withColumn(field.name, functions.timestamp_micros(functions.expr(f"`{field.name}` div 1000")))
        elif isinstance(field.dataType, TimestampNTZType):
            frame = frame.withColumn(field.name, column.cast("timestamp"))
    frame.createOrReplaceTempView(name)
    table: Table = spark.table(name)
    return table


def _connect_spark(master: str, memory_mb: int) -> BaseBackend:
    java = Path(os.environ.get("JAVA_HOME", "/nowhere"), "bin", "java").exists() or shutil.which("java") is not None
    if importlib.util.find_spec("pyspark") is None:
        raise EngineMissing(f"The engine spark needs pyspark; {INSTALL}.")
    if not java:
        raise EngineMissing("The engine spark needs Java 17, and no java is in JAVA_HOME or the path.")
    if not master.startswith("local"):
        _ask(master)
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {
        "spark.executor.memory": f"{memory_mb}m",
        "spark.log.level": "ERROR",
        "spark.sql.legacy.parquet.nanosAsLong": "true",
        "spark.sql.session.timeZone": "UTC",
        # Half a million rows a partition after an exchange are small for Spark: adaptive execution joins small ones.
        "spark.sql.shuffle.partitions": "16",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if master.startswith("local") or (urlsplit(master).hostname or "") in ("127.0.0.1", "localhost"):
        # Nobody outside has to reach the driver, and this machine's own name need not resolve.
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    builder = SparkSession.builder.master(master).appName("duaarah")
    for key, value in settings.items():
        builder = builder.config(key, value)
    try:
        return ibis.pyspark.connect(builder.getOrCreate())
    except (PySparkException, OSError) as error:
        raise EngineFailed(f"Spark does not start with master {master}: {error}") from error


def _ask(master: str) -> None:
    """Whether the master's port is open: Spark itself would try for a minute."""
    parts = urlsplit(master.partition(",")[0])  # several masters stand by for each other; the first is asked
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme != "spark" or host is None or port is None:
        raise EngineFailed(f"The master of a Spark cluster is written spark://HOST:PORT, not {master}.")
    try:
        socket.create_connection((host, port), ANSWER_WITHIN_S).close()
    except OSError as error:
        raise EngineFailed(f"No Spark master answers at {master}: {error}") from error
