"""Outlook: what changing and keeping a rule are expected to bring and cost (regret), judge and log averaged.

No posterior decides alone. The judge (posterior draws of P(won) per pattern, from a model wider than the card) knows
more than the held-out deals do, but its form may be wrong; the log's paired estimate is unbiased, but noisy. The log
counts for a third: a mixture, so where they disagree it is wide.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import ndtri

from leadml.evaluation.bootstrap import percentile
from leadml.evaluation.log import Floats
from leadml.evaluation.verdict import PairedGain
from leadml.result import Choice, Outlook

LOG_SHARE = 1 / 3
"""Weight of the log beside the judge. With a half `change` comes later (weights tilted, n = 1,164: 84% of
firms), with a quarter sooner (91%); where the rule was right it came with none of them."""
GOLDEN = 0.6180339887498949


@dataclasses.dataclass(frozen=True, eq=False)
class Gains:
    """Equally likely gains of the card, as shares of all won deals.

    mixed : (draws,) judge and log averaged. judged : the judge's alone. smallest : gain worth a change.
    p_not_better : P(gain <= 0): `change` asks for at most 5%, after Holm.
    p_below : P(gain < smallest gain): `keep` asks for 95%.
    """

    mixed: Floats
    judged: Floats
    smallest: float
    p_not_better: float
    p_below: float


def look_ahead(
    draws: Floats, population: Floats, rule: Floats, card: Floats, paired: PairedGain, smallest_gain: float
) -> tuple[Outlook, Gains]:
    """Average the judge's gain with the log's own; everything in wins of 100 leads followed up, on the same deals.

    draws: (D, m) P(won) of m patterns. population: (m,) leads of each pattern. rule, card: (m,) decisions in 0..1, at
    equal workload over the population.
    """
    wins, followed_up = draws @ population, float(population @ rule)
    judged = draws @ (population * (card - rule)) / np.maximum(wins, 1e-12)
    gain = judged
    if np.isfinite(paired.gain.value):
        gain = np.concatenate([judged, log_draws(paired, round(len(judged) * LOG_SHARE / (1.0 - LOG_SHARE)))])
    per_100 = 100.0 / max(followed_up, 1e-12)
    keep = np.resize(draws @ (population * rule) * per_100, len(gain))
    more = gain * np.resize(wins * per_100, len(gain))
    outlook = Outlook(
        p_better=float((gain > smallest_gain).mean()),
        p_same=float((np.abs(gain) <= smallest_gain).mean()),
        p_worse=float((gain < -smallest_gain).mean()),
        wins_per_100=Choice(keep=percentile(keep).figure, change=percentile(keep + more).figure),
        regret_per_100=Choice(
            keep=percentile(np.maximum(more, 0.0)).figure, change=percentile(np.maximum(-more, 0.0)).figure
        ),
        n_followed_up=followed_up,
    )
    return outlook, Gains(gain, judged, smallest_gain, float((gain <= 0).mean()), float((gain < smallest_gain).mean()))


def log_draws(paired: PairedGain, n: int) -> Floats:
    """Equally likely gains of the log's own estimate: evenly spaced quantiles (no seed is needed), in mixed order.

    Where few leads were judged differently the error allows for what none of them showed.
    """
    error = np.hypot(paired.gain.error, 1.0 / max(paired.n_won, 1.0))
    at = (np.arange(n) * GOLDEN + 0.5 / n) % 1.0
    return np.asarray(paired.gain.value + error * ndtri(np.clip(at, 0.5 / n, 1 - 0.5 / n)))
