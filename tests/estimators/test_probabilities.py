"""P(won) at every total: it never falls, follows what abounds, and its intervals cover the truth."""

import numpy as np
import pytest

from leadml.estimators.probabilities import table_of_totals
from leadml.levels import logistic

AT = np.arange(41)


def covered(truth, share, n, repeats=40):
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(repeats):
        size = rng.multinomial(n, share)
        table = table_of_totals(AT, rng.binomial(size, truth), size, 40)
        assert (np.diff(table.probability) >= -1e-12).all()
        assert (table.low <= table.probability).all()
        assert (table.probability <= table.high).all()
        inside.append((table.low <= truth) & (truth <= table.high))
    return np.average(np.mean(inside, axis=0), weights=share)


@pytest.mark.parametrize("n", [100, 1000, 20_000])
@pytest.mark.parametrize("world", ["line", "jump", "kink", "falls"])
def test_intervals_cover_also_where_the_line_is_wrong(world, n):
    share = np.exp(-0.5 * ((AT - 18) / 7) ** 2)
    truth = {
        "line": logistic((AT - 22) / 5),
        "jump": np.where(AT >= 20, 0.6, 0.1),
        "kink": logistic(-2 + np.maximum(AT - 25, 0) / 3),
        "falls": logistic(-2 + AT / 20 - 0.8 * (AT >= 30)),
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
    empty = table_of_totals(AT, np.zeros(41), np.zeros(41), 40)
    assert ((empty.high - empty.low) > 0.9).all()
    more = table_of_totals(AT, np.full(41, 3), np.full(41, 10), 40, min_variance=4.0)
    plain = table_of_totals(AT, np.full(41, 3), np.full(41, 10), 40)
    assert (more.high - more.low > plain.high - plain.low).all()
