"""Scorer: models bound to a mapping and an open source, from chunks of rows to scored leads."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from leadml.card.in_words import AS_IT_IS, COLUMNS, Phrases
from leadml.card.record import Card
from leadml.card.score import ENUMERATED, Answers
from leadml.data.cells import mask_of, number_array, numbers_of, take, text_array, text_of
from leadml.data.chunks import Chunk, Fault, in_order
from leadml.data.dates import read_dates
from leadml.data.deals import OPEN, Leads
from leadml.data.encode import Encoder
from leadml.data.sources import Source
from leadml.exceptions import InputError, UsageError
from leadml.levels import Flags, Floats, Ints32
from leadml.records import nearest
from leadml.scoring.writers import Layout
from leadml.terminal import progress

if TYPE_CHECKING:
    from leadml.data.mapping import Mapping

CONTACTABLE = "contactable"
NOBODY = Leads((), np.empty((0, 0), np.uint8))
R = TypeVar("R")


class Options(NamedTuple):
    """What is asked of `predict_file` and `qualify_file`, as on the command line."""

    columns: str | Sequence[str] | None = None
    keep_columns: bool = False
    sort: bool = False
    locale: str = "en"
    crm: str | None = None
    with_closed: bool = False
    query: str | None = None
    with_policy: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Columns to write after lead_id, each once; all of them where none are told."""
        told = self.columns
        if told is None:
            return ("policy", *COLUMNS) if self.with_policy else COLUMNS
        names = [name.strip() for name in told.split(",")] if isinstance(told, str) else list(told)
        for name in names:
            if name not in COLUMNS:
                valid = f"valid are {', '.join(COLUMNS)}{nearest(name, COLUMNS)}"
                raise UsageError(f"--columns: got {name!r}, {valid}; lead_id is always written")
        return tuple(dict.fromkeys(names))


class Scored(NamedTuple):
    """Leads that were scored, those of a chunk or some of them.

    own : a row a lead: lead_id, then the columns of the input that come along; answers : a row a pattern, the
    columns of predict; pattern : (n,) int32, which of them each lead has; amount : (n,), NaN where unknown.
    leads, faults, n_closed : of a chunk what was read, why rows cannot be used, how many others are closed.
    """

    own: pa.RecordBatch
    answers: pa.RecordBatch
    pattern: Ints32
    amount: Floats | None = None
    leads: Leads = NOBODY
    faults: Sequence[Fault] = ()
    n_closed: int = 0


