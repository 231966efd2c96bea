"""Rows that could not be used, told one by one beside the output."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from leadml.card.files import replacing
from leadml.engines.writers import FORMULA

if TYPE_CHECKING:
    from leadml.leads.chunks import Rejection

__all__ = ["NamedRejection", "open_rejected", "rejected_path"]

N_SHOWN = 10


class NamedRejection(NamedTuple):
    """Why a row cannot be used that has no number, such as one of a table: its lead stands for it."""

    row: str
    column: str
    value: str
    reason: str


def rejected_path(out: str, table: str | None = None) -> Path | None:
    """Name the file for the rejected rows.

    Parameters
    ----------
    out : str
        The destination of the scored ones.
    table : str, optional
        The table of a database.

    Returns
    -------
    Path or None
        ``OUT.rejected.csv``, of a database ``TABLE.rejected.csv``; None for standard output.
    """
    if table is not None:
        return Path(f"{table.replace('/', '_')}.rejected.csv")
    return None if out == "-" else Path(f"{out}.rejected.csv")


@contextlib.contextmanager
def open_rejected(
    out: str, say: Callable[[str], None], table: str | None = None
) -> Iterator[Callable[[Iterable[Rejection | NamedRejection]], None]]:
    """Open the file for the rejected rows. It is made when there are any; an old one goes otherwise.

    Parameters
    ----------
    out : str
        The destination of the scored ones; with ``-`` the first few are told instead of written.
    say : callable
        Takes a message.
    table : str, optional
        The table of a database.

    Yields
    ------
    callable
        Takes rejections.
    """
    path = rejected_path(out, table)
    with contextlib.ExitStack() as stack:
        writer = None
        n_told = 0

        def write(rejected: Iterable[Rejection | NamedRejection]) -> None:
            nonlocal writer, n_told
            for each in rejected:
                if path is None:
                    n_told += 1
                    if n_told <= N_SHOWN:
                        say(f"  row {each.row}, {each.column or 'whole row'}: {each.value!r} {each.reason}")
                    continue
                if writer is None:
                    import csv

                    temporary = stack.enter_context(replacing(path, lasting=False))
                    file = stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
                    writer = csv.writer(file)
                    writer.writerow(["row", "column", "value", "reason"])
                cells = (str(each.row), each.column, each.value, each.reason)
                writer.writerow([f"'{cell}" if re.match(FORMULA, cell) else cell for cell in cells])

        yield write
        if n_told > N_SHOWN:
            say(f"  and {n_told - N_SHOWN} more; -o FILE writes them all to FILE.rejected.csv")
        if writer is None and path is not None:
            path.unlink(missing_ok=True)
