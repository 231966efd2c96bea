"""Whole points: the documented total kept, and no other whole points lose less."""

import itertools

import numpy as np
import pytest

from leadml.estimators.design import points_of, step_columns
from leadml.estimators.integer_points import (
    count_by_total,
    find_integer_card,
    fit_lines,
    round_points,
    total_points,
)
from leadml.estimators.monotone_fit import fit_scorecards

INF = np.inf


def draw(seed, n=500, weights=(0.7, 0.3, 0.1), unknown=0.0):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, (n, len(weights))).astype(float)
    eta = -2.0 + levels @ np.asarray(weights)
    levels[rng.uniform(size=levels.shape) < unknown] = np.nan
    return levels, (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)


def find(levels, won, points, shrink=0.0, smooth=0.0):
    total = np.ones(len(won))
    strengths = {"documented_points": points, "shrink": shrink, "smooth": smooth}
    full = fit_scorecards(levels, won, total, **strengths)[0]
    return find_integer_card(levels, won, total, full, documented_points=points), full


def document(k, most=4):
    """A document of k criteria with so many points each."""
    return np.tile(np.floor(np.arange(5) * most / 4 + 0.5 - 1e-12), (k, 1))


STRENGTHS = [(0.0, 0.0), (20.0, 5.0), (20.0, INF), (INF, INF)]


@pytest.mark.parametrize("strengths", STRENGTHS)
@pytest.mark.parametrize("seed", range(4))
def test_whole_points_keep_the_total_and_never_fall(seed, strengths):
    levels, won = draw(seed, weights=(0.6, 0.2, 0.0, -0.5), unknown=0.15)
    card, _ = find(levels, won, document(4), *strengths)
    assert card.points.dtype.kind == card.unknown_points.dtype.kind == "i"
    assert card.points[:, -1].sum() == 16
    assert (card.points[:, 0] == 0).all()
    assert (np.diff(card.points, axis=1) >= 0).all()
    assert (card.unknown_points >= 0).all()
    assert (card.unknown_points <= card.points[:, -1]).all()
    assert card.slope >= 0


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_points_shown_are_points_used(strengths):
    levels, won = draw(1, unknown=0.2)
    card, _ = find(levels, won, document(3), *strengths)
    for lead, total in zip(levels[:80], card.totals(levels[:80]), strict=True):
        shown = [
            card.unknown_points[j] if np.isnan(level) else card.points[j, int(level)]
            for j, level in enumerate(lead)
        ]
        assert sum(shown) == total


def expected_wins(levels, full):
    """Wins that the real-valued fit expects of each deal."""
    return 1 / (1 + np.exp(-(step_columns(levels) @ full)))


