"""Misfits of a card that adds rising points: criteria that run backwards, turn, or only work together.

Rising is tried by the paired out-of-fold loss of the same fit with and without its bounds, first for all criteria at
once, then for each (z > 1.645, 2). Adding is tried by a score test of each pair's "both met" beside an additive fit
(Rao 1948), Bonferroni over pairs. What a misfit costs is counted out of fold too: wins of 100 leads followed up.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from leadml.estimators.design import code_table, design, known_shares, steps_precision
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import fit_scorecard
from leadml.estimators.solver import fit_logistic
from leadml.levels import MET_LEVEL, UNKNOWN, logistic

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

N_FOLDS = 5
Z_WORSE, Z_OWN = 1.645, 2.0
P_PAIRS = 0.01
WIDE = 2.0
"""Spread of steps in the additive fit that pairs are tested beside: all but free."""
MIN_RATE_N = 5.0
"""Deals of a level below which its rate is not told."""

Rate = tuple[str, float]
"""Words, and the win rate of the deals that they are true of."""


@dataclasses.dataclass(frozen=True)
class Misfit:
    """One way in which deals contradict rising points that add up.

    cost : wins of 100 leads followed up that a card which follows the deals would gain, out of fold, at least 0.
    low, high : of the lowest and the highest level told; both criteria not met, both met.
    best : of the level that wins most; just one of the two met.
    """

    kind: Literal["reversed", "turning", "together"]
    criteria: tuple[str, ...]
    cost: float
    low: Rate
    high: Rate
    best: Rate


def find_misfits(
    counts: PatternCounts,
    documented: npt.ArrayLike,
    criteria: Sequence[str],
    *,
    workload: float = 0.3,
    met_level: int = MET_LEVEL,
    random_state: int = 0,
) -> tuple[Misfit, ...]:
    """Look for criteria that run backwards, turn or only work together; `workload` is the share followed up."""
    folds = _Folds(counts, np.asarray(documented, dtype=np.float64), workload, random_state)
    return (*_falling(folds, criteria), *_together(folds, criteria, met_level))


class _Folds:
    """Deals of each pattern dealt out over folds at random, and what a fit on the other folds is worth."""

    def __init__(self, counts: PatternCounts, documented: Floats, workload: float, random_state: int) -> None:
        self.counts, self.documented, self.workload = counts, documented, workload
        rng = np.random.default_rng(random_state)

        def dealt(mass: Floats) -> Floats:
            n = np.ceil(mass).astype(np.int64)
            share = rng.multinomial(n, np.full(N_FOLDS, 1.0 / N_FOLDS)) / np.maximum(n, 1)[:, None]
            return np.asarray((share * mass[:, None]).T)

        self.won, self.lost = dealt(counts.won), dealt(counts.lost)

    def log_odds(self, monotone: Flags) -> Floats:
        """(folds, m): log-odds of every pattern from the deals of the other folds."""
        codes, won, lost = self.counts.codes, self.counts.won - self.won, self.counts.lost - self.lost
        each = (PatternCounts(codes, won[f], lost[f]) for f in range(N_FOLDS))
        return np.stack([fit_scorecard(c, self.documented, monotone=monotone).log_odds(codes) for c in each])

    def z(self, better: Floats, worse: Floats) -> float:
        """How many standard errors of the paired difference the loss of one is below that of the other."""
        won, lost = (np.logaddexp(0, sign * worse) - np.logaddexp(0, sign * better) for sign in (-1, 1))
        n = self.counts.total.sum()
        mean = ((won * self.won).sum() + (lost * self.lost).sum()) / n
        square = ((won**2 * self.won).sum() + (lost**2 * self.lost).sum()) / n - mean**2
        return float(mean * np.sqrt(n / square)) if square > 0 else 0.0

    def wins(self, log_odds: Floats) -> float:
        """Wins of 100 leads followed up, those ranked highest by what the other folds taught."""
        wins, followed = 0.0, 0.0
        for score, won, lost in zip(log_odds, self.won, self.lost, strict=True):
            first = np.argsort(-score, kind="stable")
            n, room = (won + lost)[first], self.workload * (won + lost).sum()
            part = np.clip((room - (np.cumsum(n) - n)) / np.maximum(n, 1e-12), 0, 1)
            wins, followed = wins + float(part @ won[first]), followed + float(part @ n)
        return 100.0 * wins / max(followed, 1e-12)

    def misfit(
        self, kind: Literal["reversed", "turning", "together"], criteria: tuple[str, ...], fits: tuple[Floats, Floats],
        rates: list[Rate],
    ) -> Misfit:  # fmt: skip
        """A misfit: its price is what the first of two fits wins more than the second."""
        cost = max(self.wins(fits[0]) - self.wins(fits[1]), 0.0)
        best = rates[1] if kind == "together" else max(rates, key=lambda told: told[1])
        return Misfit(kind, criteria, cost, rates[0], rates[-1], best)


def _falling(folds: _Folds, criteria: Sequence[str]) -> list[Misfit]:
    """Criteria that lose less out of fold when their points may fall, one after the other."""
    rising = np.ones(len(criteria), dtype=bool)
    free, now, found = folds.log_odds(~rising), folds.log_odds(rising), []
    while rising.any() and folds.z(free, now) > Z_WORSE:
        trials = {j: folds.log_odds(rising & (np.arange(len(rising)) != j)) for j in np.flatnonzero(rising).tolist()}
        z, j = max((folds.z(trial, now), j) for j, trial in trials.items())
        if z <= Z_OWN:
            break
        rising[j] = False
        values = fit_scorecard(folds.counts, folds.documented, monotone=rising).values[j, :UNKNOWN]
        third = np.ptp(values) / 3
        falls = values.max() - values[0] < third and values[-1] - values.min() < third
        column = folds.counts.codes[:, j]
        n = np.bincount(column, folds.counts.total, UNKNOWN + 1)[:UNKNOWN]
        told = np.flatnonzero(n >= min(MIN_RATE_N, n.max()))
        rates = [_rate(folds.counts, column == level, str(level)) for level in told]
        found.append(folds.misfit("reversed" if falls else "turning", (criteria[j],), (trials[j], now), rates))
        now = trials[j]
    return found


def _together(folds: _Folds, criteria: Sequence[str], met_level: int) -> list[Misfit]:
    """Pairs whose being both met tells more or less than the two of them added up."""
    counts, k = folds.counts, len(criteria)
    columns = design(counts.codes, code_table(known_shares(counts.codes, counts.total)))
    precision = steps_precision(folds.documented, WIDE, WIDE)[0]
    unknown = np.arange(1 + 4 * k, 1 + 5 * k)
    precision[unknown, unknown] = WIDE**-2
    fit = fit_logistic(columns, counts.won[None], counts.total[None], precision[None])
    p = logistic(fit.theta[0] @ columns.T)
    weight, residual = counts.total * p * (1 - p), counts.won - counts.total * p
    met = (counts.codes >= met_level) & (counts.codes != UNKNOWN)
    pairs = list(itertools.combinations(range(k), 2))
    both = np.stack([met[:, i] & met[:, j] for i, j in pairs], axis=1).astype(np.float64)
    along = np.linalg.solve(fit.hessian[0], columns.T @ (weight[:, None] * both))
    clean = both - columns @ along
    # the penalty's own pull on the residual is taken off: clean' residual has mean 0 without a pair effect
    score = clean.T @ residual + along.T @ (columns.T @ residual - precision @ fit.theta[0])
    variance = np.einsum("mj,m,mj->j", clean, weight, clean)
    z = np.divide(score, np.sqrt(variance), out=np.zeros(len(pairs)), where=variance > 1e-9)
    at = int(np.argmax(np.abs(z)))
    if abs(z[at]) <= norm.isf(P_PAIRS / 2 / len(pairs)):
        return []
    wide = np.concatenate([columns, both[:, [at]]], axis=1)
    penalty = np.pad(precision, (0, 1))
    penalty[-1, -1] = WIDE**-2
    won, total = counts.won - folds.won, counts.total - folds.won - folds.lost
    added, joined = (
        fit_logistic(x, won, total, s[None]).theta @ x.T for x, s in ((columns, precision), (wide, penalty))
    )
    n_met = met[:, list(pairs[at])].sum(axis=1)
    rates = [_rate(counts, n_met == n, words) for n, words in enumerate(("neither met", "one met", "both met"))]
    return [folds.misfit("together", tuple(criteria[c] for c in pairs[at]), (joined, added), rates)]


def _rate(counts: PatternCounts, rows: Flags, words: str) -> Rate:
    return words, float(counts.won[rows].sum()) / max(float(counts.total[rows].sum()), 1e-12)
