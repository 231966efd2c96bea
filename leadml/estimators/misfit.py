"""Misfits of a card that adds rising points: criteria that run backwards, turn, or only work together.

Rising is tried by the paired out-of-fold loss of the same fit with and without its bounds, first for all criteria at
once, then for each (z > 1.645, 2). Adding is tried by a score test of each pair's "both met" beside an additive fit
(Rao 1948), Bonferroni over pairs. What a misfit costs is counted out of fold too: wins of 100 leads followed up.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from scipy.linalg import block_diag
from scipy.special import ndtri

from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import code_basis, design, fit_scorecard, steps_priors
from leadml.estimators.solver import fit_logistic
from leadml.evaluation.metrics import highest
from leadml.levels import MET_LEVEL, UNKNOWN, Flags, Floats, logistic

N_FOLDS = 5
WORKLOAD = 0.3
"""Share of leads followed up at which a misfit is priced."""
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
    counts: PatternCounts, criteria: Sequence[str], *, met_level: int = MET_LEVEL, random_state: int = 0
) -> tuple[Misfit, ...]:
    """Look for criteria that run backwards, turn or only work together."""
    folds = _Folds(counts, criteria, random_state)
    return (*folds.falling(), *folds.together(met_level))


class _Folds:
    """Deals of each pattern dealt out over folds at random, and what a fit on the other folds is worth."""

    def __init__(self, counts: PatternCounts, criteria: Sequence[str], random_state: int) -> None:
        self.counts, self.criteria = counts, criteria
        mass = np.stack([counts.won, counts.lost])
        n = np.ceil(mass).astype(np.int64)
        share = np.random.default_rng(random_state).multinomial(n, np.full(N_FOLDS, 1.0 / N_FOLDS))
        self.held = (share / np.maximum(n, 1)[..., None] * mass[..., None]).swapaxes(1, 2)  # won and lost of each fold
        self.won, self.lost = mass[:, None] - self.held  # of the other folds

    def log_odds(self, monotone: Flags) -> Floats:
        """(folds, m): log-odds of every pattern from the deals of the other folds."""
        codes = self.counts.codes
        each = (PatternCounts(codes, won, lost) for won, lost in zip(self.won, self.lost, strict=True))
        return np.stack([fit_scorecard(c, monotone=monotone).log_odds(codes) for c in each])

    def z(self, better: Floats, worse: Floats) -> float:
        """How many standard errors of the paired difference the loss of one is below that of the other."""
        sign = np.array([-1, 1])[:, None, None]
        more, n = np.logaddexp(0, sign * worse) - np.logaddexp(0, sign * better), self.counts.total.sum()
        mean = float((more * self.held).sum() / n)
        square = float((more**2 * self.held).sum() / n) - mean**2
        return mean * float(np.sqrt(n / square)) if square > 0 else 0.0

    def wins(self, log_odds: Floats) -> float:
        """Wins of 100 leads followed up, those ranked highest by what the other folds taught."""
        wins, followed = 0.0, 0.0
        for score, won, n in zip(log_odds, self.held[0], self.held.sum(axis=0), strict=True):
            part = highest(np.round(score, 9), WORKLOAD, n)
            wins, followed = wins + float(part @ won), followed + float(part @ n)
        return 100.0 * wins / max(followed, 1e-12)

    def rates(self, groups: dict[str, Flags]) -> list[Rate]:
        """Win rate of the patterns of each group."""
        won, total = self.counts.won, self.counts.total
        return [(words, float(won[own].sum()) / max(float(total[own].sum()), 1e-12)) for words, own in groups.items()]

    def falling(self) -> Iterator[Misfit]:
        """Criteria that lose less out of fold when their points may fall, one after the other."""
        rising = np.ones(len(self.criteria), dtype=bool)
        free, now = self.log_odds(~rising), self.log_odds(rising)
        while rising.any() and self.z(free, now) > Z_WORSE:
            trials = {j: self.log_odds(rising & (np.arange(len(rising)) != j)) for j in np.flatnonzero(rising).tolist()}
            z, j = max((self.z(trial, now), j) for j, trial in trials.items())
            if z <= Z_OWN:
                return
            rising[j] = False
            values = fit_scorecard(self.counts, monotone=rising).values[j, :UNKNOWN]
            third = np.ptp(values) / 3
            falls = values.max() - values[0] < third and values[-1] - values.min() < third
            column = self.counts.codes[:, j]
            n = np.bincount(column, self.counts.total, UNKNOWN + 1)[:UNKNOWN]
            rates = self.rates({str(level): column == level for level in np.flatnonzero(n >= min(MIN_RATE_N, n.max()))})
            cost, best = max(self.wins(trials[j]) - self.wins(now), 0.0), max(rates, key=lambda told: told[1])
            yield Misfit("reversed" if falls else "turning", (self.criteria[j],), cost, rates[0], rates[-1], best)
            now = trials[j]

    def together(self, met_level: int) -> Iterator[Misfit]:
        """Pairs whose being both met tells more or less than the two of them added up."""
        counts, k = self.counts, len(self.criteria)
        columns = design(counts.codes, code_basis(counts.codes, counts.total))
        precision = steps_priors(k, [(WIDE, WIDE)])[0][0]
        precision[range(1 + 4 * k, 1 + 5 * k), range(1 + 4 * k, 1 + 5 * k)] = WIDE**-2
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
        if abs(z[at]) <= -ndtri(P_PAIRS / 2 / len(pairs)):
            return
        wide, penalty = np.column_stack([columns, both[:, at]]), block_diag(precision, WIDE**-2)
        joined, added = (
            fit_logistic(x, self.won, self.won + self.lost, s[None]).theta @ x.T
            for x, s in ((wide, penalty), (columns, precision))
        )
        n_met, words = met[:, list(pairs[at])].sum(axis=1), ("neither met", "one met", "both met")
        low, best, high = self.rates({each: n_met == n for n, each in enumerate(words)})
        cost = max(self.wins(joined) - self.wins(added), 0.0)
        yield Misfit("together", tuple(self.criteria[c] for c in pairs[at]), cost, low, high, best)
