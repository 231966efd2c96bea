"""A study: the deals compared, the frameworks and rules judged on them, and the contenders."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from leadml.calibration.classifiers import Classifier, Context, Form, WideCard
from leadml.calibration.consequences import Consequences, find_consequences
from leadml.calibration.contenders import Contender, DocumentedCutoff, DocumentedRule, LearnedCard, Plain, Prior
from leadml.calibration.drift import Timing
from leadml.calibration.experiment import CONTENDER_NAME, CONTENDERS, Experiment, Wide, check_name
from leadml.calibration.misfits import misfit_notes
from leadml.calibration.outcomes import Chosen
from leadml.calibration.views import Note, View, weight_of
from leadml.data.deals import Leads
from leadml.exceptions import UsageError
from leadml.result import Kind


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

    @cached_property
    def learnable(self) -> tuple[View, ...]:
        """Frameworks with at least two mapped criteria that vary."""
        return tuple(view for view in self.views if is_learnable(view, self.deals))

    def view_of(self, framework: str | None) -> View | None:
        """The view of a framework."""
        return next((view for view in self.views if view.id == framework), None)

    def contender(self, name: str) -> Contender:
        """One contender by its id."""
        return next(each for each in self.contenders if each.id == name)


def is_learnable(view: View, deals: Leads) -> bool:
    """Whether a card can be learned: two mapped criteria, one of which varies."""
    return len(view.mapped) >= 2 and any(varies(deals, name) for name in view.mapped)


def varies(deals: Leads, criterion: str) -> bool:
    """Whether a mapped criterion has two different codes."""
    column = deals.codes[:, deals.criteria.index(criterion)]
    return bool((column != column[0]).any())


def in_time(deals: Leads) -> tuple[Leads, bool]:
    """Put deals in time order (closing, else creation, else the file's order where it says so)."""
    from leadml.data.split import times_of

    times = times_of(deals)
    if times is None:
        return deals, False
    return deals.take(np.argsort(times.known, kind="stable")), True


def sample_deals(deals: Leads, most: int, random_state: int) -> tuple[Leads, list[Note]]:
    """At most so many deals, units whole, in their order; weights add up to all deals."""
    if len(deals) <= most:
        return deals, []
    rng = np.random.default_rng([random_state, 306])
    if deals.unit is None:
        rows = np.sort(rng.choice(len(deals), most, replace=False))
    else:
        number, unit = np.unique(deals.unit, return_inverse=True)
        picked = rng.random(len(number)) < most / len(deals)
        rows = np.flatnonzero(picked[unit])
    sample = deals.take(rows)
    weight = weight_of(sample) * (weight_of(deals).sum() / weight_of(sample).sum())
    note = {"n": len(rows), "all": len(deals), "where": "data"}
    return dataclasses.replace(sample, weight=weight), [("LML306", note)]


def make_views(settings: Experiment, leads: Leads, frameworks: Sequence[Any] | None) -> tuple[View, ...]:
    """Frameworks asked for, or all; each with the criteria that the deals hold and its rules to judge."""
    from leadml.frameworks.catalog import list_frameworks, load_framework

    own = tuple(getattr(leads.mapping, "frameworks", None) or ())
    asked = frameworks if frameworks is not None else settings.frameworks
    if asked is None:
        asked = (*list_frameworks(), *own)
    views = []
    for framework in (load_framework(each) for each in asked):
        mapped = tuple(name for name in framework.criterion_ids if name in leads.criteria)
        rules = tuple(p for p in framework.policies if settings.policies is None or p.id in settings.policies)
        if mapped:
            views.append(View(framework, mapped, rules))
    return tuple(views)


def make_rules(settings: Experiment, views: Sequence[View], leads: Leads) -> dict[str, DocumentedRule]:
    """Documented rules that are judged, by id."""
    from leadml.card.build import documented_card
    from leadml.frameworks.catalog import load_common

    created = settings.as_of or "1970-01-01"
    rules = {}
    for view in views:
        for policy in view.policies:
            card = documented_card(
                policy, view.framework, mapped=view.mapped, met_level=settings.met_level, created_at=created
            )
            title = f"{view.framework.title}: {policy.title[:1].lower()}{policy.title[1:]}"
            rules[policy.id] = DocumentedRule(card, id=policy.id, title=title, framework=view.id, policy=policy.id)
    if leads.contactable is not None:
        for policy in load_common().policies:
            if settings.policies is None or policy.id in settings.policies:
                card = documented_card(policy, None, created_at=created)
                rules[policy.id] = DocumentedRule(card, id=policy.id, title=policy.title, policy=policy.id)
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

    def reach(name: str) -> tuple[int, int]:
        mapped = [c for c in rules[name].card.criteria if c.id in leads.criteria]
        return sum(max(c.points) for c in mapped), len(mapped)

    asked = [name for name, rule in rules.items() if rule.framework is not None]
    able = [name for name in asked if reach(name)[0] >= rules[name].card.cutoff]
    named = "baseline" in settings.model_fields_set
    if settings.baseline in rules and (named or not able or settings.baseline in able):
        return settings.baseline, []
    other = max(able or asked or rules, key=lambda name: reach(name)[1], default=None)
    if other is None:
        return None, [("LML305", {"where": "mapping"})]
    return other, [("LML304", {"baseline": settings.baseline, "other": other, "where": settings.baseline})]


def make_contenders(
    settings: Experiment,
    deals: Leads,
    learnable: Sequence[View],
    main: View | None,
    rules: Mapping[str, DocumentedRule],
    own: Sequence[tuple[str, Any]],
    timing: Timing,
) -> tuple[Contender, ...]:
    """All that competes, the documented rules first."""
    named = settings.contenders
    out: list[Contender] = list(rules.values())
    if "cutoff" in named:
        out += _cutoffs(rules, timing)
    freely = next((name for name in ("weights", "steps") if name in named), None)
    for view in learnable:
        out.append(learned_card(settings, view, timing, "integer", "learned card"))
        if freely is not None:
            out.append(learned_card(settings, view, timing, freely, "learned weights", whole=False))
    if any(varies(deals, name) for name in deals.criteria):
        title = "plain logistic regression on the criteria"
        out.append(Plain(deals.criteria, id="logistic", title=title, timing=timing))
    out += wide_contenders(settings, deals, main, next(iter(rules.values()), None), timing)
    for name, classifier in own:
        if not hasattr(classifier, "fit") or not hasattr(classifier, "predict_proba"):
            raise UsageError(
                f"contenders: got {name!r} with a {type(classifier).__name__}; valid: (name, scikit-learn"
                " classifier with fit and predict_proba); give a classifier, or one of the names"
            )
        out.append(Classifier(classifier, id=name, title=name, kind="custom"))
    out.append(Prior(id="prior", title="base rate alone", kind="prior", timing=timing))
    ids = [each.id for each in out]
    if len(set(ids)) != len(ids):
        twice = next(each for each in ids if ids.count(each) > 1)
        raise UsageError(f"contenders: {twice!r} occurs twice; valid: each name once; rename one")
    return tuple(out)


def learned_card(
    settings: Experiment, view: View, timing: Timing, form: str, what: str, *, whole: bool = True, free: bool = False
) -> LearnedCard:
    """A framework's learned card: of whole points, as fitted, or with points that may turn."""
    return LearnedCard(
        view,
        whole,
        settings.points,
        settings.random_state,
        free,
        id=f"{view.id}-{form}",
        title=f"{view.framework.title}, {what}",
        framework=view.id,
        timing=timing,
    )


def _cutoffs(rules: Mapping[str, DocumentedRule], timing: Timing) -> list[Contender]:
    """Each documented score once, with a learned cut-off."""
    out: dict[str, Contender] = {}
    for rule in rules.values():
        if rule.card.unit == "contactable":
            continue
        weights = [tuple(c.documented_points) for c in rule.card.criteria]
        plain = rule.card.unit == "met" or all(each == weights[0] for each in weights)
        name = f"{rule.framework}-{rule.card.unit}-cutoff" if plain else f"{rule.id}-cutoff"
        what = "criteria met" if rule.card.unit == "met" else "points"
        title = f"{rule.title.partition(':')[0]}, documented {what} with a learned cut-off"
        learned = DocumentedCutoff(rule, id=name, title=title, framework=rule.framework, timing=timing)
        out.setdefault(name, learned)
    return list(out.values())


def set_aside(leads: Leads, without: Sequence[str]) -> Leads:
    """Leave columns out of the context; raw ones are read by the wide card that they are compared with, alone."""
    if not without:
        return leads
    valid = (*leads.context, *(name for name in leads.raw if name not in leads.context))
    if absent := [name for name in without if name not in valid]:
        known = f"{', '.join(valid)} (context and criteria of the mapping)" if valid else "no column, as none is mapped"
        raise UsageError(f"without: got {', '.join(absent)}; valid: {known}; correct it, or leave it out")
    context = {name: column for name, column in leads.context.items() if name not in without}
    aside = {name: column for name, column in leads.context.items() if name in without}
    return dataclasses.replace(leads, context=context, raw={**leads.raw, **aside})


def other_criteria(deals: Leads, view: View | None) -> tuple[str, ...]:
    """Columns of mapped criteria that the framework does not ask for: attributes like any other."""
    own = () if view is None else view.mapped
    mapped = {} if deals.mapping is None else deals.mapping.criteria
    asked = {rule.column for name, rule in mapped.items() if name in own}
    return tuple(name for name in deals.raw if name not in asked and name not in deals.context)


def wide_contenders(
    settings: Experiment, deals: Leads, view: View | None, baseline: DocumentedRule | None, timing: Timing
) -> list[Contender]:
    """Contenders that read columns of the CRM beside the criteria."""
    without = settings.without
    if not (deals.context or without):
        return []
    out: list[Contender] = []
    if isinstance(settings.wide, Wide):
        attributes = settings.wide.attributes
        other = other_criteria(deals, view)
        if refused := [name for name in without if name not in other]:
            raise UsageError(
                f"without: got {', '.join(refused)}, which answers a criterion of the rules; valid: columns beside the"
                " criteria; to judge without it, take it out of criteria in the mapping"
            )
        valid = (*deals.context, *(name for name in other if name not in without))
        columns = valid if settings.wide.columns is None else settings.wide.columns
        if absent := [name for name in columns if name not in (*valid, *without)]:
            raise UsageError(
                f"wide.columns: got {', '.join(absent)}; valid: {', '.join(valid)} (context of the"
                " mapping); correct it, or add the column to the mapping's context"
            )
        columns = tuple(name for name in columns if name not in without)

        def wide(
            name: str, title: str, more: tuple[str, ...] = (), kind: Kind = "wide", as_score: bool = False
        ) -> None:
            framework = None if view is None else view.id
            out.append(
                WideCard(
                    view,
                    (*columns, *more),
                    attributes,
                    settings.points,
                    as_score,
                    id=name,
                    title=title,
                    kind=kind,
                    framework=framework,
                    timing=timing,
                )
            )

        wide("wide", "wide card: criteria and columns of the CRM")
        if view is not None:
            wide("wide-score", "wide card: the document's score and columns of the CRM", as_score=True)
        if without:
            wide("wide-with", f"wide card with {', '.join(without)}, to compare", without, "comparison")
    forms: dict[Form, str] = {"logistic": "logistic regression", "boosting": "boosted trees"}
    for form, what in forms.items():
        if deals.context and (name := f"context-{form}") in settings.contenders:
            title = f"{what} on criteria and context"
            seed = settings.random_state
            out.append(Context(form, baseline, seed, id=name, title=title, kind="context", timing=timing))
    return out


def make_study(
    leads: Leads,
    chosen: Chosen,
    settings: Experiment,
    frameworks: Sequence[Any] | None = None,
    pairs: Sequence[tuple[str, Any]] = (),
    n_jobs: int | None = None,
) -> Study:
    """Fix everything that is the same for all contenders."""
    deals, timed = in_time(chosen.deals)
    kind = settings.evaluation.kind
    timed = kind == "rolling" or (kind == "auto" and timed)
    timing = chosen.days if timed else None
    compared, sampled = sample_deals(deals, settings.single_deals, settings.random_state)
    views = make_views(settings, leads, frameworks)
    rules = make_rules(settings, views, leads)
    baseline, missing = choose_baseline(settings, rules, leads)
    if baseline is not None:  # the baseline is judged first: its workload is that of the others
        rules = {baseline: rules[baseline], **rules}
    consequences = find_consequences(settings, leads, deals)
    learnable = [view for view in views if is_learnable(view, deals)]
    # the framework of the baseline, else the first that a card can be learned for
    own = None if baseline is None else rules[baseline].framework
    main = next((view for view in learnable if view.id == own), next(iter(learnable), None))
    contenders = make_contenders(settings, deals, learnable, main, rules, pairs, timing)
    misfits = [] if main is None else misfit_notes(main, deals, settings.met_level)
    if main is not None and any(code == "LML206" for code, _ in misfits):
        free = learned_card(settings, main, timing, "free", "learned card with points that may turn", free=True)
        contenders = (*contenders[:-1], free, contenders[-1])
    notes = (*missing, *sampled, *consequences.notes, *misfits)
    return Study(settings, deals, compared, views, rules, baseline, contenders, consequences, timed, notes, n_jobs)


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
