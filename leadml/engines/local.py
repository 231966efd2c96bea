"""One machine, in a stream: batches in, levels, look-up, batches out, the order kept, memory bounded."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from leadml.card import Card
from leadml.engines.rejected import open_rejected, rejected_path
from leadml.engines.scorer import Scorer, check_told
from leadml.engines.sinks import open_sink
from leadml.engines.writers import check_out
from leadml.exceptions import InputError
from leadml.leads.tables import Table, open_table
from leadml.leads.workers import Workers

if TYPE_CHECKING:
    from leadml.leads.mapping import Mapping

__all__ = ["Totals", "score_table", "tell_limits"]

RELEASE_EVERY = 64
"""After so many chunks, memory that Arrow holds in reserve is given back."""


@dataclasses.dataclass(frozen=True)
class Totals:
    """What became of the rows.

    Attributes
    ----------
    n_rows, n_scored, n_rejected : int
        Rows read, scored and rejected; the first is the sum of the others.
    rejected : str or None
        The file that tells why.
    """

    n_rows: int
    n_scored: int
    n_rejected: int
    rejected: str | None


def score_table(
    source: str | os.PathLike[str],
    mapping: Mapping,
    cards: Sequence[Card],
    out: str,
    *,
    told: Sequence[str] | None = None,
    keep_columns: bool = False,
    name_policy: bool = False,
    query: str | None = None,
    into: str | None = None,
    say: Callable[[str], None],
) -> Totals:
    """Score a table with cards.

    Parameters
    ----------
    source : str or path
        Where the leads come from; see `leadml.leads.tables.open_table`.
    mapping : Mapping
        What its columns mean.
    cards : sequence of Card
        The cards.
    out : str
        A file by its ending, or ``-`` for standard output.
    told : sequence of str, optional
        Which columns of `predict` to write; all of them when absent.
    keep_columns : bool
        Whether the columns of the export come along; one whose name is taken is called ``input_NAME``.
    name_policy : bool
        Whether a column ``policy`` names the card of each row.
    query : str, optional
        What to ask of a database as source.
    into : str, optional
        The table to make in a database as destination.
    say : callable
        Takes a message for the user.

    Returns
    -------
    Totals
        Rows read, scored and rejected.

    Raises
    ------
    InputError
        When the table cannot be used, or none of its rows can.
    UsageError
        When the destination cannot be.
    """
    check_out(out, source, into)
    check_told(told)
    table = open_table(source, mapping.read, query=query)
    scorer = Scorer(table, mapping, cards, told=told, keep_columns=keep_columns, name_policy=name_policy)
    tell_limits(scorer, table, say)
    n_scored = n_rejected = n_harmless = 0
    with contextlib.ExitStack() as stack:
        # The rejected rows are kept even when none is left to score.
        reject = stack.enter_context(open_rejected(out, say, into))
        failed: InputError | None = None
        with Workers() as workers, contextlib.ExitStack() as inner:
            sink = open_sink(out, scorer, inner, into)
            done = workers.map(
                lambda chunk: sink.make(scorer.judge(chunk)), table.chunks(scorer.columns, workers)
            )
            for n_chunks, (_, made) in enumerate(done, start=1):
                if n_chunks % RELEASE_EVERY == 0:
                    pa.default_memory_pool().release_unused()
                reject(made.rejected)
                n_rejected += made.n_rejected
                n_scored += made.n_scored
                n_harmless += made.n_harmless
                if made.n_scored:
                    sink.write(made)
            if not n_scored:
                failed = InputError(
                    f"{table.source}: none of its {table.n_rows} rows can be used; "
                    f"see {rejected_path(out, into) or 'above'} and correct the mapping or the export"
                )
    if n_harmless:
        say(f"{n_harmless} cells that a spreadsheet would run as a formula begin with ' now")
    path = str(rejected_path(out, into)) if n_rejected and out != "-" else None
    where = f" (why: {path})" if path else ""
    say(f"{table.n_rows} rows = {n_scored} scored + {n_rejected} rejected{where}")
    if failed:
        raise failed
    return Totals(table.n_rows, n_scored, n_rejected, path)


def tell_limits(scorer: Scorer, table: Table, say: Callable[[str], None]) -> None:
    """Say what the scores do not rest on.

    Parameters
    ----------
    scorer : Scorer
        Who scores.
    table : Table
        What is read.
    say : callable
        Takes a message for the user.
    """
    for note in table.notes:
        say(note)
    if scorer.unmapped:
        say(f"not mapped, so unknown for every lead: {', '.join(scorer.unmapped)}")
    absent = [c for name in scorer.criteria if (c := _own_column(scorer.mapping, name)) not in table.columns]
    if absent:
        say(f"not in the file, so unknown: {', '.join(map(str, absent))}")
    renamed = [f"{column} as {name}" for column, name in scorer.kept.items() if column != name]
    if renamed:
        say(f"kept under another name, as theirs is taken: {', '.join(renamed)}")


def _own_column(mapping: Mapping, name: str) -> str | None:
    return mapping.criteria[name].column if name in mapping.criteria else None
