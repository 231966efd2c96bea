"""What every source hands out: chunks of rows, faults of rows that are not cells, its format."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

CHUNK_ROWS = 1 << 15
Notes = list[tuple[str, dict[str, str]]]


class Fault(NamedTuple):
    """A row that could not be cut into cells: its number, how it begins, what is wrong."""

    row: int
    value: str
    reason: str


class Chunk(NamedTuple):
    """The next rows of a source.

    A column is text (plain, or an int32 dictionary where that pays), whole numbers, float64, dates
    or timestamps, null where blank (in CSV: an empty text); its type may differ from chunk to chunk. A
    numeric cell among texts comes as text with the decimal mark of ``Source.format`` and without groups, so
    that one parser reads both: under a decimal comma ``25.000`` is 25,000, and the numbers 25.0 and 2.5 come
    as ``25`` and ``2,5``.
    """

    table: pa.RecordBatch  # the columns asked for
    rows: npt.NDArray[np.int64]  # as the user's spreadsheet shows them, the header being row 1
    faults: Sequence[Fault] = ()  # rows in between that are rejected


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
    """One file, query or frame; rows are numbered as its own spreadsheet shows them."""

    columns: tuple[str, ...]
    format: Format  # final once it has been read, as the notes are
    notes: Notes
    share: float | None = None  # how much has been read, 0 to 1; None where that cannot be told

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order."""
        raise NotImplementedError


def batch_of(arrays: Sequence[pa.Array], columns: Sequence[str], n: int) -> pa.RecordBatch:
    """Make a batch of n rows, also where it has no column."""
    if arrays:
        return pa.RecordBatch.from_arrays(list(arrays), names=list(columns))
    empty = pa.StructArray.from_buffers(pa.struct([]), n, [None])
    return pa.RecordBatch.from_struct_array(empty)


def note(text: str) -> tuple[str, dict[str, str]]:
    """Note how a file is read that is worth a look (LML106)."""
    return "LML106", {"text": text}


PACKINGS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


def open_binary(path: Path) -> BinaryIO:
    """Open a file, unpacking it when its ending says that it is packed."""
    packing = PACKINGS.get(path.suffix.lower())
    if packing is None:
        return path.open("rb")
    return io.BufferedReader(cast(io.RawIOBase, pa.input_stream(str(path), compression=packing)))
