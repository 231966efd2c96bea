"""Judge: posterior draws of P(won) for every pattern, from a Bayesian logistic model wider than the card.

The sum of levels and the number met, a free (not monotone) part for each criterion and all pairs of criteria, each with
a prior spread averaged over by its evidence (Laplace). Gates, ANDs and turning points are inside it, so it can say that
a card is wrong. Beyond `MANY` criteria (six have 135 pair effects) a pair is the product of two levels alone.
References: MacKay (1992), Neural Computation 4 (evidence); Rue et al. (2009), JRSS B 71 (averaging over spreads).
"""

from __future__ import annotations

import itertools

import numpy as np

from leadml.estimators.patterns import PatternCounts
from leadml.levels import LEVEL_MAX, MET_LEVEL, UNKNOWN, Codes, Floats, logistic

SPREADS = np.array(
    [(1.0, 0.4, 0.3), (0.05, 0.03, 0.001), *itertools.product((1.0,), (0.03, 0.15, 0.4, 0.9), (0.001, 0.1, 0.3, 0.8))]
)
"""Prior standard deviations of log-odds (common, main, pair): a middling one to begin with, then those averaged over.
The first of these says that nothing matters; mains near 0 are equal weights, pairs near 0 the additive model."""
COMMON = 4
"""Columns of what documented rules count: intercept, sum of levels, number met, number unknown."""
INTERCEPT_SPREAD = 5.0
LEVEL_SHARE = 0.5
"""Single levels depart half as far as a criterion's slope, met step and unknown do."""
N_NEWTON = 12
MANY = 6


def fit_judge(
    counts: PatternCounts, *, met_level: int = MET_LEVEL, n_draws: int = 400, random_state: int = 0
) -> Floats:
    """Draw P(won) of each pattern counted: (n_draws, m)."""
    design, n_main = _design(counts.codes, met_level)
    won, n, size = counts.won, counts.total, design.shape[1]
    sizes = [1, COMMON - 1, n_main - COMMON, size - n_main]
    middle, *priors = np.repeat(np.insert(SPREADS, 0, INTERCEPT_SPREAD, axis=1), sizes, axis=1) ** 2
    # One Newton fit at middling spreads; the likelihood is then its quadratic, so that each of the spreads costs a
    # p x p factorisation and no further pass over the patterns.
    at, base = np.zeros(size), np.clip(won.sum() / n.sum(), 1e-6, 1 - 1e-6)
    at[0] = np.log(base / (1 - base))
    for _ in range(N_NEWTON):
        mu = logistic(design @ at)
        curve = design.T @ (design * (n * mu * (1 - mu))[:, None])
        step = np.linalg.solve(curve + np.diag(1 / middle), design.T @ (won - n * mu) - at / middle)
        at += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-3:
            break
    pull = curve @ at + design.T @ (won - n * logistic(design @ at))
    fits, log_evidence = [], np.empty(len(priors))
    for i, scale in enumerate(np.sqrt(priors)):
        # scaled by the prior: I + S C S is well conditioned also where a spread is nearly 0
        lower = np.linalg.cholesky(np.eye(size) + scale[:, None] * curve * scale)
        mean = scale * np.linalg.solve(lower.T, np.linalg.solve(lower, scale * pull))
        log_evidence[i] = 0.5 * pull @ mean - np.log(np.diag(lower)).sum()
        fits.append((mean, scale, lower))
    weight = np.exp(log_evidence - log_evidence.max())
    rng = np.random.default_rng(random_state)
    shares = rng.multinomial(n_draws, weight / weight.sum())
    drawn = [
        mean[:, None] + scale[:, None] * np.linalg.solve(lower.T, rng.standard_normal((size, share)))
        for (mean, scale, lower), share in zip(fits, shares, strict=True)
        if share
    ]
    return logistic((design @ np.concatenate(drawn, axis=1)).T)


def _design(codes: Codes, met_level: int) -> tuple[Floats, int]:
    """Common columns, each criterion alone (main), products of features; how many come before these."""
    n, k = codes.shape
    known = codes != UNKNOWN
    level = np.where(known, codes, LEVEL_MAX / 2).astype(float)
    single = (codes[:, :, None] == np.arange(UNKNOWN + 1)).reshape(n, -1) * LEVEL_SHARE
    met = np.where(known, np.where(level >= met_level, 0.7, -0.7), 0.0)
    features = [(level - LEVEL_MAX / 2) / 1.5, met, np.where(known, 0.0, 1.0)]
    common = np.stack([np.ones(n), *(each.sum(axis=1) for each in features)], axis=1)
    main = np.concatenate([*features, single], axis=1)
    features = features if k <= MANY else features[:1]
    pairs = [
        one[:, [a]] * other[:, [b]]
        for a, b in itertools.combinations(range(k), 2)
        for one, other in itertools.product(features, repeat=2)
    ]
    return np.concatenate([common, main, *pairs], axis=1), COMMON + main.shape[1]
