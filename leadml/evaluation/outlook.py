"""Outlook: what changing and keeping a rule are expected to bring and cost (regret), judge and log averaged.

No posterior decides alone. The judge (posterior draws of P(won) per pattern, from a model wider than the
card) knows more than the held-out deals do, but its form may be wrong; the log's paired estimate is unbiased,
but noisy. The log counts for a third: a mixture, so where they disagree it is wide.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from leadml.evaluation.bootstrap import Estimate, percentile
from leadml.evaluation.log import Floats
from leadml.evaluation.verdict import PairedGain

LOG_SHARE = 1 / 3
"""Weight of the log beside the judge. With a half `change` comes later (weights tilted, n = 1,164: 84% of
firms), with a quarter sooner (91%); where the rule was right it came with none of them."""


@dataclasses.dataclass(frozen=True, eq=False)
class Outlook:
    """Three shares, and wins of 100 leads followed up, all on the same deals.

    gain : (draws,) equally likely gains of the card, as a share of all won deals; judge_gain : the judge's.
    n_followed_up : leads that the rule follows up in the population.
    """

    p_better: float
    p_same: float
    p_worse: float
    wins_keep: Estimate
    wins_change: Estimate
    regret_keep: Estimate
    regret_change: Estimate
    n_followed_up: float
    smallest_gain: float
    gain: Floats
    judge_gain: Floats

    @property
    def p_not_better(self) -> float:
        """P(gain <= 0): `change` asks for at most 5%, after Holm."""
        return float((self.gain <= 0).mean())

    @property
    def p_below(self) -> float:
        """P(gain < smallest gain): `keep` asks for 95%."""
        return float((self.gain < self.smallest_gain).mean())


def judge_gains(draws: Floats, population: Floats, rule: Floats, card: Floats) -> tuple[Floats, Floats]:
    """Gain of the card as a share of all wins, and wins of the rule a lead followed up, for each judge draw.

    draws: (D, m) P(won) of m patterns. population: (m,) leads of each pattern (recent ones). rule, card: (m,)
    decisions in 0..1, at equal workload over the population.
    """
    wins = draws @ population
    gain = draws @ (population * (card - rule)) / np.maximum(wins, 1e-12)
    followed = float(population @ rule)
    return gain, draws @ (population * rule) / max(followed, 1e-12)


def outlook(
    draws: Floats, population: Floats, rule: Floats, card: Floats, paired: PairedGain | None, smallest_gain: float
) -> Outlook:
    """Average the judge's gain with the log's own (None: nothing was held out, the judge alone)."""
    judged, rate = judge_gains(draws, population, rule, card)
    n_followed_up = float(population @ rule)
    gain = judged
    if paired is not None and np.isfinite(paired.gain.value):
        n_log = round(len(judged) * LOG_SHARE / (1.0 - LOG_SHARE))
        gain = np.concatenate([judged, normal_draws(paired, n_log)])
    keep = np.resize(rate * 100.0, len(gain))
    per_share = draws @ population * 100.0 / max(n_followed_up, 1e-12)  # a gain of 1 in wins of 100
    scaled = gain * np.resize(per_share, len(gain))
    return Outlook(
        p_better=float((gain > smallest_gain).mean()),
        p_same=float((np.abs(gain) <= smallest_gain).mean()),
        p_worse=float((gain < -smallest_gain).mean()),
        wins_keep=percentile(keep),
        wins_change=percentile(keep + scaled),
        regret_keep=percentile(np.maximum(scaled, 0.0)),
        regret_change=percentile(np.maximum(-scaled, 0.0)),
        n_followed_up=n_followed_up,
        smallest_gain=smallest_gain,
        gain=gain,
        judge_gain=judged,
    )


def normal_draws(paired: PairedGain, n: int) -> Floats:
    """Equally likely gains of the log's own estimate (evenly spaced quantiles, so no seed is needed), in
    mixed order.

    Where few leads were judged differently the error allows for what none of them showed.
    """
    from scipy.special import ndtri

    error = np.hypot(paired.gain.error, 1.0 / max(paired.n_won, 1.0))
    at = (np.arange(n) * 0.6180339887498949 + 0.5 / n) % 1.0 if n else np.zeros(0)
    return np.asarray(paired.gain.value + error * ndtri(np.clip(at, 0.5 / max(n, 1), 1 - 0.5 / max(n, 1))))
