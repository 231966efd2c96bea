"""Tables in a terminal: drawn by rich where someone looks on, plain aligned text where it goes to a file."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

PLAIN_WIDTH: Final = 120
"""Columns of text that goes to a file."""

_NARROW: Final = 110  # a terminal below this gets no spare columns

_STYLES: Final = {
    "change": "bold yellow",
    "keep": "green",
    "undecided": "cyan",
    "cannot-judge": "dim",
    "stop": "bold red",
    "warn": "yellow",
    "note": "dim",
}


@dataclass(frozen=True)
class Table:
    """Rows of words under a heading.

    Attributes
    ----------
    title : str
        What the table tells.
    header : tuple of str
        Names of the columns; empty for none.
    rows : sequence of tuple of str
        As many cells each as there are columns.
    note : str
        How to read it; empty for none.
    spare : tuple of str
        Columns that a narrow terminal leaves out.
    """

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""
    spare: tuple[str, ...] = ()


def format_blocks(blocks: Sequence[str | Table], terminal: bool | None = None) -> str:
    """Write paragraphs and tables one below the other.

    Parameters
    ----------
    blocks : sequence of str or Table
        A str is a paragraph.
    terminal : bool, optional
        Whether to draw for a terminal; found out from stdout when absent.

    Returns
    -------
    str
        Text; with colours only for a terminal that shows them.

    Examples
    --------
    >>> print(format_blocks(["Two deals.", Table("Deals", ("id", "won"), [("a", "yes")])], terminal=False))
    Two deals.
    <BLANKLINE>
    Deals
      id  won
      a   yes
    """
    drawn = sys.stdout.isatty() if terminal is None else terminal
    return _printable(_draw(blocks) if drawn else "\n\n".join(map(_lay_out, blocks)))


def _printable(text: str) -> str:
    """Put something near in place of what stdout's encoding lacks, such as a true minus on some Windows."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.replace("−", "-").encode(encoding, "replace").decode(encoding)
    return text


def _lay_out(block: str | Table) -> str:
    """Write one block as plain text."""
    if isinstance(block, str):
        return "\n".join(textwrap.wrap(block, PLAIN_WIDTH))
    lines = [block.header, *block.rows] if block.header else block.rows
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    ]
    note = textwrap.wrap(block.note, PLAIN_WIDTH - 2, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([block.title, *rows, *note])


def _draw(blocks: Sequence[str | Table]) -> str:
    """Write the blocks as the terminal shows them best; what they say is never read as markup."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table as Drawn
    from rich.text import Text

    console = Console()
    with console.capture() as captured:
        for position, block in enumerate(blocks):
            if position:
                console.print()
            if isinstance(block, str):
                console.print(Text(block))
                continue
            kept = [
                at
                for at in range(len(block.rows[0]))
                if not block.header or console.width >= _NARROW or block.header[at] not in block.spare
            ]
            drawn = Drawn(box=None, show_header=bool(block.header), header_style="dim", pad_edge=False)
            for at in kept:
                name = block.header[at] if block.header else ""
                drawn.add_column(Text(name), no_wrap=not at, overflow="fold")
            for row in block.rows:
                drawn.add_row(*(_cell(row[at]) for at in kept))
            console.print(Text(block.title, style="bold"))
            console.print(Padding(drawn, (0, 0, 0, 2)))
            if block.note:
                console.print(Padding(Text(block.note, style="dim"), (0, 0, 0, 2)))
    return captured.get().rstrip("\n")


def _cell(words: str) -> Text:
    """Colour a verdict or a severity."""
    from rich.text import Text

    return Text(words, style=_STYLES.get(words.split(" ", 1)[0], ""))
