"""Predict and qualify: a source in chunks, scored side by side, written in order; memory stays flat."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from leadml.card.files import replacing
from leadml.card.record import Card
from leadml.data.cells import number_array, numbers_of
from leadml.data.mapping import Mapping, load_mapping
from leadml.data.sources import Source, open_leads
from leadml.exceptions import InputError, UsageError
from leadml.scoring.scorer import NOBODY, Options, Scored, Scorer
from leadml.scoring.writers import CsvLines, JsonLines, Layout, ParquetRows, Writer, batch_of, check_out, kind_of_out

Say = Callable[[str], None]
CRM_COLUMNS = ("probability", "points", "band", "decision", "action", "question", "model")
NAMES = r"(?i)\b(name|naam|company|account|organi[sz]ation|bedrijf|klant|customer|contact)\b"
NOT_NAMES = r"(?i)\b(id|nr|number|date|datum|size|type|mail|phone)\b"
MOST_NAMES = 3
SORTED_ROWS = 1 << 16
RELEASE_EVERY = 64


class Totals(NamedTuple):
    """What became of the rows: n_rows = n_scored + n_rejected + n_closed; the file of rejected ones."""

    n_rows: int
    n_scored: int
    n_rejected: int
    n_closed: int
    rejected: str | None

    def tell(self, source: str, say: Say) -> Totals:
        """Say what became of the rows; that none could be used is a fault."""
        where = f" (why: {self.rejected})" if self.rejected else ""
        closed = f" + {self.n_closed} left out, as their outcome is known (--with-closed scores them)"
        closed = closed if self.n_closed else ""
        say(f"{self.n_rows} rows = {self.n_scored} scored + {self.n_rejected} rejected{closed}{where}")
        if not self.n_scored and not self.n_closed:
            see = f"; see {self.rejected}" if self.rejected else ""
            raise InputError(
                f"{source}: none of its {self.n_rows} rows can be used{see}; correct the mapping or the export"
            )
        return self


def qualify_file(
    source: Any, mapping: Any, policies: Sequence[str] | None, met_level: int, out: str, options: Options, say: Say
) -> Totals:
    """Judge leads by documented rules alone: one row a lead and policy, named in ``policy``."""
    if not 1 <= met_level <= 4:
        raise UsageError(f"--met-level: got {met_level}, valid is a level from 1 to 4")
    check_out(out, source)
    mapping = load_mapping(mapping)
    cards = policy_cards(mapping, policies, met_level)
    if not policies:
        say(f"policies: {', '.join(card.name for card in cards)}")
    return predict_file(source, mapping, cards, out, options._replace(with_closed=True, with_policy=True), say)


def policy_cards(mapping: Mapping, policies: Sequence[str] | None, met_level: int) -> list[Card]:
    """Cards of documented policies; None: of all that the mapping can say something about."""
    from leadml.card.build import documented_card, words_of_mapping
    from leadml.frameworks.catalog import list_frameworks, list_policies, load_framework, load_policy

    own = [load_framework(mapping.path_of(each)) for each in mapping.frameworks]
    if policies:
        chosen = [load_policy(policy_id, own) for policy_id in dict.fromkeys(policies)]
    else:
        mapped = {*mapping.mapped, *(["contactable"] if mapping.contactable else [])}
        chosen = [each for each in list_policies(own) if mapped & {*(each.criteria or [each.unit])}]
        if not chosen:
            raise UsageError(f"mapping {mapping.name!r} maps no criterion; add at least one under criteria")
    by_id, words = {each.id: each for each in [*list_frameworks(), *own]}, words_of_mapping(mapping)
    return [documented_card(each, by_id.get(each.framework or ""), met_level=met_level, words=words) for each in chosen]


def names_among(columns: Iterable[str], mapping: Mapping) -> list[str]:
    """Columns by which somebody knows a lead, a few at most: people and companies, not what a criterion reads."""
    read = {mapping.lead_id, *(rule.column for rule in mapping.criteria.values())}
    found = [each for each in columns if re.search(NAMES, each) and not re.search(NOT_NAMES, each)]
    return [each for each in found if each not in read][:MOST_NAMES]


def score_table(source: Any, mapping: Mapping, model: Any, options: Options) -> tuple[pa.Table, Source, int]:
    """Score leads in memory: a table with a row a lead, the source with what it rejected, how many were closed."""
    opened = open_leads(source, mapping, options.query)
    scorer = Scorer(opened, mapping, [model], options)
    parts = [each for each, _ in scorer.scored(lambda _: None)]
    made = _in_order_of_value(parts) if options.sort and any(len(each.leads) for each in parts) else parts
    batches = [batch_of(each, scorer.layout, plain=True) for each in made]
    tables = [pa.Table.from_batches([each]) for each in batches] or [pa.table({})]
    return pa.concat_tables(tables, promote_options="permissive"), opened, sum(each.n_closed for each in parts)


def predict_file(source: Any, mapping: Any, models: Sequence[Any], out: str, options: Options, say: Say) -> Totals:
    """Score leads by cards (or another estimator), a row each, into a file or standard output."""
    check_out(out, source)
    if options.crm is not None:
        check_out(options.crm, source, option="--crm")
        if Path(options.crm).absolute() == Path(out).absolute():
            raise UsageError(f"--crm: {options.crm!r} is --out too; give another file")
    mapping = load_mapping(mapping)
    opened = open_leads(source, mapping, options.query)
    first = names_among(opened.columns, mapping) if kind_of_out(out)[0] == ".xlsx" else []
    scorer = Scorer(opened, mapping, models, options, first)
    for message in [*(values.get("text", "") for _, values in opened.notes), *scorer.messages]:
        say(message)
    n_scored = n_closed = 0
    held: list[Scored] = []
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(open_writer(out, scorer.layout))]
        if options.crm is not None:
            titles = {name: f"leadml_{name}" for name in CRM_COLUMNS} | {"lead_id": mapping.lead_id or "lead_id"}
            layout = Layout(CRM_COLUMNS, titles=titles, locale=options.locale, digits=4)
            writers.append(stack.enter_context(open_writer(options.crm, layout)))

        def make(scored: Scored) -> list[Any]:
            return [writer.make(scored) for writer in writers] if len(scored.pattern) else []

        steps = scorer.scored((lambda _: []) if options.sort else make)
        for n_chunks, (scored, made) in enumerate(steps, start=1):
            n_scored += len(scored.leads)
            n_closed += scored.n_closed
            if options.sort:
                held.append(scored._replace(leads=NOBODY))  # what was read need not wait, too
            for writer, each in zip(writers, made, strict=False):
                writer.write(each)
            if n_chunks % RELEASE_EVERY == 0:
                pa.default_memory_pool().release_unused()
        for scored in _in_order_of_value(held) if held else ():
            for writer, each in zip(writers, make(scored), strict=False):
                writer.write(each)
        rejections, beside = opened.rejections, Path(f"{out}.rejected.csv")
        for line in rejections.summary(10 if out == "-" else 5):
            say(f"  {line}")
        path = str(beside) if out != "-" and rejections.n_rows else None
        if path is not None:
            with replacing(path) as temporary:
                rejections.save(temporary, options.locale)
        elif out != "-":
            beside.unlink(missing_ok=True)
        if n_guarded := sum(writer.n_guarded for writer in writers):
            say(f"{n_guarded} cells that a spreadsheet would run as a formula begin with ' now")
        return Totals(opened.n_rows, n_scored, rejections.n_rows, n_closed, path).tell(opened.name, say)


@contextlib.contextmanager
def open_writer(out: str, layout: Layout) -> Iterator[Writer]:
    """Open a destination by its ending; nothing is there before the block ends well."""
    kind, packing = kind_of_out(out)
    with contextlib.ExitStack() as stack:
        path = None if out == "-" else stack.enter_context(replacing(out))
        writer: Writer
        if path is not None and kind == ".xlsx":
            from leadml.scoring.worklist import WorkList

            writer = WorkList(layout, path)
            stack.callback(writer.close)
        elif path is not None and kind == ".parquet":
            writer = ParquetRows(layout, path)
            stack.callback(writer.close)
        else:
            stream = sys.stdout.buffer if path is None else stack.enter_context(path.open("wb"))
            can_store = path is not None and path.is_file() and hasattr(os, "posix_fadvise")  # no pipe or device
            write = functools.partial(_store, stream) if can_store else stream.write
            if packing:
                stream = stack.enter_context(pa.CompressedOutputStream(stream, packing))
                write = stream.write
            writer = (JsonLines if kind == ".jsonl" else CsvLines)(layout, write, kind)
            stack.callback(stream.flush)
        yield writer
        writer.finish()


def _store(file: BinaryIO, data: Any) -> None:
    """Write, and let the disk begin at once: else a file is stored when it takes its name, while all wait."""
    os.posix_fadvise(file.fileno(), file.tell(), file.write(data), os.POSIX_FADV_DONTNEED)


def _in_order_of_value(parts: Sequence[Scored]) -> Iterator[Scored]:
    """Leads by chance times amount, largest first; without a chance by decision, then points, then amount."""
    batches = {id(each.answers): each.answers for each in parts}  # parts may share them
    starts = dict(zip(batches, np.cumsum([0, *(len(each) for each in batches.values())]), strict=False))
    pattern = np.concatenate([each.pattern + starts[id(each.answers)] for each in parts]).astype(np.int32)
    answers = pa.concat_batches(list(batches.values()))
    # Files of one folder need not agree.
    own = pa.concat_tables([pa.Table.from_batches([each.own]) for each in parts], promote_options="permissive")
    decided = answers.column("decision").dictionary_encode().indices  # ready, wait, no-match, whatever they are called
    columns = (decided, answers.column("points"), answers.column("probability"))
    decision, points, chance = (np.nan_to_num(numbers_of(each)[0])[pattern] for each in columns)
    amount = np.concatenate([np.full(len(each.own), np.nan) if each.amount is None else each.amount for each in parts])
    # A lead whose amount nobody knows counts as worth the mean of the others.
    amount = np.where(np.isnan(amount), 1 if np.isnan(amount).all() else np.nanmean(amount), amount)
    order = np.lexsort((-points, -chance * amount) if chance.any() else (-amount, -points, decision))
    for start in range(0, len(order), SORTED_ROWS):
        at = order[start : start + SORTED_ROWS]
        rows = own.take(number_array(at)).combine_chunks().to_batches()[0]
        yield parts[0]._replace(own=rows, answers=answers, pattern=pattern[at])
