"""Gain of a card over a rule by segment (team, region, product), partially pooled (empirical Bayes)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from leadml.evaluation.bootstrap import Z_ONE, Z
from leadml.evaluation.metrics import HeldOut, rate_of_different
from leadml.evaluation.verdict import MIN_DIFFERENT
from leadml.levels import Floats
from leadml.result import Figure, Segment, SegmentVerdict

SPREADS = np.r_[0.0, np.geomspace(0.003, 0.5, 40)]
"""Standard deviations of the gain between segments (shares of their wins) that are averaged over."""
SPREAD_SCALE = 0.15
"""Half of the prior lies below it (half-Cauchy; Gelman 2006, Bayesian Analysis 1)."""


def segment_gains(
    held: HeldOut, rule: Floats, card: Floats, column: str, values: pa.Array, smallest_gain: float
) -> tuple[Segment, ...]:
    """Gain for each of the (m,) values of a column, as a share of the wins there, shrunk towards that of all.

    rule, card: (m,) decisions at equal workload over all.
    """
    import pandas as pd

    gain = (card - rule) * (held.y - rate_of_different(held, card, rule))
    own: dict[str, Any] = {"n": 1.0, "won": held.y, "followed_up": rule, "different": np.abs(card - rule), "gain": gain}
    rows = pd.DataFrame({name: held.weight * each for name, each in own.items()})
    value = np.array(["(blank)" if each is None else str(each) for each in values.to_pylist()], dtype=object)
    sums = rows.groupby(value).sum()
    won = sums["won"].to_numpy()
    raw = np.divide(sums["gain"].to_numpy(), won, out=np.zeros(len(won)), where=won > 0)
    # spread by unit and segment; one win that nobody saw is always possible
    noise = rows["gain"].groupby([value, held.unit]).sum().pow(2).groupby(level=0).sum().to_numpy()
    mean, spread = _pool(raw, np.sqrt(noise + 1.0) / np.maximum(won, 1.0))
    return tuple(
        Segment(
            column=column,
            value=str(value),
            **row.drop(["different", "gain"]),
            verdict=_verdict(at, sd, row["different"], smallest_gain),
            gain=Figure(value=at, low=at - Z * sd, high=at + Z * sd),
        )
        for (value, row), at, sd in zip(sums.iterrows(), mean, spread, strict=True)
    )


def _verdict(mean: float, spread: float, different: float, smallest_gain: float) -> SegmentVerdict:
    if different < MIN_DIFFERENT:
        return "too-few"
    if mean - Z_ONE * spread > 0:
        return "change"
    return "keep" if mean + Z_ONE * spread < smallest_gain else "undecided"


def _pool(raw: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Posterior mean and deviation of each segment's gain: normal model, spread between segments averaged.

    Averaging over the spread (not plugging in its best value, often 0) keeps the intervals honest.
    """
    spread = SPREADS[:, None]
    precision = 1.0 / (error**2 + spread**2)
    total = precision.sum(axis=1, keepdims=True)
    centre = (precision @ raw)[:, None] / total
    fit = np.log(precision).sum(axis=1) - np.log(total[:, 0]) - (precision * (raw - centre) ** 2).sum(axis=1)
    weight = np.gradient(SPREADS) / (1.0 + (SPREADS / SPREAD_SCALE) ** 2) * np.exp(0.5 * (fit - fit.max()))
    weight /= weight.sum()
    keep = spread**2 * precision  # share of the segment's own deals
    means = keep * raw + (1 - keep) * centre
    squares = keep * error**2 + (1 - keep) ** 2 / total + means**2
    mean = weight @ means
    return mean, np.sqrt(np.maximum(weight @ squares - mean**2, 1e-18))
