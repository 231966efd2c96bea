"""Whole points: they add up, never fall, stay near the fit, and no move of one point comes nearer."""

import numpy as np
import pytest

from leadml.datasets.worlds import make_truth
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import ScorecardFit, fit_scorecard
from leadml.estimators.whole_points import whole_points
from leadml.levels import logistic

RNG = np.random.default_rng(0)


def world_counts(world, n=2000):
    """What deals of a world would count on average."""
    truth = make_truth(world)
    return PatternCounts(truth.patterns, n * truth.share * np.nan_to_num(truth.rate),
                         n * truth.share * (1 - np.nan_to_num(truth.rate)))  # fmt: skip


def rounded(fit, counts, total=40, **options):
    return whole_points(fit, counts.codes, counts.total, total, **options)


def points_of(card):
    return np.array(card.rows)


def fit_of(values):
    return ScorecardFit(-3.0, np.asarray(values, float), np.empty((0, 0)))


@pytest.mark.parametrize("total", [16, 20, 40, 100])
@pytest.mark.parametrize("world", ["rule_right", "tilted", "steps"])
def test_points_keep_the_total_and_never_fall(world, total):
    counts = world_counts(world)
    card = rounded(fit_scorecard(counts), counts, total)
    levels, unknown = points_of(card)[:, :5], points_of(card)[:, 5]
    assert levels[:, 4].sum() == total
    assert (levels[:, 0] == 0).all()
    assert (np.diff(levels) >= 0).all()
    assert ((unknown >= 0) & (unknown <= levels[:, 4])).all()
    assert card.slope > 0
    assert card.total_max == total
    np.testing.assert_array_equal(card.totals(counts.codes[:1]), [points_of(card)[np.arange(4), counts.codes[0]].sum()])


def test_more_points_lose_less_against_the_fit():
    counts = world_counts("steps")
    fit = fit_scorecard(counts)
    lost = [rounded(fit, counts, total).loss_against_real for total in (8, 16, 40, 100)]
    assert lost == sorted(lost, reverse=True)
    assert lost[2] < 0.001


def test_whole_points_come_back_as_they_were():
    points = np.array([[0, 1, 3, 7, 10, 4], [0, 0, 5, 9, 12, 2], [0, 8, 8, 8, 8, 0], [0, 2, 4, 6, 10, 10]])
    counts = world_counts("rule_right")
    card = rounded(fit_of(0.13 * points), counts, 40)
    np.testing.assert_array_equal(points_of(card), points)
    assert (card.slope, card.base) == (pytest.approx(0.13), pytest.approx(-3))
    assert card.loss_against_real == pytest.approx(0, abs=1e-9)


def test_no_move_of_one_point_comes_nearer():
    counts, steps = world_counts("tilted"), RNG.exponential(size=(4, 4))
    values = np.c_[np.zeros(4), np.cumsum(steps, axis=1) / 3, np.full(4, 0.3)]
    fit = fit_of(values)
    card = rounded(fit, counts, 12)
    real = fit.log_odds(counts.codes)
    weight = counts.total * logistic(real) * logistic(-real)

    def correlation(points):
        x = np.stack([points[j][counts.codes[:, j]] for j in range(4)]).sum(axis=0)
        c = np.cov(x, real, aweights=weight)
        return c[0, 1] / np.sqrt(c[0, 0] * c[1, 1])

    best = correlation(points_of(card))
    for j, i in np.ndindex(4, 4):
        for up, down in np.ndindex(4, 4):
            moved = points_of(card).copy()
            moved[j, up + 1 : 5] += 1
            moved[i, down + 1 : 5] -= 1
            if (np.diff(moved[:, :5]) >= 0).all() and (moved[:, 5] <= moved[:, 4]).all():
                assert correlation(moved) <= best + 1e-6


def test_a_wrong_sign_criterion_earns_nothing():
    counts = world_counts("reversed")
    card = rounded(fit_scorecard(counts), counts)
    assert (points_of(card)[3, :5] == 0).all()
    assert points_of(card)[:3, 4].sum() == 40


def test_unknown_earns_from_nothing_to_the_top():
    counts, levels = world_counts("rule_right"), np.tile(np.arange(5) / 4, (4, 1))
    card = rounded(fit_of(np.c_[levels, [-2.0, 5.0, 0.5, 0.0]]), counts)
    assert points_of(card)[:2, 5].tolist() == [0, points_of(card)[1, 4]]
    assert (points_of(card) >= 0).all()


def test_free_points_may_turn_and_begin_at_0():
    counts, monotone = world_counts("inverted_u", 20_000), [True, False, True, True]
    card = rounded(fit_scorecard(counts, monotone=monotone), counts, monotone=monotone)
    levels = points_of(card)[:, :5]
    assert levels[1].argmax() == 2
    assert (levels.min(axis=1) == 0).all()
    assert levels.max(axis=1).sum() == 40
    assert (np.diff(levels[[0, 2, 3]]) >= 0).all()


def test_nothing_learned_is_no_points_at_the_base_rate():
    counts = world_counts("null")
    card = rounded(fit_of(np.zeros((4, 6))), counts)
    assert not points_of(card).any()
    assert card.slope == 0
    assert np.isfinite(card.base)
