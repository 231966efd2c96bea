"""A study: the deals compared, the frameworks and rules judged on them, and the contenders; fixed before any learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from leadml.calibration import contenders as learn
from leadml.calibration.consequences import Consequences, find_consequences
from leadml.calibration.contenders import Contender, FittedCard, View
from leadml.calibration.deals import Chosen, choose_deals, count_patterns, sample_deals, won_of
from leadml.calibration.drift import Timing
from leadml.calibration.experiment import LEAST_FIRST, EvaluationSettings, Experiment, Wide
from leadml.card.build import documented_card, words_of_mapping
from leadml.data.blocks import Block, k_folds, rolling_blocks, times_of
from leadml.data.deals import Leads, Note
from leadml.estimators.misfit import find_misfits
from leadml.exceptions import UsageError
from leadml.frameworks.catalog import list_frameworks, load_common, load_framework

FORMS: Mapping[Any, str] = {"logistic": "logistic regression", "boosting": "boosted trees"}
MISFITS: Mapping[str, str] = {"reversed": "LML205", "turning": "LML206", "together": "LML207"}

MANY_DEALS = 1_000_000
"""More deals are counted, and without dates learned from, as patterns of a framework's criteria."""
LEAST = 5
"""Won and lost deals that a block needs to learn from."""


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """Everything that is fixed before a contender learns.

    deals : those closed that are learned from, in time order where there is time (`dated`). compared : these, or a
    sample.
    """

    settings: Experiment
    leads: Leads
    chosen: Chosen
    deals: Leads
    compared: Leads
    dated: bool
    blocks: tuple[Block, ...]
    views: Mapping[str | None, View]
    rules: Mapping[str, FittedCard]
    baseline: str | None
    consequences: Consequences
    contenders: Mapping[str, Contender] = dataclasses.field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether blocks follow one another in time: too few dated deals are held out by k-fold."""
        return self.blocks[0].start is not None

    @cached_property
    def learnable(self) -> Mapping[str, View]:
        """Frameworks of which a card can be learned: two mapped criteria, one of which varies."""
        varied = {name for name, codes in zip(self.deals.criteria, self.deals.codes.T, strict=True) if np.ptp(codes)}
        able = (view for view in self.views.values() if len(view.mapped) >= 2 and varied & {*view.mapped})
        return {view.framework.id: view for view in able}

    @property
    def main(self) -> View | None:
        """The framework of the baseline, else the first, of those that a card can be learned of."""
        first = None if self.baseline is None else self.rules[self.baseline].card.framework
        return self.learnable.get(str(first), next(iter(self.learnable.values()), None))

    @cached_property
    def by_pattern(self) -> Mapping[str | None, Leads]:
        """All deals, for what asks for a framework's criteria (None: for nothing) alone; very many as patterns, won and
        lost ones of each."""
        deals, criteria = self.deals, {None: (), **{name: view.mapped for name, view in self.views.items()}}
        few = self.consequences.margin is not None or len(deals) <= MANY_DEALS
        if few or deals.propensity is not None or deals.contactable is not None:
            return dict.fromkeys(criteria, deals)
        found: dict[str | None, Leads] = {}
        for framework, names in criteria.items():
            counts = count_patterns(deals, names)
            codes = np.asfortranarray(np.vstack([counts.codes, counts.codes]))
            outcome = np.repeat(np.array([1, 0], np.int8), len(counts.codes))
            weight = np.concatenate([counts.won, counts.lost])
            found[framework] = Leads(names, codes, outcome, weight=weight, mapping=deals.mapping)
        return found

    @property
    def timing(self) -> Timing:
        """Days that leads need to close, where deals are in time order."""
        return self.chosen.days if self.dated else None

    def card_of(self, rule: FittedCard) -> str | None:
        """The learned card that a rule is compared with: that of its framework."""
        name = f"{rule.card.framework}-integer"
        return name if name in self.contenders else None


def make_study(
    leads: Leads, settings: Experiment, frameworks: Sequence[Any] | None = None, own: Sequence[Any] = (),
    chosen: Chosen | None = None,
) -> Study:  # fmt: skip
    """Fix everything that is the same for all contenders; `own` are pairs (name, classifier)."""
    chosen = chosen or choose_deals(leads, settings)
    deals, times, asked, split = chosen.deals, times_of(chosen.deals), settings.evaluation, settings.split
    # in time order: by closing, else by creation, else the file's where it says so
    if times is not None and (times.known[1:] < times.known[:-1]).any():
        deals = deals.take(np.argsort(times.known, kind="stable"))
    dated = asked.kind == "rolling" or (asked.kind == "auto" and times is not None)
    compared, sampled = sample_deals(deals, settings.single_deals, settings.random_state)
    if frameworks is None and (frameworks := settings.frameworks) is None:
        frameworks = (*list_frameworks(), *(getattr(leads.mapping, "frameworks", None) or ()))
    loaded = [
        View(each, tuple(c for c in each.criterion_ids if c in leads.criteria))
        for each in map(load_framework, frameworks)
    ]
    views: dict[str | None, View] = {view.framework.id: view for view in loaded if view.mapped}
    rules = make_rules(settings, views.values(), leads)
    baseline, missing = choose_baseline(settings, rules, leads)
    if baseline is not None:  # the baseline is judged first: its workload is that of the others
        rules = {baseline: rules[baseline], **rules}
    costs = find_consequences(settings, leads, deals)
    blocks = make_blocks(compared, asked, dated, settings.random_state)
    study = Study(settings, leads, chosen, deals, compared, dated, blocks, views, rules, baseline, costs)
    misfits = find_misfit_notes(study)
    contenders: dict[str, Contender] = {}
    for each in make_contenders(study, own, any(code == MISFITS["turning"] for code, _ in misfits)):
        if twice := next((name for name in contenders if name.casefold() == each.id.casefold()), None):
            raise UsageError(f"contenders: got the name {twice!r} twice; valid is each name once; rename one")
        contenders[each.id] = each
    notes = [*missing, *sampled, *costs.notes, *misfits]
    if embargoed := max(each.n_embargoed for each in blocks):
        notes.append(("LML403", {"n": embargoed, "where": "evaluation"}))
    half = max(LEAST_FIRST, len(compared) // 2)
    if (n := sum(len(each.test) for each in blocks)) < half < asked.first and blocks[0].start is not None:
        sooner = make_blocks(compared, asked.model_copy(update={"first": half}), dated, settings.random_state)
        told = {"n": n, "of": len(compared), "first": asked.first, "half": half}
        notes.append(("LML407", {**told, "more": sum(len(each.test) for each in sooner), "where": "evaluation"}))
    if split is not None:
        how = "in rolling blocks" if study.timed else "by k-fold"
        notes.append(("LML701", {"kind": split.get("kind", "auto"), "how": how, "where": "experiment"}))
    return dataclasses.replace(study, contenders=contenders, notes=tuple(notes))


def make_blocks(deals: Leads, asked: EvaluationSettings, dated: bool, seed: int) -> tuple[Block, ...]:
    """Rolling origin, but for too few dated deals; else k-fold by unit, twice."""
    won, held = won_of(deals), list[Block]()
    if dated:
        known, came_in = times_of(deals) or (np.arange(len(deals)), None)
        first, growth = asked.first, asked.growth
        blocks = rolling_blocks(known, came_in, deals.unit, first=first, growth=growth, embargo=asked.embargo)
        held = [each for each in blocks if LEAST <= won[each.train].sum() <= len(each.train) - LEAST]
    if sum(won[each.test].sum() for each in held) < LEAST:
        n_folds, repeats = asked.folds, asked.repeats
        held = k_folds(deals.unit, np.asarray(deals.outcome), n_folds=n_folds, repeats=repeats, random_state=seed)
    return tuple(held)


def find_misfit_notes(study: Study) -> list[Note]:
    """Criteria of the main framework that run backwards, turn, or only work together, on all deals."""
    notes: list[Note] = []
    if study.main is None:
        return notes
    names = study.main.mapped
    counts = count_patterns(study.deals, names)
    for found in find_misfits(counts, names, met_level=study.settings.met_level):
        values: dict[str, Any] = {"cost": found.cost, "where": found.criteria[0]}
        if found.kind == "together":
            rates = ", ".join(f"{rate:.0%} where {words}" for words, rate in (found.low, found.best, found.high))
            values |= {"columns": " and ".join(found.criteria), "detail": f"Deals are won by {rates}."}
        else:
            values |= {"column": found.criteria[0], "top_rate": found.high[1]}
            for end in ("low", "high", "best"):
                values[f"{end}_level"], values[f"{end}_rate"] = getattr(found, end)
        notes.append((MISFITS[found.kind], values))
    return notes


def make_rules(settings: Experiment, views: Iterable[View], leads: Leads) -> dict[str, FittedCard]:
    """Documented rules that are judged, by id."""
    rules: dict[str, FittedCard] = {}
    common = load_common().policies if leads.contactable is not None else ()
    policies = [(policy, view) for view in views for policy in view.framework.policies]
    created, met, words = settings.as_of or "1970-01-01", settings.met_level, words_of_mapping(leads.mapping)
    for policy, view in [*policies, *((policy, None) for policy in common)]:
        if settings.policies is None or policy.id in settings.policies:
            of, mapped, title = None, None, policy.title
            if view is not None:
                of, mapped = view.framework, view.mapped
                title = f"{of.title}: {title[:1].lower()}{title[1:]}"
            card = documented_card(policy, of, mapped=mapped, met_level=met, created_at=created, words=words)
            rules[policy.id] = FittedCard(card, title)
    if settings.policies is not None and policies and not rules:
        raise UsageError(
            f"policies: none of {', '.join(settings.policies)} can be judged: the mapping names no criterion"
            f" that they ask for; valid here: {', '.join(policy.id for policy, _ in policies)};"
            " name one of these, or map their criteria"
        )
    return rules


def choose_baseline(
    settings: Experiment, rules: Mapping[str, FittedCard], leads: Leads
) -> tuple[str | None, list[Note]]:
    """The rule that everything is compared with: the one named, else one whose cut-off these leads can reach."""
    asked = [name for name, rule in rules.items() if rule.card.framework is not None]
    able = [name for name in asked if reach(rules[name], leads.criteria) >= rules[name].card.cutoff]
    named = "baseline" in settings.model_fields_set
    if settings.baseline in rules and (named or not able or settings.baseline in able):
        return settings.baseline, []
    other = max(
        able or asked or rules,
        key=lambda name: len({*leads.criteria} & {c.id for c in rules[name].card.criteria}),
        default=None,
    )
    if other is None:
        return None, [("LML305", {"where": "mapping"})]
    return other, [("LML304", {"baseline": settings.baseline, "other": other, "where": settings.baseline})]


def reach(rule: FittedCard, criteria: Sequence[str]) -> int:
    """The highest score that a lead can have with the criteria that are mapped."""
    return sum(max(c.points) for c in rule.card.criteria if c.id in criteria or c.id == "contactable")


def cutoff_of(rule: FittedCard) -> str:
    """Id of a rule's own score with a learned cut-off: rules that count alike share it."""
    weights = [c.documented_points for c in rule.card.criteria]
    plain = rule.card.unit == "met" or all(each == weights[0] for each in weights)
    return f"{rule.card.framework}-{rule.card.unit}-cutoff" if plain else f"{rule.card.name}-cutoff"


