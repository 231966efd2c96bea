"""A study: the deals compared, the frameworks and rules judged on them, and the contenders; fixed before any learns."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from leadml.calibration import contenders as learn
from leadml.calibration.consequences import Consequences, find_consequences
from leadml.calibration.contenders import Contender, DocumentedRule
from leadml.calibration.drift import Timing
from leadml.calibration.experiment import Experiment, Wide
from leadml.calibration.outcomes import Chosen, in_time, sample_deals
from leadml.calibration.views import Note, View, by_pattern
from leadml.card.build import documented_card
from leadml.card.record import is_name
from leadml.data.blocks import Block, times_of
from leadml.data.deals import Leads
from leadml.exceptions import UsageError
from leadml.frameworks.catalog import list_frameworks, load_common, load_framework

FORMS: Mapping[Any, str] = {"logistic": "logistic regression", "boosting": "boosted trees"}

MANY_DEALS = 1_000_000
"""More deals without dates are learned from as patterns of a framework's criteria."""


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """Everything that is fixed before a contender learns.

    deals : all closed deals that are learned from, in time order where there is time.
    compared : these, or a sample of them whose weights add up to all.
    """

    settings: Experiment
    deals: Leads
    compared: Leads
    views: tuple[View, ...]
    rules: Mapping[str, DocumentedRule]
    baseline: str | None
    consequences: Consequences
    timed: bool
    contenders: tuple[Contender, ...] = ()
    notes: tuple[Note, ...] = ()
    blocks: tuple[Block, ...] = ()

    @cached_property
    def learnable(self) -> tuple[View, ...]:
        """Frameworks of which a card can be learned: two mapped criteria, one of which varies."""
        varied = {name for name, codes in zip(self.deals.criteria, self.deals.codes.T, strict=True) if np.ptp(codes)}
        return tuple(view for view in self.views if len(view.mapped) >= 2 and varied & {*view.mapped})

    @cached_property
    def by_pattern(self) -> Mapping[str | None, Leads]:
        """All deals, for what asks for a framework's criteria (None: for nothing) alone; very many as patterns."""
        deals, kind, criteria = self.deals, self.settings.evaluation.kind, dict[str | None, tuple[str, ...]]({None: ()})
        criteria |= {view.id: view.mapped for view in self.views}
        is_timed = kind == "rolling" or (kind == "auto" and times_of(deals) is not None)
        more = is_timed or self.consequences.margin is not None
        if more or deals.propensity is not None or deals.contactable is not None or len(deals) <= MANY_DEALS:
            return dict.fromkeys(criteria, deals)
        return {framework: by_pattern(deals, names) for framework, names in criteria.items()}

    @property
    def main(self) -> View | None:
        """The framework of the baseline, else the first, of those that a card can be learned of."""
        first = None if self.baseline is None else self.rules[self.baseline].framework
        return next((view for view in self.learnable if view.id == first), next(iter(self.learnable), None))

    def view_of(self, framework: str | None) -> View | None:
        """The view of a framework."""
        return next((view for view in self.views if view.id == framework), None)

    def contender(self, name: str) -> Contender:
        """One contender by its id."""
        return next(each for each in self.contenders if each.id == name)

    def card_of(self, rule: DocumentedRule) -> str | None:
        """The learned card that a rule is compared with: that of its framework."""
        return next((each.id for each in self.contenders if each.id == f"{rule.framework}-integer"), None)


def make_study(
    leads: Leads, chosen: Chosen, settings: Experiment, frameworks: Sequence[Any] | None = None, own: Sequence[Any] = ()
) -> Study:
    """Fix everything that is the same for all contenders; `own` are pairs (name, classifier)."""
    deals, timed = in_time(chosen.deals)
    kind = settings.evaluation.kind
    timed = kind == "rolling" or (kind == "auto" and timed)
    compared, sampled = sample_deals(deals, settings.single_deals, settings.random_state)
    views = make_views(settings, leads, frameworks)
    rules = make_rules(settings, views, leads)
    baseline, missing = choose_baseline(settings, rules, leads)
    if baseline is not None:  # the baseline is judged first: its workload is that of the others
        rules = {baseline: rules[baseline], **rules}
    consequences = find_consequences(settings, leads, deals)
    study = Study(settings, deals, compared, views, rules, baseline, consequences, timed)
    misfits = [] if study.main is None else study.main.misfits(deals, settings.met_level)
    turns = any(code == "LML206" for code, _ in misfits)
    contenders = tuple(make_contenders(study, own, chosen.days if timed else None, turns))
    twice = [name for name, n in Counter(each.id.casefold() for each in contenders).items() if n > 1]
    if twice:
        raise UsageError(f"contenders: got the name {twice[0]!r} twice; valid is each name once; rename one")
    notes = (*missing, *sampled, *consequences.notes, *misfits)
    return dataclasses.replace(study, contenders=contenders, notes=notes)


