"""Scorer: cards bound to a mapping and a table, from chunks of rows to scored leads; and classifiers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.card.record import Card
from leadml.card.table import COLUMNS as CARD_COLUMNS
from leadml.card.table import ENUMERATED, Scores
from leadml.data.cells import mask_of, number_array, numbers_of, text_array, text_of
from leadml.data.dates import read_dates
from leadml.data.deals import OPEN, Leads
from leadml.data.encode import CellFaults, Encoder
from leadml.exceptions import InputError, UsageError
from leadml.records import nearest
from leadml.scoring.scored import Scored, decoded, joined
from leadml.scoring.words import words_of

if TYPE_CHECKING:
    from leadml.data.chunks import Chunk
    from leadml.data.mapping import Mapping
    from leadml.data.sources import Source

NEW = ("question", "if_answered")
COLUMNS = (*(name for name in CARD_COLUMNS if name not in NEW), *NEW)
"""Columns of predict after the lead's identity, in order: those of version 0.1, then what came since."""
CONTACTABLE = "contactable"


@dataclasses.dataclass(frozen=True)
class Judged:
    """A chunk: leads scored, faults of rows that cannot be used, rows left out as their outcome is known."""

    scored: Scored
    faults: list[CellFaults]
    n_closed: int


def check_columns(told: str | Sequence[str] | None) -> tuple[str, ...]:
    """Columns to write, each once; all of them for None."""
    if told is None:
        return COLUMNS
    names = [name.strip() for name in told.split(",")] if isinstance(told, str) else list(told)
    for name in names:
        if name not in COLUMNS:
            raise UsageError(
                f"--columns: got {name!r}, valid are {', '.join(COLUMNS)}{nearest(name, COLUMNS)};"
                " lead_id is always written"
            )
    return tuple(dict.fromkeys(names))


