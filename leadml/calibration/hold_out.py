"""The log of held-out decisions: before each block all contenders learn anew from earlier deals, then predict it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from leadml.calibration.contenders import Fitted
from leadml.calibration.deals import weight_of, won_of
from leadml.calibration.study import Study
from leadml.data.deals import Leads
from leadml.evaluation.log import Entries, Log
from leadml.evaluation.metrics import highest, log_losses
from leadml.exceptions import LeadmlError, UsageError
from leadml.levels import UNKNOWN, Floats, Ints

MOST_SHUFFLED = 500
"""Deals of a block of which importance is told."""
Progress = Callable[[str, int, int], None]


class Lost(NamedTuple):
    """What is lost without each column, of n held-out deals; NaN: not asked.

    loss : (n, columns) log loss added where it is drawn from another deal (permutation importance). followed : (n,) at
    the baseline's workload; moved : (n, columns) those less the ones where it is blank for all.
    """

    loss: Floats
    followed: Floats
    moved: Floats


def hold_out(study: Study, progress: Progress | None = None) -> tuple[Log, dict[str, Lost]]:
    """Before each block learn everything anew from earlier deals, then predict it: the log, decided by one code."""
    deals, blocks, seed = study.compared, study.blocks, study.settings.random_state
    said: dict[str, list[Sequence[Floats]]] = {name: [] for name in study.contenders}
    lost: dict[str, list[Lost]] = {n: [] for n, each in study.contenders.items() if each.kind in ("context", "wide")}
    for at, held in enumerate(blocks):
        if progress is not None:
            progress("comparing", at, len(blocks))
        train, test, workload = deals.take(held.train), deals.take(held.test), 0.5
        worth = study.consequences.worth_in(train)
        for name, contender in study.contenders.items():
            try:
                fitted = contender.fit(train, study.timing)
                told = fitted.predict(test)
            except Exception as error:
                if contender.kind != "custom" or isinstance(error, LeadmlError):
                    raise
                raise UsageError(f"contenders: {name!r} failed on {len(train)} deals: {error}") from error
            decision = study.consequences.decide(told, test, worth, workload)
            if name == study.baseline:
                workload = float(np.average(decision, weights=weight_of(test)))
            said[name].append((told.score, told.probability, decision))
            if name in lost:
                lost[name].append(lose_columns(fitted, told, test, workload, seed))
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
        entries={name: Entries(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in said.items()},
    )
    return log, {name: Lost(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in lost.items()}


def columns_of(leads: Leads) -> tuple[str, ...]:
    """Criteria and context columns, by which importance is told."""
    return (*leads.criteria, *(name for name in leads.context if name not in leads.criteria))


def lose_columns(fitted: Fitted, said: Entries, test: Leads, workload: float, random_state: int) -> Lost:
    """See what is lost without each column: in loss, drawn from another deal of the block; in wins, blank for all.

    A blank column ranks nobody: of a card that adds up the ranking is that of its other rows.
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


def copies_without(part: Leads, names: Sequence[str], shuffled: Ints | None) -> Leads:
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
