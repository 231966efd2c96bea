"""How a text file is written, sniffed from its beginning: encoding, delimiter, header row, decimal mark."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from leadml.data.cells import CURRENCY, number_pattern
from leadml.data.chunks import Format, Notes, note
from leadml.exceptions import InputError

if TYPE_CHECKING:
    from leadml.data.mapping import ReadOptions

HEAD_BYTES = 1 << 20  # how much of a file is looked at
DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 200
_FEW_ROWS = 10
_TITLE_ROWS = 30  # a header stands in one of so many rows
_numbers = {mark: re.compile(re.sub(r"\\x\{(\w+)\}", r"\\u\1", number_pattern(mark))) for mark in ",."}
_beside = re.compile(rf"{CURRENCY}|%\s*$")  # what may stand beside a number
Record = tuple[list[str], int]  # cells, and the number of the line where they end


class TextFormat(NamedTuple):
    """How a text file is written, and its header; the table begins after `n_lines` physical lines."""

    format: Format
    header: tuple[str, ...]
    n_lines: int
    sample: tuple[list[str], ...]  # some records below the header
    notes: Notes


def sniff_text(
    head: bytes, options: ReadOptions, name: str, *, complete: bool, delimiter: str | None = None
) -> TextFormat:
    """Guess what the mapping leaves open; `complete`: the head is the whole file."""
    encoding = options.encoding or _encoding(head, complete)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    if not text.strip():
        raise InputError(f"{name}: is empty; valid: a header and at least one row; check the export")
    if "\0" in text:
        raise InputError(
            f"{name}: holds zero bytes; valid: a text file; export it again as CSV (a spreadsheet belongs in a file"
            " ending in .xlsx), or set read.encoding in the mapping"
        )
    header_row = None if options.header == "auto" else options.header
    told = {"encoding": options.encoding, "delimiter": delimiter, "decimal": options.decimal, "header_row": header_row}
    records: dict[str, list[Record]] = {}
    for each in [delimiter] if delimiter else DELIMITERS:
        if not each.isascii():
            raise InputError(f"{name}: got delimiter {each!r}; valid: an ASCII character; export it so")
        records[each] = _records(text, each, complete)
    # The delimiter under which most records are equally wide, then the most cells.
    delimiter = max(records, key=lambda each: _evenness(records[each]))
    at, notes = find_header([cells for cells, _ in records[delimiter]], options.header, name)
    header, n_lines = records[delimiter][at]
    sample = [cells for cells, _ in records[delimiter][at + 1 :] if len(cells) == len(header)]
    if len(sample) < _FEW_ROWS:  # a quote that is left open may hide the others
        lines = islice(io.StringIO(text, newline=None), n_lines, n_lines + 5 * _SAMPLE_ROWS)
        alone = (next(csv.reader([line], delimiter=delimiter), []) for line in lines if len(line) < HEAD_BYTES >> 4)
        sample += [cells for cells in alone if len(cells) == len(header)]
    decimal, ambiguous = sniff_decimal((cell for cells in sample for cell in cells), options.decimal, delimiter)
    encoding = "utf-8" if encoding in ("utf-8-sig", "ascii") else encoding
    sniffed = tuple(key for key, value in told.items() if value is None)
    how = Format("csv", encoding, delimiter, '"', decimal, header_row=at + 1, sniffed=sniffed)
    return TextFormat(how, tuple(map(str.strip, header)), n_lines, tuple(sample), ambiguous + notes)


def find_header(records: Sequence[Sequence[str]], told: int | str | None, name: str) -> tuple[int, Notes]:
    """Find the position of the header among the first records, and say so where it is not the first.

    Above a table may stand a title: rows with one or two filled cells, where several rows below have more.
    """
    if isinstance(told, int):
        if told > len(records) or not any(records[told - 1]):
            raise InputError(f"{name}: row {told} is blank or not there; read.header names the header's row")
        return told - 1, []
    first = next(at for at, cells in enumerate(records) if cells)
    filled = [sum(bool(cell.strip()) for cell in cells) for cells in records]
    width, n = _most(len(cells) for cells in records if len(cells) > 1)
    for at in range(first, min(len(records), _TITLE_ROWS)):
        if len(records[at]) == width and filled[at] > width / 2:
            said = f"row {at + 1} is taken as the header; if it is not, set read: {{header: 1}} (its row)"
            return at, [note(said)] if at > first and told is None else []
        if n < 2 or filled[at] > (1 if width < 5 else 2):
            break  # no title
    return first, []


def sniff_decimal(cells: Iterable[str], told: str | None, delimiter: str = "") -> tuple[str, Notes]:
    """Tell the decimal mark of numbers written as text."""
    if told:
        return told, []
    seen = Counter(_decimal_evidence(cell.strip()) for cell in cells)
    if seen[","] and seen["."]:
        mark = "," if seen[","] > seen["."] else "."
        text = (
            f"numbers with a decimal comma ({seen[',']}) and with a decimal point ({seen['.']}) in one file: read with"
            f' {mark!r}; set read: {{decimal: "{mark}"}} in the mapping if right'
        )
        return mark, [note(text)]
    if seen[","] or seen["."]:
        return "," if seen[","] else ".", []
    mark = "," if delimiter == ";" and seen["1.234"] else "."
    if not seen["1.234"]:
        return mark, []
    meant, other = ("1234", ".") if mark == "," else ("1.234", ",")
    how = f'if not, set read: {{decimal: "{other}"}} in the mapping'
    return mark, [note(f"numbers such as 1.234 are ambiguous: read as {meant}; {how}")]


def _decimal_evidence(cell: str) -> str:
    """Tell which mark a number can only have been written with; ``1.234`` when either."""
    if not ("," in cell or "." in cell) or not any(map(str.isdigit, cell)):
        return ""
    cell = _beside.sub("", cell).strip()
    comma, point = _numbers[","].match(cell), _numbers["."].match(cell)
    if comma and point:
        return "1.234" if "." in cell else ""
    return "," if comma else "." if point else ""


def _encoding(head: bytes, complete: bool) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=complete)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _records(text: str, delimiter: str, complete: bool) -> list[Record]:
    """Cut the first records; a blank line is an empty one."""
    records: list[Record] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    with contextlib.suppress(csv.Error):  # a cell beyond the csv module's limit: what was seen suffices
        records.extend((cells, reader.line_num) for cells in islice(reader, _SAMPLE_ROWS + 1))
    is_cut = not complete and 1 < len(records) <= _SAMPLE_ROWS
    return records[:-1] if is_cut else records


def _evenness(records: Sequence[Record]) -> tuple[float, int]:
    widths = [len(cells) for cells, _ in records if any(cells)]
    width, n = _most(widths)
    return (round(n / len(widths), 2), width) if width > 1 else (0.0, 0)


def _most(widths: Iterable[int]) -> tuple[int, int]:
    """The most frequent width, the largest of equals, and how often it is met."""
    return max(Counter(widths).items(), key=lambda item: (item[1], item[0]), default=(1, 0))
