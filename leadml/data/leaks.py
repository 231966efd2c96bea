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
from leadml.data.deals import NO_DAY, OPEN, Leads, Note
from leadml.data.units import codes_of
from leadml.levels import UNKNOWN

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
Ints = npt.NDArray[np.int64]
ENDS = ("lost", "won")


class _Column(NamedTuple):
    name: str
    kind: str  # criterion, context, segment or amount
    values: Floats  # NaN where blank; categories are numbered
    ranks: bool = True  # whether larger values mean more
    cells: pa.Array | None = None  # as they were read, of context and segments


class _Sign(NamedTuple):
    points: int
    text: str
    code: str = ""  # of a finding, where it suffices alone


class _Deals(NamedTuple):
    leads: Leads
    rows: Ints  # of the closed deals; what follows is one each
    won: Bools
    unit: Ints
    fold: Ints


def sample_kinds(leads: Leads) -> Leads:
    """At most so many closed deals, and as many open ones."""
    if leads.outcome is not None and len(leads) > MOST:
        rng, kinds = np.random.default_rng(0), (leads.outcome != OPEN, leads.outcome == OPEN)
        drawn = list[Ints]()
        for kind in kinds:
            some = rng.choice(n := int(np.count_nonzero(kind)), min(n, MOST), replace=False)
            drawn.append(some if n == len(kind) else np.flatnonzero(kind)[some])
        leads = leads.take(np.sort(np.concatenate(drawn)))
    return leads


def leak_notes(leads: Leads) -> list[Note]:
    """All that is found of leaks; columns that are told together are not told one by one."""
    if leads.outcome is None:
        return []
    leads = sample_kinds(leads)
    alone, together = find_leaks(leads)
    names = set() if together is None else {*together[1]["columns"]}
    if names <= {values.get("column") for _, values in alone}:  # nothing beyond what each says alone
        together = None
    else:
        alone = [note for note in alone if note[0] in ("LML101", "LML117") or note[1]["column"] not in names]
    return [note for note in (together, *alone) if note is not None]


def find_leaks(leads: Leads) -> tuple[list[Note], Note | None]:
    """Tell what columns and dates show alone, and which columns do together; weights are not used."""
    outcome = np.full(len(leads), OPEN) if leads.outcome is None else leads.outcome
    rows = np.flatnonzero(outcome != OPEN)
    won = outcome[rows] == 1
    if min(won.sum(), (~won).sum()) < MIN_KNOWN:
        return [], None
    unit = np.arange(len(rows)) if leads.unit is None else leads.unit[rows].astype(np.int64)
    fold = np.random.default_rng(0).permutation(int(unit.max()) + 1)[unit] % N_FOLDS
    deals, alone = _Deals(leads, rows, won, unit, fold), list[Note]()
    if leads.closed is not None:
        blank = leads.closed[rows] == NO_DAY
        (low, _), (high, which) = sorted((float(blank[won == is_won].mean()), end) for is_won, end in enumerate(ENDS))
        alone += [("LML117", {"share": high, "which": which})] if high - low >= DATED_GAP else []
    rates, suspects, p = {"": np.ones(len(won))}, dict[str, list[str]](), dict[str, float]()  # a constant goes first
    for column in _columns(leads):
        binned = _binned(column.values[rows]) if column.ranks else column.values[rows]
        rate = _rate_elsewhere(binned, won, fold)
        signs = [*_filled(deals, column), *_ranking(deals, column, rate), *_timing(deals, column)]
        told = ((sign.code, f"{sign.text[:1].upper()}{sign.text[1:]}.") for sign in signs if sign.code)
        alone += [(code, {"column": column.name, "detail": detail}) for code, detail in told]
        if column.kind in ("criterion", "context"):
            rates[column.name] = rate
            if why := late_by_name(column.name):
                signs = [_Sign(2, f"by its name it {why}"), *signs]
            if sum(sign.points for sign in signs) >= 2:
                suspects[column.name] = [sign.text for sign in signs if sign.points]
                chance = chi_square(np.nan_to_num(binned, nan=-1).astype(np.int64), won, unit)
                p[column.name] = chance if _auc(rate, won, unit)[0] >= LEAST_AUC else 1.0
    suspects = {name: texts for name, texts in suspects.items() if p[name] < BY_CHANCE / len(p)}
    return alone, _together(deals, rates, suspects) if suspects else None


def _columns(leads: Leads) -> Iterator[_Column]:
    """All that is used of the leads."""
    rules = leads.mapping.criteria if leads.mapping else {}
    for j, name in enumerate(leads.criteria):
        if leads.mapping is None or name in rules:
            codes = leads.codes[:, j].astype(np.float64)
            column = rules[name].column if name in rules else name
            yield _Column(column, "criterion", np.where(codes == UNKNOWN, np.nan, codes))
    for name, cells in {**leads.segments, **leads.context}.items():
        ranks = not pa.types.is_dictionary(cells.type)
        values = values_of(cells) if ranks else codes_of(cells)
        known = valid_of(cells) if ranks else values > 0
        kind = "context" if name in leads.context else "segment"
        yield _Column(name, kind, np.where(known, values.astype(np.float64), np.nan), ranks, cells)
    if leads.amount is not None:
        rule = leads.mapping.amount if leads.mapping else None
        yield _Column(rule.column if rule else "amount", "amount", leads.amount)


