"""ScorecardClassifier: a scikit-learn classifier whose points are those of the card."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

from leadml import PolicyClassifier, ScorecardClassifier, WideCardClassifier
from leadml.datasets.sample import make_leads
from leadml.exceptions import UsageError

LEADS = make_leads(800, "tilted", all_criteria=False)
X = pd.DataFrame(LEADS.levels, columns=list(LEADS.criteria))
BANT = ["budget", "authority", "need", "timeline"]


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
    for wrong, message in (
        (lambda: card.fit(X.to_numpy()[:, :3], LEADS.outcome), "got 3 columns; valid: budget, authority"),
        (lambda: card.predict(X.drop(columns="need")), "no column need; it has"),
    ):
        with pytest.raises(UsageError, match=message):
            wrong()


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


@pytest.mark.parametrize("wrong", [7.0, -1.0])
def test_a_level_that_is_none_is_named_with_its_row_and_column_or_clipped_when_asked(wrong):
    levels = X[BANT].copy()
    levels.loc[3, "need"] = wrong
    place = rf"row 3, need: got level {wrong:g}; valid: 0 to 4"
    with pytest.raises(UsageError, match=place):
        ScorecardClassifier("bant").fit(levels, LEADS.outcome)
    card = ScorecardClassifier("bant").fit(X, LEADS.outcome)
    with pytest.raises(UsageError, match=place):
        card.predict_proba(levels)
    with pytest.raises(UsageError, match="row 3, column 2: got"):
        ScorecardClassifier().fit(levels.to_numpy(), LEADS.outcome)
    clipped = ScorecardClassifier("bant", clip=True).fit(X, LEADS.outcome).predict_proba(levels)
    np.testing.assert_array_equal(clipped, card.predict_proba(levels.clip(0, 4)))


@pytest.mark.parametrize(
    ("labels", "won"),
    [
        (["verloren", "gewonnen"], None),
        (["Closed Lost", "Closed Won"], None),
        (["nee", "ja"], None),
        (["Weg", "Klant"], None),
        (["weg", "binnen"], "binnen"),
        ([1, 0], 0),
        ([0, 1], None),
    ],
)
@pytest.mark.parametrize("make", [ScorecardClassifier, PolicyClassifier, WideCardClassifier])
def test_what_is_won_is_known_by_its_word_or_told(make, labels, won):
    levels = X[BANT]
    plain = make().fit(levels, LEADS.outcome)
    told = make(won=won).fit(levels, np.array(labels)[LEADS.outcome])
    assert told.won_ == labels[1]
    assert told.classes_.tolist() == sorted(labels)
    np.testing.assert_array_equal(told.predict(levels) == labels[1], plain.predict(levels) == 1)
    second = told.classes_[1] == labels[1]
    np.testing.assert_array_equal(
        told.decision_function(levels), plain.decision_function(levels) * (1 if second else -1)
    )
    if make is not PolicyClassifier:
        at = told.classes_.tolist().index(labels[1])
        np.testing.assert_allclose(told.predict_proba(levels)[:, at], plain.predict_proba(levels)[:, 1])


def test_words_that_nobody_knows_are_told_with_the_one_that_counts():
    y = np.array(["weg", "binnen"])[LEADS.outcome]
    with pytest.warns(UserWarning, match=r"'weg', counts as won; say which with won="):
        assert ScorecardClassifier().fit(X[BANT], y).won_ == "weg"
    with pytest.raises(UsageError, match="won is 'Won'; valid: a label of y, 'binnen' or 'weg'"):
        ScorecardClassifier(won="Won").fit(X[BANT], y)
