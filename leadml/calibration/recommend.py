"""Which card to use: the learned one, always; among frameworks and widths the simpler within the smallest gain."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from leadml.calibration.cards import Draft
from leadml.calibration.contenders import Contender, FittedCard
from leadml.calibration.study import Study
from leadml.calibration.views import Floats
from leadml.evaluation.bootstrap import Statistic
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, Measures, captured
from leadml.result import Figure, PolicyResult, Recommended

SURE_BY = 2.0
"""Standard errors by which a less simple card must predict better: the best of many looks too good."""


def candidates(study: Study, measures: Mapping[str, Measures], cards: Container[str]) -> list[Contender]:
    """Cards to choose from, the simplest first: the baseline's framework, fewer criteria, then the better wide one."""
    own = study.rules[study.baseline].framework if study.baseline is not None else None

    def rank(each: Contender) -> tuple[bool, bool, int]:
        view = study.view_of(each.framework)
        return (each.kind == "wide", each.framework != own, 99 if view is None else len(view.mapped))

    def loss(each: Contender) -> float:
        found = measures[each.id].log_loss
        return np.inf if found is None else found.value

    found = [c for c in study.contenders if c.id in cards and getattr(c, "whole", False)]
    wide = [c for c in study.contenders if c.id in cards and c.kind == "wide"]  # of equal size, so that no bar is set
    return sorted([*found, *sorted(wide, key=loss)[:1]], key=rank)


def choose_card(
    study: Study, log: Log, held: HeldOut, measures: Mapping[str, Measures], drafts: Container[str]
) -> str | None:
    """The simplest card, unless another is expected to lose less and to win more than the smallest gain."""
    cards = candidates(study, measures, drafts)
    if not cards:
        return None
    chosen = cards[0].id
    workload = workload_of(study, log)
    for other in cards[1:]:
        if worth_it(held, log, measures, chosen, other.id, workload, study.settings.smallest_gain):
            chosen = other.id
    return chosen


def workload_of(study: Study, log: Log) -> Floats:
    """The decision whose workload cards are compared at: the baseline's where it decides, else half."""
    if study.baseline is not None:
        decision = np.nan_to_num(log.entries[study.baseline].decision)
        if 0.0 < decision.mean() < 1.0:
            return np.asarray(decision)
    return np.full(len(log), 0.5)


def worth_it(
    held: HeldOut,
    log: Log,
    measures: Mapping[str, Measures],
    simple: str,
    other: str,
    workload: Floats,
    smallest_gain: float,
) -> bool:
    """Whether a less simple card is expected to predict better and to win more than the smallest gain."""
    one, two = measures[simple].log_loss, measures[other].log_loss
    if one is None or two is None or (one - two).value <= SURE_BY * (one - two).error:
        return False
    won, more = (captured(held, log.entries[name].score, workload) for name in (simple, other))
    return expected(more - won) > smallest_gain


def expected(difference: Statistic) -> float:
    """Expected difference, shrunk for its own noise (James-Stein, positive part)."""
    value, error = difference.value, difference.error
    if not np.isfinite(value) or value == 0.0:
        return 0.0
    return float(value * max(0.0, 1.0 - (error / value) ** 2))


def choose_champion(
    study: Study, recommended: str | None, measures: Mapping[str, Measures], contenders: Sequence[Contender]
) -> str:
    """One contender: the recommended card, else the least held-out loss, else the baseline."""
    if recommended is not None:
        return recommended
    loss = {
        each.id: m.value
        for each in contenders
        if each.kind != "comparison" and (m := measures[each.id].log_loss) is not None and np.isfinite(m.value)
    }
    prior = measures["prior"].log_loss
    for name in sorted(loss, key=loss.__getitem__):
        found = measures[name].log_loss
        if name == "prior" or (found is not None and prior is not None and expected(prior - found) > 0):
            return name
    return study.baseline or "prior"


def recommend(
    study: Study,
    drafts: Mapping[str, Draft],
    policies: Sequence[PolicyResult],
    chosen: str | None,
    measures: Mapping[str, Measures],
    fitted: Mapping[str, Any],
) -> Recommended:
    """The learned card, always; the documented rule stays in use unless the verdict on it is `change`."""
    if chosen is None:
        return Recommended(
            contender=None,
            card=None,
            framework=None,
            because="No framework has two mapped criteria that vary, so that no card can be learned.",
            in_use=study.baseline or "prior",
        )
    baseline = next((each for each in policies if each.id == study.baseline), None)
    contender, draft, own = study.contender(chosen), drafts[chosen], fitted[chosen]
    stays = baseline is not None and baseline.verdict != "change"
    lost = own.whole.loss_against_real if isinstance(own, FittedCard) else None
    prior, loss = measures["prior"].log_loss, measures[chosen].log_loss
    won = None if prior is None or loss is None else prior.value - loss.value
    return Recommended(
        contender=chosen,
        card=f"{chosen}.json",
        framework=contender.framework,
        because=say_why(contender.title, baseline),
        in_use=str(study.baseline) if stays else chosen,
        cutoff=None if draft.cutoff is None else Figure(**draft.cutoff.model_dump(include={"value", "low", "high"})),
        cutoff_basis="workload" if draft.cutoff is None else draft.cutoff.basis,
        rounding_loss=None if lost is None or not won or won <= 0 else min(1.0, lost / (lost + won)),
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