def _filled(deals: _Deals, column: _Column) -> Iterator[_Sign]:
    """Being filled, or empty, tells the outcome, or is more frequent for deals that ended one way, or at all."""
    filled, outcome, created = ~np.isnan(column.values), np.asarray(deals.leads.outcome), deals.leads.created
    here = filled[deals.rows]
    for where, side in (("where it is filled", here), ("where it is empty", ~here)):
        if text := _alike(deals.won, where, side, *FILLED):
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
    filled = ~np.isnan(column.values[deals.rows])
    values, won, n_known = column.values[deals.rows][filled], deals.won[filled], int(filled.sum())
    auc, _ = _auc(values if column.ranks else rate[filled], won, deals.unit[filled])
    rank, n = max(auc, 1 - auc), max(MIN_KNOWN, round(STRETCH_SHARE * n_known))
    if n_known >= 2 * MIN_KNOWN and rank >= LEAK_AUC:
        yield _Sign(2, f"alone it reaches AUC {rank:.2f} on {n_known:,} deals", "LML101")
    elif column.ranks and column.kind != "criterion" and rank >= STRETCH_AUC and n < n_known:
        low, high = np.partition(values, (n - 1, -n))[[n - 1, -n]]
        for where, side in ((f"up to {low:g}", values <= low), (f"from {high:g}", values >= high)):
            if text := _alike(won, f"with a value {where}", side, *STRETCH):
                yield _Sign(2, text, "LML111")
                return


def _alike(won: Bools, where: str, side: Bools, purity: float, gap: float) -> str:
    """Say that on one side nearly all deals ended alike, more of them than elsewhere, and not by chance."""
    from scipy.stats import binom

    for is_won, end in enumerate(ENDS if min(side.sum(), (~side).sum()) >= MIN_KNOWN else ()):
        ended = won == is_won
        here, there = float(ended[side].mean()), float(ended[~side].mean())
        by_chance = binom.cdf((side & ~ended).sum(), side.sum(), 1 - ended.mean())
        if here >= purity and here - there >= gap and by_chance < CHANCE:
            return f"{here:.0%} of the {side.sum():,} deals {where} were {end}, {there:.0%} elsewhere"
    return ""


def _timing(deals: _Deals, column: _Column) -> Iterator[_Sign]:
    """It is a date on or after the close in most deals, or follows the time from created to closed (in ranks)."""
    from scipy.stats import spearmanr

    closed = deals.leads.closed
    if closed is None:
        return
    end = closed[deals.rows]
    if column.cells is not None and not pa.types.is_floating(column.cells.type):
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
    if timed.sum() >= 2 * MIN_KNOWN:
        begun, own = begun[timed].astype(np.float64), own[timed]
        length, trend = end[timed] - begun, begun - begun.mean()
        free = own - (own @ trend) / max(float(trend @ trend), 1e-9) * trend
        found = 0.0 if min(np.ptp(length), np.ptp(free)) == 0 else float(spearmanr(free, length).statistic)
        text = f"it follows the time from created to closed (rank correlation {found:.2f})"
        yield _Sign(int(np.searchsorted(FOLLOWS, abs(found), side="right")), text)


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


def chi_square(codes: Ints, side: Bools, unit: Ints | None = None) -> float:
    """P value of independence; rare categories are taken together, deals of a unit that are alike count for less."""
    from scipy.stats import chi2, chi2_contingency
    from scipy.stats.contingency import crosstab

    at = np.unique(codes, return_inverse=True)[1]
    rare = np.bincount(at) < MIN_KNOWN
    at = np.unique(np.where(rare[at], -1, at), return_inverse=True)[1]
    table = crosstab(at, side).count
    if min(table.shape) < 2:
        return 1.0
    found, effect = chi2_contingency(table, correction=False), 1.0
    if unit is not None:
        rest, n_units = side - (table[:, 1] / table.sum(axis=1))[at], len(np.unique(unit))
        cell = np.unique(unit * len(table) + at, return_inverse=True)[1]
        effect = float((np.bincount(cell, rest) ** 2).sum() / max(float(rest @ rest), 1e-9))
        effect *= n_units / max(n_units - len(table), 1)
    return float(chi2.sf(found.statistic / max(effect, 1.0), found.dof))


def _together(deals: _Deals, rates: Mapping[str, Floats], signs: Mapping[str, Sequence[str]]) -> Note:
    """What the held-out ranking loses without the columns that have signs: without each, and without all of them."""
    names, design = np.array(list(rates)), np.column_stack(list(rates.values()))

    def ranked(left: Sequence[str]) -> tuple[float, float]:
        """AUC and its standard error, by least squares (Fisher's discriminant) on the other folds."""
        x, won, fold = design[:, ~np.isin(names, left)], deals.won, deals.fold
        score = np.zeros(len(won))
        for each in range(N_FOLDS):
            here, others = fold == each, x[fold != each]
            ridge = others.T @ others + 1e-3 * np.eye(x.shape[1])
            score[here] = x[here] @ np.linalg.solve(ridge, others.T @ won[fold != each])
        return _auc(score, won, deals.unit)

    every, rest = ranked([]), ranked(list(signs))
    lost = {name: every[0] - ranked([name])[0] for name in signs}
    columns = sorted(signs, key=lambda name: -lost[name])
    between = [f"{max(auc - 1.96 * e, 0):.2f} to {min(auc + 1.96 * e, 1):.2f}" for auc, e in (every, rest)]
    by_signs: dict[str, list[str]] = {}
    for name in columns:
        by_signs.setdefault(", ".join(signs[name]), []).append(f"{name} ({max(lost[name], 0.0):.3f})")
    quoted = {name: json.dumps(name, ensure_ascii=False) for name in columns}
    apart = "".join(f" --without {text}" for name, text in quoted.items() if name in deals.leads.context)  # no criteria
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
