"""Sequential tests: false alarms over all looks and rows stay at 5%, changes are found, looks are fixed."""

from __future__ import annotations

import numpy as np
import pytest

from leadml.monitoring.sequential import ALPHA, find_change, information_of, looks_at, watch


def test_looks_are_fixed_so_that_a_growing_file_only_adds_to_them() -> None:
    assert looks_at(0) == []
    assert looks_at(7) == [7]
    assert looks_at(100)[:-1] == looks_at(1000)[: len(looks_at(100)) - 1]
    assert looks_at(1000)[-1] == 1000


def test_an_alarm_given_once_stays_given() -> None:
    rng = np.random.default_rng(0)
    x, p = np.ones((600, 1)), np.full(600, 0.3)
    y = (rng.random(600) < np.r_[np.full(300, 0.1), np.full(300, 0.35)]).astype(float)
    before = information_of(np.ones((5000, 1)), np.full(5000, 0.3), np.full(5000, 0.3))
    early, late = watch(before, x[:300], y[:300], p[:300]), watch(before, x, y, p)
    assert min(early.e, late.e) >= 1 / ALPHA


def test_the_size_of_a_change_is_found_and_a_row_that_never_varied_tells_nothing() -> None:
    rng = np.random.default_rng(1)
    x = np.c_[np.ones(4000), rng.normal(size=4000), np.full(4000, 1e-15)]  # as rounding leaves it
    p = 1 / (1 + np.exp(-(x[:, 1] - 1)))
    before = information_of(x, (rng.random(4000) < p).astype(float), p)
    lower = 1 / (1 + np.exp(-(0.7 * x[:, 1] - 1)))
    found = find_change(before, information_of(x, (rng.random(4000) < lower).astype(float), p))
    assert found.size[1] == pytest.approx(-0.3, abs=4 * found.error[1])
    assert found.e[1] > 20 > found.e[0]
    assert found.e[2] == pytest.approx(1.0)
    assert (found.size[2], found.error[2]) == (0.0, np.inf)


def test_no_deal_is_no_evidence() -> None:
    found = watch(np.eye(2, 3), np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    assert found.e == 1.0


@pytest.mark.slow
def test_stationary_firms_give_no_alarm_and_weights_of_deals_count() -> None:
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(200):
        effect = rng.normal(size=1500)
        x, p = np.c_[np.ones(1500), effect], 1 / (1 + np.exp(-(effect - 1)))
        y = (rng.random(1500) < p).astype(float)
        before = information_of(x[:500], y[:500], p[:500])
        alarms += watch(before, x[500:], y[500:], p[500:]).e >= 1 / ALPHA
    assert alarms <= 0.05 * 200
    twice = information_of(x[:50], y[:50], p[:50], np.full(50, 2.0))
    assert twice == pytest.approx(2 * information_of(x[:50], y[:50], p[:50]))
