"""From the log to the result: verdicts, figures, final cards on all deals, the card recommended, findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import leadml
from leadml.calibration import figures, findings
from leadml.calibration.cards import draft_cards, fit_all
from leadml.calibration.contenders import FittedCard
from leadml.calibration.deals import won_of
from leadml.calibration.drift import find_drift
from leadml.calibration.hold_out import Lost, hold_out
from leadml.calibration.rules import judge_rules
from leadml.calibration.study import Study, make_study
from leadml.data.chunks import release_memory
from leadml.data.deals import Note
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import NO_ANSWER, at_workload, captured
from leadml.result import Dropped, Figure, Finding, PolicyResult, Recommended, Result

SURE_BY = 2.0
"""Standard errors by which a less simple card must predict better: the best of many looks too good."""
COMPARED = "compare without them (the command stands with the card). For good, "


def conclude(
    study: Study, log: Log, lost: Mapping[str, Lost], metrics: Mapping[str, figures.Metric], name: str
) -> tuple[Result, dict[str, FittedCard], dict[str, Any]]:
    """The result, every card, and every contender fitted to all deals."""
    moved, drifted = find_drift(study.deals, study.learnable.values()) if study.timed else ([], False)
    selected, by_hunch = findings.find_selected(study)
    facts = figures.Facts(study, log, fit_all(study), drifted, by_hunch)
    data = figures.describe_data(study, name)
    policies, drafts = judge_rules(facts, data.deals_per_month), draft_cards(study, facts.fitted, data)
    best = choose_card(facts, drafts)
    release_memory()
    on_deals = [
        (code, {**values, "compare": COMPARED} if values.get("compare") else values)
        for code, values in findings.notes_of_deals(study.leads, study.deals)
    ]
    evaluation, dropped = figures.describe_evaluation(facts), None
    wide, beside = (facts.measures.get(each, {}) for each in ("wide", "wide-with"))
    if {"wins_per_100", "auc"} <= wide.keys() & beside.keys():  # on the same deals
        falls = {each: (beside[each] - wide[each]).figure for each in ("wins_per_100", "auc")}
        dropped = Dropped(columns=study.settings.without, contender="wide-with", **falls)
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
        frameworks=tuple(map(str, study.views)),
        contenders=figures.describe_contenders(facts, drafts, lost, metrics),
        policies=policies,
        disagreement=() if card is None else figures.find_disagreement(facts, card),
        segments=() if card is None else figures.find_segments(facts, card),
        findings=(),
        recommended=recommend(facts, drafts, policies, best, findings.make_findings(on_deals)),
        champion=best or study.baseline or "prior",
        dropped=dropped,
    )
    notes: list[Note] = [*study.chosen.notes, *study.notes, *on_deals, *selected, *moved]
    notes += [*findings.notes_of_result(facts, result), *judge_recoded(study, policies)]
    result = result.model_copy(update={"findings": findings.make_findings(notes)})
    return result, drafts, dict(facts.fitted)


def judge_recoded(study: Study, policies: Sequence[PolicyResult]) -> Iterator[Note]:
    """LML602: the verdict on the baseline with overdue deals counted as lost; none where there are none."""
    if study.chosen.overdue is None or study.baseline is None or policies[0].verdict == "cannot-judge":
        return
    chosen, own, overdue = study.chosen, policies[0], study.chosen.overdue
    asked = tuple(name for name in study.settings.contenders if name == "cutoff")  # what its cut-off is compared with
    alone = {"contenders": asked, "wide": False, "policies": (own.id,), "baseline": own.id}
    settings, recoded = study.settings.model_copy(update=alone), dataclasses.replace(chosen, deals=overdue)
    other = make_study(study.leads, settings, [study.views[own.framework].framework], chosen=recoded)
    verdict = judge_rules(figures.Facts(other, hold_out(other)[0], fit_all(other)))[0].verdict
    stays = verdict == own.verdict
    before, after = (float(np.mean(won_of(deals))) for deals in (chosen.deals, overdue))
    moves = "stays" if stays else f"changes from {own.verdict} to {verdict}"
    n = len(overdue) - len(chosen.deals)
    examples = f"{', '.join(chosen.first_overdue)}{', ...' if n > len(chosen.first_overdue) else ''}"
    values = {"n": n, "examples": examples, "before": before, "after": after, "rule": own.id}
    values |= {"verdict": own.verdict, "other": verdict, "moves": moves, "severity": "note" if stays else "warn"}
    yield "LML602", {**values, "where": own.id}


# ---------------------------------------------------------------- the card


def choose_card(facts: figures.Facts, drafts: Mapping[str, FittedCard]) -> str | None:
    """The simplest card, unless another is expected to lose less and to win more than the smallest gain.

    Simple: the baseline's framework, then fewer criteria; last the better wide one, as both are of one size.
    """
    study, losses = facts.study, {name: each.get("log_loss", NO_ANSWER) for name, each in facts.measures.items()}
    own = None if study.baseline is None else study.rules[study.baseline].card.framework
    learned = [study.contenders[name] for name, each in drafts.items() if each.lost is not None]
    cards = [e.id for e in sorted(learned, key=lambda e: (e.framework != own, len(study.views[e.framework].mapped)))]
    wide = [name for name in drafts if study.contenders[name].kind == "wide"]
    cards += sorted(wide, key=lambda name: losses[name].value)[:1]
    workload = np.full(len(facts.log), 0.5) if facts.workload is None else facts.workload
    chosen = next(iter(cards), None)
    for name in cards[1:]:
        less = losses[str(chosen)] - losses[name]
        if not less.value > SURE_BY * less.error:
            continue
        won, more = (captured(facts.held, facts.log.entries[str(each)].score, workload) for each in (chosen, name))
        gain = more - won  # shrunk for its own noise (James-Stein, positive part)
        if gain.value and gain.value * max(0.0, 1.0 - (gain.error / gain.value) ** 2) > study.settings.smallest_gain:
            chosen = name
    return chosen


def recommend(
    facts: figures.Facts, drafts: Mapping[str, FittedCard], policies: Sequence[PolicyResult], chosen: str | None,
    told: Sequence[Finding],
) -> Recommended:  # fmt: skip
    """The learned card, always; the documented rule stays in use unless the verdict on it is `change`, and no finding
    doubts columns of the card.
    """
    study, deals = facts.study, facts.study.deals
    able = {*deals.context, *deals.raw}
    doubted = tuple(dict.fromkeys(name for each in told for name in each.doubted if name in able))
    baseline = None if study.baseline is None else policies[0]
    if chosen is None:
        because = "No framework has two mapped criteria that vary, so that no card can be learned."
        nothing: dict[str, Any] = dict.fromkeys(("contender", "card", "framework"))
        return Recommended(**nothing, because=because, doubted=doubted, in_use=study.baseline or "prior")
    contender, draft = study.contenders[chosen], drafts[chosen]
    held = [each.column for each in draft.card.attributes]
    held += [deals.mapping.column_of(each.id) for each in draft.card.criteria] if deals.mapping else []
    doubt = findings.doubt_words(told, held)
    rounding, lost = None, draft.lost
    if lost is not None and "log_loss" in facts.measures[chosen]:
        won = (facts.measures["prior"]["log_loss"] - facts.measures[chosen]["log_loss"]).value
        rounding = min(1.0, lost / (lost + won)) if won > 0 else None
    stays = baseline is not None and (baseline.verdict != "change" or bool(doubt))
    cutoff, title, wins = draft.cutoff, contender.title, list[float]()
    if contender.kind == "wide":
        title = "The {} ({})".format(*title.split(": "))
    if baseline is not None and chosen != baseline.card:
        measured = (facts.measures[name].get("wins_per_100") for name in (chosen, baseline.id))
        wins = [each.value for each in measured if each is not None]
    return Recommended(
        contender=chosen,
        card=f"{chosen}.json",
        framework=contender.framework,
        because=say_why(title, baseline, wins),
        doubt=doubt,
        doubted=doubted,
        in_use=str(study.baseline) if stays else chosen,
        cutoff=None if cutoff is None else Figure(value=cutoff.value, low=cutoff.low, high=cutoff.high),
        cutoff_basis="workload" if cutoff is None else cutoff.basis,
        rounding_loss=rounding,
    )


def say_why(title: str, rule: PolicyResult | None, wins: Sequence[float] = ()) -> str:
    """Why this card, beside the verdict on the baseline; `wins` of 100 of another card than the rule's own, and its."""
    if rule is None:
        return f"{title} is the card for whoever wants points and chances; no documented rule could be judged."
    verdict = f"Keep {rule.id}." if rule.verdict == "keep" else f"{rule.id}: {rule.verdict}."
    verdict += f" {rule.because}"
    if wins:
        card, own = wins
        return f"{verdict} {title} wins {card:.1f} of 100 held-out leads followed up, {rule.id} {own:.1f}."
    if rule.verdict == "keep":
        return f"{verdict} {title} says the same with points and chances."
    if rule.verdict != "change":
        return f"{verdict} {title} adds points and chances."
    if rule.verdict_weights == "change":
        return f"{title} wins more than {rule.id} with as many leads followed up. {rule.because}"
    return f"{title} follows up from a cut-off that is worth more than that of {rule.id}. {rule.because}"