class Scorer:
    """Cards, or one classifier, bound to a mapping and an open source.

    `columns` are those to be read, `layout` says what is written (a column of the input under another title where
    its own is taken), `messages` what the scores do not rest on. `first`: columns to write beside lead_id.
    """

    def __init__(
        self, source: Source, mapping: Mapping, models: Sequence[Any], options: Options, first: Sequence[str] = ()
    ) -> None:
        names, there = options.names, set(source.columns)
        self.source, self._models, self._phrases = source, list(models), AS_IT_IS
        self._made: dict[int, tuple[Answers, pa.RecordBatch]] = {}  # of each model, those made last
        cards = [each for each in models if isinstance(each, Card)]
        if options.locale != "en":
            from leadml.scoring.worklist import words_of

            words = words_of(options.locale)
            self._phrases = Phrases(words.phrases)
            for at, each in enumerate(cards):
                labels = words.decisions | dict(each.decision_labels)
                self._models[at] = each.model_copy(update={"decision_labels": labels})
        asked = tuple(dict.fromkeys(each.id for card in cards for each in card.criteria)) if cards else mapping.mapped
        attributes = {each.column: each for card in cards for each in card.attributes}
        if cards:
            seen, self._numeric = [*attributes], {name for name, each in attributes.items() if each.kind == "edges"}
        else:
            seen = [*mapping.context, *(each.column for each in mapping.criteria.values())]
            kinds = getattr(models[0], "kinds", {})  # a number's column, whatever a chunk of it holds
            self._numeric = {name for name, kind in kinds.items() if kind.kind == "f"}
        facts = {fact for card in cards for caveat in card.caveats for fact in caveat.when}
        self.mapping = _what_is_asked(mapping, asked, facts, with_outcome=not options.with_closed)
        self._encoder = Encoder(source, self.mapping, to_score=True, context=seen)
        few = all(math.prod(card.lookup.sizes) <= ENUMERATED for card in cards)
        self._rows_at_once = 1 << (20 if few else 15)  # where each lead is a pattern, it takes 500 bytes
        self.messages = self._check(asked, attributes, there)
        if excluded := [name for name in attributes if name in mapping.exclude]:
            told = "learn a card without them, or take them out of exclude if they were known when the lead came in"
            self.messages.append(f"the mapping excludes {', '.join(excluded)}, which the model reads: {told}")
        readings = mapping.readings(mapping.mapped)
        for card in cards:
            if other := [name for name, digest in readings.items() if card.provenance.get(name, digest) != digest]:
                differing = ", ".join(name.removeprefix("reading_of_") for name in other)
                told = f"the mapping reads {differing} otherwise (column, words or edges) than {card.model} did"
                self.messages.append(f"{told}: its points may not fit; use the mapping it was made with, or calibrate")
        self._kept: dict[str, str] = {}  # columns of the input that come along, and their titles
        for column in source.columns if options.keep_columns else first:
            title = column
            while title in ("lead_id", *names) or (title != column and title in there):
                title = f"input_{title}"
            if not column == mapping.lead_id == "lead_id":
                self._kept[column] = title
        if renamed := [f"{column} as {title}" for column, title in self._kept.items() if column != title]:
            self.messages.append(f"kept under another name, as theirs is taken: {', '.join(renamed)}")
        self.layout = Layout(
            names, tuple(self._kept.values()), locale=options.locale,
            first=tuple(self._kept[each] for each in first),
            band_decisions={self._phrases[band.id]: band.decision for card in cards for band in card.bands},
        )  # fmt: skip
        by_age = any(each.age_of for each in attributes.values())
        created, amount = mapping.dates.created, mapping.amount.column if mapping.amount else None
        self._created = created if by_age and created in there else None
        self._amount = amount if options.sort and amount in there else None
        more = [each for each in (self._created, self._amount) if each]
        self.columns = tuple(dict.fromkeys([*self._encoder.columns, *self._kept, *more]))

    def _check(self, asked: Sequence[str], attributes: Iterable[str], there: set[str]) -> list[str]:
        """Refuse a table that says nothing of what is asked; say what is unknown for every lead."""
        mapping = self.mapping
        phone = mapping.contactable.column if mapping.contactable else None
        if not mapping.present(there) and not there.intersection([phone, *attributes]):
            remedy = f"map at least one of them under criteria (it maps {', '.join(mapping.mapped) or 'none'})"
            if asked == (CONTACTABLE,):
                remedy = "add contactable: {column: ...}"
            raise InputError(
                f"{self.source.name}: mapping {mapping.name!r} says nothing about {', '.join([*asked, *attributes])}, "
                f"which the model asks; {remedy}; the file has {', '.join(self.source.columns)}"
            )
        unmapped = [name for name in asked if name not in mapping.mapped and not (name == CONTACTABLE and phone)]
        read = dict.fromkeys([*(rule.column for rule in mapping.criteria.values()), *attributes])
        absent = [name for name in read if name not in there]
        said = [f"not mapped, so unknown for every lead: {', '.join(unmapped)}"] if unmapped else []
        return [*said, f"not in the file, so unknown: {', '.join(absent)}"] if absent else said

    def scored(self, then: Callable[[Scored], R]) -> Iterator[tuple[Scored, R]]:
        """Score every chunk, a few side by side, and do `then`; rejections are told in the order of rows."""
        source, n = self.source, self._rows_at_once
        parts = (
            Chunk(chunk.table.slice(start, n), chunk.rows[start : start + n])
            for chunk in source.chunks(self.columns)
            for start in range(0, len(chunk.rows), n)
        )
        for _, (scored, made) in in_order(lambda chunk: (each := self.score(chunk), then(each)), parts):
            source.rejections.faults += scored.faults
            progress("scoring", source.n_rows if source.share is None else source.share, source.share and 1.0)
            yield scored, made

    def read(self, chunk: Chunk) -> tuple[Leads, Flags, list[Fault]]:
        """Encode a chunk into leads, which of them can be used, and why the others cannot."""
        made = self._encoder.encode(chunk)
        context, ids, created = dict(made.leads.context), made.leads.lead_id, None
        is_card, mark = isinstance(self._models[0], Card), self.source.format.decimal
        for name in self._numeric & {*context} if mark == "," or not is_card else ():
            # Bins of numbers are looked up under a decimal point; a classifier's numbers are numbers everywhere.
            numbers, other = numbers_of(context[name], mark)
            if not (is_card and other.any()):
                context[name] = number_array(numbers, valid=~np.isnan(numbers))
        if self._created is not None:
            created = read_dates(chunk.table.column(self._created), self.mapping.dates.day_first).days
        if ids is None:  # then a lead is known by its number, from 1
            ids = text_of(number_array(chunk.rows - self.source.format.header_row))
        leads = dataclasses.replace(made.leads, context=context, created=created, lead_id=ids, mapping=self.mapping)
        return leads, made.usable, made.faults

    def score(self, chunk: Chunk) -> Scored:
        """Score the rows of a chunk that can be used, each by every model; runs in any thread."""
        leads, usable, faults = self.read(chunk)
        n_closed = 0
        if leads.outcome is not None:  # it is read where closed leads are left out
            known = usable & (leads.outcome != OPEN)
            n_closed, usable = int(known.sum()), usable & ~known
        table = chunk.table
        if not usable.all():
            leads, table = leads.take(usable), table.filter(mask_of(usable))
        amount = numbers_of(table.column(self._amount), self.source.format.decimal)[0] if self._amount else None
        kept = [table.column(name) for name in self._kept]
        kept = [take(each.dictionary, each.indices) if pa.types.is_dictionary(each.type) else each for each in kept]
        own = pa.RecordBatch.from_arrays([leads.lead_id, *kept], names=["lead_id", *self._kept.values()])
        every: list[tuple[pa.RecordBatch, Ints32]] = []  # of each a row a pattern, and which one a lead has
        for at, model in enumerate(self._models):
            if not isinstance(model, Card):
                every.append((_chances(model, leads), np.arange(len(leads), dtype=np.int32)))
                continue
            scores = model.score(leads)
            answers, batch = self._made.get(at, (None, None))
            if answers is not scores.answers:  # where all patterns are few, every chunk has the same
                batch = scores.to_arrow(by_pattern=True, phrases=self._phrases)
                batch = batch.append_column("policy", batch.column("model"))
                self._made[at] = (scores.answers, batch)
            every.append((batch, scores.index))
        batch, index = every[0]
        if len(every) > 1:  # a row each lead and card, lead by lead
            starts = np.cumsum([0, *(len(each) for each, _ in every[:-1])])
            batch = pa.concat_batches([each for each, _ in every])
            index = np.stack([at + start for (_, at), start in zip(every, starts, strict=True)], axis=1).ravel()
            own = own.take(number_array(np.repeat(np.arange(len(leads)), len(every))))
        return Scored(own, batch, index.astype(np.int32, copy=False), amount, leads, faults, n_closed)


