"""Predict and qualify: a source in chunks, scored side by side, written in order; memory stays flat."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from leadml.card.record import Card
from leadml.data.cells import number_array
from leadml.data.mapping import Mapping, load_mapping
from leadml.data.sources import Source, open_source
from leadml.exceptions import InputError, UsageError
from leadml.scoring.destinations import check_out, kind_of_out, replacing
from leadml.scoring.scorer import COLUMNS, Judged, Scorer, check_columns, classify
from leadml.scoring.writers import Layout, Scored, batch_of, decoded, open_writer
from leadml.terminal import progress

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    import pandas as pd

    from leadml.data.chunks import Chunk

T = TypeVar("T")
R = TypeVar("R")
Say = Callable[[str], None]
Judging = Callable[[Callable[[Judged], Any]], Iterator[tuple[Judged, Any]]]
CRM_COLUMNS = ("probability", "points", "band", "decision", "action", "question", "model")
NAMES = re.compile(r"(?i)\b(name|naam|company|account|organi[sz]ation|bedrijf|klant|customer|contact)\b")
NOT_NAMES = re.compile(r"(?i)\b(id|nr|number|date|datum|size|type|mail|phone)\b")
MOST_NAMES = 3
SORTED_ROWS = 1 << 16
RELEASE_EVERY = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked of `predict_file` and `qualify_file`, as on the command line."""

    columns: str | Sequence[str] | None = None
    keep_columns: bool = False
    sort: bool = False
    locale: str = "en"
    crm: str | None = None
    with_closed: bool = False
    query: str | None = None
    table: str | None = None


@dataclasses.dataclass(frozen=True)
class Totals:
    """What became of the rows: n_rows = n_scored + n_rejected + n_closed; the file of rejected ones."""

    n_rows: int
    n_scored: int
    n_rejected: int
    n_closed: int
    rejected: str | None

    @property
    def rejected_share(self) -> float:
        """Share of the rows that could not be used."""
        return self.n_rejected / max(self.n_rows, 1)


def predict_file(source: Any, mapping: Any, model: Any, out: str, options: Options, say: Say) -> Totals:
    """Score new leads by a card (or another estimator) into a file, table or standard output."""
    check_columns(options.columns)
    _check_outs(out, source, options)
    model = model() if callable(model) else model  # looked up after the destination has been checked
    mapping = load_mapping(mapping)
    return _score_file(open_leads(source, mapping, options), mapping, [model], out, options, say)


def qualify_file(
    source: Any,
    mapping: Any,
    policies: Sequence[str] | None,
    met_level: int,
    out: str,
    options: Options,
    say: Say,
) -> Totals:
    """Judge leads by documented rules alone: one row a lead and policy, named in ``policy``."""
    if not 1 <= met_level <= 4:
        raise UsageError(f"--met-level: got {met_level}, valid is a level from 1 to 4")
    _check_outs(out, source, options)
    mapping = load_mapping(mapping)
    cards = policy_cards(mapping, policies, met_level)
    if not policies:
        say(f"policies: {', '.join(card.name for card in cards)}")
    options = dataclasses.replace(options, with_closed=True)
    return _score_file(
        open_leads(source, mapping, options), mapping, cards, out, options, say, by_policy=True
    )


def policy_cards(mapping: Mapping, policies: Sequence[str] | None, met_level: int) -> list[Card]:
    """Cards of documented policies; None: of all that the mapping can say something about."""
    from leadml.card.build import documented_card
    from leadml.card.questions import words_of_mapping
    from leadml.frameworks.catalog import list_frameworks, list_policies, load_framework, load_policy

    own = [load_framework(mapping.path_of(each)) for each in mapping.frameworks]
    known = [*list_frameworks(), *own]
    if policies:
        chosen = [load_policy(policy_id, own) for policy_id in dict.fromkeys(policies)]
    else:
        mapped = {*mapping.mapped, *(["contactable"] if mapping.contactable else [])}
        chosen = [each for each in list_policies(own) if mapped & {*(each.criteria or [each.unit])}]
        if not chosen:
            raise UsageError(f"mapping {mapping.name!r} maps no criterion; add at least one under criteria")
    by_id, words = {each.id: each for each in known}, words_of_mapping(mapping)
    return [
        documented_card(each, by_id.get(each.framework or ""), met_level=met_level, words=words)
        for each in chosen
    ]


def predict_frame(source: Any, mapping: Any, model: Any, options: Options) -> pd.DataFrame:
    """Score leads into a DataFrame, one row a lead; ``.attrs["rejected"]`` tells the rows that were not."""
    names = check_columns(options.columns)
    mapping = load_mapping(mapping)
    opened = open_leads(source, mapping, options)
    judged, layout, _ = _prepare(opened, mapping, [model], names, options, "")
    made = [each.scored for each, _ in judged(lambda _: None)]
    if options.sort:
        made = list(_in_order_of_value(made, layout.kept))
    batches = [batch_of(each, layout) for each in made]
    frame: pd.DataFrame = pa.concat_tables(
        [pa.Table.from_arrays([decoded(c) for c in b.columns], names=b.schema.names) for b in batches],
        promote_options="permissive",
    ).to_pandas()
    frame.attrs["rejected"] = opened.rejections.to_pandas()
    return frame


