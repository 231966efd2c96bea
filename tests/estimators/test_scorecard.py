"""The learned scorecard as a scikit-learn classifier."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from leadml.estimators import ScorecardClassifier
from leadml.estimators.design import step_columns
from leadml.estimators.monotone_fit import fit_scorecards

INF = np.inf


@parametrize_with_checks(
    [
        ScorecardClassifier(),
        ScorecardClassifier(shrink=1.0, smooth=0.0),
        ScorecardClassifier(shrink=1.0, smooth=INF, integer=True),
    ]
)
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


def draw(seed, n=400, weights=(0.7, 0.3, 0.1), unknown=0.1):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, (n, len(weights))).astype(float)
    eta = -2.0 + levels @ np.asarray(weights)
    levels[rng.uniform(size=levels.shape) < unknown] = np.nan
    return levels, (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int)


FITTED = [
    ScorecardClassifier(),
    ScorecardClassifier(shrink=0, smooth=0),
    ScorecardClassifier(shrink=INF, smooth=INF),
    ScorecardClassifier(shrink=3.0, integer=True),
]


@pytest.mark.parametrize("model", FITTED)
def test_raising_a_level_never_lowers_the_probability(model):
    levels, won = draw(0, weights=(0.7, 0.0, -0.3))
    model = clone(model).fit(levels, won)
    for j in range(3):
        raised = np.tile(levels, (5, 1, 1))
        raised[..., j] = np.arange(5)[:, None]
        p = np.stack([model.predict_proba(each)[:, 1] for each in raised])
        assert (np.diff(p, axis=0) >= -1e-12).all()
        hidden = levels.copy()
        hidden[:, j] = np.nan
        p_hidden = model.predict_proba(hidden)[:, 1]
        assert (p_hidden >= p[0] - 1e-9).all()
        assert (p_hidden <= p[-1] + 1e-9).all()


@pytest.mark.parametrize("model", FITTED)
def test_log_odds_are_the_intercept_and_the_points(model):
    levels, won = draw(1)
    model = clone(model).fit(levels, won)
    log_odds = model.decision_function(levels[:50])
    for lead, found in zip(levels[:50], log_odds, strict=True):
        parts = [
            model.unknown_points_[j] if np.isnan(level) else model.points_[j, int(level)]
            for j, level in enumerate(lead)
        ]
        assert found == pytest.approx(model.intercept_ + sum(parts), abs=1e-9)
    p = model.predict_proba(levels[:50])
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(np.log(p[:, 1] / p[:, 0]), log_odds, atol=1e-9)


def test_whole_points_are_a_multiple_of_one_slope():
    levels, won = draw(2)
    model = ScorecardClassifier(integer=True).fit(levels, won)
    card = model.integer_card_
    np.testing.assert_allclose(model.points_, card.slope * card.points)
    expected = card.base + card.slope * card.totals(levels)
    np.testing.assert_allclose(model.decision_function(levels), expected)
    assert card.points[:, -1].sum() == 12
    assert ScorecardClassifier().fit(levels, won).integer_card_ is None


@pytest.mark.parametrize("strengths", [(INF, INF), (4.0, INF), (4.0, 1.0), (0.0, 0.0)])
def test_given_strengths_are_used_in_all_not_a_deal(strengths):
    shrink, smooth = strengths
    levels, won = draw(3)
    model = ScorecardClassifier(shrink=shrink, smooth=smooth).fit(levels, won)
    document = np.tile(np.arange(5.0), (3, 1))
    full = fit_scorecards(
        levels, won, np.ones(len(won)), documented_points=document, shrink=shrink, smooth=smooth
    )[0]
    np.testing.assert_allclose(model.decision_function(levels), step_columns(levels) @ full, atol=1e-6)
    assert (model.shrink_, model.smooth_, model.path_) == (shrink, smooth, None)


def test_one_strength_given_leaves_the_other_to_the_deals():
    levels, won = draw(4, n=200)
    given = ScorecardClassifier(shrink=7.0).fit(levels, won)
    assert given.shrink_ == pytest.approx(7.0)
    assert {each.shrink for each in given.path_} == {7.0 / 200}
    given = ScorecardClassifier(smooth=INF).fit(levels, won)
    assert np.isinf(given.smooth_)
    assert {each.smooth for each in given.path_} == {INF}


def test_more_deals_lead_further_from_the_document():
    small, large = draw(5, n=60), draw(5, n=6000)
    few = ScorecardClassifier().fit(*small)
    many = ScorecardClassifier().fit(*large)
    assert few.shrink_ / 60 > many.shrink_ / 6000
    # With so many, the points come out as they were drawn: 4 levels of 0.7, 0.3 and 0.1 log-odds.
    np.testing.assert_allclose(many.points_[:, -1], [2.8, 1.2, 0.4], atol=0.25)


def test_the_least_loss_is_no_nearer_the_document_than_one_standard_error():
    for seed in range(3):
        levels, won = draw(seed, n=150)
        near = ScorecardClassifier().fit(levels, won)
        least = ScorecardClassifier(one_standard_error=False).fit(levels, won)
        assert near.shrink_ >= least.shrink_
        assert min(each.log_loss for each in least.path_) == pytest.approx(
            next(e.log_loss for e in least.path_ if np.isclose(e.shrink * 150, least.shrink_)), abs=0.02
        )


@pytest.mark.parametrize("model", FITTED)
def test_weights_are_repetitions_with_and_without_unknowns(model):
    levels, won = draw(6, n=120, unknown=0.3)
    weight = np.random.default_rng(0).integers(1, 4, 120)
    weighted = clone(model).fit(levels, won, sample_weight=weight)
    again = clone(model).fit(np.repeat(levels, weight, axis=0), np.repeat(won, weight))
    # folds hold equal rows together, so that the strengths that are chosen agree as well
    assert (weighted.shrink_, weighted.smooth_) == (again.shrink_, again.smooth_)
    np.testing.assert_allclose(weighted.decision_function(levels), again.decision_function(levels), atol=1e-6)


def test_the_greater_class_is_won_whatever_it_is_called():
    levels, won = draw(7)
    named = np.where(won == 1, "won", "lost")
    model = ScorecardClassifier(shrink=1, smooth=0).fit(levels, named)
    assert list(model.classes_) == ["lost", "won"]
    plain = ScorecardClassifier(shrink=1, smooth=0).fit(levels, won)
    np.testing.assert_array_equal(model.predict_proba(levels), plain.predict_proba(levels))
    np.testing.assert_array_equal(model.predict(levels) == "won", plain.predict(levels) == 1)


def test_it_works_inside_scikit_learn():
    levels, won = draw(8, n=150)
    scores = cross_val_score(
        ScorecardClassifier(shrink=1.0, smooth=INF),
        levels,
        won,
        groups=np.arange(150) % 30,
        cv=GroupKFold(3),
        scoring="roc_auc",
    )
    assert scores.min() > 0.6


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"shrink": -1}, 'shrink is -1; valid is a number from 0 to inf, or "cv"'),
        ({"smooth": "auto"}, "smooth is 'auto'; valid is a number from 0 to inf"),
        ({"shrink": np.nan}, "shrink is nan; valid is a number"),
        ({"documented_points": [[0, 1, 2, 3, 4]]}, r"shape \(1, 5\); valid is \(3, 5\)"),
    ],
)
def test_a_wrong_parameter_is_told(parameters, message):
    levels, won = draw(9, n=50)
    with pytest.raises(ValueError, match=message):
        ScorecardClassifier(**parameters).fit(levels, won)


def test_deals_that_cannot_be_learned_from_are_told():
    levels, won = draw(9, n=50)
    with pytest.raises(ValueError, match=r"one class .*won and lost deals"):
        ScorecardClassifier().fit(levels, np.ones(50))
    with pytest.raises(ValueError, match="negative weights"):
        ScorecardClassifier().fit(levels, won, sample_weight=np.full(50, -1.0))
    with pytest.raises(ValueError, match="infinity"):
        ScorecardClassifier().fit(np.where(np.isnan(levels), INF, levels), won)
