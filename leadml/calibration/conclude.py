"""From the log to the result: verdicts, figures, final cards on all deals, the card recommended, findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

import leadml
from leadml.calibration import figures, findings
from leadml.calibration.cards import fit_all
from leadml.calibration.deals import sample_deals, weight_of, won_of
from leadml.calibration.drift import find_drift
from leadml.calibration.hold_out import Lost, hold_out
from leadml.calibration.output import Calibration
from leadml.calibration.rules import judge_rules
from leadml.calibration.selection import find_selected
from leadml.calibration.study import Study, make_study
from leadml.card.codes import codes_of_leads
from leadml.card.record import Card
from leadml.data.chunks import release_memory
from leadml.data.deals import OPEN, Note
from leadml.data.duplicates import number_patterns
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import NO_ANSWER, at_workload, captured
from leadml.evaluation.segments import segment_gains
from leadml.registry.evidence import counts_file
from leadml.result import Data, Dropped, Figure, Finding, PolicyResult, Recommended, Result

SURE_BY = 2.0
"""Standard errors by which a less simple card must predict better: the best of many looks too good."""
MOST_NAMED = 5
MOST_COUNTED = 1_000_000
"""Of more deals a sample is counted, with weights that add up to all."""
COMPARED = "compare without them (the command stands with the card). For good, "


def conclude(study: Study, log: Log, lost: Mapping[str, Lost], metrics: Mapping[str, Any], name: str) -> Calibration:
    """Everything that is found from a log."""
    moved, drifted = find_drift(study.deals, study.learnable.values()) if study.timed else ([], False)
    selected, by_hunch = find_selected(study)
    data = figures.describe_data(study, name)
    facts = figures.Facts(study, log, fit_all(study, data), drifted, by_hunch)
    policies, best = judge_rules(facts, data.deals_per_month), choose_card(facts)
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
    told: dict[str, Any] = {"disagreement": ()}
    if best is not None and facts.workload is not None:  # beside the baseline, as many followed up
        decision = at_workload(facts.held, log.entries[best].score, facts.workload)
        told["disagreement"] = figures.find_disagreement(facts, decision)
        rule, columns, rows = facts.decision(str(study.baseline)), study.compared.segments, pa.array(log.row)
        told["segments"] = tuple(
            segment
            for name, values in columns.items()
            for segment in segment_gains(
                facts.held, rule, decision, name, values.take(rows), study.settings.smallest_gain
            )
        )
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
        contenders=figures.describe_contenders(facts, lost, metrics),
        policies=policies,
        **told,
        findings=(),
        recommended=recommend(facts, policies, best, findings.make_findings(on_deals)),
        champion=best or study.baseline or "prior",
        dropped=dropped,
    )
    notes: list[Note] = [*study.chosen.notes, *study.notes, *on_deals, *selected, *moved]
    notes += [*findings.notes_of_result(facts, result), *judge_recoded(study, data, policies)]
    cards = {key: each.card for key, each in facts.cards.items()}
    card = None if best is None else cards[best]
    return Calibration(
        result=result.model_copy(update={"findings": findings.make_findings(notes)}),
        card=card,
        cards=cards,
        held_out=log,
        fitted={key: each for key, each in facts.fitted.items() if key not in cards},
        settings=study.settings,
        leads=study.leads,
    )


def count_answers(study: Study, card: Card | None) -> bytes | None:
    """deal_counts.parquet: of deals learned from, answers to the card's rows and other criteria, two counts."""
    deals, _ = sample_deals(study.deals, MOST_COUNTED, study.settings.random_state)
    attributes = () if card is None else card.attributes
    taken = [each.id for each in attributes]
    criteria = [name for name in deals.criteria if name not in taken]
    criteria += ["contactable"] if deals.contactable is not None else []
    if not (names := [*criteria, *taken]):  # nothing is asked of a deal
        return None
    codes = codes_of_leads(deals, criteria, attributes)
    at, first = number_patterns(codes.T)
    weight = weight_of(deals)
    won, lost = (np.bincount(at, weight * (deals.outcome == each), len(first)) for each in (1, 0))
    return counts_file(dict(zip(names, codes[first].T, strict=True)), won, lost)


