"""From the log to the result: verdicts, figures, final cards on all deals, recommendation, findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import leadml
from leadml.calibration import figures
from leadml.calibration.blocks import Lost, columns_of, hold_out, make_blocks
from leadml.calibration.cards import Draft, draft_cards, fit_all
from leadml.calibration.drift import find_drift
from leadml.calibration.facts import Facts
from leadml.calibration.findings import findings_of_notes, in_order
from leadml.calibration.notes import data_notes, doubt_of, price_unknown, result_notes
from leadml.calibration.outcomes import Chosen
from leadml.calibration.recommend import choose_card, choose_champion, recommend
from leadml.calibration.rules import judge_rules
from leadml.calibration.study import Study, make_study
from leadml.calibration.views import DAYS_A_MONTH, Floats, Note, span, weight_of, won_of
from leadml.data.dates import day_text
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import at_workload
from leadml.evaluation.segments import segment_gains
from leadml.records import digest_record
from leadml.result import Block, Data, Evaluation, PolicyResult, Result


def conclude(
    leads: Leads,
    chosen: Chosen,
    study: Study,
    log: Log,
    lost: Mapping[str, Lost],
    metrics: Mapping[str, Any],
    name: str,
) -> tuple[Result, dict[str, Draft], dict[str, Any]]:
    """The result, every card, and every contender fitted to all deals."""
    notes: list[Note] = [*chosen.notes, *study.notes]
    moved, drifted = find_drift(study.deals, study.learnable) if study.timed else ([], False)
    own, by_hunch = data_notes(study, chosen, leads)
    facts = Facts(study, log, fit_all(study), drifted, by_hunch)
    policies, data = judge_rules(facts), describe_data(study, leads, name)
    drafts = draft_cards(study, facts.fitted, data)
    best = choose_card(facts, drafts)
    recommended = recommend(facts, drafts, policies, best, doubt_of(own, study, drafts.get(str(best))))
    columns = columns_of(study.compared)
    attributes = {each: attributes_of(draft, columns, leads) for each, draft in drafts.items()}
    importance = figures.importances(facts.held, lost, columns, attributes)
    contenders = figures.describe_contenders(facts, drafts, figures.own_metrics(facts, metrics), importance)
    notes += [*own, *moved, *result_notes(study, policies, contenders, facts.measures, facts.fitted, recommended)]
    notes += judge_recoded(study, chosen, leads, policies)
    rule = study.rules.get(str(study.baseline))
    if rule is not None and rule.framework in facts.known:
        notes += price_unknown(rule, facts.known[rule.framework])
    dropped, fell = figures.find_fall(facts)
    notes += fell
    evaluation = describe_evaluation(study, log)
    card = None  # its decision at the workload of the baseline
    if best is not None and facts.workload is not None:
        card = at_workload(facts.held, log.entries[best].score, facts.workload)
    result = Result(
        leadml_version=leadml.__version__,
        data=data,
        evaluation=evaluation,
        split={  # in the words of version 1
            "kind": {"rolling": "out-of-time", "k-fold": "grouped-kfold"}[evaluation.kind],
            "folds": len(evaluation.blocks),
            "n_train": evaluation.blocks[-1].n_train,
            "n_test": evaluation.n,
        },
        settings=study.settings.model_dump(mode="json", by_alias=True),
        frameworks=tuple(view.id for view in study.views),
        contenders=contenders,
        policies=policies,
        disagreement=() if card is None else figures.find_disagreement(facts, card),
        segments=() if card is None else find_segments(facts, card),
        findings=in_order(findings_of_notes(notes)),
        recommended=recommended,
        champion=choose_champion(facts, best),
        dropped=dropped,
    )
    return result, drafts, dict(facts.fitted)


def attributes_of(draft: Draft, columns: Sequence[str], leads: Leads) -> dict[str, str]:
    """Columns by which importance is told, of those that are attributes of a card: the CRM's names."""
    mapped = {} if leads.mapping is None else {name: rule.column for name, rule in leads.mapping.criteria.items()}
    own = {each.column for each in draft.card.attributes}
    crm = {name: mapped.get(name, name) for name in columns}
    return {name: column for name, column in crm.items() if column in own}


