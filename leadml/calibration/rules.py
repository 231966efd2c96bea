"""Verdicts on documented rules: two questions (weights, cut-off), outlook, curve, weights and claims, as records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from leadml.calibration.cards import count_totals, find_cutoff
from leadml.calibration.consequences import highest
from leadml.calibration.contenders import DocumentedRule, FittedCard
from leadml.calibration.describe import DAYS_A_MONTH, span
from leadml.calibration.figures import gain, number
from leadml.calibration.study import Study
from leadml.calibration.views import Floats, View, count_patterns, weight_of
from leadml.data.deals import Leads
from leadml.evaluation.cutoffs import decision_curve, implied_value, ratios_around, redraw_rates
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, at_workload
from leadml.evaluation.outlook import Gains, look_ahead
from leadml.evaluation.planner import plan
from leadml.evaluation.verdict import (
    Judgement,
    PairedGain,
    Question,
    Reason,
    equal_workload,
    judge,
    overall,
    paired_gain,
    why_no_answer,
)
from leadml.levels import LEVEL_MAX, N_CODES
from leadml.result import MoreDeals, OrderClaimed, Outlook, PolicyResult, Range, Weight

N_DRAWS = 400
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


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior:
    """What all deals tell of a framework's criteria.

    leads : one row a pattern that occurs; population : deals of each. draws : (D, m) P(won) of each by a
    judge wider than the card. weights : (1 + D, k) log-odds between levels 4 and 0, as fitted, then as drawn.
    """

    leads: Leads
    population: Floats
    draws: Floats
    weights: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """What the judging of a rule needs beside the log."""

    study: Study
    log: Log
    held: HeldOut
    fitted: Mapping[str, FittedCard]  # final cards of learned points, by framework
    known: Mapping[str, Posterior]  # by framework
    drifted: bool = False
    by_hunch: frozenset[str] = frozenset()  # rules below whose cut-off leads were followed up by choice


def max_reach(rule: DocumentedRule, view: View | None) -> int:
    """The highest score that a lead can have with the criteria that are mapped."""
    if view is None:
        return rule.card.total_max
    return int(sum(max(c.points) for c in rule.card.criteria if c.id in view.mapped))


def find_posteriors(study: Study) -> dict[str, Posterior]:
    """What all deals tell, by framework."""
    return {view.id: find_posterior(study, view) for view in study.learnable}


def find_posterior(study: Study, view: View) -> Posterior:
    """Count the patterns of all deals; draw P(won) of each, and the weights of the criteria."""
    from leadml.estimators.judge import fit_judge
    from leadml.estimators.scorecard_fit import fit_scorecard

    deals, settings = study.deals, study.settings
    counts = count_patterns(deals, view.mapped)
    seed = settings.random_state
    draws = fit_judge(counts, met_level=settings.met_level, n_draws=N_DRAWS, random_state=seed)
    fit = fit_scorecard(counts, view.documented, random_state=seed, n_draws=2 * N_DRAWS)
    drawn = fit.draws[:, 1:].reshape(len(fit.draws), -1, N_CODES)
    values = np.concatenate([fit.values[None], drawn])
    leads = Leads(criteria=view.mapped, codes=np.asfortranarray(counts.codes))
    return Posterior(leads, counts.total, draws, values[:, :, LEVEL_MAX] - values[:, :, 0])


def judge_rules(facts: Facts) -> tuple[PolicyResult, ...]:
    """Judge every documented rule.

    Multiplicity is Holm's within families: the baseline, named beforehand, is one of its own (the primary question);
    the other rules of a framework, which are compared with one card, are another.
    """
    study, log, held, known = facts.study, facts.log, facts.held, facts.known
    seen: dict[str, tuple[Outlook, Gains]] = {}
    weights: dict[str, Question] = {}
    cutoffs: dict[str, Question] = {}
    for name, rule in study.rules.items():
        cannot = unanswerable(facts, rule)
        card = card_of(study, rule)
        if cannot or card is None:
            weights[name] = Question(cannot=cannot or "no contest")
        else:
            paired = paired_gain(held, *equal_workload(held, log.entries[name], log.entries[card]))
            seen[name] = foresee(facts, rule, known[str(rule.framework)], paired)
            gains = seen[name][1]
            weights[name] = Question(
                paired, p_not_better=gains.p_not_better, p_below=gains.p_below, drifted=facts.drifted
            )
        cutoffs[name] = ask_cutoff(facts, rule, cannot)
    on_weights, on_cutoffs = judge_families(facts, weights), judge_families(facts, cutoffs)
    return tuple(
        describe_rule(facts, rule, on_weights[name], on_cutoffs[name], seen.get(name), known.get(str(rule.framework)))
        for name, rule in study.rules.items()
    )


def judge_families(facts: Facts, questions: Mapping[str, Question]) -> dict[str, Judgement]:
    """Answer questions of one kind, family by family."""
    study = facts.study
    families: dict[str, dict[str, Question]] = {}
    for name, question in questions.items():
        families.setdefault(family_of(study, name), {})[name] = question
    answers: dict[str, Judgement] = {}
    for family in families.values():
        answers |= judge(family, study.settings.smallest_gain)
    return answers


def family_of(study: Study, rule: str) -> str:
    """The family of questions that Holm's adjustment runs over."""
    return "baseline" if rule == study.baseline else f"framework {study.rules[rule].framework}"


def card_of(study: Study, rule: DocumentedRule) -> str | None:
    """The learned card that a rule is compared with: that of its framework."""
    name = f"{rule.framework}-integer"
    return name if any(each.id == name for each in study.contenders) else None


