"""The judge: draws of P(won) by pattern, wide enough for gates and turns, honest about what was hardly seen."""

import time

import numpy as np
import pytest

from leadml.estimators.judge import fit_judge
from leadml.estimators.patterns import PatternCounts
from leadml.levels import logistic


def deals(n, log_odds, k=4, seed=0):
    """Closed deals of which one level in six is unknown."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 6, (n, k)).astype(np.uint8)
    return PatternCounts.from_codes(codes, rng.uniform(size=n) < logistic(log_odds(codes)))


def additive(codes):
    return -2.0 + 0.3 * np.where(codes == 5, 1.0, codes).sum(axis=1)


def gate(codes):
    met = (codes >= 2) & (codes < 5)
    return np.where(met[:, 0] & met[:, 1], 1.0, -2.0)


def turns(codes):
    return -1.5 + np.array([0, 1.5, 2.5, 1, -0.5, 0])[codes[:, 1]]


def nothing(codes):
    return np.full(len(codes), -1.0)


@pytest.mark.parametrize("world", [additive, gate, turns])
def test_intervals_of_the_judge_cover_the_truth_of_each_pattern(world):
    covered, error = [], []
    for seed in range(8):
        counts = deals(800, world, seed=seed)
        truth = logistic(world(counts.codes))
        drawn = fit_judge(counts, random_state=seed)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        covered.append(np.average((low <= truth) & (truth <= high), weights=counts.total))
        error.append(np.average(np.abs(drawn.mean(axis=0) - truth), weights=counts.total))
    assert np.mean(covered) >= 0.90
    assert np.mean(error) < 0.09


def test_where_nothing_matters_all_patterns_win_alike():
    assert np.ptp(fit_judge(deals(1500, nothing)).mean(axis=0)) < 0.05
    assert np.ptp(fit_judge(deals(1500, turns)).mean(axis=0)) > 0.4


def test_draws_depend_on_the_seed_alone_and_weights_count_as_deals():
    counts = deals(300, additive)
    one = fit_judge(counts, random_state=1)
    np.testing.assert_array_equal(one, fit_judge(counts, random_state=1))
    assert not np.array_equal(one, fit_judge(counts, random_state=2))
    tenfold = PatternCounts(counts.codes, counts.won * 10, counts.lost * 10)
    assert fit_judge(tenfold).std(axis=0).mean() < one.std(axis=0).mean()


@pytest.mark.parametrize("k", [2, 7, 13])
def test_any_number_of_criteria_is_judged(k):
    drawn = fit_judge(deals(400, additive, k=k), n_draws=50)
    assert ((drawn > 0) & (drawn < 1)).all()


def test_deals_of_one_outcome_are_no_certainty():
    counts = PatternCounts(np.array([[0, 0], [4, 4]], np.uint8), np.zeros(2), np.array([30.0, 20.0]))
    assert 0 < fit_judge(counts).mean() < 0.1


def test_a_framework_is_judged_within_a_tenth_of_a_second():
    counts = deals(2000, gate, k=5)
    fit_judge(counts)
    start = time.process_time()
    fit_judge(counts)
    assert time.process_time() - start < 0.25  # 0.05 s on a machine at rest
