"""Columns that know how a deal ended (leakage, target leakage), which would fool whoever learns from them.

What counts suffices alone: a near perfect ranking, cells that are filled only when a deal ended one way, a
stretch in which all deals ended alike, a date after the close. A name, or being filled somewhat more often,
is no evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.cells import Bools, Floats, valid_of, values_of
from leadml.data.dates import read_dates
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.data.units import codes_of
from leadml.levels import UNKNOWN

MIN_KNOWN = 20
"""A column is judged on at least so many deals of a kind."""
LEAK_AUC = 0.9
"""A single column that ranks outcomes this well is taken for a leak."""
FILLED_PURITY, FILLED_GAP, CHANCE = 0.99, 0.2, 1e-6
"""Filled (or empty) cells tell the outcome at this share of one outcome, so much more than elsewhere, this
rarely."""
STRETCH_AUC, STRETCH_SHARE, STRETCH_PURITY = 0.75, 0.1, 0.995
"""A number that ranks this well is looked through: in its lowest or highest tenth all ended alike."""
FILLED_ONLY = 0.95
"""A column that is filled this much more often for closed deals than for open ones is filled by the close."""
DATED_GAP = 0.2
"""Closing dates that are missing this much more often for deals of one outcome give the outcome away."""
N_FOLDS = 5
_CODES = {"alone": "LML101", "filled": "LML102", "stretch": "LML111", "date-after": "LML113"}


class LeakSign(NamedTuple):
    """One sign that a column knows the outcome."""

    column: str
    place: str  # path in the mapping
    kind: str  # alone, filled, stretch, date-after or closed-blank
    value: float  # AUC, purity, purity, share, share
    detail: str  # one sentence; of closed-blank the outcome

    def note(self) -> tuple[str, dict[str, Any]]:
        """The finding of this sign."""
        if self.kind == "closed-blank":
            return "LML117", {"share": self.value, "which": self.detail}
        return _CODES[self.kind], {"column": self.column, "detail": self.detail}


def find_leak_signs(leads: Leads) -> list[LeakSign]:
    """Look at criteria, context, segments and amount one by one, and at the dates; weights are not used."""
    if leads.outcome is None:
        return []
    closed = np.flatnonzero(leads.outcome != OPEN)
    won = leads.outcome[closed] == 1
    if min(won.sum(), (~won).sum()) < MIN_KNOWN:
        return []
    unit = np.arange(len(closed)) if leads.unit is None else leads.unit[closed]
    fold = np.random.default_rng(0).permutation(int(unit.max()) + 1)[unit] % N_FOLDS
    still_open = np.flatnonzero(leads.outcome == OPEN)
    signs = list(_closed_blank(leads, closed, won))
    for column, place, values, is_number in _columns(leads):
        known, here = ~np.isnan(values), values[closed]
        signs += _filled(column, place, known[closed], known[still_open], won)
        score = here if is_number else _rate_elsewhere(here, won, fold)
        filled = known[closed]
        auc = _auc(score[filled], won[filled])
        rank, n = max(auc, 1 - auc), int(filled.sum())
        if n >= 2 * MIN_KNOWN and rank >= LEAK_AUC:
            detail = f"Alone it reaches AUC {rank:.2f} on {n:,} deals."
            signs.append(LeakSign(column, place, "alone", rank, detail))
        elif is_number and not place.startswith("criteria") and rank >= STRETCH_AUC:
            signs += _stretch(column, place, here[filled], won[filled], rank)
    for column, array in {**leads.segments, **leads.context}.items():
        signs += _date_after(leads, column, array, closed)
    return signs


def _columns(leads: Leads) -> Iterator[tuple[str, str, Floats, bool]]:
    """Column, place, numbers (NaN blank; categories numbered) of all that is used, and whether they rank."""
    rules = leads.mapping.criteria if leads.mapping else {}
    for j, name in enumerate(leads.criteria):
        if leads.mapping is None or name in rules:
            codes = leads.codes[:, j].astype(np.float64)
            column = rules[name].column if name in rules else name
            yield column, f"criteria.{name}", np.where(codes == UNKNOWN, np.nan, codes), True
    for place, part in (("context", leads.context), ("segments", leads.segments)):
        for name, array in part.items():
            if place == "context" or name not in leads.context:
                yield name, place, _numbers(array), not pa.types.is_dictionary(array.type)
    if leads.amount is not None:
        rule = leads.mapping.amount if leads.mapping else None
        yield rule.column if rule else "amount", "amount", leads.amount, True


def _numbers(column: pa.Array) -> Floats:
    if pa.types.is_dictionary(column.type):
        codes = codes_of(column).astype(np.float64)
        return np.where(codes == 0, np.nan, codes)
    return np.where(valid_of(column), values_of(column).astype(np.float64), np.nan)


def _auc(score: Floats, won: Bools) -> float:
    """Probability that a won deal ranks above a lost one, ties counting half."""
    n_won, n_lost = int(won.sum()), int((~won).sum())
    if not n_won or not n_lost:
        return 0.5
    _, at, n_each = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(n_each) - (n_each - 1) / 2)[at]
    return float((ranks[won].sum() - n_won * (n_won + 1) / 2) / (n_won * n_lost))


def _rate_elsewhere(values: Floats, won: Bools, fold: npt.NDArray[np.int64]) -> Floats:
    """Win rate of each category in the other folds (units together), shrunk by one deal toward the base rate.

    So a column of names is not taken for a leak. A category met in no other fold says nothing: rates are
    centred by fold, or the folds' base rates would rank.
    """
    at = np.unique(np.nan_to_num(values, nan=-1.0), return_inverse=True)[1]
    cell, size = at * N_FOLDS + fold, (int(at.max()) + 1) * N_FOLDS
    n = np.bincount(cell, minlength=size).reshape(-1, N_FOLDS)
    n_won = np.bincount(cell, won, minlength=size).reshape(-1, N_FOLDS)
    n_else, won_else = n.sum(1, keepdims=True) - n, n_won.sum(1, keepdims=True) - n_won
    base = won_else.sum(0) / np.maximum(n_else.sum(0), 1)
    rate: Floats = ((won_else + base) / (n_else + 1))[at, fold] - base[fold]
    return rate


def _filled(column: str, place: str, filled: Bools, filled_open: Bools, won: Bools) -> Iterator[LeakSign]:
    """Being filled, or empty, tells the outcome; or nearly all closed deals are filled and no open ones."""
    from scipy.stats import fisher_exact

    if min(filled.sum(), (~filled).sum()) >= MIN_KNOWN:
        for word, side in (("filled", filled), ("empty", ~filled)):
            for outcome, ended in (("won", won), ("lost", ~won)):
                here, there = float(ended[side].mean()), float(ended[~side].mean())
                pure = here >= FILLED_PURITY and here - there >= FILLED_GAP
                if pure and float(ended.mean()) ** int(side.sum()) < CHANCE:
                    detail = f"{here:.0%} of the {side.sum():,} deals where it is {word} were {outcome},"
                    yield LeakSign(column, place, "filled", here, f"{detail} {there:.0%} elsewhere.")
                    return
    if len(filled_open) < MIN_KNOWN:
        return
    gap = float(filled.mean() - filled_open.mean())
    table = [[int(side.sum()), int((~side).sum())] for side in (filled, filled_open)]
    if gap >= FILLED_ONLY and fisher_exact(table)[1] < CHANCE:
        detail = f"It is filled in {filled.mean():.0%} of the closed deals"
        detail += f" and {filled_open.mean():.0%} of the open ones."
        yield LeakSign(column, place, "filled", gap, detail)


def _stretch(column: str, place: str, values: Floats, won: Bools, rank: float) -> Iterator[LeakSign]:
    """In the lowest, or in the highest, tenth nearly all deals ended alike, and not by chance."""
    from scipy.stats import binom

    ranked, n = np.sort(values), max(MIN_KNOWN, round(STRETCH_SHARE * len(values)))
    if n >= len(values):
        return
    low, high = ranked[n - 1], ranked[-n]
    for words, side in ((f"up to {low:g}", values <= low), (f"from {high:g}", values >= high)):
        for outcome, ended in (("won", won), ("lost", ~won)):
            n_side, n_other = int(side.sum()), int((side & ~ended).sum())
            chance = binom.cdf(n_other, n_side, 1 - ended.mean())
            if n_other <= (1 - STRETCH_PURITY) * n_side and chance < CHANCE:
                detail = (
                    f"Alone it reaches AUC {rank:.2f}, and {n_side - n_other:,} of the {n_side:,} deals"
                    f" with a value {words} were {outcome}, {ended[~side].mean():.0%} elsewhere."
                )
                yield LeakSign(column, place, "stretch", 1 - n_other / n_side, detail)
                return


def _date_after(leads: Leads, column: str, array: pa.Array, closed: npt.NDArray[np.int64]) -> Iterator[LeakSign]:
    """A date that lies on or after the close in most deals is written at the close."""
    if pa.types.is_floating(array.type) or leads.closed is None:
        return
    dates = read_dates(array)
    if dates.no_date.sum() > 0.1 * (dates.no_date | (dates.days != NO_DAY)).sum():
        return
    day, end = dates.days[closed], leads.closed[closed]
    both = (day != NO_DAY) & (end != NO_DAY)
    if both.sum() >= MIN_KNOWN and (share := float((day >= end)[both].mean())) >= 0.5:
        detail = f"It lies on or after the close in {share:.0%} of the {both.sum():,} deals with both dates."
        yield LeakSign(column, "context", "date-after", share, detail)


def _closed_blank(leads: Leads, closed: npt.NDArray[np.int64], won: Bools) -> Iterator[LeakSign]:
    """Closing dates are missing for the lost (or won) deals only."""
    if leads.closed is None:
        return
    blank = leads.closed[closed] == NO_DAY
    rates = {"won": float(blank[won].mean()), "lost": float(blank[~won].mean())}
    which = max(rates, key=lambda name: rates[name])
    if rates[which] - min(rates.values()) >= DATED_GAP:
        name = leads.mapping.dates.closed if leads.mapping else None
        yield LeakSign(name or "closed", "dates.closed", "closed-blank", rates[which], which)
