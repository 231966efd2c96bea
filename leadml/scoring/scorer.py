"""Scorer: cards bound to a mapping and a table, from chunks of rows to scored leads; and classifiers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.card.record import Card
from leadml.card.table import COLUMNS as CARD_COLUMNS
from leadml.card.table import ENUMERATED, Scores
from leadml.data.cells import mask_of, number_array, numbers_of, text_array, text_of
from leadml.data.dates import settle_dates
from leadml.data.deals import OPEN, Leads
from leadml.data.encode import CellFaults, Encoder
from leadml.exceptions import InputError, UsageError
from leadml.records import nearest
from leadml.scoring.words import words_of
from leadml.scoring.writers import Scored, decoded

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
        asked = tuple(dict.fromkeys(name for each in self._judges for name in each.criteria))
        attributes = tuple(dict.fromkeys(name for each in self._judges for name in each.context))
        self._by_age = any(each.age_of for card in cards for each in card.attributes)
        self._numeric = {each.column for card in cards for each in card.attributes if each.kind == "edges"}
        self.mapping = _what_is_asked(mapping, asked, self._judges, self._by_age and source.columns)
        if with_closed:  # then nobody asks how they ended
            self.mapping = self.mapping.model_copy(update={"outcome": None})
        self._header_row, self._decimal = source.format.header_row, source.format.decimal
        self._encoder = Encoder(
            self.mapping,
            source.columns,
            decimal=self._decimal,
            to_score=not self._by_age,
            context=attributes,
            source=source.name,
        )
        few = all(math.prod(card.lookup.sizes) <= ENUMERATED for card in cards)
        self.rows_at_once = 1 << (20 if few else 15)  # where each lead is a pattern, it takes 500 bytes
        self.messages = self._check(source, asked, attributes)
        self.kept = _titles(kept, taken, source.columns)
        renamed = [f"{column} as {title}" for column, title in self.kept.items() if column != title]
        if renamed:
            self.messages.append(f"kept under another name, as theirs is taken: {', '.join(renamed)}")
        amount = mapping.amount.column if with_amount and mapping.amount else None
        self._amount = amount if amount in source.columns else None
        self.columns = tuple(
            dict.fromkeys([*self._encoder.columns, *self.kept, *filter(None, [self._amount])])
        )

    def _check(self, source: Source, asked: Sequence[str], attributes: Sequence[str]) -> list[str]:
        """Refuse a table that says nothing of what is asked; say what is unknown for every lead."""
        mapping, there = self.mapping, set(source.columns)
        reaches = [CONTACTABLE] if mapping.contactable else []
        unmapped = [name for name in asked if name not in (*mapping.mapped, *reaches)]
        if len(unmapped) == len(asked) and not attributes:
            remedy = (
                "add contactable: {column: ...}"
                if unmapped == [CONTACTABLE]
                else f"map at least one of them under criteria (it maps {', '.join(mapping.mapped) or 'none'})"
            )
            raise InputError(
                f"mapping {mapping.name!r} says nothing about {', '.join(asked)}, which the model asks; {remedy}"
            )
        reads = mapping.present(source.columns) or (
            mapping.contactable and mapping.contactable.column in there
        )
        if not reads and not there.intersection(attributes):
            raise InputError(
                f"{source.name}: has no column that says anything about {', '.join([*asked, *attributes])}; "
                f"it has {', '.join(source.columns)}; correct the mapping or the export"
            )
        absent = [rule.column for rule in mapping.criteria.values() if rule.column not in there]
        absent += [name for name in attributes if name not in there]
        said = [f"not mapped, so unknown for every lead: {', '.join(unmapped)}"] if unmapped else []
        return [
            *said,
            *([f"not in the file, so unknown: {', '.join(dict.fromkeys(absent))}"] if absent else []),
        ]

    def read(self, chunk: Chunk) -> tuple[Leads, npt.NDArray[np.bool_], list[CellFaults]]:
        """Encode a chunk into leads, which of them can be used, and why the others cannot."""
        made = self._encoder.encode(chunk)
        if self._decimal == ",":  # bins of numbers are looked up under a decimal point
            made.columns.update(
                {name: self._numbers(made.columns[name]) for name in self._numeric & {*made.columns}}
            )
        days = made.dates.get("created")
        leads = Leads(
            self._encoder.criteria, made.codes, made.outcome, contactable=made.contactable,
            created=None if days is None else settle_dates(days, self.mapping.dates.day_first).days,
            context=made.columns, facts=made.facts, lead_id=self._ids(chunk, made.lead_id), row=chunk.rows,
            mapping=self.mapping,
        )  # fmt: skip
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
        amount = numbers_of(table.column(self._amount), self._decimal)[0] if self._amount else None
        kept = {title: decoded(table.column(column)) for column, title in self.kept.items()}
        scored = [
            Scored(leads.lead_id, answers, index, kept, amount, is_shared)
            for answers, index, is_shared in (judge.answer(leads) for judge in self._judges)
        ]
        return Judged(scored[0] if len(scored) == 1 else _by_policy(scored), faults, n_closed)

    def _numbers(self, column: pa.Array) -> pa.Array:
        numbers, other = numbers_of(column, self._decimal)
        return column if other.any() else number_array(numbers, valid=~np.isnan(numbers))

    def _ids(self, chunk: Chunk, ids: pa.Array | None) -> pa.Array:
        """Identity of each row: what the mapping names, else its number, from 1."""
        return text_of(number_array(chunk.rows - self._header_row)) if ids is None else ids


class _Judge:
    """A card's answers. Where all its patterns are few, they are kept for all chunks to come."""

    def __init__(self, card: Card, locale: str) -> None:
        self.criteria = tuple(each.id for each in card.criteria)
        self.context = tuple(each.column for each in card.attributes)
        self.facts = {fact for caveat in card.caveats for fact in caveat.when}
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
        key = np.unique(scores.caveat_bits, return_index=True)[
            0
        ].tobytes()  # without an index it loads numpy.ma
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


