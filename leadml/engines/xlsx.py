"""A workbook of one sheet, written as it comes: rows are put together by look-ups, as lines of text are."""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from leadml.card.arrow import Column, distinct, side_by_side, text_array
from leadml.exceptions import UsageError

__all__ = ["CELL_CHARACTERS", "SHEET_ROWS", "open_sheet"]

SHEET_BYTES = 2_000_000_000
"""So long a sheet may be: beyond it a workbook is packed in a way that not every program reads."""

SHEET_ROWS = 1_048_575
"""So many rows a sheet holds below its header."""

CELL_CHARACTERS = 32_767
"""So many characters a cell holds."""

KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>'
    '<sheet name="leads" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}

MEANT = re.compile("(?=_x[0-9a-fA-F]{4}_)")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")


@contextlib.contextmanager
def open_sheet(where: Path, names: Sequence[str]) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Open a workbook for one sheet.

    Parameters
    ----------
    where : Path
        The file.
    names : sequence of str
        The header.

    Yields
    ------
    callable
        Takes one batch of rows at a time.

    Raises
    ------
    UsageError
        There is more than a sheet holds.
    """
    letters = [_letters(position) for position in range(len(names))]
    n_rows, n_bytes = 1, 0
    with zipfile.ZipFile(where, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        for part, content in PARTS.items():
            book.writestr(_entry(part), HEAD + content)
        with book.open(_entry("xl/worksheets/sheet1.xml"), "w") as sheet:
            sheet.write(f'{HEAD}<worksheet xmlns="{SHEET}"><sheetData><row r="1">'.encode())
            for letter, name in zip(letters, names, strict=True):
                sheet.write(f'<c r="{letter}1"{_content(name)}'.encode())
            sheet.write(b"</row>")

            def write(batch: pa.RecordBatch) -> None:
                nonlocal n_rows, n_bytes
                if n_rows - 1 + batch.num_rows > SHEET_ROWS:
                    raise UsageError(
                        f"--out: a sheet holds at most {SHEET_ROWS:,} rows; write .csv or .parquet"
                    )
                rows = _rows(batch, letters, n_rows + 1)
                n_rows, n_bytes = n_rows + batch.num_rows, n_bytes + len(rows)
                if n_bytes > SHEET_BYTES:
                    raise UsageError("--out: a sheet holds at most 2 GB; write .csv or .parquet")
                sheet.write(rows)

            yield write
            sheet.write(b"</sheetData></worksheet>")


def _rows(batch: pa.RecordBatch, letters: Sequence[str], first: int) -> memoryview:
    """Write rows: every cell is its column, its row and its content, each a look-up."""
    row = np.arange(batch.num_rows, dtype=np.int32)
    nothing = np.zeros(batch.num_rows, np.int32)
    numbers = text_array([str(number) for number in range(first, first + batch.num_rows)])
    columns: list[Column] = [(text_array(['<row r="']), nothing), (numbers, row)]
    before = '">'
    for letter, column in zip(letters, batch.columns, strict=True):
        values, index = distinct(column)
        columns += [
            (text_array([f'{before}<c r="{letter}']), nothing),
            (numbers, row),
            (text_array([f'"{_content(value)}' for value in values]), index),
        ]
        before = ""
    return side_by_side([*columns, (text_array(["</row>"]), nothing)])


def _content(value: Any) -> str:
    """Write what follows the place of a cell."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "/>"
    if isinstance(value, bool):
        return f' t="b"><v>{value:d}</v></c>'
    if isinstance(value, int | float):
        return f"><v>{value!r}</v></c>"
    text = CONTROL.sub(
        lambda found: f"_x{ord(found[0]):04X}_", MEANT.sub("_x005F", str(value)[:CELL_CHARACTERS])
    )
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f' t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _letters(position: int) -> str:
    """Name a column: A to Z, AA to AZ and so on."""
    name = ""
    position += 1
    while position:
        position, letter = divmod(position - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def _entry(name: str) -> zipfile.ZipInfo:
    """Describe a part without the time, so that equal leads make equal files."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
