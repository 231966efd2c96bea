"""How a text file is written, sniffed from its beginning: encoding, delimiter, quotes, header row, decimal mark."""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice, product
from typing import Any, NamedTuple

from leadml.data.cells import CURRENCY, number_pattern
from leadml.data.chunks import Format, Notes, note
from leadml.data.mapping import ReadOptions
from leadml.exceptions import InputError

HEAD_BYTES = 1 << 20  # how much of a file is looked at
DELIMITERS = (",", ";", "\t", "|")
SAMPLE_ROWS = 200
_FEW_ROWS = 10
_LOOKED_AT = 1 << 14  # characters (or bytes) in which single quotes (or zero bytes) are looked for
_TITLE_ROWS = 30  # a header stands in one of so many rows
_numbers = {mark: re.compile(number_pattern(mark)) for mark in ",."}
_beside = re.compile(rf"{CURRENCY}|%\s*$")  # what may stand beside a number
_single = re.compile(r"^'[^'\n]*'([,;\t|])'[^'\n]*'(\1'[^'\n]*')*\r?$", re.MULTILINE)
_maybe = re.compile(r"(^|[,;\t|])'", re.MULTILINE)


class TextFormat(NamedTuple):
    """How a text file is written, and its header; the table begins after `n_lines` physical lines."""

    format: Format
    header: tuple[str, ...]
    n_lines: int
    sample: tuple[list[str], ...]  # some records below the header
    notes: Notes


def sniff_text(head: bytes, options: ReadOptions, name: str, *, complete: bool) -> TextFormat:
    """Guess what the mapping leaves open; `complete`: the head is the whole file."""
    delimiter = options.delimiter
    encoding = options.encoding or _encoding(head, complete)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    if not text.strip():
        raise InputError(f"{name}: is empty; valid: a header and at least one row; check the export")
    if "\0" in text:
        raise InputError(
            f"{name}: holds zero bytes; valid: a text file; export it again as CSV (a spreadsheet belongs in a file"
            " ending in .xlsx), or set read.encoding in the mapping"
        )
    if delimiter and not delimiter.isascii():
        raise InputError(f"{name}: got delimiter {delimiter!r}; valid: an ASCII character; export it so")
    header_row = None if options.header == "auto" else options.header
    told = {"encoding": options.encoding, "delimiter": delimiter, "header_row": header_row}
    # A line whose cells all stand in single quotes tells; where some do, records are equally wide under the right ones.
    quotes = "'" if _single.search(text, 0, _LOOKED_AT) else '"' + "'" * bool(_maybe.search(text, 0, _LOOKED_AT))
    ways = product([delimiter] if delimiter else DELIMITERS, quotes)
    lines = io.StringIO(text, newline="")
    found = {way: _records(lines, *way, complete) for way in ways if way[0] != way[1]}
    (delimiter, quote), (_, records) = max(found.items(), key=lambda each: each[1][0])
    at, notes = find_header([cells for cells, _ in records], options.header, name)
    header, n_lines = records[at]
    sample = [cells for cells, _ in records[at + 1 :] if len(cells) == len(header)]
    if len(sample) < _FEW_ROWS:  # a quote that is left open may hide the others
        below = islice(io.StringIO(text, newline=None), n_lines, n_lines + 5 * SAMPLE_ROWS)
        short = (line for line in below if len(line) < HEAD_BYTES >> 4)
        alone = (next(csv.reader([line], delimiter=delimiter, quotechar=quote), []) for line in short)
        sample += [cells for cells in alone if len(cells) == len(header)]
    encoding = "utf-8" if encoding in ("utf-8-sig", "ascii") else encoding
    sniffed = tuple(key for key, value in told.items() if value is None)
    how = Format("csv", encoding, delimiter, quote, header_row=at + 1, sniffed=sniffed)
    how, ambiguous = sniff_decimal(how, chain.from_iterable(sample), options)
    notes += [note("cells stand in single quotes ('), and are read without them")] if quote == "'" else []
    return TextFormat(how, tuple(map(str.strip, header)), n_lines, tuple(sample), ambiguous + notes)


