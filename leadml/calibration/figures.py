"""Figures of the result from the log: contenders, disagreement, segments; estimates turned into records."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import numpy as np

from leadml.calibration.blocks import Lost
from leadml.calibration.facts import Facts
from leadml.calibration.views import Floats, Note
from leadml.evaluation.bootstrap import Estimate, Statistic, bootstrap, holm
from leadml.evaluation.metrics import HeldOut, Measures, rate_of_different, wilson
from leadml.result import Contender, ContenderGain, Disagreement, Dropped, Figure, Gain, Importance

Metric = Callable[[Floats, Floats, Floats], float]
"""A metric of the user: (outcome, probability or score, weight) -> number."""

CELL_IDS = 20
"""Leads named in each cell of rule x card."""
MOST_METRIC_DRAWS = 200
MEASURED = tuple(each.name for each in dataclasses.fields(Measures))
"""Figures of a contender in the result."""
GAINS = {"wins_captured": "share of all won deals", "net_value_per_lead": "currency a lead", "auc": "AUC"}
RESERVED = (*MEASURED, *(f"gain_{name}" for name in GAINS))
"""Names of figures that a metric of the user's own cannot have."""


def number(value: float | None) -> float | None:
    """None for what is not finite."""
    return float(value) if value is not None and np.isfinite(value) else None


def figure(estimate: Estimate | Statistic | None) -> Figure | None:
    """An estimate as a record; None where the deals hold no answer."""
    if isinstance(estimate, Statistic):
        estimate = estimate.estimate()
    return None if estimate is None or not np.isfinite(estimate.value) else estimate.figure


def gain(estimate: Estimate | Statistic, p_adjusted: float | None, unit: str) -> Gain | None:
    """A paired difference as a record."""
    found = figure(estimate)
    return None if found is None else Gain(**dict(found), p_adjusted=number(p_adjusted), unit=unit)


def importances(
    held: HeldOut, lost: Mapping[str, Lost], columns: Sequence[str], attributes: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[Importance, ...]]:
    """What is given up without each column, held out, the largest loss first; attributes: of each card, by column."""
    out = {}
    for name, each in lost.items():
        seen, followed = np.isfinite(each.followed).astype(np.float64), np.nan_to_num(each.followed)
        told = []
        for column, more, moved in zip(columns, np.nan_to_num(each.loss).T, np.nan_to_num(each.moved).T, strict=True):
            rate = rate_of_different(held, moved, np.zeros(len(moved)))  # as many are followed up: less noise, same sum
            wins = held.ratio(100.0 * moved * (held.y - rate), followed)
            attribute = attributes.get(name, {}).get(column, "")
            loss = held.ratio(more, seen).estimate().figure
            told.append(Importance(column=column, loss=loss, wins_per_100=wins.estimate().figure, attribute=attribute))
        out[name] = tuple(sorted(told, key=lambda each: -(each.loss.value or 0.0)))
    return out


def find_fall(facts: Facts) -> tuple[Dropped | None, list[Note]]:
    """How far the wide card falls without the columns that were left out, on the same deals; LML309 says so."""
    one, other = facts.measures.get("wide"), facts.measures.get("wide-with")
    if one is None or other is None:
        return None, []
    columns = facts.study.settings.without
    values: dict[str, Any] = {"columns": columns, "contender": "wide-with", "where": "wide"}
    falls: dict[str, Figure] = {}
    for name in ("wins_per_100", "auc"):
        without, beside = getattr(one, name), getattr(other, name)
        if without is None or beside is None:
            return None, []
        falls[name] = (beside - without).estimate().figure
        values |= {f"{name}_without": without.value, f"{name}_with": beside.value}
    fall = falls["wins_per_100"]
    values |= {"fall": fall.value, "low": fall.low, "high": fall.high, "cost": fall.value}
    return Dropped(columns=columns, contender="wide-with", **falls), [("LML309", values)]


def describe_contenders(
    facts: Facts,
    cards: Container[str],
    metrics: Mapping[str, Mapping[str, Figure]],
    importance: Mapping[str, tuple[Importance, ...]],
) -> tuple[Contender, ...]:
    """Contenders as records; gains over the baseline are paired, and adjusted (Holm) over all rivals."""
    gains = {name: gains_over(facts.measures, facts.study.baseline, name, unit) for name, unit in GAINS.items()}
    return tuple(
        Contender(
            id=each.id,
            title=each.title,
            kind=each.kind,
            framework=each.framework,
            policy=each.id if each.kind == "documented" else None,
            card=f"{each.id}.json" if each.id in cards else None,
            gain=ContenderGain(**{name: found.get(each.id) for name, found in gains.items()}),
            importance=importance.get(each.id, ()),
            metrics=metrics.get(each.id, {}),
            **{name: figure(statistic) for name, statistic in vars(facts.measures[each.id]).items()},
        )
        for each in facts.study.contenders
    )


def gains_over(
    measures: Mapping[str, Measures], baseline: str | None, measured: str, unit: str
) -> dict[str, Gain | None]:
    """What each contender has more of a figure than the baseline; none where one of them lacks it."""
    base = None if baseline is None else getattr(measures[baseline], measured)
    own = {name: getattr(each, measured) for name, each in measures.items() if name != baseline}
    pairs = {name: each - base for name, each in own.items() if base is not None and each is not None}
    p = holm([each.p_not_above() for each in pairs.values()])
    return {name: gain(each, at, unit) for (name, each), at in zip(pairs.items(), p, strict=True)}


def own_metrics(facts: Facts, metrics: Mapping[str, Metric]) -> dict[str, dict[str, Figure]]:
    """The user's metrics of every contender, with a bootstrap interval by unit."""
    held, settings = facts.held, facts.study.settings
    draws = min(settings.bootstrap, MOST_METRIC_DRAWS)
    out: dict[str, dict[str, Figure]] = {}
    for name, said in facts.log.entries.items():
        values = np.where(np.isnan(said.probability), said.score, said.probability)
        for title, metric in metrics.items():

            def of(weight: Floats, metric: Metric = metric, values: Floats = values) -> float:
                return float(metric(held.y, values, weight))

            found = figure(bootstrap(of, held.unit, held.weight, draws, settings.random_state))
            if found is not None:
                out.setdefault(name, {})[title] = found
    return out


def find_disagreement(facts: Facts, card: Floats) -> tuple[Disagreement, ...]:
    """Baseline x card on the held-out deals, each deal once: counts, raw win rates, and some ids.

    `card` is its decision at the rule's workload, so that both follow up as many.
    """
    log = facts.log
    once = np.flatnonzero(log.repeat == 0)
    weight = facts.held.weight[once] * log.n_repeats
    by_rule, by_card = facts.decision(str(facts.study.baseline))[once], card[once]
    won, ids = log.outcome[once] == 1, log.lead_id
    cells = []
    for rule_says, card_says in itertools.product((True, False), repeat=2):
        share = weight * (by_rule if rule_says else 1 - by_rule) * (by_card if card_says else 1 - by_card)
        n, n_won = float(share.sum()), float(share @ won)
        surely = once[np.flatnonzero(share > 0.5 * weight)][:CELL_IDS]
        cells.append(
            Disagreement(
                rule_says=rule_says,
                card_says=card_says,
                n=n,
                won=n_won,
                rate=wilson(n_won, n).figure,
                lead_ids=() if ids is None else tuple(str(ids[int(at)]) for at in surely),
            )
        )
    return tuple(cells)
