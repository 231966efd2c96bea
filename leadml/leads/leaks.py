"""Columns that know how a deal ended, which would fool whoever learns from them.

A column can give itself away: by ranking the outcomes almost perfectly (LML101), by being filled in after the
close (LML102), or by a stretch in which every deal ended alike (LML111), as a call that is hung up at once is
never won. A leak that does none of these cannot be seen in the data; the mapping's ``exclude`` declares it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from leadml.leads.catalogue import data_finding

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from leadml.leads.model import Leads

MIN_KNOWN = 20
"""A column is judged on at least so many deals of a kind."""
LEAK_AUC = 0.9
"""A single column that ranks outcomes this well is taken for a leak."""
FILLED_PURITY = 0.99
"""At this share of one outcome among the filled (or the empty) cells, being filled tells the outcome."""
FILLED_GAP = 0.2
"""And the share of that outcome among the other deals must be lower by at least this much."""
FILLED_CHANCE = 1e-6
"""And cells drawn at random must be as pure as that with a smaller chance than this."""
STRETCH_AUC = 0.75
"""A number that ranks the outcomes this well is looked through for a stretch where all ended alike."""
STRETCH_SHARE = 0.1
"""The lowest and the highest tenth are looked at, ties taken along."""
STRETCH_PURITY = 0.995
"""At this share of one outcome a stretch leaves nothing to decide."""
N_FOLDS = 5


def find_leaks(leads: Leads) -> list[dict[str, str]]:
    """Find columns that know the outcome: criteria, context columns and the amount, one by one.

    A number is judged by its own ranking, a category by win rates in the other four fifths of the deals
    (equal rows together), so that a column of names or identities is not taken for a leak.

    Parameters
    ----------
    leads : Leads
        Leads with outcomes; open ones are left out.

    Returns
    -------
    list of dict
        Findings LML101, LML102 and LML111, with the line that excludes the column.
    """
    import numpy as np

    if leads.outcome is None:
        return []
    closed = np.flatnonzero(~np.isnan(leads.outcome))
    won = leads.outcome[closed] == 1
    if not 0 < won.sum() < len(won):
        return []
    fold = leads.row_key[closed] % N_FOLDS
    found = []
    for column, place, values in _single_columns(leads):
        here = values[closed]
        known = ~np.isnan(here) if here.dtype.kind == "f" else np.array([v is not None for v in here], bool)
        if explanation := _filled_tells(known, won):
            found.append(("LML102", column, place, explanation))
        score = here if here.dtype.kind == "f" else _rate_elsewhere(here, won, fold)
        auc = _auc(score[known], won[known])
        if known.sum() >= 2 * MIN_KNOWN and max(auc, 1 - auc) >= LEAK_AUC:
            said = f"alone it reaches AUC {max(auc, 1 - auc):.2f} on {known.sum()} deals"
            found.append(("LML101", column, place, said))
            continue
        if here.dtype.kind != "f" or place.startswith("criteria") or max(auc, 1 - auc) < STRETCH_AUC:
            continue
        if explanation := _pure_stretch(here[known], won[known]):
            said = f"alone it reaches AUC {max(auc, 1 - auc):.2f}, and {explanation}"
            found.append(("LML111", column, place, said))
    return [
        data_finding(
            code,
            f"{column!r} ({place}): {explanation}. "
            + (
                "An amount only tells what won deals are worth and ranks no lead; map it as nothing else, or"
                f" take it out and add to the mapping: exclude: {{{column}: known only after the close}}"
                if place == "amount"
                else f"If it is known only after the close, take it from {place} and add to the mapping:"
                f" exclude: {{{column}: known only after the close}}"
            ),
            column,
        )
        for code, column, place, explanation in found
    ]


def _single_columns(leads: Leads) -> Iterator[tuple[str, str, npt.NDArray[Any]]]:
    """Give (column of the file, place in the mapping, values: floats with NaN or objects with None)."""
    mapping = leads.mapping
    for name in leads.levels.columns:
        own = mapping.criteria.get(name) if mapping else None
        if mapping is None or own is not None:
            column = own.column if own else name
            yield column, f"criteria.{name}", leads.levels[name].to_numpy(dtype=float)
    for name in leads.context.columns:
        values = leads.context[name]
        yield str(name), "context", values.to_numpy(dtype=float if values.dtype.kind == "f" else object)
    if leads.amount is not None:
        yield mapping.amount.column if mapping and mapping.amount else "amount", "amount", leads.amount


def _auc(score: npt.NDArray[Any], won: npt.NDArray[np.bool_]) -> float:
    """Probability that a won deal ranks above a lost one, ties counting half, from the ranks."""
    import numpy as np

    n_won, n_lost = int(won.sum()), int((~won).sum())
    if not n_won or not n_lost:
        return 0.5
    _, at, n_each = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(n_each) - (n_each - 1) / 2)[at]
    return float((ranks[won].sum() - n_won * (n_won + 1) / 2) / (n_won * n_lost))


def _rate_elsewhere(
    values: npt.NDArray[Any], won: npt.NDArray[np.bool_], fold: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Win rate of each deal's category in the other folds, shrunk by one deal toward the base rate."""
    import numpy as np

    distinct = {value: code for code, value in enumerate(dict.fromkeys(values))}
    at = np.array([distinct[value] for value in values], np.int64)
    cell = at * N_FOLDS + fold
    n = np.bincount(cell, minlength=len(distinct) * N_FOLDS).reshape(-1, N_FOLDS)
    n_won = np.bincount(cell, weights=won, minlength=len(distinct) * N_FOLDS).reshape(-1, N_FOLDS)
    n_else, won_else = n.sum(1, keepdims=True) - n, n_won.sum(1, keepdims=True) - n_won
    base = won_else.sum(0) / np.maximum(n_else.sum(0), 1)
    rate = ((won_else + base) / (n_else + 1))[at, fold]
    # A category met in no other fold says nothing: centre every fold, or the folds' base rates would rank.
    centred: npt.NDArray[np.float64] = rate - base[fold]
    return centred


