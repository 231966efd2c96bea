"""Verdicts on documented rules: two questions (weights, cut-off), outlook, curve, weights and claims, as records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from leadml.calibration.cards import count_totals, find_cutoff
from leadml.calibration.contenders import FittedCard
from leadml.calibration.deals import DAYS_A_MONTH, n_of, span
from leadml.calibration.facts import Facts, Posterior
from leadml.calibration.figures import gain
from leadml.calibration.study import View, cutoff_of, reach
from leadml.evaluation.cutoffs import decision_curve, implied_value, redraw_rates
from leadml.evaluation.metrics import at_workload, highest
from leadml.evaluation.outlook import Gains, look_ahead
from leadml.evaluation.planner import plan
from leadml.evaluation.verdict import Judgement, Question, gain_at_workload, judge, overall, paired_gain, why_no_answer
from leadml.result import MoreDeals, OrderClaimed, Outlook, PolicyResult, Range, Reason, Verdict, Weight
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


class Asked(NamedTuple):
    """Both questions on a rule, and what changing and keeping its weights are expected to bring."""

    weights: Question
    cutoff: Question
    look: Outlook | None = None
    gains: Gains | None = None


def judge_rules(facts: Facts) -> tuple[PolicyResult, ...]:
    """Judge every documented rule: its weights against its framework's card, its cut-off against another.

    Holm's adjustment runs over families. The baseline, named beforehand, is one of its own (the primary question); the
    other rules of a framework, which are compared with one card, are another.
    """
    study, smallest = facts.study, facts.study.settings.smallest_gain
    families: dict[Any, dict[str, Asked]] = {}
    for name, rule in study.rules.items():
        families.setdefault(name == study.baseline or (rule.card.framework,), {})[name] = ask(facts, rule)
    found = {}
    for family in families.values():
        weights = judge({name: each.weights for name, each in family.items()}, smallest)
        cutoffs = judge({name: each.cutoff for name, each in family.items()}, smallest)
        for name, asked in family.items():
            more = plan_ahead(facts, asked.gains, weights[name], len(family))
            found[name] = describe_rule(facts, study.rules[name], weights[name], cutoffs[name], asked.look, more)
    return tuple(found[name] for name in study.rules)


def ask(facts: Facts, rule: FittedCard) -> Asked:
    """Ask for its weights, at the rule's own workload, and for its cut-off."""
    cannot, card = why_unanswerable(facts, rule), facts.study.card_of(rule)
    cutoff = ask_cutoff(facts, rule, cannot)
    if cannot or card is None:
        return Asked(Question(cannot=cannot or "no contest"), cutoff)
    paired = gain_at_workload(facts.held, facts.log.entries[rule.card.name], facts.log.entries[card])
    known = facts.known[str(rule.card.framework)]  # of the cards as they would be deployed
    decision = np.asarray(rule.predict(known.leads).decision)
    share = float(known.population @ decision / known.population.sum())
    other = highest(facts.fitted[card].predict(known.leads).score, share, known.population)
    smallest = facts.study.settings.smallest_gain
    look, gains = look_ahead(known.draws, known.population, decision, other, paired, smallest)
    weights = Question(paired, p_not_better=gains.p_not_better, p_below=gains.p_below, drifted=facts.drifted)
    return Asked(weights, cutoff, look, gains)


def why_unanswerable(facts: Facts, rule: FittedCard) -> Reason:
    """Why the data hold no answer on this rule, or ""."""
    if reach(rule, facts.study.deals.criteria) < rule.card.cutoff:
        return "unreachable"
    if rule.card.name in facts.by_hunch:
        return "selected by hunch"
    entries = facts.log.entries
    return why_no_answer(facts.held, entries[rule.card.name], entries[facts.study.card_of(rule) or rule.card.name])


def ask_cutoff(facts: Facts, rule: FittedCard, cannot: Reason) -> Question:
    """The rule beside its own score with the cut-off that the consequences ask for."""
    held, given, other = facts.held, facts.study.consequences, cutoff_of(rule)
    if cannot in ("unreachable", "constant scores", "selected by hunch"):
        return Question(cannot=cannot)
    if given.basis == "workload":
        return Question(cannot="no cost given")
    if other not in facts.log.entries:
        return Question(cannot="no contest")
    own = facts.decision(rule.card.name)
    if given.share is not None:  # within the capacity: the rule's picks, and the same number by score
        own = np.minimum(at_workload(held, own, np.full(len(own), given.share)), own)
        return Question(paired_gain(held, own, at_workload(held, facts.log.entries[other].score, own)))
    ratio = 1.0 / given.threshold if given.threshold is not None else float(held.weight.sum() / held.n_won)
    return Question(paired_gain(held, own, facts.decision(other), ratio))


