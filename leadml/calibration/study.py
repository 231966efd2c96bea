"""A study: the deals compared, the frameworks and rules judged on them, the contenders, and the blocks held out."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.calibration.classifiers import Classifier, Context, Form, WideCard
from leadml.calibration.consequences import Consequences, find_consequences
from leadml.calibration.contenders import Contender, DocumentedCutoff, DocumentedRule, LearnedCard, Plain, Prior
from leadml.calibration.drift import Timing
from leadml.calibration.experiment import CONTENDER_NAME, CONTENDERS, Experiment, Wide, check_name
from leadml.calibration.outcomes import Chosen, in_time, sample_deals
from leadml.calibration.views import Note, View
from leadml.data.deals import Leads
from leadml.exceptions import UsageError
from leadml.result import Kind


@dataclasses.dataclass(frozen=True, eq=False)
class Held:
    """One block: what is learned from, and what is predicted (positions among the deals compared)."""

    train: npt.NDArray[np.integer]
    test: npt.NDArray[np.integer]
    block: int
    repeat: int = 0
    n_embargoed: int = 0


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
    contenders: tuple[Contender, ...]
    consequences: Consequences
    timed: bool
    notes: tuple[Note, ...] = ()
    n_jobs: int | None = None
    blocks: tuple[Held, ...] = ()

    @cached_property
    def varied(self) -> frozenset[str]:
        """Mapped criteria with two different codes."""
        columns = zip(self.deals.criteria, self.deals.codes.T, strict=True)
        return frozenset(name for name, codes in columns if (codes != codes[0]).any())

    @cached_property
    def learnable(self) -> tuple[View, ...]:
        """Frameworks of which a card can be learned: two mapped criteria, one of which varies."""
        return tuple(view for view in self.views if len(view.mapped) >= 2 and not self.varied.isdisjoint(view.mapped))

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
        name = f"{rule.framework}-integer"
        return name if any(each.id == name for each in self.contenders) else None


def make_study(
    leads: Leads,
    chosen: Chosen,
    settings: Experiment,
    frameworks: Sequence[Any] | None = None,
    own: Sequence[tuple[str, Any]] = (),
    n_jobs: int | None = None,
) -> Study:
    """Fix everything that is the same for all contenders."""
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
    study = Study(settings, deals, compared, views, rules, baseline, (), consequences, timed, n_jobs=n_jobs)
    misfits = [] if study.main is None else study.main.misfits(deals, settings.met_level)
    turns = any(code == "LML206" for code, _ in misfits)
    contenders = tuple(make_contenders(study, own, chosen.days if timed else None, turns))
    twice = [name for name, n in Counter(each.id for each in contenders).items() if n > 1]
    if twice:
        raise UsageError(f"contenders: {twice[0]!r} occurs twice; valid: each name once; rename one")
    notes = (*missing, *sampled, *consequences.notes, *misfits)
    return dataclasses.replace(study, contenders=contenders, notes=notes)


def make_views(settings: Experiment, leads: Leads, frameworks: Sequence[Any] | None) -> tuple[View, ...]:
    """Frameworks asked for, or all; each with the criteria that the deals hold and its rules to judge."""
    from leadml.frameworks.catalog import list_frameworks, load_framework

    asked = frameworks if frameworks is not None else settings.frameworks
    if asked is None:
        asked = (*list_frameworks(), *(getattr(leads.mapping, "frameworks", None) or ()))
    views = []
    for framework in map(load_framework, asked):
        mapped = tuple(name for name in framework.criterion_ids if name in leads.criteria)
        rules = tuple(p for p in framework.policies if settings.policies is None or p.id in settings.policies)
        if mapped:
            views.append(View(framework, mapped, rules))
    return tuple(views)


def make_rules(settings: Experiment, views: Sequence[View], leads: Leads) -> dict[str, DocumentedRule]:
    """Documented rules that are judged, by id."""
    from leadml.card.build import documented_card
    from leadml.frameworks.catalog import load_common

    created, rules = settings.as_of or "1970-01-01", {}
    for view in views:
        for policy in view.policies:
            met = settings.met_level
            card = documented_card(policy, view.framework, mapped=view.mapped, met_level=met, created_at=created)
            title = f"{view.framework.title}: {policy.title[:1].lower()}{policy.title[1:]}"
            rules[policy.id] = DocumentedRule(card, id=policy.id, title=title, framework=view.id)
    for policy in load_common().policies if leads.contactable is not None else ():
        if settings.policies is None or policy.id in settings.policies:
            card = documented_card(policy, None, created_at=created)
            rules[policy.id] = DocumentedRule(card, id=policy.id, title=policy.title)
    if settings.policies is not None and views and not rules:
        raise UsageError(
            f"policies: none of {', '.join(settings.policies)} can be judged: the mapping names no criterion"
            f" that they ask for; valid here: {', '.join(p.id for v in views for p in v.framework.policies)};"
            " name one of these, or map their criteria"
        )
    return rules


def choose_baseline(
    settings: Experiment, rules: Mapping[str, DocumentedRule], leads: Leads
) -> tuple[str | None, list[Note]]:
    """The rule that everything is compared with: the one named, else one whose cut-off these leads can reach."""
    n_mapped = {name: sum(c.id in leads.criteria for c in rule.card.criteria) for name, rule in rules.items()}
    asked = [name for name, rule in rules.items() if rule.framework is not None]
    able = [name for name in asked if reach(rules[name], leads.criteria) >= rules[name].card.cutoff]
    named = "baseline" in settings.model_fields_set
    if settings.baseline in rules and (named or not able or settings.baseline in able):
        return settings.baseline, []
    other = max(able or asked or rules, key=n_mapped.__getitem__, default=None)
    if other is None:
        return None, [("LML305", {"where": "mapping"})]
    return other, [("LML304", {"baseline": settings.baseline, "other": other, "where": settings.baseline})]


def reach(rule: DocumentedRule, criteria: Sequence[str]) -> int:
    """The highest score that a lead can have with the criteria that are mapped."""
    return sum(max(c.points) for c in rule.card.criteria if c.id in criteria or c.id == "contactable")


def make_contenders(study: Study, own: Sequence[tuple[str, Any]], timing: Timing, turns: bool) -> Iterator[Contender]:
    """All that competes, the documented rules first. turns : whether points of some criterion should not only rise."""
    settings, deals, rules = study.settings, study.deals, study.rules

    def card(view: View, form: str, what: str, **more: Any) -> LearnedCard:
        more |= {"id": f"{view.id}-{form}", "title": f"{view.framework.title}, {what}", "framework": view.id}
        return LearnedCard(view, points=settings.points, random_state=settings.random_state, timing=timing, **more)

    yield from rules.values()
    if "cutoff" in settings.contenders:
        yield from _cutoffs(rules, timing)
    freely = next((name for name in ("weights", "steps") if name in settings.contenders), None)
    for view in study.learnable:
        yield card(view, "integer", "learned card")
        if freely is not None:
            yield card(view, freely, "learned weights", whole=False)
    if study.varied:
        title = "plain logistic regression on the criteria"
        yield Plain(deals.criteria, id="logistic", title=title, timing=timing)
    if settings.wide is not False:
        yield from _wide(study, settings.wide, timing)
    forms: dict[Form, str] = {"logistic": "logistic regression", "boosting": "boosted trees"}
    for form, what in forms.items():
        if deals.context and (name := f"context-{form}") in settings.contenders:
            title, rule = f"{what} on criteria and context", next(iter(rules.values()), None)
            yield Context(form, rule, settings.random_state, id=name, title=title, kind="context", timing=timing)
    for name, classifier in own:
        if not hasattr(classifier, "fit") or not hasattr(classifier, "predict_proba"):
            raise UsageError(
                f"contenders: got {name!r} with a {type(classifier).__name__}; valid: (name, scikit-learn"
                " classifier with fit and predict_proba); give a classifier, or one of the names"
            )
        yield Classifier(classifier, id=name, title=name, kind="custom")
    if turns and study.main is not None:
        yield card(study.main, "free", "learned card with points that may turn", free=True)
    yield Prior(id="prior", title="base rate alone", kind="prior", timing=timing)


def _cutoffs(rules: Mapping[str, DocumentedRule], timing: Timing) -> list[DocumentedCutoff]:
    """Each documented score once, with a learned cut-off."""
    out: dict[str, DocumentedCutoff] = {}
    for rule in rules.values():
        if rule.card.unit == "contactable":
            continue
        name, what = cutoff_of(rule), "criteria met" if rule.card.unit == "met" else "points"
        title = f"{rule.title.partition(':')[0]}, documented {what} with a learned cut-off"
        out.setdefault(name, DocumentedCutoff(rule, id=name, title=title, framework=rule.framework, timing=timing))
    return list(out.values())


def cutoff_of(rule: DocumentedRule) -> str:
    """Id of a rule's own score with a learned cut-off: rules that count alike share it."""
    weights = [c.documented_points for c in rule.card.criteria]
    plain = rule.card.unit == "met" or all(each == weights[0] for each in weights)
    return f"{rule.framework}-{rule.card.unit}-cutoff" if plain else f"{rule.id}-cutoff"


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
    framework = None if view is None else view.id

    def wide(name: str, title: str, more: Sequence[str] = (), kind: Kind = "wide", as_score: bool = False) -> WideCard:
        about: dict[str, Any] = {"id": name, "title": title, "kind": kind, "framework": framework, "timing": timing}
        return WideCard(view, (*columns, *more), asked.attributes, study.settings.points, as_score, **about)

    yield wide("wide", "wide card: criteria and columns of the CRM")
    if view is not None:
        yield wide("wide-score", "wide card: the document's score and columns of the CRM", as_score=True)
    if without:
        yield wide("wide-with", f"wide card with {', '.join(without)}, to compare", without, "comparison")


