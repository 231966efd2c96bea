"""Spark: predict by mapInArrow over the broadcast card and mapping; counting of closed deals by a group-by.

The answers are those of one machine. Given up: row numbers of rejected rows (they are known by their
lead_id), sorting, work lists and Excel. A file of CSV is read in one piece, as a quoted cell may hold a line
break; Parquet is read in parts.
"""

from __future__ import annotations

import contextlib
import csv
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa

from leadml.card.files import replacing
from leadml.card.record import Card
from leadml.data.chunks import Chunk, Format, typed_chunks
from leadml.data.dates import read_dates
from leadml.data.deals import NO_DAY, Leads
from leadml.data.encode import Encoder, outcome_fault
from leadml.data.mapping import Mapping, load_mapping
from leadml.data.rejections import guard_formula
from leadml.exceptions import InputError, UsageError
from leadml.scoring.predicting import Totals
from leadml.scoring.scorer import Options, Scorer
from leadml.scoring.writers import Layout, batch_of, check_parent, guard

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Batches = Iterator[pa.RecordBatch]
GIVEN = ("PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS", "SPARK_CONF_DIR", "SPARK_HOME", "SPARK_REMOTE")
"""Where one of these is set, somebody else says where Spark is: spark-submit, a notebook, a cluster."""
ENDINGS = (".parquet", ".csv")
FAULTS = "lead_id string, column string, value string, reason string"
DAYS = ("created", "closed")
COUNTS = {"codes": pa.binary(), "outcome": pa.int32(), **dict.fromkeys(DAYS, pa.int32()), "n": pa.int64(),
          "n_rejected": pa.int64(), "unlisted": pa.string()}  # fmt: skip


class _Table(NamedTuple):
    """What a Scorer asks of a source."""

    name: str
    columns: tuple[str, ...]
    format: Format


@contextlib.contextmanager
def open_session() -> Iterator[SparkSession]:
    """Take the session that is there; otherwise start Spark on the cores of this machine, and end it."""
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise UsageError(
            '--engine spark: needs PySpark 4; pip install "leadml[spark]" installs it; --engine local needs none'
        ) from None
    session = SparkSession.getActiveSession()
    is_ours = session is None
    if session is None:
        builder = SparkSession.builder.appName("leadml")
        if not any(os.environ.get(name) for name in GIVEN):
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
            builder = builder.master("local[*]").config("spark.ui.enabled", "false")
            builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", str(1 << 16))
        try:
            session = builder.getOrCreate()
        except (PySparkException, OSError) as error:
            raise UsageError(
                f"--engine spark: Spark does not start ({str(error).splitlines()[0]}); it needs Java 17, and JAVA_HOME "
                "that names its folder; --engine local needs none"
            ) from None
        session.sparkContext.setLogLevel("ERROR")
    try:
        with warnings.catch_warnings():  # of pandas 3, which is only used where Spark makes frames
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
            yield session
    except PySparkException as error:
        told = next((line for line in reversed(str(error).splitlines()) if "Error: " in line), str(error))
        raise InputError(f"Spark refused: {told.strip().splitlines()[0][:500]}") from None
    finally:
        if is_ours:
            session.stop()


def _open(session: SparkSession, source: str, mapping: Mapping) -> tuple[DataFrame, _Table]:
    """Open Parquet or CSV: a file, folder or glob on any file system that Spark knows."""
    read = mapping.read
    if PurePosixPath(source).suffix.lower() in (".csv", ".tsv", ".txt") or read.delimiter:
        mark = read.delimiter or ("\t" if source.lower().endswith(".tsv") else ",")
        frame = session.read.csv(
            source, header=True, sep=mark, encoding=read.encoding or "utf-8", multiLine=True, escape='"'
        )
    else:
        frame = session.read.parquet(source)
    return frame, _Table(source, tuple(frame.columns), Format("spark", decimal=read.mark))