def judge_recoded(study: Study, data: Data, policies: Sequence[PolicyResult]) -> Iterator[Note]:
    """LML602: the verdict on the baseline with overdue deals counted as lost; none where there are none."""
    chosen, leads, late = study.chosen, study.chosen.considered, study.chosen.overdue
    outcome = np.asarray(leads.outcome)
    if late is None or not late.any() or study.baseline is None or policies[0].verdict == "cannot-judge":
        return
    # known to be lost, under this coding, once it is older than nearly all are
    closing = np.where(late, np.asarray(leads.created) + chosen.days, np.asarray(leads.closed)).astype(np.int32)
    coded = dataclasses.replace(leads, outcome=np.where(late, 0, outcome).astype(np.int8), closed=closing)
    overdue, own = coded.take(late | (outcome != OPEN)), policies[0]
    asked = tuple(name for name in study.settings.contenders if name == "cutoff")  # what its cut-off is compared with
    alone = {"contenders": asked, "wide": False, "policies": (own.id,), "baseline": own.id}
    settings, recoded = study.settings.model_copy(update=alone), dataclasses.replace(chosen, deals=overdue)
    other = make_study(study.leads, settings, [study.views[own.framework].framework], chosen=recoded)
    verdict = judge_rules(figures.Facts(other, hold_out(other)[0], fit_all(other, data)))[0].verdict
    stays = verdict == own.verdict
    before, after = (float(np.mean(won_of(deals))) for deals in (chosen.deals, overdue))
    moves = "stays" if stays else f"changes from {own.verdict} to {verdict}"
    examples = ", ".join([*leads.ids(np.flatnonzero(late)[:MOST_NAMED]), *["..."] * int(late.sum() > MOST_NAMED)])
    values = {"n": int(late.sum()), "examples": examples, "before": before, "after": after, "rule": own.id}
    values |= {"verdict": own.verdict, "other": verdict, "moves": moves, "severity": "note" if stays else "warn"}
    yield "LML602", {**values, "where": own.id}


# ---------------------------------------------------------------- the card


def choose_card(facts: figures.Facts) -> str | None:
    """The simplest card, unless another is expected to lose less and to win more than the smallest gain.

    Simple: the baseline's framework, then fewer criteria; last the better wide one, as both are of one size.
    """
    study, losses = facts.study, {name: each.get("log_loss", NO_ANSWER) for name, each in facts.measures.items()}
    own = None if study.baseline is None else study.rules[study.baseline].card.framework
    learned = [study.contenders[name] for name, each in facts.cards.items() if each.lost is not None]
    cards = [e.id for e in sorted(learned, key=lambda e: (e.framework != own, len(study.views[e.framework].mapped)))]
    wide = [name for name in facts.cards if study.contenders[name].kind == "wide"]
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
    facts: figures.Facts, policies: Sequence[PolicyResult], chosen: str | None, told: Sequence[Finding]
) -> Recommended:
    """The learned card, always; the rule stays in use but for `change`, and where a finding doubts the columns."""
    study, deals = facts.study, facts.study.deals
    able = {*deals.context, *deals.raw}
    doubted = tuple(dict.fromkeys(name for each in told for name in each.doubted if name in able))
    baseline = None if study.baseline is None else policies[0]
    if chosen is None:
        because = "No framework has two mapped criteria that vary, so that no card can be learned."
        nothing: dict[str, Any] = dict.fromkeys(("contender", "card", "framework"))
        return Recommended(**nothing, because=because, doubted=doubted, in_use=study.baseline or "prior")
    contender, draft = study.contenders[chosen], facts.cards[chosen]
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
        because=why_this_card(title, baseline, wins),
        doubt=doubt,
        doubted=doubted,
        in_use=str(study.baseline) if stays else chosen,
        cutoff=None if cutoff is None else Figure(value=cutoff.value, low=cutoff.low, high=cutoff.high),
        cutoff_basis="workload" if cutoff is None else cutoff.basis,
        rounding_loss=rounding,
    )


def why_this_card(title: str, rule: PolicyResult | None, wins: Sequence[float] = ()) -> str:
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