def open_leads(source: Any, mapping: Mapping, options: Options) -> Source:
    """Open the leads, with the second export that the mapping joins."""
    join = mapping.join and mapping.join.model_copy(update={"file": mapping.path_of(mapping.join.file)})
    return open_source(source, mapping.read, query=options.query, join=join)


def _check_outs(out: str, source: Any, options: Options) -> None:
    check_out(out, source, options.table)
    if options.crm is not None:
        check_out(options.crm, source, option="--crm")
        if Path(options.crm).absolute() == Path(out).absolute():
            raise UsageError(f"--crm: {options.crm!r} is --out too; give another file")


def _prepare(
    opened: Source, mapping: Mapping, models: Sequence[Any], names: Sequence[str], options: Options, kind: str
) -> tuple[Judging, Layout, list[str]]:
    """How to score, the layout of what is scored, and what the scores do not rest on."""
    columns = [each for each in opened.columns if not each == mapping.lead_id == "lead_id"]
    if not isinstance(models[0], Card):
        if options.keep_columns:
            raise UsageError("--keep-columns: goes with a card, and the model is a classifier; leave it out")

        def judge_all(then: Callable[[Judged], Any]) -> Iterator[tuple[Judged, Any]]:
            judged = classify(opened, mapping, models[0], with_closed=options.with_closed)
            yield judged, then(judged)

        return judge_all, Layout(tuple(names), locale=options.locale), []
    first = [each for each in columns if NAMES.search(each) and not NOT_NAMES.search(each)][:MOST_NAMES]
    first = [each for each in first if each != mapping.lead_id] if kind == ".xlsx" else []
    scorer = Scorer(
        opened, mapping, models, kept=columns if options.keep_columns else first, taken=("lead_id", *names),
        with_closed=options.with_closed, with_amount=options.sort, locale=options.locale,
    )  # fmt: skip
    bands = {band.id: band.decision for each in models for band in each.bands}
    layout = Layout(
        tuple(names), tuple(scorer.kept.values()), locale=options.locale,
        first=tuple(scorer.kept[each] for each in first), band_decisions=bands,
    )  # fmt: skip
    return functools.partial(_judged, opened, scorer), layout, scorer.messages


def _score_file(
    opened: Source,
    mapping: Mapping,
    models: Sequence[Any],
    out: str,
    options: Options,
    say: Say,
    by_policy: bool = False,
) -> Totals:
    names = (*(["policy"] if by_policy else []), *check_columns(options.columns))
    judged, layout, messages = _prepare(opened, mapping, models, names, options, kind_of_out(out))
    titles = {name: f"leadml_{name}" for name in CRM_COLUMNS}
    crm_layout = Layout(CRM_COLUMNS, (), mapping.lead_id or "lead_id", titles, options.locale)
    for message in [*(values.get("text", "") for _, values in opened.notes), *messages]:
        say(message)
    n_scored = n_closed = 0
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(open_writer(out, layout, options.table))]
        if options.crm is not None:
            writers.append(stack.enter_context(open_writer(options.crm, crm_layout)))

        def make(scored: Scored) -> list[Any]:
            return [writer.make(scored) for writer in writers] if len(scored) else []

        def write(made: list[Any]) -> None:
            for writer, each in zip(writers, made, strict=False):
                writer.write(each)

        held: list[Scored] = []
        with one_behind(write) as write_beside:
            steps = judged(lambda each: [] if options.sort else make(each.scored))
            for n_chunks, (each, made) in enumerate(steps, start=1):
                n_scored += len(each.scored) // len(models)
                n_closed += each.n_closed
                write_beside(made)
                if options.sort:
                    held.append(each.scored)
                if n_chunks % RELEASE_EVERY == 0:
                    pa.default_memory_pool().release_unused()
        for scored in _in_order_of_value(held, layout.kept) if options.sort else ():
            write(make(scored))
        totals = _tell(opened, n_scored, n_closed, sum(each.n_guarded for each in writers), out, options, say)
        if not n_scored and not n_closed:
            where = f"; see {totals.rejected}" if totals.rejected else ""
            raise InputError(
                f"{opened.name}: none of its {opened.n_rows} rows can be used{where}; "
                "correct the mapping or the export"
            )
    return totals


