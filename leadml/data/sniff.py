"""How a text file is written, sniffed from its beginning: encoding, delimiter, quote, header row, decimal."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
_SAMPLE_CHARACTERS = 1 << 16
_TITLE_ROWS = 30  # a header stands in one of so many rows
_numbers = {mark: re.compile(re.sub(r"\\x\{(\w+)\}", r"\\u\1", number_pattern(mark))) for mark in ",."}
_beside = re.compile(rf"{CURRENCY}|%\s*$")  # what may stand beside a number


class TextFormat(NamedTuple):
    """How a text file is written, and its header; the table begins after `n_lines` physical lines."""

    format: Format
    header: tuple[str, ...]
    n_lines: int
    sample: tuple[tuple[str, ...], ...]  # some records below the header
    notes: Notes


def sniff_text(
    head: bytes, options: ReadOptions, name: str, *, complete: bool, delimiter: str | None = None
) -> TextFormat:
    """Guess what the mapping leaves open; `complete`: the head is the whole file."""
    if not head.strip(codecs.BOM_UTF8 + b"\r\n\t "):
        raise InputError(f"{name}: is empty; valid: a header and at least one row; check the export")
    encoding = options.encoding or _encoding(head, complete)
    text = _decode(head, encoding, name, complete)
    if "\0" in text:
        raise InputError(
            f"{name}: holds zero bytes; valid: a text file; export it again as CSV"
            " (a spreadsheet belongs in a file ending in .xlsx)"
        )
    quote = _quote(text)
    header_row = None if options.header == "auto" else options.header
    told = {"encoding": options.encoding, "delimiter": delimiter, "decimal": options.decimal, "header_row": header_row}
    delimiter = delimiter or _delimiter(text, quote, complete)
    if not delimiter.isascii():
        raise InputError(f"{name}: got delimiter {delimiter!r}; valid: an ASCII character; export it so")
    records = _records(text, delimiter, quote, complete)
    at, notes = find_header([cells for cells, _ in records], options.header, name)
    header, n_lines = records[at]
    sample = [tuple(cells) for cells, _ in records[at + 1 :] if len(cells) == len(header)]
    if len(sample) < _FEW_ROWS:  # a quote that is left open may hide the others
        sample = [*sample, *_lines(text, n_lines, delimiter, quote, len(header))]
    cells = (cell for record in sample for cell in record)
    decimal, more = sniff_decimal(cells, options.decimal, delimiter)
    encoding = "utf-8" if encoding in ("utf-8-sig", "ascii") else encoding
    sniffed = tuple(key for key, value in told.items() if value is None)
    how = Format("csv", encoding, delimiter, quote, decimal, header_row=at + 1, sniffed=sniffed)
    return TextFormat(how, tuple(cell.strip() for cell in header), n_lines, tuple(sample), more + notes)


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
    widths = Counter(len(cells) for cells in records if len(cells) > 1)
    width, n = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
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
    seen: Counter[str] = Counter()
    for cell in cells:
        seen[_decimal_evidence(cell.strip())] += 1
    if seen[","] and seen["."]:
        mark = "," if seen[","] > seen["."] else "."
        text = (
            f"numbers with a decimal comma ({seen[',']}) and with a decimal point ({seen['.']}) in one file:"
            f' read with {mark!r}; set read: {{decimal: "{mark}"}} in the mapping if right'
        )
        return mark, [note(text)]
    if seen[","] or seen["."]:
        return "," if seen[","] else ".", []
    mark = "," if delimiter == ";" and seen["1.234"] else "."
    if not seen["1.234"]:
        return mark, []
    meant = "1234" if mark == "," else "1.234"
    other = "." if mark == "," else ","
    text = (
        f'numbers such as 1.234 are ambiguous: read as {meant}; if not, set read: {{decimal: "{other}"}} in the mapping'
    )
    return mark, [note(text)]


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
    sample = head[:4096]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) > len(sample) // 4 and min(even, odd) <= len(sample) // 50:
        return "utf-16-be" if even > odd else "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=complete)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _decode(head: bytes, encoding: str, name: str, complete: bool) -> str:
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head, final=complete)
    except UnicodeDecodeError as error:
        row = head[: error.start].count(b"\n") + 1
        raise InputError(bad_bytes(name, row, head[error.start : error.end], encoding)) from None
    return text.removeprefix("\ufeff")


def bad_bytes(name: str, row: int, found: bytes, encoding: str) -> str:
    """Say which bytes are in another encoding."""
    return (
        f"{name}: row {row} holds bytes that are not {encoding} (0x{found[:4].hex().upper()}); valid: one"
        " encoding throughout; set read.encoding in the mapping, or save the file as UTF-8"
    )


def _quote(text: str) -> str:
    first = text.lstrip().partition("\n")[0].strip()
    single = len(first) > 1 and first[0] == first[-1] == "'" and '"' not in first
    return "'" if single else '"'


def _records(text: str, delimiter: str, quote: str, complete: bool) -> list[tuple[list[str], int]]:
    """Cut the first records, each with the number of the line where it ends; a blank line is an empty one."""
    records: list[tuple[list[str], int]] = []
    # The beginning mostly holds rows enough; its last one may be cut.
    for part in (text[:_SAMPLE_CHARACTERS], text) if len(text) > _SAMPLE_CHARACTERS else (text,):
        records = []
        reader = csv.reader(io.StringIO(part, newline=""), delimiter=delimiter, quotechar=quote)
        try:
            for cells in reader:
                if len(records) > _SAMPLE_ROWS:
                    return records
                records.append((cells, reader.line_num))
        except csv.Error:
            pass  # a cell beyond the csv module's limit: what was seen suffices
    return records if complete or len(records) < 2 or len(records) > _SAMPLE_ROWS else records[:-1]


def _lines(text: str, n_lines: int, delimiter: str, quote: str, width: int) -> Iterator[tuple[str, ...]]:
    """The first lines that by themselves are whole records."""
    for line in islice(io.StringIO(text, newline=None), n_lines, n_lines + 5 * _SAMPLE_ROWS):
        if len(line) < _SAMPLE_CHARACTERS:
            cells = next(csv.reader([line], delimiter=delimiter, quotechar=quote))
            if len(cells) == width:
                yield tuple(cells)


def _delimiter(text: str, quote: str, complete: bool) -> str:
    """Take the delimiter under which most records are equally wide, then the most cells."""

    def rank(delimiter: str) -> tuple[float, int]:
        widths = [len(cells) for cells, _ in _records(text, delimiter, quote, complete) if any(cells)]
        width, n = max(Counter(widths).items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        return (round(n / len(widths), 2), width) if width > 1 else (0.0, 0)

    best = max(DELIMITERS, key=rank)
    return best if rank(best) > (0.0, 0) else ","
