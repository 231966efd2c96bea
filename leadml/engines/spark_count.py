"""Closed deals counted by Spark: what `leadml.leads.gather.count_leads` gives, from many machines.

Executors turn rows into patterns with the code of one machine; Spark groups and adds up. What comes back is
what learning goes on with: counts, a sample of single deals of bounded size, and why rows were rejected.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Named
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from leadml.engines import spark_count_work as tasks
from leadml.engines.spark_count_work import BY_GROUP, BY_MONTH, DRAWN, ENDED, GROUPS, UNLISTED, Count
from leadml.engines.spark_passes import Passes
from leadml.engines.spark_session import explained, is_local, open_session, settings_kept
from leadml.engines.spark_source import CATALOG, SETTINGS, Source, open_source
from leadml.exceptions import InputError, UsageError
from leadml.leads.assemble import all_rejected, make_leads_of
from leadml.leads.chunks import Chunk, Rejection
from leadml.leads.counted import Cells, Counted, as_counted, sum_cells
from leadml.leads.digest import digest_files
from leadml.leads.encode import present_criteria
from leadml.leads.gather import find_orders
from leadml.leads.known import as_known
from leadml.leads.parts import PartWork
from leadml.leads.read import check_table, outcome_fault, put_together
from leadml.leads.readers import canonical_batch
from leadml.leads.rejections import Rejections
from leadml.leads.tables import Table, open_table
from leadml.leads.thinning import Thinner

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from leadml.leads.mapping import Mapping

__all__ = ["count_with_spark"]

CELLS = "kind long, name string, key long, pattern long, won long, lost long, open long"
FAULTS = "row long, at long, column string, value string, reason string"


def count_with_spark(
    source: str | os.PathLike[str],
    mapping: Mapping,
    frameworks: Named[str, Sequence[str]],
    *,
    most: int,
    random_state: int = 0,
    say: Callable[[str], None],
) -> Counted:
    """Read leads by a mapping, by Spark; of more than so many, count all and keep a sample.

    Parameters
    ----------
    source : str or path
        Parquet, CSV or TSV: a file, a folder, a glob, on any file system that Spark knows.
    mapping : Mapping
        What the columns mean.
    frameworks : mapping of str to sequence of str
        Criteria of each framework, at most 20.
    most : int
        Up to so many rows are all fetched, and nothing is counted; see `count_leads`.
    random_state : int
        Seed of the sample.
    say : callable
        Takes a message for the user.

    Returns
    -------
    Counted
        What `count_leads` gives.

    Raises
    ------
    InputError
        The input cannot be used.
    UsageError
        The input has no numbered rows, or there is no Spark.
    """
    name = os.fspath(source)
    if name == CATALOG:
        raise UsageError(
            f"FILE: the sample is drawn by row, and rows of {CATALOG} have no number; give Parquet"
        )
    with open_session() as session, explained(name, ""), settings_kept(session, SETTINGS):
        here = is_local(session)
        say(f"Spark {session.version} on {session.conf.get('spark.master', 'a server')}")
        counting = _Counting(open_source(session, name, mapping, here=here), mapping, name)
        return counting.run(frameworks, most, random_state)


class _Counting:
    """What is asked of Spark to count a table."""

    def __init__(self, source: Source, mapping: Mapping, name: str) -> None:
        self._source, self._mapping, self._name = source, mapping, name
        self._table: Table = source.table
        self._absent = check_table(self._table, mapping)
        self._columns = self._table.columns

    def run(self, frameworks: Named[str, Sequence[str]], most: int, random_state: int) -> Counted:
        """Count."""
        table, mapping = self._table, self._mapping
        work = functools.partial(self._work, {}, {}, random_state)
        passes = Passes(self._source, self._columns, work, self._name, "")
        table.n_rows = passes.n_rows()  # which also finds out whether files can be read in parts
        if not table.n_rows:
            raise InputError(
                f"{table.source}: holds a header and no row; valid: at least one row; check the export"
            )
        if mapping.outcome is None or table.n_rows <= most:
            data, rows = self._pick(passes, Thinner(table.n_rows))
            table.rejected = list(self._faults(passes, cells=False))
            whole = Chunk(rows, data, table.rejected)
            return as_counted(put_together(table, mapping, mapping, self._absent, [whole]))
        orders, findings = self._orders(passes, most)
        wanted = {name: tuple(members) for name, members in frameworks.items()}
        passes.use(functools.partial(self._work, wanted, orders, random_state))
        cells = passes.map(tasks.count_deals, CELLS, numbered=True).persist()
        try:
            counts = self._added_up(cells)
            if unlisted := {
                value: (int(at[0].min()), int(at[2].sum())) for value, at in counts[UNLISTED].items()
            }:
                raise InputError(outcome_fault(table.source, mapping.outcome, unlisted))
            ended = counts[ENDED].get("", np.zeros((5, 0), np.int64))
            n_usable = int(ended[2:].sum())
            thinner = self._thinner(passes, cells, counts[DRAWN], most)
        finally:
            cells.unpersist()
        rejections = Rejections()
        if n_usable < table.n_rows:
            for _, faults in itertools.groupby(self._faults(passes, cells=True), key=lambda fault: fault.row):
                rejections.add(faults)
        if not n_usable:
            raise all_rejected(table, rejections)
        data, rows = self._pick(passes, thinner)
        judge = self._work(wanted, orders, random_state, columns=self._columns).part
        part = judge(Chunk(rows, data, []), thinner)
        picked = part.kept.choose(thinner)
        digest = digest_files(table.files) if table.files else self._digest()
        leads = make_leads_of(table, mapping, mapping, self._absent, picked, findings, rejections, digest)
        empty = np.zeros((5, 0), np.int64)
        return Counted(
            leads=leads,
            n_leads=n_usable,
            rejections=rejections,
            ended=Cells(*ended),
            by_month={name: Cells(*counts[BY_MONTH].get(name, empty)) for name in wanted},
            by_group={name: Cells(*counts[BY_GROUP].get(name, empty)) for name in wanted if mapping.group},
            criteria=wanted,
        )

    def _work(
        self, frameworks: dict[str, tuple[str, ...]], orders: dict[str, str], random_state: int, **rows: Any
    ) -> Count:
        """Make what executors count with."""
        criteria = present_criteria(self._mapping, self._columns)
        mapping, decimal = _light(self._mapping), self._table.decimal
        return Count(part=PartWork(mapping, criteria, frameworks, decimal, orders, random_state), **rows)

    def _orders(self, passes: Passes[Count], most: int) -> tuple[dict[str, str], list[dict[str, str]]]:
        """Find how dates are written, from the first rows."""
        dates = self._mapping.dates
        if not {dates.created, dates.closed} & {*self._columns}:
            return {}, []
        if self._table.files:
            first, again = [], open_table(self._name, self._mapping.read, to_count=True)
            for chunk in again.chunks():
                first.append(chunk)
                if again.n_rows > most:
                    break
        else:
            data, rows = self._pick(passes, Thinner(1), last=most)
            first = [Chunk(rows, data, [])]
        return find_orders(self._table, self._mapping, first)

    def _added_up(self, cells: DataFrame) -> dict[int, dict[str, np.ndarray[Any, np.dtype[np.int64]]]]:
        """Let Spark group and add up, and fetch what is left."""
        from pyspark.sql import functions as sf

        sums = [sf.sum(name).alias(name) for name in ("won", "lost", "open")]
        added = cells.where(f"kind != {GROUPS}").groupBy("kind", "name", "key", "pattern").agg(*sums)
        found = added.orderBy("kind", "name").toArrow().combine_chunks()
        kind, numbers = found["kind"].to_numpy(), [found[name].to_numpy() for name in found.column_names[2:]]
        names = np.array(found["name"].to_pylist(), object)
        out: dict[int, dict[str, Any]] = {each: {} for each in (ENDED, BY_MONTH, BY_GROUP, DRAWN, UNLISTED)}
        for each, by_name in out.items():
            for name in dict.fromkeys(names[kind == each]):
                here = (kind == each) & (names == name)
                by_name[name] = sum_cells(np.stack([column[here] for column in numbers]))
        return out

    def _thinner(self, passes: Passes[Count], cells: DataFrame, drawn: dict[str, Any], most: int) -> Thinner:
        """Halve the share of rows that stay until they are few enough, as `Gatherer` does."""
        from pyspark.sql import functions as sf

        n_groups, n_rows = np.zeros(65, np.int64), np.zeros(65, np.int64)
        if "" in drawn:
            n_rows[drawn[""][1]] = n_groups[drawn[""][1]] = drawn[""][2]
        else:
            groups = cells.where(f"kind = {GROUPS}").groupBy("key", "pattern").agg(sf.sum("won").alias("won"))
            bins = groups.groupBy("pattern").agg(sf.count("won").alias("groups"), sf.sum("won").alias("rows"))
            for row in bins.collect():
                n_groups[row["pattern"]], n_rows[row["pattern"]] = row["groups"], row["rows"]
        thinner, within = Thinner(most), None
        while True:
            h, r = thinner.halvings, thinner.halvings_of_rows
            if not r:
                kept = n_rows[h:].sum()
            elif "" in drawn:
                kept = n_rows[max(h, r) :].sum()
            else:
                within = self._within(passes, h) if within is None else within
                kept = within[r:].sum()
            if kept <= 2 * most:
                return thinner
            thinner.halve(int(n_groups[h:].sum()))

    def _within(self, passes: Passes[Count], halvings: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Count rows of the few groups that stay by the zeros of their own numbers."""
        task = functools.partial(tasks.count_within, halvings=halvings)
        bins = np.zeros(65, np.int64)
        for row in passes.map(task, "zeros long, rows long", numbered=True).collect():
            bins[row["zeros"]] += row["rows"]
        return bins

    def _pick(
        self, passes: Passes[Count], thinner: Thinner, last: int | None = None
    ) -> tuple[pa.RecordBatch, np.ndarray[Any, np.dtype[np.int64]]]:
        """Fetch the rows that stay, in their order."""
        task = functools.partial(tasks.pick_rows, thinner=thinner, last=last)
        fetched = passes.map(task, self._schema(), numbered=True).toArrow()
        fetched = fetched.sort_by(fetched.column_names[-1]).combine_chunks()
        arrays = [column.combine_chunks() for column in fetched.columns]
        data = pa.RecordBatch.from_arrays(arrays[:-1], names=list(self._columns))
        return canonical_batch(data, self._columns), arrays[-1].to_numpy()

    def _schema(self) -> StructType:
        from pyspark.sql.pandas.types import from_arrow_schema

        schema = self._source.schema(self._columns)
        empty = pa.RecordBatch.from_arrays([pa.nulls(0, each.type) for each in schema], schema=schema)
        kinds = [*canonical_batch(empty, self._columns).schema.types, pa.int64()]
        names = [f"s{at}" for at in range(len(kinds))]
        return from_arrow_schema(pa.schema(list(zip(names, kinds, strict=True))), prefer_timestamp_ntz=True)

    def _faults(self, passes: Passes[Count], *, cells: bool) -> Iterator[Rejection]:
        """Fetch why rows cannot be used, in the order of the rows."""
        task = functools.partial(tasks.tell_rejected, cells=cells)
        told = passes.map(task, FAULTS, numbered=True).orderBy("row", "at")
        for row in told.toLocalIterator():
            yield Rejection(row["row"], row["column"], row["value"], row["reason"])

    def _digest(self) -> str:
        """Digest rows that only Spark can reach, whatever their order."""
        from pyspark.sql import functions as sf

        frame = self._source.frame
        rows = frame.select(sf.xxhash64(*(frame[at] for at in range(len(frame.columns)))).alias("row"))
        total = rows.agg(sf.sum(rows["row"].cast("decimal(38,0)"))).collect()[0][0]
        return hashlib.sha256(repr((self._columns, self._table.n_rows, str(total))).encode()).hexdigest()


def _light(mapping: Mapping) -> Mapping:
    """Take of a mapping what `PartWork` reads, for machines where nothing checks records."""
    light: Any = as_known(mapping)
    light.outcome = mapping.outcome and SimpleNamespace(**mapping.outcome.model_dump())
    light.dates = SimpleNamespace(**mapping.dates.model_dump())
    light.amount = mapping.amount and SimpleNamespace(**mapping.amount.model_dump())
    light.group = mapping.group
    return cast("Mapping", light)