def _judged(opened: Source, scorer: Scorer, then: Callable[[Judged], Any]) -> Iterator[tuple[Judged, Any]]:
    """Score every chunk, a few side by side; rejections are kept in the order of the rows."""

    def work(chunk: Chunk) -> tuple[Judged, Any]:
        judged = scorer.score(chunk)
        return judged, then(judged)

    for _, (judged, made) in side_by_side(
        work, _in_parts(opened.chunks(scorer.columns), scorer.rows_at_once)
    ):
        for fault in judged.faults:
            opened.rejections.add(fault.rows, fault.column, fault.values, fault.reason)
        share = opened.share
        progress("scoring", opened.n_rows if share is None else share, share and 1.0)
        yield judged, made


def _in_parts(chunks: Iterable[Chunk], n_rows: int) -> Iterator[Chunk]:
    """Chunks of at most so many rows, which share memory with those they were; faults are told already."""
    for chunk in chunks:
        for start in range(0, max(len(chunk.rows), 1), n_rows):
            yield type(chunk)(chunk.table.slice(start, n_rows), chunk.rows[start : start + n_rows])


def side_by_side(work: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """Items with their results, in order; from two items on, threads work ahead of whoever takes them."""
    items = iter(items)
    first, second = next(items, None), next(items, None)
    if first is None:
        return
    if second is None:
        yield first, work(first)
        return
    from concurrent.futures import ThreadPoolExecutor

    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pool = ThreadPoolExecutor(n, "leadml")
    begun: deque[tuple[T, Future[R]]] = deque((each, pool.submit(work, each)) for each in (first, second))
    try:
        for item in items:
            begun.append((item, pool.submit(work, item)))
            if len(begun) > n + 1:
                done, result = begun.popleft()
                yield done, result.result()
        while begun:
            done, result = begun.popleft()
            yield done, result.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def one_behind(work: Callable[[T], object]) -> Iterator[Callable[[T], None]]:
    """Do work in order and beside the caller, never more than one item behind; the first item at once."""
    pool: list[ThreadPoolExecutor] = []
    begun: list[Future[object]] = []
    n_items = 0

    def submit(item: T) -> None:
        nonlocal n_items
        n_items += 1
        if n_items == 1:
            work(item)
            return
        if not pool:
            from concurrent.futures import ThreadPoolExecutor

            pool.append(ThreadPoolExecutor(1, "leadml-write"))
        while begun:
            begun.pop().result()
        begun.append(pool[0].submit(work, item))

    try:
        yield submit
        while begun:
            begun.pop().result()
    finally:
        for each in pool:
            each.shutdown()


def _in_order_of_value(held: list[Scored], kept: Sequence[str]) -> Iterator[Scored]:
    """Leads by expected value, largest first: probability times amount, else probability, else points."""
    layout = Layout(COLUMNS, tuple(kept))
    batches = [batch_of(each, layout) for each in held if len(each)]
    if not batches:
        return
    table = pa.concat_tables(map(pa.table, batches), promote_options="permissive").unify_dictionaries()
    points, chance = (
        table[name].to_pandas().to_numpy(np.float64, na_value=0) for name in ("points", "probability")
    )
    value = chance if chance.any() else points
    if chance.any() and held[0].amount is not None:
        amount = np.concatenate([each.amount for each in held if each.amount is not None])
        if not np.isnan(amount).all():
            # A lead whose amount nobody knows counts as worth the mean of the others.
            value = chance * np.where(np.isnan(amount), np.nanmean(amount), amount)
    order = np.lexsort((-points, -value))
    for start in range(0, len(order), SORTED_ROWS):
        rows = number_array(order[start : start + SORTED_ROWS])
        batch = pa.Table.from_arrays(
            [decoded(each.take(rows).combine_chunks()) for each in table.columns], names=table.column_names
        ).to_batches()[0]
        index = np.arange(batch.num_rows, dtype=np.int32)
        yield Scored(batch["lead_id"], batch, index, {title: batch[title] for title in kept})


def _tell(
    opened: Source, n_scored: int, n_closed: int, n_guarded: int, out: str, options: Options, say: Say
) -> Totals:
    """Say what became of the rows, and write down why some could not be used."""
    rejections = opened.rejections
    n_rejected = rejections.n_rows
    place = f"{options.table.replace('/', '_')}" if options.table else None if out == "-" else out
    path = Path(f"{place}.rejected.csv") if place else None
    for line in rejections.summary(10 if path is None else 5):
        say(f"  {line}")
    if path is not None:
        if n_rejected:
            with replacing(path) as temporary:
                rejections.save(temporary)
        else:
            path.unlink(missing_ok=True)
    if n_guarded:
        say(f"{n_guarded} cells that a spreadsheet would run as a formula begin with ' now")
    where = f" (why: {path})" if n_rejected and path else ""
    closed = (
        f" + {n_closed} left out, as their outcome is known (--with-closed scores them)" if n_closed else ""
    )
    say(f"{opened.n_rows} rows = {n_scored} scored + {n_rejected} rejected{closed}{where}")
    return Totals(opened.n_rows, n_scored, n_rejected, n_closed, str(path) if n_rejected and path else None)