def _what_is_asked(
    mapping: Mapping, asked: Sequence[str], judges: Sequence[_Judge], dated: Sequence[str] | bool
) -> Mapping:
    """The part of a mapping that cards ask about, with what stands in for it; creation where ages count."""
    wanted = list(asked)
    for name in wanted:
        if name in mapping.stand_in and mapping.stand_in[name] not in wanted:
            wanted.append(mapping.stand_in[name])
    facts = {name for each in judges for name in each.facts}
    update: dict[str, Any] = {
        "criteria": {name: rule for name, rule in mapping.criteria.items() if name in wanted},
        "stand_in": {name: other for name, other in mapping.stand_in.items() if name in wanted},
        "facts": {name: fact for name, fact in mapping.facts.items() if name in facts},
        "contactable": mapping.contactable if CONTACTABLE in wanted else None,
        "segments": (),
    }
    if not isinstance(dated, bool):  # read like closed deals, of which nothing else is asked
        nothing = dict.fromkeys(("amount", "followed_up", "propensity", "snapshot"))
        outcome = mapping.outcome if mapping.outcome and mapping.outcome.column in dated else None
        created = mapping.dates.created if mapping.dates.created in dated else None
        dates = mapping.dates.model_copy(update={"created": created, "closed": None})
        update |= nothing | {
            "outcome": outcome,
            "dates": dates,
            "group": (),
            "duplicates": "off",
            "context": (),
        }
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
    n, m = len(scored[0]), len(scored)
    starts = np.cumsum([0, *(each.answers.num_rows for each in scored[:-1])])
    rows = np.stack([each.index + start for each, start in zip(scored, starts, strict=True)], axis=1).ravel()
    answers = pa.concat_batches([each.answers for each in scored])
    spread = number_array(np.repeat(np.arange(n), m))
    kept = {title: column.take(spread) for title, column in scored[0].kept.items()}
    return Scored(scored[0].lead_id.take(spread), answers, rows.astype(np.int32), kept)
