"""What moved between the deals that were learned from and the later ones that were held out.

Rankings often outlive such a shift; probabilities, and cut-offs that rest on them, do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.leads.split import TRAIN_ONLY, Split
from leadml.workflows.drift import SHIFTED_FAR, stability
from leadml.workflows.findings import make_finding

Array = NDArray[Any]

N_BINS = 10
ERRORS_APART = 3.0
"""Win rates further apart than so many standard errors have moved."""
LEAST_INTERCEPT = 0.1
"""A calibration intercept nearer to 0 than this, in log-odds, endangers nothing."""


def find_shift(
    levels: Any, outcome: Array, split: Split, figures: list[dict[str, Any]], points: Array | None
) -> list[dict[str, str]]:
    """Find what moved between training and held-out deals, where the split is out of time.

    Parameters
    ----------
    levels : DataFrame of shape (n, k)
        Levels of the closed deals.
    outcome : array of shape (n,)
        1 won, 0 lost.
    split : Split
        The folds.
    figures : list of dict
        Contenders as in result.json, the recommended one marked.
    points : int array of shape (n,), optional
        Points of the recommended card.

    Returns
    -------
    list of dict
        LML401 on the win rate, LML405 on the probabilities told, LML402 on criteria, LML404 on points; none
        where the folds are not in time.

    References
    ----------
    Siddiqi, N. (2006). Credit risk scorecards. Wiley. (Population stability index.)
    """
    if split.kind != "out-of-time":
        return []
    train, test = split.fold[0] == TRAIN_ONLY, split.fold[0] == 0
    out = _win_rate(outcome[train], outcome[test]) + _calibration(figures, outcome[test])
    for name in levels.columns:
        codes = levels[name].fillna(5).to_numpy().astype(int)
        then, now = (np.bincount(codes[part], minlength=6) for part in (train, test))
        out += _distribution(then, now, "LML402", f"{name} is distributed", str(name), "")
    if points is not None:
        edges = np.unique(np.quantile(points[train], np.linspace(0, 1, N_BINS + 1)[1:-1], method="higher"))
        cell = np.searchsorted(edges, points)
        then, now = (np.bincount(cell[part], minlength=len(edges) + 1) for part in (train, test))
        card = next((f["id"] for f in figures if f["recommended"]), "card")
        endangered = (
            f" Mean points went from {points[train].mean():.1f} to {points[test].mean():.1f}: shares of leads"
            " in each band, and a cut-off by capacity, no longer hold."
        )
        out += _distribution(then, now, "LML404", f"points of {card} are distributed", card, endangered)
    return out


def _win_rate(before: Array, after: Array) -> list[dict[str, str]]:
    a, b = float(before.mean()), float(after.mean())
    error = np.sqrt(a * (1 - a) / len(before) + b * (1 - b) / len(after))
    if abs(a - b) <= ERRORS_APART * error:
        return []
    return [
        make_finding(
            "LML401",
            "warn",
            f"the win rate moved from {a:.1%} to {b:.1%}",
            f"Of the {len(before):,} earlier deals {a:.1%} were won, of the {len(after):,} later ones"
            f" {b:.1%}. Probabilities learned on the earlier deals no longer hold, nor do cut-offs that"
            " rest on them. Rankings may hold: they are measured on the later deals.",
            "outcome",
        )
    ]


def _calibration(figures: list[dict[str, Any]], outcome: Array) -> list[dict[str, str]]:
    """Look at the recommended card; without one that tells probabilities, at the best contender that does."""
    told = [f for f in figures if f["calibration_intercept"]["low"] is not None and f["kind"] != "prior"]
    own = next((f for f in told if f["recommended"]), None) or min(
        told, key=lambda f: float(f["log_loss"]["value"]), default=None
    )
    if own is None:
        return []
    off = own["calibration_intercept"]
    if off["low"] <= 0 <= off["high"] or abs(off["value"]) < LEAST_INTERCEPT:
        return []
    bins = own["reliability"]
    mean = sum(each["p_mean"] * each["n"] for each in bins) / sum(each["n"] for each in bins)
    slope = own["calibration_slope"]
    sloping = "" if slope["value"] is None else f", slope {slope['value']:.2f} where 1 is calibrated"
    return [
        make_finding(
            "LML405",
            "warn",
            f"later deals are won {'more' if off['value'] > 0 else 'less'} often than {own['id']} told",
            f"On the held-out deals it told {mean:.1%} on average, and {outcome.mean():.1%} were won:"
            f" calibration intercept {off['value']:+.2f} (95% interval {off['low']:+.2f} to"
            f" {off['high']:+.2f}), where 0 is calibrated{sloping}. Do not take its probabilities at their"
            " word before they are calibrated on recent deals.",
            own["id"],
        )
    ]


def _distribution(
    then: Array, now: Array, code: str, what: str, where: str, endangered: str
) -> list[dict[str, str]]:
    psi, chance = stability(then.tolist(), now.tolist())
    if psi < max(SHIFTED_FAR, chance):
        return []
    return [
        make_finding(
            code,
            "warn",
            f"{what} differently in the test deals",
            f"Population stability index {psi:.2f}, where {SHIFTED_FAR} and more counts as a large shift and"
            f" chance alone stays below {max(chance, 0.01):.2f}.{endangered}",
            where,
        )
    ]
