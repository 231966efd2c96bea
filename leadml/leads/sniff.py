"""How a text file is written: encoding, delimiter, quotes and decimal mark, guessed from its beginning."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from leadml.exceptions import InputError
from leadml.leads.values import number_pattern

if TYPE_CHECKING:
    from leadml.leads.mapping import ReadOptions

HEAD_BYTES = 1 << 20
"""How much of a file is looked at to guess how it is written."""

DELIMITERS = (",", ";", "\t", "|")

_CHUNK_BYTES = 1 << 20
_SAMPLE_ROWS = 200
_SAMPLE_CHARACTERS = 1 << 16


@dataclasses.dataclass(frozen=True)
class TextFormat:
    """How a text file is written.

    Attributes
    ----------
    encoding : str
        Name of a Python codec.
    delimiter : str
        One character.
    quote : str
        The quote character.
    decimal : str
        The decimal mark, ``.`` or ``,``.
    header : tuple of str
        The first record.
    has_quotes : bool
        Whether a quoted cell, and so a line end inside a cell, is possible.
    sniffed : tuple of str
        Which of these were guessed.
    notes : tuple of str
        What a reader of the report should know.
    """

    encoding: str
    delimiter: str
    quote: str
    decimal: str
    header: tuple[str, ...]
    has_quotes: bool
    sniffed: tuple[str, ...]
    notes: tuple[str, ...]


def sniff_text(
    head: bytes,
    options: ReadOptions,
    source: str,
    *,
    complete: bool,
    delimiter: str | None = None,
    path: Path | None = None,
) -> TextFormat:
    """Guess how a text file is written, unless the mapping says so.

    Parameters
    ----------
    head : bytes
        The beginning of the file.
    options : ReadOptions
        What the mapping says.
    source : str
        What messages call the file.
    complete : bool
        Whether `head` is the whole file.
    delimiter : str, optional
        The delimiter; guessed when absent.
    path : Path, optional
        An uncompressed file whose remainder can be scanned for quotes, zero bytes and what is not UTF-8.

    Returns
    -------
    TextFormat
        How the file is written.

    Raises
    ------
    InputError
        The file is empty, holds zero bytes, or is not in the encoding told.
    """
    if not head.strip(codecs.BOM_UTF8 + b"\r\n\t "):
        raise InputError(f"{source}: is empty; valid: a header and at least one row; check the export")
    notes: list[str] = []
    has_quotes, utf8 = True, _is_utf8(head, complete)
    wide = options.encoding or _wide_encoding(head)
    if wide is None or wide.startswith("utf-8"):
        _refuse_zero_bytes(head, source)
        if path is not None:
            has_quotes, utf8 = _scan(path, source)
    encoding = wide or ("utf-8" if utf8 else "cp1252")
    if options.encoding is None and encoding == "cp1252":
        notes.append(
            "not UTF-8: read as Windows-1252 (cp1252); check names with accents,"
            " or set read.encoding in the mapping"
        )
    if head.startswith(codecs.BOM_UTF8) and encoding in ("utf-8", "utf-8-sig"):
        encoding, head = "utf-8", head[3:]
    text = _decode(head, encoding, source, complete)
    quote = _quote(text)
    told = {"encoding": options.encoding, "delimiter": delimiter, "decimal": options.decimal}
    delimiter = delimiter or _delimiter(text, quote, complete)
    records = _records(text, delimiter, quote, complete)
    decimal, decimal_notes = _decimal(
        (cell for record in records[1:] for cell in record), delimiter, told=options.decimal
    )
    return TextFormat(
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        decimal=decimal,
        header=tuple(cell.strip() for cell in records[0]),
        has_quotes=has_quotes or quote == "'",
        sniffed=tuple(name for name, value in told.items() if value is None),
        notes=(*notes, *decimal_notes),
    )


def _wide_encoding(head: bytes) -> str | None:
    """Recognise UTF-16, with or without its byte order mark."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:4096]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) > len(sample) // 4 and min(even, odd) <= len(sample) // 50:
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def _is_utf8(head: bytes, complete: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=complete)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_zero_bytes(part: bytes, source: str, before: int = 0) -> None:
    at = part.find(b"\0")
    if at >= 0:
        raise InputError(
            f"{source}: byte {before + at + 1} is a zero byte; valid: a text file; export it again as CSV"
            " (a spreadsheet belongs in a file ending in .xlsx)"
        )


