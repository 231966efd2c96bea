"""Planner: how many more closed deals, and months at this firm's rate, until a rule is decided (sequential design).

The whole procedure is played forward from the posterior: a true gain is drawn from the outlook, months of deals arrive,
log and judge learn from them, and the verdict is asked again. The number promised is where 80% of the futures are
decided.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from leadml.evaluation.bootstrap import Z_ONE
from leadml.evaluation.log import Floats
from leadml.evaluation.outlook import LOG_SHARE, Gains
from leadml.evaluation.verdict import MIN_DIFFERENT, RULE_OF_THREE, SURE, SURELY_RANKS, PairedGain
from leadml.result import MoreDeals

N_FUTURES = 1000
POWER = 0.8
HORIZON_MONTHS = 24
NOT_DECIDABLE = "not decidable at your size; look again in a year"


def plan(
    gains: Gains,
    paired: PairedGain,
    *,
    n_logged: float,
    n_deals: float,
    deals_per_month: float,
    n_rules: int = 1,
    random_state: int = 0,
) -> MoreDeals:
    """Promise a number of deals: where the share of futures decided passes 80%, within 24 months.

    n_logged: held-out deals so far. n_deals: all closed deals the judge learned from. n_rules: judged beside it (Holm,
    at its strictest).
    """
    if n_logged <= 0 or deals_per_month <= 0 or paired.n_won <= 0:
        return MoreDeals(value=None, text=NOT_DECIDABLE)
    rng = np.random.default_rng(random_state)
    new: Floats = np.arange(1.0, HORIZON_MONTHS + 1) * deals_per_month
    true_gain = rng.choice(gains.mixed, N_FUTURES)[:, None]
    won_rate = paired.n_won / n_logged
    # noise of a won-deal sum: one path a future, the same deals teach log and judge
    variance = max(paired.variance, 1.0) / n_logged
    noise = np.sqrt(deals_per_month * variance) * np.cumsum(rng.standard_normal((N_FUTURES, len(new))), axis=1)
    n_won = paired.n_won + won_rate * new
    gain = (paired.gain.value * paired.n_won + true_gain * won_rate * new + noise) / n_won
    error = np.sqrt(variance * (n_logged + new)) / n_won
    # the judge's information grows with the number of deals (conjugate normal)
    share = new / (n_deals + new)
    judge_mean = gains.judged.mean() * (1 - share) + (true_gain + noise / (won_rate * new)) * share
    judge_error = max(float(gains.judged.std()), 1e-4) * np.sqrt(1 - share)

    # P(gain <= 0) and P(gain < smallest gain), judge and log averaged, as the outlook will tell them then
    threshold = np.array([0.0, gains.smallest])[:, None, None]
    p_not_better, p_below = (1 - LOG_SHARE) * ndtr((threshold - judge_mean) / judge_error) + LOG_SHARE * ndtr(
        (threshold - gain) / np.hypot(error, 1.0 / n_won)
    )
    grown = 1.0 + new / n_logged
    may = (paired.n_different * grown >= MIN_DIFFERENT) & (paired.ranks * np.sqrt(grown) >= SURELY_RANKS)
    change = (p_not_better <= (1.0 - SURE) / n_rules) & may
    alone = gain + np.hypot(Z_ONE * error, RULE_OF_THREE / n_won) < gains.smallest
    keep = ((p_below >= SURE) & (gain < gains.smallest)) | alone
    decided = np.logical_or.accumulate(change | keep, axis=1).mean(axis=0)
    enough = np.flatnonzero(decided >= POWER)
    if not len(enough):
        return MoreDeals(value=None, text=NOT_DECIDABLE)
    months = int(enough[0]) + 1
    deals = float(f"{max(months * deals_per_month, 1.0):.2g}")  # two digits: no plan is more exact
    month = "month" if months == 1 else "months"
    text = f"about {deals:,.0f} more closed deals ({months} {month}) decide it in 8 of 10 futures"
    return MoreDeals(value=deals, months=float(months), text=text)
