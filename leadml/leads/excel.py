"""One sheet of an Excel workbook."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.chunks import Chunk, cell_text
from leadml.leads.values import number_array, text_array

if TYPE_CHECKING:
    from leadml.leads.mapping import ReadOptions
    from leadml.leads.workers import Workers

MAX_CELLS = 50_000_000
"""A workbook that declares more cells than this is refused before it is opened."""


class ExcelReader:
    """One sheet of an Excel workbook, its first row with content being the header.

    Parameters
    ----------
    source : str
        What messages call it.
    where : Path
        The workbook.
    options : ReadOptions
        Its ``sheet`` names the sheet; the first one when absent.

    Raises
    ------
    InputError
        No workbook, no such sheet, an empty sheet, or one that declares more than `MAX_CELLS` cells.
    """

    notes: tuple[str, ...] = ()
    share: float | None = None

    def __init__(self, source: str, where: Path, options: ReadOptions) -> None:
        try:
            from python_calamine import CalamineError, CalamineWorkbook
        except ImportError:
            raise InputError(
                f'{source}: reading Excel needs python-calamine; install it with pip install "leadml[excel]",'
                " or save the sheet as CSV"
            ) from None
        _check_declared_size(source, where)
        try:
            workbook = CalamineWorkbook.from_path(str(where))
            sheets = workbook.sheet_names
            sheet = options.sheet or sheets[0]
            if sheet not in sheets:
                raise InputError(
                    f"{source}: has no sheet {sheet!r}; valid: {', '.join(sheets)};"
                    " set read.sheet in the mapping"
                )
            cells = workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=True)
        except (CalamineError, OSError) as error:
            raise InputError(f"{source}: is not an Excel workbook ({error}); check the export") from None
        if not cells:
            raise InputError(f"{source}: sheet {sheet!r} is empty; valid: a header and at least one row")
        self.columns = tuple(str(cell_text(cell) or "").strip() for cell in cells[0])
        self._cells = [row for row in cells[1:] if any(cell != "" for cell in row)]
        self.format: dict[str, Any] = {
            "kind": "xlsx",
            "sheet": sheet,
            "decimal": ".",
            "sniffed": [] if options.sheet else ["sheet"],
        }
        if len(sheets) > 1 and not options.sheet:
            self.notes = (
                f"read the first of {len(sheets)} sheets; set read.sheet in the mapping for another",
            )

    def chunks(self, columns: Sequence[str], workers: Workers) -> Iterator[Chunk]:  # noqa: ARG002
        """Read the columns named, in that order.

        Parameters
        ----------
        columns : sequence of str
            Columns that the table has.
        workers : Workers
            Not needed here.

        Yields
        ------
        Chunk
            All rows that are not empty.
        """
        at = [self.columns.index(column) for column in columns]
        arrays = [_cells_array([row[i] if i < len(row) else "" for row in self._cells]) for i in at]
        yield Chunk(
            np.arange(1, len(self._cells) + 1), pa.RecordBatch.from_arrays(arrays, names=list(columns)), []
        )


def _cells_array(cells: list[Any]) -> pa.Array:
    """Type a column of a sheet: numbers or dates when every filled cell is one, text otherwise."""
    kinds = {type(cell) for cell in cells if cell != ""}
    if kinds and kinds <= {int, float}:
        return number_array(np.array([np.nan if cell == "" else cell for cell in cells], np.float64))
    if kinds and kinds <= {datetime.date, datetime.datetime}:
        return number_array(np.array([None if cell == "" else cell for cell in cells], "datetime64[us]"))
    return text_array([cell_text(cell) for cell in cells])


def _check_declared_size(source: str, where: Path) -> None:
    """Refuse a workbook that says it is enormous: the parser would reserve memory for every cell declared."""
    import zipfile

    try:
        with zipfile.ZipFile(where) as archive:
            for part in archive.infolist():
                if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", part.filename):
                    continue
                with archive.open(part) as sheet:
                    found = re.search(rb'<dimension ref="[A-Z]+\d+:([A-Z]+)(\d+)"', sheet.read(4096))
                if found is None:
                    continue
                n_columns = 0
                for letter in found[1].decode():
                    n_columns = 26 * n_columns + ord(letter) - ord("A") + 1
                if n_columns * int(found[2]) > MAX_CELLS:
                    raise InputError(
                        f"{source}: a sheet declares {int(found[2])} rows of {n_columns} cells; valid: at"
                        f" most {MAX_CELLS} cells; delete what lies beyond the data, or save it as CSV"
                    )
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{source}: is not an Excel workbook ({error}); check the export") from None
