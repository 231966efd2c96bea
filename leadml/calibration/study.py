"""A study: the deals compared, the frameworks and rules judged on them, the contenders, and the blocks in
time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from leadml.calibration.classifiers import Classifier, Context, WideCard
from leadml.calibration.consequences import Consequences
from leadml.calibration.contenders import (
    Contender,
    DocumentedCutoff,
    DocumentedRule,
    LearnedCard,
    Timing,
    View,
    weight_of,
)
from leadml.calibration.experiment import Experiment, check_name
from leadml.calibration.peers import Plain, Prior
from leadml.data.deals import Leads
from leadml.exceptions import UsageError

Note = tuple[str, dict[str, Any]]
Progress = Callable[[str, int, int], None]


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
    """Frameworks asked for, or all; each with the criteria that the deals hold and the rules that are
    judged."""
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
            rules[policy.id] = DocumentedRule(card, policy.id, title, view.id)
    if leads.contactable is not None:
        for policy in load_common().policies:
            if settings.policies is None or policy.id in settings.policies:
                card = documented_card(policy, None, created_at=created)
                rules[policy.id] = DocumentedRule(card, policy.id, policy.title, None)
    if settings.policies is not None and views and not rules:
        raise UsageError(
            f"policies: none of {', '.join(settings.policies)} can be judged: the mapping names no criterion"
            " that they"
            f" ask for; valid here: {', '.join(p.id for v in views for p in v.framework.policies)}; name one"
            " of these,"
            " or map their criteria"
        )
    return rules


def choose_baseline(
    settings: Experiment, rules: Mapping[str, DocumentedRule], leads: Leads
) -> tuple[str | None, list[Note]]:
    """The rule that everything is compared with: the one named, else one whose cut-off these leads can reach."""

    def reach(name: str) -> int:
        return sum(max(c.points) for c in rules[name].card.criteria if c.id in leads.criteria)

    asked = [name for name, rule in rules.items() if rule.framework is not None]
    able = [name for name in asked if reach(name) >= rules[name].card.cutoff]
    named = "baseline" in settings.model_fields_set
    if settings.baseline in rules and (named or not able or settings.baseline in able):
        return settings.baseline, []

    def mapped(name: str) -> int:
        return sum(c.id in leads.criteria for c in rules[name].card.criteria)

    asked = sorted(able or asked, key=mapped, reverse=True) or list(rules)
    if not asked:
        return None, [("LML305", {"where": "mapping"})]
    note = {"baseline": settings.baseline, "other": asked[0], "where": settings.baseline}
    return asked[0], [("LML304", note)]


def make_contenders(
    settings: Experiment,
    deals: Leads,
    views: Sequence[View],
    rules: Mapping[str, DocumentedRule],
    own: Sequence[tuple[str, Any]],
    timing: Timing,
) -> tuple[Contender, ...]:
    """All that competes, the documented rules first."""
    named = settings.contenders
    out: list[Contender] = list(rules.values())
    learnable = [view for view in views if is_learnable(view, deals)]
    if "cutoff" in named:
        out += _cutoffs(rules, timing)
    for view in learnable:
        seed = settings.random_state
        title = view.framework.title
        out.append(
            LearnedCard(
                view, f"{view.id}-integer", f"{title}, learned card", True, settings.points, timing, seed
            )
        )
        freely = next((name for name in ("weights", "steps") if name in named), None)
        if freely is not None:
            name = f"{view.id}-{freely}"
            out.append(
                LearnedCard(view, name, f"{title}, learned weights", False, settings.points, timing, seed)
            )
    if any(varies(deals, name) for name in deals.criteria):
        out.append(Plain(deals.criteria, timing))
    out += wide_contenders(settings, deals, learnable, rules, timing)
    for name, classifier in own:
        if not hasattr(classifier, "fit") or not hasattr(classifier, "predict_proba"):
            raise UsageError(
                f"contenders: got {name!r} with a {type(classifier).__name__}; valid: (name, scikit-learn"
                " classifier with"
                " fit and predict_proba); give a classifier, or one of the names"
            )
        out.append(Classifier(name, classifier, title=name))
    out.append(Prior(timing))
    ids = [each.id for each in out]
    if len(set(ids)) != len(ids):
        twice = next(each for each in ids if ids.count(each) > 1)
        raise UsageError(f"contenders: {twice!r} occurs twice; valid: each name once; rename one")
    return tuple(out)


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
        out.setdefault(name, DocumentedCutoff(rule, name, title, timing))
    return list(out.values())


def main_view(rules: Mapping[str, DocumentedRule], views: Sequence[View], deals: Leads) -> View | None:
    """The framework of the baseline (the rule judged first), else the first that a card can be learned for."""
    learnable = [view for view in views if is_learnable(view, deals)]
    baseline = next(iter(rules.values()), None)
    own = None if baseline is None else baseline.framework
    return next((view for view in learnable if view.id == own), next(iter(learnable), None))


def free_card(settings: Experiment, view: View, timing: Timing) -> LearnedCard:
    """The learned card whose points may turn where deals are best in the middle."""
    title = f"{view.framework.title}, learned card with points that may turn"
    seed = settings.random_state
    return LearnedCard(view, f"{view.id}-free", title, True, settings.points, timing, seed, free=True)


def wide_contenders(
    settings: Experiment,
    deals: Leads,
    learnable: Sequence[View],
    rules: Mapping[str, DocumentedRule],
    timing: Timing,
) -> list[Contender]:
    """Contenders that read columns of the CRM beside the criteria."""
    if not deals.context:
        return []
    baseline = next(iter(rules.values()), None)
    view = main_view(rules, learnable, deals)
    out: list[Contender] = []
    if settings.wide:
        columns = tuple(deals.context) if settings.wide.columns is None else settings.wide.columns
        if absent := [name for name in columns if name not in deals.context]:
            raise UsageError(
                f"wide.columns: got {', '.join(absent)}; valid: {', '.join(deals.context)} (context of the"
                " mapping);"
                " correct it, or add the column to the mapping's context"
            )
        out.append(WideCard(view, columns, settings.wide.attributes, settings.points, timing))
    if "context-logistic" in settings.contenders:
        out.append(Context("logistic", baseline, timing, settings.random_state))
    if "context-boosting" in settings.contenders:
        out.append(Context("boosting", baseline, timing, settings.random_state))
    return out


def split_contenders(given: Sequence[Any]) -> tuple[tuple[str, ...], list[tuple[str, Any]]]:
    """Split names of contenders from (name, classifier) pairs."""
    from leadml.calibration.experiment import CONTENDERS

    names = tuple(each for each in given if isinstance(each, str))
    for name in names:
        try:
            check_name("contender", name, CONTENDERS)
        except ValueError as error:
            raise UsageError(f"contenders: {error}") from None
    pairs = [tuple(each) for each in given if not isinstance(each, str)]
    return names, pairs
