"""Figures of the result from the log: contenders, disagreement, segments; estimates turned into records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from leadml.calibration.contenders import Contender as Competing
from leadml.calibration.views import Floats
from leadml.evaluation.bootstrap import Estimate, Statistic, bootstrap, holm
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, Measures, measure, wilson
from leadml.result import Contender, ContenderGain, Disagreement, Figure, Gain, Importance

Metric = Callable[[Floats, Floats, Floats], float]
"""A metric of the user: (outcome, probability or score, weight) -> number."""

CELL_IDS = 20
"""Leads named in each cell of rule x card."""
MOST_METRIC_DRAWS = 200
NONE = Figure(value=None)


def number(value: float | None) -> float | None:
    """None for what is not finite."""
    return float(value) if value is not None and np.isfinite(value) else None


def figure(estimate: Estimate | Statistic | None, factor: float = 1.0) -> Figure | None:
    """An estimate as a record; None where the deals hold no answer."""
    if estimate is None:
        return None
    value, low, high = estimate.estimate() if isinstance(estimate, Statistic) else estimate
    if not np.isfinite(value):
        return None
    return Figure(value=value * factor, low=number(low * factor), high=number(high * factor))


def gain(statistic: Statistic | None, p_adjusted: float | None, unit: str) -> Gain | None:
    """A paired difference as a record."""
    if statistic is None or not np.isfinite(statistic.value):
        return None
    value, low, high = statistic.estimate()
    return Gain(value=value, low=number(low), high=number(high), p_adjusted=number(p_adjusted), unit=unit)


def measure_all(
    held: HeldOut, log: Log, baseline: str | None, won_value: Floats | float | None, cost: float
) -> dict[str, Measures]:
    """All figures of every contender, wins at the baseline's workload."""
    workload = None if baseline is None else np.nan_to_num(log.entries[baseline].decision)
    return {
        name: measure(held, said, workload=workload, won_value=won_value, follow_up_cost=cost)
        for name, said in log.entries.items()
    }


def _difference(one: Statistic | None, other: Statistic | None) -> Statistic | None:
    return None if one is None or other is None else one - other


@dataclasses.dataclass(frozen=True, eq=False)
class Told:
    """What is told of contenders beside the usual figures, by id."""

    cards: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Figure]]
    importance: Mapping[str, tuple[Importance, ...]]


def importances(
    held: HeldOut, lost: Mapping[str, Floats], columns: Sequence[str]
) -> dict[str, tuple[Importance, ...]]:
    """Held-out log loss given up without each column, the largest first."""
    out = {}
    for name, more in lost.items():
        seen = np.isfinite(more[:, 0]).astype(np.float64) if more.shape[1] else np.zeros(len(more))
        losses = (figure(held.ratio(np.nan_to_num(each), seen)) or NONE for each in more.T)
        told = [Importance(column=c, loss=loss) for c, loss in zip(columns, losses, strict=True)]
        out[name] = tuple(sorted(told, key=lambda each: -(each.loss.value or 0.0)))
    return out


def describe_contenders(
    contenders: tuple[Competing, ...], measures: Mapping[str, Measures], baseline: str | None, told: Told
) -> tuple[Contender, ...]:
    """Contenders as records; gains over the baseline are paired and adjusted (Holm) over all that compete
    with it."""
    base = measures[baseline] if baseline is not None else Measures()
    pairs = {
        each.id: tuple(
            None
            if each.id == baseline
            else _difference(getattr(measures[each.id], name), getattr(base, name))
            for name in ("captured", "net_value", "auc")
        )
        for each in contenders
    }
    adjusted = {}
    for at in range(3):
        raw = [np.nan if p[at] is None else p[at].p_not_above() for p in pairs.values()]  # type: ignore[union-attr]
        adjusted[at] = dict(zip(pairs, holm(raw), strict=True))
    units = ("share of all won deals", "currency a lead", "AUC")
    out = []
    for each in contenders:
        m = measures[each.id]
        wins, net, auc = (gain(pairs[each.id][at], adjusted[at][each.id], units[at]) for at in range(3))
        out.append(
            Contender(
                id=each.id,
                title=each.title,
                kind=each.kind,
                framework=each.framework,
                policy=each.policy,
                card=f"{each.id}.json" if each.id in told.cards else None,
                auc=figure(m.auc),
                log_loss=figure(m.log_loss),
                brier=figure(m.brier),
                calibration_slope=figure(m.slope),
                calibration_intercept=figure(m.intercept),
                workload=figure(m.workload),
                precision=figure(m.precision),
                recall=figure(m.recall),
                wins_captured=figure(m.captured),
                wins_per_100=figure(m.wins_per_100),
                net_value_per_lead=figure(m.net_value),
                gain=ContenderGain(wins_captured=wins, net_value_per_lead=net, auc=auc),
                importance=told.importance.get(each.id, ()),
                metrics=told.metrics.get(each.id, {}),
            )
        )
    return tuple(out)


def own_metrics(
    log: Log, held: HeldOut, metrics: Mapping[str, Metric], n_draws: int, random_state: int
) -> dict[str, dict[str, Figure]]:
    """The user's metrics of every contender, with a bootstrap interval by unit."""
    out: dict[str, dict[str, Figure]] = {}
    for name, said in log.entries.items():
        values = np.where(np.isnan(said.probability), said.score, said.probability)
        for title, metric in metrics.items():

            def of(weight: Floats, metric: Metric = metric, values: Floats = values) -> float:
                return float(metric(held.y, values, weight))

            draws = min(n_draws, MOST_METRIC_DRAWS)
            found = figure(bootstrap(of, held.unit, held.weight, draws, random_state))
            if found is not None:
                out.setdefault(name, {})[title] = found
    return out


def find_disagreement(log: Log, held: HeldOut, rule: str, card: Floats) -> tuple[Disagreement, ...]:
    """Rule x card on the held-out deals, each deal once: counts, raw win rates, and some ids.

    `card` is its decision at the rule's workload, so that both follow up as many.
    """
    once = np.flatnonzero(log.repeat == 0)
    weight = held.weight[once] * log.n_repeats
    by_rule = np.nan_to_num(log.entries[rule].decision[once])
    by_card = card[once]
    won = log.outcome[once] == 1
    ids = log.lead_id
    cells = []
    for rule_says in (True, False):
        for card_says in (True, False):
            share = weight * (by_rule if rule_says else 1 - by_rule) * (by_card if card_says else 1 - by_card)
            n, n_won = float(share.sum()), float(share @ won)
            rate = figure(wilson(n_won, n)) or Figure(value=None)
            surely = once[np.flatnonzero(share > 0.5 * weight)][:CELL_IDS]
            names = () if ids is None else tuple(str(ids[int(at)]) for at in surely)
            cells.append(
                Disagreement(
                    rule_says=rule_says, card_says=card_says, n=n, won=n_won, rate=rate, lead_ids=names
                )
            )
    return tuple(cells)
