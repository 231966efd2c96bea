"""Messages, progress line, exit codes, tables (by rich) and numbers in words."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from leadml.exceptions import LeadmlError

log = logging.getLogger("leadml")


def say(message: str) -> None:
    """Tell the user something, on stderr; the logger ``leadml`` tells it too."""
    _bar.erase()
    print(message, file=sys.stderr, flush=True)  # noqa: T201
    log.info(message)


_ESCAPES = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)"


def clean(text: str) -> str:
    """Take terminal escapes, control and invisible characters out of text that came from a file.

    >>> clean("ACME\\x1b[31m red\\r\\x9b1m\\u202e!")
    'ACME red 1m!'
    """
    shown = text if text.isprintable() else re.sub(r"\s", " ", re.sub(_ESCAPES, "", text))
    return "".join(filter(str.isprintable, shown))


BAR_WIDTH: Final = 24
SECONDS_BETWEEN: Final = 0.1
ERASE: Final = "\r\x1b[K"


class _Bar:
    """One line on stderr, rewritten at most ten times a second, gone before anything else is written."""

    _label, _begun, _written, _n_begun, _n_last, _is_shown = "", 0.0, 0.0, 0.0, 0.0, False

    def show(self, label: str, done: float, total: float | None, unit: str) -> None:
        now = time.monotonic()
        if label != self._label or done < self._n_last:
            self._label, self._begun, self._written, self._n_begun = label, now, now, done
        self._n_last = done
        if now - self._written < SECONDS_BETWEEN:
            return
        self._written = now
        share = min(done / total, 1.0) if total else 0.0
        filled = round(share * BAR_WIDTH)
        bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:4.0%}  " if total else ""
        speed = (done - self._n_begun) / (now - self._begun)
        sys.stderr.write(f"{ERASE}{label}  {bar}{done:,.0f} {unit}, {speed:,.{0 if speed >= 10 else 1}f} a second")
        sys.stderr.flush()
        self._is_shown = True

    def erase(self) -> None:
        if self._is_shown:
            self._is_shown = False
            sys.stderr.write(ERASE)
            sys.stderr.flush()


_bar = _Bar()


def progress(label: str, done: float, total: float | None = None, unit: str = "rows") -> None:
    """Show how far something has come, on a terminal only; call it as often as you like."""
    if sys.stderr.isatty():
        _bar.show(label, done, total, unit)


def end_well(command: Callable[[], object], *, debug: bool = False) -> None:
    """Run a command; whatever happens ends in one message and an exit code (an int returned is the code).

    A terminated command (SIGTERM) ends like one interrupted by Ctrl-C: its `finally` blocks run, and 130.
    """
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        try:
            code = command()
        finally:
            _bar.erase()
            if before is not None:
                signal.signal(signal.SIGTERM, before)
    except BrokenPipeError:
        # The reader has had enough; what is still to be flushed at exit has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        say("leadml: interrupted; nothing half-written is left behind")
        sys.exit(130)
    except Exception as error:
        if debug:
            import traceback

            traceback.print_exception(error)
        said = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        told = f"internal error: {said}; --debug shows where, please report it"
        if isinstance(error, LeadmlError):
            told = str(error)
        elif isinstance(error, MemoryError):
            told = "not enough memory; close other programs or give fewer rows"
        elif isinstance(error, OSError):
            told = f"the system refused ({error})"
        say("\n".join(map(clean, f"leadml: {told}".split("\n"))))
        sys.exit(error.exit_code if isinstance(error, LeadmlError) else 1)
    if isinstance(code, int) and code:
        sys.exit(code)


PLAIN_WIDTH: Final = 120
UNBROKEN: Final = 10_000
"""Width of a table in plain text, whose rows are lines."""
NARROW: Final = 110  # a terminal below this gets no spare columns
_STYLES: Final = {
    "change": "bold yellow", "keep": "green", "depends": "cyan", "undecided": "cyan", "cannot-judge": "dim",
    "stop": "bold red", "warn": "yellow", "note": "dim",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Rows of words under a title; narrow terminals get no `spare` columns, and `header` may be empty."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    spare: Sequence[str] = ()


def format_blocks(blocks: Sequence[str | Table], terminal: bool | None = None) -> str:
    """Write paragraphs (str) and tables below one another by rich, in plain text where stdout is no terminal.

    What the words say is never read as markup. Lines of a paragraph that begin with two spaces are commands to copy,
    and are not broken.
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table as Drawn
    from rich.text import Text

    is_drawn = sys.stdout.isatty() if terminal is None else terminal
    console = Console(color_system="auto" if is_drawn else None, width=None if is_drawn else PLAIN_WIDTH)
    with console.capture() as captured:
        for position, block in enumerate(blocks):
            if position:
                console.print()
            if isinstance(block, str):
                for line in block.split("\n"):
                    console.print(Text(line), soft_wrap=line[:2] == "  ")
                continue
            header = block.header or [""] * (len(block.rows[0]) if block.rows else 0)
            kept = [at for at, name in enumerate(header) if console.width >= NARROW or name not in block.spare]
            drawn = Drawn(box=None, show_header=bool(block.header), header_style="dim", pad_edge=False)
            for at in kept:
                drawn.add_column(Text(clean(header[at])), no_wrap=not at, overflow="fold")
            for row in block.rows:
                cells = [clean(row[at]) for at in kept]
                drawn.add_row(*(Text(cell, _STYLES.get(cell.split(" ", 1)[0], "")) for cell in cells))
            console.print(Text(block.title, style="bold"))
            console.print(Padding(drawn, (0, 0, 0, 2), expand=False), width=None if is_drawn else UNBROKEN)
            if block.note:
                console.print(Padding(Text(block.note, style="dim"), (0, 0, 0, 2)))
    text = "\n".join(map(str.rstrip, captured.get().rstrip("\n").split("\n")))
    # Some Windows code pages lack the true minus.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.replace(_MINUS, "-").encode(encoding, "replace").decode(encoding)
    return text


