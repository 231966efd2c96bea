"""Excel work list: names first, frozen header, filter, band colours, number formats, columns explained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leadml.data.rejections import guard_formula
from leadml.exceptions import UsageError
from leadml.scoring.scorer import Scored
from leadml.scoring.words import words_of
from leadml.scoring.writers import Layout, Writer, plain_value

SHEET_ROWS = 1_048_575
CELL_LENGTH = 32_767
COLOURS = {"ready": ("#C6EFCE", "#E2F5E5"), "wait": ("#FFEB9C", "#FFF5CC"), "no-match": ("#E7E6E6", "#F2F2F2")}
WIDTHS = {"reasons": 48, "question": 40, "if_answered": 40, "action": 24, "caveats": 24, "unknown": 24}
BESIDE_NAMES = ("action", "question")


class _WorkList:
    """One sheet of leads and one that explains its columns."""

    n_guarded = 0

    def __init__(self, book: Any, layout: Layout) -> None:
        self._book, self._layout, self._n_rows = book, layout, 0
        words = words_of(layout.locale)
        kept = [name for name in layout.kept if name not in layout.first]
        first = [name for name in BESIDE_NAMES if name in layout.columns]
        self._columns = ["lead_id", *layout.first, *first, *(c for c in layout.columns if c not in first), *kept]
        said = {name: words.columns[name] for name in self._columns if name in words.columns}
        taken = {title for title, _ in said.values()}
        for name in (*layout.first, *kept):
            said[name] = (f"{name} *" if name in taken else name, words.other_column)
        self._sheet = book.add_worksheet(words.leads_sheet)
        self._formats: dict[tuple[str, str], Any] = {}
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        about = book.add_worksheet(words.columns_sheet)
        about.set_column(0, 0, 18)
        about.set_column(1, 1, 110)
        for at, name in enumerate(self._columns):
            self._sheet.set_column(at, at, WIDTHS.get(name, 14))
            self._sheet.write_string(0, at, said[name][0], head)
            about.write_string(at, 0, said[name][0], head)
            about.write_string(at, 1, said[name][1])
        self._sheet.freeze_panes(1, 1 + len(layout.first))

    def make(self, scored: Scored) -> Scored:
        return scored

    def write(self, made: Scored) -> None:
        if self._n_rows + len(made) > SHEET_ROWS:
            raise UsageError(f"--out: a sheet holds at most {SHEET_ROWS:,} rows; write .csv or .parquet")
        answers = {name: made.answers.column(name).to_pylist() for name in self._layout.columns}
        own = {name: column.to_pylist() for name, column in {"lead_id": made.lead_id, **made.kept}.items()}
        bands = made.answers.column("band").to_pylist()
        for row, pattern in enumerate(made.index.tolist()):
            self._n_rows += 1
            for at, name in enumerate(self._columns):
                value = answers[name][pattern] if name in answers else own[name][row]
                self._write_cell(at, name, plain_value(value), bands[pattern])

    def _write_cell(self, at: int, name: str, value: Any, band: str) -> None:
        style = self._format(name if name in ("probability", "band", "decision") else "", band)
        if isinstance(value, bool):
            self._sheet.write_boolean(self._n_rows, at, value, style)
        elif isinstance(value, int | float):
            self._sheet.write_number(self._n_rows, at, value, style)
        elif value is not None:
            # Marked as text in the cell's own format: Excel does not run it after an edit either.
            style = self._format("quoted", band) if guard_formula(value) != value else style
            self._sheet.write_string(self._n_rows, at, value[:CELL_LENGTH], style)

    def _format(self, name: str, band: str) -> Any:
        key = (name, band if name in ("band", "decision") else "")
        if key not in self._formats:
            made = self._book.add_format({"num_format": "0%"} if name == "probability" else {})
            if name == "quoted":
                made.set_quote_prefix()
            if key[1]:
                decision = self._layout.band_decisions.get(band, "no-match")
                alike = [each for each, kind in self._layout.band_decisions.items() if kind == decision]
                made.set_bg_color(COLOURS[decision][0 if band == alike[-1:][0] else 1] if alike else "#FFFFFF")
            self._formats[key] = made
        return self._formats[key]


@contextlib.contextmanager
def open_worklist(where: Path, layout: Layout) -> Iterator[Writer]:
    """Write a work list to a path."""
    try:
        from xlsxwriter import Workbook
    except ImportError:
        raise UsageError(
            '--out: writing Excel needs xlsxwriter; pip install "leadml[excel]" installs it; or write .csv'
        ) from None
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(str(where), options) as book:
        writer = _WorkList(book, layout)
        yield writer
        writer._sheet.autofilter(0, 0, max(writer._n_rows, 1), len(writer._columns) - 1)
