"""Counts of patterns say the same as the deals."""

import numpy as np
import pytest

from leadml.estimators.patterns import PatternCounts

RNG = np.random.default_rng(0)


def deals(n=500, k=4):
    return RNG.integers(0, 6, (n, k)).astype(np.uint8), RNG.integers(-1, 2, n), RNG.uniform(0, 3, n)


@pytest.mark.parametrize("k", [0, 3, 9, 13, 70])
def test_counts_hold_each_closed_deal_once(k):
    codes, outcome, weight = deals(k=k)
    counts = PatternCounts.from_codes(codes, outcome, weight)
    assert counts.won.sum() == pytest.approx(weight[outcome == 1].sum())
    assert counts.lost.sum() == pytest.approx(weight[outcome == 0].sum())
    assert (counts.codes[:, None] == codes).all(axis=2).any(axis=1).all()
    assert len(np.unique(counts.codes, axis=0)) == len(counts.codes)
    at = (codes == counts.codes[0]).all(axis=1) & (outcome == 1)
    assert counts.won[0] == pytest.approx(weight[at].sum())
    assert PatternCounts.from_codes(codes, outcome).total.sum() == (outcome >= 0).sum()
