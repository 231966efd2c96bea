"""Bounded logistic regressions fitted together: each is the one optimum of its own problem."""

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from leadml.estimators import bounded_logistic
from leadml.estimators.bounded_logistic import RIDGE, fit_bounded_logistic, solve_bounded


def make_problem(seed, n_rows=1, n_columns=6, n_patterns=40):
    """Random patterns with an intercept, weights for each row, and a penalty."""
    rng = np.random.default_rng(seed)
    columns = np.c_[np.ones(n_patterns), rng.uniform(0, 1, (n_patterns, n_columns - 1))]
    total = rng.integers(0, 9, (n_rows, n_patterns)).astype(float)
    truth = rng.normal(0, 1.5, n_columns)
    won = rng.binomial(total.astype(int), 1 / (1 + np.exp(-columns @ truth))).astype(float)
    half = rng.normal(size=(n_columns, n_columns)) * 0.3
    half[:, 0] = 0  # the intercept is not penalised
    bounded = np.r_[False, np.ones(n_columns - 1, dtype=bool)]
    return columns, won, total, half.T @ half, bounded


def loss_and_gradient(theta, columns, won, total, penalty):
    eta = columns @ theta
    mu = 1 / (1 + np.exp(-eta))
    s_theta = (penalty + RIDGE * max(total.sum(), 1) * np.eye(len(theta))) @ theta
    loss = (total * np.logaddexp(0, eta) - won * eta).sum() + 0.5 * theta @ s_theta
    return loss, columns.T @ (total * mu - won) + s_theta


def reference(columns, won, total, penalty, bounded):
    bounds = [(0, None) if b else (None, None) for b in bounded]
    found = minimize(
        loss_and_gradient,
        np.zeros(columns.shape[1]),
        (columns, won, total, penalty),
        "L-BFGS-B",
        jac=True,
        bounds=bounds,
        options={"ftol": 1e-16, "gtol": 1e-9, "maxiter": 5000, "maxcor": 30},
    )
    return found.x


