"""Scorer: models bound to a mapping and an open source, from chunks of rows to scored leads."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.card.columns import COLUMNS, arrow_of
from leadml.card.points import ENUMERATED, Answers
from leadml.card.record import Card
from leadml.data.cells import carry, join_column, mask_of, number_array, numbers_of, take, text_array, text_of
from leadml.data.chunks import Chunk
from leadml.data.dates import read_dates
from leadml.data.deals import OPEN, Leads
from leadml.data.encode import CellFaults, Encoder
from leadml.exceptions import InputError, UsageError
from leadml.records import nearest

if TYPE_CHECKING:
    from leadml.data.mapping import Mapping as LeadMapping
    from leadml.data.sources import Source

CONTACTABLE = "contactable"


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """n leads that were scored.

    lead_id : (n,) text; answers : one row a pattern, with the columns of predict; index : (n,) int32, the
    pattern of each lead; kept : columns of the input that come along; amount : (n,), NaN where unknown.
    """

    lead_id: pa.Array
    answers: pa.RecordBatch
    index: npt.NDArray[np.int32]
    kept: Mapping[str, pa.Array] = dataclasses.field(default_factory=dict)
    amount: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.index)

    def pick(self, rows: npt.NDArray[np.int64]) -> Scored:
        """Leads at positions, in that order."""
        at = number_array(rows)
        kept = {title: take(column, at) for title, column in self.kept.items()}
        amount = None if self.amount is None else self.amount[rows]
        return Scored(take(self.lead_id, at), self.answers, self.index[rows], kept, amount)


def joined(parts: Iterable[Scored]) -> Scored:
    """Parts below one another; answers that parts share are there once."""
    parts = list(parts)
    batches: dict[int, pa.RecordBatch] = {id(each.answers): each.answers for each in parts}
    starts = dict(zip(batches, np.cumsum([0, *(each.num_rows for each in batches.values())]), strict=False))
    index = [each.index + starts[id(each.answers)] for each in parts]
    kept = pa.concat_tables(
        [pa.Table.from_arrays(list(each.kept.values()), names=list(each.kept)) for each in parts],
        promote_options="permissive",  # files of one folder need not agree
    )
    amounts = [each.amount for each in parts if each.amount is not None]
    return Scored(
        pa.concat_arrays([each.lead_id for each in parts]),
        pa.concat_batches(list(batches.values())),
        np.concatenate(index).astype(np.int32),
        {title: kept[title].combine_chunks() for title in kept.column_names},
        np.concatenate(amounts) if amounts else None,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """A chunk: leads, what was made of them, faults of rows that cannot be used, how many others are closed."""

    leads: Leads
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
            valid = f"valid are {', '.join(COLUMNS)}{nearest(name, COLUMNS)}"
            raise UsageError(f"--columns: got {name!r}, {valid}; lead_id is always written")
    return tuple(dict.fromkeys(names))


class Scorer:
    """Cards, or one classifier, bound to a mapping and an open source.

    `columns` are those to be read, `kept` maps a column that comes along to its title (another where that is
    taken), `messages` say what the scores do not rest on.
    """

    def __init__(
        self, source: Source, mapping: LeadMapping, models: Sequence[Any], *, kept: Sequence[str] = (),
        taken: Sequence[str] = (), with_closed: bool = True, with_amount: bool = False, locale: str = "en",
    ) -> None:  # fmt: skip
        self.with_closed, self._models, self._words = with_closed, list(models), None
        self._batches: dict[int, tuple[Answers, pa.RecordBatch]] = {}  # of each model, those made last
        cards: list[Card] = [each for each in models if isinstance(each, Card)]
        if locale != "en":
            from leadml.scoring.words import words_of

            self._words = words = words_of(locale)
            labels = [words.decisions | dict(each.decision_labels) for each in cards]
            self._models[: len(cards)] = [
                each.model_copy(update={"decision_labels": new}) for each, new in zip(cards, labels, strict=True)
            ]
        asked = tuple(dict.fromkeys(each.id for card in cards for each in card.criteria)) if cards else mapping.mapped
        attributes = {each.column: each for card in cards for each in card.attributes}
        by_age = any(each.age_of for each in attributes.values())
        self._numeric = {name for name, each in attributes.items() if each.kind == "edges"}
        seen = attributes if cards else [*mapping.context, *(each.column for each in mapping.criteria.values())]
        self._context = tuple(each for each in dict.fromkeys(seen) if cards or each in source.columns)
        facts = {fact for card in cards for caveat in card.caveats for fact in caveat.when}
        self.mapping = _what_is_asked(mapping, asked, facts, source.columns if by_age else None)
        if with_closed:  # then nobody asks how they ended
            self.mapping = self.mapping.model_copy(update={"outcome": None})
        self._header_row, self._decimal = source.format.header_row, source.format.decimal
        self._encoder = Encoder(
            self.mapping, source.columns, decimal=self._decimal, to_score=not by_age, context=self._context,
            source=source.name,
        )  # fmt: skip
        few = all(math.prod(card.lookup.sizes) <= ENUMERATED for card in cards)
        self._rows_at_once = 1 << (20 if few else 15)  # where each lead is a pattern, it takes 500 bytes
        self.messages = self._check(source, asked, self._context)
        if excluded := [name for name in attributes if name in mapping.exclude]:
            told = "learn a card without them, or take them out of exclude if they were known when the lead came in"
            self.messages.append(f"the mapping excludes {', '.join(excluded)}, which the model reads: {told}")
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

    def parts(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Chunks of a size that suits the models, which share memory with those they were.

        A classifier takes all rows as one, so that its columns have the types that it was fitted on.
        """
        if not isinstance(self._models[0], Card):
            every = list(chunks)
            columns = []
            for at, name in enumerate(self.columns if every else ()):
                cells = [each.table.column(at) for each in every]
                cells = [carry(each) for each in cells] if name in self._context else list(map(text_of, cells))
                columns.append(join_column(cells, self._decimal, keep_text=name not in self._context))
            batch = pa.RecordBatch.from_arrays(columns, names=list(self.columns[: len(columns)]))
            yield Chunk(batch, np.concatenate([np.zeros(0, np.int64), *(each.rows for each in every)]))
            return
        n = self._rows_at_once
        for chunk in chunks:
            for start in range(0, max(len(chunk.rows), 1), n):
                yield Chunk(chunk.table.slice(start, n), chunk.rows[start : start + n])

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
        kept = {title: text_or_value(table.column(column)) for column, title in self.kept.items()}
        scored = [Scored(leads.lead_id, *self._answers(at, leads), kept, amount) for at in range(len(self._models))]
        if len(scored) > 1:  # a row each lead and card, lead by lead
            rows = np.arange(len(scored) * len(leads)).reshape(len(scored), -1)
            scored = [joined(scored).pick(rows.T.ravel())]
        return Judged(leads, scored[0], faults, n_closed)

    def _answers(self, at: int, leads: Leads) -> tuple[pa.RecordBatch, npt.NDArray[np.int32]]:
        """What a model says: a row a pattern, and which of them each lead has."""
        model = self._models[at]
        if not isinstance(model, Card):
            return _chances(model, leads), np.arange(len(leads), dtype=np.int32)
        scores = model.score(leads)
        answers, batch = self._batches.get(at, (None, None))
        if answers is not scores.answers:  # where all patterns are few, every chunk has the same
            batch = arrow_of(scores.answers)
            batch = self._words.translated(batch) if self._words else batch
            batch = batch.append_column("policy", batch.column("model"))
            self._batches[at] = (scores.answers, batch)
        return batch, scores.index


def text_or_value(column: pa.Array) -> pa.Array:
    """A column with its texts written out, where it is a dictionary."""
    return take(column.dictionary, column.indices) if pa.types.is_dictionary(column.type) else column


def _chances(model: Any, leads: Leads) -> pa.RecordBatch:
    """What a classifier says: a probability a lead; what only a card would say is empty."""
    n = len(leads)
    kinds = dict.fromkeys(COLUMNS, pa.string()) | {"settled": pa.bool_()}
    kinds |= dict.fromkeys(("points", "points_max", "low", "high"), pa.int32())
    columns = {name: pa.nulls(n, kind) for name, kind in kinds.items()}
    columns["probability"] = number_array(np.asarray(model.predict(leads).probability if n else [], np.float64))
    columns["model"] = text_array([type(getattr(model, "model", model)).__name__] * n)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _what_is_asked(
    mapping: LeadMapping, asked: Sequence[str], facts: set[str], dated: Sequence[str] | None
) -> LeadMapping:
    """The part of a mapping that models ask about, with what stands in for it.

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
