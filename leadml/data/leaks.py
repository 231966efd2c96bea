"""Columns that know how a deal ended (leakage, target leakage), which would fool whoever learns from them.

Each sign is a record, so that a calibration can weigh signs together with what leaving the column out costs.
Some signs suffice alone (`strong`): a near perfect ranking, cells that are filled only when a deal ended one
way, a stretch in which all deals ended alike. A name, or being filled more often, is a hint and never a
reason by itself.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.cells import valid_of, values_of
from leadml.data.dates import BAD_DAY, pack_dates, settle_dates
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.data.units import codes_of
from leadml.levels import UNKNOWN

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

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

LATE_NAMES: tuple[tuple[str, str], ...] = (
    (r"\bstage\b|pipeline stage|deal_?stage", "moves with the deal (HubSpot dealstage)"),
    (r"probability|forecast|win ?chance|kans", "follows the stage (Salesforce Probability)"),
    (r"days? (in|to|since)|days_|age in days|cycle|duration|looptijd", "a duration ends with the deal"),
    (r"reason|lost to|loss|reden|verloren", "is asked for at the close (HubSpot closed_lost_reason)"),
    (r"last (activity|contact|notable|modified|step|call|e-?mail)|laatste", "is overwritten until the close"),
    (r"next (step|activity)|volgende", "is emptied or overwritten as the deal moves"),
    (r"actual (revenue|value|close)|(won|lost) time|close_?d?_? ?(date|time|value|amount)",
     "is set by the close (Dynamics Actual Revenue, Pipedrive Won time)"),
    (r"is_?(won|closed|converted)|\bwon\b|converted|contract|invoice|factuur", "is a word for the outcome"),
    (r"(lead|deal) ?quality|tags?$|\brating|nurtur", "is often judged after contact (X Education's Tags)"),
    (r"n(umber|o|um)?\.? ?(of)? (activities|calls|e-?mails|meetings|contacts)|total activities|contacted",
     "grows while a deal is worked (HubSpot num_contacted_notes, Pipedrive total activities)"),
)  # fmt: skip
"""Names (regular expressions) known to be filled in or overwritten late, with the reason and where they
occur."""


@dataclasses.dataclass(frozen=True)
class LeakSign:
    """One sign that a column knows the outcome.

    kind : alone (AUC), filled (purity), stretch (purity), filled-more (difference), date-after,
    closed-blank, name. value : the figure named by the kind; n : deals it rests on; place : path in the
    mapping. detail : in words, one sentence; strong : whether it suffices by itself.
    """

    column: str
    place: str
    kind: str
    value: float
    n: int
    detail: str
    strong: bool

    def note(self) -> tuple[str, dict[str, Any]]:
        """The finding of this sign."""
        if self.kind == "closed-blank":
            return "LML117", {"share": self.value, "which": self.detail}
        code = {"alone": "LML101", "filled": "LML102", "stretch": "LML111"}.get(self.kind, "LML113")
        return code, {"column": self.column, "detail": self.detail}


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
    for column, place, values in _columns(leads):
        known, here = ~np.isnan(values), values[closed]
        signs += _filled(column, place, known[closed], known[still_open], won)
        number = place.startswith(("criteria", "amount")) or not _is_text(leads, column)
        score = here if number else _rate_elsewhere(here, won, fold)
        filled = known[closed]
        auc = _auc(score[filled], won[filled])
        rank, n = max(auc, 1 - auc), int(filled.sum())
        if n >= 2 * MIN_KNOWN and rank >= LEAK_AUC:
            detail = f"Alone it reaches AUC {rank:.2f} on {n:,} deals."
            signs.append(LeakSign(column, place, "alone", rank, n, detail, strong=True))
        elif number and not place.startswith("criteria") and rank >= STRETCH_AUC:
            signs += _stretch(column, place, here[filled], won[filled], rank)
    for column in (*leads.context, *leads.segments):
        signs += _date_after(leads, column, closed)
        said = next((why for name, why in LATE_NAMES if re.search(name, column, re.IGNORECASE)), "")
        if said:
            signs.append(
                LeakSign(column, "context", "name", 1.0, len(closed), f"By its name: {said}.", strong=False)
            )
    return signs


def _columns(leads: Leads) -> Iterator[tuple[str, str, Floats]]:
    """Give column, place and numbers (NaN blank; categories numbered) of everything that is used."""
    rules = leads.mapping.criteria if leads.mapping else {}
    for j, name in enumerate(leads.criteria):
        if leads.mapping is None or name in rules:
            codes = leads.codes[:, j].astype(np.float64)
            yield (
                rules[name].column if name in rules else name,
                f"criteria.{name}",
                np.where(codes == UNKNOWN, np.nan, codes),
            )
    for place, part in (("context", leads.context), ("segments", leads.segments)):
        for name, column in part.items():
            if place == "context" or name not in leads.context:
                yield name, place, _numbers(column)
    if leads.amount is not None:
        yield (
            leads.mapping.amount.column if leads.mapping and leads.mapping.amount else "amount",
            "amount",
            leads.amount,
        )


def _numbers(column: pa.Array) -> Floats:
    if pa.types.is_dictionary(column.type):
        codes = codes_of(column).astype(np.float64)
        return np.where(codes == 0, np.nan, codes)
    return np.where(valid_of(column), values_of(column).astype(np.float64), np.nan)


def _is_text(leads: Leads, column: str) -> bool:
    array = leads.context.get(column, leads.segments.get(column))
    return array is not None and pa.types.is_dictionary(array.type)


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
    """Being filled, or empty, tells the outcome; or closed deals, or won ones, are filled more often."""
    from scipy.stats import fisher_exact

    n = len(won)
    if min(filled.sum(), (~filled).sum()) >= MIN_KNOWN:
        for word, side in (("filled", filled), ("empty", ~filled)):
            for outcome, ended in (("won", won), ("lost", ~won)):
                here, there = float(ended[side].mean()), float(ended[~side].mean())
                pure = here >= FILLED_PURITY and here - there >= FILLED_GAP
                if pure and float(ended.mean()) ** int(side.sum()) < CHANCE:
                    detail = f"{here:.0%} of the {side.sum():,} deals where it is {word} were {outcome},"
                    detail += f" {there:.0%} elsewhere."
                    yield LeakSign(column, place, "filled", here, n, detail, strong=True)
                    return
    pairs = [("won", filled[won], "lost", filled[~won])]
    if len(filled_open) >= MIN_KNOWN:
        pairs.append(("closed", filled, "open", filled_open))
    for name, one, other_name, other in pairs:
        gap = float(one.mean() - other.mean())
        table = [[int(one.sum()), int((~one).sum())], [int(other.sum()), int((~other).sum())]]
        if abs(gap) >= FILLED_GAP and fisher_exact(table)[1] < CHANCE:
            detail = f"It is filled in {one.mean():.0%} of the {name} deals"
            detail += f" and {other.mean():.0%} of the {other_name} ones."
            only = name == "closed" and gap >= FILLED_ONLY
            yield LeakSign(column, place, "filled" if only else "filled-more", gap, n, detail, strong=only)


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
                yield LeakSign(column, place, "stretch", 1 - n_other / n_side, n_side, detail, strong=True)
                return


def _date_after(leads: Leads, column: str, closed: npt.NDArray[np.int64]) -> Iterator[LeakSign]:
    """A date that lies on or after the close in most deals is written at the close."""
    array = leads.context.get(column, leads.segments.get(column))
    if array is None or pa.types.is_floating(array.type) or leads.closed is None:
        return
    packed = pack_dates(array)
    if (packed == BAD_DAY).sum() > 0.1 * (packed != NO_DAY).sum():
        return
    day, end = settle_dates(packed).days[closed], leads.closed[closed]
    both = (day != NO_DAY) & (end != NO_DAY)
    if both.sum() >= MIN_KNOWN and (share := float((day >= end)[both].mean())) >= 0.5:
        detail = f"It lies on or after the close in {share:.0%} of the {both.sum():,} deals with both dates."
        yield LeakSign(column, "context", "date-after", share, int(both.sum()), detail, strong=True)


def _closed_blank(leads: Leads, closed: npt.NDArray[np.int64], won: Bools) -> Iterator[LeakSign]:
    """Closing dates are missing for the lost (or won) deals only."""
    if leads.closed is None:
        return
    blank = leads.closed[closed] == NO_DAY
    rates = {"won": float(blank[won].mean()), "lost": float(blank[~won].mean())}
    which = max(rates, key=lambda name: rates[name])
    if rates[which] - min(rates.values()) >= DATED_GAP:
        name = leads.mapping.dates.closed if leads.mapping else None
        yield LeakSign(
            name or "closed", "dates.closed", "closed-blank", rates[which], len(closed), which, strong=True
        )
