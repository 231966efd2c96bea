"""The table of patterns holds all that the rows hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadml.leads.patterns import make_patterns


def draw(seed, n, k, n_keys):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 6, (n, k))
    levels = np.where(codes == 5, np.nan, codes)
    return levels, rng.integers(0, 2, n).astype(float), rng.integers(0, n_keys, n)


def test_a_table_by_hand():
    levels = np.array([[1, np.nan], [4, 0], [1, np.nan], [1, np.nan]])
    table = make_patterns(levels, np.array([1.0, 0, 0, 1]), np.array([0, 1, 1, 0]))
    # Two patterns: (1, unknown) with deals of keys 0, 1, 0, and (4, 0) with one of key 1.
    assert (table.n_patterns, table.n_keys) == (2, 2)
    np.testing.assert_array_equal(table.levels[table.of_deal], levels)
    cells = {
        (*np.nan_to_num(table.levels[p], nan=5), k): (w, lost)
        for p, k, w, lost in zip(table.pattern, table.key, table.won, table.lost, strict=True)
    }
    assert cells == {(1, 5, 0): (2, 0), (1, 5, 1): (0, 1), (4, 0, 1): (0, 1)}


@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 5), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost(seed, n, k, n_keys):
    levels, outcome, key = draw(seed, n, k, n_keys)
    table = make_patterns(levels, outcome, key, n_keys)
    np.testing.assert_array_equal(table.levels[table.of_deal], levels)
    distinct = {tuple(row) for row in np.nan_to_num(levels, nan=5)}
    assert table.n_patterns == len(distinct)
    won, total = table.counts()
    assert won.sum() == outcome.sum()
    assert total.sum() == n
    for p in range(table.n_patterns):
        assert total[p] == (table.of_deal == p).sum()
        assert won[p] == outcome[table.of_deal == p].sum()


@given(st.integers(0, 10**6), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_weighting_keys_is_repeating_their_deals(seed, n):
    levels, outcome, key = draw(seed, n, 2, 6)
    table = make_patterns(levels, outcome, key, 6)
    weights = np.random.default_rng(seed).integers(0, 4, (3, 6))
    won, total = table.weigh(weights)
    for row in range(3):
        repeated = weights[row][key]
        expected = np.bincount(table.of_deal, repeated * outcome, minlength=table.n_patterns)
        np.testing.assert_array_equal(won[row], expected)
        expected = np.bincount(table.of_deal, repeated, minlength=table.n_patterns)
        np.testing.assert_array_equal(total[row], expected)


def test_all_keys_once_are_the_counts():
    levels, outcome, key = draw(0, 300, 3, 40)
    table = make_patterns(levels, outcome, key, 40)
    for weighed, counted in zip(table.weigh(np.ones((1, 40))), table.counts(), strict=True):
        np.testing.assert_array_equal(weighed[0], counted)


@pytest.mark.parametrize("k", [1, 5, 13])
def test_patterns_of_up_to_13_criteria_are_told_apart(k):
    levels = np.tile(np.array([[4.0], [np.nan]]), (1, k))
    levels = np.concatenate([levels, levels])
    levels[2:, -1] = 0
    table = make_patterns(levels, np.zeros(4), np.arange(4))
    assert table.n_patterns == len({tuple(row) for row in np.nan_to_num(levels, nan=5)})


def test_a_table_grows_with_its_patterns_and_not_with_its_deals():
    levels, outcome, _ = draw(1, 20_000, 2, 1)
    table = make_patterns(levels, outcome, np.zeros(20_000, dtype=int))
    assert table.n_patterns == len(table.pattern) == 36
