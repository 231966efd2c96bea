"""Excel work list: names first, frozen header, filter, band colours, number formats, columns explained; and the
words of a locale, for it and for what a card says."""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
from pydantic import Field

from leadml.data.rejections import guard_formula
from leadml.exceptions import UsageError
from leadml.records import Record, load_record
from leadml.scoring.writers import Layout, Writer, plain_value

SHEET_ROWS = 1_048_575
CELL_LENGTH = 32_767
COLOURS = {"ready": ("#C6EFCE", "#E2F5E5"), "wait": ("#FFEB9C", "#FFF5CC"), "no-match": ("#E7E6E6", "#F2F2F2")}
WIDTHS = {"reasons": 48, "question": 40, "if_answered": 40, "action": 24, "caveats": 24, "unknown": 24}
BESIDE_NAMES = ("action", "question")


class Words(Record):
    """Words of one locale; what has no translation stays as the card has it."""

    leads_sheet: str
    columns_sheet: str
    other_column: str  # what a kept column of the input is said to hold
    columns: dict[str, tuple[str, str]]  # title and explanation
    decisions: dict[str, str] = Field(default_factory=dict)
    phrases: dict[str, str] = Field(default_factory=dict)


class _Locales(Record):
    en: Words
    nl: Words


@functools.cache
def words_of(locale: str) -> Words:
    """Words of a locale."""
    locales = load_record(files("leadml.scoring") / "words.yaml", _Locales)
    if locale not in _Locales.model_fields:
        raise UsageError(f"--locale: got {locale!r}, valid are {', '.join(_Locales.model_fields)}")
    words: Words = getattr(locales, locale)
    return words


class WorkList(Writer):
    """One sheet of leads and one that explains its columns."""

    def __init__(self, layout: Layout, path: Path) -> None:
        try:
            from xlsxwriter import Workbook
        except ImportError:
            raise UsageError(
                '--out: writing Excel needs xlsxwriter; pip install "leadml[excel]" installs it; or write .csv'
            ) from None
        super().__init__(layout)
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book, self._n_rows, words = Workbook(str(path), options), 0, words_of(layout.locale)
        names = ["lead_id", *layout.columns, *layout.kept]
        front = ["lead_id", *layout.first, *(name for name in BESIDE_NAMES if name in layout.columns)]
        self._order = sorted(range(len(names)), key=lambda at: [*front, *names].index(names[at]))
        self._columns = [names[at] for at in self._order]
        titles = {name: words.columns[name] for name in self._columns if name in words.columns}
        taken = {title for title, _ in titles.values()}
        self._sheet = self._book.add_worksheet(words.leads_sheet)
        about = self._book.add_worksheet(words.columns_sheet)
        about.set_column(0, 0, 18)
        about.set_column(1, 1, 110)
        head = self._book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        share = self._book.add_format({"num_format": "0%"})
        # Marked as text in the cell's own format: Excel does not run it after an edit either.
        self._quoted = self._book.add_format()
        self._quoted.set_quote_prefix()
        for at, name in enumerate(self._columns):
            kept = f"{name} *" if name in taken else name, words.other_column
            title, meaning = titles.get(name, kept)
            title = layout.titles.get(name, title)  # a file for the CRM is called as the CRM calls it
            self._sheet.set_column(at, at, WIDTHS.get(name, 14), share if name == "probability" else None)
            self._sheet.write_string(0, at, title, head)
            about.write_string(at, 0, title, head)
            about.write_string(at, 1, meaning)
        self._sheet.freeze_panes(1, 1 + len(layout.first))
        # Of bands that mean the same the last has the strongest colour.
        strongest = {decision: band for band, decision in layout.band_decisions.items()}
        shades = {band: COLOURS[kind][strongest[kind] != band] for band, kind in layout.band_decisions.items()}
        self._colours = {band: self._book.add_format({"bg_color": shade}) for band, shade in shades.items()}

    def write(self, made: pa.RecordBatch) -> None:
        """Write rows."""
        if self._n_rows + len(made) > SHEET_ROWS:
            raise UsageError(f"--out: a sheet holds at most {SHEET_ROWS:,} rows; write .csv or .parquet")
        for row in zip(*(made.column(at).to_pylist() for at in self._order), strict=True):
            self._n_rows += 1
            colour = self._colours.get(str(dict(zip(self._columns, row, strict=True)).get("band")))
            for at, value in enumerate(map(plain_value, row)):
                if isinstance(value, str):
                    style = colour if self._columns[at] in ("band", "decision") else None
                    style = self._quoted if guard_formula(value) != value else style
                    self._sheet.write_string(self._n_rows, at, value[:CELL_LENGTH], style)
                elif value is not None:
                    self._sheet.write(self._n_rows, at, value)

    def close(self) -> None:
        """Write the file."""
        self._book.close()

    def finish(self) -> None:
        """Let the filter cover what was written."""
        self._sheet.autofilter(0, 0, max(self._n_rows, 1), len(self._columns) - 1)
