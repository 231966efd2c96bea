"""P(won) by total: the Gaussian process finds its mode and stays finite; the table covers the truth and never falls."""

import numpy as np
import pytest
from scipy.optimize import minimize

from leadml.evaluation.rates import smooth, table_of_totals
from leadml.levels import logistic

AT = np.arange(6.0)
TOTALS = np.arange(41)
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


def covered(truth, share, n, repeats=40):
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(repeats):
        size = rng.multinomial(n, share)
        table = table_of_totals(TOTALS, rng.binomial(size, truth), size, 40)
        assert (np.diff(table.probability) >= -1e-12).all()
        assert (table.low <= table.probability).all()
        assert (table.probability <= table.high).all()
        inside.append((table.low <= truth) & (truth <= table.high))
    return np.average(np.mean(inside, axis=0), weights=share)


@pytest.mark.parametrize("n", [100, 1000, 20_000])
@pytest.mark.parametrize("world", ["line", "jump", "kink", "falls"])
def test_intervals_cover_also_where_the_line_is_wrong(world, n):
    share = np.exp(-0.5 * ((TOTALS - 18) / 7) ** 2)
    truth = {
        "line": logistic((TOTALS - 22) / 5),
        "jump": np.where(TOTALS >= 20, 0.6, 0.1),
        "kink": logistic(-2 + np.maximum(TOTALS - 25, 0) / 3),
        "falls": logistic(-2 + TOTALS / 20 - 0.8 * (TOTALS >= 30)),
    }[world]
    assert covered(truth, share / share.sum(), n) > 0.9


def test_where_deals_abound_the_table_follows_the_rates():
    won, n = np.zeros(17), np.full(17, 40)
    won[:] = np.rint(40 * logistic((np.arange(17) - 12) / 3))
    won[9], n[9] = 1472, 1782
    table = table_of_totals(np.arange(17), won, n, 16)
    assert table.low[9] > 0.75
    assert abs(table.probability[9] - 0.826) < 0.06


def test_totals_without_a_deal_have_an_interval_too():
    empty = table_of_totals(TOTALS, np.zeros(41), np.zeros(41), 40)
    assert ((empty.high - empty.low) > 0.9).all()
    more = table_of_totals(TOTALS, np.full(41, 3), np.full(41, 10), 40, min_variance=4.0)
    plain = table_of_totals(TOTALS, np.full(41, 3), np.full(41, 10), 40)
    assert (more.high - more.low > plain.high - plain.low).all()
