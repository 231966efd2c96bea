"""What every reader hands out: chunks in which every row is either data or a rejection."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import numpy as np
import pyarrow as pa

from leadml.exceptions import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from leadml.leads.workers import Workers

CHUNK_ROWS = 1 << 15
SHOWN_CHARACTERS = 200
"""A rejected value is shown up to this length."""


@dataclasses.dataclass(frozen=True)
class Rejection:
    """Why one row cannot be used.

    Attributes
    ----------
    row : int
        Number of the row in the input, from 1, the header not counted.
    column : str
        The column at fault; empty when it is the row as a whole.
    value : str
        What the cell or the row holds, shortened.
    reason : str
        What is valid and what to do.
    """

    row: int
    column: str
    value: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some rows of a table.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Number of each row in the input, from 1; of those that a reader hands out, in the chunk.
    data : RecordBatch of n rows
        Canonical columns: text, numbers, dates or timestamps.
    rejected : list of Rejection
        Rows that could not even be cut into cells.
    """

    rows: npt.NDArray[np.int64]
    data: pa.RecordBatch
    rejected: list[Rejection]

    def after(self, n: int) -> Chunk:
        """Number the rows as those that follow n others.

        Parameters
        ----------
        n : int
            Rows before them.

        Returns
        -------
        Chunk
            The same rows.
        """
        if not n:
            return self
        rejected = [Rejection(r.row + n, r.column, r.value, r.reason) for r in self.rejected]
        return Chunk(self.rows + n, self.data, rejected)


class Reader(Protocol):
    """What every reader offers."""

    columns: tuple[str, ...]
    format: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def share(self) -> float | None:
        """How much has been read, 0 to 1; None where that cannot be told."""

    def chunks(self, columns: Sequence[str], workers: Workers) -> Iterator[Chunk]:
        """Read the columns named, in that order. In each chunk the rows are numbered from 1.

        Parameters
        ----------
        columns : sequence of str
            Columns that the table has.
        workers : Workers
            Threads to read with.
        """


OPENERS = (".gz", ".bz2", ".xz", ".zst")
"""Endings of packed files."""


def read_faults() -> tuple[type[Exception], ...]:
    """List what reading a broken or badly packed file raises.

    Returns
    -------
    tuple of exception types
        For an ``except`` clause, which asks only when something was raised.
    """
    import lzma
    import zlib

    return (OSError, EOFError, lzma.LZMAError, zlib.error)


def open_binary(where: Path, source: str) -> BinaryIO:
    """Open a file for reading, unpacking it when its ending says that it is packed.

    Parameters
    ----------
    where : Path
        The file.
    source : str
        What messages call it.

    Returns
    -------
    binary stream
        Its content.

    Raises
    ------
    InputError
        The file cannot be opened.
    """
    try:
        return _opened(where)
    except OSError as error:
        raise InputError(
            f"{source}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None


def _opened(where: Path) -> BinaryIO:
    if where.suffix == ".gz":
        import gzip

        return cast(BinaryIO, gzip.open(where, "rb"))
    if where.suffix == ".bz2":
        import bz2

        return cast(BinaryIO, bz2.open(where, "rb"))
    if where.suffix == ".xz":
        import lzma

        return cast(BinaryIO, lzma.open(where, "rb"))
    if where.suffix == ".zst":
        return cast(BinaryIO, pa.input_stream(str(where), compression="zstd"))
    return where.open("rb")


def cell_text(value: Any) -> str | None:
    """Write a cell of Python type as text: 3.0 as 3, midnight as its date, true and false in small letters.

    Parameters
    ----------
    value : object
        The cell.

    Returns
    -------
    str or None
        Its text; None stays None.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return str(value)
