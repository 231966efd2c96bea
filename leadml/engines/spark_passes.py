"""Passes of Spark over one table: what executors need is sent once, rows are numbered where it is asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from leadml.engines import spark_work
from leadml.engines.spark_session import explained
from leadml.engines.spark_source import Source, by_place
from leadml.engines.spark_work import CUT, Part, Rows, Shared, Task
from leadml.exceptions import InputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Passes"]

T = TypeVar("T")
W = TypeVar("W", bound=Rows)
COUNTED = "file string, start long, rows long"


class Passes(Generic[W]):
    """Passes over one table.

    Parameters
    ----------
    source : Source
        The table.
    columns : sequence of str
        The columns that executors see.
    work : callable
        Makes what executors need, of the fields of `Rows`.
    name, out : str
        What errors call the input and the destination.
    """

    def __init__(
        self, source: Source, columns: Sequence[str], work: Callable[..., W], name: str, out: str
    ) -> None:
        self._source, self._columns, self._work = source, tuple(columns), work
        self._name, self._out = name, out
        self._is_cut = source.text is not None
        self._offsets: dict[Part, int] | None = None
        self._n_rows = 0

    def use(self, work: Callable[..., W]) -> None:
        """Send something else from now on.

        Parameters
        ----------
        work : callable
            As when this was made.
        """
        self._work = work

    def offsets(self) -> dict[Part, int]:
        """Count the rows before each file; of lines, before each part of a file.

        Returns
        -------
        dict of (str, int) to int
            Rows by file and beginning.
        """
        if self._offsets is None:
            counted = self.uncut(self._count)
            parts = sorted(counted, key=lambda part: (by_place(part[0]), part[1]))
            before = np.cumsum([0, *(counted[part] for part in parts)]).tolist()
            self._offsets, self._n_rows = dict(zip(parts, before[:-1], strict=True)), before[-1]
        return self._offsets

    def n_rows(self) -> int:
        """Count all rows.

        Returns
        -------
        int
            Rows, those that cannot be cut into cells among them.
        """
        self.offsets()
        return self._n_rows

    def _count(self) -> dict[Part, int]:
        if self._source.text is None:
            return {(file, 0): n for file, n in self._source.n_rows_of_files().items()}
        counted = self.map(spark_work.count_rows, COUNTED, numbered=False).collect()
        return {(row["file"], row["start"]): row["rows"] for row in counted}

    def map(self, task: Callable[[Shared[W]], Task], schema: Any, *, numbered: bool) -> DataFrame:
        """Let executors work on all rows.

        Parameters
        ----------
        task : callable
            Makes what an executor does.
        schema : StructType or str
            What it gives.
        numbered : bool
            Whether it has to know the numbers of the rows.

        Returns
        -------
        DataFrame
            What all executors give.
        """
        offsets = self.offsets() if numbered else None
        work = self._work(columns=self._columns, text=self._source.text, is_cut=self._is_cut, offsets=offsets)
        rows = self._source.rows(self._columns, numbered=numbered)
        return rows.mapInArrow(task(_share(self._source.session, work)), schema)

    def uncut(self, work: Callable[[], T]) -> T:
        """Do something; once more, should a cell lie where Spark cut a file.

        Parameters
        ----------
        work : callable
            What to do, by `map`.

        Returns
        -------
        object
            What it gives.
        """
        try:
            with explained(self._name, self._out):
                return work()
        except InputError as error:
            if str(error) != CUT:
                raise
        self._source.read_whole()
        self._is_cut, self._offsets = False, None
        return work()


@dataclasses.dataclass(frozen=True)
class _Closure(Generic[W]):
    """What goes along with every task."""

    value: W


def _share(session: SparkSession, work: W) -> Shared[W]:
    """Send every executor what it needs: once, or with every task by Spark Connect, which cannot."""
    from pyspark.errors import PySparkException

    try:
        shared: Shared[W] = session.sparkContext.broadcast(work)
    except PySparkException:
        return _Closure(work)
    return shared