def unanswerable(facts: Facts, rule: DocumentedRule) -> Reason:
    """Why the data hold no answer on this rule, or ""."""
    view = facts.study.view_of(rule.framework)
    if max_reach(rule, view) < rule.card.cutoff:
        return "unreachable"
    if rule.id in facts.by_hunch:
        return "selected by hunch"
    said = facts.log.entries[rule.id]
    card = card_of(facts.study, rule)
    return why_no_answer(facts.held, said, said if card is None else facts.log.entries[card])


def foresee(facts: Facts, rule: DocumentedRule, known: Posterior, paired: PairedGain) -> tuple[Outlook, Gains]:
    """What changing and keeping are expected to bring, of the cards as they would be deployed."""
    fitted = facts.fitted[str(rule.framework)]
    decision = np.asarray(rule.predict(known.leads).decision)
    share = float(known.population @ decision / known.population.sum())
    card = highest(fitted.predict(known.leads).score, share, known.population)
    smallest = facts.study.settings.smallest_gain
    return look_ahead(known.draws, known.population, decision, card, paired, smallest)


def ask_cutoff(facts: Facts, rule: DocumentedRule, cannot: Reason) -> Question:
    """The cut-off question: the rule beside its own score with the cut-off that the consequences ask for."""
    study, held, entries = facts.study, facts.held, facts.log.entries
    given = study.consequences
    other = f"{rule.framework}-{rule.card.unit}-cutoff"
    other = other if other in entries else f"{rule.id}-cutoff"
    if cannot in ("unreachable", "constant scores", "selected by hunch"):
        return Question(cannot=cannot)
    if given.basis == "workload":
        return Question(cannot="no cost given")
    if other not in entries:
        return Question(cannot="no contest")
    own, learned = np.nan_to_num(entries[rule.id].decision), np.nan_to_num(entries[other].decision)
    if given.share is not None:  # within the capacity: the rule's picks, and the same number by score
        room = np.full(len(own), given.share)
        own = np.minimum(at_workload(held, own, room), own)
        return Question(paired_gain(held, own, at_workload(held, entries[other].score, own)))
    ratio = 1.0 / given.ratio if given.ratio is not None else float(held.weight.sum() / held.n_won)
    return Question(paired_gain(held, own, learned, ratio))


def describe_rule(
    facts: Facts,
    rule: DocumentedRule,
    weights: Judgement,
    cutoff: Judgement,
    seen: tuple[Outlook, Gains] | None,
    known: Posterior | None,
) -> PolicyResult:
    """One documented rule as a record."""
    study, card = facts.study, rule.card
    view = study.view_of(rule.framework)
    on_cutoff = "depends" if cutoff.reason == "no cost given" else cutoff.verdict
    verdict = overall(weights.verdict, on_cutoff)
    source, told = "000, opening", at_cutoffs(facts, rule, on_cutoff == "depends")
    if view is not None:
        policy = view.framework.policy(rule.id)
        source = policy.source + (f", attributed to {policy.attributed_to}" if policy.attributed_to else "")
        if known is not None:
            told["weights"] = learned_weights(view, known.weights, card.total_max)
            told["order_claim"] = order_claim(view, known.weights)
    look = None
    if seen is not None:
        more = plan_ahead(study, rule, seen[1], weights)
        low = weights.confirmed_low
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
        card=card_of(study, rule),
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


def plan_ahead(study: Study, rule: DocumentedRule, gains: Gains, weights: Judgement) -> MoreDeals | None:
    """How many more deals decide an undecided rule, in months at this firm's rate where there are dates."""
    if weights.verdict != "undecided" or weights.paired is None:
        return None
    dates, n = span(study.deals), float(weight_of(study.deals).sum())
    days = 365.0 if dates is None else max(float(dates[1] - dates[0]), DAYS_A_MONTH)
    found = plan(
        gains,
        weights.paired,
        n_logged=float(weight_of(study.compared).sum()),
        n_deals=n,
        deals_per_month=n * DAYS_A_MONTH / days,
        n_rules=sum(family_of(study, name) == family_of(study, rule.id) for name in study.rules),
        random_state=study.settings.random_state,
    )
    if dates is None:  # no rate is known: a number of deals, and no months
        text = found.text.partition(" (")[0] + " decide it in 8 of 10 futures" if found.value else found.text
        return MoreDeals(value=found.value, text=text)
    return found


def learned_weights(view: View, draws: Floats, total_max: int) -> dict[str, Weight]:
    """Weights in documented units: the mapped criteria share what the document gives them in all."""
    each = total_max / len(view.framework.criteria)
    total = np.maximum(draws.sum(axis=1, keepdims=True), 1e-9)
    shares = np.maximum(draws, 0.0) / total * each * len(view.mapped)
    out = {}
    for at, name in enumerate(view.mapped):
        low, high = (float(q) for q in np.quantile(shares[1:, at], [0.025, 0.975]))
        value = float(shares[0, at])
        out[name] = Weight(documented=each, learned=value, low=min(low, value), high=max(high, value))
    return out


def order_claim(view: View, draws: Floats) -> OrderClaimed | None:
    """Share of draws in which each criterion weighs more than the next, where the framework claims so."""
    claim = view.framework.order_claim
    tested = () if claim is None else tuple(name for name in claim.criteria if name in view.mapped)
    if claim is None or len(tested) < 2:
        return None
    ordered = draws[1:, [view.mapped.index(name) for name in tested]]
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
    entries = facts.log.entries
    name = card_of(study, rule) or f"{rule.framework}-{rule.card.unit}-cutoff"
    if name in entries:
        many = len(facts.log) > MANY_ROWS
        ratios = ratios_around(implied, float(held.n_won / held.weight.sum()), 9 if many else 15)
        own = np.nan_to_num(entries[rule.id].decision)
        found["decision_curve"] = decision_curve(held, own, entries[name].probability, ratios)
    return found