class Scorer:
    """Cards bound to a mapping and an open source.

    `columns` are those to be read, `kept` maps a column that comes along to its title (another where that is
    taken), `messages` say what the scores do not rest on.
    """

    def __init__(
        self,
        source: Source,
        mapping: Mapping,
        cards: Sequence[Card],
        *,
        kept: Sequence[str] = (),
        taken: Sequence[str] = (),
        with_closed: bool = True,
        with_amount: bool = False,
        locale: str = "en",
    ) -> None:
        self.with_closed = with_closed
        self._judges = [_Judge(each, locale) for each in cards]
        asked = tuple(dict.fromkeys(each.id for card in cards for each in card.criteria))
        attributes = {each.column: each for card in cards for each in card.attributes}
        by_age = any(each.age_of for each in attributes.values())
        self._numeric = {name for name, each in attributes.items() if each.kind == "edges"}
        facts = {fact for card in cards for caveat in card.caveats for fact in caveat.when}
        self.mapping = _what_is_asked(mapping, asked, facts, source.columns if by_age else None)
        if with_closed:  # then nobody asks how they ended
            self.mapping = self.mapping.model_copy(update={"outcome": None})
        self._header_row, self._decimal = source.format.header_row, source.format.decimal
        self._encoder = Encoder(
            self.mapping, source.columns, decimal=self._decimal, to_score=not by_age, context=tuple(attributes),
            source=source.name,
        )  # fmt: skip
        few = all(math.prod(card.lookup.sizes) <= ENUMERATED for card in cards)
        self.rows_at_once = 1 << (20 if few else 15)  # where each lead is a pattern, it takes 500 bytes
        self.messages = self._check(source, asked, attributes)
        self.kept = _titles(kept, taken, source.columns)
        renamed = [f"{column} as {title}" for column, title in self.kept.items() if column != title]
        if renamed:
            self.messages.append(f"kept under another name, as theirs is taken: {', '.join(renamed)}")
        amount = mapping.amount.column if with_amount and mapping.amount else None
        self._amount = [amount] if amount in source.columns else []
        self.columns = tuple(dict.fromkeys([*self._encoder.columns, *self.kept, *self._amount]))

    def _check(self, source: Source, asked: Sequence[str], attributes: Iterable[str]) -> list[str]:
        """Refuse a table that says nothing of what is asked; say what is unknown for every lead."""
        mapping, there = self.mapping, set(source.columns)
        reached = {*mapping.mapped, *([CONTACTABLE] if mapping.contactable else [])}
        unmapped = [name for name in asked if name not in reached]
        if len(unmapped) == len(asked) and not attributes:
            remedy = f"map at least one of them under criteria (it maps {', '.join(mapping.mapped) or 'none'})"
            if unmapped == [CONTACTABLE]:
                remedy = "add contactable: {column: ...}"
            raise InputError(
                f"mapping {mapping.name!r} says nothing about {', '.join(asked)}, which the model asks; {remedy}"
            )
        phone = mapping.contactable.column if mapping.contactable else None
        if not mapping.present(source.columns) and not there.intersection([phone, *attributes]):
            raise InputError(
                f"{source.name}: has no column that says anything about {', '.join([*asked, *attributes])}; "
                f"it has {', '.join(source.columns)}; correct the mapping or the export"
            )
        read = [*(rule.column for rule in mapping.criteria.values()), *attributes]
        absent = dict.fromkeys(name for name in read if name not in there)
        said = [f"not mapped, so unknown for every lead: {', '.join(unmapped)}"] if unmapped else []
        return [*said, f"not in the file, so unknown: {', '.join(absent)}"] if absent else said

    def read(self, chunk: Chunk) -> tuple[Leads, npt.NDArray[np.bool_], list[CellFaults]]:
        """Encode a chunk into leads, which of them can be used, and why the others cannot."""
        made = self._encoder.encode(chunk)
        context = dict(made.leads.context)
        for name in self._numeric & {*context} if self._decimal == "," else ():
            # Bins of numbers are looked up under a decimal point.
            numbers, other = numbers_of(context[name], self._decimal)
            if not other.any():
                context[name] = number_array(numbers, valid=~np.isnan(numbers))
        dates, ids = made.dates.get("created"), made.leads.lead_id
        created = None if dates is None else read_dates(dates, self.mapping.dates.day_first).days
        if ids is None:  # then a lead is known by its number, from 1
            ids = text_of(number_array(chunk.rows - self._header_row))
        leads = dataclasses.replace(made.leads, context=context, created=created, lead_id=ids, mapping=self.mapping)
        return leads, made.usable, made.faults

    def score(self, chunk: Chunk) -> Judged:
        """Score the rows of a chunk that can be used; runs in any thread."""
        leads, usable, faults = self.read(chunk)
        n_closed = 0
        if not self.with_closed and leads.outcome is not None:
            known = usable & (leads.outcome != OPEN)
            n_closed = int(known.sum())
            usable = usable & ~known
        table = chunk.table
        if not usable.all():
            leads, table = leads.take(usable), table.filter(mask_of(usable))
        amount = next((numbers_of(table.column(name), self._decimal)[0] for name in self._amount), None)
        kept = {title: decoded(table.column(column)) for column, title in self.kept.items()}
        scored = [
            Scored(leads.lead_id, answers, index, kept, amount, is_shared)
            for answers, index, is_shared in (judge.answer(leads) for judge in self._judges)
        ]
        return Judged(scored[0] if len(scored) == 1 else _by_policy(scored), faults, n_closed)


