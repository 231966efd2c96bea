"""Drift between early and late deals: base rate, levels (population stability index), weights; the intercept of now."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leadml.calibration.views import Floats, Note, View, known_means, learning_weight, plain_design, weight_of, won_of
from leadml.data.deals import NO_DAY, Leads
from leadml.levels import N_CODES, logistic

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
DRIFTS = ((0.01, 0.8), (0.3, 0.1), (1.0, 0.1))
"""Standard deviations of the intercept's change over the later half of the deals, in log-odds; their prior chances."""
BIAS_SPREAD = 0.3
"""Prior standard deviation of the log-odds by which closed deals are off, since quick ones are too many."""
LEAST = 80
"""Deals from which on an intercept is looked at."""


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
    """Whether weights of early and late halves differ: score test of level x late in a logistic regression."""
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
    design = plain_design(codes, known_means(codes, n))
    k = int((np.ptp(design[:, : codes.shape[1]], axis=0) > 0).sum())
    design = design[:, np.ptp(design, axis=0) > 0]
    base = np.column_stack([np.ones(len(late)), late, design])
    extra = design[:, :k] * late[:, None]
    _, hessian, log_odds = _fit(base, won / n, n, 1e-3)
    p = logistic(log_odds)
    curve = (n * p * (1 - p))[:, None]
    cross = base.T @ (extra * curve)
    score = extra.T @ (won - n * p)
    variance = extra.T @ (extra * curve) - cross.T @ np.linalg.solve(hessian, cross)
    statistic = float(score @ np.linalg.lstsq(variance, score, rcond=None)[0])
    return bool(statistic > chi2.isf(ALPHA, k))


def latest_shift(log_odds: Floats, leads: Leads, timing: Timing) -> tuple[float, float]:
    """Shift of the intercept to that of now, as far as the deals tell of one, and its variance.

    Among deals closed so far quick ones, often losses, are too many: they are weighted for that first (see
    `seen_chance`). Then the later half of those that had the time to close is looked at.
    """
    if timing is None or len(leads) < LEAST:
        return 0.0, 0.0
    weight, rows, shift = learning_weight(leads), np.arange(len(leads)), 0.0
    if timing and leads.created is not None and leads.closed is not None:
        seen = _effective(weight / seen_chance(leads.created, leads.closed))
        ones = np.ones((len(leads), 1))
        shift = float(_fit(ones, won_of(leads), seen, BIAS_SPREAD**-2, log_odds)[0][0])
        last = max(int(leads.created.max()), int(leads.closed.max()))
        rows = np.flatnonzero(leads.created.astype(np.int64) <= last - timing)
        rows = rows[np.argsort(leads.created[rows], kind="stable")]
    half = rows[len(rows) // 2 :]
    if len(half) < LEAST / 2:
        return shift, 0.0
    time = np.linspace(-1.0, 0.0, len(half))
    if timing and leads.created is not None and leads.closed is not None:
        # now is later than the latest deals that had the time to close
        day = leads.created[half].astype(np.float64)
        time = (day - last) / max(day[-1] - day[0], 1.0)
    found, variance = _offset_now(log_odds[half] + shift, won_of(leads)[half], weight[half], time)
    return float(np.clip(shift + found, -6, 6)), variance


def seen_chance(created: npt.NDArray[np.int32], closed: npt.NDArray[np.int32]) -> Floats:
    """Chance that a deal which took as long as each of these has closed by now (right truncation), at least 0.2.

    Leads come in evenly from the first to the last creation; one that takes T days is seen closed if it
    came in at least T days ago. Lagakos, Barraj, De Gruttola (1988), Biometrika 75.
    """
    first, newest = float(created.min()), float(created.max())
    took = np.maximum(closed.astype(np.float64) - created, 0.0)
    return np.asarray(np.clip((float(closed.max()) - took - first) / max(newest - first, 1.0), 0.2, 1.0))


def _fit(columns: Floats, y: Floats, weight: Floats, pull: float, eta: Floats | float = 0.0) -> tuple[Floats, ...]:
    """Coefficients, their information and the log-odds of a logistic regression beside `eta`, each pulled to 0."""
    theta = np.zeros(columns.shape[1])
    for _ in range(30):
        p = logistic(eta + columns @ theta)
        hessian = (columns * (weight * p * (1 - p))[:, None]).T @ columns + pull * np.eye(len(theta))
        step = np.linalg.solve(hessian, columns.T @ (weight * (y - p)) - pull * theta)
        theta += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return theta, hessian, eta + columns @ theta


def _effective(weight: Floats) -> Floats:
    """Weights that add up to the effective number (Kish 1965)."""
    return np.asarray(weight * (weight.sum() / max(float(weight @ weight), 1e-9)))


def _offset_now(eta: Floats, y: Floats, weight: Floats, time: Floats) -> tuple[float, float]:
    """Offset at time 0 and its variance: an offset and a drift along times below 0, averaged over `DRIFTS`."""
    w, columns = _effective(weight), np.stack([np.ones(len(eta)), time], axis=1)
    means, variances, evidence = [], [], []
    for sd, chance in DRIFTS:
        pull = sd**-2
        theta, hessian, moved = _fit(columns, y, w, pull, eta)
        fit = w @ (y * moved - np.logaddexp(0.0, moved)) - 0.5 * pull * theta @ theta
        evidence.append(np.log(chance * pull) + fit - 0.5 * np.linalg.slogdet(hessian)[1])
        means.append(theta[0])
        variances.append(np.linalg.inv(hessian)[0, 0])
    share = np.exp(np.array(evidence) - max(evidence))
    share /= share.sum()
    mean = float(share @ means)
    return mean, float(share @ (np.array(variances) + (np.array(means) - mean) ** 2))