def _filled_tells(filled: npt.NDArray[np.bool_], won: npt.NDArray[np.bool_]) -> str | None:
    """Say so when the filled cells, or the empty ones, nearly all ended alike, and not by chance."""
    for word, side in (("filled", filled), ("empty", ~filled)):
        n_side, n_other = int(side.sum()), int((~side).sum())
        if min(n_side, n_other) < MIN_KNOWN:
            return None
        for outcome, ended in (("won", won), ("lost", ~won)):
            here, there, base = ended[side].mean(), ended[~side].mean(), ended.mean()
            pure = here >= FILLED_PURITY and here - there >= FILLED_GAP
            if pure and base**n_side < FILLED_CHANCE:
                return (
                    f"{here:.0%} of the {n_side} deals where it is {word} were {outcome},"
                    f" {there:.0%} elsewhere"
                )
    return None


def _pure_stretch(values: npt.NDArray[Any], won: npt.NDArray[np.bool_]) -> str | None:
    """Say so when the deals of the lowest, or of the highest, tenth nearly all ended alike, not by chance."""
    import numpy as np
    from scipy.stats import binom

    ranked, n = np.sort(values), max(MIN_KNOWN, round(STRETCH_SHARE * len(values)))
    if n >= len(values):
        return None
    low, high = ranked[n - 1], ranked[-n]
    for words, side in ((f"up to {low:g}", values <= low), (f"from {high:g}", values >= high)):
        for outcome, ended in (("won", won), ("lost", ~won)):
            n_side, n_other = int(side.sum()), int((side & ~ended).sum())
            chance = binom.cdf(n_other, n_side, 1 - ended.mean())
            if n_other <= (1 - STRETCH_PURITY) * n_side and chance < FILLED_CHANCE:
                return (
                    f"{n_side - n_other} of the {n_side} deals with a value {words} were {outcome},"
                    f" {ended[~side].mean():.0%} elsewhere"
                )
    return None