class _Judge:
    """A card's answers. Where all its patterns are few, they are kept for all chunks to come."""

    def __init__(self, card: Card, locale: str) -> None:
        self._words = words_of(locale)
        labels = {**self._words.decisions, **card.decision_labels}
        self.card = card.model_copy(update={"decision_labels": labels}) if self._words.decisions else card
        self._kept: dict[bytes, pa.RecordBatch] = {}

    def answer(self, leads: Leads) -> tuple[pa.RecordBatch, npt.NDArray[np.int32], bool]:
        """Answers of each pattern, which of them each lead has, and whether other chunks share them."""
        scores = self.card.score(leads)
        patterns, index = scores.patterns()
        if scores.answers is not self.card.lookup.__dict__.get("everything"):
            return self._batch(patterns), index, False
        bits, _ = np.unique(scores.caveat_bits, return_index=True)  # without an index it loads numpy.ma
        key = bits.tobytes()
        if key not in self._kept:
            self._kept[key] = self._batch(patterns)
        return self._kept[key], index, True

    def _batch(self, patterns: Scores) -> pa.RecordBatch:
        batch = patterns.to_arrow().select(list(COLUMNS))
        for name in ("action", "if_answered") if self._words.phrases else ():
            column = batch.column(name)
            texts = text_array([self._words.translate(text) for text in column.dictionary.to_pylist()])
            at = batch.schema.get_field_index(name)
            batch = batch.set_column(at, name, pa.DictionaryArray.from_arrays(column.indices, texts))
        return batch.append_column("policy", batch.column("model"))


def classify(source: Source, mapping: Mapping, model: Any, *, with_closed: bool) -> Judged:
    """Score by a classifier that is no card: a probability, and what a card would say left empty.

    It reads the whole source at once, so that its columns have the types that it was fitted on.
    """
    from leadml.data.read import read_source

    leads = read_source(source, mapping, to_score=True)
    closed = np.zeros(len(leads), bool) if leads.outcome is None or with_closed else leads.outcome != OPEN
    leads = leads.take(~closed)
    n = len(leads)
    kinds = dict.fromkeys(COLUMNS, pa.string()) | {"settled": pa.bool_()}
    kinds |= dict.fromkeys(("points", "points_max", "low", "high"), pa.int32())
    columns = {name: pa.nulls(n, kind) for name, kind in kinds.items()}
    said = model.predict(leads).probability if n else np.zeros(0)
    columns["probability"] = number_array(np.asarray(said, np.float64))
    columns["model"] = text_array([type(getattr(model, "model", model)).__name__] * n)
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    return Judged(Scored(text_array(leads.ids()), batch, np.arange(n, dtype=np.int32)), [], int(closed.sum()))


def _what_is_asked(mapping: Mapping, asked: Sequence[str], facts: set[str], dated: Sequence[str] | None) -> Mapping:
    """The part of a mapping that cards ask about, with what stands in for it.

    Where ages count, leads are read like closed deals: `dated` are then the columns that the source has.
    """
    wanted = list(asked)
    for name in wanted:
        if name in mapping.stand_in and mapping.stand_in[name] not in wanted:
            wanted.append(mapping.stand_in[name])
    update: dict[str, Any] = {
        "criteria": {name: rule for name, rule in mapping.criteria.items() if name in wanted},
        "stand_in": {name: other for name, other in mapping.stand_in.items() if name in wanted},
        "facts": {name: fact for name, fact in mapping.facts.items() if name in facts},
        "contactable": mapping.contactable if CONTACTABLE in wanted else None,
        "segments": (),
    }
    if dated is not None:
        created = mapping.dates.created if mapping.dates.created in dated else None
        update |= dict.fromkeys(("amount", "followed_up", "propensity", "snapshot"))
        update |= {
            "outcome": mapping.outcome if mapping.outcome and mapping.outcome.column in dated else None,
            "dates": mapping.dates.model_copy(update={"created": created, "closed": None}),
            "group": (), "duplicates": "off", "context": (),
        }  # fmt: skip
    return mapping.model_copy(update=update)


def _titles(kept: Sequence[str], taken: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """Titles of kept columns, so that none takes the place of another."""
    used, titles = {*taken, *columns}, {}
    for column in kept:
        title = column
        if column in taken:
            while title in used:
                title = f"input_{title}"
            used.add(title)
        titles[column] = title
    return titles


def _by_policy(scored: Sequence[Scored]) -> Scored:
    """One row a lead and card, lead by lead."""
    rows = np.arange(len(scored) * len(scored[0])).reshape(len(scored), -1)
    return joined(scored).take(rows.T.ravel())