def make_views(settings: Experiment, leads: Leads, frameworks: Sequence[Any] | None) -> tuple[View, ...]:
    """Frameworks asked for, or all, each with the criteria that the deals hold, at least one."""
    asked = frameworks if frameworks is not None else settings.frameworks
    if asked is None:
        asked = (*list_frameworks(), *(getattr(leads.mapping, "frameworks", None) or ()))
    found = [(each, tuple(c for c in each.criterion_ids if c in leads.criteria)) for each in map(load_framework, asked)]
    return tuple(View(framework, mapped) for framework, mapped in found if mapped)


def make_rules(settings: Experiment, views: Sequence[View], leads: Leads) -> dict[str, DocumentedRule]:
    """Documented rules that are judged, by id."""
    rules: dict[str, DocumentedRule] = {}
    common = load_common().policies if leads.contactable is not None else ()
    policies = [(policy, view) for view in views for policy in view.framework.policies]
    for policy, view in [*policies, *((policy, None) for policy in common)]:
        if settings.policies is None or policy.id in settings.policies:
            title, of, mapped = policy.title, None, None
            if view is not None:
                of, mapped = view.framework, view.mapped
                title = f"{of.title}: {title[:1].lower()}{title[1:]}"
            created, met = settings.as_of or "1970-01-01", settings.met_level
            card = documented_card(policy, of, mapped=mapped, met_level=met, created_at=created)
            rules[policy.id] = DocumentedRule.of(card, title)
    if settings.policies is not None and views and not rules:
        raise UsageError(
            f"policies: none of {', '.join(settings.policies)} can be judged: the mapping names no criterion"
            f" that they ask for; valid here: {', '.join(policy.id for policy, _ in policies)};"
            " name one of these, or map their criteria"
        )
    return rules


def choose_baseline(
    settings: Experiment, rules: Mapping[str, DocumentedRule], leads: Leads
) -> tuple[str | None, list[Note]]:
    """The rule that everything is compared with: the one named, else one whose cut-off these leads can reach."""
    asked = [name for name, rule in rules.items() if rule.framework is not None]
    able = [name for name in asked if reach(rules[name], leads.criteria) >= rules[name].card.cutoff]
    named = "baseline" in settings.model_fields_set
    if settings.baseline in rules and (named or not able or settings.baseline in able):
        return settings.baseline, []
    other = max(able or asked or rules, key=lambda name: len({*leads.criteria} & {*rules[name].criteria}), default=None)
    if other is None:
        return None, [("LML305", {"where": "mapping"})]
    return other, [("LML304", {"baseline": settings.baseline, "other": other, "where": settings.baseline})]


def reach(rule: DocumentedRule, criteria: Sequence[str]) -> int:
    """The highest score that a lead can have with the criteria that are mapped."""
    return sum(max(c.points) for c in rule.card.criteria if c.id in criteria or c.id == "contactable")


def cutoff_of(rule: DocumentedRule) -> str:
    """Id of a rule's own score with a learned cut-off: rules that count alike share it."""
    weights = [c.documented_points for c in rule.card.criteria]
    plain = rule.card.unit == "met" or all(each == weights[0] for each in weights)
    return f"{rule.framework}-{rule.card.unit}-cutoff" if plain else f"{rule.id}-cutoff"


