"""Synthetic worlds: the truth that is computed is the one that leads are drawn from."""

import itertools

import numpy as np
import pyarrow.csv
import pytest

from leadml.data.deals import OPEN
from leadml.datasets.sample import make_leads, write_csv
from leadml.datasets.worlds import WORLDS, make_truth
from leadml.exceptions import UsageError
from leadml.levels import UNKNOWN


def own_codes(leads):
    return leads.codes[:, [leads.criteria.index(name) for name in leads.truth.criteria]]


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_leads_are_won_as_the_truth_says(world):
    leads = make_leads(20_000, world, random_state=3)
    truth, codes = leads.truth, own_codes(leads)
    assert truth.base_rate == pytest.approx(0.3, abs=1e-9) or world == "drifting"
    if truth.first is None and not world.startswith("selected") and world not in ("late_answers", "immature"):
        p = truth.probability(codes)
        won = leads.outcome == 1
        assert abs(won.mean() - p.mean()) < 0.015
        high = p > np.quantile(p, 0.7)
        assert won[high].mean() == pytest.approx(p[high].mean(), abs=0.025)
        assert truth.share.sum() == pytest.approx(1)
        shares = [truth.share[truth.patterns[:, 0] == code].sum() for code in range(6)]
        np.testing.assert_allclose(np.bincount(codes[:, 0], minlength=6) / len(codes), shares, atol=0.015)


@pytest.mark.parametrize(("world", "unit"), [("rule_right", "points"), ("met_right", "met"), ("null_rule", "met")])
@pytest.mark.parametrize(("framework", "base_rate"), list(itertools.product(("bant", "faint"), (0.02, 0.3, 0.8))))
def test_the_documented_rule_is_the_best_there_is(world, unit, framework, base_rate):
    truth = make_truth(world, framework=framework, base_rate=base_rate)
    assert truth.base_rate == pytest.approx(base_rate)
    assert truth.unit == unit
    score = truth.score()
    earned = truth.share * (np.nan_to_num(truth.rate) - truth.base_rate)
    assert np.argmax([round(earned[score >= cutoff].sum(), 12) for cutoff in range(score.max() + 2)]) == truth.cutoff
    best = truth.captured(np.nan_to_num(truth.rate), truth.workload())
    assert truth.captured((score >= truth.cutoff).astype(int), truth.workload()) == pytest.approx(best)
    share, won = (np.bincount(score, truth.share * each) for each in (1.0, np.nan_to_num(truth.rate)))
    assert (np.diff((won / np.where(share > 0, share, np.nan))[share > 0]) >= -1e-9).all()


def test_what_is_seen_of_a_random_unknown_is_the_mean_over_the_levels():
    truth = make_truth("unknown_random")
    codes = np.array([[UNKNOWN, 2, 2, 2]], dtype=np.uint8)
    known = np.array([[level, 2, 2, 2] for level in range(5)], dtype=np.uint8)
    share = np.array([truth.share[truth.patterns[:, 0] == level].sum() for level in range(5)])
    assert truth.probability(codes)[0] == pytest.approx(share @ truth.probability(known) / share.sum())
    junk = make_truth("unknown_junk")
    assert junk.probability(codes)[0] == pytest.approx(junk.probability(known[:1])[0])


def test_the_attainable_gain_is_1_for_the_best_ranking_and_0_for_the_rule():
    truth = make_truth("tilted")
    assert truth.attainable(np.nan_to_num(truth.rate)) == pytest.approx(1)
    assert truth.attainable((truth.score("met") >= 3).astype(float)) == pytest.approx(0)
    assert np.isnan(make_truth("met_right").attainable(np.zeros(6**4)))
    weights = truth.weights
    assert max(weights, key=weights.get) == "authority"
    assert sum(weights.values()) == pytest.approx(16)
    assert set(make_truth("null").weights.values()) == {0.0}
    assert make_truth("gate").weights == {}


def test_drifts_lead_from_the_first_lead_to_the_last():
    drifting = make_leads(20_000, "drifting", 3)
    early, late = (drifting.outcome[part].mean() for part in (slice(2000), slice(-2000, None)))
    assert early < 0.25 < 0.4 < late == pytest.approx(drifting.truth.base_rate, abs=0.04)
    moved = make_truth("weights_drifting")
    for (log_odds, _), world in ((moved.first, "rule_right"), (moved.now, "tilted")):
        np.testing.assert_allclose(log_odds, make_truth(world).log_odds)


def test_selection_accounts_and_late_answers_are_recorded():
    random = make_leads(4000, "selected_random")
    below = random.propensity < 1
    assert random.followed_up[~below].all()
    assert random.followed_up[below].mean() == pytest.approx(0.1, abs=0.02)
    np.testing.assert_array_equal(random.outcome == OPEN, ~random.followed_up)
    hunch = make_leads(4000, "selected_hunch")
    assert hunch.propensity is None
    assert 0.4 < hunch.followed_up.mean() < 0.8
    assert len(np.unique(make_leads(500, "grouped").unit)) < 110
    late = make_leads(4000, "late_answers")
    unknown = (own_codes(late) == UNKNOWN).mean(axis=1)
    assert unknown[late.outcome == 1].mean() < 0.05 < 0.4 < unknown[late.outcome == 0].mean()
    assert (make_leads(2000, "immature").outcome == OPEN).any()


def test_one_seed_gives_one_file(tmp_path):
    leads = make_leads(300, "grouped", random_state=5)
    assert leads.digest == make_leads(300, "grouped", random_state=5).digest
    assert leads.digest != make_leads(300, "grouped", random_state=6).digest
    path = write_csv(leads, tmp_path / "deals.csv")
    table = pyarrow.csv.read_csv(path)
    assert table.num_rows == 300
    assert {"Deal ID", "Created on", "Closed on", "Status", "Budget", "Account", "Amount"} <= set(table.column_names)
    budget = table["Budget"].to_numpy(zero_copy_only=False)
    np.testing.assert_array_equal(budget, leads.levels[:, 0])
    write_csv(make_leads(50, "selected_random", all_criteria=False), tmp_path / "worked.csv")
    assert "Chance of being picked" in pyarrow.csv.read_csv(tmp_path / "worked.csv").column_names


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"world": "tiltd"}, "world is 'tiltd'; valid: .*tilted"),
        ({"n": 0}, "n is 0; valid: at least 1"),
        ({"base_rate": 1.5}, "base_rate is 1.5; valid: 0.01 to 0.99"),
        ({"form": "points met"}, "form is 'points met'; valid: points, met"),
        ({"unknown_share": 0.9, "base_rate": 0.9}, "no world has this base_rate"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_valid(wrong, message):
    with pytest.raises(UsageError, match=message):
        make_leads(**{"n": 10, **wrong})
