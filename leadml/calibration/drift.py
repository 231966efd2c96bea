"""Drift between early and late deals: base rate, levels (population stability index), weights; what each
endangers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.calibration.contenders import View, weight_of, won_of
from leadml.calibration.peers import plain_design
from leadml.data.deals import NO_DAY, Leads
from leadml.levels import N_CODES, UNKNOWN, logistic

Floats = npt.NDArray[np.float64]
Note = tuple[str, dict[str, Any]]

N_PERIODS = 4
"""Periods of equal numbers of deals among which the base rate is compared."""
LEAST_DEALS = 200
"""Deals below which weights are not compared."""
ALPHA = 0.005
"""Chance at which a drift is reported where there is none."""
SHIFTED_FAR = 0.25
"""Population stability index that counts as a large shift (Siddiqi 2006, Credit risk scorecards)."""


def find_drift(deals: Leads, views: tuple[View, ...]) -> tuple[list[Note], bool]:
    """Notes on drift of deals in time order, and whether weights drift in any framework.

    Deals are compared by when they came in: by when they closed, quick losses would come first.
    """
    if deals.created is not None and (deals.created != NO_DAY).all():
        deals = deals.take(np.argsort(deals.created, kind="stable"))
    notes = _base_rate(deals) + _levels(deals)
    moved = [view for view in views if weights_moved(view, deals)]
    if moved:
        names = ", ".join(view.framework.title for view in moved)
        notes.append(("LML406", {"columns": names, "where": "weights"}))
    return notes, bool(moved)


def _base_rate(deals: Leads) -> list[Note]:
    from scipy.stats import chi2

    weight, won = weight_of(deals), won_of(deals)
    period = np.minimum(np.arange(len(deals)) * N_PERIODS // max(len(deals), 1), N_PERIODS - 1)
    n = np.bincount(period, weight, minlength=N_PERIODS)
    n_won = np.bincount(period, weight * won, minlength=N_PERIODS)
    rate = n_won.sum() / n.sum()
    # of a sample whose weights stand for more, the sample is what varies
    scale = len(deals) / weight.sum()
    statistic = float(scale * ((n_won - n * rate) ** 2 / (n * rate * (1 - rate))).sum())
    if statistic < chi2.isf(ALPHA, N_PERIODS - 1):
        return []
    half = N_PERIODS // 2
    before, after = n_won[:half].sum() / n[:half].sum(), n_won[half:].sum() / n[half:].sum()
    values = {"before": float(before), "after": float(after), "where": "outcome"}
    return [("LML401", values)]


def psi(then: Floats, now: Floats) -> tuple[float, float]:
    """Population stability index of two counts, and what chance alone stays below (99%)."""
    from scipy.stats import chi2

    some = (then + now) > 0
    a, b = (then[some] + 0.5) / (then[some] + 0.5).sum(), (now[some] + 0.5) / (now[some] + 0.5).sum()
    chance = chi2.isf(0.01, max(some.sum() - 1, 1)) * (1 / max(then.sum(), 1) + 1 / max(now.sum(), 1))
    return float(((b - a) * np.log(b / a)).sum()), float(chance)


def _levels(deals: Leads) -> list[Note]:
    half = len(deals) // 2
    notes: list[Note] = []
    for at, name in enumerate(deals.criteria):
        then, now = (
            np.bincount(part, minlength=N_CODES).astype(np.float64)
            for part in (deals.codes[:half, at], deals.codes[half:, at])
        )
        index, chance = psi(then, now)
        if index > max(SHIFTED_FAR, chance):
            notes.append(("LML402", {"column": name, "psi": index, "limit": max(SHIFTED_FAR, chance)}))
    return notes


def weights_moved(view: View, deals: Leads) -> bool:
    """Whether weights of early and late halves differ: score test of level x late in a plain logistic
    regression."""
    from scipy.stats import chi2

    from leadml.estimators.patterns import PatternCounts

    if len(deals) < LEAST_DEALS or not view.mapped:
        return False
    half = np.arange(len(deals)) >= len(deals) // 2
    codes, won = view.codes(deals), won_of(deals)
    parts = [PatternCounts.from_codes(codes[rows], won[rows]) for rows in (~half, half)]
    codes = np.concatenate([part.codes for part in parts])
    won, n = (np.concatenate([getattr(part, name) for part in parts]) for name in ("won", "total"))
    late = np.repeat([0.0, 1.0], [len(part.codes) for part in parts])
    known = codes != UNKNOWN
    mean = (n @ np.where(known, codes, 0)) / np.maximum(n @ known, 1)
    design = plain_design(codes, mean)
    k = int((np.ptp(design[:, : codes.shape[1]], axis=0) > 0).sum())
    design = design[:, np.ptp(design, axis=0) > 0]
    base = np.column_stack([np.ones(len(late)), late, design])
    extra = design[:, :k] * late[:, None]
    theta = np.zeros(base.shape[1])
    for _ in range(30):
        p = logistic(base @ theta)
        hessian = base.T @ (base * (n * p * (1 - p))[:, None]) + 1e-3 * np.eye(base.shape[1])
        step = np.linalg.solve(hessian, base.T @ (won - n * p) - 1e-3 * theta)
        theta += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-7:
            break
    p = logistic(base @ theta)
    curve = (n * p * (1 - p))[:, None]
    cross = base.T @ (extra * curve)
    score = extra.T @ (won - n * p)
    variance = extra.T @ (extra * curve) - cross.T @ np.linalg.solve(hessian, cross)
    statistic = float(score @ np.linalg.lstsq(variance, score, rcond=None)[0])
    return bool(statistic > chi2.isf(ALPHA, k))