@pytest.mark.parametrize("strengths", STRENGTHS[:3])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_never_worse_than_rounding_and_never_better_than_real_points(seed, strengths):
    levels, won = draw(seed, unknown=0.1)
    card, full = find(levels, won, document(3), *strengths)
    expected, ones = expected_wins(levels, full), np.ones(len(won))
    by_level, unknown = points_of(full)
    rounded = [part[0] for part in round_points(by_level[None], unknown[None], document(3))]
    losses = [
        fit_lines(total_points(levels, *points), expected, ones, 12)[1][0]
        for points in ((card.points, card.unknown_points), rounded)
    ]
    assert card.log_loss * len(won) == pytest.approx(losses[0], rel=1e-9)
    assert losses[0] <= losses[1] + 1e-9
    # what the fit expects of itself is its entropy
    real = -(expected * np.log(expected) + (1 - expected) * np.log(1 - expected)).mean()
    assert card.real_log_loss == pytest.approx(real, rel=1e-9)
    assert card.log_loss >= card.real_log_loss - 1e-12
    # base and slope are those of the deals themselves
    line, _ = fit_lines(card.totals(levels), won, ones, 12)
    np.testing.assert_allclose([card.base, card.slope], line[0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("max_steps", [1, 3, 5])
def test_a_short_card_earns_points_at_so_many_steps_at_most(max_steps):
    levels, won = draw(2, unknown=0.1)
    full = fit_scorecards(levels, won, np.ones(len(won)), documented_points=document(3), shrink=0, smooth=0)[
        0
    ]
    ones = np.ones(len(won))
    short = find_integer_card(levels, won, ones, full, documented_points=document(3), max_steps=max_steps)
    whole = find_integer_card(levels, won, ones, full, documented_points=document(3))
    assert 1 <= (np.diff(short.points, axis=1) > 0).sum() <= max_steps
    assert short.points[:, -1].sum() == 12
    assert short.log_loss >= whole.log_loss - 1e-9


@pytest.mark.parametrize(
    ("seed", "most", "weights"),
    [
        *[(seed, 2, (0.5, 0.2)) for seed in range(5)],
        *[(seed, 3, (0.9, 0.1)) for seed in range(5)],
        *[(seed, 3, (0.2, -0.3)) for seed in range(3)],
    ],
)
def test_no_other_whole_points_lose_less(seed, most, weights):
    # Every way to hand 2 * most points to the 8 steps of two criteria: C(11, 7) = 330 for 4 points,
    # C(13, 7) = 1,716 for 6.
    levels, won = draw(seed, n=200, weights=weights)
    strengths = (5.0, 2.0)
    card, full = find(levels, won, document(2, most), *strengths)
    vectors = []
    for bars in itertools.combinations(range(2 * most + 7), 7):
        steps = np.diff(np.r_[-1, bars, 2 * most + 7]) - 1
        vectors.append(np.concatenate([[0], steps[:4], [0], steps[4:], [0]]))
    vectors = np.array(vectors)
    totals = np.rint(vectors[:, 1:] @ step_columns(levels)[:, 1:].T).astype(int)
    _, losses = fit_lines(totals, expected_wins(levels, full), np.ones(200), 2 * most)
    assert len(losses) in (330, 1716)
    assert card.log_loss * 200 <= losses.min() + 1e-6


def test_an_infinite_strength_gives_the_documented_points():
    levels, won = draw(0, unknown=0.1)
    for points in (document(3), np.array([[0, 1, 1, 3, 4], [0, 0, 2, 2, 2], [0, 2, 4, 6, 8]])):
        card, _ = find(levels, won, points.astype(float), INF, INF)
        np.testing.assert_array_equal(card.points, points)
        np.testing.assert_array_equal(card.unknown_points, 0)
        assert card.log_loss == pytest.approx(card.real_log_loss, rel=1e-9)


def test_deals_that_teach_nothing_give_the_documented_points():
    levels, won = draw(0, weights=(-0.5, -0.3, -0.4))
    card, _ = find(levels, won, document(3), INF, INF)
    np.testing.assert_array_equal(card.points, document(3))
    assert card.slope == pytest.approx(0, abs=1e-9)
    assert 1 / (1 + np.exp(-card.base)) == pytest.approx(won.mean(), abs=1e-6)


def test_rounding_by_hand():
    # Level 4 earns 2.0 and 1.2 log-odds. Of 8 points that is 5 and 3 exactly; level 1 of the first earns
    # 0.5 / 2.0 * 5 = 1.25 -> 1, level 2 1.0 -> 2.5 -> 2 (halves down), level 3 1.5 -> 3.75 -> 4;
    # of the second 0.4, 0.4, 0.8 of 1.2 * 3 = 1, 1, 2. Unknowns: 0.9 / 2.0 * 5 = 2.25 -> 2; 0 -> 0.
    by_level = np.array([[[0, 0.5, 1.0, 1.5, 2.0], [0, 0.4, 0.4, 0.8, 1.2]]])
    points, unknown = round_points(by_level, np.array([[0.9, 0.0]]), document(2))
    np.testing.assert_array_equal(points[0], [[0, 1, 2, 4, 5], [0, 1, 1, 2, 3]])
    np.testing.assert_array_equal(unknown[0], [2, 0])


def test_criteria_share_the_total_by_largest_remainders():
    # 12 * (0.5, 0.26, 0.24) = 6, 3.12, 2.88: floors 6 + 3 + 2 = 11, the last point to the 0.88.
    top = np.array([0.5, 0.26, 0.24])
    points, _ = round_points((np.arange(5) / 4 * top[:, None])[None], np.zeros((1, 3)), document(3))
    np.testing.assert_array_equal(points[0, :, -1], [6, 3, 3])


def test_a_card_without_any_effect_rounds_to_the_document():
    points, unknown = round_points(np.zeros((1, 2, 5)), np.full((1, 2), 0.0), document(2))
    np.testing.assert_array_equal(points[0], document(2))
    np.testing.assert_array_equal(unknown, 0)


def test_counts_by_total_add_up():
    totals = np.array([0, 2, 2, 1])
    won, total = np.array([1.0, 1, 0, 3]), np.array([2.0, 1, 4, 3])
    won_by, total_by = count_by_total(totals, won, total, 3)
    np.testing.assert_array_equal(won_by, [[1, 3, 1, 0]])
    np.testing.assert_array_equal(total_by, [[2, 3, 5, 0]])
    many = count_by_total(np.stack([totals, 3 - totals]), won, total, 3)
    np.testing.assert_array_equal(many[0], [[1, 3, 1, 0], [0, 1, 3, 1]])
    np.testing.assert_array_equal(many[1], [[2, 3, 5, 0], [0, 5, 3, 2]])


def test_a_line_by_hand():
    # Of 4 deals at 0 points 1 won, of 4 at 1 point 3 won: log-odds -log 3 and +log 3.
    line, loss = fit_lines(np.array([0, 1]), np.array([1.0, 3.0]), np.array([4.0, 4.0]), 1)
    np.testing.assert_allclose(line, [[-np.log(3), 2 * np.log(3)]], atol=1e-6)
    # 2 * (1 * log 4 + 3 * log(4 / 3)) = 4.4987
    np.testing.assert_allclose(loss, 2 * (np.log(4) + 3 * np.log(4 / 3)), atol=1e-6)
    falling, _ = fit_lines(np.array([0, 1]), np.array([3.0, 1.0]), np.array([4.0, 4.0]), 1)
    np.testing.assert_allclose(falling, [[0, 0]], atol=1e-9)  # more points never lower the probability