def _encoding(head: bytes, complete: bool) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    n_zeros = [head[at:_LOOKED_AT:2].count(0) for at in (0, 1)]
    if 4 * max(n_zeros) > min(len(head), _LOOKED_AT) and 16 * min(n_zeros) < max(n_zeros):  # no byte-order mark
        return "utf-16-be" if n_zeros[0] > n_zeros[1] else "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=complete)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _records(
    lines: io.StringIO, delimiter: str, quote: str, complete: bool
) -> tuple[tuple[float, int], list[tuple[list[str], int]]]:
    """Cut the first records, each with the number of the line where it ends; a blank line is an empty one.

    That way of writing is right under which most records are equally wide, then the one of most cells.
    """
    records: list[tuple[list[str], int]] = []
    lines.seek(0)
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote)
    with contextlib.suppress(csv.Error):  # a cell beyond the csv module's limit: what was seen suffices
        records.extend((cells, reader.line_num) for cells in islice(reader, SAMPLE_ROWS + 1))
    records = records[:-1] if not complete and 1 < len(records) <= SAMPLE_ROWS else records
    widths = Counter(len(cells) for cells, _ in records if any(cells))
    n, width = max(((n, width) for width, n in widths.items()), default=(0, 1))
    return ((round(n / widths.total(), 2), width) if width > 1 else (0.0, 0)), records


def find_header(records: Sequence[Sequence[str]], told: int | str | None, name: str) -> tuple[int, Notes]:
    """Find the position of the header among the first records, and say so where it is not the first.

    Above a table may stand a title: rows with one or two filled cells, where several rows below have more.
    """
    if isinstance(told, int):
        if told > len(records) or not any(records[told - 1]):
            raise InputError(f"{name}: row {told} is blank or not there; read.header names the header's row")
        return told - 1, []
    first = next(at for at, cells in enumerate(records) if cells)
    widths = Counter(len(cells) for cells in records if len(cells) > 1)
    n, width = max(((n, width) for width, n in widths.items()), default=(0, 1))
    for at, cells in enumerate(records[:_TITLE_ROWS]):
        filled = sum(bool(cell.strip()) for cell in cells)
        if at >= first and len(cells) == width and filled > width / 2:
            said = f"row {at + 1} is taken as the header; if it is not, set read: {{header: 1}} (its row)"
            return at, [note(said)] if at > first and told is None else []
        if n < 2 or filled > (1 if width < 5 else 2):
            break  # no title
    return first, []


def sniff_decimal(form: Format, cells: Iterable[Any], options: ReadOptions) -> tuple[Format, Notes]:
    """Tell the decimal mark of numbers that cells hold as text."""
    if options.decimal:
        return dataclasses.replace(form, decimal=options.decimal), []
    seen = Counter[str]()
    for cell in cells:
        if isinstance(cell, str) and ("," in cell or "." in cell) and any(map(str.isdigit, cell)):
            number = _beside.sub("", cell.strip()).strip()
            marks = "".join(mark for mark in ",." if _numbers[mark].match(number))
            seen["1.234" if marks == ",." and "." in number else marks] += 1
    meant, note_ = "," if seen[","] > seen["."] else ".", ""
    if options.sniffed_decimal == "," and not seen[","] and not seen["."]:
        meant = ","
    elif seen[","] and seen["."]:
        note_ = (
            f"numbers with a decimal comma ({seen[',']}) and with a decimal point ({seen['.']}) in one file: read with"
            f' {meant!r}; set read: {{decimal: "{meant}"}} in the mapping if right'
        )
    elif seen["1.234"] and not seen[","] and not seen["."]:
        meant, read, other = (",", "1234", ".") if form.delimiter == ";" else (".", "1.234", ",")
        how = f'if not, set read: {{decimal: "{other}"}} in the mapping'
        note_ = f"numbers such as 1.234 are ambiguous: read as {read}; {how}"
    return dataclasses.replace(form, decimal=meant, sniffed=(*form.sniffed, "decimal")), [note(note_)] * bool(note_)
