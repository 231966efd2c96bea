"""Verdicts on documented rules: two questions (weights, cut-off), outlook, curve, weights and claims, as records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leadml.calibration.cards import count_totals, find_cutoff
from leadml.calibration.contenders import DocumentedRule
from leadml.calibration.facts import Facts, Posterior
from leadml.calibration.figures import gain, number
from leadml.calibration.study import cutoff_of, reach
from leadml.calibration.views import DAYS_A_MONTH, View, span, weight_of
from leadml.evaluation.cutoffs import decision_curve, implied_value, ratios_around, redraw_rates
from leadml.evaluation.metrics import at_workload, highest
from leadml.evaluation.outlook import Gains, look_ahead
from leadml.evaluation.planner import plan
from leadml.evaluation.verdict import (
    Judgement,
    Question,
    Reason,
    equal_workload,
    judge,
    overall,
    paired_gain,
    why_no_answer,
)
from leadml.result import MoreDeals, OrderClaimed, Outlook, PolicyResult, Range, Weight

MANY_ROWS = 20_000
"""Held-out rows from which a decision curve has fewer points."""

BECAUSE: Mapping[str, str] = {
    "unreachable": "the mapped criteria cannot reach its cut-off",
    "follows everyone": "it follows up every lead, so there is no choice to judge",
    "follows no one": "it follows up no lead, so there is no choice to judge",
    "constant scores": "every lead has the same score",
    "no contest": "nothing competes with it: fewer than two of its criteria are mapped",
    "no cost given": "what a won deal is worth was not given",
    "few judged differently": "too few leads are judged differently",
    "blocks disagree": "the last blocks do not agree",
    "ranks by chance": "it may win more, but its card is not shown to rank better than chance",
    "selected by hunch": "leads below the cut-off were hardly followed up, or not at random for all that is known",
}


def judge_rules(facts: Facts) -> tuple[PolicyResult, ...]:
    """Judge every documented rule: its weights against its framework's card, its cut-off against another."""
    rules = facts.study.rules
    cannot = {name: unanswerable(facts, rule) for name, rule in rules.items()}
    weights = {name: ask_weights(facts, rule, cannot[name]) for name, rule in rules.items()}
    on_weights = judge_families(facts, {name: question for name, (question, _) in weights.items()})
    on_cutoffs = judge_families(facts, {name: ask_cutoff(facts, rule, cannot[name]) for name, rule in rules.items()})
    return tuple(
        describe_rule(facts, rule, on_weights[name], on_cutoffs[name], weights[name][1]) for name, rule in rules.items()
    )


def judge_families(facts: Facts, questions: Mapping[str, Question]) -> dict[str, Judgement]:
    """Answer questions of one kind; Holm's adjustment runs over families.

    The baseline, named beforehand, is one of its own (the primary question); the other rules of a framework, which are
    compared with one card, are another.
    """
    answers: dict[str, Judgement] = {}
    for family in dict.fromkeys(family_of(facts, name) for name in questions):
        own = {name: question for name, question in questions.items() if family_of(facts, name) == family}
        answers |= judge(own, facts.study.settings.smallest_gain)
    return answers


def family_of(facts: Facts, rule: str) -> tuple[str | None, bool]:
    """The family of a rule's questions."""
    return (None, True) if rule == facts.study.baseline else (facts.study.rules[rule].framework, False)


def unanswerable(facts: Facts, rule: DocumentedRule) -> Reason:
    """Why the data hold no answer on this rule, or ""."""
    if reach(rule, facts.study.deals.criteria) < rule.card.cutoff:
        return "unreachable"
    if rule.id in facts.by_hunch:
        return "selected by hunch"
    entries = facts.log.entries
    return why_no_answer(facts.held, entries[rule.id], entries[facts.study.card_of(rule) or rule.id])