def make_contenders(study: Study, own: Sequence[Any], timing: Timing, turns: bool) -> Iterator[Contender]:
    """All that competes, the documented rules first. turns : whether points of some criterion should not only rise."""
    settings, deals, asked = study.settings, study.deals, study.settings.contenders
    scores: dict[str, DocumentedRule] = {}
    for rule in study.rules.values():
        yield Contender(rule.id, rule.title, rule.fit, "documented", rule.framework)
        if "cutoff" in asked and rule.framework is not None:
            scores.setdefault(cutoff_of(rule), rule)
    for name, rule in scores.items():
        what = "criteria met" if rule.card.unit == "met" else "points"
        title = f"{rule.title.partition(':')[0]}, documented {what} with a learned cut-off"
        yield Contender(name, title, partial(learn.learn_totals, rule, timing=timing), framework=rule.framework)
    freely = next((name for name in ("weights", "steps") if name in asked), None)
    seed, main = settings.random_state, study.main
    card = partial(learn.learn_card, timing=timing, points=settings.points, seed=seed)
    for view in study.learnable:
        title, weights = view.framework.title, partial(learn.learn_weights, view, timing=timing, seed=seed)
        yield Contender(f"{view.id}-integer", f"{title}, learned card", partial(card, view), framework=view.id)
        if freely is not None:
            yield Contender(f"{view.id}-{freely}", f"{title}, learned weights", weights, framework=view.id)
    if np.ptp(deals.codes, axis=0).any():
        plain = partial(learn.learn_plain, deals.criteria, timing=timing)
        yield Contender("logistic", "plain logistic regression on the criteria", plain, by_row=True)
    if settings.wide is not False:
        yield from _wide(study, settings.wide, timing)
    for form, what in FORMS.items():
        if deals.context and (name := f"context-{form}") in asked:
            first = next(iter(study.rules.values()), None)
            context = partial(learn.learn_context, form, first, seed, {}, timing=timing)
            yield Contender(name, f"{what} on criteria and context", context, "context", by_row=True)
    for name, classifier in own:
        yield Contender(name, name, partial(learn.learn_own, classifier), "custom", by_row=True)
    if turns and main is not None:
        title = f"{main.framework.title}, learned card with points that may turn"
        yield Contender(f"{main.id}-free", title, partial(card, main, free=True), framework=main.id)
    yield Contender("prior", "base rate alone", partial(learn.learn_prior, timing=timing), "prior")


def _wide(study: Study, asked: Wide, timing: Timing) -> Iterator[Contender]:
    """The wide card, with criteria one by one or their score as one row, and with what was set aside, to compare."""
    view, deals, without = study.main, study.deals, study.settings.without
    if not (deals.context or without):
        return
    # columns of criteria that the framework does not ask for are attributes like any other
    mapped = {} if deals.mapping is None else deals.mapping.criteria
    own = {rule.column for name, rule in mapped.items() if view is not None and name in view.mapped}
    other = [name for name in deals.raw if name not in own and name not in deals.context]
    valid = (*deals.context, *(name for name in other if name not in without))
    columns = valid if asked.columns is None else asked.columns
    if absent := [name for name in columns if name not in (*valid, *without)]:
        raise UsageError(
            f"wide.columns: got {', '.join(absent)}; valid: {', '.join(valid)} (context of the mapping); correct it,"
            " or add the column to the mapping's context"
        )
    columns = tuple(name for name in columns if name not in without)
    card = partial(learn.learn_wide, view, timing=timing, attributes=asked.attributes, points=study.settings.points)
    framework, title = None if view is None else view.id, "wide card: criteria and columns of the CRM"
    yield Contender("wide", title, partial(card, columns=columns), "wide", framework, by_row=True)
    if view is not None:
        title, as_score = "wide card: the document's score and columns of the CRM", partial(card, as_score=True)
        yield Contender("wide-score", title, partial(as_score, columns=columns), "wide", framework, by_row=True)
    if without:
        title, beside = f"wide card with {', '.join(without)}, to compare", (*columns, *without)
        yield Contender("wide-with", title, partial(card, columns=beside), "comparison", framework, by_row=True)


def check_own(given: Sequence[Any]) -> list[tuple[str, Any]]:
    """Check pairs (name, classifier) of the user's own; names are files too."""
    for each in given:
        name, classifier = each if isinstance(each, tuple | list) and len(each) == 2 else ("", each)
        if not is_name(name) or not hasattr(classifier, "fit") or not hasattr(classifier, "predict_proba"):
            valid = "one of the names, or a pair of 1 to 64 of A-Z a-z 0-9 . _ - (a letter or digit first) and a"
            how = 'scikit-learn classifier with fit and predict_proba; write it as ("mine", classifier)'
            raise UsageError(f"contenders: got {repr(each)[:80]}; valid is {valid} {how}")
    return [(name, classifier) for name, classifier in given]
