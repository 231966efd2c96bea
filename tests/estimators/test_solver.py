"""The bounded solver finds the minimum, for many problems at once."""

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from leadml.estimators.solver import fit_logistic, solve_bounded

RNG = np.random.default_rng(1)


def problems(rows, n):
    a = RNG.normal(size=(rows, n + 3, n)) + RNG.normal(size=(rows, n + 3, 1))
    b = RNG.normal(size=(rows, n + 3))
    return a, b, a.swapaxes(1, 2) @ a, np.einsum("rij,ri->rj", a, b)


def test_it_agrees_with_nnls():
    a, b, hessian, linear = problems(40, 9)
    found = solve_bounded(hessian, linear, np.ones(9, bool))
    np.testing.assert_allclose(found, [nnls(x, y)[0] for x, y in zip(a, b, strict=True)], atol=1e-8)


def test_exchanging_all_wrong_entries_would_cycle_here_and_it_ends():
    a = np.array([[0, 3, -1, -3], [2, 2, 0, -2], [-2, -1, -1, 1], [-2, 2, -2, 3]], dtype=float)
    hessian, linear = 10 * a @ a.T + np.eye(4), np.array([1.0, 9, -7, 4])
    positive, seen = np.ones(4, dtype=bool), set()
    while positive.tobytes() not in seen:  # the block rule alone comes back to where it was
        seen.add(positive.tobytes())
        z = np.zeros(4)
        z[positive] = np.linalg.solve(hessian[np.ix_(positive, positive)], linear[positive])
        wrong = np.where(positive, z < 0, hessian @ z - linear < -1e-9)
        assert wrong.any()
        positive ^= wrong
    found = solve_bounded(hessian[None], linear[None], np.ones(4, bool))[0]
    slope = hessian @ found - linear
    assert (found >= 0).all()
    assert (slope > -1e-8).all()
    assert found @ slope == pytest.approx(0, abs=1e-8)


def test_free_entries_may_be_negative():
    _, _, hessian, linear = problems(20, 6)
    bounded = np.array([False, True, True, False, True, True])
    for h, c, z in zip(hessian, linear, solve_bounded(hessian, linear, bounded), strict=True):
        slope = h @ z - c
        np.testing.assert_allclose(slope[~bounded], 0, atol=1e-7)
        assert (z[bounded] >= 0).all()
        assert (slope[bounded] > -1e-7).all()
        np.testing.assert_allclose((slope * z)[bounded], 0, atol=1e-7)
    none = np.zeros(6, dtype=bool)
    np.testing.assert_allclose(
        solve_bounded(hessian, linear, none), np.linalg.solve(hessian, linear[..., None])[..., 0]
    )


@pytest.mark.parametrize("rows", [1, 9])
def test_logistic_fits_agree_with_a_general_minimiser(rows):
    columns = np.c_[np.ones(30), RNG.uniform(size=(30, 3))]
    total = RNG.integers(1, 40, (rows, 30)).astype(float)
    won = RNG.binomial(total.astype(int), 0.3).astype(float)
    penalty = np.diag([0.0, 1, 2, 3])[None]
    bounded = np.array([False, True, True, True])
    free, held = (fit_logistic(columns, won, total, penalty, bounded=b) for b in (None, bounded))
    for r in range(rows):

        def loss(theta, r=r):
            eta = columns @ theta
            return total[r] @ np.logaddexp(0, eta) - won[r] @ eta + theta @ penalty[0] @ theta / 2

        best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-7})
        np.testing.assert_allclose(free.theta[r], best.x, atol=1e-4)
        assert free.loss[r] == pytest.approx(best.fun, abs=1e-5)
        bounds = [(None, None), *[(0, None)] * 3]
        best = minimize(loss, np.full(4, 0.1), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14})
        np.testing.assert_allclose(held.theta[r], best.x, atol=1e-3)


def test_a_start_far_off_ends_where_a_near_one_does():
    columns = np.c_[np.ones(20), np.arange(20) / 20]
    total, won = np.full((1, 20), 50.0), np.linspace(2, 48, 20)[None]
    penalty = 1e-6 * np.eye(2)[None]
    near = fit_logistic(columns, won, total, penalty)
    far = fit_logistic(columns, won, total, penalty, start=np.array([[15.0, -30.0]]))
    np.testing.assert_allclose(far.theta, near.theta, rtol=1e-6)
