"""Gains by segment are pooled partially: each tells its own deals as far as they go."""

import numpy as np
import pyarrow as pa
import pytest

from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut
from leadml.evaluation.segments import segment_gains


def gains_of(sizes, gains, seed, alike=False):
    """In each segment rule and card follow up a third each; the card's win 2 * gain more often."""
    rng = np.random.default_rng(seed)
    segment = np.repeat(np.arange(len(sizes)), sizes)
    n = len(segment)
    third = rng.integers(0, 3, n)
    y = rng.uniform(size=n) < 0.3 + np.asarray(gains)[segment] * np.array([-1, 1, 0])[third]
    zeros = np.zeros(n, np.int32)
    held = HeldOut(Log(np.arange(n), zeros, zeros, y.astype(np.int8), np.arange(n), np.ones(n)))
    rule, card = (third == 0).astype(float), (third == int(not alike)).astype(float)
    return segment_gains(held, rule, card, "team", pa.array([f"s{i}" for i in segment]), 0.01)


@pytest.mark.parametrize("spread", [0.0, 0.08])
def test_intervals_cover_the_true_gains_of_segments(spread):
    """In at least 92%, whether segments differ or not."""
    sizes, covered = [40, 80, 150, 300, 300, 600], []
    for seed in range(60):
        gains = np.random.default_rng(1000 + seed).normal(0.05, spread, len(sizes))
        for gain, found in zip(gains, gains_of(sizes, gains, seed), strict=True):
            covered.append(found.gain.low <= 2 * gain / 3 / 0.3 <= found.gain.high)
    assert np.mean(covered) >= 0.92


def test_a_segment_of_its_own_is_seen_and_a_small_one_borrows():
    found = gains_of([2000, 2000, 2000, 15], [0.15, 0.15, -0.15, 0.0], 1)
    assert [(each.column, each.value) for each in found] == [("team", f"s{i}") for i in range(4)]
    assert [each.verdict for each in found] == ["change", "change", "keep", "too-few"]
    (alone,) = gains_of([15], [0.0], 1)
    assert found[3].gain.high - found[3].gain.low < alone.gain.high - alone.gain.low
    assert found[0].n == 2000
    assert gains_of([150], [0.02], 3)[0].verdict == "undecided"


def test_without_any_difference_nothing_is_said():
    for each in gains_of([100, 50], [0.0, 0.0], 0, alike=True):
        assert each.verdict == "too-few"
        assert each.gain.value == pytest.approx(0.0)
        assert each.gain.low < 0 < each.gain.high
