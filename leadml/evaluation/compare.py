"""Every contender on the same held-out deals: figures with intervals, and paired gains over a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.evaluation.bootstrap import Figure, adjust_holm, as_json, to_figure, two_sided_p
from leadml.evaluation.metrics import (
    HeldOut,
    find_auc,
    find_calibration,
    find_reliability,
    log_loss_of,
    wins_at_workload,
)

Array = NDArray[Any]


@dataclass(frozen=True)
class Judged:
    """What a contender says of the held-out deals.

    Attributes
    ----------
    id : str
        Its name.
    score, decision : arrays of shape (n,)
        What it ranks by, and 1 where it would follow up.
    probability : array of shape (n,) or None
        P(won) as told.
    """

    id: str
    score: Array
    decision: Array
    probability: Array | None


@dataclass(frozen=True)
class Replicates:
    """Figures of one contender on the sample (entry 0) and on every replicate.

    Attributes
    ----------
    auc, log_loss, brier, calibration_slope, calibration_intercept, workload, precision, recall : arrays
        Each of shape (1 + n_replicates,); probability figures are NaN where none is told.
    wins_captured : array of shape (1 + n_replicates,)
        Share of all won deals among as many leads as the baseline follows up.
    net_value_per_lead : array of shape (1 + n_replicates,)
        At the contender's own decisions.
    """

    auc: Array
    log_loss: Array
    brier: Array
    calibration_slope: Array
    calibration_intercept: Array
    workload: Array
    precision: Array
    recall: Array
    wins_captured: Array
    net_value_per_lead: Array


FIGURES = tuple(Replicates.__dataclass_fields__)


def evaluate(
    held: HeldOut, judged: Judged, baseline_decision: Array, value: Array | float, cost: float
) -> Replicates:
    """Work out every figure of one contender.

    Parameters
    ----------
    held : HeldOut
        Deals and draws.
    judged : Judged
        What the contender says.
    baseline_decision : array of shape (n,)
        1 where the baseline follows up: the workload at which wins are compared.
    value : float or array of shape (1 + n_replicates,)
        Of a won deal; one for each draw where it is estimated.
    cost : float
        Of one follow-up, in the same unit.

    Returns
    -------
    Replicates
        The figures.
    """
    outcome, decision = held.outcome, judged.decision
    columns = [decision, decision * outcome]
    if judged.probability is not None:
        columns += [log_loss_of(outcome, judged.probability), (judged.probability - outcome) ** 2]
    sums = held.add_up(np.stack(columns, axis=1))
    n, won = held.totals.T
    nothing = np.full(len(n), np.nan)
    intercept, slope = (
        find_calibration(held, judged.probability) if judged.probability is not None else (nothing, nothing)
    )
    return Replicates(
        auc=find_auc(held, judged.score),
        log_loss=sums[:, 2] / n if judged.probability is not None else nothing,
        brier=sums[:, 3] / n if judged.probability is not None else nothing,
        calibration_slope=slope,
        calibration_intercept=intercept,
        workload=sums[:, 0] / n,
        precision=_divide(sums[:, 1], sums[:, 0]),
        recall=_divide(sums[:, 1], won),
        wins_captured=_divide(wins_at_workload(held, judged.score, baseline_decision), won),
        net_value_per_lead=(value * sums[:, 1] - cost * sums[:, 0]) / n,
    )


def _divide(top: Array, bottom: Array) -> Array:
    return np.asarray(np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0))


def gain_with_p(difference: Array) -> tuple[Figure, float]:
    """Paired gain with its interval and p-value.

    Parameters
    ----------
    difference : array of shape (1 + n_replicates,)
        Contender minus baseline, on the same draws.

    Returns
    -------
    gain : Figure
        Value and interval.
    p : float
        Two-sided.
    """
    return to_figure(difference), two_sided_p(difference)


def gains_over(
    baseline: Replicates, others: Sequence[Replicates], names: Sequence[str]
) -> list[dict[str, dict[str, float | None]]]:
    """Paired gains of several contenders over one baseline, Holm-adjusted over the contenders.

    Parameters
    ----------
    baseline : Replicates
        Of the rule that is compared with.
    others : sequence of Replicates
        Of the contenders.
    names : sequence of str
        Figures to compare; log_loss and brier count the other way, so that a gain is better.

    Returns
    -------
    list of dict
        For each contender and name: value, low, high, p_adjusted.
    """
    out: list[dict[str, dict[str, float | None]]] = [{} for _ in others]
    for name in names:
        sign = -1.0 if name in ("log_loss", "brier") else 1.0
        found = [gain_with_p(sign * (getattr(o, name) - getattr(baseline, name))) for o in others]
        adjusted = adjust_holm(np.array([p for _, p in found]))
        for row, (figure, _) in enumerate(found):
            out[row][name] = {**figure.to_dict(), "p_adjusted": as_json(adjusted[row])}
    return out


def figures_of(replicates: Replicates) -> dict[str, dict[str, float | None]]:
    """Every figure of a contender with its interval.

    Parameters
    ----------
    replicates : Replicates
        Its figures.

    Returns
    -------
    dict
        name: value, low, high.
    """
    return {name: to_figure(getattr(replicates, name)).to_dict() for name in FIGURES}


def reliability_of(held: HeldOut, judged: Judged) -> list[dict[str, Any]]:
    """Told and seen win rates, in bins.

    Parameters
    ----------
    held : HeldOut
        Deals.
    judged : Judged
        The contender.

    Returns
    -------
    list of dict
        Empty where it tells no probability.
    """
    return [] if judged.probability is None else find_reliability(held.outcome, judged.probability)
