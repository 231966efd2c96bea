"""Which card to use: the learned one, always; among frameworks and widths the simpler within the smallest gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from leadml.calibration.cards import Draft
from leadml.calibration.contenders import Contender
from leadml.calibration.facts import Facts
from leadml.estimators.points import WholePoints
from leadml.evaluation.bootstrap import Statistic
from leadml.evaluation.metrics import captured
from leadml.result import Figure, PolicyResult, Recommended

SURE_BY = 2.0
"""Standard errors by which a less simple card must predict better: the best of many looks too good."""


def choose_card(facts: Facts, drafts: Mapping[str, Draft]) -> str | None:
    """The simplest card, unless another is expected to lose less and to win more than the smallest gain.

    Simple: the baseline's framework, then fewer criteria; last the better wide one, as both are of one size.
    """
    study, measures = facts.study, facts.measures
    own = None if study.baseline is None else study.rules[study.baseline].framework

    def rank(each: Contender) -> tuple[bool, int]:
        view = study.view_of(each.framework)
        return each.framework != own, 99 if view is None else len(view.mapped)

    there = [each for each in study.contenders if each.id in drafts]
    wide = [each.id for each in there if each.kind == "wide"]
    cards = [each.id for each in sorted((c for c in there if learned_of(facts, c.id)), key=rank)]
    cards += sorted(wide, key=lambda name: value(measures[name].log_loss, np.inf))[:1]
    workload = np.full(len(facts.log), 0.5) if facts.workload is None else facts.workload
    chosen = None
    for name in cards:
        if chosen is None:
            chosen = name
            continue
        one, two = measures[chosen].log_loss, measures[name].log_loss
        if one is None or two is None or (one - two).value <= SURE_BY * (one - two).error:
            continue
        won, more = (captured(facts.held, facts.log.entries[each].score, workload) for each in (chosen, name))
        if expected(more - won) > study.settings.smallest_gain:
            chosen = name
    return chosen


def learned_of(facts: Facts, name: str) -> WholePoints | None:
    """Whole points of a framework's learned card."""
    learned = getattr(facts.fitted[name], "learned", None)
    return learned if isinstance(learned, WholePoints) else None


def value(figure: Statistic | None, otherwise: float) -> float:
    """Of a figure that there may not be."""
    return otherwise if figure is None or not np.isfinite(figure.value) else figure.value


def expected(difference: Statistic) -> float:
    """Expected difference, shrunk for its own noise (James-Stein, positive part)."""
    found, error = difference.value, difference.error
    if not np.isfinite(found) or found == 0.0:
        return 0.0
    return float(found * max(0.0, 1.0 - (error / found) ** 2))


def choose_champion(facts: Facts, recommended: str | None) -> str:
    """One contender: the recommended card, else the least held-out loss, else the baseline."""
    if recommended is not None:
        return recommended
    able = [each.id for each in facts.study.contenders if each.kind != "comparison"]
    figures = {name: facts.measures[name].log_loss for name in able}
    loss = {name: each for name, each in figures.items() if each is not None and np.isfinite(each.value)}
    for name, found in sorted(loss.items(), key=lambda each: each[1].value):
        if name == "prior" or expected(loss["prior"] - found) > 0:
            return name
    return facts.study.baseline or "prior"


def recommend(
    facts: Facts, drafts: Mapping[str, Draft], policies: Sequence[PolicyResult], chosen: str | None, doubt: str
) -> Recommended:
    """The learned card, always; the documented rule stays in use unless the verdict on it is `change`.

    doubt : which of its columns may say how a deal went; then the rule stays in use whatever the verdict.
    """
    study = facts.study
    if chosen is None:
        return Recommended(
            contender=None,
            card=None,
            framework=None,
            because="No framework has two mapped criteria that vary, so that no card can be learned.",
            in_use=study.baseline or "prior",
        )
    baseline = next((each for each in policies if each.id == study.baseline), None)
    contender, cutoff = study.contender(chosen), drafts[chosen].cutoff
    stays = baseline is not None and (baseline.verdict != "change" or bool(doubt))
    rounding = None
    if (whole := learned_of(facts, chosen)) is not None:
        lost = whole.loss_against_real
        won = value(facts.measures["prior"].log_loss, np.nan) - value(facts.measures[chosen].log_loss, np.nan)
        rounding = min(1.0, lost / (lost + won)) if won > 0 else None
    return Recommended(
        contender=chosen,
        card=f"{chosen}.json",
        framework=contender.framework,
        because=say_why(contender.title, baseline),
        doubt=doubt,
        in_use=str(study.baseline) if stays else chosen,
        cutoff=None if cutoff is None else Figure(value=cutoff.value, low=cutoff.low, high=cutoff.high),
        cutoff_basis="workload" if cutoff is None else cutoff.basis,
        rounding_loss=rounding,
    )


def say_why(title: str, rule: PolicyResult | None) -> str:
    """Why this card, beside the verdict on the baseline."""
    if rule is None:
        return f"{title} is the card for whoever wants points and chances; no documented rule could be judged."
    if rule.verdict == "keep":
        return f"Keep {rule.id}. {rule.because} {title} says the same with points and chances."
    if rule.verdict != "change":
        return f"{rule.id}: {rule.verdict}. {rule.because} {title} adds points and chances."
    if rule.verdict_weights == "change":
        return f"{title} wins more than {rule.id} with as many leads followed up. {rule.because}"
    return f"{title} follows up from a cut-off that is worth more than that of {rule.id}. {rule.because}"
