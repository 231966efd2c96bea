"""Columns that know how a deal went (leakage, target leakage), which would fool whoever learns from them.

One by one (`find_leak_signs`), what counts suffices alone: a near perfect ranking, cells that are filled only when
a deal ended one way, a stretch in which all deals ended alike, a date after the close.

Together (`find_late_columns`), columns that each tell a little. A column is named when it ranks outcomes and has two
points: its name is one of those that CRMs document as written during a deal (2); it follows the time from created to
closed (1, or 2 closely); it is filled more often for deals that ended one way, or that ended at all (1, or 2 by far).
A name alone, or being filled somewhat more often, is no evidence: forms are filled in by whoever is interested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ruamel.yaml import YAML

from leadml.data.cells import Bools, Floats, valid_of, values_of
from leadml.data.dates import read_dates
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.data.late_answers import find_late_answers
from leadml.data.selection import chi_square
from leadml.data.units import codes_of
from leadml.levels import UNKNOWN

MIN_KNOWN = 20
"""A column is judged on at least so many deals of a kind."""
LEAK_AUC = 0.9
"""A single column that ranks outcomes this well is taken for a leak."""
FILLED_PURITY, FILLED_GAP, CHANCE = 0.99, 0.2, 1e-6
"""Filled (or empty) cells tell the outcome at this share of one outcome, so much more than elsewhere, this rarely."""
STRETCH_AUC, STRETCH_SHARE, STRETCH_PURITY = 0.75, 0.1, 0.995
"""A number that ranks this well is looked through: in its lowest or highest tenth all ended alike."""
FILLED_ONLY = 0.95
"""A column that is filled this much more often for closed deals than for open ones is filled by the close."""
DATED_GAP = 0.2
"""Closing dates that are missing this much more often for deals of one outcome give the outcome away."""
MOST_LEADS = 100_000
N_FOLDS, MOST, N_BINS = 5, 10_000, 10
"""Held-out rankings are made in so many folds, of so many closed deals at the most, by win rates of so many bins."""
FOLLOWS, FILLED_MORE = (0.3, 0.6), (0.2, 0.4)
"""One and two points: rank correlation with the time from created to closed; share of filled cells by which deals of
one kind exceed those of another."""
SURE, BY_CHANCE, LEAST_AUC = 4.0, 0.02, 0.52
"""Standard errors that such a gap must have; chance that columns of noise rank (Bonferroni); AUC worth telling."""
Ints = npt.NDArray[np.int64]
Note = tuple[str, dict[str, Any]]
_CODES = {"alone": "LML101", "filled": "LML102", "stretch": "LML111", "date-after": "LML113"}


class LeakSign(NamedTuple):
    """One sign that a column knows the outcome."""

    column: str
    place: str  # path in the mapping
    kind: str  # alone, filled, stretch, date-after or closed-blank
    value: float  # AUC, purity, purity, share, share
    detail: str  # one sentence; of closed-blank the outcome

    def note(self) -> Note:
        """The finding of this sign."""
        if self.kind == "closed-blank":
            return "LML117", {"share": self.value, "which": self.detail}
        return _CODES[self.kind], {"column": self.column, "detail": self.detail}


def find_leak_signs(leads: Leads) -> list[LeakSign]:
    """Look at criteria, context, segments and amount one by one, and at the dates; weights are not used."""
    if (deals := _closed_deals(leads)) is None:
        return []
    closed, won, unit, fold = deals
    signs = list(_closed_blank(leads, closed, won))
    for column, place, values, is_number in _columns(leads):
        known, here = ~np.isnan(values), values[closed]
        signs += _filled(column, place, known[closed], known[leads.outcome == OPEN], won)
        score = here if is_number else _rate_elsewhere(here, won, fold)
        filled = known[closed]
        auc, _ = _auc(score[filled], won[filled], unit[filled])
        rank, n = max(auc, 1 - auc), int(filled.sum())
        if n >= 2 * MIN_KNOWN and rank >= LEAK_AUC:
            detail = f"Alone it reaches AUC {rank:.2f} on {n:,} deals."
            signs.append(LeakSign(column, place, "alone", rank, detail))
        elif is_number and not place.startswith("criteria") and rank >= STRETCH_AUC:
            signs += _stretch(column, place, here[filled], won[filled], rank)
    for column, array in {**leads.segments, **leads.context}.items():
        signs += _date_after(leads, column, array, closed)
    return signs


def _closed_deals(leads: Leads) -> tuple[Ints, Bools, Ints, Ints] | None:
    """Rows of closed deals, whether they were won, their unit and fold; None where too few were won or lost."""
    if leads.outcome is None:
        return None
    closed = np.flatnonzero(leads.outcome != OPEN)
    won = leads.outcome[closed] == 1
    if min(won.sum(), (~won).sum()) < MIN_KNOWN:
        return None
    unit = np.arange(len(closed)) if leads.unit is None else leads.unit[closed].astype(np.int64)
    return closed, won, unit, np.random.default_rng(0).permutation(int(unit.max()) + 1)[unit] % N_FOLDS


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


def _auc(score: Floats, won: Bools, unit: npt.NDArray[Any]) -> tuple[float, float]:
    """Probability that a won deal ranks above a lost one, and its standard error by units (DeLong 1988)."""
    from scipy.stats import rankdata

    n_won, n_lost = int(won.sum()), int((~won).sum())
    if not n_won or not n_lost:
        return 0.5, np.inf
    rank, placed = rankdata(score), np.empty(len(won))
    placed[won] = (rank[won] - rankdata(score[won])) / n_lost
    placed[~won] = 1 - (rank[~won] - rankdata(score[~won])) / n_won
    auc = float(placed[won].mean())
    return auc, float(np.sqrt((np.bincount(unit, (placed - auc) / np.where(won, n_won, n_lost)) ** 2).sum()))


def _rate_elsewhere(values: Floats, won: Bools, fold: Ints) -> Floats:
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
    if min(filled.sum(), (~filled).sum()) >= MIN_KNOWN:
        for word, side in (("filled", filled), ("empty", ~filled)):
            for outcome, ended in (("won", won), ("lost", ~won)):
                here, there = float(ended[side].mean()), float(ended[~side].mean())
                pure = here >= FILLED_PURITY and here - there >= FILLED_GAP
                if pure and float(ended.mean()) ** int(side.sum()) < CHANCE:
                    detail = f"{here:.0%} of the {side.sum():,} deals where it is {word} were {outcome},"
                    yield LeakSign(column, place, "filled", here, f"{detail} {there:.0%} elsewhere.")
                    return
    if len(filled_open) >= MIN_KNOWN and (gap := float(filled.mean() - filled_open.mean())) >= FILLED_ONLY:
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


def _date_after(leads: Leads, column: str, array: pa.Array, closed: Ints) -> Iterator[LeakSign]:
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


def _closed_blank(leads: Leads, closed: Ints, won: Bools) -> Iterator[LeakSign]:
    """Closing dates are missing for the lost (or won) deals only."""
    if leads.closed is None:
        return
    blank = leads.closed[closed] == NO_DAY
    rates = {"won": float(blank[won].mean()), "lost": float(blank[~won].mean())}
    which = max(rates, key=lambda name: rates[name])
    if rates[which] - min(rates.values()) >= DATED_GAP:
        name = leads.mapping.dates.closed if leads.mapping else None
        yield LeakSign(name or "closed", "dates.closed", "closed-blank", rates[which], which)


@cache
def _late_names() -> list[tuple[str, re.Pattern[str]]]:
    found = YAML(typ="safe").load(files("leadml.data") / "late_columns.yaml")
    return [(each["why"], re.compile("|".join(each["names"]))) for each in found]


def late_by_name(column: str) -> str:
    """Why a column of this name is written during a deal, as CRMs document it; "" where none says so.

    >>> late_by_name("DealStage"), late_by_name("volgende_stap"), late_by_name("Lead Source")
    ('moves with the deal', 'is emptied or overwritten as the deal moves', '')
    """
    words = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z\d])(?=[A-Z])", " ", column)).strip().lower()
    return next((why for why, names in _late_names() if names.search(words)), "")


def find_late_columns(leads: Leads, told: Sequence[LeakSign] = ()) -> Note | None:
    """Look at criteria and context together (LML121); `told` is what `find_leak_signs` says of each alone."""
    rng, ended = np.random.default_rng(0), np.asarray(leads.outcome) != OPEN
    if len(leads) > MOST and leads.outcome is not None:
        kinds = (np.flatnonzero(ended), np.flatnonzero(~ended))
        leads = leads.take(np.sort(np.concatenate([rng.permutation(rows)[:MOST] for rows in kinds])))
    if (deals := _closed_deals(leads)) is None:
        return None
    _, won, unit, fold = deals
    names, rates, signs = _suspects(leads, deals, told)
    if not signs:
        return None
    design, at = np.column_stack(rates), np.array(names)

    def ranked(part: Bools) -> tuple[float, float]:
        """AUC and its standard error."""
        return _auc(_held_out(design[:, part], won, fold), won, unit)

    every, rest = ranked(np.ones(len(at), bool)), ranked(~np.isin(at, list(signs)))
    lost = {name: every[0] - ranked(at != name)[0] for name in signs}
    columns = sorted(signs, key=lambda name: -lost[name])
    between = [f"{max(auc - 1.96 * e, 0):.2f} to {min(auc + 1.96 * e, 1):.2f}" for auc, e in (every, rest)]
    by_signs: dict[str, list[str]] = {}
    for name in columns:
        by_signs.setdefault(", ".join(signs[name]), []).append(f"{name} ({max(lost[name], 0.0):.3f})")
    quoted = {name: json.dumps(name, ensure_ascii=False) for name in columns}
    apart = [f" --without {text}" for name, text in quoted.items() if name in leads.context]  # criteria cannot be
    compare = f"compare without them: leadml calibrate FILE --mapping M{''.join(apart)}. For good, "
    return "LML121", {
        "columns": columns,
        "where": ", ".join(columns),
        "all": every[0],
        "all_between": between[0],
        "less": rest[0],
        "less_between": between[1],
        "signs": ". ".join(f"{', '.join(each)}: {words}" for words, each in by_signs.items()),
        "exclude": ", ".join(f"{text}: written during the deal" for text in quoted.values()),
        "compare": compare if apart else "",
    }


def _suspects(
    leads: Leads, deals: tuple[Ints, Bools, Ints, Ints], told: Sequence[LeakSign]
) -> tuple[list[str], list[Floats], dict[str, list[str]]]:
    """Columns, a constant first; win rates by which each ranks; signs in words of those that are suspect and rank."""
    closed, won, unit, fold = deals
    names, rates, signs, p = [""], [np.ones(len(won))], {}, {}
    for name, place, values, is_number in _columns(leads):
        if not place.startswith(("criteria", "context")):
            continue
        names.append(name)
        binned = _binned(values[closed]) if is_number else values[closed]
        rates.append(_rate_elsewhere(binned, won, fold))
        own, why = [each for each in told if each.column == name], late_by_name(name)
        timing = [_follows(leads, values)] if is_number else []
        if place == "context" and all(each.kind != "filled" for each in own):
            timing.append(_filled_gap(leads, ~np.isnan(values)))
        if 2 * bool(why or own) + sum(points for points, _ in timing) >= 2:
            words = [f"by its name it {why}"] * bool(why)
            words += [each.detail[:1].lower() + each.detail[1:].rstrip(".") for each in own]
            signs[name] = [*words, *(text for points, text in timing if points)]
            p[name] = chi_square(np.nan_to_num(binned, nan=-1).astype(np.int64), won, unit)
    ranks = {name: _auc(rate, won, unit)[0] >= LEAST_AUC for name, rate in zip(names, rates, strict=True)}
    signs = {name: words for name, words in signs.items() if ranks[name] and p[name] < BY_CHANCE / len(p)}
    return names, rates, signs


def _binned(values: Floats) -> Floats:
    """Bins of equal size, NaN where blank."""
    if np.isnan(values).all():
        return values
    edges = np.unique(np.nanquantile(values, np.arange(1, N_BINS) / N_BINS))
    return np.where(np.isnan(values), np.nan, np.searchsorted(edges, values, side="right"))


def _held_out(design: Floats, won: Bools, fold: Ints) -> Floats:
    """Scores of deals by least squares (Fisher's discriminant) on the others; the first column holds ones."""
    score, ridge = np.zeros(len(won)), 1e-3 * np.eye(design.shape[1])
    for each in range(N_FOLDS):
        here, others = fold == each, design[fold != each]
        score[here] = design[here] @ np.linalg.solve(others.T @ others + ridge, others.T @ won[fold != each])
    return score


def _follows(leads: Leads, values: Floats) -> tuple[int, str]:
    """Points for following the time from created to closed (in ranks), freed of a trend in the day of creation."""
    from scipy.stats import rankdata

    if leads.created is None or leads.closed is None:
        return 0, ""
    timed = (leads.created != NO_DAY) & (leads.closed != NO_DAY) & (leads.outcome != OPEN) & ~np.isnan(values)
    if timed.sum() < 2 * MIN_KNOWN:
        return 0, ""
    day, own = leads.created[timed].astype(np.float64), values[timed]
    length = rankdata(leads.closed[timed] - day)
    day -= day.mean()
    free = rankdata(own - (own @ day) / max(float(day @ day), 1e-9) * day)
    found = 0.0 if min(np.ptp(length), np.ptp(free)) == 0 else float(np.corrcoef(free, length)[0, 1])
    text = f"it follows the time from created to closed (rank correlation {found:.2f})"
    return int(np.searchsorted(FOLLOWS, abs(found), side="right")), text


def _filled_gap(leads: Leads, filled: Bools) -> tuple[int, str]:
    """Points for being filled more often for deals that ended one way, or that ended at all."""
    outcome = np.asarray(leads.outcome)
    ended = outcome != OPEN
    if leads.created is not None and not ended.all():  # a question asked only lately, or no longer, is no sign
        ended = ended & (leads.created >= np.quantile(leads.created[~ended], 0.1))
    kinds = {"won": outcome == 1, "lost": outcome == 0, "closed": ended, "open": outcome == OPEN}
    best, text = 0.0, ""
    for one, other in (("won", "lost"), ("lost", "won"), ("closed", "open")):
        parts = [filled[kinds[each]] for each in (one, other)]
        if min(map(len, parts)) >= MIN_KNOWN:
            high, low = (float(part.mean()) for part in parts)
            spread = np.sqrt(high * (1 - high) / len(parts[0]) + low * (1 - low) / len(parts[1]))
            if high - low > max(best, SURE * spread):
                best, text = high - low, f"filled in {high:.0%} of the {one} and {low:.0%} of the {other} deals"
    return int(np.searchsorted(FILLED_MORE, best, side="right")), text


def leak_notes(leads: Leads) -> list[Note]:
    """All that is found of late answers and leaks; columns that are told together are not told one by one.

    Of very many leads a fixed sample is looked at.
    """
    if len(leads) > MOST_LEADS:
        leads = leads.take(np.sort(np.random.default_rng(0).permutation(len(leads))[:MOST_LEADS]))
    late, signs = find_late_answers(leads).note(), find_leak_signs(leads)
    found = find_late_columns(leads, [sign for sign in signs if sign.kind != "closed-blank"])
    names: set[str] = set() if found is None else set(found[1]["columns"])
    if names <= {sign.column for sign in signs}:  # nothing beyond what each says alone
        found = None
    else:
        signs = [sign for sign in signs if sign.kind in ("alone", "closed-blank") or sign.column not in names]
    return [note for note in (late, found) if note is not None] + [sign.note() for sign in signs]