def _chances(model: Any, leads: Leads) -> pa.RecordBatch:
    """What a classifier says: a probability a lead; what only a card would say is empty."""
    n = len(leads)
    kinds = dict.fromkeys(COLUMNS, pa.string()) | {"settled": pa.bool_()}
    kinds |= dict.fromkeys(("points", "points_max", "low", "high"), pa.int32())
    columns = {name: pa.nulls(n, kind) for name, kind in kinds.items()}
    columns["probability"] = number_array(np.asarray(model.predict(leads).probability if n else [], np.float64))
    columns["model"] = text_array([type(getattr(model, "model", model)).__name__] * n)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _what_is_asked(mapping: Mapping, asked: Sequence[str], facts: set[str], *, with_outcome: bool) -> Mapping:
    """The part of a mapping that models ask about, with what stands in for it."""
    wanted = {each for name in asked for each in mapping.chain(name)}
    return mapping.model_copy(
        update={
            "criteria": {name: rule for name, rule in mapping.criteria.items() if name in wanted},
            "stand_in": {name: other for name, other in mapping.stand_in.items() if name in wanted},
            "facts": {name: fact for name, fact in mapping.facts.items() if name in facts},
            "contactable": mapping.contactable if CONTACTABLE in wanted else None,
            "outcome": mapping.outcome if with_outcome else None,
            "segments": (),
        }
    )