@pytest.mark.parametrize("seed", range(12))
def test_it_finds_what_a_general_solver_finds(seed):
    columns, won, total, penalty, bounded = make_problem(seed)
    theta = fit_bounded_logistic(columns, won, total, penalty=penalty, bounded=bounded)[0]
    expected = reference(columns, won[0], total[0], penalty, bounded)
    np.testing.assert_allclose(theta, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_optimum_is_proven(seed):
    # Karush-Kuhn-Tucker: no slope where free, none that a step upwards could use where at the bound.
    columns, won, total, penalty, bounded = make_problem(seed, n_rows=5, n_columns=9)
    theta = fit_bounded_logistic(columns, won, total, penalty=penalty, bounded=bounded)
    for row in range(5):
        _, slope = loss_and_gradient(theta[row], columns, won[row], total[row], penalty)
        at_bound = bounded & (theta[row] == 0)
        scale = 1e-6 * total[row].sum()
        assert (theta[row][bounded] >= 0).all()
        assert np.abs(slope[~at_bound]).max() < scale
        assert (slope[at_bound] > -scale).all()


def test_some_problems_of_the_tests_touch_their_bounds_and_some_coefficients_are_free():
    on_bound = []
    for seed in range(12):
        columns, won, total, penalty, bounded = make_problem(seed)
        theta = fit_bounded_logistic(columns, won, total, penalty=penalty, bounded=bounded)[0]
        on_bound.append(np.mean(theta[1:] == 0))
    assert 0 < np.mean(on_bound) < 1


def test_many_rows_together_are_each_alone(monkeypatch):
    columns, won, total, penalty, bounded = make_problem(3, n_rows=9)
    penalties = penalty * np.linspace(0, 3, 9)[:, None, None]  # each row its own
    together = fit_bounded_logistic(columns, won, total, penalty=penalties, bounded=bounded)
    for row in range(9):
        alone = fit_bounded_logistic(
            columns, won[[row]], total[[row]], penalty=penalties[row], bounded=bounded
        )[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-9)
    monkeypatch.setattr(bounded_logistic, "CELLS_AT_ONCE", 2 * columns.shape[0])  # blocks of two rows
    in_blocks = fit_bounded_logistic(columns, won, total, penalty=penalties, bounded=bounded)
    np.testing.assert_allclose(in_blocks, together, atol=1e-9)


@pytest.mark.parametrize("spread", [0.1, 3.0, 30.0])
def test_where_it_starts_does_not_matter(spread):
    columns, won, total, penalty, bounded = make_problem(5, n_rows=4)
    expected = fit_bounded_logistic(columns, won, total, penalty=penalty, bounded=bounded)
    start = np.abs(np.random.default_rng(0).normal(0, spread, expected.shape))
    found = fit_bounded_logistic(columns, won, total, penalty=penalty, bounded=bounded, start=start)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_separated_deals_stay_finite():
    columns = np.c_[np.ones(4), np.arange(4.0)]
    won, total = np.array([[0.0, 0.0, 9.0, 9.0]]), np.full((1, 4), 9.0)
    theta = fit_bounded_logistic(
        columns, won, total, penalty=np.zeros((2, 2)), bounded=np.array([False, True])
    )
    assert np.isfinite(theta).all()
    p = 1 / (1 + np.exp(-columns @ theta[0]))
    np.testing.assert_allclose(p, [0, 0, 1, 1], atol=1e-3)


@pytest.mark.parametrize("won", [0.0, 5.0])
def test_a_row_without_contrast_stays_finite(won):
    # All lost, or all won, and a row without any deal: nothing to learn, nothing that breaks.
    columns, _, total, penalty, bounded = make_problem(1, n_rows=2)
    total = np.stack([np.full(total.shape[1], 5.0), np.zeros(total.shape[1])])
    theta = fit_bounded_logistic(
        columns, total * won / 5.0, total, penalty=np.zeros_like(penalty), bounded=bounded
    )
    assert np.isfinite(theta).all()
    np.testing.assert_array_equal(theta[1], 0.0)
    assert np.sign(theta[0, 0]) == np.sign(won - 2.5)
    assert np.abs(columns @ theta[0]).min() > 8


def test_a_restriction_holds_and_is_the_optimum_among_those_that_hold():
    # theta_2 = theta_1: the same as one column that is the sum of both.
    columns, won, total, _, bounded = make_problem(7, n_columns=4)
    restrict = np.eye(4)[None].copy()
    restrict[0, 2] = restrict[0, 1]
    found = fit_bounded_logistic(
        columns, won, total, penalty=np.zeros((4, 4)), bounded=bounded, restrict=restrict
    )[0]
    assert found[1] == found[2]
    joined = np.stack([columns[:, 0], columns[:, 1] + columns[:, 2], columns[:, 3]], axis=1)
    expected = fit_bounded_logistic(joined, won, total, penalty=np.zeros((3, 3)), bounded=bounded[:3])[0]
    np.testing.assert_allclose(found[[0, 1, 3]], expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_bounded_quadratics_agree_with_scipy(seed):
    # min |Az - b|^2 / 2 with z >= 0 is H = A'A and c = A'b.
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(6, 20, 8)), rng.normal(size=(6, 20))
    hessian, linear = np.einsum("rni,rnj->rij", a, a), np.einsum("rni,rn->ri", a, b)
    found = solve_bounded(hessian, linear, np.ones(8, dtype=bool))
    expected = np.stack([nnls(a[row], b[row])[0] for row in range(6)])
    np.testing.assert_allclose(found, expected, atol=1e-9)
    unbounded = solve_bounded(hessian, linear, np.zeros(8, dtype=bool))
    np.testing.assert_allclose(unbounded, np.linalg.solve(hessian, linear[..., None])[..., 0], atol=1e-9)