def ask_weights(facts: Facts, rule: DocumentedRule, cannot: Reason) -> tuple[Question, tuple[Outlook, Gains] | None]:
    """The question on weights, at the rule's workload, and what changing and keeping are expected to bring."""
    card = facts.study.card_of(rule)
    if cannot or card is None:
        return Question(cannot=cannot or "no contest"), None
    paired = paired_gain(facts.held, *equal_workload(facts.held, facts.log.entries[rule.id], facts.log.entries[card]))
    known = facts.known[str(rule.framework)]  # of the cards as they would be deployed
    decision = np.asarray(rule.predict(known.leads).decision)
    share = float(known.population @ decision / known.population.sum())
    other = highest(facts.fitted[card].predict(known.leads).score, share, known.population)
    smallest = facts.study.settings.smallest_gain
    look, gains = look_ahead(known.draws, known.population, decision, other, paired, smallest)
    asked = Question(paired, p_not_better=gains.p_not_better, p_below=gains.p_below, drifted=facts.drifted)
    return asked, (look, gains)


def ask_cutoff(facts: Facts, rule: DocumentedRule, cannot: Reason) -> Question:
    """The cut-off question: the rule beside its own score with the cut-off that the consequences ask for."""
    held, given, other = facts.held, facts.study.consequences, cutoff_of(rule)
    if cannot in ("unreachable", "constant scores", "selected by hunch"):
        return Question(cannot=cannot)
    if given.basis == "workload":
        return Question(cannot="no cost given")
    if other not in facts.log.entries:
        return Question(cannot="no contest")
    own = facts.decision(rule.id)
    if given.share is not None:  # within the capacity: the rule's picks, and the same number by score
        own = np.minimum(at_workload(held, own, np.full(len(own), given.share)), own)
        return Question(paired_gain(held, own, at_workload(held, facts.log.entries[other].score, own)))
    ratio = 1.0 / given.threshold if given.threshold is not None else float(held.weight.sum() / held.n_won)
    return Question(paired_gain(held, own, facts.decision(other), ratio))


def describe_rule(
    facts: Facts, rule: DocumentedRule, weights: Judgement, cutoff: Judgement, seen: tuple[Outlook, Gains] | None
) -> PolicyResult:
    """One documented rule as a record."""
    study, card = facts.study, rule.card
    view, known = study.view_of(rule.framework), facts.known.get(str(rule.framework))
    on_cutoff = "depends" if cutoff.reason == "no cost given" else cutoff.verdict
    verdict = overall(weights.verdict, on_cutoff)
    source, told = "000, opening", at_cutoffs(facts, rule, on_cutoff == "depends")
    if view is not None:
        policy = view.framework.policy(rule.id)
        source = policy.source + (f", attributed to {policy.attributed_to}" if policy.attributed_to else "")
        if known is not None:
            told["weights"] = learned_weights(view, known, card.total_max)
            told["order_claim"] = order_claim(view, known)
    look = None
    if seen is not None:
        more, low = plan_ahead(facts, rule, seen[1], weights), weights.confirmed_low
        confirmed = weights.verdict == "change" and low > 0
        look = seen[0].model_copy(update={"confirmed": confirmed, "confirmed_low": number(low), "more_deals": more})
    return PolicyResult(
        id=rule.id,
        title=rule.title,
        framework=rule.framework,
        source=source,
        unit=card.unit,
        documented_cutoff=card.cutoff,
        total_max=card.total_max,
        verdict=verdict,
        verdict_weights=weights.verdict,
        verdict_cutoff=on_cutoff,
        because=say_why(verdict, weights, cutoff),
        gain_weights=gain(weights.gain, weights.p_adjusted, "share of all won deals, at the rule's own workload"),
        gain_cutoff=gain(cutoff.gain, cutoff.p_adjusted, "share of all won deals, after the cost of follow-ups"),
        n_judged_differently=0 if weights.paired is None else weights.paired.n_different,
        outlook=look,
        more_deals_needed=None if look is None or look.more_deals is None else look.more_deals.value,
        card=study.card_of(rule),
        **told,
    )


