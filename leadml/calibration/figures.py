"""What conclusions are drawn from, and figures of it as records: contenders, what a column adds, segments, blocks."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from leadml.calibration.contenders import FittedCard, View
from leadml.calibration.deals import count_patterns, n_of, span
from leadml.calibration.hold_out import Lost, columns_of
from leadml.calibration.study import Study
from leadml.data.dates import day_text
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.estimators.judge import fit_judge
from leadml.estimators.scorecard_fit import fit_scorecard
from leadml.evaluation.bootstrap import bootstrap, holm
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, measure, rate_of_different, wilson
from leadml.evaluation.outlook import DAYS_A_MONTH
from leadml.exceptions import UsageError
from leadml.levels import LEVEL_MAX, N_CODES, Floats
from leadml.result import Block, Contender, ContenderGain, Data, Disagreement, Evaluation, Figure, Gain, Importance

N_DRAWS = 400
CELL_IDS = 20
"""Leads named in each cell of rule x card."""
MOST_METRIC_DRAWS = 200
GAINS = {"wins_captured": "share of all won deals", "net_value_per_lead": "currency a lead", "auc": "AUC"}
RESERVED = tuple(name for name, each in Contender.model_fields.items() if each.annotation == Figure | None)
RESERVED += tuple(f"gain_{name}" for name in GAINS)
"""Names of figures that a metric of the user's own cannot have."""


class Posterior(NamedTuple):
    """What all deals tell of a framework's criteria: a row a pattern, and `population` deals of each.

    draws : (D, m) P(won) of each by a judge wider than the card. weights : (1 + D, k) log-odds between levels 4 and 0,
    as fitted, then as drawn.
    """

    leads: Leads
    population: Floats
    draws: Floats
    weights: Floats


@dataclasses.dataclass(eq=False)
class Facts:
    """What is known when all deals were learned from.

    fitted : contenders by id; cards : those that are one. drifted : whether weights moved. by_hunch : rules below
    whose cut-off leads were followed up by choice. known : what all deals tell, by framework. workload : the baseline's
    decision where it is one, at whose workload cards are compared. measures : figures of every contender, net value
    where economics are given.
    """

    study: Study
    log: Log
    fitted: Mapping[str, Any]
    drifted: bool = False
    by_hunch: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.held = HeldOut(self.log)
        self.cards = {name: each for name, each in self.fitted.items() if isinstance(each, FittedCard)}
        self.known = {name: find_posterior(self.study, view) for name, view in self.study.learnable.items()}
        own = None if self.study.baseline is None else self.decision(self.study.baseline)
        self.workload = own if own is not None and 0.0 < own.mean() < 1.0 else None
        given, worth = self.study.consequences, None
        if given.value is not None:
            amount = np.full(len(self.log), np.nan)
            if given.margin is not None:
                amount = given.margin * np.asarray(self.study.compared.amount)[self.log.row]
            worth = np.where(np.isfinite(amount), amount, given.value) * self.held.y - given.cost
        self.measures = {name: measure(self.held, said, own, worth) for name, said in self.log.entries.items()}

    def decision(self, name: str) -> Floats:
        """(m,) follow-ups of a contender among the held-out deals."""
        return np.nan_to_num(self.log.entries[name].decision)


def find_posterior(study: Study, view: View) -> Posterior:
    """Count the patterns of all deals; draw P(won) of each, and the weights of the criteria."""
    counts, settings = count_patterns(study.by_pattern[view.framework.id], view.mapped), study.settings
    seed = settings.random_state
    draws = fit_judge(counts, met_level=settings.met_level, n_draws=N_DRAWS, random_state=seed)
    fit = fit_scorecard(counts, random_state=seed, n_draws=2 * N_DRAWS)
    values = np.concatenate([fit.values[None], fit.draws[:, 1:].reshape(len(fit.draws), -1, N_CODES)])
    leads = Leads(criteria=view.mapped, codes=np.asfortranarray(counts.codes))
    return Posterior(leads, counts.total, draws, values[:, :, LEVEL_MAX] - values[:, :, 0])


