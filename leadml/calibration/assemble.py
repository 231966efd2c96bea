"""From the log to the result: figures, verdicts, final cards on all deals, recommendation, findings."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import leadml
from leadml.calibration import figures
from leadml.calibration.cards import Draft, draft_cards, fit_all
from leadml.calibration.comparison import Held, columns_of, few_threads
from leadml.calibration.contenders import FittedCard
from leadml.calibration.describe import describe_data, describe_evaluation
from leadml.calibration.drift import find_drift
from leadml.calibration.findings import findings_of_notes, in_order
from leadml.calibration.notes import data_notes, result_notes
from leadml.calibration.outcomes import Chosen
from leadml.calibration.recoded import judge_recoded
from leadml.calibration.recommend import choose_card, choose_champion, workload_of
from leadml.calibration.rules import Facts, find_posteriors, judge_rules
from leadml.calibration.run import Calibration
from leadml.calibration.study import Note, Study
from leadml.calibration.unknowns import price_unknown
from leadml.data.deals import Leads
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, Measures, at_workload
from leadml.evaluation.segments import segment_gains
from leadml.result import PolicyResult, Recommended, Result, Segment

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """What conclusions are drawn from. lost: contender -> (m, columns) log loss that each deal adds without
    a column."""

    leads: Leads
    chosen: Chosen
    study: Study
    blocks: tuple[Held, ...]
    log: Log
    lost: Mapping[str, Floats]
    notes: tuple[Note, ...]


def assemble(material: Material, metrics: Mapping[str, Any], name: str) -> Calibration:
    """Draw every conclusion from the log, and learn the final cards."""
    study, log = material.study, material.log
    with few_threads(study.n_jobs), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = fit_all(study)
        result, drafts = conclude(material, fitted, metrics, name)
    cards = {key: draft.card for key, draft in drafts.items()}
    return Calibration(
        result=result,
        card=cards.get(str(result.recommended.contender)),
        cards=cards,
        held_out=log,
        fitted={key: each for key, each in fitted.items() if key not in drafts},
        settings=study.settings,
        leads=material.leads,
    )


def conclude(
    material: Material, fitted: Mapping[str, Any], metrics: Mapping[str, Any], name: str
) -> tuple[Result, dict[str, Draft]]:
    """The result, and every card."""
    study, log, leads = material.study, material.log, material.leads
    settings, held = study.settings, HeldOut(log)
    moved, drifted = find_drift(study.deals, study.learnable) if study.timed else ([], False)
    own_notes, by_hunch = data_notes(study, material.chosen, leads)
    cards = {
        str(each.framework): fitted[each.id]
        for each in study.contenders
        if each.id == f"{each.framework}-integer"
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
    told = figures.Told(drafts, own, figures.importances(held, material.lost, columns_of(study.compared)))
    contenders = figures.describe_contenders(study.contenders, measures, study.baseline, told)
    notes = [*material.notes, *own_notes, *moved]
    notes += result_notes(study, policies, contenders, measures, fitted, recommended)
    notes += judge_recoded(study, material.chosen, leads, policies)
    if study.baseline is not None and study.rules[study.baseline].framework in known:
        rule = study.rules[study.baseline]
        notes += price_unknown(rule, known[str(rule.framework)])
    result = Result(
        leadml_version=leadml.__version__,
        data=data,
        evaluation=describe_evaluation(study, material.blocks, log),
        settings=settings.model_dump(mode="json", by_alias=True),
        frameworks=tuple(view.id for view in study.views),
        contenders=contenders,
        policies=policies,
        disagreement=disagreement(study, log, held, chosen),
        segments=segments(study, log, held, chosen),
        findings=in_order(findings_of_notes(notes)),
        recommended=recommended,
        champion=choose_champion(study, chosen, measures, study.contenders),
    )
    return result, drafts


def money(study: Study, log: Log) -> tuple[float, Floats | float | None]:
    """Cost of a follow-up, and value of each held-out deal if won; None without economics."""
    given = study.consequences
    if given.basis != "economics" or given.value is None:
        return 0.0, None
    if given.margin is None:
        return given.cost, given.value
    amount = np.asarray(study.compared.amount)[log.row]
    return given.cost, np.where(np.isfinite(amount), given.margin * amount, given.value)


def recommend(
    study: Study,
    drafts: Mapping[str, Draft],
    policies: Sequence[PolicyResult],
    chosen: str | None,
    measures: Mapping[str, Measures],
    fitted: Mapping[str, Any],
) -> Recommended:
    """The learned card, always; the documented rule stays in use unless the verdict on it is `change`."""
    baseline = next((each for each in policies if each.id == study.baseline), None)
    if chosen is None:
        return Recommended(
            contender=None,
            card=None,
            framework=None,
            because="No framework has two mapped criteria that vary, so that no card can be learned.",
            in_use=study.baseline or "prior",
        )
    contender, draft = study.contender(chosen), drafts[chosen]
    stays = baseline is not None and baseline.verdict != "change"
    title = contender.title
    if baseline is None:
        because = (
            f"{title} is the card for whoever wants points and chances; no documented rule could be judged."
        )
    elif baseline.verdict == "change":
        because = f"{title} wins more than {baseline.id} with as many leads followed up. {baseline.because}"
    elif baseline.verdict == "keep":
        because = f"Keep {baseline.id}. {baseline.because} {title} says the same with points and chances."
    else:
        because = f"{baseline.id}: {baseline.verdict}. {baseline.because} {title} adds points and chances."
    own = fitted[chosen]
    lost = own.whole.loss_against_real if isinstance(own, FittedCard) else None
    prior, loss = measures["prior"].log_loss, measures[chosen].log_loss
    won = None if prior is None or loss is None else prior.value - loss.value
    return Recommended(
        contender=chosen,
        card=f"{chosen}.json",
        framework=contender.framework,
        because=because,
        in_use=str(study.baseline) if stays else chosen,
        cutoff=draft.cutoff,
        cutoff_basis=draft.basis,
        rounding_loss=None if lost is None or not won or won <= 0 else min(1.0, lost / (lost + won)),
    )


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
    out = []
    for column, values in study.compared.segments.items():
        names = np.array([str(each) if each is not None else "(blank)" for each in values.to_pylist()])
        for each in segment_gains(held, *pair, names[log.row].tolist(), study.settings.smallest_gain):
            gain = figures.figure(each.gain)
            out.append(
                Segment(
                    column=column,
                    value=each.value,
                    n=each.n,
                    won=each.won,
                    followed_up=each.followed_up,
                    verdict=each.verdict,
                    gain=gain or figures.NONE,
                )
            )
    return tuple(out)
