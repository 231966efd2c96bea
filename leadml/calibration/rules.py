"""Verdicts on documented rules: two questions (weights, cut-off), outlook, curve, weights and claims, as records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leadml.calibration.cards import find_cutoff
from leadml.calibration.contenders import FittedCard, View
from leadml.calibration.deals import count_by, n_of
from leadml.calibration.figures import Facts, Posterior
from leadml.calibration.study import cutoff_of, reach
from leadml.evaluation.cutoffs import decision_curve, implied_value
from leadml.evaluation.metrics import at_workload, highest
from leadml.evaluation.outlook import look_ahead, plan
from leadml.evaluation.rates import redraw_rates
from leadml.evaluation.verdict import Judgement, Question, gain_at_workload, judge, overall, paired_gain, why_no_answer
from leadml.result import OrderClaimed, Outlook, PolicyResult, Range, Reason, Verdict, Weight
from leadml.terminal import joined

BECAUSE: Mapping[Reason, str] = {
    "unreachable": "The mapped criteria cannot reach its cut-off.",
    "follows everyone": "It follows up every lead, so there is no choice to judge.",
    "follows no one": "It follows up no lead, so there is no choice to judge.",
    "constant scores": "Every lead has the same score.",
    "no contest": "Nothing competes with it: fewer than two of its criteria are mapped.",
    "no cost given": "What a won deal is worth was not given.",
    "few judged differently": "Too few leads are judged differently.",
    "blocks disagree": "The last blocks do not agree.",
    "ranks by chance": "It may win more, but its card is not shown to rank better than chance.",
    "selected by hunch": "Leads below the cut-off were hardly followed up, or not at random for all that is known.",
}


def judge_rules(facts: Facts, deals_per_month: float | None = None) -> tuple[PolicyResult, ...]:
    """Judge every documented rule: its weights against its framework's card, its cut-off against another.

    Holm's adjustment runs over families. The baseline, named beforehand, is one of its own (the primary question); the
    other rules of a framework, which are compared with one card, are another.
    """
    study, smallest = facts.study, facts.study.settings.smallest_gain
    families: dict[Any, dict[str, tuple[Question, Question]]] = {}
    for name, rule in study.rules.items():
        families.setdefault(name == study.baseline or (rule.card.framework,), {})[name] = ask(facts, rule)
    found = {}
    for family in families.values():
        unit = "share of all won deals, at the rule's own workload"
        weights = judge({name: each for name, (each, _) in family.items()}, smallest, unit, facts.drifted)
        unit = "share of all won deals, after the cost of follow-ups"
        cutoffs = judge({name: each for name, (_, each) in family.items()}, smallest, unit)
        for name, own in weights.items():
            paired, look, more = own.paired, None if own.paired is None else own.paired.outlook, None
            if paired is not None and look is not None:  # whether it is confirmed, or how many more deals decide it
                if own.verdict == "undecided":
                    more = plan(
                        paired, smallest, n_logged=n_of(study.compared), n_deals=n_of(study.deals),
                        deals_per_month=deals_per_month, n_rules=len(family), random_state=study.settings.random_state,
                    )  # fmt: skip
                low, told = paired.gain.value - paired.confirmed_error, dict[str, Any]()
                if np.isfinite(low):
                    told = {"confirmed_low": low, "confirmed": own.verdict == "change" and low > 0}
                look = look.model_copy(update={**told, "more_deals": more})
            found[name] = describe_rule(facts, study.rules[name], own, cutoffs[name], look)
    return tuple(found[name] for name in study.rules)


def ask(facts: Facts, rule: FittedCard) -> tuple[Question, Question]:
    """Ask for its weights at its own workload, and for its own score with the cut-off that the consequences ask for."""
    held, entries, name, study = facts.held, facts.log.entries, rule.card.name, facts.study
    card, given, recut, own = study.card_of(rule), study.consequences, cutoff_of(rule), facts.decision(name)
    cannot: Reason = why_no_answer(held, entries[name], entries[card or name])
    if reach(rule, study.deals.criteria) < rule.card.cutoff:
        cannot = "unreachable"
    elif name in facts.by_hunch:
        cannot = "selected by hunch"
    cutoff: Question
    if cannot in ("unreachable", "constant scores", "selected by hunch"):
        cutoff = cannot
    elif given.basis == "workload":
        cutoff = "no cost given"
    elif recut not in entries:
        cutoff = "no contest"
    elif given.share is not None:  # within the capacity: the rule's picks, and the same number by score
        within = np.minimum(at_workload(held, own, np.full(len(own), given.share)), own)
        cutoff = paired_gain(held, within, at_workload(held, entries[recut].score, within))
    else:
        ratio = 1.0 / given.threshold if given.threshold is not None else float(held.weight.sum() / held.n_won)
        cutoff = paired_gain(held, own, facts.decision(recut), ratio)
    if cannot or card is None:
        return cannot or "no contest", cutoff
    known = facts.known[str(rule.card.framework)]  # of the cards as they would be deployed
    decision = rule.predict(known.leads).decision
    share = float(known.population @ decision / known.population.sum())
    other = highest(facts.fitted[card].predict(known.leads).score, share, known.population)
    paired, smallest = gain_at_workload(held, entries[name], entries[card]), study.settings.smallest_gain
    return look_ahead(known.draws, known.population, decision, other, paired, smallest), cutoff


def describe_rule(
    facts: Facts, rule: FittedCard, weights: Judgement, cutoff: Judgement, look: Outlook | None
) -> PolicyResult:
    """One documented rule as a record."""
    study, card, view = facts.study, rule.card, facts.study.views.get(rule.card.framework)
    on_cutoff: Verdict = "depends" if cutoff.reason == "no cost given" else cutoff.verdict
    verdict, source = overall(weights.verdict, on_cutoff), "000, opening"
    because, reason = why_this_verdict(verdict, weights, cutoff)
    told = at_cutoffs(facts, rule, on_cutoff == "depends")
    if view is not None:
        policy = view.framework.policy(card.name)
        source = policy.source + (f", attributed to {policy.attributed_to}" if policy.attributed_to else "")
        if verdict == "cannot-judge" and view.missing:
            because += f" Not mapped: {joined(view.missing)}."
        if (known := facts.known.get(view.framework.id)) is not None:
            told |= learned_weights(view, known, card.total_max)
    return PolicyResult(
        id=card.name,
        title=rule.title,
        framework=card.framework,
        source=source,
        unit="points" if card.unit == "points" else "met",  # a phone number is known: 1 of 1 met
        documented_cutoff=card.cutoff,
        total_max=card.total_max,
        verdict=verdict,
        verdict_weights=weights.verdict,
        verdict_cutoff=on_cutoff,
        because=because,
        reason=reason,
        gain_weights=weights.gain,
        gain_cutoff=cutoff.gain,
        n_judged_differently=0 if weights.paired is None else weights.paired.n_different,
        outlook=look,
        more_deals_needed=None if look is None or look.more_deals is None else look.more_deals.value,
        card=study.card_of(rule),
        **told,
    )


def why_this_verdict(verdict: Verdict, weights: Judgement, cutoff: Judgement) -> tuple[str, Reason]:
    """One sentence: why this verdict, and the reason that stands in the way of another."""
    deciding = weights if weights.verdict == verdict else cutoff
    if verdict == "change" and (gain := deciding.gain):
        what = "learned weights" if deciding is weights else "another cut-off"
        ends = f"{gain.low:+.1%} to {gain.high:+.1%}"
        return f"With {what} {gain.value:+.1%} of all won deals, {ends}, on held-out deals.", ""
    if verdict == "keep" and (gain := weights.gain):
        held_out = f"{gain.value:+.1%} held out"
        return f"No card is likely to win more than the smallest gain worth a change ({held_out}).", ""
    if verdict == "depends":
        return "Its weights hold; whether its cut-off is right depends on what a won deal is worth.", ""
    reason = weights.reason or (cutoff.reason if verdict == "cannot-judge" else "")
    if reason or not (gain := deciding.gain):
        return BECAUSE[reason], reason
    return (
        f"Another card may win {gain.low:+.1%} to {gain.high:+.1%} of all won deals: these deals do not tell yet.",
        "",
    )


def learned_weights(view: View, known: Posterior, total_max: int) -> dict[str, Any]:
    """Weights in documented units, and the share of draws in which each weighs more than the next, where claimed."""
    draws, each, claim = known.weights, total_max / len(view.framework.criteria), view.framework.order_claim
    total = np.maximum(draws.sum(axis=1, keepdims=True), 1e-9)
    shares = np.maximum(draws, 0.0) / total * each * len(view.mapped)
    low, high = np.quantile(shares[1:], [0.025, 0.975], axis=0)
    ends = np.array([shares[0], np.minimum(low, shares[0]), np.maximum(high, shares[0])]).T.tolist()
    found: dict[str, Any] = {"weights": {}}
    for name, (value, least, most) in zip(view.mapped, ends, strict=True):
        found["weights"][name] = Weight(documented=each, learned=value, low=least, high=most)
    tested = () if claim is None else tuple(name for name in claim.criteria if name in view.mapped)
    if claim is not None and len(tested) > 1:
        ordered = draws[1:, [view.mapped.index(name) for name in tested]]
        share = float((np.diff(ordered, axis=1) < 0).all(axis=1).mean())
        found["order_claim"] = OrderClaimed(text=claim.text, criteria=tested, share_of_draws=share)
    return found


def at_cutoffs(facts: Facts, rule: FittedCard, depends: bool) -> dict[str, Any]:
    """Learned cut-off, implied value and decision curve: what depends on the score alone."""
    study = facts.study
    deals = study.by_pattern[rule.card.framework]
    totals, total_max = rule.totals(deals), rule.card.total_max
    won, n = count_by(deals, totals, total_max)
    if not won.any():
        return {}
    rates = redraw_rates(won, n, random_state=study.settings.random_state)
    implied = implied_value(rates, rule.card.cutoff)
    found: dict[str, Any] = {"implied_value": implied}
    if depends:
        found["depends_on"] = Range(low=implied.low, high=implied.high)
    if study.consequences.basis != "workload" and rule.card.name not in facts.by_hunch:
        found["learned_cutoff"] = find_cutoff(study, deals, totals, total_max)
    if (other := study.card_of(rule) or cutoff_of(rule)) in facts.log.entries:
        probability = facts.log.entries[other].probability
        found["decision_curve"] = decision_curve(facts.held, facts.decision(rule.card.name), probability, implied)
    return found
