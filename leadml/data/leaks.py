"""Columns that know how a deal went (leakage, target leakage), which would fool whoever learns from them.

Alone, what counts suffices: a near perfect ranking, cells that are filled only when a deal ended one way, a stretch
in which all deals ended alike, a date after the close.

Together (LML121), columns each tell a little. A column is named when it ranks outcomes and has two points: its name
is one of those that CRMs document as written during a deal (2); it follows the time from created to closed (1, or 2
closely); it is filled more often for deals that ended one way, or that ended at all (1, or 2 by far). A name alone, or
being filled somewhat more often, is no evidence: forms are filled in by whoever is interested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ruamel.yaml import YAML

from leadml.data.cells import Bools, Floats, valid_of, values_of
from leadml.data.dates import read_dates
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.data.late_answers import Note, find_late_answers
from leadml.data.selection import chi_square
from leadml.data.units import codes_of
from leadml.levels import UNKNOWN

MIN_KNOWN = 20
"""A column is judged on at least so many deals of a kind."""
MOST = 20_000
"""Of more closed deals, and of more open ones, a fixed sample is looked at."""
LEAK_AUC = 0.9
"""A single column that ranks outcomes this well is taken for a leak."""
CHANCE, FILLED = 1e-6, (0.99, 0.2)
"""Filled (or empty) cells tell the outcome at this share of one outcome, so much more than elsewhere, this rarely."""
STRETCH_AUC, STRETCH_SHARE, STRETCH = 0.75, 0.1, (0.995, 0.0)
"""A number that ranks this well is looked through: in its lowest or highest tenth all ended alike, as rarely."""
FILLED_ONLY = 0.95
"""A column that is filled this much more often for deals that ended (or ended one way) is filled by the close."""
DATED_GAP = 0.2
"""Closing dates that are missing this much more often for deals of one outcome give the outcome away."""
N_FOLDS, N_BINS = 5, 10
"""Held-out rankings are made in so many folds, by win rates of so many bins."""
FOLLOWS, FILLED_MORE = (0.3, 0.6), (0.2, 0.4)
"""One and two points: rank correlation with the time from created to closed; share of filled cells by which deals of
one kind exceed those of another."""
SURE, BY_CHANCE, LEAST_AUC = 4.0, 0.02, 0.52
"""Standard errors that such a gap must have; chance that columns of noise rank (Bonferroni); AUC worth telling."""
Ints = npt.NDArray[np.int64]
ENDS = ("lost", "won")


class _Column(NamedTuple):
    name: str
    kind: str  # criterion, context, segment or amount
    values: Floats  # NaN where blank; categories are numbered
    ranks: bool  # whether larger values mean more
    cells: pa.Array | None = None  # as they were read, of context and segments


def leak_notes(leads: Leads) -> list[Note]:
    """All that is found of late answers and leaks; columns that are told together are not told one by one."""
    if leads.outcome is None:
        return []
    if len(leads) > MOST:
        rng, kinds = np.random.default_rng(0), (leads.outcome != OPEN, leads.outcome == OPEN)
        sample = [rng.permutation(np.flatnonzero(kind))[:MOST] for kind in kinds]
        leads = leads.take(np.sort(np.concatenate(sample)))
    alone, together = find_leaks(leads)
    names = set() if together is None else {*together[1]["columns"]}
    if names <= {values.get("column") for _, values in alone}:  # nothing beyond what each says alone
        together = None
    else:
        alone = [note for note in alone if note[0] in ("LML101", "LML117") or note[1]["column"] not in names]
    return [note for note in (find_late_answers(leads), together, *alone) if note is not None]


def find_leaks(leads: Leads) -> tuple[list[Note], Note | None]:
    """Tell what columns and dates show alone, and which columns do together; weights are not used."""
    outcome = np.full(len(leads), OPEN) if leads.outcome is None else leads.outcome
    closed = np.flatnonzero(outcome != OPEN)
    won = outcome[closed] == 1
    if min(won.sum(), (~won).sum()) < MIN_KNOWN:
        return [], None
    unit = np.arange(len(closed)) if leads.unit is None else leads.unit[closed].astype(np.int64)
    fold = np.random.default_rng(0).permutation(int(unit.max()) + 1)[unit] % N_FOLDS
    alone, chance = list[Note](), dict[str, float]()
    if leads.closed is not None:
        blank = leads.closed[closed] == NO_DAY
        (low, _), (high, which) = sorted((float(blank[won == is_won].mean()), end) for is_won, end in enumerate(ENDS))
        alone += [("LML117", {"share": high, "which": which})] if high - low >= DATED_GAP else []
    rates, signs = {"": np.ones(len(won))}, dict[str, list[str]]()  # a constant goes first
    for column in _columns(leads):
        here, filled = column.values[closed], ~np.isnan(column.values)
        binned = _binned(here) if column.ranks else here
        rate = _rate_elsewhere(binned, won, fold)
        known = filled[closed]
        auc, _ = _auc((here if column.ranks else rate)[known], won[known], unit[known])
        rank, (gap, more) = max(auc, 1 - auc), _filled_more(leads, filled)
        told = _pure(column, here, won, rank)
        if gap >= FILLED_ONLY:
            told.setdefault("LML102", f"It is {more}.")
        if rank >= LEAK_AUC and known.sum() >= 2 * MIN_KNOWN:
            told.pop("LML111", None)
            told["LML101"] = f"Alone it reaches AUC {rank:.2f} on {known.sum():,} deals."
        if after := _after_close(leads, column.cells, closed):
            told["LML113"] = after
        alone += [(code, {"column": column.name, "detail": detail}) for code, detail in told.items()]
        if column.kind not in ("criterion", "context"):
            continue
        rates[column.name] = rate
        timing = [_follows(leads, column.values)] if column.ranks else []
        if column.kind == "context" and "LML102" not in told:
            timing.append((int(np.searchsorted(FILLED_MORE, gap, side="right")), more))
        why = late_by_name(column.name)
        if 2 * bool(why or told) + sum(points for points, _ in timing) >= 2:
            p = chi_square(np.nan_to_num(binned, nan=-1).astype(np.int64), won, unit)
            chance[column.name] = p if _auc(rate, won, unit)[0] >= LEAST_AUC else 1.0
            words = [f"by its name it {why}"] * bool(why)
            words += [text[:1].lower() + text[1:].rstrip(".") for text in told.values()]
            signs[column.name] = [*words, *(text for points, text in timing if points)]
    signs = {name: words for name, words in signs.items() if chance[name] < BY_CHANCE / len(chance)}
    return alone, _together(leads, rates, signs, won, unit, fold) if signs else None


def _columns(leads: Leads) -> Iterator[_Column]:
    """All that is used of the leads."""
    rules = leads.mapping.criteria if leads.mapping else {}
    for j, name in enumerate(leads.criteria):
        if leads.mapping is None or name in rules:
            codes = leads.codes[:, j].astype(np.float64)
            column = rules[name].column if name in rules else name
            yield _Column(column, "criterion", np.where(codes == UNKNOWN, np.nan, codes), True)
    for name, cells in {**leads.segments, **leads.context}.items():
        ranks = not pa.types.is_dictionary(cells.type)
        values = values_of(cells) if ranks else codes_of(cells)
        known = valid_of(cells) if ranks else values > 0
        kind = "context" if name in leads.context else "segment"
        yield _Column(name, kind, np.where(known, values.astype(np.float64), np.nan), ranks, cells)
    if leads.amount is not None:
        rule = leads.mapping.amount if leads.mapping else None
        yield _Column(rule.column if rule else "amount", "amount", leads.amount, True)


def _pure(column: _Column, values: Floats, won: Bools, rank: float) -> dict[str, str]:
    """Sides on which nearly all deals ended alike, and not by chance: filled, empty, the lowest or highest tenth."""
    from scipy.stats import binom

    filled, found = ~np.isnan(values), dict[str, str]()
    sides = [
        ("LML102", where, side, *FILLED)
        for where, side in (("where it is filled", filled), ("where it is empty", ~filled))
    ]
    n = max(MIN_KNOWN, round(STRETCH_SHARE * int(filled.sum())))
    if column.ranks and column.kind != "criterion" and rank >= STRETCH_AUC and n < filled.sum():
        low, high = np.partition(values[filled], (n - 1, -n))[[n - 1, -n]]
        stretches = (f"with a value up to {low:g}", values <= low), (f"with a value from {high:g}", values >= high)
        sides += [("LML111", where, side, *STRETCH) for where, side in stretches]
    for code, where, side, purity, gap in sides:
        there = filled & ~side if code == "LML111" else ~side
        if code in found or min(side.sum(), there.sum()) < MIN_KNOWN:
            continue
        for is_won, end in enumerate(ENDS):
            ended = won == is_won
            here, elsewhere = float(ended[side].mean()), float(ended[there].mean())
            by_chance = binom.cdf((side & ~ended).sum(), side.sum(), 1 - ended.mean())
            if here >= purity and here - elsewhere >= gap and by_chance < CHANCE:
                found[code] = f"{here:.0%} of the {side.sum():,} deals {where} were {end}, {elsewhere:.0%} elsewhere."
    return found


def _after_close(leads: Leads, cells: pa.Array | None, closed: Ints) -> str:
    """A date that lies on or after the close in most deals is written at the close."""
    if cells is None or leads.closed is None or pa.types.is_floating(cells.type):
        return ""
    dates, end = read_dates(cells), leads.closed[closed]
    day = dates.days[closed]
    both = (day != NO_DAY) & (end != NO_DAY)
    if dates.no_date.sum() > 0.1 * (dates.no_date | (dates.days != NO_DAY)).sum() or both.sum() < MIN_KNOWN:
        return ""
    share = float((day >= end)[both].mean())
    text = f"It lies on or after the close in {share:.0%} of the {both.sum():,} deals with both dates."
    return text if share >= 0.5 else ""


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


def _follows(leads: Leads, values: Floats) -> tuple[int, str]:
    """Points for following the time from created to closed (in ranks), freed of a trend in the day of creation."""
    from scipy.stats import spearmanr

    if leads.created is None or leads.closed is None:
        return 0, ""
    timed = (leads.created != NO_DAY) & (leads.closed != NO_DAY) & (leads.outcome != OPEN) & ~np.isnan(values)
    if timed.sum() < 2 * MIN_KNOWN:
        return 0, ""
    day, own = leads.created[timed].astype(np.float64), values[timed]
    length, day = leads.closed[timed] - day, day - day.mean()
    free = own - (own @ day) / max(float(day @ day), 1e-9) * day
    found = 0.0 if min(np.ptp(length), np.ptp(free)) == 0 else float(spearmanr(free, length).statistic)
    text = f"it follows the time from created to closed (rank correlation {found:.2f})"
    return int(np.searchsorted(FOLLOWS, abs(found), side="right")), text


def _filled_more(leads: Leads, filled: Bools) -> tuple[float, str]:
    """By how much more often it is filled for deals that ended one way, or that ended at all; in words."""
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
    return best, text


def _together(
    leads: Leads, rates: Mapping[str, Floats], signs: Mapping[str, Sequence[str]], won: Bools, unit: Ints, fold: Ints
) -> Note:
    """What the held-out ranking loses without the columns that have signs: without each, and without all of them."""
    names, design = np.array(list(rates)), np.column_stack(list(rates.values()))

    def ranked(left: Sequence[str]) -> tuple[float, float]:
        """AUC and its standard error, by least squares (Fisher's discriminant) on the other folds."""
        x, score = design[:, ~np.isin(names, left)], np.zeros(len(won))
        for each in range(N_FOLDS):
            here, others = fold == each, x[fold != each]
            ridge = others.T @ others + 1e-3 * np.eye(x.shape[1])
            score[here] = x[here] @ np.linalg.solve(ridge, others.T @ won[fold != each])
        return _auc(score, won, unit)

    every, rest = ranked([]), ranked(list(signs))
    lost = {name: every[0] - ranked([name])[0] for name in signs}
    columns = sorted(signs, key=lambda name: -lost[name])
    between = [f"{max(auc - 1.96 * e, 0):.2f} to {min(auc + 1.96 * e, 1):.2f}" for auc, e in (every, rest)]
    by_signs: dict[str, list[str]] = {}
    for name in columns:
        by_signs.setdefault(", ".join(signs[name]), []).append(f"{name} ({max(lost[name], 0.0):.3f})")
    quoted = {name: json.dumps(name, ensure_ascii=False) for name in columns}
    apart = "".join(f" --without {text}" for name, text in quoted.items() if name in leads.context)  # no criteria
    return "LML121", {
        "columns": columns, "where": ", ".join(columns),
        "all": every[0], "all_between": between[0], "less": rest[0], "less_between": between[1],
        "signs": ". ".join(f"{', '.join(each)}: {words}" for words, each in by_signs.items()),
        "compare": apart and f"compare without them: leadml calibrate FILE --mapping M{apart}. For good, ",
        "exclude": ", ".join(f"{text}: written during the deal" for text in quoted.values()),
    }  # fmt: skip


def _auc(score: Floats, won: Bools, unit: Ints) -> tuple[float, float]:
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


def _binned(values: Floats) -> Floats:
    """Bins of equal size, NaN where blank."""
    if np.isnan(values).all():
        return values
    edges = np.unique(np.nanquantile(values, np.arange(1, N_BINS) / N_BINS))
    return np.where(np.isnan(values), np.nan, np.searchsorted(edges, values, side="right"))
