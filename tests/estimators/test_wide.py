"""Wide cards: which columns come in, how they are cut, and what stays of a fit in whole points."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from leadml import ScorecardClassifier, WideCardClassifier
from leadml.estimators.attributes import MAX_BINS_MANY, Bins, Column, fine_bins, merge
from leadml.estimators.wide_fit import WideDeals, fit_wide
from leadml.exceptions import UsageError
from leadml.levels import logistic


def test_values_of_many_deals_are_bins_and_the_rest_is_cut_evenly():
    visits = np.concatenate([np.zeros(900), np.arange(1.0, 101.0), np.full(50, np.nan)])
    bins = fine_bins(Column("visits", visits), np.ones(len(visits)))
    assert bins.edges[0] == 1.0
    assert len(bins.edges) >= 8
    assert np.bincount(bins.codes(Column("visits", visits))).min(where=[True] * bins.n_bins + [False, True],
                                                                         initial=99) >= 10  # fmt: skip


def test_bins_stay_apart_only_where_deals_tell():
    bins = Bins("x", np.arange(1.0, 20.0))
    n = np.full(22, 50.0)
    same, _ = merge(bins, np.zeros(22), n / 4, n)
    apart, at = merge(bins, np.repeat([0.0, 1.0, -1.0, 0.0], [7, 7, 6, 2]), n / 4, n)
    steep, _ = merge(bins, np.arange(22.0), n / 4, n)
    assert (same.n_bins, apart.edges.tolist(), at.max(), steep.n_bins) == (1, [7.0, 14.0], 2, MAX_BINS_MANY)


@pytest.fixture(scope="module")
def deals():
    rng = np.random.default_rng(0)
    codes, x = rng.integers(0, 40, 3000), rng.normal(size=3000)
    eta = np.array([-0.7, 0.0, 0.7])[codes % 3] + np.tanh(2 * x)
    words = tuple(f"w{at}" for at in range(40))
    columns = [Column("word", codes.astype(float), words), Column("x", x)]
    columns += [Column(f"noise{at}", rng.integers(0, 20, 3000).astype(float), words[:20]) for at in range(20)]
    return WideDeals(np.empty((3000, 0), np.uint8), columns, rng.random(3000) < logistic(eta),
                     np.ones(3000))  # fmt: skip


def test_words_brought_together_by_outcome_keep_their_shrinkage(deals):
    seen, fresh = (deals.take(np.arange(3000) % 2 == at) for at in (0, 1))
    fit = fit_wide(seen)
    assert {"word", "x"} <= {each.bins.name for each in fit.attributes}
    eta = fit.log_odds(fit.codes(fresh.codes, fresh.columns))
    slope = LogisticRegression(C=1e6).fit(eta[:, None], fresh.outcome).coef_[0, 0]
    assert 0.85 < slope < 1.2
    assert 0.7 < fit.slope <= 1
    absent = fit.log_odds(fit.codes(fresh.codes[:1], []))
    assert absent == pytest.approx(fit.intercept + sum(each.effects[-1] for each in fit.attributes))


def test_columns_are_let_in_by_evidence_and_noise_alone_is_not(deals):
    noise = WideDeals(deals.codes, deals.columns[2:], deals.outcome, deals.weight)
    assert fit_wide(noise).attributes == ()
    assert [each.bins.name for each in fit_wide(deals, attributes=2).attributes] == ["x", "word"]


def test_points_stay_within_the_total_and_rank_as_the_fit_does():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(2000, 8)), columns=list("abcdefgh"))
    eta = frame.sum(axis=1) / 2 - 2 * (frame["a"] > 2)
    card = WideCardClassifier(points=30).fit(frame, rng.random(2000) < logistic(eta))
    assert 20 <= card.points_.total_max <= 30
    assert np.corrcoef(card.total_points(frame), eta)[0, 1] > 0.9


def test_plain_frames_of_other_libraries_are_read():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"need": rng.integers(0, 5, 400).astype(float), "product": rng.choice(["A", "B"], 400)})
    won = rng.random(400) < np.where(frame["product"] == "A", 0.7, 0.2)
    table = pa.Table.from_pandas(frame)
    card = WideCardClassifier().fit(table, won)
    assert [each.title for each in card.attributes_] == ["product"]
    assert (card.total_points(table) == WideCardClassifier().fit(frame, won).total_points(frame)).all()


@pytest.mark.parametrize("wrong", [{"points": -5}, {"points": "40"}, {"points": True}, {"points": 2.5}, {"points": 0}])
def test_a_parameter_out_of_range_and_a_column_that_is_absent_are_named(wrong):
    frame, won = pd.DataFrame({"need": [0.0, 4.0] * 40, "Bron": ["a", "a", "b", "c"] * 20}), [0, 1] * 40
    for classifier, columns in ((ScorecardClassifier, ["need"]), (WideCardClassifier, ["need", "Bron"])):
        with pytest.raises(UsageError, match=rf"'points' parameter of {classifier.__name__} .* range \[4, 1000\]"):
            classifier(**wrong).fit(frame[columns], won)
    with pytest.raises(UsageError, match="X: has no column Land; it has need, Bron"):
        WideCardClassifier(columns=["Land"]).fit(frame, won)
    card = WideCardClassifier().fit(frame, frame["Bron"] == "a")
    with pytest.raises(UsageError, match="X: has no column Bron; it has need; add it"):
        card.predict(frame[["need"]])
