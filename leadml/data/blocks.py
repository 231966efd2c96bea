"""Which deals train and which are held out: rolling blocks in time with an embargo, or k folds by unit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leadml.data.deals import NO_DAY, Leads
from leadml.exceptions import TooFewDealsError
from leadml.levels import Flags, Ints, Ints32

DATED = 0.95
"""Dates are used when at least this share of the won and of the lost deals have one."""


class Block(NamedTuple):
    """One fit and what it is held out on."""

    train: Ints32  # positions of deals, ascending
    test: Ints32
    number: int = 0
    repeat: int = 0
    start: int | None = None  # first day (or row, from 0); None in folds
    n_embargoed: int = 0  # came in before the block and closed only after it began: they do not train


class Times(NamedTuple):
    """When deals came in and when their outcome was known: days, or rows."""

    known: Ints
    came_in: Ints


def times_of(leads: Leads) -> Times | None:
    """Find the times of closed deals: dates where nearly all of the won and of the lost have one, else the order."""

    def dated(days: Ints32 | None) -> Ints | None:
        if days is None or leads.outcome is None:
            return None
        known = [days[leads.outcome == end] != NO_DAY for end in (0, 1)]
        return days.astype(np.int64) if all(len(each) and each.mean() >= DATED for each in known) else None

    closed, created = dated(leads.closed), dated(leads.created)
    if closed is not None:
        return Times(closed, closed if created is None else np.where(created == NO_DAY, closed, created))
    if created is None and leads.in_time_order:
        created = np.arange(len(leads)) if leads.row is None else leads.row.astype(np.int64)
    return None if created is None else Times(created, created)


def rolling_blocks(
    known: Ints,
    came_in: Ints | None = None,
    unit: Ints32 | None = None,
    *,
    first: int = 100,
    growth: float = 1.25,
    embargo: bool = True,
) -> list[Block]:
    """Make blocks by rolling origin, whose edges never move when more deals close.

    A block begins after the day on which the 100th, 125th, 156th ... deal closed (`known`, (n,); whole days, since the
    deals of a day have no order). A deal is held out in the block in which it came in (`came_in`, (n,)), when it is
    predicted, and learned from in the blocks that begin after it closed; without a closing date (`NO_DAY`) it does
    not train. `embargo=False` trains on all that came in before the block. A unit never straddles: its training rows
    are dropped where it is held out.
    """
    came_in = known if came_in is None else came_in
    closings, position, edges = np.sort(known[known != NO_DAY]), float(first), dict[int, None]()
    while position < len(closings):
        edges[int(closings[int(position) - 1])] = None
        position *= growth
    ends = [*[*edges][1:], max(int(came_in.max(initial=0)), max(edges, default=0) + 1)][: len(edges)]
    blocks: list[Block] = []
    for edge, end in zip(edges, ends, strict=True):
        before = came_in <= edge
        test = _rows(~before & (came_in <= end))
        train = before & (known <= edge) & (known != NO_DAY) if embargo else before
        kept = train if unit is None else train & ~np.isin(unit, unit[test])
        if len(test):
            n_embargoed = int(before.sum()) - int(train.sum())
            blocks.append(Block(_rows(kept), test, len(blocks), 0, edge + 1, n_embargoed))
    return blocks


def k_folds(
    unit: Ints32 | None, outcome: npt.NDArray[np.int8], *, n_folds: int = 5, repeats: int = 2, random_state: int = 0
) -> list[Block]:
    """Hold out each unit once a repeat; folds are alike in size and win rate; repeat after repeat."""
    of = np.arange(len(outcome)) if unit is None else np.unique(unit, return_inverse=True)[1]
    size, won = np.bincount(of), np.bincount(of, outcome == 1)
    n_folds = min(n_folds, len(size))
    lap, turn = np.divmod(np.arange(len(size)), n_folds)
    snake = np.where(lap % 2 == 0, turn, n_folds - 1 - turn)
    blocks: list[Block] = []
    for repeat in range(repeats):
        rng = np.random.default_rng([random_state, repeat])
        # Large units first, then alike win rates side by side: dealt to and fro, the folds come out alike.
        ranked = np.lexsort((rng.random(len(size)), won / size, -size))
        fold = rng.permutation(n_folds)[snake][np.argsort(ranked)][of]
        for end, kind in enumerate(("lost", "won")):
            if len(np.unique(fold[outcome == end])) < 2:
                raise TooFewDealsError(
                    f"all {kind} deals are in the same few of {len(size)} units: held out together they leave none to"
                    f" learn from; valid: {kind} deals in several units; look at group and duplicates in the mapping"
                )
        blocks += [Block(_rows(fold != f), _rows(fold == f), len(blocks) + f, repeat) for f in range(n_folds)]
    return blocks


def _rows(mask: Flags) -> Ints32:
    return np.flatnonzero(mask).astype(np.int32)