def describe_rule(
    facts: Facts, rule: FittedCard, weights: Judgement, cutoff: Judgement, look: Outlook | None, more: MoreDeals | None
) -> PolicyResult:
    """One documented rule as a record; more : deals that decide it, where it is undecided."""
    study, card, view = facts.study, rule.card, facts.study.views.get(rule.card.framework)
    on_cutoff: Verdict = "depends" if cutoff.reason == "no cost given" else cutoff.verdict
    verdict, source = overall(weights.verdict, on_cutoff), "000, opening"
    because, reason = say_why(verdict, weights, cutoff)
    told = at_cutoffs(facts, rule, on_cutoff == "depends")
    if view is not None:
        policy, known = view.framework.policy(card.name), facts.known.get(view.framework.id)
        source = policy.source + (f", attributed to {policy.attributed_to}" if policy.attributed_to else "")
        if verdict == "cannot-judge" and view.missing:
            because += f" Not mapped: {joined(view.missing)}."
        if known is not None:
            told |= {"weights": learned_weights(view, known, card.total_max), "order_claim": order_claim(view, known)}
    if look is not None:
        low = weights.confirmed_low if np.isfinite(weights.confirmed_low) else None
        confirmed = weights.verdict == "change" and low is not None and low > 0
        look = look.model_copy(update={"confirmed": confirmed, "confirmed_low": low, "more_deals": more})
    return PolicyResult(
        id=card.name,
        title=rule.title,
        framework=card.framework,
        source=source,
        unit=card.unit,
        documented_cutoff=card.cutoff,
        total_max=card.total_max,
        verdict=verdict,
        verdict_weights=weights.verdict,
        verdict_cutoff=on_cutoff,
        because=because,
        reason=reason,
        gain_weights=gain(weights.gain, weights.p_adjusted, "share of all won deals, at the rule's own workload"),
        gain_cutoff=gain(cutoff.gain, cutoff.p_adjusted, "share of all won deals, after the cost of follow-ups"),
        n_judged_differently=0 if weights.paired is None else weights.paired.n_different,
        outlook=look,
        more_deals_needed=None if more is None else more.value,
        card=study.card_of(rule),
        **told,
    )


def say_why(verdict: Verdict, weights: Judgement, cutoff: Judgement) -> tuple[str, Reason]:
    """One sentence: why this verdict, and the reason that stands in the way of another."""
    if verdict == "change":
        which, what = (weights, "learned weights") if weights.verdict == "change" else (cutoff, "another cut-off")
        value, low, high = which.gain
        return f"With {what} {value:+.1%} of all won deals, {low:+.1%} to {high:+.1%}, on held-out deals.", ""
    if verdict == "keep":
        held_out = f"{weights.gain.value:+.1%} held out"
        return f"No card is likely to win more than the smallest gain worth a change ({held_out}).", ""
    if verdict == "depends":
        return "Its weights hold; whether its cut-off is right depends on what a won deal is worth.", ""
    if reason := weights.reason or (cutoff.reason if verdict == "cannot-judge" else ""):
        return BECAUSE[reason], reason
    _, low, high = (weights if weights.verdict == "undecided" else cutoff).gain
    return f"Another card may win {low:+.1%} to {high:+.1%} of all won deals: these deals do not tell yet.", ""


def plan_ahead(facts: Facts, gains: Gains | None, weights: Judgement, n_rules: int) -> MoreDeals | None:
    """How many more deals decide an undecided rule, in months at this firm's rate where there are dates."""
    if gains is None or weights.verdict != "undecided" or weights.paired is None:
        return None
    study, dates = facts.study, span(facts.study.deals)
    n, days = n_of(study.deals), 365.0
    if dates is not None:
        days = max(float(dates[1] - dates[0]), DAYS_A_MONTH)
    found = plan(
        gains,
        weights.paired,
        n_logged=n_of(study.compared),
        n_deals=n,
        deals_per_month=n * DAYS_A_MONTH / days,
        n_rules=n_rules,
        random_state=study.settings.random_state,
    )
    if dates is not None or not found.value:
        return found
    text = found.text.partition(" (")[0] + " decide it in 8 of 10 futures"  # no rate is known: no months
    return MoreDeals(value=found.value, text=text)


def learned_weights(view: View, known: Posterior, total_max: int) -> dict[str, Weight]:
    """Weights in documented units: the mapped criteria share what the document gives them in all."""
    draws, each = known.weights, total_max / len(view.framework.criteria)
    total = np.maximum(draws.sum(axis=1, keepdims=True), 1e-9)
    shares = np.maximum(draws, 0.0) / total * each * len(view.mapped)
    low, high = np.quantile(shares[1:], [0.025, 0.975], axis=0)
    ends = np.array([shares[0], np.minimum(low, shares[0]), np.maximum(high, shares[0])]).T.tolist()
    return {
        name: Weight(documented=each, learned=value, low=least, high=most)
        for name, (value, least, most) in zip(view.mapped, ends, strict=True)
    }


def order_claim(view: View, known: Posterior) -> OrderClaimed | None:
    """Share of draws in which each criterion weighs more than the next, where the framework claims so."""
    claim = view.framework.order_claim
    tested = () if claim is None else tuple(name for name in claim.criteria if name in view.mapped)
    if claim is None or len(tested) < 2:
        return None
    ordered = known.weights[1:, [view.mapped.index(name) for name in tested]]
    share = float((np.diff(ordered, axis=1) < 0).all(axis=1).mean())
    return OrderClaimed(text=claim.text, criteria=tested, share_of_draws=share)


def at_cutoffs(facts: Facts, rule: FittedCard, depends: bool) -> dict[str, Any]:
    """Learned cut-off, implied value and decision curve: what depends on the score alone."""
    study = facts.study
    deals = study.by_pattern[rule.card.framework]
    totals = count_totals(study, deals, rule.totals(deals), rule.card.total_max)
    if not totals.won.any():
        return {}
    rates = redraw_rates(totals.won, totals.n, random_state=study.settings.random_state)
    implied = implied_value(rates, rule.card.cutoff)
    found: dict[str, Any] = {"implied_value": implied}
    if depends:
        found["depends_on"] = Range(low=implied.low, high=implied.high)
    if study.consequences.basis != "workload" and rule.card.name not in facts.by_hunch:
        found["learned_cutoff"] = find_cutoff(study, totals, 0.5)
    if (other := study.card_of(rule) or cutoff_of(rule)) in facts.log.entries:
        probability = facts.log.entries[other].probability
        found["decision_curve"] = decision_curve(facts.held, facts.decision(rule.card.name), probability, implied)
    return found