def describe_contenders(facts: Facts, lost: Mapping[str, Lost], metrics: Mapping[str, Any]) -> tuple[Contender, ...]:
    """Contenders as records; gains over the baseline are paired, and adjusted (Holm) over all rivals."""
    gains: dict[str, dict[str, Gain]] = {name: {} for name in facts.measures}
    for measured, unit in GAINS.items():
        found = {name: each[measured] for name, each in facts.measures.items() if measured in each}
        base = found.pop(str(facts.study.baseline), None)
        pairs = {} if base is None else {name: each - base for name, each in found.items()}
        p = holm([each.p_not_above() for each in pairs.values()]).tolist()
        for (name, each), adjusted in zip(pairs.items(), p, strict=True):
            gains[name][measured] = Gain(**dict(each.figure), p_adjusted=adjusted, unit=unit)
    return tuple(
        Contender(
            id=each.id,
            title=each.title,
            kind=each.kind,
            framework=each.framework,
            policy=each.id if each.kind == "documented" else None,
            card=f"{each.id}.json" if each.id in facts.cards else None,
            gain=ContenderGain(**gains[each.id]),
            importance=_importance(facts, lost.get(each.id), facts.cards.get(each.id)),
            metrics=_own_metrics(facts, each.id, metrics),
            **{name: statistic.figure for name, statistic in facts.measures[each.id].items()},
        )
        for each in facts.study.contenders.values()
    )


def _importance(facts: Facts, lost: Lost | None, draft: FittedCard | None) -> tuple[Importance, ...]:
    """What is given up without each column, held out, the largest loss first; attributes by their name in the CRM."""
    if lost is None:
        return ()
    own, mapping = {each.column for each in draft.card.attributes} if draft else set(), facts.study.leads.mapping
    held, seen, followed = facts.held, np.isfinite(lost.followed).astype(np.float64), np.nan_to_num(lost.followed)
    told = []
    for at, name in enumerate(columns_of(facts.study.compared)):
        more, moved = np.nan_to_num(lost.loss[:, at]), np.nan_to_num(lost.moved[:, at])
        rate = rate_of_different(held, moved, np.zeros(len(moved)))  # as many are followed up: less noise, same sum
        wins = held.ratio(100.0 * moved * (held.y - rate), followed).figure
        column = mapping.column_of(name) if mapping else name
        loss = held.ratio(more, seen).figure
        told.append(Importance(column=name, loss=loss, wins_per_100=wins, attribute=column if column in own else ""))
    return tuple(sorted(told, key=lambda each: -(each.loss.value or 0.0)))


def _own_metrics(facts: Facts, name: str, metrics: Mapping[str, Any]) -> dict[str, Figure]:
    """The user's metrics of a contender, with a bootstrap interval by unit."""
    held, settings, said = facts.held, facts.study.settings, facts.log.entries[name]
    scored = np.isnan(said.probability)
    values = np.where(scored, said.score, said.probability)
    n_draws, found = min(settings.bootstrap, MOST_METRIC_DRAWS), {}

    def counted(metric: Any, weight: Floats) -> float:
        some = weight > 0
        return float(metric(held.y[some], values[some], sample_weight=weight[some]))

    for title, metric in metrics.items():
        try:
            found[title] = bootstrap(partial(counted, metric), held.unit, held.weight, n_draws, settings.random_state)
        except Exception as error:
            if not scored.any():  # one that asks for probabilities tells nothing of a rule's score
                valid = "a function metric(outcome, predicted, sample_weight=weights) that gives a number"
                raise UsageError(f"metrics: {title} failed on {name}: {error}; valid: {valid}") from error
    return {title: each for title, each in found.items() if each.value is not None}


def find_disagreement(facts: Facts, card: Floats) -> tuple[Disagreement, ...]:
    """Baseline x card (at its workload) on the held-out deals, each once: counts, raw win rates, and some ids."""
    log = facts.log
    once = np.flatnonzero(log.repeat == 0)
    weight = facts.held.weight[once] * facts.held.n_repeats
    by_rule, by_card = facts.decision(str(facts.study.baseline))[once], card[once]
    won, ids, out = log.outcome[once] == 1, log.lead_id, []
    for rule_says, card_says in itertools.product((True, False), repeat=2):
        share = weight * (by_rule if rule_says else 1 - by_rule) * (by_card if card_says else 1 - by_card)
        n, n_won = float(share.sum()), float(share @ won)
        surely = once[np.flatnonzero(share > 0.5 * weight)][:CELL_IDS].tolist()
        some, rate = () if ids is None else tuple(str(ids[at]) for at in surely), wilson(n_won, n)
        out.append(Disagreement(rule_says=rule_says, card_says=card_says, n=n, won=n_won, rate=rate, lead_ids=some))
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
        mapping_digest="" if leads.mapping is None else leads.mapping.digest(),
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
    blocks = []
    for held in study.blocks:
        test, train = (study.compared.take(rows) for rows in (held.test, held.train))
        days, n, n_won = _from_to(test) if study.timed else {}, n_of(test), n_of(test, 1)
        skipped = float(held.n_embargoed)
        blocks.append(Block(**days, n_train=n_of(train), n_test=n, n_embargoed=skipped, base_rate=n_won / n))
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
