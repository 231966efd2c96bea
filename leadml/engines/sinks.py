"""What becomes of scored leads: made ready beside the reading, written in order."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from leadml.engines.csv_rows import CsvRows
from leadml.engines.writers import (
    FORMULA,
    Write,
    is_spreadsheet,
    kind_of_out,
    make_harmless,
    open_text,
    open_writer,
)
from leadml.exceptions import InputError

if TYPE_CHECKING:
    from leadml.engines.scorer import Judged, Scorer
    from leadml.leads.chunks import Rejection

__all__ = ["Made", "Sink", "open_sink"]


@dataclasses.dataclass(frozen=True)
class Made:
    """Some leads, ready to be written.

    Attributes
    ----------
    content : bytes-like or RecordBatch
        Lines of text, or rows.
    n_scored, n_rejected : int
        Leads in it, and rows that are not.
    n_harmless : int
        Cells that were changed so that no spreadsheet runs them.
    rejected : list of Rejection
        Why rows are not in it.
    """

    content: bytes | memoryview | pa.RecordBatch
    n_scored: int
    n_rejected: int
    n_harmless: int
    rejected: list[Rejection]


class Sink(Protocol):
    """A destination."""

    def make(self, judged: Judged) -> Made:
        """Make leads ready to be written; may run in any thread.

        Parameters
        ----------
        judged : Judged
            What cards say of them.
        """

    def write(self, made: Made) -> None:
        """Write them; called in the order of the leads.

        Parameters
        ----------
        made : Made
            At least one lead.
        """


def open_sink(out: str, scorer: Scorer, stack: contextlib.ExitStack, table: str | None = None) -> Sink:
    """Open a destination, once there is something to write.

    Parameters
    ----------
    out : str
        A file by its ending, or ``-`` for standard output.
    scorer : Scorer
        Whose leads will come.
    stack : ExitStack
        Closes the destination: well, or not at all.
    table : str, optional
        The table of a database.

    Returns
    -------
    Sink
        The destination.
    """
    return TextSink(out, scorer, stack) if is_spreadsheet(out) else BatchSink(out, scorer, stack, table)


class TextSink:
    """CSV and TSV.

    Parameters
    ----------
    out : str
        The destination.
    scorer : Scorer
        Whose leads will come.
    stack : ExitStack
        Closes the destination.
    """

    def __init__(self, out: str, scorer: Scorer, stack: contextlib.ExitStack) -> None:
        self._out, self._scorer, self._stack = out, scorer, stack
        delimiter = "\t" if kind_of_out(out) == ".tsv" else ","
        self._rows = CsvRows(scorer.cards, scorer.told, delimiter, name_policy=scorer.names_policy)
        self._write: Callable[[bytes | memoryview], object] | None = None

    def make(self, judged: Judged) -> Made:
        """Make leads ready to be written.

        Parameters
        ----------
        judged : Judged
            What cards say of them.

        Returns
        -------
        Made
            Their lines.
        """
        # Only what the export holds can be a formula; the card's own words are checked when it is made.
        harmless = [make_harmless(column) for column in (judged.lead_id, *judged.kept.values())]
        (lead_id, *kept), changed = zip(*harmless, strict=True)
        lines = self._rows.lines(lead_id, judged.scored, kept)
        return Made(
            lines, len(lead_id), judged.n_rejected, len(judged.scored) * sum(changed), judged.rejected
        )

    def write(self, made: Made) -> None:
        """Write them.

        Parameters
        ----------
        made : Made
            At least one lead.
        """
        if self._write is None:
            self._write = self._stack.enter_context(open_text(self._out))
            self._write(self.header())
        self._write(made.content)

    def header(self) -> bytes:
        """Give the first line.

        Returns
        -------
        bytes
            UTF-8, with its line end.
        """
        titles = [f"'{name}" if re.match(FORMULA, name) else name for name in self._scorer.names]
        return self._rows.header(titles)


class BatchSink:
    """Parquet, JSON lines, Excel and databases.

    Parameters
    ----------
    out : str
        The destination.
    scorer : Scorer
        Whose leads will come.
    stack : ExitStack
        Closes the destination.
    table : str, optional
        The table of a database.
    """

    def __init__(
        self, out: str, scorer: Scorer, stack: contextlib.ExitStack, table: str | None = None
    ) -> None:
        self._out, self._scorer, self._stack, self._table = out, scorer, stack, table
        self._schema = pa.schema([])
        self._write: Write | None = None

    def make(self, judged: Judged) -> Made:
        """Make leads ready to be written.

        Parameters
        ----------
        judged : Judged
            What cards say of them.

        Returns
        -------
        Made
            Their rows.
        """
        n = len(judged.lead_id)
        return Made(self._scorer.assemble(judged), n, judged.n_rejected, 0, judged.rejected)

    def write(self, made: Made) -> None:
        """Write them.

        Parameters
        ----------
        made : Made
            At least one lead.
        """
        if self._write is None:
            self._schema = made.content.schema  # type: ignore[union-attr]
            self._write = self._stack.enter_context(self._open())
        self._write(_like(made.content, self._schema))

    def _open(self) -> contextlib.AbstractContextManager[Write]:
        if self._table is None:
            return open_writer(self._out, self._schema)
        from leadml.engines.sql_out import open_table_out

        return open_table_out(self._out, self._table, self._schema)


def _like(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give a batch the types of the first one: files of one folder need not agree."""
    if batch.schema.equals(schema):
        return batch
    try:
        return batch.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"a column changes its type from one file to the next ({error}); "
            "export them alike, or leave out --keep-columns"
        ) from None
