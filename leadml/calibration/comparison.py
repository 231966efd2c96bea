"""The comparison: before each block all contenders learn anew from earlier deals, then predict it into the log."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.calibration.consequences import highest
from leadml.calibration.contenders import Fitted, Said
from leadml.calibration.study import Study
from leadml.calibration.views import weight_of
from leadml.data.deals import Leads
from leadml.evaluation.log import Entries, Floats, Log
from leadml.evaluation.metrics import log_losses
from leadml.exceptions import LeadmlError, UsageError

MOST_SHUFFLED = 500
"""Deals of a block of which importance is told."""
Progress = Callable[[str, int, int], None]


@contextmanager
def few_threads(n_jobs: int | None) -> Iterator[None]:
    """One thread unless more are asked for: counts of patterns are small, and threads wait for each other longer."""
    import sklearn.utils  # noqa: F401  (pools are limited that are loaded by then)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(n_jobs or 1):
        yield


@dataclasses.dataclass(frozen=True, eq=False)
class Held:
    """One block: what is learned from, and what is predicted (positions among the deals compared)."""

    train: npt.NDArray[np.integer]
    test: npt.NDArray[np.integer]
    block: int
    repeat: int = 0
    n_embargoed: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Lost:
    """What is lost where a column is drawn from another deal (permutation importance), of n held-out deals.

    loss : (n, columns) log loss added. followed : (n,) follow-ups at the baseline's workload, and moved : (n, columns)
    those less the follow-ups without the column. NaN: not asked.
    """

    loss: Floats
    followed: Floats
    moved: Floats


def hold_out(study: Study, blocks: Sequence[Held], progress: Progress | None = None) -> tuple[Log, dict[str, Lost]]:
    """Before each block learn everything anew from earlier deals, then predict it: the log."""
    deals = study.compared
    said: dict[str, list[Entries]] = {each.id: [] for each in study.contenders}
    lost: dict[str, list[Lost]] = {}
    with few_threads(study.n_jobs), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user's classifier may warn once a block
        for at, held in enumerate(blocks):
            if progress is not None:
                progress("comparing", at, len(blocks))
            train, test = deals.take(held.train), deals.take(held.test)
            entries, losses = predict_block(study, train, test)
            for name, each in entries.items():
                said[name].append(each)
            for name, more in losses.items():
                lost.setdefault(name, []).append(more)
    rows = np.concatenate([held.test for held in blocks])
    unit = np.arange(len(deals)) if deals.unit is None else deals.unit
    fields = ("score", "probability", "decision")
    entries = {
        name: Entries(*(np.concatenate([getattr(each, field) for each in parts]) for field in fields))
        for name, parts in said.items()
    }
    picked = deals.take(rows)
    log = Log(
        row=rows,
        block=np.concatenate([np.full(len(h.test), h.block, dtype=np.int32) for h in blocks]),
        repeat=np.concatenate([np.full(len(h.test), h.repeat, dtype=np.int32) for h in blocks]),
        outcome=np.asarray(picked.outcome),
        unit=np.unique(unit[rows], return_inverse=True)[1].astype(np.int64),
        weight=weight_of(picked),
        closed=picked.closed,
        followed_up=picked.followed_up,
        propensity=picked.propensity,
        lead_id=lead_ids(picked),
        entries=entries,
    )
    joined = {
        name: Lost(
            *(np.concatenate([getattr(each, field.name) for each in parts]) for field in dataclasses.fields(Lost))
        )
        for name, parts in lost.items()
    }
    return log, joined


def predict_block(study: Study, train: Leads, test: Leads) -> tuple[dict[str, Entries], dict[str, Lost]]:
    """What each contender, having learned from `train`, says of `test`; decided by one code for all."""
    costs = study.consequences.learned_from(train)
    weight = weight_of(test)
    out: dict[str, Entries] = {}
    lost: dict[str, Lost] = {}
    workload = 0.5
    for contender in study.contenders:
        try:
            fitted = contender.fit(train)
            said = fitted.predict(test)
        except LeadmlError:
            raise
        except Exception as error:
            if contender.kind != "custom":
                raise
            raise UsageError(f"contenders: {contender.id!r} failed on {len(train)} deals: {error}") from error
        decision = said.decision
        if decision is None:
            decision = costs.decide(said.score, said.probability, test, workload)
            if said.refused is not None:
                decision = np.where(said.refused, 0.0, decision)
        if contender.id == study.baseline:
            workload = float(np.average(decision, weights=weight))
        out[contender.id] = Entries(said.score, said.probability, decision)
        if contender.kind in ("context", "wide"):
            lost[contender.id] = lose_columns(fitted, said, test, workload, study.settings.random_state)
    return out, lost


def columns_of(leads: Leads) -> tuple[str, ...]:
    """Criteria and context columns, by which importance is told."""
    return (*leads.criteria, *(name for name in leads.context if name not in leads.criteria))


def lose_columns(fitted: Fitted, said: Said, test: Leads, workload: float, random_state: int) -> Lost:
    """Draw each column from another deal of the block, and see what is lost.

    Of a large block some deals are asked. One call predicts every column's copy of them.
    """
    rng = np.random.default_rng([random_state, len(test)])
    n_all, names = len(test), columns_of(test)
    asked = np.sort(rng.permutation(n_all)[:MOST_SHUFFLED])
    part = test.take(asked)
    own, shuffled = np.arange(len(asked)), rng.permutation(len(asked))
    copies = part.take(np.tile(own, len(names)))

    def rows(at: int) -> npt.NDArray[np.int64]:
        out = np.tile(own, len(names))
        out[at * len(own) : (at + 1) * len(own)] = shuffled
        return out

    codes, raw = copies.codes.copy(order="F"), dict(copies.raw)
    mapped = {} if test.mapping is None else test.mapping.criteria
    for at, name in enumerate(part.criteria):
        codes[:, at] = part.codes[rows(at), at]
        if name in mapped and (column := mapped[name].column) in raw:  # a wide card reads it as an attribute
            raw[column] = part.raw[column].take(rows(at))
    context = dict(copies.context)
    for at, name in enumerate(names[len(part.criteria) :], len(part.criteria)):
        context[name] = part.context[name].take(rows(at))
    other = fitted.predict(dataclasses.replace(copies, codes=codes, context=context, raw=raw))
    won, weight = np.asarray(part.outcome == 1, dtype=np.float64), weight_of(part)
    without = log_losses(np.tile(won, len(names)), other.probability).reshape(len(names), -1).T
    loss = without - log_losses(won, said.probability[asked])[:, None]
    followed = highest(said.score[asked], workload, weight)
    scores = other.score.reshape(len(names), -1)
    moved = followed[:, None] - np.array([highest(each, workload, weight) for each in scores]).reshape(scores.shape).T
    out = Lost(np.full((n_all, len(names)), np.nan), np.full(n_all, np.nan), np.full((n_all, len(names)), np.nan))
    out.loss[asked], out.followed[asked], out.moved[asked] = loss, followed, moved
    return out


def lead_ids(leads: Leads) -> Any:
    """Identity of each lead as Arrow text: its own, or its number in the file."""
    import pyarrow as pa

    if leads.lead_id is not None:
        return leads.lead_id
    row = np.arange(len(leads)) if leads.row is None else leads.row - 1
    return pa.array([str(each) for each in row])
