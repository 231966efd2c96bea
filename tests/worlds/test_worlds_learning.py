"""What shrinkage gains with few deals, what consequences save, and whether probabilities hold."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import leadml
from leadml.decisions.cutoff import cutoff_at_probability
from leadml.estimators.design import step_columns
from leadml.estimators.integer_points import fit_lines

pytestmark = pytest.mark.slow

REPLICATES = 200
CRITERIA = ["budget", "authority", "need", "timeline"]


def levels_of(leads):
    return leads.levels[CRITERIA].to_numpy()


def plain(levels):
    """Levels with an unknown at 0 and told apart, as plain logistic regression would take them."""
    return np.c_[np.nan_to_num(levels), np.isnan(levels)]


def expected_auc(score, probability):
    """AUC that is expected when each lead is won with its true probability."""
    twice = np.r_[score, score]
    return roc_auc_score(
        np.r_[np.ones(len(score)), np.zeros(len(score))],
        twice,
        sample_weight=np.r_[probability, 1 - probability],
    )


def gain_over_plain(world, n, replicates):
    test = leadml.make_leads(4000, world, 10_000)
    codes = np.where(np.isnan(levels_of(test)), 5, levels_of(test)).astype(np.uint8)
    probability = test.truth.probability(codes)
    gains = []
    for seed in range(replicates):
        leads = leadml.make_leads(n, world, seed, as_if=test.truth)
        x, y = levels_of(leads), leads.outcome
        if min(y.sum(), len(y) - y.sum()) < 20:
            continue
        card = leadml.ScorecardClassifier(smooth=np.inf).fit(x, y)
        free = LogisticRegression(C=np.inf, max_iter=1000).fit(plain(x), y)
        gains.append(
            expected_auc(card.decision_function(levels_of(test)), probability)
            - expected_auc(free.decision_function(plain(levels_of(test))), probability)
        )
    return float(np.mean(gains))


def test_shrinking_gains_with_few_deals_and_loses_nothing_with_more(figure):
    few, more = {}, {}
    for world in ("rule_right", "tilted", "dud", "steps"):
        few[world], more[world] = gain_over_plain(world, 100, 100), gain_over_plain(world, 600, 20)
        figure(
            f"{world}: AUC over plain logistic regression"
            f" {few[world]:+.4f} at n=100, {more[world]:+.4f} at n=600"
        )
    assert sum(gain >= 0.01 for gain in few.values()) >= 3
    assert min(more.values()) >= -0.002


@pytest.mark.parametrize("n", [100, 250, 600])
def test_consequences_regret_at_most_half_of_what_a_searched_metric_does(n, figure):
    cost, value = 150.0, 600.0
    regret = {"economics": [], "F1": [], "Youden": []}
    for seed in range(REPLICATES):
        leads = leadml.make_leads(n, "rule_right", seed)
        truth, y = leads.truth, leads.outcome
        score = np.nan_to_num(levels_of(leads)).sum(axis=1).astype(int)
        line, _ = fit_lines(score, y, np.ones(n), 16)
        cutoffs = np.arange(18)
        picks = score[None] >= cutoffs[:, None]
        hits, false = picks @ y, picks @ (1 - y)
        chosen = {
            "economics": int(cutoff_at_probability(line[:, 0], line[:, 1], np.array([cost / value]), 16)[0]),
            "F1": int(np.argmax(2 * hits / (hits + false + y.sum()))),
            "Youden": int(np.argmax(hits / y.sum() - false / (n - y.sum()))),
        }
        best = max(truth.net_value("points", int(k), cost, value) for k in cutoffs)
        for name, cutoff in chosen.items():
            regret[name].append(best - truth.net_value("points", cutoff, cost, value))
    mean = {name: float(np.mean(each)) for name, each in regret.items()}
    figure(f"n={n}: regret a lead " + ", ".join(f"{k} {v:.2f}" for k, v in mean.items()))
    assert mean["economics"] <= 0.5 * min(mean["F1"], mean["Youden"])


@pytest.mark.parametrize("world", ["rule_right", "tilted", "steps"])
def test_held_out_probabilities_hold(world, figure):
    slopes, errors = [], []
    for seed in range(15):
        leads = leadml.make_leads(1000, world, seed)
        test = leadml.make_leads(4000, world, 10_000 + seed, as_if=leads.truth)
        card = leadml.ScorecardClassifier(integer=True).fit(levels_of(leads), leads.outcome)
        told = card.predict_proba(levels_of(test))[:, 1]
        logit = np.log(told / (1 - told))
        slopes.append(LogisticRegression(C=np.inf).fit(logit[:, None], test.outcome).coef_[0, 0])
        ranked = np.array_split(np.argsort(told), 10)
        errors.append(np.mean([abs(told[rows].mean() - test.outcome[rows].mean()) for rows in ranked]))
    figure(f"{world}, n=1000: calibration slope {np.mean(slopes):.2f}, expected error {np.mean(errors):.3f}")
    assert 0.9 <= np.mean(slopes) <= 1.1
    assert np.mean(errors) < 0.03


def test_an_unknown_is_not_a_zero():
    leads = leadml.make_leads(3000, "rule_right", 0, unknown_level=2)
    card = leadml.ScorecardClassifier(shrink=0.0, smooth=0.0).fit(levels_of(leads), leads.outcome)
    assert (card.unknown_points_ > 0).all()
    assert (card.unknown_points_ < card.points_[:, 4]).all()
    assert step_columns(levels_of(leads)).shape[1] == 21
