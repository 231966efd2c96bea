"""Comma-separated text and its relatives, read as text in bounded memory."""

from __future__ import annotations

import dataclasses
import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.chunks import OPENERS, READ_FAULTS, SHOWN_CHARACTERS, Chunk, Rejection, open_binary
from leadml.leads.sniff import HEAD_BYTES, TextFormat, read_head, sniff_text
from leadml.leads.values import text_array

if TYPE_CHECKING:
    from leadml.leads.mapping import ReadOptions

CSV_BLOCK_BYTES = 1 << 22


class CsvReader:
    """Comma-separated text and its relatives; every column as text.

    Parameters
    ----------
    source : str
        What messages call it.
    where : Path or binary stream
        A file, compressed or not, or a stream such as standard input.
    options : ReadOptions
        What the mapping says; the remainder is sniffed.
    delimiter : str, optional
        The delimiter, where the mapping does not tell it.

    Raises
    ------
    InputError
        The file is empty or no text.
    """

    def __init__(
        self, source: str, where: Path | BinaryIO, options: ReadOptions, delimiter: str | None = None
    ) -> None:
        self._source, self._where = source, where
        packed = isinstance(where, Path) and where.suffix in OPENERS
        if isinstance(where, Path):
            try:
                with open_binary(where, source) as stream:
                    self._head = read_head(stream)
            except READ_FAULTS as error:
                raise InputError(f"{source}: cannot be read ({error}); check the file") from None
        else:
            self._head = read_head(where)
        complete = len(self._head) < HEAD_BYTES
        self.text: TextFormat = sniff_text(
            self._head,
            options,
            source,
            complete=complete,
            delimiter=options.delimiter or delimiter,
            path=where if isinstance(where, Path) and not packed and not complete else None,
        )
        if isinstance(where, Path) and complete:
            has_quotes = self.text.quote.encode() in self._head
            self.text = dataclasses.replace(self.text, has_quotes=has_quotes)
        self.columns = self.text.header
        self.notes = self.text.notes
        self.format = {
            "kind": "csv",
            "encoding": self.text.encoding,
            "delimiter": self.text.delimiter,
            "quote": self.text.quote,
            "decimal": self.text.decimal,
            "sniffed": list(self.text.sniffed),
        }

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order.

        Parameters
        ----------
        columns : sequence of str
            Columns that the table has.

        Yields
        ------
        Chunk
            The next rows; a row with more or fewer cells than the header is rejected.

        Raises
        ------
        InputError
            The text is broken, or in another encoding further down.
        """
        import pyarrow.csv as pc

        ragged: list[Rejection] = []

        def reject(row: Any) -> str:
            text = row.text if len(row.text) <= SHOWN_CHARACTERS else row.text[:SHOWN_CHARACTERS] + "..."
            reason = f"{row.actual_columns} cells where the header has {row.expected_columns}"
            ragged.append(Rejection(row.number - 1, "", text, f"{reason}; check quotes and delimiters"))
            return "skip"

        # Names of our own: the header may repeat a name or leave one empty in columns that nobody reads.
        names = [f"c{i}" for i in range(len(self.columns))]
        wanted = [names[self.columns.index(column)] for column in columns]
        try:
            reader = pc.open_csv(
                self._open(),
                # With threads, a rejected row would not know its number.
                read_options=pc.ReadOptions(
                    use_threads=False,
                    block_size=CSV_BLOCK_BYTES,
                    column_names=names,
                    skip_rows_after_names=1,
                    encoding=self.text.encoding,
                ),
                parse_options=pc.ParseOptions(
                    delimiter=self.text.delimiter,
                    quote_char=self.text.quote,
                    newlines_in_values=self.text.has_quotes,
                    invalid_row_handler=reject,
                ),
                convert_options=pc.ConvertOptions(
                    column_types={name: pa.string() for name in wanted},
                    # Without a column wanted, one is read all the same, for its number of rows.
                    include_columns=wanted or names[:1],
                    strings_can_be_null=False,
                    null_values=[],
                ),
            )
            before = 0
            for batch in reader:
                rows = _row_numbers(batch.num_rows, before, [r.row for r in ragged])
                before = int(rows[-1]) if len(rows) else before
                n_done = bisect_right([r.row for r in ragged], before)
                done, ragged[:n_done] = ragged[:n_done], []
                data = pa.RecordBatch.from_arrays(batch.columns[: len(wanted)], names=list(columns))
                yield Chunk(rows, data if wanted else batch, done)
            if ragged:
                empty = pa.RecordBatch.from_arrays([text_array([]) for _ in columns], names=list(columns))
                yield Chunk(np.zeros(0, np.int64), empty, ragged)
        except (pa.ArrowInvalid, UnicodeError) as error:
            raise InputError(f"{self._source}: {_csv_fault(error, self.text.encoding)}") from None
        except READ_FAULTS as error:
            raise InputError(f"{self._source}: cannot be read to its end ({error}); check the file") from None

    def _open(self) -> Any:
        if isinstance(self._where, Path):
            return (
                open_binary(self._where, self._source) if self._where.suffix in OPENERS else str(self._where)
            )
        return pa.PythonFile(_Resumed(self._head, self._where), mode="r")


class _Resumed(io.RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = io.BytesIO(head), rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._head.read(size) or self._rest.read(size)


def _row_numbers(n: int, before: int, skipped: list[int]) -> npt.NDArray[np.int64]:
    """Number n rows that follow row `before`, leaving out the numbers of ragged rows (ascending)."""
    last = before + n
    while (end := before + n + bisect_right(skipped, last)) != last:
        last = end
    rows = np.arange(before + 1, last + 1)
    return np.setdiff1d(rows, skipped)[:n] if skipped else rows


def _csv_fault(error: Exception, encoding: str) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UnicodeError) or "invalid UTF8" in text:
        return (
            f"holds bytes that are not {encoding}; valid: one encoding throughout;"
            " set read.encoding in the mapping"
        )
    if "straddling" in text:
        return (
            "one row is longer than 4 MB; valid: shorter rows; look for a quote that is opened and not closed"
        )
    return f"cannot be cut into rows ({text}); check quotes and delimiters"
