"""Do the leads of today look like the deals that a card learned from? Levels, points, unknowns, bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.card import Card
from leadml.evaluation.metrics import rate_figure
from leadml.leads.model import Leads
from leadml.workflows.fresh import count_levels, count_points

Array = NDArray[Any]

SHIFTED, SHIFTED_FAR = 0.1, 0.25
"""Population stability index from which a shift counts, and counts as large: the customary limits."""

MORE_UNKNOWN = 0.1  # further share of leads whose level is unknown, from which it counts
N_BINS = 10
N_PERIODS = 12


def find_drift(card: Card, reference: dict[str, Any], leads: Leads) -> list[dict[str, Any]]:
    """Compare the levels and points of leads with those of the deals that a card learned from.

    Parameters
    ----------
    card : Card
        The card.
    reference : dict
        Its reference; nothing can be compared where it is empty.
    leads : Leads
        The leads of today.

    Returns
    -------
    list of dict
        The points first, then each criterion by its known levels: ``id, title, psi, chance, n, state``.
        ``chance`` is what the index stays below in 95% of samples of this size without any shift;
        ``state`` is steady, shifted, shifted-far, or not-known.
    """
    then = reference.get("points") or []
    points: Array = count_points(card, leads.levels)
    rows = [_row("points", "Points", *_in_bins(then, points))]
    levels, before = (
        count_levels(leads.levels, [c.id for c in card.criteria]),
        reference.get("criteria") or {},
    )
    for criterion in card.criteria:
        known_then, known_now = (side.get(criterion.id, [0] * 6)[:5] for side in (before, levels))
        rows.append(_row(criterion.id, criterion.title, known_then, known_now))
    return rows


def stability(then: Sequence[int], now: Sequence[int]) -> tuple[float, float]:
    """Population stability index of counts, and what chance alone would reach.

    PSI = sum((q - p) ln(q / p)); without a shift it is about (1/n + 1/m) times chi-square with one degree of
    freedom less than there are bins.

    Parameters
    ----------
    then, now : sequence of int
        Counts of the same bins, both above 0 in total.

    Returns
    -------
    psi, chance : float
        Index (0 where the shares agree), and its 95th percentile without any shift.

    References
    ----------
    Yurdakul, B., Naranjo, J. (2020). Statistical properties of the population stability index.
    Journal of Risk Model Validation 14(4).

    Examples
    --------
    >>> psi, chance = stability([500, 500], [250, 750])
    >>> round(psi, 2), psi > chance
    (0.27, True)
    """
    from scipy.stats import chi2

    a, b = np.asarray(then, dtype=float), np.asarray(now, dtype=float)
    n_bins = len(a)
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * n_bins) for counts in (a, b))
    chance = (1 / a.sum() + 1 / b.sum()) * chi2.ppf(0.95, max(1, n_bins - 1))
    return float(((q - p) * np.log(q / p)).sum()), float(chance)


def find_unknowns(card: Card, reference: dict[str, Any], leads: Leads) -> list[dict[str, Any]]:
    """Compare how often each criterion is unknown.

    Parameters
    ----------
    card : Card
        The card.
    reference : dict
        Its reference.
    leads : Leads
        The leads of today.

    Returns
    -------
    list of dict
        ``id, title, then`` (share or None), ``now`` (figure), ``more`` (whether it rose notably).
    """
    rows = []
    now_counts, before = count_levels(leads.levels, [c.id for c in card.criteria]), reference.get("criteria")
    for criterion in card.criteria:
        now_count = now_counts.get(criterion.id, [0, 0, 0, 0, 0, len(leads)])
        figure = rate_figure(now_count[5], len(leads))
        then = None
        if before is not None:
            counts = before.get(criterion.id, [0, 0, 0, 0, 0, 1])
            then = counts[5] / max(1, sum(counts))
        more = then is not None and figure["low"] is not None and figure["low"] > then + MORE_UNKNOWN
        rows.append({"id": criterion.id, "title": criterion.title, "then": then, "now": figure, "more": more})
    return rows


def find_bands(card: Card, reference: dict[str, Any], leads: Leads) -> dict[str, Any]:
    """Say which share of the leads falls in each band: then, now, and month by month.

    Parameters
    ----------
    card : Card
        The card.
    reference : dict
        Its reference.
    leads : Leads
        The leads of today.

    Returns
    -------
    dict
        ``bands``: id, title, then (share or None), now (figure). ``periods``: the latest months by the date
        of creation (else of closing), each with n and a share a band; empty without dates.
    """
    from_ = np.array([band.from_ for band in card.bands])
    n_bands, points = len(from_), card.score(leads.levels).points
    band_of = np.searchsorted(from_, points, side="right") - 1
    now = np.bincount(band_of, minlength=n_bands)
    then_counts = np.asarray(reference.get("points") or [], dtype=float)
    then: Array | None = None
    if len(then_counts) == card.total_max + 1 and then_counts.sum():
        home = np.searchsorted(from_, np.arange(card.total_max + 1), side="right") - 1
        then = np.bincount(home, then_counts, minlength=n_bands) / then_counts.sum()
    bands = [
        {
            "id": band.id,
            "title": band.title,
            "then": None if then is None else float(then[at]),
            "now": rate_figure(float(now[at]), len(leads)),
        }
        for at, band in enumerate(card.bands)
    ]
    return {"bands": bands, "periods": _periods(card, leads, band_of)}


def _periods(card: Card, leads: Leads, band_of: Array) -> list[dict[str, Any]]:
    """Shares of the bands, month by month."""
    dates = next((d for d in (leads.created_at, leads.closed_at) if d is not None and d.notna().any()), None)
    if dates is None:
        return []
    month = dates.dt.strftime("%Y-%m").to_numpy(dtype=object)
    dated = dates.notna().to_numpy()
    out = []
    for name in sorted(set(month[dated]))[-N_PERIODS:]:
        of_month = band_of[dated & (month == name)]
        share = np.bincount(of_month, minlength=len(card.bands)) / len(of_month)
        shares = {band.id: float(share[at]) for at, band in enumerate(card.bands)}
        out.append({"period": str(name), "n": len(of_month), "shares": shares})
    return out


def _in_bins(then: Sequence[int], now: Array) -> tuple[list[int], list[int]]:
    """Join totals to bins that hold about equally many of the deals of then."""
    if len(then) != len(now) or not sum(then):
        return [], now.tolist()
    before = np.cumsum([0, *then[:-1]])  # deals at lower totals
    bins = (before * N_BINS // sum(then)).astype(int)
    _, bins = np.unique(bins, return_inverse=True)
    return np.bincount(bins, then).astype(int).tolist(), np.bincount(bins, now).astype(int).tolist()


def _row(name: str, title: str, then: Sequence[int], now: Sequence[int]) -> dict[str, Any]:
    row = {"id": name, "title": title, "psi": None, "chance": None, "n": int(sum(now)), "state": "not-known"}
    if not sum(then) or not sum(now):
        return row
    psi, chance = stability(then, now)
    state = "steady"
    if psi > chance and psi >= SHIFTED:
        state = "shifted-far" if psi >= SHIFTED_FAR else "shifted"
    return row | {"psi": psi, "chance": chance, "state": state}
