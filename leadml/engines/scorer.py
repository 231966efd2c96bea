"""Cards bound to a mapping: from a chunk of an export to what the cards say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from leadml.card import Card, Scores
from leadml.card.arrow import bool_array, dictionary_array, number_array, text_array
from leadml.card.scores import COLUMNS
from leadml.exceptions import InputError, UsageError
from leadml.leads.chunks import Chunk, Rejection
from leadml.leads.encode import UNKNOWN, encode_filled, encode_levels, look_up_fact, present_criteria
from leadml.leads.tables import Table, check_columns
from leadml.leads.values import as_text
from leadml.leads.values import text_array as optional_text_array
from leadml.records import nearest

if TYPE_CHECKING:
    import numpy.typing as npt

    from leadml.leads.mapping import Fact, Mapping

__all__ = ["Judged", "Scorer", "check_told"]

CONTACTABLE = "contactable"
"""The criterion of the card that asks only whether a phone number is known."""


@dataclasses.dataclass(frozen=True)
class Judged:
    """What cards say of the rows of a chunk.

    Attributes
    ----------
    lead_id : StringArray of n identities
        The usable leads.
    scored : list of Scores of n leads
        One a card.
    kept : dict of str to Array of n values
        Columns that come along, by their new names.
    rejected : list of Rejection
        Why the other rows cannot be used.
    n_rejected : int
        How many those are.
    """

    lead_id: pa.StringArray
    scored: list[Scores]
    kept: dict[str, pa.Array]
    rejected: list[Rejection]
    n_rejected: int


def check_told(told: Sequence[str] | None) -> tuple[str, ...]:
    """Refuse columns that `predict` does not know.

    Parameters
    ----------
    told : sequence of str or None
        Names of columns.

    Returns
    -------
    tuple of str
        The columns, each once; all of them for None.

    Raises
    ------
    UsageError
        Naming what is not known.

    Examples
    --------
    >>> check_told(["points", "bands"])
    Traceback (most recent call last):
    leadml.exceptions.UsageError: --columns: got 'bands', valid are probability, points, ...
    """
    if told is None:
        return COLUMNS
    for name in told:
        if name not in COLUMNS:
            raise UsageError(
                f"--columns: got {name!r}, valid are {', '.join(COLUMNS)}{nearest(name, COLUMNS)};"
                " lead_id is always written"
            )
    return tuple(dict.fromkeys(told))


class Scorer:
    """Cards bound to a mapping: from a batch of an export to a batch of scores.

    Parameters
    ----------
    table : Table
        The open table, for its columns and decimal mark.
    mapping : Mapping
        What its columns mean.
    cards : sequence of Card
        The cards; with several, every lead has one row a card.
    told : sequence of str, optional
        Which columns of `predict` to give; all of them when absent.
    keep_columns : bool
        Whether the columns of the export come along.
    name_policy : bool
        Whether a column ``policy`` names the card of each row.

    Attributes
    ----------
    columns : tuple of str
        Which columns of the table have to be read.
    has_id : bool
        Whether a column names the leads; otherwise the number of the row does.

    Raises
    ------
    InputError
        When a column is missing, or the mapping says nothing that a card asks.
    """

    def __init__(
        self,
        table: Table,
        mapping: Mapping,
        cards: Sequence[Card],
        *,
        told: Sequence[str] | None = None,
        keep_columns: bool = False,
        name_policy: bool = False,
    ) -> None:
        self.mapping, self.cards, self._decimal = mapping, tuple(cards), table.decimal
        self.names_policy, self.told = name_policy, check_told(told)
        asked = dict.fromkeys(each.id for card in cards for each in card.criteria)
        wanted_facts = {fact for card in cards for caveat in card.caveats for fact in caveat.when}
        self._facts = {name: fact for name, fact in mapping.facts.items() if name in wanted_facts}
        self.criteria = tuple(name for name in mapping.mapped if name in asked)
        self.unmapped = tuple(
            name
            for name in asked
            if name not in self.criteria and not (name == CONTACTABLE and mapping.contactable)
        )
        if len(self.unmapped) == len(asked):
            raise InputError(
                f"mapping {mapping.name!r} says nothing about {', '.join(asked)}, which the model asks; "
                f"map at least one of them under criteria (it maps {', '.join(mapping.mapped) or 'none'})"
            )
        uses = self._uses(asked)
        check_columns(table, uses, optional=mapping.optional)
        sources = {*present_criteria(mapping, table.columns)} & {*asked}
        if not sources and (mapping.contactable is None or mapping.contactable.column not in table.columns):
            raise InputError(
                f"{table.source}: has no column that says anything about {', '.join(asked)}; "
                f"it has {', '.join(table.columns)}; correct the mapping or the export"
            )
        self.has_id = mapping.lead_id is not None and mapping.lead_id in table.columns
        needed = dict.fromkeys(column for _, column in uses if column in table.columns)
        self.columns = tuple(table.columns if keep_columns else needed)
        head = ("lead_id", "policy") if name_policy else ("lead_id",)
        self.kept = _kept_names(table.columns, (*head, *self.told), mapping.lead_id) if keep_columns else {}

    def _uses(self, asked: dict[str, None]) -> list[tuple[str, str]]:
        """List the columns that have to be read, with what reads them."""
        criteria = set(asked)
        while (
            more := {self.mapping.stand_in[name] for name in criteria & {*self.mapping.stand_in}} - criteria
        ):
            criteria |= more
        places = {f"criteria.{name}" for name in criteria} | {f"facts.{name}" for name in self._facts}
        places |= {"lead_id"} | ({"contactable.column"} if CONTACTABLE in asked else set())
        return [(place, column) for place, column in self.mapping.uses() if place in places]

    def judge(self, chunk: Chunk) -> Judged:
        """Score the rows of a chunk that can be used.

        Parameters
        ----------
        chunk : Chunk
            Rows of the table, with the columns that `columns` names.

        Returns
        -------
        Judged
            The usable rows with what each card says of them, and why the others cannot be used.
        """
        encoded = encode_levels(
            chunk.data, self.mapping, self.criteria, rows=chunk.rows, decimal=self._decimal
        )
        usable = encoded.usable
        data, rows, codes = chunk.data, chunk.rows, encoded.codes
        if not usable.all():
            data, rows, codes = data.filter(bool_array(usable)), rows[usable], codes[usable]
        levels: dict[str, npt.NDArray[np.uint8]] = dict(zip(self.criteria, codes.T, strict=True))
        if CONTACTABLE not in self.unmapped and self.mapping.contactable:
            levels[CONTACTABLE] = self._contactable(data)
        facts = {
            name: self._fact(data.column(fact.column), fact)
            for name, fact in self._facts.items()
            if fact.column in data.schema.names
        }
        return Judged(
            lead_id=self._lead_id(data, rows),
            scored=[card.score(levels, facts) for card in self.cards],
            kept={name: data.column(column) for column, name in self.kept.items()},
            rejected=sorted([*chunk.rejected, *encoded.rejected], key=lambda each: each.row),
            n_rejected=len(chunk.rejected) + int(len(usable) - usable.sum()),
        )

    def score(self, chunk: Chunk) -> tuple[pa.RecordBatch, list[Any], int]:
        """Score the rows of a chunk that can be used, as a batch.

        Parameters
        ----------
        chunk : Chunk
            Rows of the table, with the columns that `columns` names.

        Returns
        -------
        batch : RecordBatch
            One row a usable lead and card, in the order of the leads.
        rejected : list of Rejection
            Why the others cannot be used.
        n_rejected : int
            How many those are.
        """
        judged = self.judge(chunk)
        return self.assemble(judged), judged.rejected, judged.n_rejected

    def assemble(self, judged: Judged) -> pa.RecordBatch:
        """Put identity, scores and kept columns side by side.

        Parameters
        ----------
        judged : Judged
            What `judge` gave.

        Returns
        -------
        RecordBatch
            One row a lead and card, in the order of the leads.
        """
        plain = len(self.cards) > 1
        scored = [
            pa.RecordBatch.from_arrays(
                [each.column(name, plain=plain) for name in self.told], names=list(self.told)
            )
            for each in judged.scored
        ]
        lead_id, kept, n = judged.lead_id, judged.kept, len(judged.lead_id)
        batch, models = scored[0], [card.model for card in self.cards]
        if len(scored) > 1:
            batch, spread = _interleave(scored, n)
            lead_id = lead_id.take(spread)
            kept = {name: column.take(spread) for name, column in kept.items()}
        policy = {"policy": text_array(models * n)} if self.names_policy else {}
        columns = {"lead_id": lead_id, **policy, **dict(zip(self.told, batch.columns, strict=True)), **kept}
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    @property
    def names(self) -> tuple[str, ...]:
        """Every column of the result, in order."""
        policy = ("policy",) if self.names_policy else ()
        return ("lead_id", *policy, *self.told, *self.kept.values())

    def ids(self, chunk: Chunk) -> list[str]:
        """Name the leads of a chunk.

        Parameters
        ----------
        chunk : Chunk
            Rows of the table.

        Returns
        -------
        list of str
            What the mapping's column of identities holds, or the number of the row, from 1.
        """
        return [each or "" for each in self._lead_id(chunk.data, chunk.rows).to_pylist()]

    def take(self, chunk: Chunk, position: int) -> Chunk:
        """Cut one row out of a chunk.

        Parameters
        ----------
        chunk : Chunk
            Rows of the table.
        position : int
            Which, from 0.

        Returns
        -------
        Chunk
            That row.
        """
        return Chunk(chunk.rows[position : position + 1], chunk.data.slice(position, 1), [])

    def levels(self, chunk: Chunk) -> dict[str, int | None]:
        """Read the levels of a chunk's first row.

        Parameters
        ----------
        chunk : Chunk
            At least one row.

        Returns
        -------
        dict of str to int or None
            Level of each criterion that a card asks; None for unknown.
        """
        asked = {each.id: None for card in self.cards for each in card.criteria}
        encoded = encode_levels(
            chunk.data, self.mapping, self.criteria, rows=chunk.rows, decimal=self._decimal
        )
        known = dict(zip(self.criteria, encoded.codes[0].tolist(), strict=True))
        return {name: None if (level := known.get(name, UNKNOWN)) == UNKNOWN else level for name in asked}

    def _lead_id(self, data: pa.RecordBatch, rows: npt.NDArray[np.int64]) -> pa.Array:
        if self.has_id:
            return as_text(data.column(str(self.mapping.lead_id)))
        return number_array(rows).cast(pa.string())

    def _contactable(self, data: pa.RecordBatch) -> npt.NDArray[np.uint8]:
        """Give level 4 to a lead that can be reached, 0 to one that cannot."""
        rule = self.mapping.contactable
        if rule is None or rule.column not in data.schema.names:
            return np.full(data.num_rows, UNKNOWN, np.uint8)
        return np.where(encode_filled(data.column(rule.column), rule.unknown), 4, 0).astype(np.uint8)

    def _fact(self, column: pa.Array, fact: Fact) -> pa.DictionaryArray:
        at, names = look_up_fact(column, fact)
        return dictionary_array(optional_text_array(names), at)


def _kept_names(columns: Sequence[str], taken: Sequence[str], lead_id: str | None) -> dict[str, str]:
    """Name the kept columns so that none takes the place of another; the identity is there already."""
    used = {*taken, *columns}
    kept = {}
    for column in columns:
        if column == lead_id == "lead_id":
            continue
        name = column
        if column in taken:
            while name in used:
                name = f"input_{name}"
            used.add(name)
        kept[column] = name
    return kept


def _interleave(batches: list[pa.RecordBatch], n: int) -> tuple[pa.RecordBatch, pa.Array]:
    """Order rows by lead, then by card; also give the lead of each row."""
    table = pa.Table.from_batches(batches)
    order = np.arange(n * len(batches)).reshape(len(batches), n).T.ravel()
    spread = number_array(np.repeat(np.arange(n), len(batches)))
    merged = table.take(number_array(order)).combine_chunks()
    batch = pa.RecordBatch.from_arrays(
        [column.combine_chunks() for column in merged.columns], names=table.schema.names
    )
    return batch, spread
