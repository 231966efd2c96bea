"""Records of the result from the log: contenders, what a column adds, disagreement, segments, data and blocks."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from leadml.calibration.cards import Draft
from leadml.calibration.deals import DAYS_A_MONTH, Floats, n_of, span, weight_of, won_of
from leadml.calibration.facts import Facts
from leadml.calibration.hold_out import Lost, columns_of
from leadml.calibration.study import Study
from leadml.data.dates import day_text
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.evaluation.bootstrap import Estimate, Statistic, bootstrap, holm
from leadml.evaluation.metrics import Measures, rate_of_different, wilson
from leadml.evaluation.segments import segment_gains
from leadml.records import digest_record
from leadml.result import (
    Block,
    Contender,
    ContenderGain,
    Data,
    Disagreement,
    Dropped,
    Evaluation,
    Figure,
    Gain,
    Importance,
    Segment,
)

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


def figure(estimate: Estimate | Statistic | None) -> Figure | None:
    """An estimate as a record; None where the deals hold no answer."""
    if isinstance(estimate, Statistic):
        estimate = estimate.estimate()
    return None if estimate is None or not np.isfinite(estimate.value) else estimate.figure


def gain(estimate: Estimate | Statistic, p_adjusted: float, unit: str) -> Gain | None:
    """A paired difference as a record."""
    found, p = figure(estimate), p_adjusted if np.isfinite(p_adjusted) else None
    return None if found is None else Gain(**dict(found), p_adjusted=p, unit=unit)


def describe_contenders(
    facts: Facts, drafts: Mapping[str, Draft], lost: Mapping[str, Lost], metrics: Mapping[str, Metric]
) -> tuple[Contender, ...]:
    """Contenders as records; gains over the baseline are paired, and adjusted (Holm) over all rivals."""
    gains = {name: _gains_over(facts, name, unit) for name, unit in GAINS.items()}
    return tuple(
        Contender(
            id=each.id,
            title=each.title,
            kind=each.kind,
            framework=each.framework,
            policy=each.id if each.kind == "documented" else None,
            card=f"{each.id}.json" if each.id in drafts else None,
            gain=ContenderGain(**{name: found.get(each.id) for name, found in gains.items()}),
            importance=_importance(facts, lost.get(each.id), drafts.get(each.id)),
            metrics=_own_metrics(facts, each.id, metrics),
            **{name: figure(statistic) for name, statistic in vars(facts.measures[each.id]).items()},
        )
        for each in facts.study.contenders.values()
    )


def _gains_over(facts: Facts, measured: str, unit: str) -> dict[str, Gain | None]:
    """What each contender has more of a figure than the baseline; none where one of them lacks it."""
    found = {name: getattr(each, measured) for name, each in facts.measures.items()}
    base = found.pop(str(facts.study.baseline), None)
    pairs = {name: each - base for name, each in found.items() if base is not None and each is not None}
    p = holm([each.p_not_above() for each in pairs.values()])
    return {name: gain(each, at, unit) for (name, each), at in zip(pairs.items(), p.tolist(), strict=True)}


def _importance(facts: Facts, lost: Lost | None, draft: Draft | None) -> tuple[Importance, ...]:
    """What is given up without each column, held out, the largest loss first; attributes by their name in the CRM."""
    if lost is None:
        return ()
    mapping, own = (
        facts.study.leads.mapping,
        set() if draft is None else {each.column for each in draft.card.attributes},
    )
    held, seen, followed = facts.held, np.isfinite(lost.followed).astype(np.float64), np.nan_to_num(lost.followed)
    told = []
    for at, name in enumerate(columns_of(facts.study.compared)):
        more, moved = np.nan_to_num(lost.loss[:, at]), np.nan_to_num(lost.moved[:, at])
        rate = rate_of_different(held, moved, np.zeros(len(moved)))  # as many are followed up: less noise, same sum
        wins = held.ratio(100.0 * moved * (held.y - rate), followed).estimate().figure
        column = mapping.column_of(name) if mapping else name
        loss = held.ratio(more, seen).estimate().figure
        told.append(Importance(column=name, loss=loss, wins_per_100=wins, attribute=column if column in own else ""))
    return tuple(sorted(told, key=lambda each: -(each.loss.value or 0.0)))


def _own_metrics(facts: Facts, name: str, metrics: Mapping[str, Metric]) -> dict[str, Figure]:
    """The user's metrics of a contender, with a bootstrap interval by unit."""
    held, settings, said = facts.held, facts.study.settings, facts.log.entries[name]
    values, draws = np.where(np.isnan(said.probability), said.score, said.probability), settings.bootstrap
    found = {
        title: figure(
            bootstrap(
                lambda weight, metric=metric: metric(held.y, values, weight),  # type: ignore[misc]
                held.unit, held.weight, min(draws, MOST_METRIC_DRAWS), settings.random_state,
            )
        )
        for title, metric in metrics.items()
    }  # fmt: skip
    return {title: each for title, each in found.items() if each is not None}


