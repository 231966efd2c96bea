"""Answers filled in after the close (LML112): won deals are completed later, so that "unknown" means "lost"."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from leadml.calibration.deals import weight_of
from leadml.data.deals import NO_DAY, OPEN, Leads, Note
from leadml.estimators.solver import fit_logistic
from leadml.levels import LEVEL_MAX, UNKNOWN, Codes, Flags, Floats, Ints, pack, unpack

MARGIN = 0.8  # odds of an unknown answer against those of the worst level
MIN_UNKNOWN = 8  # a criterion is looked at from so many unknown (and known) answers on
OPEN_GAP = 0.1  # open deals know less where so many more answers are unknown than of won and of lost deals
_Z, _Z_OPEN = 1.645, 3.0
_LEVEL_SD, _UNKNOWN_SD = 1.0, 2.5  # priors that only keep the fit finite where no unknown ever won


def find_late_answers(leads: Leads) -> Note | None:
    """Find answers that look filled in after the close.

    An answer unknown at random hides a mixture of the levels, so such deals never win less than the worst level does.
    In a logistic model of levels and of being unknown, of deals with at most half of the answers unknown (of junk next
    to nothing is known), its odds lie below `MARGIN` times those of the worst level, 95% sure, for all criteria
    together or one of them. Fires in 45 / 82% (n = 300 / 1,000) where 70% of the unknowns of won deals are completed,
    in 90 / 100% at 80%, in 0-5% without. Open deals that know less than won and than lost ones show what no win rate
    can (85 / 100%).
    """
    if leads.outcome is None or not leads.criteria:
        return None
    if (day := leads.snapshot) is not None:
        dated = np.zeros(0, bool) if leads.closed is None else leads.closed != NO_DAY
        after = 0 if leads.closed is None else ((day >= leads.closed) & dated).sum()
        if 2 * after <= dated.sum():  # recorded before the close, as a snapshot is, of most deals
            return None
    keys, at = np.unique(pack(leads.codes), return_inverse=True)
    codes, waiting = unpack(keys, leads.codes.shape[1]), leads.outcome == OPEN
    if leads.created is not None and leads.closed is not None:
        # An open deal that is older than nearly all are when they close is a lost one in all but name.
        dated = leads.created != NO_DAY
        timed = ~waiting & dated & (leads.closed != NO_DAY)
        if timed.sum() >= MIN_UNKNOWN:
            age = max(leads.closed[timed].max(), leads.created.max()) - leads.created.astype(np.int64)
            waiting &= dated & (age <= np.quantile(leads.closed[timed] - leads.created[timed], 0.9))
    weight = weight_of(leads)
    kinds = (leads.outcome == 1, leads.outcome == 0, waiting)
    counts = np.array([np.bincount(at, weight * kind, len(keys)) for kind in kinds])
    n_each, closed = counts.sum(axis=1), counts[0] + counts[1]
    n_unknown = closed @ (codes == UNKNOWN)
    asked = np.flatnonzero(np.minimum(n_unknown, closed.sum() - n_unknown) >= MIN_UNKNOWN)
    if not len(asked) or min(n_each[:2]) < MIN_UNKNOWN:
        return None
    unknown = codes[:, asked] == UNKNOWN
    share = counts @ unknown / np.maximum(n_each, 1)[:, None]  # by kind of deal and criterion
    late = _worse_than_the_worst_level(codes, counts, unknown, asked)
    if not late.any() and n_each[2] >= MIN_UNKNOWN:  # open deals may know less than won and than lost ones
        n = n_each[:2, None]
        gap, pooled = share[2] - share[:2], (share[2] * n_each[2] + share[:2] * n) / (n_each[2] + n)
        spread = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-9) * (1 / n_each[2] + 1 / n))
        late = ((gap >= OPEN_GAP) & (gap >= _Z_OPEN * spread)).all(axis=0)
    if not late.any():
        return None
    missing = unknown.sum(axis=1)
    n, won = np.bincount(missing, closed), np.bincount(missing, counts[0])
    rates = " / ".join(f"{rate:.0%}" for rate in won[n > 0] / n[n > 0])
    detail = f"With {', '.join(map(str, np.flatnonzero(n)))} answers unknown, {rates} of the deals were won."
    names = [leads.criteria[j] for j in asked[late]]
    for name, (of_won, of_lost, of_open) in zip(names, share.T[late], strict=True):
        ending = f" and {of_open:.0%} of the open ones." if n_each[2] else " ones."
        detail += f" {name} is unknown in {of_won:.0%} of the won deals, {of_lost:.0%} of the lost{ending}"
    return "LML112", {"columns": ", ".join(names), "detail": detail}


def _worse_than_the_worst_level(codes: Codes, counts: Floats, unknown: Flags, asked: Ints) -> Flags:
    """Tell of each criterion asked whether unknown answers win less than its worst level, alone or with the others."""
    won, lost, _ = counts
    few = (unknown.sum(axis=1) <= max(1, len(asked) // 2)) & (won + lost > 0)
    # One column a level, so that steps or a best level in the middle are no evidence.
    levels = (codes[:, :, None] == np.arange(LEVEL_MAX + 1)).reshape(len(codes), -1)
    design = np.column_stack([np.ones(len(codes)), levels, unknown]).astype(np.float64)
    prior = np.repeat([1e-9, _LEVEL_SD**-2, _UNKNOWN_SD**-2], [1, levels.shape[1], len(asked)])
    fit = fit_logistic(design[few], won[None, few], (won + lost)[None, few], np.diag(prior)[None], tolerance=1e-8)
    beta, covariance = fit.theta[0], np.linalg.inv(fit.hessian[0])
    worst = beta[1 : 1 + levels.shape[1]].reshape(-1, LEVEL_MAX + 1).argmin(axis=1)[asked]
    contrast = np.zeros((len(asked) + 1, len(beta)))  # a row a criterion, and their mean
    contrast[np.arange(len(asked)), 1 + levels.shape[1] + np.arange(len(asked))] = 1
    contrast[np.arange(len(asked)), 1 + asked * (LEVEL_MAX + 1) + worst] = -1
    contrast[-1] = contrast[:-1].mean(axis=0)
    error = np.sqrt(np.einsum("ij,jk,ik->i", contrast, covariance, contrast))
    z, limit = float(norm.isf(0.05 / len(asked))), np.log(MARGIN)
    value = contrast @ beta
    together = value[-1] + _Z * error[-1] < limit
    late: Flags = (value + z * error < limit)[:-1] | (together & (value[:-1] < limit))
    return late
