"""One sheet of an Excel workbook, refused before it is opened when it would take gigabytes."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from leadml.data.cells import cell_text, column_of
from leadml.data.chunks import Chunk, Format, Reader, batch_of, note
from leadml.data.sniff import find_header, sniff_decimal
from leadml.exceptions import InputError

if TYPE_CHECKING:
    from leadml.data.mapping import ReadOptions

MAX_CELLS = 25_000_000  # the parser reserves memory for every cell up to the last one: 32 bytes each
MAX_BYTES = 1 << 30  # of XML, and of the text that cells hold
_SAMPLE_ROWS = 200
_TEXT_ROWS = 2048  # so few rows a chunk where cells may be long
_PART = re.compile(r"xl/(worksheets/[^/]+|sharedStrings|styles|workbook)\.xml", re.IGNORECASE)
_CELL = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]+)(\d+)""")
_SIZE = re.compile(rb"""\sref\s*=\s*["'][^"':]*:([A-Za-z]+)(\d+)""")
_VALUE = re.compile(rb">(\d{1,9})</(?:\w+:)?v>")
_STRING = re.compile(rb"<(?:\w+:)?si[\s/>]")


class ExcelReader(Reader):
    """A sheet: text cells are text, to be parsed as in CSV; numeric cells are numbers (see `Chunk`)."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        name = str(path)
        try:
            from python_calamine import CalamineError, CalamineWorkbook
        except ImportError:
            raise InputError(
                f'{name}: reading Excel needs python-calamine; install it with pip install "leadml[excel]",'
                " or save the sheet as CSV"
            ) from None
        try:
            _check_size(name, path)
            workbook = CalamineWorkbook.from_path(path)
            sheet = options.sheet or workbook.sheet_names[0]
            if sheet not in workbook.sheet_names:
                raise InputError(
                    f"{name}: has no sheet {sheet!r}; valid: {', '.join(workbook.sheet_names)};"
                    " set read.sheet in the mapping"
                )
            self._sheet = workbook.get_sheet_by_name(sheet)
        except (CalamineError, zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise InputError(f"{name}: is not an Excel workbook ({error}); check the export") from None
        head = list(islice(self._sheet.iter_rows(), _SAMPLE_ROWS))  # from row 1 of the sheet, of equal width
        if not head:
            raise InputError(f"{name}: sheet {sheet!r} is empty; valid: a header and at least one row")
        as_text = [[cell_text(cell) or "" for cell in row] for row in head]
        at, found = find_header(as_text, options.header, name)
        self.columns = tuple(cell.strip() for cell in as_text[at])
        texts = (cell for row in head[at + 1 :] for cell in row if isinstance(cell, str))
        decimal, self.notes = sniff_decimal(texts, options.decimal)
        told = {"sheet": options.sheet, "decimal": options.decimal, "header_row": options.header}
        sniffed = tuple(key for key, value in told.items() if value in (None, "auto"))
        self.format = Format("xlsx", decimal=decimal, sheet=sheet, header_row=at + 1, sniffed=sniffed)
        self.notes += found
        if len(workbook.sheet_names) > 1 and not options.sheet:
            names = workbook.sheet_names
            text = f"read the first of {len(names)} sheets; for another set read: {{sheet: {names[1]!r}}}"
            self.notes.append(note(text))

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order; blank rows are left out."""
        at = [self.columns.index(column) for column in columns]
        start = self.format.header_row
        remaining = enumerate(islice(self._sheet.iter_rows(), start, None), start + 1)
        while some := list(islice(remaining, _TEXT_ROWS)):
            filled = [(row, cells) for row, cells in some if any(cell != "" for cell in cells)]
            values = [[cells[i] if cells[i] != "" else None for _, cells in filled] for i in at]
            arrays = [column_of(column, self.format.decimal) for column in values]
            rows = np.array([row for row, _ in filled], np.int64)
            yield Chunk(batch_of(arrays, columns, len(rows)), rows)


def _check_size(name: str, path: Path) -> None:
    """Look through the XML for the last cell and the length of texts: a few kB can stand for gigabytes."""
    with zipfile.ZipFile(path) as archive:
        parts = [part for part in archive.infolist() if _PART.fullmatch(part.filename)]
        if sum(part.file_size for part in parts) > MAX_BYTES:
            raise _too_large(name, "unpacks to more than 1 GB")
        lengths = np.zeros(1, np.int64)
        for part in parts:
            with archive.open(part) as stream:
                if part.filename.lower().endswith("sharedstrings.xml"):
                    text = stream.read()
                    starts = [found.start() for found in _STRING.finditer(text)]
                    lengths = np.diff([*starts, len(text), len(text)])
        for part in parts:
            with archive.open(part) as stream:
                if "worksheets/" in part.filename.lower():
                    _check_sheet(name, cast(BinaryIO, stream), lengths)


def _check_sheet(name: str, stream: BinaryIO, lengths: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    columns: set[bytes] = set()
    last_row = n_cells = n_text = 0
    held = b""
    while piece := stream.read(1 << 20):
        piece = held + piece
        cut = piece.rfind(b"<") if len(piece) < 1 << 22 else len(piece)
        piece, held = piece[:cut], piece[cut:]
        found = [*_CELL.findall(piece), *(_SIZE.findall(piece) if not n_cells else [])]
        n_cells += len(found)
        columns.update(column for column, _ in found)
        last_row = max(last_row, *(int(row[:9]) for _, row in found), 0)
        n_columns = max(map(_column_number, columns), default=0)
        if n_columns * last_row > MAX_CELLS:
            raise _too_large(name, f"a sheet reaches to row {last_row} and column {n_columns}")
        if n_cells * int(lengths.max()) > MAX_BYTES:
            # The parser copies a shared text for each cell that refers to it.
            at = np.array(_VALUE.findall(piece), dtype="S9").astype(np.int64)
            n_text += int(lengths[np.minimum(at, len(lengths) - 1)].sum())
        if n_text > MAX_BYTES:
            raise _too_large(name, "its cells hold more than 1 GB of text")


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper()[:4]:
        number = 26 * number + letter - ord("A") + 1
    return number


def _too_large(name: str, what: str) -> InputError:
    return InputError(
        f"{name}: {what}; valid: at most {MAX_CELLS:,} cells up to the last one, and 1 GB; delete what lies"
        " beyond the data, or save the sheet as CSV"
    )
