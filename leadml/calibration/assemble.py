"""From the log to the result: figures, verdicts, final cards on all deals, recommendation, findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import leadml
from leadml.calibration import figures
from leadml.calibration.blocks import make_blocks
from leadml.calibration.cards import Draft, draft_cards
from leadml.calibration.comparison import Held, Lost, columns_of, hold_out
from leadml.calibration.describe import describe_data, describe_evaluation, split_of
from leadml.calibration.drift import find_drift
from leadml.calibration.findings import findings_of_notes, in_order
from leadml.calibration.notes import data_notes, doubt_of, price_unknown, result_notes
from leadml.calibration.outcomes import Chosen
from leadml.calibration.recommend import choose_card, choose_champion, recommend, workload_of
from leadml.calibration.rules import Facts, find_posteriors, judge_rules
from leadml.calibration.study import Study, make_study
from leadml.calibration.views import Floats, Note
from leadml.data.deals import Leads
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, at_workload
from leadml.evaluation.segments import segment_gains
from leadml.result import Contender, Dropped, PolicyResult, Result, Segment

if TYPE_CHECKING:
    from leadml.card.record import Card


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """What conclusions are drawn from. lost: by contender, what is lost without each column."""

    leads: Leads
    chosen: Chosen
    study: Study
    blocks: tuple[Held, ...]
    log: Log
    lost: Mapping[str, Lost]
    notes: tuple[Note, ...]


def conclude(
    material: Material, fitted: Mapping[str, Any], metrics: Mapping[str, Any], name: str
) -> tuple[Result, dict[str, Draft]]:
    """The result, and every card."""
    study, log, leads = material.study, material.log, material.leads
    settings, held = study.settings, HeldOut(log)
    moved, drifted = find_drift(study.deals, study.learnable) if study.timed else ([], False)
    own_notes, by_hunch = data_notes(study, material.chosen, leads)
    cards = {
        str(each.framework): fitted[each.id] for each in study.contenders if each.id == f"{each.framework}-integer"
    }
    known = find_posteriors(study)
    policies = judge_rules(Facts(study, log, held, cards, known, drifted, by_hunch))
    cost, value = money(study, log)
    measures = figures.measure_all(held, log, study.baseline, value, cost)
    own = figures.own_metrics(log, held, metrics, settings.bootstrap, settings.random_state)
    data = describe_data(study, leads, name)
    drafts = draft_cards(study, fitted, data)
    chosen = choose_card(study, log, held, measures, drafts)
    recommended = recommend(study, drafts, policies, chosen, measures, fitted)
    recommended = recommended.model_copy(update={"doubt": doubt_of(own_notes, study, drafts.get(str(chosen)))})
    columns = columns_of(study.compared)
    attributes = {name: attributes_of(draft.card, columns, leads) for name, draft in drafts.items()}
    told = figures.Told(drafts, own, figures.importances(held, material.lost, columns, attributes))
    contenders = figures.describe_contenders(study.contenders, measures, study.baseline, told)
    notes = [*material.notes, *own_notes, *moved]
    notes += result_notes(study, policies, contenders, measures, fitted, recommended)
    notes += judge_recoded(study, material.chosen, leads, policies)
    if study.baseline is not None and study.rules[study.baseline].framework in known:
        rule = study.rules[study.baseline]
        notes += price_unknown(rule, known[str(rule.framework)])
    dropped = figures.find_fall(settings.without, measures)
    if dropped is not None:
        notes.append(fall_note(dropped, contenders))
    result = Result(
        leadml_version=leadml.__version__,
        data=data,
        evaluation=(evaluation := describe_evaluation(study, material.blocks, log)),
        split=split_of(evaluation),
        settings=settings.model_dump(mode="json", by_alias=True),
        frameworks=tuple(view.id for view in study.views),
        contenders=contenders,
        policies=policies,
        disagreement=disagreement(study, log, held, chosen),
        segments=segments(study, log, held, chosen),
        findings=in_order(findings_of_notes(notes)),
        recommended=recommended,
        champion=choose_champion(study, chosen, measures, study.contenders),
        dropped=dropped,
    )
    return result, drafts


def attributes_of(card: Card, columns: Sequence[str], leads: Leads) -> dict[str, str]:
    """Columns by which importance is told, of those that are attributes of a card: the CRM's names."""
    mapped = {} if leads.mapping is None else {name: rule.column for name, rule in leads.mapping.criteria.items()}
    own = {each.column for each in card.attributes}
    crm = {name: mapped.get(name, name) for name in columns}
    return {name: column for name, column in crm.items() if column in own}