def split_contenders(given: Sequence[Any]) -> tuple[tuple[str, ...], list[tuple[str, Any]]]:
    """Split names of contenders from (name, classifier) pairs; names are files too, so they are checked."""
    names, pairs = tuple(each for each in given if isinstance(each, str)), []
    try:
        for name in names:
            check_name("contender", name, CONTENDERS)
    except ValueError as error:
        raise UsageError(f"contenders: {error}") from None
    for each in given:
        if isinstance(each, str):
            continue
        pair = tuple(each) if isinstance(each, tuple | list) else ()
        if len(pair) != 2 or not isinstance(pair[0], str):
            what = f"{type(each).__name__} without a name" if not pair else repr(each)[:80]
            how = 'one of the names, or a pair (name, classifier); write it as ("mine", classifier)'
            raise UsageError(f"contenders: got {what}; valid is {how}")
        if not re.fullmatch(CONTENDER_NAME, pair[0]):
            how = "1 to 64 letters (a-z), digits, . _ or -, a letter or digit first; rename it"
            raise UsageError(f"contenders: got the name {pair[0]!r}; valid is {how}")
        pairs.append(pair)
    twice = [name for name, n in Counter(name.casefold() for name, _ in pairs).items() if n > 1]
    if twice:
        raise UsageError(f"contenders: got the name {twice[0]!r} twice; valid is each name once; rename one")
    return names, pairs
