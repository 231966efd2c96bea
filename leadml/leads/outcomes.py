"""What the closed deals can teach, and what in the data would fool whoever learns from them.

Findings about the data, each a dict of ``code, severity (stop|warn|note), title, explanation, where``:

======  ========  =========================================================================================
code    severity  says
======  ========  =========================================================================================
LML101  warn      one column alone ranks the outcomes almost perfectly: known only after the close?
LML102  warn      whether a column is filled tells the outcome: filled in after the close?
LML103  warn      several rows have the same lead id
LML104  warn      rows were rejected
LML105  warn      the order of day and month in a column of dates was assumed
LML106  note      how the file is written was guessed, and the guess is worth a look
LML107  note      columns that the mapping allows to be absent are absent
LML108  note      rows that are equal in every column ended differently
LML109  stop      too few closed deals to learn from
LML110  note      a criterion has one level only, or is never known
======  ========  =========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from leadml.exceptions import TooFewDealsError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from leadml.leads.model import Leads

MIN_DEALS = 20
"""Fewer won or fewer lost deals than this teach nothing."""
LEAK_AUC = 0.9
"""A single column that ranks outcomes this well is taken for a leak."""
FILLED_PURITY = 0.99
"""At this share of one outcome among the filled (or the empty) cells, being filled tells the outcome."""
FILLED_GAP = 0.2
"""And the share of that outcome among the other deals must be lower by at least this much."""
FILLED_CHANCE = 1e-6
"""And cells drawn at random must be as pure as that with a smaller chance than this."""
N_FOLDS = 5

_CATALOGUE = {
    "LML101": ("warn", "one column alone ranks the outcomes almost perfectly"),
    "LML102": ("warn", "whether a column is filled tells the outcome"),
    "LML103": ("warn", "lead ids occur more than once"),
    "LML104": ("warn", "rows were rejected"),
    "LML105": ("warn", "the order of day and month was assumed"),
    "LML106": ("note", "how the file is written was guessed"),
    "LML107": ("note", "columns are absent that may be"),
    "LML108": ("note", "equal rows ended differently"),
    "LML109": ("stop", "too few closed deals to learn from"),
    "LML110": ("note", "a criterion does not vary"),
}


class Counts(NamedTuple):
    """How the leads ended.

    Attributes
    ----------
    n_leads, n_won, n_lost, n_open : int
        All leads, and those won, lost and open; all are open when the mapping names no outcome.
    base_rate : float
        Won / (won + lost); NaN without a closed deal.
    """

    n_leads: int
    n_won: int
    n_lost: int
    n_open: int
    base_rate: float


def data_finding(code: str, explanation: str, where: str) -> dict[str, str]:
    """Make a finding about the data.

    Parameters
    ----------
    code : str
        One of the table above.
    explanation : str
        What was seen, with figures, and what to do.
    where : str
        The column, file or mapping key.

    Returns
    -------
    dict
        The finding.
    """
    severity, title = _CATALOGUE[code]
    return {"code": code, "severity": severity, "title": title, "explanation": explanation, "where": where}


def count_outcomes(leads: Leads) -> Counts:
    """Count how the leads ended.

    Parameters
    ----------
    leads : Leads
        Any leads.

    Returns
    -------
    Counts
        Counts and base rate.
    """
    n = len(leads)
    if leads.outcome is None:
        return Counts(n, 0, 0, n, float("nan"))
    won, lost = int((leads.outcome == 1).sum()), int((leads.outcome == 0).sum())
    return Counts(n, won, lost, n - won - lost, won / (won + lost) if won + lost else float("nan"))


def check_enough(leads: Leads, minimum: int = MIN_DEALS) -> Counts:
    """Refuse to learn from too few closed deals.

    Parameters
    ----------
    leads : Leads
        Closed deals, open ones perhaps among them.
    minimum : int
        At least so many won and so many lost deals.

    Returns
    -------
    Counts
        How the leads ended.

    Raises
    ------
    TooFewDealsError
        There are fewer.
    """
    counts = count_outcomes(leads)
    if min(counts.n_won, counts.n_lost) < minimum:
        why = "the mapping names no outcome, or the file lacks it; " if leads.outcome is None else ""
        raise TooFewDealsError(
            f"{leads.source}: {why}got {counts.n_won} won and {counts.n_lost} lost deals; valid: at least"
            f" {minimum} of each, to learn from; score with the documented policies for now (leadml qualify),"
            " and calibrate once more deals have closed"
        )
    return counts


def check_data(leads: Leads) -> list[dict[str, str]]:
    """List what in the data would fool whoever learns from them, and what was met on reading.

    Parameters
    ----------
    leads : Leads
        Leads with outcomes.

    Returns
    -------
    list of dict
        Findings, in the order of their codes.
    """
    found = [*leads.findings, *_constant_criteria(leads)]
    if leads.outcome is not None:
        counts = count_outcomes(leads)
        if min(counts.n_won, counts.n_lost) < MIN_DEALS:
            explanation = f"{counts.n_won} won and {counts.n_lost} lost deals; at least {MIN_DEALS} of each"
            found.append(data_finding("LML109", explanation, _outcome_column(leads)))
        else:
            found += find_leaks(leads)
        found += _contradictions(leads)
    return sorted(found, key=lambda finding: finding["code"])


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
        Findings LML101 and LML102, with the line that excludes the column.
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
        if known.sum() >= 2 * MIN_DEALS and max(auc, 1 - auc) >= LEAK_AUC:
            said = f"alone it reaches AUC {max(auc, 1 - auc):.2f} on {known.sum()} deals"
            found.append(("LML101", column, place, said))
    return [
        data_finding(
            code,
            f"{column!r} ({place}): {explanation}. If it is known only after the close, take it from {place}"
            f" and add to the mapping: exclude: {{{column}: known only after the close}}",
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
        if min(n_side, n_other) < MIN_DEALS:
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


def _constant_criteria(leads: Leads) -> list[dict[str, str]]:
    found = []
    for name in leads.levels.columns:
        known = leads.levels[name].dropna()
        if known.nunique() < 2 and len(leads):
            seen = f"level {known.iloc[0]:.0f} wherever it is known" if len(known) else "never known"
            found.append(data_finding("LML110", f"{name} is {seen}: no deal can tell its weight", str(name)))
    return found


def _contradictions(leads: Leads) -> list[dict[str, str]]:
    import pandas as pd

    share = pd.Series(leads.outcome).groupby(leads.row_key).agg(["min", "max", "count"])
    twice = share["count"] > 1
    both = int((share["min"] < share["max"]).sum())
    if not both:
        return []
    explanation = (
        f"{both} of {len(share)} distinct rows were both won and lost ({int(twice.sum())} occur more than"
        " once): no rule can be right on all of them; equal rows are kept together when splitting"
    )
    return [data_finding("LML108", explanation, _outcome_column(leads))]


def _outcome_column(leads: Leads) -> str:
    return leads.mapping.outcome.column if leads.mapping and leads.mapping.outcome else "outcome"
