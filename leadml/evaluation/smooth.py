"""Smooth rates along a score: a binomial Gaussian process (Laplace), its kernels averaged over by their evidence.

Rasmussen, Williams (2006), Gaussian processes for machine learning, algorithms 3.1 and 5.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from leadml.levels import Floats, logistic

N_NEWTON = 50
LONGEST_STEP = 3.0


class Smoothed(NamedTuple):
    """What k kernels say of the log-odds at t places: (k,) weights, (k, t) means, (k, t, t) covariances."""

    weight: Floats
    mean: Floats
    covariance: Floats


def smooth(kernels: Floats, won: Floats, n: Floats, offset: float = 0.0) -> Smoothed:
    """Log-odds offset + f, f a Gaussian process of each kernel (k, t, t), from `won` of `n` deals at each place."""
    f = np.zeros(kernels.shape[:2])
    for _ in range(N_NEWTON):
        p = logistic(offset + f)
        spread = n * p * (1 - p)
        root = np.sqrt(spread)
        inner = np.eye(len(n)) + root[:, :, None] * kernels * root[:, None, :]
        target = spread * f + won - n * p
        pull = target - root * np.linalg.solve(inner, (root * (kernels @ target[..., None])[..., 0])[..., None])[..., 0]
        step = (kernels @ pull[..., None])[..., 0] - f
        f = f + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if np.abs(step).max() < 1e-6:
            break
    inverse = np.linalg.solve(inner, root[:, :, None] * kernels)
    covariance = kernels - (kernels * root[:, None, :]) @ inverse
    evidence = (offset + f) @ won - np.logaddexp(0.0, offset + f) @ n
    evidence -= 0.5 * (pull * f).sum(axis=1) + 0.5 * np.linalg.slogdet(inner)[1]
    weight = np.exp(evidence - evidence.max())
    return Smoothed(weight / weight.sum(), offset + f, (covariance + covariance.swapaxes(1, 2)) / 2)
