"""What every source hands out: chunks of rows, the faults of rows that could not be cut into cells, the format."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

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


@dataclasses.dataclass(frozen=True)
class Chunk:
    """The next rows of a source.

    Columns are text (plain, or a dictionary of int32 to text where that pays; chunks may differ), or, of typed
    sources, whatever type the source has; a type may differ from chunk to chunk (a column of a sheet or a query
    is typed by its cells). A number in a column that also holds text comes as text with the decimal mark of
    ``Source.format.decimal`` and without groups, so that one parser reads both: ``25.000`` (text) is 25,000
    under a decimal comma, and a numeric cell 25.0 comes as ``25``, a numeric cell 2.5 as ``2,5``.

    Attributes
    ----------
    table : RecordBatch of n rows
        The columns asked for.
    rows : (n,) int64
        Row as the user's spreadsheet shows it, the header being row 1; through all files of a folder.
    faults : sequence of Fault
        Rows in between that are rejected; `Source.chunks` has added them to the rejections.
    """

    table: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    faults: Sequence[Fault] = ()


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


class Reader(Protocol):
    """One file, query or frame: rows are numbered as its own spreadsheet shows them."""

    columns: tuple[str, ...]
    notes: Notes

    @property
    def format(self) -> Format:
        """How it is written; final once it has been read."""

    @property
    def share(self) -> float | None:
        """How much has been read, 0 to 1; None where that cannot be told."""

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order."""


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
    return cast(BinaryIO, pa.input_stream(str(path), compression=packing))
