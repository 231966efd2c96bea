"""Outlook: what changing and keeping a rule are expected to bring and cost (regret), and when it is decided (planner).

No posterior decides alone. The judge (posterior draws of P(won) per pattern, from a model wider than the card) knows
more than the held-out deals do, but its form may be wrong; the log's paired estimate is unbiased, but noisy. The log
counts for a third: a mixture, so where they disagree it is wide.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import ndtr, ndtri

from leadml.evaluation.bootstrap import Z_ONE, percentile
from leadml.evaluation.verdict import MIN_DIFFERENT, RULE_OF_THREE, SURE, SURELY_RANKS, PairedGain
from leadml.levels import Floats
from leadml.result import Choice, MoreDeals, Outlook

LOG_SHARE = 1 / 3
"""Weight of the log beside the judge. With a half `change` comes later (weights tilted, n = 1,164: 84% of
firms), with a quarter sooner (91%); where the rule was right it came with none of them."""
GOLDEN = 0.6180339887498949
N_FUTURES = 1000
POWER = 0.8
HORIZON_MONTHS = 24
DAYS_A_MONTH = 365.25 / 12
NOT_DECIDABLE = MoreDeals(value=None, text="not decidable at your size; look again in a year")


def look_ahead(
    draws: Floats, population: Floats, rule: Floats, card: Floats, paired: PairedGain, smallest_gain: float
) -> PairedGain:
    """Average the judge's gain with the log's own; everything in wins of 100 leads followed up, on the same deals.

    draws: (D, m) P(won) of m patterns. population: (m,) leads of each pattern. rule, card: (m,) decisions in 0..1, at
    equal workload over the population.
    """
    wins, followed_up = draws @ population, float(population @ rule)
    gain = judged = draws @ (population * (card - rule)) / np.maximum(wins, 1e-12)
    if np.isfinite(paired.gain.value):
        # the log's own estimate: evenly spaced quantiles (no seed is needed), in mixed order; where few leads were
        # judged differently the error allows for what none of them showed
        error = np.hypot(paired.gain.error, 1.0 / max(paired.n_won, 1.0))
        n = round(len(judged) * LOG_SHARE / (1.0 - LOG_SHARE))
        at = (np.arange(n) * GOLDEN + 0.5 / n) % 1.0
        gain = np.concatenate([judged, paired.gain.value + error * ndtri(np.clip(at, 0.5 / n, 1 - 0.5 / n))])
    per_100 = 100.0 / max(followed_up, 1e-12)
    keep = np.resize(draws @ (population * rule) * per_100, len(gain))
    more = gain * np.resize(wins * per_100, len(gain))
    outlook = Outlook(
        p_better=float((gain > smallest_gain).mean()),
        p_same=float((np.abs(gain) <= smallest_gain).mean()),
        p_worse=float((gain < -smallest_gain).mean()),
        wins_per_100=Choice(keep=percentile(keep), change=percentile(keep + more)),
        regret_per_100=Choice(keep=percentile(np.maximum(more, 0.0)), change=percentile(np.maximum(-more, 0.0))),
        n_followed_up=followed_up,
    )
    return dataclasses.replace(paired, judged=judged, expected=gain, outlook=outlook)


def plan(
    paired: PairedGain,
    smallest_gain: float,
    *,
    n_logged: float,
    n_deals: float,
    deals_per_month: float | None,
    n_rules: int = 1,
    random_state: int = 0,
) -> MoreDeals:
    """Promise a number of closed deals, and months at this firm's rate, until a rule is decided (sequential design).

    The whole procedure is played forward from the posterior: a true gain is drawn from the outlook, months of deals
    arrive, log and judge learn from them, and the verdict is asked again. The number promised is where the share of
    futures decided passes 80%, within 24 months.

    paired: as `look_ahead` returns it. n_logged: held-out deals so far. n_deals: all closed deals the judge learned
    from, in a year where no rate is known. n_rules: judged beside it (Holm, at its strictest).
    """
    rate = n_deals * DAYS_A_MONTH / 365.0 if deals_per_month is None else deals_per_month
    if paired.judged is None or paired.expected is None or min(n_logged, rate, paired.n_won) <= 0:
        return NOT_DECIDABLE
    rng = np.random.default_rng(random_state)
    new: Floats = np.arange(1.0, HORIZON_MONTHS + 1) * rate
    true_gain = rng.choice(paired.expected, N_FUTURES)[:, None]
    won_rate = paired.n_won / n_logged
    # noise of a won-deal sum: one path a future, the same deals teach log and judge
    variance = max(paired.variance, 1.0) / n_logged
    noise = np.sqrt(rate * variance) * np.cumsum(rng.standard_normal((N_FUTURES, len(new))), axis=1)
    n_won = paired.n_won + won_rate * new
    gain = (paired.gain.value * paired.n_won + true_gain * won_rate * new + noise) / n_won
    error = np.sqrt(variance * (n_logged + new)) / n_won
    # the judge's information grows with the number of deals (conjugate normal)
    share = new / (n_deals + new)
    judge_mean = paired.judged.mean() * (1 - share) + (true_gain + noise / (won_rate * new)) * share
    judge_error = max(float(paired.judged.std()), 1e-4) * np.sqrt(1 - share)

    # P(gain <= 0) and P(gain < smallest gain), judge and log averaged, as the outlook will tell them then
    threshold = np.array([0.0, smallest_gain])[:, None, None]
    p_not_better, p_below = (1 - LOG_SHARE) * ndtr((threshold - judge_mean) / judge_error) + LOG_SHARE * ndtr(
        (threshold - gain) / np.hypot(error, 1.0 / n_won)
    )
    grown = 1.0 + new / n_logged
    may = (paired.n_different * grown >= MIN_DIFFERENT) & (paired.ranks * np.sqrt(grown) >= SURELY_RANKS)
    change = (p_not_better <= (1.0 - SURE) / n_rules) & may
    alone = gain + np.hypot(Z_ONE * error, RULE_OF_THREE / n_won) < smallest_gain
    keep = ((p_below >= SURE) & (gain < smallest_gain)) | alone
    decided = np.logical_or.accumulate(change | keep, axis=1).mean(axis=0)
    if decided.max() < POWER:
        return NOT_DECIDABLE
    months = int(np.argmax(decided >= POWER)) + 1
    deals = float(f"{max(months * rate, 1.0):.2g}")  # two digits: no plan is more exact
    within = "" if deals_per_month is None else f" ({months} month{'' if months == 1 else 's'})"
    text = f"about {deals:,.0f} more closed deals{within} decide it in 8 of 10 futures"
    return MoreDeals(value=deals, months=float(months) if within else None, text=text)
