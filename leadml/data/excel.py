"""One sheet of an Excel workbook, refused before it is opened when it would take gigabytes."""

from __future__ import annotations

import re
import zipfile
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from leadml.data.cells import cell_text
from leadml.data.chunks import Format, Reader, note
from leadml.data.mapping import ReadOptions
from leadml.data.sniff import SAMPLE_ROWS, find_header
from leadml.data.tables import row_reader
from leadml.exceptions import InputError
from leadml.levels import Ints

MAX_CELLS = 25_000_000  # the parser reserves memory for every cell up to the last one: 32 bytes each
MAX_BYTES = 1 << 30  # of XML, and of the text that cells hold
_PART = re.compile(r"xl/(worksheets/[^/]+|sharedStrings|styles|workbook)\.xml", re.IGNORECASE)
_CELL = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]+)(\d+)""")
_SIZE = re.compile(rb"""\sref\s*=\s*["'][^"':]*:([A-Za-z]+)(\d+)""")
_VALUE = re.compile(rb">(\d{1,9})</(?:\w+:)?v>")
_STRING = re.compile(rb"<(?:\w+:)?si[\s/>]")


def open_excel(path: Path, options: ReadOptions) -> Reader:
    """Open a sheet; blank rows are left out. Text cells are text, numeric cells numbers (see `Chunk`)."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise InputError(
            f'{path}: reading Excel needs python-calamine; install it with pip install "leadml[excel]", or save the'
            " sheet as CSV"
        ) from None
    try:
        _check_size(path)
        workbook = CalamineWorkbook.from_path(path)
        names = workbook.sheet_names
        name = options.sheet or names[0]
        if name not in names:
            raise InputError(f"{path}: has no sheet {name!r}; valid: {', '.join(names)}; set read.sheet in the mapping")
        sheet = workbook.get_sheet_by_name(name)
    except (CalamineError, zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise InputError(f"{path}: is not an Excel workbook ({error}); check the export") from None
    head = list(islice(sheet.iter_rows(), SAMPLE_ROWS))  # from row 1 of the sheet, of equal width
    if not head:
        raise InputError(f"{path}: sheet {name!r} is empty; valid: a header and at least one row")
    as_text = [[cell_text(cell) or "" for cell in row] for row in head]
    at, notes = find_header(as_text, options.header, str(path))
    told = {"sheet": options.sheet, "header_row": options.header}
    sniffed = tuple(key for key, value in told.items() if value in (None, "auto"))
    if len(names) > 1 and not options.sheet:
        notes = [*notes, note(f"read the first of {len(names)} sheets; for another set read: {{sheet: {names[1]!r}}}")]
    rows = (
        (row, [None if cell == "" else cell for cell in cells])
        for row, cells in enumerate(islice(sheet.iter_rows(), at + 1, None), at + 2)
        if any(cell != "" for cell in cells)
    )
    form = Format("xlsx", sheet=name, header_row=at + 1, sniffed=sniffed)
    return row_reader(map(str.strip, as_text[at]), form, rows, options, notes)


def _check_size(path: Path) -> None:
    """Look through the XML for the last cell and the length of texts: a few kB can stand for gigabytes."""
    with zipfile.ZipFile(path) as archive:
        parts = {each.filename.lower(): each for each in archive.infolist() if _PART.fullmatch(each.filename)}
        if sum(part.file_size for part in parts.values()) > MAX_BYTES:
            raise _too_large(path, "unpacks to more than 1 GB")
        text = archive.read(parts["xl/sharedstrings.xml"]) if "xl/sharedstrings.xml" in parts else b""
        lengths = np.diff([*(found.start() for found in _STRING.finditer(text)), len(text), len(text)])
        for name, part in parts.items():
            if "worksheets/" in name:
                with archive.open(part) as stream:
                    _check_sheet(path, stream, lengths)


def _check_sheet(path: Path, stream: IO[bytes], lengths: Ints) -> None:
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
        n_columns = max((reduce(lambda n, letter: 26 * n + letter - 64, c.upper()[:4], 0) for c in columns), default=0)
        if n_columns * last_row > MAX_CELLS:
            raise _too_large(path, f"a sheet reaches to row {last_row} and column {n_columns}")
        if n_cells * int(lengths.max()) > MAX_BYTES:
            # The parser copies a shared text for each cell that refers to it.
            at = np.array(_VALUE.findall(piece), dtype="S9").astype(np.int64)
            n_text += int(lengths[np.minimum(at, len(lengths) - 1)].sum())
        if n_text > MAX_BYTES:
            raise _too_large(path, "its cells hold more than 1 GB of text")


def _too_large(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: {what}; valid: at most {MAX_CELLS:,} cells up to the last one, and 1 GB; delete what lies beyond the"
        " data, or save the sheet as CSV"
    )