def judge_recoded(study: Study, chosen: Chosen, leads: Leads, policies: tuple[PolicyResult, ...]) -> list[Note]:
    """LML602: the verdict on the baseline with overdue deals counted as lost; none where there are none."""
    own = next((each for each in policies if each.id == study.baseline), None)
    view = study.view_of(None if own is None else own.framework)
    if chosen.overdue is None or own is None or view is None or own.verdict == "cannot-judge":
        return []
    alone = {"contenders": (), "wide": False, "policies": (own.id,), "baseline": own.id}
    recoded = dataclasses.replace(chosen, deals=chosen.overdue)
    other = make_blocks(make_study(leads, recoded, study.settings.model_copy(update=alone), [view.framework]))
    log, _ = hold_out(other)
    verdict = next(each.verdict for each in judge_rules(Facts(other, log, fit_all(other))) if each.id == own.id)
    stays = verdict == own.verdict
    values = {
        "n": len(chosen.overdue) - len(chosen.deals),
        "before": float(np.mean(won_of(chosen.deals))),
        "after": float(np.mean(won_of(chosen.overdue))),
        "rule": own.id,
        "verdict": own.verdict,
        "other": verdict,
        "where": own.id,
        "moves": "stays" if stays else f"changes from {own.verdict} to {verdict}",
        "severity": "note" if stays else "warn",
    }
    return [("LML602", values)]


def find_segments(facts: Facts, card: Floats) -> tuple[Any, ...]:
    """The gain of the card, at the baseline's workload, for each value of each segment column, partially pooled."""
    out: list[Any] = []
    for column, values in facts.study.compared.segments.items():
        names = np.array([str(each) if each is not None else "(blank)" for each in values.to_pylist()])
        own = names[facts.log.row].tolist()
        rule = facts.decision(str(facts.study.baseline))
        out += segment_gains(facts.held, rule, card, column, own, facts.study.settings.smallest_gain)
    return tuple(out)


def from_to(leads: Leads) -> dict[str, Any]:
    """First and last day, as the fields `from` and `to`."""
    return dict(zip(("from", "to"), map(day_text, span(leads) or ()), strict=False))


def describe_data(study: Study, leads: Leads, name: str) -> Data:
    """What was learned from, as a record; `as_of` is the last date in the data when nobody says."""
    deals = study.deals
    weight = weight_of(deals)
    n, won = float(weight.sum()), float(weight @ won_of(deals))
    first, last = span(deals) or (0, 0)
    asked = {name for view in study.views for name in view.framework.criterion_ids}
    dates = [int(column.max()) for column in (leads.created, leads.closed) if column is not None]
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
        n_open=float(weight_of(leads)[np.asarray(leads.outcome) == OPEN].sum()),
        n_units=len(deals) if deals.unit is None else len(np.unique(deals.unit)),
        n_compared=len(study.compared),
        base_rate=won / n,
        **from_to(deals),
        as_of=study.settings.as_of or (day_text(max(dates)) if max(dates, default=NO_DAY) != NO_DAY else None),
        deals_per_month=n / max((last - first) / DAYS_A_MONTH, 1.0) if last > first else None,
        criteria=leads.criteria,
        unmapped=tuple(sorted(asked - set(leads.criteria))),
    )


def describe_evaluation(study: Study, log: Log) -> Evaluation:
    """Blocks as records; every held-out figure rests on `n` deals."""
    deals, weight, won = study.compared, weight_of(study.compared), won_of(study.compared)
    out = []
    for held in study.blocks:
        test = float(weight[held.test].sum())
        dates = from_to(deals.take(held.test)) if study.timed else {}
        out.append(
            Block(
                **dates,
                n_train=float(weight[held.train].sum()),
                n_test=test,
                n_embargoed=float(held.n_embargoed),
                base_rate=float(weight[held.test] @ won[held.test] / test) if test else None,
            )
        )
    unit = "deal"
    if study.deals.unit is not None:
        group = getattr(study.deals.mapping, "group", None)
        unit = f"account ({', '.join(group)})" if group else "account" if study.deals.mapping is None else "equal rows"
    once = log.repeat == 0
    return Evaluation(
        kind="rolling" if study.timed else "k-fold",
        unit=unit,
        blocks=tuple(out),
        n=float(log.weight[once].sum()),
        n_won=float(log.weight[once] @ (log.outcome[once] == 1)),
        looks=1,
    )
