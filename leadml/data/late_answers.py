"""Answers filled in after the close: won deals are completed later, so that "unknown" means "lost".

An answer unknown at random, or because the level is low, hides some mixture of the levels, so such deals never win
less than the worst level does. Where won deals are completed afterwards they win far less. Junk leads of which next
to nothing is known look alike only among deals with many unknowns, so these are left out.

Rule: in a logistic model of each criterion's levels and of its being unknown, fitted to deals with at most half of
the answers unknown, the odds of an unknown answer lie below `MARGIN` times those of the worst level, with 95%
confidence, for the criteria together or for one of them (Bonferroni). Measured (four criteria, a quarter unknown),
n = 300 / 1,000: fires in 100 / 100% where 90% or all unknowns of won deals are completed, 90 / 100% at 80%,
45 / 82% at 70%, 12 / 22% at 60%; in worlds without late answers 0-5%. What cannot be told apart: an unknown that is
a worse sign than any answer, in deals of which the rest is known.

Answers of open deals are those of qualification, so they lie between won and lost ones; where they know less than
both, answers come in later for all deals, which no win rate can show (85 / 100%).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leadml.data.cells import Bools, Floats
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.levels import LEVEL_MAX, UNKNOWN, logistic, pack, unpack

MARGIN = 0.8
"""Odds of an unknown answer against those of the worst level."""
MIN_UNKNOWN = 8
"""A criterion is looked at from so many unknown (and known) answers on."""
OPEN_GAP = 0.1
"""Open deals know less when the share of unknown answers is larger than both closed shares by this much."""
Counts = tuple[npt.NDArray[np.uint8], Floats, Floats, Floats]
_Z, _Z_OPEN = 1.645, 3.0
_LEVEL_SD, _UNKNOWN_SD = 1.0, 2.5  # priors that only keep the fit finite where no unknown ever won


class Answer(NamedTuple):
    """One criterion: shares unknown (-1 without such deals), and log odds of unknown against the worst level."""

    criterion: str
    unknown_won: float
    unknown_lost: float
    unknown_open: float
    log_odds: float
    upper: float  # bound of the log odds


class LateAnswers(NamedTuple):
    """What was found."""

    suspects: tuple[str, ...] = ()  # criteria that look filled in late
    answers: tuple[Answer, ...] = ()
    by_unknowns: tuple[tuple[int, int, int], ...] = ()  # unknown answers, closed deals, won
    from_open: bool = False  # whether open deals, rather than win rates, gave it away

    def note(self) -> tuple[str, dict[str, Any]] | None:
        """The finding LML112 where something looks late."""
        if not self.suspects:
            return None
        rates = " / ".join(f"{won / n:.0%}" for _, n, won in self.by_unknowns if n)
        counts = ", ".join(str(m) for m, n, _ in self.by_unknowns if n)
        detail = f"With {counts} answers unknown, {rates} of the deals were won."
        for a in self.answers:
            if a.criterion in self.suspects:
                detail += f" {a.criterion} is unknown in {a.unknown_won:.0%} of the won deals,"
                ending = f" and {a.unknown_open:.0%} of the open ones." if a.unknown_open >= 0 else " ones."
                detail += f" {a.unknown_lost:.0%} of the lost{ending}"
        return "LML112", {"columns": ", ".join(self.suspects), "detail": detail}


def find_late_answers(leads: Leads) -> LateAnswers:
    """Look for answers that were filled in after the close."""
    if leads.outcome is None or not leads.criteria or leads.snapshot is not None:
        return LateAnswers()
    counts = n_codes, won, lost, still_open = _counts(leads)
    unknown = n_codes == UNKNOWN
    closed = won + lost
    asked = [j for j, here in enumerate(unknown.T) if min(closed @ here, closed @ ~here) >= MIN_UNKNOWN]
    if not asked or min(won.sum(), lost.sum()) < MIN_UNKNOWN:
        return LateAnswers()
    missing = unknown[:, asked].sum(axis=1)
    table = tuple(
        (m, round(float(closed[missing == m].sum())), round(float(won[missing == m].sum())))
        for m in range(len(asked) + 1)
    )
    answers, pooled = _contrasts(leads.criteria, counts, asked, missing)
    limit = float(np.log(MARGIN))
    suspects = tuple(a.criterion for a in answers if a.upper < limit or (pooled < limit and a.log_odds < limit))
    n_each = [float(each.sum()) for each in (won, lost, still_open)]
    by_open = () if suspects else tuple(a.criterion for a in answers if _less_known(a, *n_each))
    return LateAnswers(suspects + by_open, answers, table, from_open=bool(by_open))


def _counts(leads: Leads) -> Counts:
    """Count patterns: codes, and how many deals of each were won, lost, and are open though not overdue."""
    outcome = np.asarray(leads.outcome)
    weight = np.ones(len(leads)) if leads.weight is None else leads.weight
    keys, at = np.unique(pack(leads.codes), return_inverse=True)
    waiting = outcome == OPEN
    if leads.created is not None and leads.closed is not None:
        # An open deal that is older than nearly all are when they close is a lost one in all but name.
        timed = (outcome != OPEN) & (leads.created != NO_DAY) & (leads.closed != NO_DAY)
        if timed.sum() >= MIN_UNKNOWN:
            took = leads.closed[timed].astype(float) - leads.created[timed]
            last = max(int(leads.closed[timed].max()), int(leads.created.max()))
            waiting &= (leads.created != NO_DAY) & (last - leads.created.astype(float) <= np.quantile(took, 0.9))
    kinds = (outcome == 1, outcome == 0, waiting)
    won, lost, still_open = (np.bincount(at, weight * kind, minlength=len(keys)).astype(np.float64) for kind in kinds)
    return unpack(keys, leads.codes.shape[1]), won, lost, still_open


def _contrasts(
    criteria: tuple[str, ...], counts: Counts, asked: list[int], missing: npt.NDArray[np.int64]
) -> tuple[tuple[Answer, ...], float]:
    """Compare unknown with the worst level: per criterion, and the upper bound of the mean over criteria."""
    codes, won, lost, still_open = counts
    unknown, k = codes == UNKNOWN, codes.shape[1]
    closed = won + lost
    few = (missing <= max(1, len(asked) // 2)) & (closed > 0)
    # One column a level, so that steps or a best level in the middle are no evidence.
    levels = [(codes[:, j] == level).astype(np.float64) for j in range(k) for level in range(LEVEL_MAX + 1)]
    design = np.column_stack([np.ones(len(codes)), *levels, unknown[:, asked]])
    prior = np.r_[0.0, np.full(len(levels), _LEVEL_SD**-2), np.full(len(asked), _UNKNOWN_SD**-2)]
    beta, covariance = fit_logistic(design[few], won[few], lost[few], prior)
    gradients, values = [], []
    for at, j in enumerate(asked):
        start = 1 + j * (LEVEL_MAX + 1)
        gradient = np.zeros(len(beta))
        gradient[1 + len(levels) + at] = 1.0
        gradient[start + int(np.argmin(beta[start : start + LEVEL_MAX + 1]))] = -1.0
        gradients.append(gradient)
        values.append(float(gradient @ beta))
    from scipy.stats import norm

    z = float(norm.isf(0.05 / len(asked)))
    answers = tuple(
        Answer(
            criteria[j],
            _share(won, unknown[:, j]),
            _share(lost, unknown[:, j]),
            _share(still_open, unknown[:, j]),
            log_odds=value,
            upper=value + z * float(np.sqrt(gradient @ covariance @ gradient)),
        )
        for gradient, value, j in zip(gradients, values, asked, strict=True)
    )
    together = np.mean(gradients, axis=0)
    return answers, float(np.mean(values) + _Z * np.sqrt(together @ covariance @ together))


def _share(counts: Floats, side: Bools) -> float:
    """Share of the deals on one side; -1 where there are none."""
    return float(counts @ side / counts.sum()) if counts.sum() else -1.0


def fit_logistic(x: Floats, won: Floats, lost: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Maximum a posteriori of a logistic model on counts (Newton), and the inverse of its curvature."""
    beta = np.zeros(x.shape[1])
    total = won + lost
    curvature = np.eye(len(beta))
    for _ in range(50):
        p = logistic(x @ beta)
        curvature = (x * (total * p * (1 - p))[:, None]).T @ x + np.diag(prior + 1e-9)
        step = np.linalg.solve(curvature, x.T @ (won - total * p) - prior * beta)
        beta += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return beta, np.asarray(np.linalg.inv(curvature), np.float64)


def _less_known(answer: Answer, n_won: float, n_lost: float, n_open: float) -> bool:
    """Tell whether open deals know less than won and than lost ones, by more than chance."""
    if n_open < MIN_UNKNOWN:
        return False
    for share, n in ((answer.unknown_won, n_won), (answer.unknown_lost, n_lost)):
        gap = answer.unknown_open - share
        pooled = (answer.unknown_open * n_open + share * n) / (n_open + n)
        spread = np.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / n_open + 1 / n))
        if gap < OPEN_GAP or gap < _Z_OPEN * spread:
            return False
    return True