def find_dropped(facts: Facts) -> Dropped | None:
    """How far the wide card falls without the columns that were left out, on the same deals."""
    one, other, falls = facts.measures.get("wide"), facts.measures.get("wide-with"), {}
    for name in ("wins_per_100", "auc"):
        without, beside = getattr(one, name, None), getattr(other, name, None)
        if without is None or beside is None:
            return None
        falls[name] = (beside - without).estimate().figure
    return Dropped(columns=facts.study.settings.without, contender="wide-with", **falls)


def find_disagreement(facts: Facts, card: Floats) -> tuple[Disagreement, ...]:
    """Baseline x card on the held-out deals, each deal once: counts, raw win rates, and some ids.

    `card` is its decision at the rule's workload, so that both follow up as many.
    """
    log = facts.log
    once = np.flatnonzero(log.repeat == 0)
    weight = facts.held.weight[once] * log.n_repeats
    by_rule, by_card = facts.decision(str(facts.study.baseline))[once], card[once]
    won, ids, out = log.outcome[once] == 1, log.lead_id, []
    for rule_says, card_says in itertools.product((True, False), repeat=2):
        share = weight * (by_rule if rule_says else 1 - by_rule) * (by_card if card_says else 1 - by_card)
        n, n_won = float(share.sum()), float(share @ won)
        surely = once[np.flatnonzero(share > 0.5 * weight)][:CELL_IDS].tolist()
        some, rate = () if ids is None else tuple(str(ids[at]) for at in surely), wilson(n_won, n).figure
        out.append(Disagreement(rule_says=rule_says, card_says=card_says, n=n, won=n_won, rate=rate, lead_ids=some))
    return tuple(out)


def find_segments(facts: Facts, card: Floats) -> tuple[Segment, ...]:
    """The gain of the card, at the baseline's workload, for each value of each segment column, partially pooled."""
    rule, smallest = facts.decision(str(facts.study.baseline)), facts.study.settings.smallest_gain
    out: list[Segment] = []
    for column, values in facts.study.compared.segments.items():
        names = np.array([str(each) if each is not None else "(blank)" for each in values.to_pylist()])
        out += segment_gains(facts.held, rule, card, column, names[facts.log.row].tolist(), smallest)
    return tuple(out)


# ---------------------------------------------------------------- what was learned from


def _from_to(leads: Leads) -> dict[str, Any]:
    """First and last day, as the fields `from` and `to`."""
    return dict(zip(("from", "to"), map(day_text, span(leads) or ()), strict=False))


def describe_data(study: Study, name: str) -> Data:
    """What was learned from, as a record; `as_of` is the last date in the data when nobody says."""
    leads, deals = study.leads, study.deals
    n, won = n_of(deals), n_of(deals, 1)
    first, last = span(deals) or (0, 0)
    asked = {name for view in study.views.values() for name in view.framework.criterion_ids}
    latest = max((int(c.max()) for c in (leads.created, leads.closed) if c is not None), default=NO_DAY)
    return Data(
        name=name,
        source=leads.source,
        digest=leads.digest,
        mapping_digest="" if leads.mapping is None else digest_record(leads.mapping),
        n_rows=leads.n_rows or len(leads),
        n_leads=len(leads),
        n_rejected=max(leads.n_rows - len(leads), 0) if leads.rejections is not None else 0,
        n_won=won,
        n_lost=n - won,
        n_open=n_of(leads, OPEN),
        n_recent=study.chosen.n_recent,
        n_units=len(deals) if deals.unit is None else len(np.unique(deals.unit)),
        n_compared=len(study.compared),
        base_rate=won / n,
        **_from_to(deals),
        as_of=study.settings.as_of or (day_text(latest) if latest != NO_DAY else None),
        deals_per_month=n / max((last - first) / DAYS_A_MONTH, 1.0) if last > first else None,
        criteria=leads.criteria,
        unmapped=tuple(sorted(asked - set(leads.criteria))),
    )


def describe_evaluation(facts: Facts) -> Evaluation:
    """Blocks as records; every held-out figure rests on `n` deals."""
    study, log = facts.study, facts.log
    deals, weight, won = study.compared, weight_of(study.compared), won_of(study.compared)
    blocks = [
        Block(
            **(_from_to(deals.take(held.test)) if study.timed else {}),
            n_train=float(weight[held.train].sum()),
            n_test=float(weight[held.test].sum()),
            n_embargoed=float(held.n_embargoed),
            base_rate=float(np.average(won[held.test], weights=weight[held.test])),
        )
        for held in study.blocks
    ]
    unit, mapping, once = "deal", study.deals.mapping, log.repeat == 0
    if study.deals.unit is not None:
        group = getattr(mapping, "group", None)
        unit = f"account ({', '.join(group)})" if group else "account" if mapping is None else "equal rows"
    return Evaluation(
        kind="rolling" if study.timed else "k-fold",
        unit=unit,
        blocks=tuple(blocks),
        n=float(log.weight[once].sum()),
        n_won=float(log.weight[once] @ (log.outcome[once] == 1)),
    )
