"""Wide classifiers of whatever a CRM holds."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from leadml.estimators.context import ContextClassifier

KINDS = ("logistic", "boosting")


def draw(seed, n=400):
    rng = np.random.default_rng(seed)
    source = rng.choice(np.array(["web", "fair", "call", None], dtype=object), n)
    points = rng.integers(0, 17, n).astype(float)
    points[rng.uniform(size=n) < 0.1] = np.nan
    eta = 0.3 * (np.nan_to_num(points, nan=8) - 8) + np.where(source == "fair", 1.5, -0.5)
    outcome = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)
    return pd.DataFrame({"points": points, "source": source}), outcome


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_from_numbers_and_from_text(kind):
    (X, y), (X_new, y_new) = draw(0), draw(1)
    p = ContextClassifier(kind, monotone=("points",)).fit(X, y).predict_proba(X_new)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert roc_auc_score(y_new, p[:, 1]) > 0.8
    assert log_loss(y_new, p[:, 1]) < log_loss(y_new, np.full(len(y_new), y.mean())) - 0.1


def test_a_higher_rule_score_never_lowers_what_the_trees_tell():
    X, y = draw(2)
    y[X["points"] > 12] = 0  # the data say the opposite here
    model = ContextClassifier("boosting", monotone=("points",)).fit(X, y)
    grid = pd.DataFrame({"points": np.arange(17.0), "source": np.full(17, "web", dtype=object)})
    assert (np.diff(model.predict_proba(grid)[:, 1]) >= -1e-12).all()
    free = ContextClassifier("boosting").fit(X, y)
    assert (np.diff(free.predict_proba(grid)[:, 1]) < 0).any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_category_never_seen_counts_as_unknown_or_rare(kind):
    X, y = draw(3)
    model = ContextClassifier(kind).fit(X, y)
    new = pd.DataFrame({"points": [8.0, np.nan], "source": np.array(["space", None], dtype=object)})
    p = model.predict_proba(new)
    assert np.isfinite(p).all()
    assert ((p > 0) & (p < 1)).all()


def column(name):
    nothing = np.full(400, None, dtype=object)
    once = nothing.copy()
    once[3] = "x"
    third = np.full(400, np.nan)
    third[::3] = 1.0  # all of it in one inner fold
    return {
        "no number": np.full(400, np.nan),
        "a number in one fold only": third,
        "one number": np.ones(400),
        "no text": nothing,
        "one text once": once,
        "every text once": np.array([f"c{i}" for i in range(400)], dtype=object),
    }[name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    ["no number", "a number in one fold only", "one number", "no text", "one text once", "every text once"],
)
def test_a_column_that_tells_nothing_breaks_nothing(kind, name):
    X, y = draw(4)
    plain = ContextClassifier(kind, monotone=("points",)).fit(X, y).predict_proba(X)
    wider = X.assign(empty=column(name))
    model = ContextClassifier(kind, monotone=("points", "empty")).fit(wider, y)
    assert np.isfinite(model.predict_proba(wider)).all()
    if name in ("no number", "one number", "no text"):
        np.testing.assert_allclose(model.predict_proba(wider), plain, atol=1e-6)
    alone = ContextClassifier(kind).fit(wider[["empty"]], y)
    assert np.isfinite(alone.predict_proba(wider[["empty"]])).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_strength_is_the_best_of_the_inner_folds_and_a_fit_repeats(kind):
    X, y = draw(5)
    fold = np.random.default_rng(0).integers(0, 3, 400)
    one, two = (ContextClassifier(kind).fit(X, y, fold=fold) for _ in range(2))
    assert one.strength_ == two.strength_
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    np.testing.assert_array_equal(one.predict(X), one.predict_proba(X)[:, 1] > 0.5)