def _scan(path: Path, source: str) -> tuple[bool, bool]:
    """Look through a whole file: can a cell be quoted, and is it UTF-8? Costs about as much as copying it."""
    from concurrent.futures import ThreadPoolExecutor

    half = path.stat().st_size // 2
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(_quotes_in_ascii, (path, path), (0, half), (half, None)))
    if None not in found:
        return any(found), True
    decoder = codecs.getincrementaldecoder("utf-8")()
    has_quotes, utf8, before = False, True, 0
    room = bytearray(_CHUNK_BYTES)
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(room):
            part = np.frombuffer(room, np.uint8, count=size)
            if not part.min():
                _refuse_zero_bytes(bytes(part), source, before)
            before += size
            has_quotes = has_quotes or bool((part == ord('"')).any())
            # What follows a character cut in two is not ASCII alone, so the decoder sees both halves.
            if utf8 and (part.max() > 127 or decoder.getstate() != (b"", 0)):
                try:
                    decoder.decode(part.tobytes(), final=False)
                except UnicodeDecodeError:
                    utf8 = False
        if utf8 and decoder.getstate() != (b"", 0):
            utf8 = False
    return has_quotes, utf8


def _quotes_in_ascii(path: Path, start: int, end: int | None) -> bool | None:
    """Tell whether a part of a file holds a quote; None as soon as it holds anything but plain ASCII."""
    has_quotes, room = False, bytearray(_CHUNK_BYTES)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while (end is None or start < end) and (size := file.readinto(room)):
            part = np.frombuffer(room, np.uint8, count=size if end is None else min(size, end - start))
            if not part.min() or part.max() > 127:
                return None
            has_quotes = has_quotes or bool((part == ord('"')).any())
            start += size
    return has_quotes


def _decode(head: bytes, encoding: str, source: str, complete: bool) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head, final=complete)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: byte {error.start + 1} is not {encoding}; valid: text in one encoding;"
            " set read.encoding in the mapping, or save the file as UTF-8"
        ) from None


def _quote(text: str) -> str:
    first = text.lstrip().partition("\n")[0].strip()
    single = len(first) > 1 and first[0] == first[-1] == "'" and '"' not in first
    return "'" if single else '"'


def _records(text: str, delimiter: str, quote: str, complete: bool) -> list[list[str]]:
    records: list[list[str]] = []
    # The beginning mostly holds rows enough; its last one may be cut.
    for part in (text[:_SAMPLE_CHARACTERS], text) if len(text) > _SAMPLE_CHARACTERS else (text,):
        records = []
        try:
            for record in csv.reader(io.StringIO(part, newline=""), delimiter=delimiter, quotechar=quote):
                if len(records) > _SAMPLE_ROWS:
                    return records
                if record:
                    records.append(record)
        except csv.Error:
            pass  # a cell beyond the csv module's limit: what was seen suffices
    return records if complete or len(records) < 2 or len(records) > _SAMPLE_ROWS else records[:-1]


def _delimiter(text: str, quote: str, complete: bool) -> str:
    """Take the delimiter under which most records have as many cells as the header, then the most cells."""

    def rank(delimiter: str) -> tuple[float, int]:
        widths = [len(record) for record in _records(text, delimiter, quote, complete)]
        if not widths or widths[0] < 2:
            return (0.0, 0)
        return (round(widths.count(widths[0]) / len(widths), 2), widths[0])

    best = max(DELIMITERS, key=rank)
    return best if rank(best) > (0.0, 0) else ","


def _decimal(cells: Iterable[str], delimiter: str, told: str | None) -> tuple[str, list[str]]:
    if told:
        return told, []
    seen: Counter[str] = Counter()
    for cell in cells:
        seen.update(_decimal_evidence(cell.strip()))
    notes = []
    if seen[","] and seen["."]:
        chosen = "," if seen[","] > seen["."] else "."
        notes.append(
            f"numbers with a decimal comma ({seen[',']}) and with a decimal point ({seen['.']}) in one file:"
            f" read with {chosen!r}; set read.decimal in the mapping"
        )
    elif seen[","] or seen["."]:
        chosen = "," if seen[","] else "."
    else:
        chosen = "." if delimiter != ";" or not seen["1.234"] else ","
        if seen["1.234"]:
            meant = "1234" if chosen == "," else "1.234"
            notes.append(
                f"numbers such as 1.234 are ambiguous: read as {meant};"
                " set read.decimal in the mapping if not"
            )
    return chosen, notes


def _decimal_evidence(cell: str) -> list[str]:
    """Say which mark a number can only have been written with."""
    if not any(c.isdigit() for c in cell) or not ("," in cell or "." in cell):
        return []
    comma, point = (
        re.match(number_pattern(d).replace(r"\x{00A0}\x{202F}", "\xa0\u202f"), cell) for d in ",."
    )
    if comma and point:
        return ["1.234"] if "." in cell else []
    return [","] if comma else ["."] if point else []


def read_head(stream: BinaryIO) -> bytes:
    """Read the beginning of a stream, however little a single read returns.

    Parameters
    ----------
    stream : binary stream
        An open stream.

    Returns
    -------
    bytes
        At most `HEAD_BYTES`; fewer when the stream ends.
    """
    parts: list[bytes] = []
    left = HEAD_BYTES
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
