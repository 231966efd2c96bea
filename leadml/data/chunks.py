"""What every source hands out: a header, and a stream of chunks of rows with their numbers; made of Python values
or of Arrow batches."""

from __future__ import annotations

import ctypes
import dataclasses
import io
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

import numpy as np
import pyarrow as pa

from leadml.data.cells import pc
from leadml.exceptions import InputError
from leadml.levels import Ints

BATCH_ROWS = 1 << 17
PACKINGS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
T = TypeVar("T")
R = TypeVar("R")
Notes = list[tuple[str, dict[str, str]]]


class Fault(NamedTuple):
    """What is wrong with a cell, or with a row that could not be cut into cells; the column is then empty.

    `lead_id` is empty of such a row, and where the mapping names none.
    """

    row: int
    column: str
    value: str
    reason: str
    lead_id: str = ""


class Chunk(NamedTuple):
    """The next rows of a source.

    A column is text (plain, or an int32 dictionary where that pays), whole numbers, float64, dates or timestamps,
    null where blank (in CSV: an empty text); its type may differ from chunk to chunk. A numeric cell among texts
    comes as text with the decimal mark of ``Source.format`` and without groups, so that one parser reads both:
    under a decimal comma ``25.000`` is 25,000, and the numbers 25.0 and 2.5 come as ``25`` and ``2,5``.
    """

    table: pa.RecordBatch  # the columns asked for
    rows: Ints  # as the user's spreadsheet shows them, the header being row 1
    faults: Sequence[Fault] = ()  # rows in between that are rejected


Chunks = Callable[[list[str]], Iterator[Chunk]]


@dataclasses.dataclass(frozen=True)
class Format:
    """How a source is written; what does not apply is empty."""

    kind: str
    encoding: str = ""
    delimiter: str = ""
    quote: str = ""
    decimal: str = "."
    sheet: str = ""
    header_row: int = 1
    sniffed: tuple[str, ...] = ()
    n_files: int = 1

    def as_dict(self) -> dict[str, Any]:
        """The fields that apply."""
        fields = {**dataclasses.asdict(self), "sniffed": list(self.sniffed)}
        return {key: value for key, value in fields.items() if value != ""}


class Reader:
    """One file, query or frame; rows are numbered as its own spreadsheet shows them.

    `chunks` reads the columns named, in that order; `format` and `notes` are final once it has.
    """

    share: float | None = None  # how much has been read, 0 to 1; None where that cannot be told

    def __init__(self, columns: Iterable[object], form: Format, chunks: Chunks, notes: Sequence[Any] = ()) -> None:
        self.columns, self.format, self.chunks, self.notes = tuple(map(str, columns)), form, chunks, [*notes]


def typed_chunks(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[Chunk]:
    """Give batches few types, and their rows numbers from 2; `columns` are their names here."""
    row = 2
    for whole in batches:
        for start in range(0, whole.num_rows, BATCH_ROWS):
            batch = whole.slice(start, BATCH_ROWS)
            arrays = [_canonical(array, name) for array, name in zip(batch.columns, columns, strict=True)]
            yield Chunk(batch_of(arrays, columns, batch.num_rows), np.arange(row, row + batch.num_rows))
            row += batch.num_rows


def _canonical(array: pa.Array, column: str) -> pa.Array:
    """Text (or a dictionary of it), whole numbers, float64, dates or timestamps; else an error."""
    kind, types = array.type, pa.types
    if types.is_dictionary(kind):
        if kind.index_type == pa.int32() and kind.value_type == pa.string():
            return array
        return _canonical(pc.cast(array, kind.value_type), column)
    if types.is_string(kind) or types.is_integer(kind) or types.is_float64(kind):
        return array
    if types.is_timestamp(kind):
        # The day is the one that its own clock shows.
        return pc.cast(pc.local_timestamp(array) if kind.tz else array, pa.timestamp("us"), safe=False)
    is_number = types.is_floating(kind) or types.is_decimal(kind)
    to = pa.date32() if types.is_date(kind) else pa.float64() if is_number else pa.string()
    try:
        return pa.nulls(len(array), to) if types.is_null(kind) else pc.cast(array, to, safe=to == pa.string())
    except pa.ArrowException:
        raise InputError(
            f"column {column!r} holds {kind}; valid: text, numbers, dates or true/false; flatten it first"
        ) from None


def batch_of(arrays: Sequence[pa.Array], columns: Sequence[str], n: int) -> pa.RecordBatch:
    """Make a batch of n rows, also where it has no column."""
    if arrays:
        return pa.RecordBatch.from_arrays(list(arrays), names=list(columns))
    return pa.RecordBatch.from_struct_array(pa.StructArray.from_buffers(pa.struct([]), n, [None]))


def release_memory() -> None:
    """Give free memory back to the system: Arrow's, and that of glibc, which keeps it among what is in use."""
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", abs)(0)  # other libraries of C have none


def note(text: str) -> tuple[str, dict[str, str]]:
    """Note how a file is read that is worth a look (LML106)."""
    return "LML106", {"text": text}


def open_binary(path: Path) -> BinaryIO:
    """Open a file, unpacking it when its ending says that it is packed."""
    packing = PACKINGS.get(path.suffix.lower())
    if packing is None:
        return path.open("rb")
    return io.BufferedReader(cast(io.RawIOBase, pa.input_stream(str(path), compression=packing)))


def in_order(work: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """Work on items in threads, a few ahead, and give each with its result in order; the first one alone."""
    remaining = iter(items)
    first = [(item, work(item)) for item in islice(remaining, 1)]
    following = list(islice(remaining, 1))
    if not following:
        yield from first
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    remaining = chain(following, remaining)
    n_threads = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 4)
    begun: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(n_threads, "leadml-read") as pool:
        try:
            begun.extend((item, pool.submit(work, item)) for item in islice(remaining, n_threads + 1))
            yield first.pop()  # it is not kept
            while begun:
                item, future = begun.popleft()
                yield item, future.result()
                begun.extend((item, pool.submit(work, item)) for item in islice(remaining, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
