"""Cut-offs from consequences (economics, capacity), their intervals, decision curve and implied value.

A cut-off is right where the last point pays: P(won | cut-off) >= c/v > P(won | one point less). The interval
is that of the deployed card: its points are held, only the probabilities of its totals are drawn again.
"""

from __future__ import annotations

import numpy as np

from leadml.evaluation.bootstrap import percentile
from leadml.evaluation.metrics import HeldOut
from leadml.levels import Floats, Ints
from leadml.result import Basis, CurvePoint, ImpliedValue, LearnedCutoff

N_POPULATIONS = 1000
N_RATIOS = 15


def cutoff_at_cost(rates: Floats, n: Floats, threshold: float | None) -> LearnedCutoff:
    """Best cut-off where a follow-up pays from P(won) = threshold (c/v), with the interval over drawn rates.

    rates: (D, T) from `redraw_rates`. n: (T,) leads at each total. threshold None: break-even, the base rate of each
    draw. One more than the largest total says "follow up no one".
    """
    pays_from = rates @ n / n.sum() if threshold is None else np.full(len(rates), threshold)
    net = _from_above((rates - pays_from[:, None]) * n)
    mean_net = _from_above((rates.mean(axis=0) - pays_from.mean()) * n)
    best = int(mean_net.argmax())
    low, high = np.quantile(net - net[:, [best]], [0.025, 0.975], axis=0)
    alike = tuple(int(k) for k in np.flatnonzero((low <= 1e-9) & (high >= -1e-9)))
    basis: Basis = "break-even" if threshold is None else "economics"
    return _with_shares(best, net.argmax(axis=1), n, np.broadcast_to(n, rates.shape), basis, alike)


def cutoff_at_share(n: Floats, share: float, basis: Basis = "capacity") -> LearnedCutoff:
    """Lowest cut-off that no more than a share of leads reach (capacity), over populations like this one."""
    drawn = np.random.default_rng(0).dirichlet(np.maximum(n, 1e-9), N_POPULATIONS) * n.sum()
    best = (_from_above(np.vstack([n, drawn])) <= share * n.sum() * (1 + 1e-9)).argmax(axis=1)
    return _with_shares(int(best[0]), best[1:], n, drawn, basis)


def _from_above(by_total: Floats) -> Floats:
    """Sum of every total's column and all above it; a last column of 0."""
    sums = np.cumsum(by_total[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([sums, np.zeros((*sums.shape[:-1], 1))], axis=-1)


def _with_shares(
    best: int, drawn: Ints, n: Floats, redrawn: Floats, basis: Basis, alike: tuple[int, ...] = ()
) -> LearnedCutoff:
    """Interval of a cut-off, and the share of leads at or above it."""
    low, high = np.quantile(drawn, 0.025, method="lower"), np.quantile(drawn, 0.975, method="higher")
    above = _from_above(redrawn) / redrawn.sum(axis=-1, keepdims=True)
    shares = np.take_along_axis(above, drawn[:, None], axis=1)[:, 0]
    share = percentile(shares, float(_from_above(n)[best] / n.sum()))
    ends = {"low": min(best, float(low)), "high": max(best, float(high))}
    return LearnedCutoff(value=best, **ends, not_distinguishable=alike, share=share, basis=basis)


def implied_value(rates: Floats, cutoff: int) -> ImpliedValue:
    """Values of a won deal, in follow-ups, that make a cut-off right: 1/P(won | k) <= v/c < 1/P(won | k - 1).

    rates: (D, T) drawn rates by documented score. A cut-off of 0 or beyond the largest score has an open end.
    """
    worth = np.pad(1.0 / rates, ((0, 0), (1, 1)), constant_values=np.nan)
    columns = (worth[:, np.clip(at, 0, worth.shape[1] - 1)] for at in (cutoff + 1, cutoff))
    low, high = (percentile(each, float(np.median(each))) for each in columns)
    ends = {"low_interval": (low.low, low.high), "high_interval": (high.low, high.high)}
    return ImpliedValue(low=low.value, high=high.value, **ends)


def decision_curve(held: HeldOut, rule: Floats, probability: Floats, implied: ImpliedValue) -> tuple[CurvePoint, ...]:
    """Net wins of 100 held-out leads, 100 (won - followed up / ratio) / leads: rule, card, everyone and no one.

    The ratios v/c are even in logarithm, around the implied values and break-even; the card follows up from
    P(won) = 1 / ratio. Vickers, Elkin (2006), Medical Decision Making 26.
    """
    break_even = 1.0 / max(held.n_won / max(float(held.weight.sum()), 1e-9), 1e-6)
    ends = [each for each in (implied.low, implied.high, break_even) if each is not None]
    points = []
    for ratio in np.geomspace(max(1.0, min(ends) / 2.5), max(ends) * 2.5, N_RATIOS).tolist():
        followed = {"documented": rule, "learned": probability >= 1.0 / ratio, "all": 1.0, "none": 0.0}
        worth = 100.0 * (held.y - 1.0 / ratio)
        net = {name: held.ratio(decision * worth).figure for name, decision in followed.items()}
        points.append(CurvePoint(ratio=ratio, **net))
    return tuple(points)
