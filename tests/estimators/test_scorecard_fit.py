"""The learned scorecard: it never falls, contains the document, and its intervals cover the truth."""

import numpy as np
import pytest

from leadml.datasets.sample import make_leads
from leadml.datasets.worlds import make_truth
from leadml.estimators.patterns import PatternCounts, sum_rows
from leadml.estimators.scorecard_fit import code_basis, design, fit_scorecard, fit_spreads, steps_priors, unknown_priors


def counts_of(truth, n, seed=0):
    leads = make_leads(n, truth=truth, random_state=seed, all_criteria=False)
    codes = leads.codes[:, [leads.criteria.index(name) for name in truth.criteria]]
    return PatternCounts.from_codes(codes, leads.outcome)


def mean_spreads(counts):
    """Between, within and the part that unknown gives up, on average."""
    basis = code_basis(counts.codes, counts.total)
    _, _, evidence, spreads = fit_spreads(design(counts.codes, basis), counts.won[None], counts.total[None], basis)
    assert evidence.sum() == pytest.approx(1)
    return evidence @ spreads


def test_columns_times_coefficients_are_values_looked_up():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, (50, 4)).astype(np.uint8)
    basis = code_basis(codes, rng.exponential(size=50))
    theta = rng.normal(size=21)
    intercept, *values = basis @ theta
    looked_up = intercept + sum_rows(np.reshape(values, (4, 6)), codes)
    np.testing.assert_allclose(design(codes, basis) @ theta, looked_up)


def test_unknown_is_the_mean_of_the_known_levels_beside_its_own_effect():
    codes, n = np.arange(6, dtype=np.uint8)[:, None], np.array([1.0, 2, 3, 3, 1, 7])
    theta = np.array([0.0, 1, 2, 3, 4, 0.5])
    values = (code_basis(codes, n) @ theta)[1:]
    assert values[5] == pytest.approx(n[:5] @ values[:5] / 10 + 0.5)


def test_log_determinants_are_those_of_the_matrices():
    (steps, log_det), at = steps_priors(4), [0, 7, 20, 35]
    unknown, log_det_more = unknown_priors(code_basis(np.full((1, 4), 5, np.uint8), np.ones(1)))
    for meaning in range(3):
        found = np.linalg.slogdet(steps[at] + unknown[meaning])[1]
        np.testing.assert_allclose(found, log_det[at] + log_det_more[meaning], rtol=1e-7)


@pytest.mark.parametrize("world", ["steps", "null", "reversed"])
def test_a_monotone_card_never_falls(world):
    fit = fit_scorecard(counts_of(make_truth(world), 300), n_draws=200)
    assert (np.diff(fit.values[:, :5]) >= -1e-12).all()
    assert (np.diff(fit.draws[:, 1:].reshape(200, 4, 6)[..., :5]) >= -1e-9).all()


def test_only_the_criteria_that_may_turn_do():
    counts = counts_of(make_truth("inverted_u"), 3000)
    bent = fit_scorecard(counts, monotone=[True, False, True, True])
    assert bent.values[1, 2] > bent.values[1, 4] + 0.5
    assert (np.diff(bent.values[[0, 2, 3], :5]) >= -1e-12).all()
    again = fit_scorecard(counts, monotone=False)
    assert again.values[1, 2] > again.values[1, 4]


def test_many_deals_teach_the_truth_whatever_was_documented():
    truth = make_truth("steps", unknown="random")
    fit = fit_scorecard(counts_of(truth, 400_000))
    np.testing.assert_allclose(fit.values[:, :5], truth.points[:, :5], atol=0.12)
    assert truth.attainable(fit.log_odds(truth.patterns)) > 0.99


def test_few_deals_stay_near_the_document():
    truth = make_truth("rule_right")
    shares = [
        truth.attainable(fit_scorecard(counts_of(truth, 100, seed)).log_odds(truth.patterns)) for seed in range(12)
    ]
    assert np.mean(shares) > 0.55


@pytest.mark.parametrize(("unknown", "part"), [("random", 0.0), ("junk", 1.0)])
def test_what_unknown_means_is_learned(unknown, part):
    assert mean_spreads(counts_of(make_truth("rule_right", unknown=unknown), 3000))[2] == pytest.approx(part, abs=0.15)


def test_weights_count_as_that_many_deals_and_cost_no_more():
    counts = counts_of(make_truth("tilted"), 300)
    thrice = PatternCounts(counts.codes, 3 * counts.won, 3 * counts.lost)
    assert mean_spreads(thrice)[0] >= mean_spreads(counts)[0] - 0.05
    huge = PatternCounts(counts.codes, 1e6 * counts.won, 1e6 * counts.lost)
    assert np.isfinite(fit_scorecard(huge, n_draws=10).draws).all()


@pytest.mark.parametrize("world", ["rule_right", "tilted", "dud"])
def test_intervals_of_weights_cover_the_true_weight_and_hold_the_estimate(world):
    truth, covered, inside = make_truth(world), [], []
    for seed in range(25):
        fit = fit_scorecard(counts_of(truth, 500, seed), n_draws=400, random_state=seed)
        drawn = fit.draws[:, 1:].reshape(400, 4, 6)[:, :, 4]
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        covered.append((low <= truth.points[:, 4]) & (truth.points[:, 4] <= high))
        inside.append((low <= fit.values[:, 4]) & (fit.values[:, 4] <= high))
    assert np.mean(covered) > 0.88
    assert np.mean(inside) > 0.97


def test_a_criterion_never_known_and_one_seed():
    counts = counts_of(make_truth("tilted"), 300)
    codes = counts.codes.copy()
    codes[:, 0] = 5
    blind = PatternCounts(codes, counts.won, counts.lost)
    one, two = (fit_scorecard(blind, n_draws=50, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(one.draws, two.draws)
    assert np.isfinite(one.values).all()