def _pick(frame: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Columns under names of our own: mapInArrow takes no backtick in a name."""
    quoted = [f"`{name.replace('`', '``')}`" for name in columns]
    return frame.select(*quoted).toDF(*(f"c{at}" for at in range(len(columns))))


def predict_with_spark(
    source: str, mapping: Any, models: Sequence[Any], out: str, options: Options, say: Callable[[str], None]
) -> Totals:
    """Score leads into a folder of Parquet or CSV files, by a card."""
    mapping, (model,) = load_mapping(mapping), models
    if PurePosixPath(out).suffix.lower() not in ENDINGS:
        raise UsageError(f"--out: got {out!r}, valid with --engine spark: a folder ending in {', '.join(ENDINGS)}")
    for option in ("sort", "crm", "query"):
        if getattr(options, option):
            raise UsageError(f"--{option}: goes with --engine local; leave it out")
    if not isinstance(model, Card):
        raise UsageError("--model: Spark scores by a card, and this is a classifier; use --engine local")
    if mapping.lead_id is None:
        raise UsageError(f"mapping {mapping.name!r}: rows have no number under Spark; add lead_id to the mapping")
    if "://" not in out:
        check_parent(out)
    with open_session() as session:
        frame, table = _open(session, source, mapping)
        scorer = Scorer(cast(Any, table), mapping, models, options)
        for message in scorer.messages:
            say(message)
        shared = session.sparkContext.broadcast(scorer)
        picked = _pick(frame, scorer.columns)
        n_scored, n_rejected, n_closed = _write_scores(picked, shared, scorer.columns, scorer.layout, out)
        path = _write_faults(picked, shared, out) if n_rejected else None
        totals = Totals(n_scored + n_rejected + n_closed, n_scored, n_rejected, n_closed, path)
    return totals.tell(source, say)


def _write_scores(
    picked: DataFrame, shared: Any, columns: Sequence[str], layout: Layout, out: str
) -> tuple[int, int, int]:
    """Score and write in one pass; how many were scored, rejected and left out as closed."""
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    is_text, context = out.lower().endswith(".csv"), picked.sparkSession.sparkContext
    n_scored, n_rejected, n_closed = (context.accumulator(0) for _ in range(3))

    def score(batches: Batches) -> Batches:
        for chunk in typed_chunks(batches, columns):
            scored = shared.value.score(chunk)
            n_scored.add(len(scored.leads))
            n_closed.add(scored.n_closed)
            n_rejected.add(len(chunk.rows) - scored.n_closed - len(scored.leads))
            batch = batch_of(scored, layout, plain=True)  # all texts that Spark reads
            yield _numbered([guard(each)[0] for each in batch.columns] if is_text else batch.columns)

    blank = [pa.nulls(1, kind) for kind in to_arrow_schema(picked.schema).types]
    made = next(score(iter([pa.RecordBatch.from_arrays(blank, names=list(columns))])))
    for each in (n_scored, n_rejected, n_closed):
        each.value = 0  # of a row that only showed the types
    rows = picked.mapInArrow(score, from_arrow_schema(made.schema, prefer_timestamp_ntz=True)).toDF(*layout.names).write
    rows.mode("overwrite").csv(out, header=True, escape='"') if is_text else rows.mode("overwrite").parquet(out)
    return n_scored.value, n_rejected.value, n_closed.value


def _numbered(columns: Sequence[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(columns, names=[f"s{at}" for at in range(len(columns))])


def _write_faults(picked: DataFrame, shared: Any, out: str) -> str:
    """Write why rows cannot be used, beside the folder or here; a second pass, where there are any."""

    def find(batches: Batches) -> Batches:
        scorer = shared.value
        for chunk in typed_chunks(batches, scorer.columns):
            faults = scorer.read(chunk)[2]
            if told := [(each.lead_id, *each[1:-1]) for each in faults]:
                yield _numbered([pa.array(each, pa.string()) for each in zip(*told, strict=True)])

    path = Path(f"{PurePosixPath(out).name if '://' in out else out}.rejected.csv")
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file)
        write.writerow(["lead_id", "column", "value", "reason"])
        for row in picked.mapInArrow(find, FAULTS).toLocalIterator():
            write.writerow([guard_formula(each or "") for each in row])
    return str(path)


# ---------------------------------------------------------------- counting closed deals


def count_with_spark(source: str, mapping: Any) -> Leads:
    """Count closed deals by pattern, outcome and months: weighted leads, for `leadml.calibrate`.

    Kept of a deal: levels, outcome, months of creation and close. Not kept: identity, group, amount, context.
    """
    mapping = load_mapping(mapping)
    if mapping.outcome is None:
        raise UsageError(f"mapping {mapping.name!r}: names no outcome; add it, to learn from closed deals")
    nothing = dict.fromkeys(("amount", "followed_up", "propensity", "snapshot", "lead_id", "contactable"))
    asked = mapping.model_copy(
        update=nothing | {"group": (), "context": (), "segments": (), "facts": {}, "duplicates": "off"}
    )
    with open_session() as session:
        from pyspark.sql.pandas.types import from_arrow_schema

        frame, table = _open(session, source, mapping)
        encoder = Encoder(cast(Any, table), asked)
        shared = session.sparkContext.broadcast(encoder)

        def count(batches: Batches) -> Batches:
            return (_count_chunk(shared.value, chunk) for chunk in typed_chunks(batches, shared.value.columns))

        found = _pick(frame, encoder.columns).mapInArrow(count, from_arrow_schema(pa.schema(COUNTS)))
        keys = ["codes", "outcome", "created", "closed", "unlisted"]
        summed = found.groupBy(*keys).sum("n", "n_rejected").toDF(*keys, "n", "n_rejected").toArrow().to_pandas()
    unlisted = summed[summed["unlisted"].notna()]
    if len(unlisted):
        told = {value: (0, n) for value, n in zip(unlisted["unlisted"], unlisted["n"], strict=True)}
        raise InputError(outcome_fault(source, mapping.outcome, told))
    cells = summed[summed["codes"].notna()]
    if not len(cells):
        raise InputError(f"{source}: every row was rejected; leadml check shows why")
    days = [None if cells[name].isna().all() else cells[name].fillna(NO_DAY).to_numpy(np.int32) for name in DAYS]
    return Leads(
        encoder.criteria, np.asfortranarray([list(codes) for codes in cells["codes"]], np.uint8),
        cells["outcome"].to_numpy(np.int8), created=days[0], closed=days[1],
        weight=cells["n"].to_numpy(np.float64), mapping=mapping, source=source,
        n_rows=int(cells["n"].sum() + summed["n_rejected"].sum()), format=table.format.as_dict(),
    )  # fmt: skip


def _count_chunk(encoder: Encoder, chunk: Chunk) -> pa.RecordBatch:
    """Usable rows by codes, outcome and months; a row each unlisted outcome, and one for the others."""
    made = encoder.encode(chunk)
    leads = made.leads.take(made.usable)
    n, k = leads.codes.shape
    codes = pa.Array.from_buffers(pa.binary(k), n, [None, pa.py_buffer(leads.codes.tobytes())]).cast(pa.binary())
    columns = {"codes": codes, "outcome": pa.array(np.asarray(leads.outcome), pa.int32())}
    for name in DAYS:  # first days of months, so that deals of a month are counted together
        days = np.full(n, NO_DAY, np.int32)
        if (cells := made.dates.get(name)) is not None:
            days = read_dates(cells, encoder.mapping.dates.day_first).days[made.usable]
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.int32)
        columns[name] = pa.array(months, mask=days == NO_DAY)
    counted = pa.table(columns).group_by([*columns]).aggregate([([], "count_all")]).rename_columns([*columns, "n"])
    rows = [*counted.to_pylist(), {"n_rejected": int((~made.usable).sum())}]
    rows += [{"unlisted": value, "n": n_rows} for value, (_, n_rows) in made.unlisted.items()]
    return pa.RecordBatch.from_pylist(rows, pa.schema(COUNTS))
