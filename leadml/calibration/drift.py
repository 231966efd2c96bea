"""Drift between early and late deals: base rate, levels (population stability index), weights; the intercept of now."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax
from scipy.stats import chi2, chi2_contingency

from leadml.calibration.deals import learning_weight, plain_design, weight_of, won_of
from leadml.card.codes import codes_of_leads
from leadml.data.deals import NO_DAY, OPEN, Leads, Note
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.solver import Fits, fit_logistic
from leadml.evaluation.metrics import stability_index
from leadml.levels import N_CODES, Flags, Floats, logistic

if TYPE_CHECKING:
    from leadml.calibration.contenders import View

N_PERIODS = 4
"""Periods of equal numbers of deals among which the base rate is compared."""
LEAST_DEALS = 200
"""Deals below which weights are not compared."""
ALPHA = 0.005
"""Chance at which a drift is reported where there is none."""
SHIFTED_FAR = 0.25
"""Population stability index that counts as a large shift (Siddiqi 2006, Credit risk scorecards)."""
Timing = int | None
"""Days that leads need to close (0: not known) where deals are in time order; None where they are not."""
DRIFTS, CHANCES = np.array([0.01, 0.3, 1.0]), np.array([0.8, 0.1, 0.1])
"""Standard deviations of the intercept's change over the later half of the deals, in log-odds; their prior chances."""
BIAS_SPREAD = 0.3
"""Prior standard deviation of the log-odds by which closed deals are off, since quick ones are too many."""
SPREAD = 1e3**0.5
"""Spread of coefficients that are all but free."""
MOST = 500_000
"""Deals that tell of the intercept of now: of so many its standard error is below 0.01."""
LEAST = 80
"""Deals from which on an intercept is looked at."""