def say_why(verdict: str, weights: Judgement, cutoff: Judgement) -> str:
    """One sentence: why this verdict."""
    if verdict == "change":
        which = weights if weights.verdict == "change" else cutoff
        what = "learned weights" if which is weights else "another cut-off"
        value, low, high = which.gain
        return f"With {what} {value:+.1%} of all won deals, {low:+.1%} to {high:+.1%}, on held-out deals."
    if verdict == "keep":
        held_out = f"{weights.gain.value:+.1%} held out"
        return f"No card is likely to win more than the smallest gain worth a change ({held_out})."
    if verdict == "depends":
        return "Its weights hold; whether its cut-off is right depends on what a won deal is worth."
    reason = weights.reason or cutoff.reason
    if reason and (weights.reason or verdict == "cannot-judge"):
        text = BECAUSE.get(reason, reason)
        return text[:1].upper() + text[1:] + "."
    _, low, high = (weights if weights.verdict == "undecided" else cutoff).gain
    return f"Another card may win {low:+.1%} to {high:+.1%} of all won deals: these deals do not tell yet."


def plan_ahead(facts: Facts, rule: DocumentedRule, gains: Gains, weights: Judgement) -> MoreDeals | None:
    """How many more deals decide an undecided rule, in months at this firm's rate where there are dates."""
    if weights.verdict != "undecided" or weights.paired is None:
        return None
    study = facts.study
    dates, n = span(study.deals), float(weight_of(study.deals).sum())
    days = 365.0 if dates is None else max(float(dates[1] - dates[0]), DAYS_A_MONTH)
    found = plan(
        gains,
        weights.paired,
        n_logged=float(weight_of(study.compared).sum()),
        n_deals=n,
        deals_per_month=n * DAYS_A_MONTH / days,
        n_rules=sum(family_of(facts, name) == family_of(facts, rule.id) for name in study.rules),
        random_state=study.settings.random_state,
    )
    if dates is None:  # no rate is known: a number of deals, and no months
        text = found.text.partition(" (")[0] + " decide it in 8 of 10 futures" if found.value else found.text
        return MoreDeals(value=found.value, text=text)
    return found


def learned_weights(view: View, known: Posterior, total_max: int) -> dict[str, Weight]:
    """Weights in documented units: the mapped criteria share what the document gives them in all."""
    draws, each = known.weights, total_max / len(view.framework.criteria)
    total = np.maximum(draws.sum(axis=1, keepdims=True), 1e-9)
    shares = np.maximum(draws, 0.0) / total * each * len(view.mapped)
    out = {}
    for at, name in enumerate(view.mapped):
        low, high = (float(q) for q in np.quantile(shares[1:, at], [0.025, 0.975]))
        value = float(shares[0, at])
        out[name] = Weight(documented=each, learned=value, low=min(low, value), high=max(high, value))
    return out


def order_claim(view: View, known: Posterior) -> OrderClaimed | None:
    """Share of draws in which each criterion weighs more than the next, where the framework claims so."""
    claim = view.framework.order_claim
    tested = () if claim is None else tuple(name for name in claim.criteria if name in view.mapped)
    if claim is None or len(tested) < 2:
        return None
    ordered = known.weights[1:, [view.mapped.index(name) for name in tested]]
    share = float((np.diff(ordered, axis=1) < 0).all(axis=1).mean())
    return OrderClaimed(text=claim.text, criteria=tested, share_of_draws=share)


def at_cutoffs(facts: Facts, rule: DocumentedRule, depends: bool) -> dict[str, Any]:
    """Learned cut-off, implied value and decision curve: what depends on the score alone."""
    study, held = facts.study, facts.held
    totals = count_totals(study, rule.totals(study.deals), rule.card.total_max)
    if not totals.won.any():
        return {}
    rates = redraw_rates(totals.won, totals.n, random_state=study.settings.random_state)
    implied = implied_value(rates, rule.card.cutoff)
    found: dict[str, Any] = {"implied_value": implied}
    if depends:
        found["depends_on"] = Range(low=implied.low, high=implied.high)
    if study.consequences.basis != "workload" and rule.id not in facts.by_hunch:
        found["learned_cutoff"] = find_cutoff(study, totals, 0.5)
    if (other := study.card_of(rule) or cutoff_of(rule)) in facts.log.entries:
        many = len(facts.log) > MANY_ROWS
        ratios = ratios_around(implied, float(held.n_won / held.weight.sum()), 9 if many else 15)
        probability = facts.log.entries[other].probability
        found["decision_curve"] = decision_curve(held, facts.decision(rule.id), probability, ratios)
    return found
