"""ScorecardClassifier: a scikit-learn classifier whose points are those of the card."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

import leadml.estimators as estimators
from leadml.datasets import make_leads
from leadml.estimators import ScorecardClassifier

LEADS = make_leads(800, "tilted", all_criteria=False)
X = pd.DataFrame(LEADS.levels, columns=list(LEADS.criteria))
BANT = ["budget", "authority", "need", "timeline"]


def test_the_face_is_sorted_and_complete():
    assert estimators.__all__ == sorted(estimators.__all__)
    assert all(hasattr(estimators, name) for name in estimators.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Scorecard'"):
        estimators.Scorecard  # noqa: B018


def test_probabilities_are_those_of_the_total():
    card = ScorecardClassifier("bant", n_draws=20).fit(X, LEADS.outcome)
    codes = np.where(np.isnan(X[BANT]), 5, X[BANT]).astype(int)
    totals = np.stack([card.points_[j][codes[:, j]] for j in range(4)]).sum(axis=0)
    np.testing.assert_allclose(card.predict_proba(X)[:, 1], card.table_.probability[totals])
    assert card.points_[:, :5].max(axis=1).sum() == 40
    assert BANT[int(card.points_[:, 4].argmax())] == "authority"
    assert len(card.fit_.draws) == 20


def test_columns_of_a_frame_are_found_by_name_in_any_order():
    card = ScorecardClassifier("bant").fit(X, LEADS.outcome)
    np.testing.assert_array_equal(card.predict_proba(X[X.columns[::-1]]), card.predict_proba(X))
    with pytest.raises(ValueError, match="got 3 columns; valid: budget, authority"):
        ScorecardClassifier("bant").fit(X.to_numpy()[:, :3], LEADS.outcome)


def test_weights_are_that_many_deals():
    twice = pd.concat([X, X[:200]], ignore_index=True)
    weight = np.r_[np.full(200, 2.0), np.ones(600)]
    one = ScorecardClassifier("bant").fit(X, LEADS.outcome, sample_weight=weight)
    two = ScorecardClassifier("bant").fit(twice, np.r_[LEADS.outcome, LEADS.outcome[:200]])
    np.testing.assert_array_equal(one.points_, two.points_)
    np.testing.assert_allclose(one.predict_proba(X), two.predict_proba(X))


def test_score_keeps_the_meaning_of_scikit_learn():
    auc = cross_val_score(ScorecardClassifier("bant"), X, LEADS.outcome, scoring="roc_auc", cv=4)
    assert auc.mean() > 0.75
    card = ScorecardClassifier("bant", points=None).fit(X, LEADS.outcome)
    assert card.score(X, LEADS.outcome) == (card.predict(X) == LEADS.outcome).mean()
    assert not hasattr(card, "points_")


@pytest.mark.parametrize(
    ("y", "message"), [(np.zeros(800), "y holds one class"), (np.arange(800) % 3, "Only binary classification")]
)
def test_other_than_two_classes_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        ScorecardClassifier("bant").fit(X, y)


def test_infinite_levels_are_refused():
    card = ScorecardClassifier().fit(X.to_numpy(), LEADS.outcome)
    with pytest.raises(ValueError, match="contains infinity"):
        card.predict(np.full((1, 4), np.inf))
