"""What executors do: from batches of columns, or of lines, to scores and rejections.

Nothing here imports PySpark: an executor needs Python, numpy, pyarrow and leadml.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from leadml.card.arrow import number_array, text_array
from leadml.engines.sinks import TextSink
from leadml.exceptions import InputError
from leadml.leads.chunks import Chunk, Rejection
from leadml.leads.csv_blocks import Joined, cut_blocks, stand_around_cells
from leadml.leads.readers import canonical_batch
from leadml.leads.values import as_categories, buffer_values
from leadml.leads.workers import Workers

if TYPE_CHECKING:
    from leadml.engines.scorer import Scorer
    from leadml.leads.csv_text import CsvReader

__all__ = [
    "CUT",
    "Part",
    "Rows",
    "Shared",
    "Task",
    "Work",
    "count_rows",
    "find_rejected",
    "score_columns",
    "score_lines",
]

Batches = Iterator[pa.RecordBatch]
Task = Callable[[Batches], Batches]
W_co = TypeVar("W_co", bound="Rows", covariant=True)
Part = tuple[str, int]
"""A file and the byte at which a part of it begins."""

CUT = "a cell with a line break may lie where Spark cuts the file"
PIECE_BYTES = 1 << 22
NO_ROWS = np.zeros(0, np.int64)


class Shared(Protocol[W_co]):
    """What `SparkContext.broadcast` returns."""

    @property
    def value(self) -> W_co:
        """What was broadcast."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """How executors read.

    Attributes
    ----------
    columns : tuple of str
        The columns that Spark hands over, or that are cut out of lines.
    text : CsvReader or None
        How lines are written; None where Spark reads columns.
    is_cut : bool
        Whether a file of lines may be in several parts.
    offsets : dict of (str, int) to int, or None
        Rows of the table before each part; of columns, before each file. None where no row is numbered.
    """

    columns: tuple[str, ...]
    text: CsvReader | None = None
    is_cut: bool = True
    offsets: dict[Part, int] | None = None

    def chunks(self, batches: Batches) -> Iterator[Chunk]:
        """Turn what Spark hands over into rows.

        Parameters
        ----------
        batches : iterator of RecordBatch
            Columns, or lines.

        Yields
        ------
        Chunk
            The next rows; their numbers are those of the table where there are offsets.
        """
        if self.text is None:
            yield from map(self._of_columns, batches)
            return
        for part, chunk in self.parts(batches):
            yield chunk.after(0 if self.offsets is None else self.offsets[part])

    def _of_columns(self, batch: pa.RecordBatch) -> Chunk:
        names = self.columns
        data = pa.RecordBatch.from_arrays(batch.columns[: len(names)], names=list(names))
        rows = np.arange(1, batch.num_rows + 1)
        if self.offsets is not None:
            which, files = as_categories(batch.column(len(names) + 1))
            before = np.array([self.offsets.get((file, 0), 0) for file in files], np.int64)
            rows = 1 + buffer_values(batch.column(len(names))).astype(np.int64) + before[which]
        return Chunk(rows, canonical_batch(data, names), [])

    def parts(self, batches: Batches) -> Iterator[tuple[Part, Chunk]]:
        """Cut lines into cells.

        Parameters
        ----------
        batches : iterator of RecordBatch
            Line, byte at which its part of the file begins, and file.

        Yields
        ------
        part : (str, int)
            File and beginning.
        chunk : Chunk
            Its next rows, numbered from 1 in every part.
        """
        if self.text is None:
            return
        for part, pieces in itertools.groupby(_pieces(batches), key=lambda piece: piece[0]):
            contents: Iterator[bytes] = (content for _, content in pieces)
            if self.is_cut:
                contents = _whole_cells(contents, self.text)
            n_before = 0
            with Workers(1) as workers:
                # Of a part that does not begin with the header, any line of as many cells stands for it.
                stream: Any = Joined(itertools.chain([_stand_in(self.text)] if part[1] else [], contents))
                for chunk in self.text.on(stream).chunks(self.columns, workers):
                    yield part, chunk.after(n_before)
                    n_before += len(chunk.rows) + len(chunk.rejected)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work(Rows):
    """What executors score with.

    Attributes
    ----------
    scorer : Scorer
        The cards bound to the mapping.
    """

    scorer: Scorer


def _pieces(batches: Batches) -> Iterator[tuple[Part, bytes]]:
    """Join the lines of a batch, part by part."""
    for batch in batches:
        lines, starts = batch.column(0), buffer_values(batch.column(1))
        which, files = as_categories(batch.column(2))
        changes = np.flatnonzero((np.diff(starts) != 0) | (np.diff(which) != 0)) + 1
        for begin, end in itertools.pairwise([0, *changes.tolist(), batch.num_rows]):
            if end > begin:
                content = b"\n".join(lines.slice(begin, end - begin).to_pylist()) + b"\n"
                yield (files[which[begin]], int(starts[begin])), content


def _whole_cells(contents: Iterator[bytes], text: CsvReader) -> Iterator[bytes]:
    """Let text pass in which no cell goes on in another part of the file."""
    quote, delimiter = ord(text.text.quote), text.text.delimiter.encode()
    stream: Any = Joined(contents)
    for block in cut_blocks(stream, quote, PIECE_BYTES):
        if quote in block.content and not (
            len(delimiter) == 1 and stand_around_cells(block.content, quote, delimiter[0])
        ):
            raise InputError(CUT)
        yield bytes(block.content)


def _stand_in(text: CsvReader) -> bytes:
    return text.text.delimiter.join(["x"] * len(text.columns)).encode() + b"\n"


def score_columns(shared: Shared[Work]) -> Task:
    """Score rows into columns; a last row without a lead tells how many were rejected.

    Parameters
    ----------
    shared : broadcast of Work
        What to do.

    Returns
    -------
    callable
        For ``mapInArrow``.
    """

    def score(batches: Batches) -> Batches:
        work, n_rejected = shared.value, 0
        for chunk in work.chunks(batches):
            scored, _, n = work.scorer.score(chunk)
            n_rejected += n
            if scored.num_rows:
                yield with_tally(scored, pa.nulls(scored.num_rows, pa.int64()))
        if n_rejected:
            nothing = [pa.nulls(1, kind) for kind in scored.schema.types]
            nobody = pa.RecordBatch.from_arrays(nothing, names=scored.schema.names)
            yield with_tally(nobody, number_array(np.array([n_rejected])))

    return score


def with_tally(batch: pa.RecordBatch, tally: pa.Array) -> pa.RecordBatch:
    """Put a count beside scores; texts are written out, which is all that Spark reads.

    Parameters
    ----------
    batch : RecordBatch of n rows
        Scores.
    tally : Int64Array of n numbers
        The count.

    Returns
    -------
    RecordBatch of n rows
        Columns ``s0``, ``s1`` and so on, the last one the count.
    """
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in batch.columns
    ]
    names = [f"s{at}" for at in range(len(columns) + 1)]
    return pa.RecordBatch.from_arrays([*columns, tally], names=names)


def score_lines(shared: Shared[Work], out: str) -> Task:
    """Score rows into lines of CSV, with a header in every part that has any.

    Parameters
    ----------
    shared : broadcast of Work
        What to do.
    out : str
        The destination, whose ending tells the delimiter.

    Returns
    -------
    callable
        For ``mapInArrow``: text, and the leads in it, rows that are not, and cells made harmless.
    """

    def score(batches: Batches) -> Batches:
        work = shared.value
        sink = TextSink(out, work.scorer, contextlib.ExitStack())
        is_first = True
        for chunk in work.chunks(batches):
            made = sink.make(work.scorer.judge(chunk))
            content = bytes(made.content) if made.n_scored else b""
            if content and is_first:
                content, is_first = sink.header() + content, False
            text = content.removesuffix(b"\n").decode()
            tallies = np.array([[made.n_scored], [made.n_rejected], [made.n_harmless]])
            yield pa.RecordBatch.from_arrays(
                [text_array([text]), *map(number_array, tallies)],
                names=["value", "scored", "rejected", "harmless"],
            )

    return score


def find_rejected(shared: Shared[Work]) -> Task:
    """Tell why rows cannot be used.

    Parameters
    ----------
    shared : broadcast of Work
        What to do.

    Returns
    -------
    callable
        For ``mapInArrow``: row, place in the part, lead where rows have no number, column, value, reason.
    """

    def find(batches: Batches) -> Batches:
        work = shared.value
        n_told = 0
        for chunk in work.chunks(batches):
            rejected = work.scorer.judge(chunk).rejected
            leads = _leads(work.scorer, chunk, rejected) if work.offsets is None else [""] * len(rejected)
            if rejected:
                rows = np.array([each.row for each in rejected], np.int64)
                texts = zip(*((each.column, each.value, each.reason) for each in rejected), strict=True)
                yield pa.RecordBatch.from_arrays(
                    [
                        number_array(rows),
                        number_array(n_told + np.arange(len(rejected))),
                        text_array(leads),
                        *map(text_array, texts),
                    ],
                    names=["row", "at", "lead", "column", "value", "reason"],
                )
                n_told += len(rejected)

    return find


def _leads(scorer: Scorer, chunk: Chunk, rejected: list[Rejection]) -> list[str]:
    ids = dict(zip(chunk.rows.tolist(), scorer.ids(chunk), strict=True))
    return [ids.get(each.row, "") for each in rejected]


def count_rows(shared: Shared[Rows]) -> Task:
    """Count the rows of every part.

    Parameters
    ----------
    shared : broadcast of Work
        What to do.

    Returns
    -------
    callable
        For ``mapInArrow``: file, beginning, rows.
    """

    def count(batches: Batches) -> Batches:
        found: dict[Part, int] = {}
        for part, chunk in shared.value.parts(batches):
            found[part] = found.get(part, 0) + len(chunk.rows) + len(chunk.rejected)
        if found:
            numbers = np.array([[start for _, start in found], [*found.values()]])
            yield pa.RecordBatch.from_arrays(
                [text_array([file for file, _ in found]), *map(number_array, numbers)],
                names=["file", "start", "rows"],
            )

    return count