def make_contenders(study: Study, own: Sequence[Any], turns: bool) -> Iterator[Contender]:
    """All that competes, the documented rules first. turns : whether points of some criterion should not only rise."""
    settings, deals, asked, main = study.settings, study.deals, study.settings.contenders, study.main
    points, seed, scores = settings.points, settings.random_state, dict[str, FittedCard]()
    for name, rule in study.rules.items():
        yield Contender(name, rule.title, partial(learn.keep, rule), "documented", rule.card.framework)
        if "cutoff" in asked and rule.card.framework is not None:
            scores.setdefault(cutoff_of(rule), rule)
    for name, rule in scores.items():
        view, what = study.views[rule.card.framework], "criteria met" if rule.card.unit == "met" else "points"
        title = f"{view.framework.title}, documented {what} with a learned cut-off"
        yield Contender(name, title, partial(learn.learn_cutoff, rule, view), framework=view.framework.id)
    freely = next((name for name in ("weights", "steps") if name in asked), None)
    for name, view in study.learnable.items():
        title, (card, weights) = view.framework.title, learn.scorecard_learners(view, seed, points)
        yield Contender(f"{name}-integer", f"{title}, learned card", card, framework=name)
        if freely is not None:
            yield Contender(f"{name}-{freely}", f"{title}, learned weights", weights, framework=name)
    if np.ptp(deals.codes, axis=0).any():
        plain = partial(learn.learn_plain, deals.criteria)
        yield Contender("logistic", "plain logistic regression on the criteria", plain, by_row=True)
    if settings.wide is not False and (deals.context or settings.without):
        yield from _wide(study, settings.wide)
    for form, what in FORMS.items():
        if deals.context and (name := f"context-{form}") in asked:
            context = partial(learn.learn_context, form, next(iter(study.rules.values()), None), seed, {})
            yield Contender(name, f"{what} on criteria and context", context, "context", by_row=True)
    for name, classifier in own:
        yield Contender(name, name, partial(learn.learn_own, classifier), "custom", by_row=True)
    if turns and main is not None:
        of, (card, _) = main.framework, learn.scorecard_learners(main, seed, points, free=True)
        yield Contender(f"{of.id}-free", f"{of.title}, learned card with points that may turn", card, framework=of.id)
    yield Contender("prior", "base rate alone", learn.learn_prior, "prior")


def _wide(study: Study, asked: Wide) -> Iterator[Contender]:
    """The wide card, with criteria one by one or their score as one row, and with what was set aside, to compare."""
    deals, without, view = study.deals, study.settings.without, study.main
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
    card = partial(learn.learn_wide, view, attributes=asked.attributes, points=study.settings.points)
    framework, title = None if view is None else view.framework.id, "wide card: criteria and columns of the CRM"
    yield Contender("wide", title, partial(card, columns=columns), "wide", framework, by_row=True)
    if view is not None:
        title, as_score = "wide card: the document's score and columns of the CRM", partial(card, as_score=True)
        yield Contender("wide-score", title, partial(as_score, columns=columns), "wide", framework, by_row=True)
    if without:
        title, beside = f"wide card with {', '.join(without)}, to compare", (*columns, *without)
        yield Contender("wide-with", title, partial(card, columns=beside), "comparison", framework, by_row=True)
