"""Many machines: Spark reads and writes, executors look cards up; the answers are those of one machine.

Scores are made in one pass. Only where rows were rejected, a second pass fetches the reasons; only where rows
have to be numbered, the rows of every file (of CSV, of every part of a file) are counted before.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa

from leadml.card import Card
from leadml.engines import spark_work
from leadml.engines.local import Totals, tell_limits
from leadml.engines.rejected import NamedRejection, open_rejected, rejected_path
from leadml.engines.scorer import Scorer, check_told
from leadml.engines.spark_passes import Passes
from leadml.engines.spark_session import explained, is_local, open_session, settings_kept
from leadml.engines.spark_source import CATALOG, SETTINGS, Source, open_source
from leadml.engines.spark_work import Work
from leadml.exceptions import InputError, UsageError
from leadml.leads.chunks import Chunk, Rejection
from leadml.leads.known import as_known
from leadml.leads.readers import canonical_batch

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

    from leadml.leads.mapping import Mapping

__all__ = ["score_with_spark"]

TEXT = (".csv", ".tsv")
ENDINGS = (*TEXT, ".parquet")
LINES = "value string, scored long, rejected long, harmless long"
REJECTED = "row long, at long, lead string, column string, value string, reason string"


def score_with_spark(
    source: str | os.PathLike[str],
    mapping: Mapping,
    cards: Sequence[Card],
    out: str,
    *,
    told: Sequence[str] | None = None,
    keep_columns: bool = False,
    query: str | None = None,
    into: str | None = None,
    say: Callable[[str], None],
) -> Totals:
    """Score a table with cards, by Spark.

    Parameters
    ----------
    source : str or path
        Parquet, CSV or TSV: a file, a folder, a glob, on any file system that Spark knows; or ``catalog:``.
    mapping : Mapping
        What its columns mean.
    cards : sequence of Card
        The cards.
    out : str
        A folder by its ending, .parquet, .csv or .tsv; or ``catalog:``.
    told : sequence of str, optional
        Which columns of `predict` to write; all of them when absent.
    keep_columns : bool
        Whether the columns of the export come along; one whose name is taken is called ``input_NAME``.
    query : str, optional
        What to ask of the catalog as source.
    into : str, optional
        The table to make in the catalog as destination.
    say : callable
        Takes a message for the user.

    Returns
    -------
    Totals
        Rows read, scored and rejected.

    Raises
    ------
    InputError
        When the table cannot be used, or none of its rows can.
    UsageError
        When the destination cannot be, or there is no Spark.
    """
    name = os.fspath(source)
    check_told(told)
    _check_out(out, into)
    with open_session() as session, explained(name, out), settings_kept(session, SETTINGS):
        here = is_local(session)
        say(f"Spark {session.version} on {session.conf.get('spark.master', 'a server')}")
        opened = open_source(session, name, mapping, query=query, here=here)
        _check_free(opened, out, into, here=here)
        scorer = Scorer(opened.table, as_known(mapping), cards, told=told, keep_columns=keep_columns)
        tell_limits(scorer, opened.table, say)
        if not (scorer.has_id or opened.has_numbers):
            raise UsageError(
                f"mapping {mapping.name!r}: names no lead_id, and rows of a table have no number; add lead_id"
            )
        run = _Scoring(opened, scorer, name, out)
        tally = run.score(into)
        # Of what lies elsewhere, the reasons are kept here.
        beside = out if here and "://" not in out and into is None else None
        title = into or PurePosixPath(out).name
        with open_rejected(beside or title, say, None if beside else title) as reject:
            if tally.rejected:
                reject(run.find_rejected())
    path = str(rejected_path(beside or title, None if beside else title)) if tally.rejected else None
    if tally.harmless:
        say(f"{tally.harmless} cells that a spreadsheet would run as a formula begin with ' now")
    n_rows = tally.scored + tally.rejected
    where = f" (why: {path})" if path else ""
    say(f"{n_rows} rows = {tally.scored} scored + {tally.rejected} rejected{where}")
    if not n_rows:
        raise InputError(f"{name}: holds no row; valid: at least one row; check the export")
    if not tally.scored:
        raise InputError(
            f"{name}: none of its {n_rows} rows can be used; see {path} and correct the mapping or the export"
        )
    return Totals(n_rows, tally.scored, tally.rejected, path)


def _check_out(out: str, into: str | None) -> None:
    """Refuse a destination before Spark is started."""
    if (out == CATALOG) != (into is not None):
        raise UsageError(f"--table: by Spark it goes with {CATALOG} as OUT, and {CATALOG} needs it")
    if into is None and PurePosixPath(out).suffix.lower() not in ENDINGS:
        raise UsageError(
            f"--out: got {out!r}, valid endings with --engine spark are {', '.join(ENDINGS)}, each a folder; "
            f"or {CATALOG} with --table NAME"
        )


def _check_free(source: Source, out: str, into: str | None, *, here: bool) -> None:
    """Refuse a table that is there, and a folder that would be written over while it is read."""
    if into is not None:
        if source.session.catalog.tableExists(into):
            raise UsageError(
                f"--table: {into!r} is in the catalog already; give another name, or drop it first"
            )
        return
    if here and "://" not in out:
        parent = Path(out).absolute().parent
        if not parent.is_dir():
            raise UsageError(f"--out: {parent} is no folder to write {Path(out).name!r} in; make it first")
        out = str(Path(out).absolute())
    place = PurePosixPath(urlsplit(out).path)
    if any(PurePosixPath(unquote(urlsplit(file).path)).is_relative_to(place) for file in source.files):
        raise UsageError(f"--out: {out!r} holds the input itself; give another folder")


@dataclasses.dataclass(frozen=True)
class _Tally:
    """Leads scored, rows rejected, cells made harmless."""

    scored: int
    rejected: int
    harmless: int = 0


class _Scoring:
    """What is asked of Spark to score a table."""

    def __init__(self, source: Source, scorer: Scorer, name: str, out: str) -> None:
        self._source, self._scorer, self._out = source, scorer, out
        # Cards without the tables that they make when first used.
        sent = copy.copy(scorer)
        sent.cards = tuple(dataclasses.replace(card) for card in scorer.cards)
        work = functools.partial(Work, scorer=sent)
        self._passes: Passes[Work] = Passes(source, scorer.columns, work, name, out)

    def score(self, into: str | None) -> _Tally:
        """Score every row and write the scores."""
        if self._source.text is not None and into is not None:
            self._passes.offsets()  # a table is not made twice, should the files turn out not to be cut so
        return self._passes.uncut(lambda: self._score(into))

    def find_rejected(self) -> Iterator[Rejection | NamedRejection]:
        """Give what was rejected, in the order of the rows where they have one."""
        has_numbers = self._source.has_numbers
        found = self._passes.map(spark_work.find_rejected, REJECTED, numbered=has_numbers)
        if has_numbers:
            found = found.orderBy("row", "at")
        for row in found.toLocalIterator():
            texts = (row["column"], row["value"], row["reason"])
            yield Rejection(row["row"], *texts) if has_numbers else NamedRejection(row["lead"], *texts)

    def _score(self, into: str | None) -> _Tally:
        """Score once through, as lines or as columns."""
        from pyspark.sql import Observation
        from pyspark.sql import functions as sf

        seen, numbered = Observation("leadml"), not self._scorer.has_id
        kind = PurePosixPath(self._out).suffix.lower()
        if into is None and kind in TEXT:
            task = functools.partial(spark_work.score_lines, out=kind)
            made = self._passes.map(task, LINES, numbered=numbered)
            counts = [sf.sum(sf.col(name)).alias(name) for name in ("scored", "rejected", "harmless")]
            lines = made.observe(seen, *counts).where("value != ''").select("value")
            lines.write.mode("overwrite").option("lineSep", "\n").text(self._out)
        else:
            schema = self._schema()
            made = self._passes.map(spark_work.score_columns, schema, numbered=numbered)
            tally = sf.col(schema.names[-1])
            counts = [sf.count(sf.when(tally.isNull(), 1)).alias("scored"), sf.sum(tally).alias("rejected")]
            rows = made.observe(seen, *counts).where(tally.isNull()).drop(tally).toDF(*self._scorer.names)
            if into is not None:
                rows.write.saveAsTable(into)
            else:
                rows.write.mode("overwrite").parquet(self._out)
        return _Tally(**{name: n or 0 for name, n in seen.get.items()})

    def _schema(self) -> StructType:
        """Tell what `score_columns` gives: by scoring nothing."""
        from pyspark.sql.pandas.types import from_arrow_schema

        names = self._scorer.columns
        kinds = self._source.schema(names)
        empty = pa.RecordBatch.from_arrays([pa.nulls(0, each.type) for each in kinds], schema=kinds)
        chunk = Chunk(np.zeros(0, np.int64), canonical_batch(empty, names), [])
        scored, _, _ = self._scorer.score(chunk)
        arrow = spark_work.with_tally(scored, pa.nulls(0, pa.int64())).schema
        return from_arrow_schema(arrow, prefer_timestamp_ntz=True)
