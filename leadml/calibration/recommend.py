"""Which card to use: the learned one, always; between frameworks and widths the simpler within the smallest
gain."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np

from leadml.calibration.contenders import Contender
from leadml.calibration.study import Study
from leadml.evaluation.bootstrap import Statistic
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, Measures, captured

SURE_BY = 2.0
"""Standard errors by which a less simple card must predict better: the best of many looks too good."""


def candidates(study: Study, cards: Container[str]) -> list[Contender]:
    """Cards that can be recommended, the simplest first: the baseline's framework, fewer criteria, then wide
    ones."""
    own = study.rules[study.baseline].framework if study.baseline is not None else None

    def rank(each: Contender) -> tuple[bool, bool, int]:
        view = study.view_of(each.framework)
        return (each.kind == "wide", each.framework != own, 99 if view is None else len(view.mapped))

    found = [
        c for c in study.contenders if c.id in cards and (getattr(c, "whole", False) or c.kind == "wide")
    ]
    return sorted(found, key=rank)


def choose_card(
    study: Study, log: Log, held: HeldOut, measures: Mapping[str, Measures], drafts: Container[str]
) -> str | None:
    """The simplest card, unless another is expected to lose less and to win more than the smallest gain."""
    cards = candidates(study, drafts)
    if not cards:
        return None
    chosen = cards[0].id
    workload = workload_of(study, log)
    for other in cards[1:]:
        if worth_it(held, log, measures, chosen, other.id, workload, study.settings.smallest_gain):
            chosen = other.id
    return chosen


def workload_of(study: Study, log: Log) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The decision whose workload cards are compared at: the baseline's where it decides, else half of
    all."""
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
    workload: np.ndarray[tuple[int], np.dtype[np.float64]],
    smallest_gain: float,
) -> bool:
    """Whether a less simple card is expected to predict better and to win more than the smallest gain."""
    one, two = measures[simple].log_loss, measures[other].log_loss
    if one is None or two is None or (one - two).value <= SURE_BY * (one - two).error:
        return False
    gain = captured(held, log.entries[other].score, workload) - captured(
        held, log.entries[simple].score, workload
    )
    return expected(gain) > smallest_gain


def expected(difference: Statistic) -> float:
    """Expected difference, shrunk for its own noise (James, Stein, positive part): the best of many looks
    too good."""
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
        if (m := measures[each.id].log_loss) is not None and np.isfinite(m.value)
    }
    prior = measures["prior"].log_loss
    for name in sorted(loss, key=loss.__getitem__):
        found = measures[name].log_loss
        if name == "prior" or (found is not None and prior is not None and expected(prior - found) > 0):
            return name
    return study.baseline or "prior"
