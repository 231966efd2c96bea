"""Blocks in time whose edges never move, and folds by unit."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadml import Leads
from leadml.data.blocks import k_folds, rolling_blocks, times_of
from leadml.data.deals import NO_DAY
from leadml.exceptions import TooFewDealsError


def test_edges_stand_at_fixed_positions():
    blocks = rolling_blocks(np.arange(300))
    assert [len(block.train) for block in blocks] == [100, 125, 156, 195, 244]
    assert np.concatenate([block.test for block in blocks]).tolist() == list(range(100, 300))
    assert [block.start for block in blocks] == [100, 125, 156, 195, 244]
    assert rolling_blocks(np.arange(100)) == []
    assert rolling_blocks(np.full(500, 7)) == []  # nothing comes after the only day
    assert [len(b.train) for b in rolling_blocks(np.arange(40), first=10, growth=2)] == [10, 20]


def deals(seed, n=600):
    rng = np.random.default_rng(seed)
    came_in = np.sort(rng.integers(0, 400, n))
    closed = came_in + rng.exponential(40, n).astype(int)
    closed[rng.random(n) < 0.02] = NO_DAY
    return closed, came_in, rng.integers(0, 200, n).astype(np.int32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 50))
def test_nobody_learns_from_the_future_nor_from_his_own_unit(seed):
    closed, came_in, unit = deals(seed)
    blocks = rolling_blocks(closed, came_in, unit)
    for block in blocks:
        assert (closed[block.train] < block.start).all()
        assert (closed[block.train] != NO_DAY).all()
        assert (came_in[block.test] >= block.start).all()
        assert not set(unit[block.train]) & set(unit[block.test])
        straddling = np.isin(unit, unit[block.test]) & (closed < block.start) & (closed != NO_DAY)
        before = came_in < block.start
        assert len(block.train) + (before & straddling).sum() + block.n_embargoed == before.sum()
    assert all(one.start <= came_in[one.test].max() < other.start for one, other in itertools.pairwise(blocks))
    held = np.concatenate([block.test for block in blocks])
    assert len(set(held)) == len(held)
    open_embargo = rolling_blocks(closed, came_in, embargo=False)
    assert all((came_in[b.train] < b.start).all() and b.n_embargoed == 0 for b in open_embargo)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.integers(150, 420))
def test_a_growing_file_only_appends(seed, today):
    closed, came_in, _ = deals(seed)
    known = np.flatnonzero((closed != NO_DAY) & (closed <= today))
    early = rolling_blocks(closed[known], came_in[known])
    late = rolling_blocks(closed, came_in)
    for one, other in zip(early, [block for block in late if len(block.test)], strict=False):
        assert one.start == other.start
        assert known[one.train].tolist() == other.train.tolist()
        assert set(known[one.test]) <= set(other.test.tolist()) or one is early[-1]


def test_times_follow_from_dates_where_nearly_all_have_one():
    base = {"levels": np.ones((40, 1)), "outcome": np.arange(40) % 2, "criteria": ["need"]}
    days = np.arange(40)
    made = Leads.from_arrays(**base, created_at=days, closed_at=days + 5)
    times = times_of(made)
    assert ((times.known == days + 5) & (times.came_in == days)).all()
    assert (times_of(Leads.from_arrays(**base, closed_at=days)).came_in == days).all()
    some = np.where(np.arange(40) % 2, days + 5, NO_DAY)  # closing dates for won deals only
    assert (times_of(Leads.from_arrays(**base, created_at=days, closed_at=some)).known == days).all()
    assert times_of(Leads.from_arrays(**base, closed_at=some)) is None
    assert times_of(Leads.from_arrays(**base, in_time_order=True)).known[0] == 2
    assert times_of(Leads.from_arrays(base["levels"], criteria=["need"], closed_at=days)) is None


def test_folds_hold_out_every_unit_once_a_repeat_and_are_alike():
    rng = np.random.default_rng(0)
    unit, outcome = rng.integers(0, 60, 300).astype(np.int32), (rng.random(300) < 0.3).astype(np.int8)
    blocks = k_folds(unit, outcome)
    assert len(blocks) == 10
    for repeat in (blocks[:5], blocks[5:]):
        assert sorted(np.concatenate([block.test for block in repeat])) == list(range(300))
        assert all(not set(unit[b.train]) & set(unit[b.test]) for b in repeat)
        assert all(abs(outcome[b.test].mean() - 0.3) < 0.12 for b in repeat)
    again = k_folds(unit, outcome)
    assert all((a.test == b.test).all() for a, b in zip(blocks, again, strict=True))
    assert len(k_folds(None, np.array([0, 1, 0, 1], np.int8), repeats=1)) == 4


def test_folds_that_leave_nothing_to_learn_from_are_refused():
    with pytest.raises(TooFewDealsError, match="all lost deals are in the same few of 1 units"):
        k_folds(np.zeros(4, np.int32), np.array([0, 1, 0, 1], np.int8))
    with pytest.raises(TooFewDealsError, match="all won deals are in the same few of 3 units"):
        k_folds(np.array([0, 1, 2, 2], np.int32), np.array([1, 0, 0, 0], np.int8))
