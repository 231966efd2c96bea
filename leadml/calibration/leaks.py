"""Columns that know how a deal went (leakage, target leakage), alone and together (LML121)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.stats import binom, spearmanr

from leadml.data.cells import number_array, valid_of, values_of
from leadml.data.dates import read_dates
from leadml.data.deals import NO_DAY, OPEN, Leads, Note
from leadml.data.duplicates import codes_of
from leadml.data.new_mapping import late_by_name
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, auc
from leadml.levels import UNKNOWN, Flags, Floats, Ints

MIN_KNOWN = 20  # a column is judged on at least so many deals of a kind
MOST = 20_000  # of more closed deals, and of more open ones, a fixed sample is looked at
LEAK_AUC = 0.9  # a single column that ranks outcomes this well is taken for a leak
CHANCE, FILLED = 1e-6, (0.99, 0.2)
"""Filled (or empty) cells tell the outcome at this share of one outcome, so much more than elsewhere, this rarely."""
STRETCH_AUC, STRETCH_SHARE, STRETCH = 0.75, 0.1, (0.995, 0.0)
"""A number that ranks this well is looked through: in its lowest or highest tenth all ended alike, as rarely."""
FILLED_ONLY = 0.95  # filled this much more often for deals that ended (or ended one way): filled by the close
DATED_GAP = 0.2  # closing dates missing this much more often for deals of one outcome give the outcome away
N_FOLDS, N_BINS = 5, 10  # held-out rankings are made in so many folds, by win rates of so many bins
FOLLOWS, FILLED_MORE = (0.3, 0.6), (0.2, 0.4)
"""One and two points: rank correlation with the time from created to closed; share of filled cells by which deals of
one kind exceed those of another."""
SURE, BY_CHANCE, LEAST_AUC = 4.0, 0.02, 0.52
"""Standard errors that such a gap must have; chance that columns of noise rank (Bonferroni); AUC worth telling."""


class _Column:
    """A column that is mapped. kind : criterion, context, segment or amount."""

    def __init__(self, name: str, kind: str, cells: pa.Array) -> None:
        self.name, self.kind, self.cells = name, kind, cells
        self.ranks = not pa.types.is_dictionary(cells.type)  # whether larger values mean more
        numbers = cells if self.ranks else cells.indices
        self.values = np.where(valid_of(numbers), values_of(numbers), np.nan)


class _Sign(NamedTuple):
    points: int
    text: str
    code: str = ""  # of a finding, where it suffices alone


class _Deals:
    """Closed deals, and the folds (units together) in which rankings of them are held out."""

    def __init__(self, leads: Leads) -> None:
        self.leads, self.outcome = leads, np.full(len(leads), OPEN) if leads.outcome is None else leads.outcome
        self.rows = np.flatnonzero(self.outcome != OPEN)
        self.won, n = self.outcome[self.rows] == 1, len(self.rows)
        unit = np.arange(n) if leads.unit is None else leads.unit[self.rows].astype(np.int64)
        self.fold = np.random.default_rng(0).permutation(int(unit.max(initial=0)) + 1)[unit] % N_FOLDS
        no_block = np.zeros(n, np.int32)
        self.held = HeldOut(Log(self.rows, no_block, no_block, self.won.astype(np.int8), unit, np.ones(n)))


def sample_kinds(leads: Leads) -> Leads:
    """At most so many closed deals, and as many open ones."""
    if leads.outcome is None or len(leads) <= MOST:
        return leads
    rng, kinds = np.random.default_rng(0), (leads.outcome != OPEN, leads.outcome == OPEN)
    rows = [rng.choice(np.flatnonzero(kind), min(int(kind.sum()), MOST), replace=False) for kind in kinds]
    return leads.take(np.sort(np.concatenate(rows)))


def leak_notes(leads: Leads) -> list[Note]:
    """All that is found of leaks; columns that are told together are not told one by one."""
    alone, together = find_leaks(sample_kinds(leads))
    names = {*together[1]["columns"]} if together else set()
    if together is None or names <= {values.get("column") for _, values in alone}:  # nothing beyond what each says
        return alone
    return [together, *(note for note in alone if note[0] in ("LML101", "LML117") or note[1]["column"] not in names)]


def find_leaks(leads: Leads) -> tuple[list[Note], Note | None]:
    """Tell what columns and dates show alone, and which columns do together; weights are not used.

    Together: a column that ranks outcomes and has two points, for its name (2), for following the time from created to
    closed, for being filled more often for deals that ended one way, or at all (1, or 2 by far). A name alone, or being
    filled somewhat more often, is no evidence: forms are filled in by whoever is interested.
    """
    deals, alone = _Deals(leads), list[Note]()
    if min(deals.won.sum(), (~deals.won).sum()) < MIN_KNOWN:
        return [], None
    if leads.closed is not None:
        no_day = leads.closed == NO_DAY
        missing = {end: float(no_day[deals.outcome == code].mean()) for code, end in enumerate(("lost", "won"))}
        which = max(missing, key=lambda end: missing[end])
        if missing[which] - min(missing.values()) >= DATED_GAP:
            alone.append(("LML117", {"share": missing[which], "which": which}))
    rates, suspects, p = {"": np.ones(len(deals.won))}, dict[str, list[str]](), dict[str, float]()  # a constant first
    for column in _columns(leads):
        rate = _rate_elsewhere(bins_of(column.cells.take(number_array(deals.rows)), N_BINS), deals)
        signs = [*_filled(deals, column), *_ranking(deals, column, rate), *_timing(deals, column)]
        told = ((sign.code, f"{sign.text[:1].upper()}{sign.text[1:]}.") for sign in signs if sign.code)
        alone += [(code, {"column": column.name, "detail": detail}) for code, detail in told]
        if column.kind in ("criterion", "context"):
            rates[column.name] = rate
            if why := late_by_name(column.name):
                signs = [_Sign(2, f"by its name it {why}"), *signs]
            if sum(sign.points for sign in signs) >= 2:
                suspects[column.name] = [sign.text for sign in signs if sign.points]
                ranks = auc(deals.held, rate)
                p[column.name] = ranks.p_not_above(0.5) if ranks.value >= LEAST_AUC else 1.0
    suspects = {name: texts for name, texts in suspects.items() if p[name] < BY_CHANCE / len(p)}
    return alone, _together(deals, rates, suspects) if suspects else None


def _columns(leads: Leads) -> Iterator[_Column]:
    """All that is used of the leads."""
    mapping = leads.mapping
    for name, codes in zip(leads.criteria, leads.codes.T, strict=True):
        if mapping is None or name in mapping.criteria:  # no stand-in, which is another criterion's column
            column = mapping.column_of(name) if mapping else name
            yield _Column(column, "criterion", number_array(codes, valid=codes != UNKNOWN))
    for name, cells in {**leads.segments, **leads.context}.items():
        yield _Column(name, "context" if name in leads.context else "segment", cells)
    if leads.amount is not None:
        name = mapping.amount.column if mapping and mapping.amount else "amount"
        yield _Column(name, "amount", number_array(leads.amount, valid=~np.isnan(leads.amount)))


def _filled(deals: _Deals, column: _Column) -> Iterator[_Sign]:
    """Being filled, or empty, tells the outcome, or is more frequent for deals that ended one way, or at all."""
    filled, outcome, created = ~np.isnan(column.values), deals.outcome, deals.leads.created
    here = filled[deals.rows]
    if text := _alike(deals.won, {"where it is filled": here, "where it is empty": ~here}, *FILLED):
        yield _Sign(2, text, "LML102")
        return
    ended = outcome != OPEN
    if created is not None and not ended.all():  # a question asked only lately, or no longer, is no sign
        ended = ended & (created >= np.quantile(created[~ended], 0.1))
    kinds, best, text = {"won": outcome == 1, "lost": outcome == 0, "closed": ended, "open": outcome == OPEN}, 0.0, ""
    for one, other in (("won", "lost"), ("lost", "won"), ("closed", "open")):
        parts = [filled[kinds[each]] for each in (one, other)]
        if min(map(len, parts)) >= MIN_KNOWN:
            high, low = (float(part.mean()) for part in parts)
            spread = np.sqrt(high * (1 - high) / len(parts[0]) + low * (1 - low) / len(parts[1]))
            if high - low > max(best, SURE * spread):
                best, text = high - low, f"filled in {high:.0%} of the {one} and {low:.0%} of the {other} deals"
    if best >= FILLED_ONLY:
        yield _Sign(2, f"it is {text}", "LML102")
    elif column.kind == "context":
        yield _Sign(int(np.searchsorted(FILLED_MORE, best, side="right")), text)


def _ranking(deals: _Deals, column: _Column, rate: Floats) -> Iterator[_Sign]:
    """It ranks the outcomes, or in its lowest, or highest, tenth nearly all deals ended alike."""
    own = column.values[deals.rows]
    known = ~np.isnan(own)
    values, won, n_known = own[known], deals.won[known], int(known.sum())
    found = auc(deals.held, own if column.ranks else np.where(known, rate, np.nan)).value
    rank, n = max(found, 1 - found), max(MIN_KNOWN, round(STRETCH_SHARE * n_known))
    if n_known >= 2 * MIN_KNOWN and rank >= LEAK_AUC:
        yield _Sign(2, f"alone it reaches AUC {rank:.2f} on {n_known:,} deals", "LML101")
    elif column.ranks and column.kind != "criterion" and rank >= STRETCH_AUC and n < n_known:
        low, high = np.partition(values, (n - 1, -n))[[n - 1, -n]]
        sides = {f"with a value up to {low:g}": values <= low, f"with a value from {high:g}": values >= high}
        if text := _alike(won, sides, *STRETCH):
            yield _Sign(2, text, "LML111")


def _alike(won: Flags, sides: Mapping[str, Flags], purity: float, gap: float) -> str:
    """Say that on one side nearly all deals ended alike, more of them than elsewhere, and not by chance."""
    for (where, side), (is_won, end) in product(sides.items(), enumerate(("lost", "won"))):
        if min(side.sum(), (~side).sum()) >= MIN_KNOWN:
            ended = won == is_won
            here, there = float(ended[side].mean()), float(ended[~side].mean())
            by_chance = binom.cdf((side & ~ended).sum(), side.sum(), 1 - ended.mean())
            if here >= purity and here - there >= gap and by_chance < CHANCE:
                return f"{here:.0%} of the {side.sum():,} deals {where} were {end}, {there:.0%} elsewhere"
    return ""


def _timing(deals: _Deals, column: _Column) -> Iterator[_Sign]:
    """It is a date on or after the close in most deals, or follows the time from created to closed (in ranks)."""
    if deals.leads.closed is None:
        return
    end = deals.leads.closed[deals.rows]
    if not column.ranks or pa.types.is_date(column.cells.type):
        dates = read_dates(column.cells)
        day = dates.days[deals.rows]
        both = (day != NO_DAY) & (end != NO_DAY)
        is_date = dates.no_date.sum() <= 0.1 * (dates.no_date | (dates.days != NO_DAY)).sum()
        if is_date and both.sum() >= MIN_KNOWN and (share := float((day >= end)[both].mean())) >= 0.5:
            text = f"it lies on or after the close in {share:.0%} of the {both.sum():,} deals with both dates"
            yield _Sign(2, text, "LML113")
    if deals.leads.created is None or not column.ranks:
        return
    begun, own = deals.leads.created[deals.rows], column.values[deals.rows]
    timed = (begun != NO_DAY) & (end != NO_DAY) & ~np.isnan(own)
    length, own, when = (end - begun)[timed], own[timed], begun[timed] - begun[timed].mean()
    if len(own) >= 2 * MIN_KNOWN and min(np.ptp(length), np.ptp(own)) > 0:
        free = own - (own @ when) / max(float(when @ when), 1e-9) * when  # of how it changes over the years
        found = float(spearmanr(free, length).statistic)
        text = f"it follows the time from created to closed (rank correlation {found:.2f})"
        yield _Sign(int(np.searchsorted(FOLLOWS, abs(found), side="right")), text)


def _together(deals: _Deals, rates: Mapping[str, Floats], signs: Mapping[str, Sequence[str]]) -> Note:
    """What the held-out ranking loses without the columns that have signs: without each, and without all of them."""

    def held_out(*left: str) -> Floats:
        """Ranking by least squares (Fisher's discriminant) on the other folds."""
        x = np.column_stack([rate for name, rate in rates.items() if name not in left])
        others, ridge = (deals.fold != np.arange(N_FOLDS)[:, None]), 1e-3 * np.eye(x.shape[1])
        theta = [np.linalg.solve(x[rows].T @ x[rows] + ridge, x[rows].T @ deals.won[rows]) for rows in others]
        return np.asarray((x * np.array(theta)[deals.fold]).sum(axis=1))

    every, less = (auc(deals.held, held_out(*left)) for left in ((), signs))
    all_between, less_between = (f"{each.figure.low:.2f} to {each.figure.high:.2f}" for each in (every, less))
    lost = {name: every.value - auc(deals.held, held_out(name)).value for name in signs}
    columns = sorted(signs, key=lambda name: -lost[name])
    by_signs: dict[str, list[str]] = {}
    for name in columns:
        by_signs.setdefault(", ".join(signs[name]), []).append(f"{name} ({max(lost[name], 0.0):.3f})")
    quoted = {name: json.dumps(name, ensure_ascii=False) for name in columns}
    apart = "".join(f" --without {text}" for name, text in quoted.items() if name in deals.leads.context)  # no criteria
    return "LML121", {
        "columns": columns, "where": ", ".join(columns),
        "all": every.value, "all_between": all_between, "less": less.value, "less_between": less_between,
        "signs": ". ".join(f"{', '.join(each)}: {words}" for words, each in by_signs.items()),
        "compare": apart and f"compare without them: leadml calibrate FILE --mapping M{apart}. For good, ",
        "exclude": ", ".join(f"{text}: written during the deal" for text in quoted.values()),
    }  # fmt: skip


def _rate_elsewhere(at: Ints, deals: _Deals) -> Floats:
    """Win rate of each category in the other folds, shrunk by one deal; centred by fold, or base rates would rank."""
    cells = (coo_array((mass, (at, deals.fold))).toarray() for mass in (deals.held.weight, deals.held.y))
    n, n_won = (each.sum(axis=1, keepdims=True) - each for each in cells)
    base = n_won.sum(axis=0) / np.maximum(n.sum(axis=0), 1)
    return np.asarray(((n_won + base) / (n + 1))[at, deals.fold] - base[deals.fold])


def bins_of(cells: pa.Array, n_bins: int) -> Ints:
    """Number categories, or bins of equal size of a column of numbers, from 1; 0 where blank."""
    if pa.types.is_dictionary(cells.type):
        return codes_of(cells)
    known, values = valid_of(cells), values_of(cells)
    edges = np.quantile(values[known], np.arange(1, n_bins) / n_bins) if known.any() else []
    return np.where(known, np.searchsorted(edges, values, side="right") + 1, 0)
