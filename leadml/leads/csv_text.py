"""Comma-separated text and its relatives, read as text in bounded memory."""

from __future__ import annotations

import copy
import dataclasses
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.chunks import OPENERS, SHOWN_CHARACTERS, Chunk, Rejection, open_binary, read_faults
from leadml.leads.csv_blocks import Block, Joined, cut_blocks, stand_around_cells
from leadml.leads.sniff import HEAD_BYTES, TextFormat, read_head, sniff_text
from leadml.leads.values import text_array

if TYPE_CHECKING:
    import numpy.typing as npt

    from leadml.leads.mapping import ReadOptions
    from leadml.leads.workers import Workers

CSV_BLOCK_BYTES = 1 << 22
"""No row is longer."""

CSV_PIECE_BYTES = 1 << 21
"""About so much is read at once where several blocks are: little memory is used again and again."""


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
        self._n_bytes = self._size = 0
        if isinstance(where, Path):
            try:
                with open_binary(where, source) as stream:
                    self._head = read_head(stream)
                self._size = 0 if packed else where.stat().st_size
            except read_faults() as error:
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

    def on(self, stream: BinaryIO) -> CsvReader:
        """Read other text that is written alike.

        Parameters
        ----------
        stream : binary stream
            Any first line, as many cells long as the header, and rows.

        Returns
        -------
        CsvReader
            A reader with the format and the header of this one.
        """
        other = copy.copy(self)
        other._head, other._where = b"", stream
        return other

    @property
    def share(self) -> float | None:
        """How much has been read, 0 to 1; None of a packed file, or where text is read from its beginning."""
        return self._n_bytes / self._size if self._size and self._n_bytes else None

    def chunks(self, columns: Sequence[str], workers: Workers) -> Iterator[Chunk]:
        """Read the columns named, in that order.

        Parameters
        ----------
        columns : sequence of str
            Columns that the table has.
        workers : Workers
            Threads to read with.

        Yields
        ------
        Chunk
            The next rows; a row with more or fewer cells than the header is rejected.

        Raises
        ------
        InputError
            The text is broken, or in another encoding further down.
        """
        try:
            with self._open() as stream:
                if self.text.encoding not in ("utf-8", "ascii"):
                    yield from self._in_a_stream(stream, columns)
                    return
                blocks = cut_blocks(stream, ord(self.text.quote), min(CSV_PIECE_BYTES, CSV_BLOCK_BYTES))
                read = workers.map(lambda block: self._in_a_block(block, columns), blocks)
                for block, chunk in read:
                    self._n_bytes += len(block.content)
                    if chunk is None:
                        rest = Joined(each.content for each in chain([block], read.left()))
                        yield from self._in_a_stream(rest, columns, has_header=block.is_first)
                        return
                    yield chunk
        except (pa.ArrowInvalid, UnicodeError) as error:
            raise InputError(f"{self._source}: {_csv_fault(error, self.text.encoding)}") from None
        except read_faults() as error:
            raise InputError(f"{self._source}: cannot be read to its end ({error}); check the file") from None

    def _in_a_block(self, block: Block, columns: Sequence[str]) -> Chunk | None:
        """Read whole records; None when only reading from the beginning can tell where they end."""
        import pyarrow.csv as pc

        quote, delimiter = ord(self.text.quote), self.text.delimiter
        has_quotes = quote in block.content
        if not block.is_whole or (
            has_quotes
            and not (delimiter.isascii() and stand_around_cells(block.content, quote, ord(delimiter)))
        ):
            return None
        if not (block.content[:64].strip(b"\r\n") or block.content.strip(b"\r\n")):
            return Chunk(np.zeros(0, np.int64), _nothing(columns), [])
        ragged: list[Rejection] = []
        options = self._options(columns, ragged, has_header=block.is_first)
        options["read_options"].block_size = len(block.content) + 1
        # What a block does not hold need not be looked for.
        options["convert_options"].check_utf8 = not block.content.isascii()
        if not has_quotes:
            options["parse_options"].quote_char = False
        table = pc.read_csv(pa.BufferReader(block.content), **options)
        rows = _row_numbers(table.num_rows, 0, [each.row for each in ragged])
        arrays = [column.combine_chunks() for column in table.columns[: len(columns)]]
        data = _nothing(columns) if columns else table.combine_chunks().to_batches()[0]
        return Chunk(
            rows, pa.RecordBatch.from_arrays(arrays, names=list(columns)) if columns else data, ragged
        )

    def _in_a_stream(
        self, stream: Any, columns: Sequence[str], *, has_header: bool = True
    ) -> Iterator[Chunk]:
        """Read from the beginning, one block after the other."""
        import pyarrow.csv as pc

        self._size = 0  # how much of it has been read, Arrow does not tell
        ragged: list[Rejection] = []
        options = self._options(columns, ragged, has_header=has_header)
        before = 0
        for batch in pc.open_csv(pa.PythonFile(stream, mode="r"), **options):
            rows = _row_numbers(batch.num_rows, before, [each.row for each in ragged])
            last = int(rows[-1]) if len(rows) else before
            n_done = bisect_right([each.row for each in ragged], last)
            done = [dataclasses.replace(each, row=each.row - before) for each in ragged[:n_done]]
            del ragged[:n_done]
            data = pa.RecordBatch.from_arrays(batch.columns[: len(columns)], names=list(columns))
            yield Chunk(rows - before, data if columns else batch, done)
            before = last
        if ragged:
            done = [dataclasses.replace(each, row=each.row - before) for each in ragged]
            yield Chunk(np.zeros(0, np.int64), _nothing(columns), done)

    def _options(
        self, columns: Sequence[str], ragged: list[Rejection], *, has_header: bool
    ) -> dict[str, Any]:
        """Say how to read; rows with too many or too few cells are put into `ragged`."""
        import pyarrow.csv as pc

        def reject(row: Any) -> str:
            text = row.text if len(row.text) <= SHOWN_CHARACTERS else row.text[:SHOWN_CHARACTERS] + "..."
            reason = f"{row.actual_columns} cells where the header has {row.expected_columns}"
            number = row.number - has_header
            ragged.append(Rejection(number, "", text, f"{reason}; check quotes and delimiters"))
            return "skip"

        # Names of our own: the header may repeat a name or leave one empty in columns that nobody reads.
        names = [f"c{i}" for i in range(len(self.columns))]
        wanted = [names[self.columns.index(column)] for column in columns]
        return {
            "read_options": pc.ReadOptions(
                # With threads, a rejected row would not know its number.
                use_threads=False,
                block_size=CSV_BLOCK_BYTES,
                column_names=names,
                skip_rows_after_names=int(has_header),
                encoding=self.text.encoding,
            ),
            "parse_options": pc.ParseOptions(
                delimiter=self.text.delimiter,
                quote_char=self.text.quote,
                newlines_in_values=self.text.has_quotes,
                invalid_row_handler=reject,
            ),
            "convert_options": pc.ConvertOptions(
                column_types={name: pa.string() for name in wanted},
                # Without a column wanted, one is read all the same, for its number of rows.
                include_columns=wanted or names[:1],
                strings_can_be_null=False,
                null_values=[],
            ),
        }

    def _open(self) -> Any:
        if isinstance(self._where, Path):
            return open_binary(self._where, self._source)
        return Joined(chain([self._head], iter(partial(self._where.read, CSV_BLOCK_BYTES), b"")))


def _nothing(columns: Sequence[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([text_array([]) for _ in columns], names=list(columns))


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
