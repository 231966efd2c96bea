"""The log of held-out decisions: before each block all contenders learn anew from earlier deals, then predict it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.calibration.contenders import Fitted, Said
from leadml.calibration.deals import weight_of, won_of
from leadml.calibration.study import Study
from leadml.data.deals import Leads
from leadml.evaluation.log import Entries, Floats, Log
from leadml.evaluation.metrics import highest, log_losses
from leadml.exceptions import LeadmlError, UsageError
from leadml.levels import UNKNOWN

MOST_SHUFFLED = 500
"""Deals of a block of which importance is told."""
Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Lost:
    """What is lost without each column, of n held-out deals.

    loss : (n, columns) log loss added where it is drawn from another deal (permutation importance). followed : (n,)
    follow-ups at the baseline's workload, and moved : (n, columns) those less the ones where it is blank for all. NaN:
    not asked.
    """

    loss: Floats
    followed: Floats
    moved: Floats


Columns = TypeVar("Columns", Entries, Lost)


def hold_out(study: Study, progress: Progress | None = None) -> tuple[Log, dict[str, Lost]]:
    """Before each block learn everything anew from earlier deals, then predict it: the log."""
    deals, blocks = study.compared, study.blocks
    said: dict[str, list[Entries]] = {}
    lost: dict[str, list[Lost]] = {}
    for at, held in enumerate(blocks):
        if progress is not None:
            progress("comparing", at, len(blocks))
        for name, entries, without in predict_block(study, deals.take(held.train), deals.take(held.test)):
            said.setdefault(name, []).append(entries)
            if without is not None:
                lost.setdefault(name, []).append(without)
    rows = np.concatenate([held.test for held in blocks])
    size, picked = [len(held.test) for held in blocks], deals.take(rows)
    log = Log(
        row=rows,
        block=np.repeat(np.array([held.number for held in blocks], np.int32), size),
        repeat=np.repeat(np.array([held.repeat for held in blocks], np.int32), size),
        outcome=np.asarray(picked.outcome),
        unit=np.unique(rows if picked.unit is None else picked.unit, return_inverse=True)[1].astype(np.int64),
        weight=weight_of(picked),
        closed=picked.closed,
        followed_up=picked.followed_up,
        propensity=picked.propensity,
        lead_id=pa.array(picked.ids()) if picked.lead_id is None else picked.lead_id,
        entries={name: _joined(parts) for name, parts in said.items()},
    )
    return log, {name: _joined(parts) for name, parts in lost.items()}


def _joined(parts: list[Columns]) -> Columns:
    """Columns of all blocks below one another."""
    kind = type(parts[0])
    return kind(*map(np.concatenate, zip(*(vars(each).values() for each in parts), strict=True)))


def predict_block(study: Study, train: Leads, test: Leads) -> Iterator[tuple[str, Entries, Lost | None]]:
    """What each contender, having learned from `train`, says of `test`; decided by one code for all."""
    costs, workload = study.consequences.learned_from(train), 0.5
    for contender in study.contenders.values():
        try:
            fitted = contender.fit(train)
            said = fitted.predict(test)
        except Exception as error:
            if contender.kind != "custom" or isinstance(error, LeadmlError):
                raise
            raise UsageError(f"contenders: {contender.id!r} failed on {len(train)} deals: {error}") from error
        decision = said.decision
        if decision is None:
            decision = costs.decide(said.score, said.probability, test, workload)
            decision = decision if said.refused is None else np.where(said.refused, 0.0, decision)
        if contender.id == study.baseline:
            workload = float(np.average(decision, weights=weight_of(test)))
        asked = contender.kind in ("context", "wide")
        lost = lose_columns(fitted, said, test, workload, study.settings.random_state) if asked else None
        yield contender.id, Entries(said.score, said.probability, decision), lost


def columns_of(leads: Leads) -> tuple[str, ...]:
    """Criteria and context columns, by which importance is told."""
    return (*leads.criteria, *(name for name in leads.context if name not in leads.criteria))


def lose_columns(fitted: Fitted, said: Said, test: Leads, workload: float, random_state: int) -> Lost:
    """See what is lost without each column: in loss, drawn from another deal of the block; in wins, blank for all.

    A blank column ranks nobody: of a card that adds up the ranking is that of its other rows. Of a large block some
    deals are asked. One call predicts every column's copy of them.
    """
    rng = np.random.default_rng([random_state, len(test)])
    names, asked = columns_of(test), np.sort(rng.permutation(len(test))[:MOST_SHUFFLED])
    part, n, k = test.take(asked), len(asked), len(columns_of(test))
    shuffled, won, weight = rng.permutation(n), won_of(part), weight_of(part)
    drawn = fitted.predict(copies_without(part, names, shuffled)).probability
    blank = fitted.predict(copies_without(part, names, None)).score.reshape(k, n)
    followed = highest(said.score[asked], workload, weight)
    out = Lost(np.full((len(test), k), np.nan), np.full(len(test), np.nan), np.full((len(test), k), np.nan))
    out.loss[asked] = (log_losses(np.tile(won, k), drawn).reshape(k, n) - log_losses(won, said.probability[asked])).T
    out.followed[asked] = followed
    out.moved[asked] = (followed - np.array([highest(each, workload, weight) for each in blank]).reshape(k, n)).T
    return out


def copies_without(part: Leads, names: Sequence[str], shuffled: npt.NDArray[np.int64] | None) -> Leads:
    """A copy of some deals for each column, in which it is that of the `shuffled` deals, or blank (None)."""
    n, own = len(part), np.tile(np.arange(len(part)), len(names))
    copies, mapped = part.take(own), {} if part.mapping is None else part.mapping.criteria
    codes, raw, context = copies.codes.copy(order="F"), dict(copies.raw), dict(copies.context)
    for at, name in enumerate(names):
        rows, here = own.copy(), slice(at * n, (at + 1) * n)
        rows[here] = 0 if shuffled is None else shuffled
        away = np.zeros(len(rows), dtype=bool)
        away[here] = shuffled is None
        if at >= len(part.criteria):
            context[name] = part.context[name].take(pa.array(rows, mask=away))
            continue
        codes[:, at] = np.where(away, UNKNOWN, part.codes[rows, at])
        if name in mapped and (column := mapped[name].column) in raw:  # a wide card reads it as an attribute
            raw[column] = part.raw[column].take(pa.array(rows, mask=away))
    return dataclasses.replace(copies, codes=codes, context=context, raw=raw)
