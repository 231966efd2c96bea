"""Gains by segment are pooled partially: each tells its own deals as far as they go."""

import numpy as np
import pytest

from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut
from leadml.evaluation.segments import segment_gains


def firm(sizes, gains, seed):
    """In each segment rule and card follow up a third each; the card's win 2 * gain more often."""
    rng = np.random.default_rng(seed)
    segment = np.repeat(np.arange(len(sizes)), sizes)
    n = len(segment)
    third = rng.integers(0, 3, n)
    y = rng.uniform(size=n) < 0.3 + np.asarray(gains)[segment] * np.where(third == 1, 1, np.where(third == 0, -1, 0))
    zeros = np.zeros(n, np.int32)
    held = HeldOut(Log(np.arange(n), zeros, zeros, y.astype(np.int8), np.arange(n), np.ones(n)))
    return held, (third == 0).astype(float), (third == 1).astype(float), "team", [f"s{i}" for i in segment]


def test_intervals_cover_the_true_gains_of_segments():
    """In at least 92%, whether segments differ or not."""
    sizes = [40, 80, 150, 300, 300, 600]
    for spread in (0.0, 0.08):
        covered = []
        for seed in range(60):
            gains = np.random.default_rng(1000 + seed).normal(0.05, spread, len(sizes))
            for gain, found in zip(gains, segment_gains(*firm(sizes, gains, seed), 0.01), strict=True):
                covered.append(found.gain.low <= 2 * gain / 3 / 0.3 <= found.gain.high)
        assert np.mean(covered) >= 0.92


def test_a_segment_of_its_own_is_seen_and_a_small_one_borrows():
    sizes, gains = [2000, 2000, 2000, 15], [0.15, 0.15, -0.15, 0.0]
    one, two, turned, small = segment_gains(*firm(sizes, gains, 1), 0.01)
    assert one.verdict == two.verdict == "change"
    assert turned.verdict == "keep"
    assert small.verdict == "too-few"
    (alone,) = segment_gains(*firm([15], [0.0], 1), 0.01)
    assert small.gain.high - small.gain.low < alone.gain.high - alone.gain.low
    assert [each.value for each in (one, two, turned, small)] == ["s0", "s1", "s2", "s3"]
    assert one.n == 2000


def test_without_any_difference_nothing_is_said():
    held, rule, _, *segment = firm([100, 50], [0.0, 0.0], 0)
    found = segment_gains(held, rule, rule, *segment, 0.01)
    assert {each.verdict for each in found} == {"too-few"}
    assert [each.gain.value for each in found] == pytest.approx([0.0, 0.0])
    assert all(each.gain.low < 0 < each.gain.high for each in found)


def test_a_middling_segment_is_undecided():
    (found,) = segment_gains(*firm([150], [0.02], 3), 0.01)
    assert found.verdict == "undecided"
