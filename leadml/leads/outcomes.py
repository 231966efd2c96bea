"""How leads ended, whether that is enough to learn from, and what in them would fool whoever learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leadml.exceptions import TooFewDealsError
from leadml.leads.catalogue import data_finding
from leadml.leads.leaks import find_leaks

if TYPE_CHECKING:
    from leadml.leads.model import Leads

MIN_DEALS = 20
"""Fewer won or fewer lost deals than this teach nothing."""


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
