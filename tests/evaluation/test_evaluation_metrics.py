"""Figures of held-out deals against other people's arithmetic and against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from leadml.evaluation import metrics
from leadml.evaluation.metrics import (
    HeldOut,
    find_auc,
    find_calibration,
    find_reliability,
    log_loss_of,
    rank_within,
    rate_figure,
    shrunk_rate,
    wins_at_workload,
)


def hold(outcome, stratum=None, cluster=None, draws=None):
    outcome = np.asarray(outcome, dtype=float)
    n = len(outcome)
    cluster = np.arange(n) if cluster is None else np.asarray(cluster)
    return HeldOut(
        outcome,
        np.zeros(n, dtype=int) if stratum is None else np.asarray(stratum),
        cluster,
        np.ones((1, int(cluster.max()) + 1), dtype=np.float32) if draws is None else np.asarray(draws),
    )


def draw(seed, n=60, n_strata=1, n_draws=4, n_values=8):
    """Deals with tied scores, in folds, and whole-number weights of clusters of two deals."""
    rng = np.random.default_rng(seed)
    outcome = rng.integers(0, 2, n).astype(float)
    cluster = np.arange(n) // 2
    draws = rng.integers(0, 4, (n_draws, cluster.max() + 1)).astype(np.float32)
    draws[0] = 1
    held = hold(outcome, rng.integers(0, n_strata, n), cluster, draws)
    return held, rng.integers(0, n_values, n).astype(float), draws[:, cluster]


@pytest.mark.parametrize("n_values", [2, 8, 10**6])
@pytest.mark.parametrize("seed", range(4))
def test_auc_is_that_of_scikit_learn_with_ties_and_weights(seed, n_values):
    held, score, weights = draw(seed, n_values=n_values)
    found = find_auc(held, score)
    for row, weight in enumerate(weights):
        expected = roc_auc_score(held.outcome, score, sample_weight=weight)
        assert found[row] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_auc_within_folds_weighs_each_by_its_pairs(seed):
    held, score, weights = draw(seed, n=90, n_strata=4)
    found = find_auc(held, score)
    for row, weight in enumerate(weights):
        concordant, pairs = 0.0, 0.0
        for s in range(4):
            at = (held.stratum == s) & (weight > 0)
            won = weight[at] @ held.outcome[at]
            lost = weight[at].sum() - won
            if won and lost:
                auc = roc_auc_score(held.outcome[at], score[at], sample_weight=weight[at])
                concordant, pairs = concordant + auc * won * lost, pairs + won * lost
        assert found[row] == pytest.approx(concordant / pairs, abs=1e-12)


def test_auc_by_hand():
    # Fold 0: won 3 and 1, lost 2 and 1: 3 > 2, 3 > 1, 1 < 2, 1 = 1 -> 2.5 of 4 pairs.
    # Fold 1: won 0, lost 9 -> 0 of 1; that its scores are on another scale does not matter.
    held = hold([1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1])
    assert find_auc(held, np.array([3.0, 1, 2, 1, 0, 9]))[0] == pytest.approx(2.5 / 5)
    assert find_auc(held, np.array([3.0, 1, 2, 1, 100, 109]))[0] == pytest.approx(2.5 / 5)


def test_auc_without_a_pair_has_no_value_and_a_constant_is_half():
    assert np.isnan(find_auc(hold([1, 1]), np.array([1.0, 2]))[0])
    assert find_auc(hold([1, 0, 1, 0]), np.zeros(4))[0] == 0.5


def test_blocks_of_draws_change_nothing(monkeypatch):
    held, score, _ = draw(1, n_strata=3, n_draws=7)
    decision = (score > 3).astype(float)
    whole = find_auc(held, score), wins_at_workload(held, score, decision)
    monkeypatch.setattr(metrics, "CELLS_AT_ONCE", 2 * len(score))
    for a, b in zip(whole, (find_auc(held, score), wins_at_workload(held, score, decision)), strict=True):
        np.testing.assert_array_equal(a, b)


@given(st.integers(0, 10**6), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_wins_at_workload_are_those_of_every_way_to_break_the_ties(seed, n_strata):
    # Deals are laid out one by one, as often as drawn, and taken from the top; of a tie at the edge,
    # the mean over all ways to break it is its number of wins times the part of it that is taken.
    held, score, weights = draw(seed, n=24, n_strata=n_strata, n_values=4)
    decision = np.random.default_rng(seed).integers(0, 2, 24).astype(float)
    found = wins_at_workload(held, score, decision)
    for row, weight in enumerate(weights):
        expected = 0.0
        for s in np.unique(held.stratum):
            at = held.stratum == s
            room = weight[at] @ decision[at]
            for value in sorted(set(score[at]), reverse=True):
                tie = at & (score == value)
                size = weight[tie].sum()
                part = min(1.0, room / size) if size else 0.0
                expected += part * (weight[tie] @ held.outcome[tie])
                room -= part * size
        assert found[row] == pytest.approx(expected, abs=1e-9)


def test_wins_at_workload_by_hand():
    # The rule follows up 2 of 5. By score: the best one (won), then 1 of a tie of 2 with 1 won: 1.5.
    held = hold([1, 1, 0, 1, 0])
    score, decision = np.array([5.0, 3, 3, 1, 0]), np.array([0.0, 0, 0, 1, 1])
    assert wins_at_workload(held, score, decision)[0] == 1.5
    # a rule that is compared with its own ranking wins what it wins
    assert wins_at_workload(held, decision, decision)[0] == 1.0


def test_wins_at_workload_may_take_a_share_of_every_deal():
    held = hold([1, 0, 1, 0], [0, 0, 1, 1])
    half = np.full(4, 0.5)  # one of two in each fold
    assert wins_at_workload(held, np.array([2.0, 1, 1, 2]), half)[0] == 1.0
    assert wins_at_workload(held, np.zeros(4), half)[0] == 1.0  # half of each tie


def test_the_whole_workload_wins_everything_and_none_wins_nothing():
    held, score, weights = draw(3, n_strata=3)
    np.testing.assert_allclose(
        wins_at_workload(held, score, np.ones(len(score))), weights @ held.outcome, rtol=1e-12
    )
    np.testing.assert_array_equal(wins_at_workload(held, score, np.zeros(len(score))), 0)


def test_ranking_keeps_folds_apart_and_ties_together():
    ranked = rank_within(np.array([1.0, 3, 3, 2]), np.array([1, 0, 0, 1]))
    np.testing.assert_array_equal(ranked.cell, [2, 0, 0, 1])
    np.testing.assert_array_equal(ranked.first_of_stratum, [0, 1, 1])


def told(seed, n=400):
    """Log-odds on a grid of tenths, outcomes drawn with slope 0.7 and 0.4 more log-odds than told."""
    rng = np.random.default_rng(seed)
    log_odds = np.round(rng.normal(-0.5, 1.0, n), 1)
    p = 1 / (1 + np.exp(-(0.4 + 0.7 * log_odds)))
    return log_odds, (rng.uniform(size=n) < p).astype(float)


@pytest.mark.parametrize("seed", range(3))
def test_the_calibration_line_is_a_logistic_regression_on_the_log_odds(seed):
    log_odds, outcome = told(seed)
    weights = np.random.default_rng(seed).integers(0, 3, (3, len(outcome))).astype(np.float32)
    weights[0] = 1
    held = hold(outcome, draws=weights)
    intercept, slope = find_calibration(held, 1 / (1 + np.exp(-log_odds)))
    for row in range(3):
        line = LogisticRegression(C=1e12, tol=1e-10).fit(log_odds[:, None], outcome, weights[row])
        assert slope[row] == pytest.approx(line.coef_[0, 0], abs=1e-4)
        # with the slope held at 1, what is told comes out as often as it should: mean p = mean outcome
        p = 1 / (1 + np.exp(-(log_odds + intercept[row])))
        assert weights[row] @ p == pytest.approx(weights[row] @ outcome, abs=1e-4)


def test_many_different_log_odds_are_as_good_in_cells():
    rng = np.random.default_rng(0)
    log_odds = rng.normal(-0.5, 1.0, 3000)
    outcome = (rng.uniform(size=3000) < 1 / (1 + np.exp(-(0.4 + 0.7 * log_odds)))).astype(float)
    _, slope = find_calibration(hold(outcome), 1 / (1 + np.exp(-log_odds)))
    line = LogisticRegression(C=1e12, tol=1e-10).fit(log_odds[:, None], outcome)
    assert slope[0] == pytest.approx(line.coef_[0, 0], abs=0.01)


def test_a_base_rate_alone_has_no_slope():
    outcome = np.r_[np.ones(30), np.zeros(70)]
    intercept, slope = find_calibration(hold(outcome), np.full(100, 0.3))
    assert intercept[0] == pytest.approx(0, abs=1e-9)
    assert np.isnan(slope[0])
    stratum = np.arange(100) % 2
    _, slope = find_calibration(hold(outcome, stratum), np.where(stratum, 0.31, 0.29))
    assert np.isnan(slope[0])


def test_log_loss_is_that_of_scikit_learn_and_finite_at_the_ends():
    rng = np.random.default_rng(0)
    outcome, p = rng.integers(0, 2, 50).astype(float), rng.uniform(0.01, 0.99, 50)
    assert log_loss_of(outcome, p).mean() == pytest.approx(log_loss(outcome, p))
    assert np.isfinite(log_loss_of(np.array([0.0, 1.0]), np.array([1.0, 0.0]))).all()


def test_reliability_bins_hold_every_deal_once():
    rng = np.random.default_rng(1)
    p = rng.uniform(size=101)
    bins = find_reliability((rng.uniform(size=101) < p).astype(float), p)
    assert len(bins) == 10
    assert sum(b["n"] for b in bins) == 101
    assert {b["n"] for b in bins} == {10, 11}
    means = [b["p_mean"] for b in bins]
    assert means == sorted(means)
    assert np.average(means, weights=[b["n"] for b in bins]) == pytest.approx(p.mean())
    assert [b["n"] for b in find_reliability(np.ones(3), np.full(3, 0.5))] == [1, 1, 1]


def test_wilson_by_hand():
    # 3 of 10, z^2 = 3.8415: centre (0.3 + 0.19207) / 1.38415 = 0.35551,
    # half = 1.95996 / 1.38415 * sqrt(0.021 + 0.0096037) = 0.24771
    figure = rate_figure(3, 10)
    assert figure["value"] == 0.3
    assert figure["low"] == pytest.approx(0.35551 - 0.24771, abs=2e-5)
    assert figure["high"] == pytest.approx(0.35551 + 0.24771, abs=2e-5)
    assert rate_figure(0, 10)["low"] == 0.0
    assert rate_figure(10, 10)["high"] == pytest.approx(1.0)
    assert rate_figure(0, 0) == {"value": None, "low": None, "high": None}


def test_a_small_cell_leans_to_the_base_rate():
    # 1 of 2 at a base rate of 0.2 that counts as 10 deals: (1 + 2) / (2 + 10) = 0.25, Beta(3, 9).
    rate = shrunk_rate(1, 2, 0.2, 10)
    assert rate["value"] == 0.25
    assert rate["low"] == pytest.approx(0.0602, abs=1e-4)
    assert rate["high"] == pytest.approx(0.5178, abs=1e-4)
    assert shrunk_rate(0, 0, 0.2, 10)["value"] == pytest.approx(0.2)
    assert shrunk_rate(500, 1000, 0.2, 10)["value"] == pytest.approx(0.497, abs=1e-3)


def test_sums_follow_the_draws():
    held, _, weights = draw(5, n_draws=6)
    np.testing.assert_allclose(held.totals, weights @ np.stack([np.ones(60), held.outcome], axis=1))
