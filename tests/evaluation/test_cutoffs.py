"""Cut-offs follow from consequences; their interval is that of the deployed card."""

import numpy as np
import pytest

from leadml.evaluation.cutoffs import cutoff_at_cost, cutoff_at_share, decision_curve, implied_value
from leadml.evaluation.metrics import HeldOut
from leadml.evaluation.rates import redraw_rates
from leadml.levels import logistic


def drawn_deals(truth, share, n, seed):
    rng = np.random.default_rng(seed)
    size = rng.multinomial(n, share).astype(float)
    return rng.binomial(size.astype(int), truth).astype(float), size


SHARE = np.exp(-0.5 * ((np.arange(21) - 9) / 4.5) ** 2)
SHARE /= SHARE.sum()
LINE = logistic(-3.0 + 0.25 * np.arange(21))
STEP = np.where(np.arange(21) >= 11, 0.55, 0.15)


@pytest.mark.parametrize("truth", [LINE, STEP], ids=["line", "step"])
@pytest.mark.parametrize("n", [300, 2000])
def test_the_interval_of_the_cutoff_covers_the_true_one(truth, n):
    """At least 92% of firms, also where the line is wrong."""
    threshold = 0.33
    net = np.append(np.cumsum((SHARE * (truth - threshold))[::-1])[::-1], 0.0)
    best, covered, rates_covered = int(net.argmax()), [], []
    for seed in range(100):
        won, size = drawn_deals(truth, SHARE, n, seed)
        rates = redraw_rates(won, size, 400, seed)
        found = cutoff_at_cost(rates, size, threshold)
        assert found.low <= found.value <= found.high
        covered.append(found.low <= best <= found.high)
        ends = np.quantile(rates, [0.025, 0.975], axis=0)[:, 4:16]
        rates_covered.append(((ends[0] <= truth[4:16]) & (truth[4:16] <= ends[1])).mean())
    assert np.mean(covered) >= 0.92
    assert np.mean(rates_covered) >= 0.90


def test_nothing_seen_at_a_total_is_wide_there():
    won, n = np.array([5.0, 10, 0, 40]), np.array([50.0, 50, 0, 80])
    rates = redraw_rates(won, n)
    width = np.ptp(np.quantile(rates, [0.025, 0.975], axis=0), axis=0)
    assert width[2] > width[3]
    np.testing.assert_array_equal(rates, redraw_rates(won, n))
    all_alike = redraw_rates(np.array([0.0, 0.0]), np.array([30.0, 30.0]))
    assert 0 < all_alike.mean() < 0.1


def test_a_share_of_leads_and_cutoffs_alike_come_with_the_cutoff():
    won, size = drawn_deals(LINE, SHARE, 500, 3)
    rates = redraw_rates(won, size)
    found = cutoff_at_cost(rates, size, 0.3)
    assert found.value in found.not_distinguishable
    above = size[int(found.value) :].sum() / size.sum()
    assert found.share.value == pytest.approx(above)
    assert found.share.low <= above <= found.share.high
    even = cutoff_at_cost(rates, size, None)  # break-even: the base rate
    assert even.low <= cutoff_at_cost(rates, size, won.sum() / size.sum()).value <= even.high
    assert (even.basis, found.basis) == ("break-even", "economics")
    assert cutoff_at_cost(rates, size, 0.999).value == 21  # no one
    assert cutoff_at_cost(rates, size, 0.0).value == 0


def test_capacity_takes_no_more_than_its_share():
    n = np.array([50.0, 30, 15, 5])
    for share, cutoff in ((1.0, 0), (0.5, 1), (0.2, 2), (0.19, 3), (0.01, 4)):
        found = cutoff_at_share(n, share)
        assert found.value == cutoff
        assert found.share.value <= share + 1e-9 or share == 1.0
        assert found.low <= cutoff <= found.high


def test_a_documented_cutoff_is_right_exactly_within_its_implied_values():
    rates = np.tile(LINE, (10, 1))
    found = implied_value(rates, 11)
    for ratio, right in ((found.low * 1.01, True), (found.high * 0.99, True), (found.low * 0.99, False)):
        assert (cutoff_at_cost(rates, SHARE, 1 / ratio).value == 11) is right
    assert cutoff_at_cost(rates, SHARE, 1 / (found.high * 1.01)).value == 10
    assert (implied_value(rates, 0).high, implied_value(rates, 0).high_interval) == (None, (None, None))
    assert implied_value(rates, 21).low is None
    turned = implied_value(rates[:, ::-1], 11)
    assert turned.low >= turned.high  # no value makes it right: fewer are won above the cut-off


def test_the_decision_curve_compares_all_at_each_ratio(make_log):
    log = make_log(2000)
    held, rule, p = HeldOut(log), log.entries["rule"].decision, log.entries["card"].probability
    rates = np.tile(LINE, (10, 1))
    rows = decision_curve(held, rule, p, implied_value(rates, 11))
    assert len(rows) == 15
    assert rows[0].ratio < 1 / log.outcome.mean() < rows[-1].ratio
    for row in rows:
        assert (row.none.value, row.none.low, row.none.high) == (0.0, 0.0, 0.0)
        assert row.all.value == pytest.approx(100 * (log.outcome.mean() - 1 / row.ratio))
        assert row.documented.low < row.documented.value < row.documented.high
        # a calibrated card is never worse than everyone or no one, beyond noise
        assert row.learned.high >= max(row.all.value, 0.0)
