"""One family of scorecards from the document to the data."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from leadml.estimators.design import make_family, points_of, step_columns
from leadml.estimators.monotone_fit import cross_validate_strengths, fit_scorecards, make_grid

INF = np.inf


def draw(seed, n=400, k=3, weights=(0.6, 0.3, 0.0), unknown=0.15, base=-2.0):
    """Deals whose log-odds rise evenly by a weight a level; an unknown counts as level 1."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, (n, k)).astype(float)
    seen = levels.copy()
    seen[rng.uniform(size=(n, k)) < unknown] = np.nan
    eta = base + np.where(np.isnan(seen), 1.0, levels) @ np.asarray(weights[:k])
    won = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)
    return seen, won


def document(k, points=None):
    return np.tile(np.arange(5.0) if points is None else points, (k, 1))


def fit(levels, won, weight=None, *, points=None, shrink=0.0, smooth=0.0, **more):
    weight = np.ones(len(won)) if weight is None else weight
    points = document(levels.shape[1]) if points is None else points
    return fit_scorecards(
        levels, won * weight, weight, documented_points=points, shrink=shrink, smooth=smooth, **more
    )[0]


def objective(full, levels, won, shrink, smooth, points):
    family = make_family(points, 0.0, 0.0)
    eta = step_columns(levels) @ full
    penalty = family.penalty(shrink, smooth, len(won))
    return (np.logaddexp(0, eta) - won * eta).sum() + 0.5 * full @ penalty @ full


@pytest.mark.parametrize("points", [None, np.array([0.0, 0, 1, 3, 4])])
@pytest.mark.parametrize("seed", range(3))
def test_infinite_shrinkage_is_the_documented_rule_calibrated(seed, points):
    levels, won = draw(seed)
    full = fit(levels, won, points=document(3, points), shrink=INF, smooth=INF)
    by_level = np.arange(5.0) if points is None else points
    # the documented score: an unknown earns 0 points
    score = np.where(np.isnan(levels), 0.0, by_level[np.nan_to_num(levels).astype(int)]).sum(axis=1)
    one_slope = LogisticRegression(C=1e12, tol=1e-12, max_iter=1000).fit(score[:, None], won)
    expected = one_slope.predict_proba(score[:, None])[:, 1]
    found = 1 / (1 + np.exp(-step_columns(levels) @ full))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("shrink", [0.0, 5.0])
@pytest.mark.parametrize("smooth", [0.0, 5.0, INF])
@pytest.mark.parametrize("seed", range(3))
def test_no_level_earns_less_than_the_one_below_and_an_unknown_lies_between(seed, shrink, smooth):
    # The third criterion works the wrong way round, and deals with unknowns win often.
    levels, won = draw(seed, weights=(0.5, 0.0, -0.4))
    won[np.isnan(levels).any(axis=1)] = 1
    by_level, unknown = points_of(fit(levels, won, shrink=shrink, smooth=smooth))
    assert (np.diff(by_level) >= 0).all()
    assert (unknown >= 0).all()
    assert (unknown <= by_level[:, -1] + 1e-9).all()