UNKNOWN_TEXT: Final = "—"
_MINUS: Final = "\u2212"


def number(value: float | None, digits: int = 0, *, signed: bool = False) -> str:
    """Write a number with thousands separators and a true minus; a dash for what is not known.

    >>> number(1234.5, 1), number(None), number(0.2, signed=True), number(-3)
    ('1,234.5', '—', '0', '−3')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN_TEXT
    text = f"{abs(value):,.{digits}f}"
    if not text.strip("0.,"):
        return text
    return (_MINUS if value < 0 else "+" if signed else "") + text


def rounded(value: float | None) -> str:
    """Write a number with two digits that count, as a ratio is read: ``2.1``, ``12``, ``540``.

    >>> rounded(2.04), rounded(12.3), rounded(539.0), rounded(12_345.6)
    ('2.0', '12', '540', '12,000')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN_TEXT
    value = float(f"{value:.2g}")
    return number(value, 1 if abs(value) < 10 else 0)


def percent(value: float | None, digits: int = 0, *, signed: bool = False) -> str:
    """Write a share (0 to 1) as a percentage: ``25%``."""
    text = number(None if value is None else 100 * value, digits, signed=signed)
    return text if text == UNKNOWN_TEXT else text + "%"


class Text(NamedTuple):
    """An estimate in words and its interval ("" where there is none)."""

    value: str = UNKNOWN_TEXT
    between: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.between})" if self.between else self.value


_FIGURES: Final = {
    "percent": (100, False, 0, 1, 0.04), "gain": (100, True, 0, 1, 0.1), "decimal": (1, False, 2, 3, 0.02),
    "signed": (1, True, 2, 3, 0.02), "money": (1, False, 0, 2, 10), "tenths": (1, False, 1, 1, 0),
}  # fmt: skip
"""Of each style: factor, sign, digits, and more digits where the interval is narrower than the last."""


def figure_text(figure: Any, style: str, currency: str = "") -> Text:
    """A `leadml.result.Figure` with the digits that its interval supports: ``61%``, ``54 to 68%``."""
    if figure is None or figure.value is None or not math.isfinite(figure.value):
        return Text()
    factor, signed, digits, more, narrow = _FIGURES[style]
    ends = () if figure.low is None or figure.high is None else (figure.low, figure.high)
    # An estimate without an interval is exact: a share has a digit to spare then.
    is_narrow = 0 < ends[1] - ends[0] < narrow if ends else factor == 100
    unit = "%" if factor == 100 else f" {currency}" if currency and style == "money" else ""
    value, *between = (
        number(factor * each, more if is_narrow else digits, signed=signed) for each in (figure.value, *ends)
    )
    is_point = set(ends) == {figure.value}
    return Text(value + unit, "" if is_point else " to ".join(between) + unit * bool(between))


def joined(items: Sequence[str], last: str = "and") -> str:
    """Join words as a sentence does: ``budget, need and timeline``."""
    return "".join(items) if len(items) < 2 else f"{', '.join(items[:-1])} {last} {items[-1]}"
