"""Counts of patterns say the same as the deals."""

import numpy as np
import pytest

from leadml.estimators.patterns import PatternCounts, check_learnable
from leadml.exceptions import TooFewDealsError, UsageError

RNG = np.random.default_rng(0)


def deals(n=500, k=4):
    return RNG.integers(0, 6, (n, k)).astype(np.uint8), RNG.integers(-1, 2, n), RNG.uniform(0, 3, n)


@pytest.mark.parametrize("k", [3, 9, 13])
def test_counts_hold_each_closed_deal_once(k):
    codes, outcome, weight = deals(k=k)
    counts = PatternCounts.from_codes(codes, outcome, weight)
    assert counts.won.sum() == pytest.approx(weight[outcome == 1].sum())
    assert counts.lost.sum() == pytest.approx(weight[outcome == 0].sum())
    assert len(np.unique(counts.codes, axis=0)) == len(counts.codes)
    at = (codes == counts.codes[0]).all(axis=1) & (outcome == 1)
    assert counts.won[0] == pytest.approx(weight[at].sum())
    assert PatternCounts.from_codes(codes, outcome).total.sum() == (outcome >= 0).sum()


def test_fewer_criteria_count_as_if_they_were_all():
    codes, outcome, _ = deals()
    fewer = PatternCounts.from_codes(codes, outcome).of([2, 0])
    straight = PatternCounts.from_codes(codes[:, [2, 0]], outcome)
    np.testing.assert_array_equal(fewer.codes, straight.codes)
    np.testing.assert_array_equal(fewer.won, straight.won)
    np.testing.assert_array_equal(fewer.lost, straight.lost)


def test_too_little_to_learn_from_is_refused_by_name():
    codes = np.tile(np.arange(5, dtype=np.uint8)[:, None], (20, 2))
    outcome = np.arange(100) % 2
    check_learnable(PatternCounts.from_codes(codes, outcome), ("budget", "need"))
    with pytest.raises(TooFewDealsError, match="10 won and 10 lost deals; learning needs at least 20 won"):
        check_learnable(PatternCounts.from_codes(codes[:20], outcome[:20]), ("budget", "need"))
    with pytest.raises(UsageError, match=r"1 mapped criteria \(need\)"):
        check_learnable(PatternCounts.from_codes(codes[:, :1], outcome), ("need",))
    with pytest.raises(UsageError, match="no level of budget, need is known"):
        check_learnable(PatternCounts.from_codes(np.full_like(codes, 5), outcome), ("budget", "need"))
    with pytest.raises(UsageError, match="constant in all closed deals"):
        check_learnable(PatternCounts.from_codes(np.full_like(codes, 3), outcome), ("budget", "need"))
