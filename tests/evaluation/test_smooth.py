"""The Gaussian process finds its mode, averages kernels by evidence, and stays finite at the extremes."""

import numpy as np
import pytest
from scipy.optimize import minimize

from leadml.evaluation.smooth import smooth

AT = np.arange(6.0)
KERNELS = np.array([9.0 + spread**2 * np.exp(-np.abs(AT[:, None] - AT)) for spread in (0.1, 2.0)])


@pytest.mark.parametrize("offset", [0.0, -1.0])
def test_the_mean_is_the_mode_of_the_posterior_and_the_covariance_its_curvature(offset):
    n, won = np.array([40.0, 0, 30, 20, 60, 5]), np.array([2.0, 0, 9, 12, 50, 5])
    found = smooth(KERNELS, won, n, offset)
    for kernel, mean, covariance in zip(KERNELS, found.mean, found.covariance, strict=True):
        inverse = np.linalg.inv(kernel)

        def loss(eta, inverse=inverse):
            f = eta - offset
            return n @ np.logaddexp(0, eta) - won @ eta + f @ inverse @ f / 2

        np.testing.assert_allclose(mean, minimize(loss, mean + 0.1, method="BFGS").x, atol=1e-3)
        p = 1 / (1 + np.exp(-mean))
        np.testing.assert_allclose(covariance, np.linalg.inv(inverse + np.diag(n * p * (1 - p))), atol=1e-6)
    assert found.weight.sum() == pytest.approx(1)


def test_evidence_tells_rough_rates_from_flat_ones():
    n = np.full(6, 200.0)
    assert smooth(KERNELS, np.full(6, 60.0), n).weight[0] > 0.9
    assert smooth(KERNELS, np.array([20.0, 150, 20, 150, 20, 150]), n).weight[1] > 0.99


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("size", [0.0, 3.0, 1e6])
def test_one_outcome_or_no_deal_is_no_certainty(share, size):
    found = smooth(KERNELS, np.full(6, share * size), np.full(6, size))
    assert np.isfinite(found.mean).all()
    assert (np.diagonal(found.covariance, axis1=1, axis2=2) > 0).all()