def find_drift(deals: Leads, views: Collection[View]) -> tuple[list[Note], bool]:
    """Notes on drift of deals by when they came in (quick losses close first), and whether weights moved."""
    notes: list[Note] = []
    n_deals, weight = len(deals), weight_of(deals)
    position = np.arange(n_deals, dtype=np.int32)
    if deals.created is not None and (deals.created != NO_DAY).all():
        position[np.argsort(deals.created, kind="stable")] = position.copy()
    period, late = (position * N_PERIODS // n_deals).astype(np.uint8), position >= n_deals // 2
    won, lost = (np.bincount(period, weight * (deals.outcome == end), N_PERIODS) for end in (1, 0))
    # of a sample whose weights stand for more, the sample is what varies
    seen = np.stack([won, lost]) * n_deals / weight.sum()
    if chi2_contingency(seen, correction=False).pvalue <= ALPHA:
        before, after = (float(half[0].sum() / half.sum()) for half in np.split(seen, 2, axis=1))
        notes.append(("LML401", {"before": before, "after": after, "where": "outcome"}))
    for name, codes in zip(deals.criteria, deals.codes.T, strict=True):
        counts = np.bincount(codes + np.uint8(N_CODES) * late, minlength=2 * N_CODES).reshape(2, -1)
        counts = counts[:, counts.any(axis=0)]
        chance = chi2.isf(0.01, max(counts.shape[1] - 1, 1)) * (1 / counts.sum(axis=1)).sum()  # stays below it, 99%
        if (psi := stability_index(*counts)) > (limit := max(SHIFTED_FAR, float(chance))):
            notes.append(("LML402", {"column": name, "psi": psi, "limit": limit}))
    moved = [view.framework.title for view in views if weights_moved(view, deals, late)]
    if moved:
        notes.append(("LML406", {"columns": ", ".join(moved), "where": "weights"}))
    return notes, bool(moved)


def weights_moved(view: View, deals: Leads, late: Flags) -> bool:
    """Whether weights of early and late halves differ: score test of level x late in a logistic regression."""
    if len(deals) < LEAST_DEALS:
        return False
    codes, end = codes_of_leads(deals, view.mapped), np.asarray(deals.outcome == 1).view(np.int8)
    parts = [PatternCounts.from_codes(codes, np.where(half, end, np.int8(OPEN))) for half in (~late, late)]
    codes = np.concatenate([part.codes for part in parts])
    won, n = (np.concatenate([getattr(part, name) for part in parts]) for name in ("won", "total"))
    is_late = np.repeat([0.0, 1.0], [len(part.codes) for part in parts])
    design = plain_design(codes, codes, n)
    k = int((np.ptp(design[:, : codes.shape[1]], axis=0) > 0).sum())
    design = design[:, np.ptp(design, axis=0) > 0]
    base = np.column_stack([np.ones(len(is_late)), is_late, design])
    extra = design[:, :k] * is_late[:, None]
    fit = _fit(base, won / n, n, np.array([SPREAD]))
    p = logistic(base @ fit.theta[0])
    curve = (n * p * (1 - p))[:, None]
    cross = base.T @ (extra * curve)
    score = extra.T @ (won - n * p)
    variance = extra.T @ (extra * curve) - cross.T @ np.linalg.solve(fit.hessian[0], cross)
    statistic = float(score @ np.linalg.lstsq(variance, score, rcond=None)[0])
    return bool(statistic > chi2.isf(ALPHA, k))


def latest_shift(log_odds: Floats, leads: Leads, timing: Timing) -> tuple[float, float]:
    """Shift of the intercept to that of now, as far as the deals tell of one, and its variance.

    Of very many deals a regular sample is asked. Among deals closed so far quick ones, often losses, are too many. They
    are weighted for that first, by one over the chance that a deal which took as long has closed by now, at least 0.2
    (right truncation: leads come in evenly from the first to the last creation; Lagakos, Barraj, De Gruttola 1988,
    Biometrika 75). Then the later half of those with the time to close is looked at: an offset now and a drift along
    the times before, averaged over `DRIFTS`.
    """
    if timing is None or len(leads) < LEAST:
        return 0.0, 0.0
    if len(leads) > MOST:
        step = -(-len(leads) // MOST)
        log_odds, leads = log_odds[::step], leads.take(np.arange(0, len(leads), step))
    weight, won, rows, shift = learning_weight(leads), won_of(leads), np.arange(len(leads)), 0.0
    time = rows.astype(np.float64)
    now = time[-1]
    if timing and leads.created is not None and leads.closed is not None:
        time, closed = leads.created.astype(np.float64), leads.closed.astype(np.float64)
        first, took = time.min(), np.maximum(closed - time, 0.0)
        seen = np.clip((closed.max() - took - first) / max(np.ptp(time), 1.0), 0.2, 1.0)
        ones = np.ones((len(leads), 1))
        shift = float(_fit(ones, won, _effective(weight / seen), np.array([BIAS_SPREAD]), log_odds).theta[0, 0])
        now = max(time.max(), closed.max())  # later than the latest deals that had the time to close
        rows = np.flatnonzero(time <= now - timing)
        rows = rows[np.argsort(time[rows], kind="stable")]
    half = rows[len(rows) // 2 :]
    if len(half) < LEAST / 2:
        return shift, 0.0
    when = np.stack([np.ones(len(half)), (time[half] - now) / max(np.ptp(time[half]), 1.0)], axis=1)
    fits = _fit(when, won[half], _effective(weight[half]), DRIFTS, log_odds[half] + shift)
    share = softmax(np.log(CHANCES / DRIFTS**2) - fits.loss - 0.5 * np.linalg.slogdet(fits.hessian)[1])
    means, variances = fits.theta[:, 0], np.linalg.inv(fits.hessian)[:, 0, 0]
    found = float(share @ means)
    return float(np.clip(shift + found, -6, 6)), float(share @ (variances + (means - found) ** 2))


def _fit(columns: Floats, y: Floats, weight: Floats, spread: Floats, offset: Floats | float = 0.0) -> Fits:
    """Logistic regressions beside an offset, one a spread by which the coefficients are pulled to 0."""
    pull = spread[:, None, None] ** -2.0 * np.eye(columns.shape[1])
    return fit_logistic(columns, (weight * y)[None], weight[None], pull, offset=offset, tolerance=1e-9)


def _effective(weight: Floats) -> Floats:
    """Weights that add up to the effective number (Kish 1965)."""
    return np.asarray(weight * (weight.sum() / max(float(weight @ weight), 1e-9)))