@pytest.mark.parametrize("smooth", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_optimum_of_the_family(seed, smooth):
    # Against a general solver with the same bounds and with unknown <= level 4 as constraints.
    rng = np.random.default_rng(seed)
    levels, won = draw(seed, n=150, k=2, weights=rng.uniform(-0.3, 0.6, 2), unknown=0.3)
    won = np.where(np.isnan(levels).any(axis=1) & (rng.uniform(size=150) < 0.5), 1.0, won)
    points = document(2)
    full = fit(levels, won, shrink=1.0, smooth=smooth)
    above = np.zeros((2, 11))
    above[0, 1:5], above[0, 5], above[1, 6:10], above[1, 10] = 1, -1, 1, -1
    found = minimize(
        objective,
        np.r_[0, np.full(10, 0.1)],
        (levels, won, 1.0, smooth, points),
        "SLSQP",
        bounds=[(None, None)] + [(0, None)] * 10,
        constraints={"type": "ineq", "fun": lambda full: above @ full},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    own = objective(full, levels, won, 1.0, smooth, points)
    assert own <= found.fun + 1e-5
    assert (above @ full >= -1e-9).all()


def test_an_unknown_is_tied_only_while_that_is_best():
    # With every unknown won, each would be worth more than its top level, and is held down to it.
    levels, won = draw(0, n=200, k=2, weights=(0.5, 0.5), unknown=0.2)
    won[np.isnan(levels).any(axis=1)] = 1
    by_level, unknown = points_of(fit(levels, won))
    np.testing.assert_allclose(unknown, by_level[:, -1])


@pytest.mark.parametrize("strengths", [(INF, INF), (2.0, INF), (2.0, 1.0), (0.0, 0.0)])
def test_a_weight_is_a_repetition(strengths):
    levels, won = draw(1, n=150)
    weight = np.random.default_rng(0).integers(0, 4, 150)
    shrink, smooth = strengths
    weighted = fit(levels, won, weight.astype(float), shrink=shrink, smooth=smooth)
    again = fit(np.repeat(levels, weight, axis=0), np.repeat(won, weight), shrink=shrink, smooth=smooth)
    np.testing.assert_allclose(weighted, again, atol=1e-6)


@pytest.mark.parametrize("strengths", [(INF, INF), (2.0, INF), (2.0, 1.0), (0.0, 0.0)])
def test_the_table_of_patterns_is_as_good_as_the_rows(strengths):
    levels, won = draw(2, n=500, k=2)
    shrink, smooth = strengths
    patterns, row = np.unique(np.nan_to_num(levels, nan=5.0), axis=0, return_inverse=True)
    assert len(patterns) == 36  # 6 codes of 2 criteria
    patterns[patterns == 5] = np.nan
    by_pattern = fit_scorecards(
        patterns,
        np.bincount(row.ravel(), won),
        np.bincount(row.ravel()).astype(float),
        documented_points=document(2),
        shrink=shrink,
        smooth=smooth,
    )[0]
    np.testing.assert_allclose(by_pattern, fit(levels, won, shrink=shrink, smooth=smooth), atol=1e-6)


def test_fits_together_are_each_alone_and_strengths_a_deal_scale_with_the_deals():
    levels, won = draw(3)
    weights = np.random.default_rng(1).integers(0, 3, (4, len(won))).astype(float)
    together = fit_scorecards(
        levels,
        weights * won,
        weights,
        documented_points=document(3),
        shrink=0.1,
        smooth=0.02,
        per_deal=True,
    )
    for row, weight in enumerate(weights):
        alone = fit(levels, won, weight, shrink=0.1 * weight.sum(), smooth=0.02 * weight.sum())
        np.testing.assert_allclose(together[row], alone, atol=1e-6)


def test_the_path_leads_from_the_document_to_the_data():
    levels, won = draw(4)
    strengths = [INF, 1e5, 1000.0, 100.0, 10.0, 1.0, 0.0]
    along = [fit(levels, won, shrink=shrink, smooth=INF) for shrink in strengths]
    losses = [objective(full, levels, won, 0.0, 0.0, document(3)) for full in along]
    line = np.r_[1, 1, 1] / np.sqrt(3)
    tops = [points_of(full)[0][:, -1] for full in along]
    departures = [np.linalg.norm(top - (top @ line) * line) for top in tops]
    assert all(a >= b - 1e-6 for a, b in itertools.pairwise(losses))
    assert all(a <= b + 1e-6 for a, b in itertools.pairwise(departures))
    assert departures[0] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(tops[1], tops[0], rtol=0.01)  # infinity is the limit of the large
    uneven = [fit(levels, won, shrink=1.0, smooth=smooth) for smooth in (1e6, 0.0)]
    even = fit(levels, won, shrink=1.0, smooth=INF)
    np.testing.assert_allclose(points_of(uneven[0])[0], points_of(even)[0], atol=1e-3)
    assert objective(uneven[1], levels, won, 1.0, 0.0, document(3)) < objective(
        even, levels, won, 1.0, 0.0, document(3)
    )


def test_a_criterion_of_the_wrong_sign_earns_nothing():
    levels, won = draw(5, n=800, weights=(0.6, 0.3, -0.8), unknown=0.0)
    for smooth in (0.0, INF):
        by_level, _ = points_of(fit(levels, won, smooth=smooth))
        assert (by_level[2] <= 1e-6).all()
        assert by_level[0, -1] > 1


def test_without_bounds_it_is_the_plain_logistic_regression():
    levels, won = draw(5, n=800, weights=(0.6, 0.3, -0.8), unknown=0.0)
    full = fit(levels, won, smooth=INF, monotone=False)
    plain = LogisticRegression(C=1e12, tol=1e-12, max_iter=1000).fit(levels, won)
    found = points_of(full)[0][:, -1] / 4
    np.testing.assert_allclose(found, plain.coef_[0], atol=1e-3)  # the wrong sign is kept
    bounded = fit(levels, won, smooth=INF)
    assert points_of(bounded)[0][2, -1] == pytest.approx(0, abs=1e-6)


def test_what_no_deal_shows_keeps_to_the_document():
    levels, won = draw(6, n=600, weights=(0.5, 0.5, 0.0), unknown=0.0)
    levels[:, 2] = np.nan  # never asked: as heavy as the others on average
    levels[:, 0] = np.minimum(levels[:, 0], 3)  # level 4 never seen: the step up to it is as the others'
    by_level, unknown = points_of(fit(levels, won, smooth=INF))
    assert by_level[2, -1] == pytest.approx(by_level[:2, -1].mean(), rel=0.01)
    assert unknown[2] == pytest.approx(0, abs=1e-6)
    by_level, _ = points_of(fit(levels, won))
    assert by_level[0, 4] - by_level[0, 3] == pytest.approx(by_level[0, 3] / 3, rel=0.05)


def folds_of(levels, won, n_folds=4):
    fold = np.arange(len(won)) % n_folds
    member = (fold == np.arange(n_folds)[:, None]).astype(float)
    return member, (member * won)[None], member[None]


def test_held_out_loss_is_that_of_a_fit_on_the_other_folds():
    levels, won = draw(7, n=120)
    member, won_by, total_by = folds_of(levels, won)
    grid = make_grid(steps=True)
    path = cross_validate_strengths(levels, won_by, total_by, documented_points=document(3), grid=grid)
    for at in (0, 2, len(grid) - 1):
        shrink, smooth = grid[at]
        train = 1 - member[1]
        full = fit(levels, won, train, shrink=shrink, smooth=smooth, per_deal=True)
        eta = step_columns(levels) @ full
        expected = (member[1] * (np.logaddexp(0, eta) - won * eta)).sum()
        assert path.losses[0, 1, at] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_array_equal(path.sizes[0], [30, 30, 30, 30])


def test_the_choice_by_hand():
    # Three strengths, two folds of 10 deals. Sums: 14, 13, 12 -> the third is best.
    # Differences a deal from the best: second (0.2, -0.1), mean 0.05, error 0.15 -> within; first
    # (0.1, 0.1), mean 0.1, error 0 -> not within.
    grid = [(INF, INF), (1.0, INF), (0.0, INF)]
    from leadml.estimators.monotone_fit import Path

    losses = np.array([[[7.0, 8.0, 6.0], [7.0, 5.0, 6.0]]])
    path = Path(grid, losses, np.full((1, 2), 10.0))
    (chosen,) = path.choose()
    assert (chosen.shrink, chosen.smooth) == grid[1]
    assert chosen.log_loss == pytest.approx(0.65)
    assert chosen.standard_error == pytest.approx(0.15)
    (least,) = path.choose(one_standard_error=False)
    assert (least.shrink, least.smooth) == grid[2]


def test_a_grid_starts_at_the_document_and_its_even_part_keeps_the_shape():
    assert make_grid(steps=True)[0] == make_grid(steps=False)[0] == (INF, INF)
    levels, won = draw(8, n=60)
    _, won_by, total_by = folds_of(levels, won)
    full = cross_validate_strengths(
        levels, won_by, total_by, documented_points=document(3), grid=make_grid(steps=True)
    )
    even = full.even()
    assert even.grid == make_grid(steps=False)
    np.testing.assert_array_equal(even.losses, full.losses[..., [full.grid.index(g) for g in even.grid]])


def test_a_rule_that_is_right_is_mostly_left_as_it_is():
    chosen = []
    for seed in range(30):
        levels, won = draw(seed, n=300, weights=(0.4, 0.4, 0.4), unknown=0.0, base=-2.4)
        _, won_by, total_by = folds_of(levels, won, 5)
        path = cross_validate_strengths(
            levels, won_by, total_by, documented_points=document(3), grid=make_grid(steps=True)
        )
        chosen.append(path.choose()[0].shrink)
    assert np.isinf(chosen).mean() >= 2 / 3
