"""Deals that a card learned from, and those closed since: what was predicted at the time, and what became of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from leadml.card.codes import codes_of
from leadml.card.record import Card
from leadml.card.score import READY
from leadml.data.deals import NO_DAY, Leads
from leadml.estimators.patterns import PatternCounts
from leadml.evaluation.log import Entries, Log
from leadml.exceptions import InputError
from leadml.levels import Codes, Floats
from leadml.registry.evidence import codes_for, day_of, read_counts

RULE = "documented rule"
WRITTEN = ("lead_id", "probability")


class Before(NamedTuple):
    """The deals that a card learned from; counts of their answers in its codes, where they lie beside it."""

    n: float = 0.0
    base_rate: float | None = None
    counts: PatternCounts | None = None


def load_before(card: Card, folder: Path) -> Before:
    """What lies beside a card in a folder, else what the card says of its deals."""
    if (kept := read_counts(folder)) is not None:
        columns, won, lost = kept
        n = float((won + lost).sum())
        return Before(n, float(won.sum()) / n, PatternCounts(codes_for(card, columns, card), won, lost))
    n_won, n_lost = (card.provenance.get(each) for each in ("n_won", "n_lost"))
    if not (isinstance(n_won, int | float) and isinstance(n_lost, int | float) and n_won + n_lost > 0):
        return Before()
    return Before(float(n_won + n_lost), n_won / (n_won + n_lost))


class Since(NamedTuple):
    """Leads that are new to the card, and the log of its deals closed since, in the order of closing."""

    codes: Codes  # (m, r) of all recent leads, closed or open
    deal_codes: Codes
    log: Log  # what the card and the documented rule say of these deals
    predicted: Floats  # P(won) as was predicted at the time where that is known, else by the card
    n_seen: int
    n_predicted: int
    since: str | None

    @property
    def won(self) -> Floats:
        """(n,) 1 won, 0 lost."""
        return self.log.outcome.astype(np.float64)


def find_since(
    card: Card, rule: Card | None, leads: Leads, base_rate: float, seen: frozenset[str], told: Mapping[str, float]
) -> Since:
    """Find what is new to a card: open leads, and deals closed after the last day that it learned from.

    seen : ids that it learned from. told : id -> P(won) as predicted at the time.
    """
    import pyarrow as pa

    outcome = np.full(len(leads), -1, np.int8) if leads.outcome is None else leads.outcome
    ids, is_closed, as_of = np.array(leads.ids(), np.str_), outcome >= 0, card.provenance.get("as_of")
    closed, day = leads.closed, day_of(as_of)
    if closed is not None and (closed == NO_DAY).all():
        closed = None
    if closed is not None and day is not None:
        new = is_closed & (closed > day)
    elif leads.digest and leads.digest == card.provenance.get("data_digest"):
        new = np.zeros(len(leads), bool)
    else:
        new = is_closed if closed is not None else is_closed & ~np.isin(ids, list(seen))
    codes, at = codes_of(card, leads), np.flatnonzero(new)
    if closed is not None:
        at = at[np.argsort(closed[at], kind="stable")]
    kept, deals, n = np.array([told.get(each, np.nan) for each in ids[at].tolist()]), leads.take(at), len(at)
    predicted = np.where(np.isfinite(kept), np.clip(kept, 1e-3, 1 - 1e-3), predictions(card, codes[at], base_rate))
    nothing, zeros, entries = np.full(n, np.nan), np.zeros(n, np.int32), {}
    for name, each, chance in ((card.model, card, predicted if card.table else nothing), (RULE, rule, nothing)):
        if each is not None:
            said = each.lookup.answers(codes_of(each, deals))
            ready = (said.decision == READY).astype(np.float64)
            entries[name] = Entries(said.points.astype(np.float64), chance, ready)
    log = Log(
        np.arange(n), zeros, zeros, outcome[at],
        np.arange(n) if deals.unit is None else np.unique(deals.unit, return_inverse=True)[1].astype(np.int64),
        np.ones(n) if deals.weight is None else deals.weight, deals.closed, deals.followed_up, deals.propensity,
        pa.array(ids[at].tolist(), pa.string()), entries,
    )  # fmt: skip
    dated = str(as_of) if closed is not None and day is not None else None
    n_seen, n_predicted = int((is_closed & ~new).sum()), int(np.isfinite(kept).sum())
    return Since(codes[new | ~is_closed], codes[at], log, predicted, n_seen, n_predicted, dated)


def predictions(card: Card, codes: Codes, base_rate: float) -> Floats:
    """P(won) by the card; by the base rate where it tells none."""
    if not card.table:
        return np.full(len(codes), base_rate)
    return np.clip(card.lookup.answers(codes).probability, 1e-3, 1 - 1e-3)


def continue_log(path: Path, found: Log, known: Collection[str]) -> None:
    """Append deals that the log at a path does not hold yet (`known`: ids that it does), as a block of their own."""
    if len(found) and path.exists():
        ids: Any = found.lead_id
        found = found.subset(~np.isin(np.array(ids.to_pylist()), list(known)))
        block = int(Log.read(path).block.max(initial=-1)) + 1
        found = dataclasses.replace(found, block=np.full(len(found), block, np.int32))
    if len(found):
        found.append(path)


def logged(path: Path, model: str) -> dict[str, float]:
    """Id -> P(won) as the log at a path, if any, has it of one model (NaN where it tells none)."""
    log = Log.read(path) if path.exists() else None
    if log is None or log.lead_id is None or model not in log.entries:
        return {}
    entry = log.entries[model]
    told = zip(log.lead_id.to_pylist(), entry.probability.tolist(), np.isfinite(entry.score), strict=True)
    return {name: p for name, p, is_said in told if is_said}


def read_predictions(source: str) -> dict[str, float]:
    """Read scores that `leadml predict` wrote earlier, also as a work list of any locale, id -> P(won); the last score
    of a lead counts."""
    from leadml.data.cells import numbers_of, text_of
    from leadml.data.mapping import ReadOptions
    from leadml.data.sources import open_source
    from leadml.scoring.worklist import words_of

    opened = open_source(source, ReadOptions())
    titles = {name: [name, *(words_of(each).columns[name][0] for each in ("en", "nl"))] for name in WRITTEN}
    known = {name: next((each for each in titles[name] if each in opened.columns), "") for name in WRITTEN}
    if missing := [name for name in WRITTEN if not known[name]]:
        has = ", ".join(opened.columns)
        valid = f"valid is what `leadml predict -o` wrote with a learned card; it has {has}"
        raise InputError(f"{source}: has no column {', '.join(missing)}; {valid}")
    told: dict[str, float] = {}
    lead, chance = known.values()
    for chunk in opened.chunks((lead, chance)):
        said, _ = numbers_of(chunk.table.column(chance), opened.format.decimal)
        bad = np.flatnonzero(np.isfinite(said) & ~((said >= 0) & (said <= 1)))
        if len(bad):
            at = f"row {chunk.rows[bad[0]]}, column {chance}: got {said[bad[0]]:g}"
            raise InputError(f"{source}: {at}; valid is 0 to 1, as `leadml predict` writes it")
        told |= zip(text_of(chunk.table.column(lead)).to_pylist(), said.tolist(), strict=True)
    return told