def fall_note(dropped: Dropped, contenders: Sequence[Contender]) -> Note:
    """LML309: the wide card without the columns that were left out, beside the one with them."""
    by_id = {each.id: each for each in contenders}
    values: dict[str, Any] = {"columns": dropped.columns, "contender": dropped.contender, "where": "wide"}
    for name, each in (("without", by_id["wide"]), ("with", by_id[dropped.contender])):
        for figure, told in (("wins", each.wins_per_100), ("auc", each.auc)):
            values[f"{figure}_{name}"] = None if told is None else told.value
    fall = dropped.wins_per_100
    return "LML309", {**values, "fall": fall.value, "low": fall.low, "high": fall.high, "cost": fall.value}


def money(study: Study, log: Log) -> tuple[float, Floats | float | None]:
    """Cost of a follow-up, and value of each held-out deal if won; None without economics."""
    given = study.consequences
    if given.basis != "economics" or given.value is None:
        return 0.0, None
    if given.margin is None:
        return given.cost, given.value
    amount = np.asarray(study.compared.amount)[log.row]
    return given.cost, np.where(np.isfinite(amount), given.margin * amount, given.value)


def judge_recoded(study: Study, chosen: Chosen, leads: Leads, policies: tuple[PolicyResult, ...]) -> list[Note]:
    """LML602: the verdict on the baseline with overdue deals counted as lost; none where there are none."""
    own = next((each for each in policies if each.id == study.baseline), None)
    view = study.view_of(None if own is None else own.framework)
    if chosen.overdue is None or own is None or view is None or own.verdict == "cannot-judge":
        return []
    alone = {"contenders": (), "wide": False, "policies": (own.id,), "baseline": own.id}
    recoded = dataclasses.replace(chosen, deals=chosen.overdue)
    other = make_study(leads, recoded, study.settings.model_copy(update=alone), [view.framework])
    other, blocks, _ = make_blocks(other)
    log, _ = hold_out(other, blocks)
    cards: dict[str, Any] = {
        str(each.framework): each.fit(other.deals)
        for each in other.contenders
        if each.id == f"{each.framework}-integer"
    }
    facts = Facts(other, log, HeldOut(log), cards, find_posteriors(other))
    verdict = next(each.verdict for each in judge_rules(facts) if each.id == own.id)
    stays = verdict == own.verdict
    before, after = (float(np.mean(each.outcome == 1)) for each in (chosen.deals, chosen.overdue))
    values = {
        "n": len(chosen.overdue) - len(chosen.deals),
        "before": before,
        "after": after,
        "rule": own.id,
        "verdict": own.verdict,
        "other": verdict,
        "where": own.id,
        "moves": "stays" if stays else f"changes from {own.verdict} to {verdict}",
        "severity": "note" if stays else "warn",
    }
    return [("LML602", values)]


def compared_pair(study: Study, log: Log, held: HeldOut, chosen: str | None) -> tuple[Floats, Floats] | None:
    """Decisions of the baseline and of the recommended card at its workload."""
    if chosen is None or study.baseline is None:
        return None
    rule = workload_of(study, log)
    if not np.array_equal(rule, np.nan_to_num(log.entries[study.baseline].decision)):
        return None
    return rule, at_workload(held, log.entries[chosen].score, rule)


def disagreement(study: Study, log: Log, held: HeldOut, chosen: str | None) -> tuple[Any, ...]:
    """Rule x card on the held-out deals."""
    pair = compared_pair(study, log, held, chosen)
    return () if pair is None else figures.find_disagreement(log, held, str(study.baseline), pair[1])


def segments(study: Study, log: Log, held: HeldOut, chosen: str | None) -> tuple[Segment, ...]:
    """The gain for each value of each segment column, partially pooled."""
    pair = compared_pair(study, log, held, chosen)
    if pair is None:
        return ()
    out: list[Segment] = []
    for column, values in study.compared.segments.items():
        names = np.array([str(each) if each is not None else "(blank)" for each in values.to_pylist()])
        out += segment_gains(held, *pair, column, names[log.row].tolist(), study.settings.smallest_gain)
    return tuple(out)
