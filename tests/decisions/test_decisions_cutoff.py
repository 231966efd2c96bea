"""Cut-offs and bands follow from consequences."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leadml.decisions.bands import documented_shares, edges_at_shares
from leadml.decisions.cutoff import (
    Consequences,
    cutoff_at_capacity,
    cutoff_at_probability,
    implied_value,
    net_value_by_cutoff,
    not_distinguishable,
    sweep_cutoffs,
)

BASES = st.floats(-6, 2)
SLOPES = st.floats(0.05, 2)
SEEDS = st.integers(0, 10**6)
LAW = settings(deadline=None)  # how long an example takes says nothing of the law


def one(*numbers):
    return [np.array([number]) for number in numbers]


def probability(base, slope, total):
    return 1 / (1 + np.exp(-(base + slope * total)))


def test_where_the_threshold_comes_from():
    assert Consequences("economics", 150.0, 2400.0).threshold(0.3) == 0.0625
    assert Consequences("break-even").threshold(0.3) == 0.3
    np.testing.assert_array_equal(
        Consequences("economics", 1.0, 4.0).threshold(np.array([0.1, 0.9])), [0.25, 0.25]
    )
    np.testing.assert_array_equal(Consequences("break-even").threshold(np.array([0.1, 0.9])), [0.1, 0.9])


def test_the_cutoff_is_the_first_total_that_pays():
    # log-odds -2 + total: P = 0.119, 0.269, 0.5, 0.731, 0.881 at totals 0 to 4.
    wanted = np.array([0.1, 0.2, 0.27, 0.5, 0.51, 0.88, 0.9])
    found = cutoff_at_probability(np.full(7, -2.0), np.ones(7), wanted, 4)
    np.testing.assert_array_equal(found, [0, 1, 2, 2, 3, 4, 5])  # 5: no total is high enough


def test_a_flat_line_follows_up_everyone_or_no_one():
    flat = cutoff_at_probability(np.zeros(2), np.zeros(2), np.array([0.49, 0.51]), 16)
    np.testing.assert_array_equal(flat, [0, 17])
    # at its own base rate, everyone: no lead is worse than the average
    assert cutoff_at_probability(*one(0.0, 0.0, 0.5), 16)[0] == 0


@given(BASES, SLOPES, st.floats(0.01, 0.99))
@LAW
def test_every_total_from_the_cutoff_pays_and_none_below(base, slope, threshold):
    cutoff = int(cutoff_at_probability(*one(base, slope, threshold), 16)[0])
    p = probability(base, slope, np.arange(17))
    assert (p[cutoff:] >= threshold - 1e-8).all()
    assert (p[:cutoff] < threshold).all()


@given(BASES, SLOPES, st.integers(1, 16), st.floats(0, 1))
@settings(LAW, max_examples=300)
def test_a_cutoff_is_right_exactly_inside_its_implied_range(base, slope, cutoff, inside):
    low, high = (float(edge[0]) for edge in implied_value(*one(base, slope), cutoff))
    assert low == pytest.approx(1 / probability(base, slope, cutoff))
    assert high == pytest.approx(1 / probability(base, slope, cutoff - 1))
    assume(high - low > 1e-5)

    def chosen(worth):
        consequences = Consequences("economics", cost=100.0, value=100.0 * worth)
        threshold = consequences.threshold(np.array([0.5]))
        return int(cutoff_at_probability(*one(base, slope), threshold, 16)[0])

    within = low + (0.001 + 0.998 * inside) * (high - low)
    assert chosen(within) == cutoff
    # outside: a deal worth more lowers the cut-off, one worth less raises it
    assert chosen(high * (1 + 1e-6)) < cutoff
    assert chosen(low * (1 - 1e-6)) > cutoff


@given(BASES, SLOPES)
@LAW
def test_the_ranges_of_all_cutoffs_join_without_gap(base, slope):
    edges = [implied_value(*one(base, slope), k) for k in range(1, 17)]
    for (low, _), (_, high) in itertools.pairwise(edges):
        assert high[0] == pytest.approx(low[0])
    assert edges[-1][0][0] >= 1


@given(SEEDS, st.floats(0.01, 0.99))
@LAW
def test_capacity_is_used_as_far_as_whole_totals_allow(seed, share):
    by_total = np.random.default_rng(seed).integers(0, 9, (3, 11)).astype(float)
    by_total[:, 5] += 1
    for row, cutoff in zip(by_total, cutoff_at_capacity(by_total, share), strict=True):
        assert row[cutoff:].sum() <= share * row.sum() + 1e-6
        if cutoff > 0:
            assert row[cutoff - 1 :].sum() > share * row.sum()


def test_capacity_by_hand():
    # Of 10 leads, 1 has 3 points, 2 have 2: room for 3 takes both, room for 2 only the first.
    by_total = np.array([[4.0, 3, 2, 1]])
    assert cutoff_at_capacity(by_total, 0.3)[0] == 2
    assert cutoff_at_capacity(by_total, 0.29)[0] == 3
    assert cutoff_at_capacity(by_total, 0.05)[0] == 4  # not even the highest total fits


def test_net_value_by_hand():
    # Totals 0, 1, 2: 4 deals 0 won, 3 deals 1 won, 3 deals 3 won; a follow-up costs 0.4 won deals.
    # From 2: 3 - 0.4 * 3 = 1.8; from 1: 4 - 0.4 * 6 = 1.6; from 0: 4 - 0.4 * 10 = 0; from 3: 0. Over 10.
    net = net_value_by_cutoff(np.array([[0.0, 1, 3]]), np.array([[4.0, 3, 3]]), np.array([0.4]))
    np.testing.assert_allclose(net, [[0.0, 0.16, 0.18, 0.0]], atol=1e-12)


@given(SEEDS, st.floats(0.05, 0.95))
@LAW
def test_with_the_true_rates_the_cutoff_has_the_highest_net_value(seed, threshold):
    rng = np.random.default_rng(seed)
    base, slope = rng.uniform(-4, 1), rng.uniform(0.1, 1.0)
    total_by = rng.integers(1, 50, (1, 17)).astype(float)
    won_by = total_by * probability(base, slope, np.arange(17))  # what is expected, not drawn
    net = net_value_by_cutoff(won_by, total_by, np.array([threshold]))[0]
    cutoff = int(cutoff_at_probability(*one(base, slope, threshold), 16)[0])
    assert net[cutoff] == pytest.approx(net.max(), abs=1e-9)


def test_cutoffs_that_cannot_be_told_apart():
    # Replicates of three cut-offs: the second is 0.1 better than the first for certain, and as often
    # above as below the third.
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05, 201)
    net = np.stack([np.zeros(201), np.full(201, 0.1), 0.1 + noise], axis=1)
    assert not_distinguishable(net, 1) == [1, 2]
    assert not_distinguishable(net, 0) == [0]
    assert not_distinguishable(np.zeros((50, 4)), 2) == [0, 1, 2, 3]


@given(SEEDS, st.integers(2, 16))
@LAW
def test_edges_rise_and_come_as_near_to_the_documented_shares_as_totals_allow(seed, learned_max):
    rng = np.random.default_rng(seed)
    documented_by = rng.integers(0, 9, (4, 17)).astype(float)
    learned_by = rng.integers(0, 9, (4, learned_max + 1)).astype(float)
    documented_by[:, 0] += 1
    learned_by[:, 0] += 1
    shares = documented_shares(documented_by, [0, 5, 9, 13])
    edges = edges_at_shares(learned_by, shares)
    assert (edges[:, 0] == 0).all()
    assert (np.diff(edges, axis=1) >= 0).all()
    for row in range(4):
        assert shares[row, 2] == pytest.approx(documented_by[row, 9:].sum() / documented_by[row].sum())
        above = np.array([learned_by[row, k:].sum() for k in range(learned_max + 2)]) / learned_by[row].sum()
        for band in range(1, 4):
            nearest = np.abs(above - shares[row, band]).min()
            assert abs(above[edges[row, band]] - shares[row, band]) == pytest.approx(nearest, abs=1e-12)


@given(SEEDS)
@LAW
def test_the_documented_score_keeps_its_own_bands(seed):
    by_total = np.random.default_rng(seed).integers(1, 9, (2, 17)).astype(float)
    shares = documented_shares(by_total, [0, 5, 9, 13])
    np.testing.assert_array_equal(edges_at_shares(by_total, shares), [[0, 5, 9, 13]] * 2)


def test_a_sweep_by_hand():
    # Costs a quarter of a win. At 1: 2 wins - 5 / 4; at 2: 2 - 4 / 4; at 3: 1 - 1 / 4; none: 0; over 5 deals.
    cutoffs, net = sweep_cutoffs(np.array([2, 1, 3, 2, 2]), np.array([1, 0, 1, 0, 0]), 0.25)
    np.testing.assert_array_equal(cutoffs, [1, 2, 3, np.inf])
    np.testing.assert_allclose(net, np.array([0.75, 1.0, 0.75, 0.0]) / 5)


def test_a_sweep_of_points_is_the_net_value_of_every_cutoff():
    rng = np.random.default_rng(0)
    points, outcome = rng.integers(0, 9, 400), rng.integers(0, 2, 400)
    won, total = (np.bincount(points, w, minlength=9)[None].astype(float) for w in (outcome, np.ones(400)))
    expected = net_value_by_cutoff(won, total, np.array([0.4]))[0]
    np.testing.assert_allclose(sweep_cutoffs(points, outcome, 0.4)[1], expected, atol=1e-12)
