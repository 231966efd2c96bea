"""Money, leads a week and bands: what decides a cut-off, and what is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from leadml import calibrate, make_leads
from leadml.exceptions import RecordError, UsageError
from leadml.leads.mapping import load_mapping
from leadml.records import check_record
from leadml.workflows.experiment import Experiment
from leadml.workflows.stakes import find_stakes

QUICK = {"policies": ["bant-points"], "baseline": "bant-points", "contenders": ["cutoff", "integer"]}


def settings(**keys):
    return check_record(QUICK | {"bootstrap": 100} | keys, Experiment, "experiment")


def in_currency(leads, currency):
    mapping = load_mapping(
        {"name": "m", "criteria": {"need": {"column": "N"}}, "amount": {"column": "A", "currency": currency}}
    )
    return dataclasses.replace(leads, mapping=mapping)


@pytest.fixture(scope="module")
def leads():
    return make_leads(800, random_state=4)


def test_a_won_deal_is_worth_the_margin_of_the_mean_amount_of_won_deals(leads):
    found = find_stakes(settings(economics={"follow_up_cost": 100, "margin": 0.25}), leads, leads)
    mean = leads.amount[leads.outcome == 1].mean()
    assert found.consequences.value == pytest.approx(0.25 * mean)
    assert float(found.consequences.threshold(0.3)) == pytest.approx(100 / (0.25 * mean))


def test_every_set_of_deals_has_its_own_mean():
    leads = make_leads(100, random_state=1)
    outcome, amount = np.r_[1.0, 1, 1, 0], np.r_[100.0, 300, np.nan, 9999]
    four = dataclasses.replace(leads.take(np.arange(4)), outcome=outcome, amount=amount)
    stakes = find_stakes(settings(economics={"follow_up_cost": 10, "margin": 0.5}), four, four)
    # all: half of (100 + 300) / 2; then the first alone; the second twice; none with an amount: as all
    weights = np.array([[1.0, 1, 1, 1], [1, 0, 1, 1], [1, 2, 0, 0], [0, 0, 1, 1]])
    of_sets = stakes.of_sets(weights, np.arange(4))
    np.testing.assert_allclose(of_sets.value, [100, 50, 0.5 * 700 / 3, 100])
    np.testing.assert_allclose(of_sets.threshold(np.full(4, 0.3)), 10 / of_sets.value)


def test_amounts_give_the_same_answer_as_their_mean_and_a_wider_interval(leads):
    margin = calibrate(
        in_currency(leads, "EUR"), settings(economics={"follow_up_cost": 200, "margin": 0.3})
    ).to_dict()
    value = margin["consequences"]["won_value"]["value"]
    fixed = calibrate(
        leads, settings(economics={"follow_up_cost": 200, "won_value": value, "currency": "EUR"})
    ).to_dict()
    assert margin["data"]["currency"] == fixed["data"]["currency"] == "EUR"
    told = margin["consequences"]
    assert told["basis"] == "economics"
    assert told["threshold"]["low"] < 200 / value < told["threshold"]["high"]
    assert told["threshold"]["value"] == pytest.approx(200 / value)
    # the mean of n amounts with a deviation of s: about +- 1.96 s / sqrt n
    won = leads.amount[leads.outcome == 1]
    half = 1.96 * won.std() / np.sqrt(len(won))
    interval = told["mean_won_amount"]
    assert (interval["high"] - interval["low"]) / 2 == pytest.approx(half, rel=0.25)
    assert told["n_amounts"] == len(won)
    assert fixed["consequences"]["threshold"] == dict.fromkeys(("value", "low", "high"), 200 / value)
    assert "LML503" in {f["code"] for f in margin["findings"]}
    (rule, by_mean), (_, by_value) = (
        [next(c for c in r["contenders"] if c["id"] == name) for name in ("bant-points", "bant-integer")]
        for r in (margin, fixed)
    )
    # the rule decides without money: its net value a lead is worked out by hand from workload and precision
    by_hand = rule["workload"]["value"] * (rule["precision"]["value"] * value - 200)
    assert rule["net_value_per_lead"]["value"] == pytest.approx(by_hand)
    assert by_mean["log_loss"]["value"] == pytest.approx(by_value["log_loss"]["value"])


@pytest.mark.parametrize(
    ("economics", "words"),
    [
        ({"follow_up_cost": 10}, "neither won_value nor margin"),
        ({"follow_up_cost": 10, "won_value": 100, "margin": 0.1}, "both won_value and margin"),
        ({"follow_up_cost": 10, "margin": 1.5}, "margin"),
        ({"follow_up_cost": 10, "won_value": 9}, "worth more than one follow-up"),
    ],
)
def test_economics_that_do_not_fit_together_are_refused(economics, words):
    with pytest.raises(RecordError, match=words):
        settings(economics=economics)


def test_amounts_that_are_missing_or_mean_another_currency_are_refused(leads):
    by_margin = settings(economics={"follow_up_cost": 100, "margin": 0.2, "currency": "USD"})
    with pytest.raises(UsageError, match="mapping names no amount"):
        find_stakes(by_margin, leads, dataclasses.replace(leads, amount=None))
    with pytest.raises(UsageError, match="in USD and the mapping's amount is in EUR"):
        find_stakes(by_margin, leads, in_currency(leads, "EUR"))
    assert find_stakes(by_margin, leads, in_currency(leads, None)).currency == "USD"
    with pytest.raises(UsageError, match="worth more than one follow-up"):
        find_stakes(settings(economics={"follow_up_cost": 1e6, "margin": 0.2}), leads, leads)
    nothing = dataclasses.replace(leads, amount=np.full(len(leads), np.nan))
    with pytest.raises(UsageError, match="from 0 won deals with an amount"):
        find_stakes(settings(economics={"follow_up_cost": 1, "margin": 0.2}), leads, nothing)


def test_leads_a_week_become_a_share_of_those_that_come(leads):
    # 701 days from the first to the last of 1402 leads are 14 a week; 3.5 of them are a quarter
    created = pd.Series(pd.date_range("2024-01-01", periods=1402, freq="12h"))
    created.iloc[-1] = pd.Timestamp("2024-01-01") + pd.Timedelta(days=701)
    dated = dataclasses.replace(make_leads(1402), created_at=created)
    found = find_stakes(settings(capacity={"per_week": 3.5}), dated, dated)
    assert found.weekly_inflow == pytest.approx(14)
    assert found.consequences.share == pytest.approx(0.25)
    assert found.findings()[0]["title"] == "3.5 leads a week are 25% of those that come"
    enough = find_stakes(settings(capacity={"per_week": 99}), dated, dated)
    assert enough.consequences.share == 1
    assert "Everyone" in enough.findings()[0]["explanation"]


def test_leads_a_week_give_the_result_of_their_share(leads):
    weekly = calibrate(leads, settings(capacity={"per_week": 2})).to_dict()
    share = weekly["consequences"]["share"]
    assert 0.2 < share < 0.3  # 800 leads in 104 weeks
    same = calibrate(leads, settings(capacity={"share": share})).to_dict()
    assert weekly["policies"] == same["policies"]
    assert weekly["policies"][0]["threshold"]["basis"] == "capacity"
    assert "LML502" in {f["code"] for f in weekly["findings"]}


def test_leads_a_week_without_dates_are_refused(leads):
    with pytest.raises(UsageError, match=r"no dates of creation; valid: dates.*or capacity.share"):
        find_stakes(settings(capacity={"per_week": 5}), dataclasses.replace(leads, created_at=None), leads)
    for capacity, words in (({}, "neither share nor"), ({"share": 0.2, "per_week": 5}, "both share and")):
        with pytest.raises(RecordError, match=words):
            settings(capacity=capacity)


def bands_of(result):
    return [(band["id"], band["from"]) for band in result["recommended"]["bands"]]


@pytest.mark.parametrize(
    ("edges", "ids", "follow_up"),
    [
        ([0.3], ["drop", "now"], 0.3),
        ([0.15, 0.3], ["drop", "nurture", "now"], 0.3),
        ([0.1, 0.25, 0.5], ["drop", "nurture", "follow-up", "immediate"], 0.25),
    ],
)
def test_bands_by_probability_begin_where_the_card_reaches_it(leads, edges, ids, follow_up):
    calibration = calibrate(leads, settings(bands={"by": "probability", "edges": edges}))
    result = calibration.to_dict()
    # drop and now for one edge, nurture between for two; three make the document's own four bands
    assert [name for name, _ in bands_of(result)] == ids
    table = {row.points: row.probability for row in calibration.card.table}
    for (_, begins), edge in zip(bands_of(result)[1:], edges, strict=True):
        assert table[begins - 1] < edge <= table[begins]
    assert calibration.card.cutoff == dict(bands_of(result))[ids[1 + edges.index(follow_up)]]
    assert result["policies"][0]["threshold"] == {"probability": follow_up, "basis": "probability"}
    assert result["recommended"]["threshold_probability"] == follow_up
    for band in result["recommended"]["bands"]:
        assert band["low"] <= band["from"] <= band["high"]
    assert result["recommended"]["bands"][-1]["low"] < result["recommended"]["bands"][-1]["high"]


def test_bands_by_economics_are_multiples_of_the_probability_that_pays(leads):
    # following up pays from 150 / 600 = 25%; nurture from 12.5%, first from 50%
    money = {"follow_up_cost": 150, "won_value": 600}
    by_economics = calibrate(
        leads, settings(economics=money, bands={"by": "economics", "edges": [0.5, 1, 2]})
    ).to_dict()
    by_probability = calibrate(
        leads, settings(bands={"by": "probability", "edges": [0.125, 0.25, 0.5]})
    ).to_dict()
    assert bands_of(by_economics) == bands_of(by_probability)
    assert by_economics["recommended"]["cutoff"] == by_probability["recommended"]["cutoff"]
    three = calibrate(
        leads, settings(economics=money, bands={"by": "economics", "edges": [0.5, 1]})
    ).to_dict()
    assert bands_of(three) == [
        (name, begins)
        for name, (_, begins) in zip(("drop", "nurture", "now"), bands_of(by_economics)[:3], strict=True)
    ]


def test_an_edge_that_no_total_reaches_leaves_its_band_out(leads):
    result = calibrate(leads, settings(bands={"by": "probability", "edges": [0.1, 0.25, 0.9999]})).to_dict()
    assert [name for name, _ in bands_of(result)] == ["drop", "nurture", "follow-up"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"bands": {"edges": [0.2]}}, "with by: shares"),
        ({"bands": {"by": "probability"}}, "one to three rising numbers"),
        ({"bands": {"by": "probability", "edges": [0.4, 0.2]}}, "one to three rising numbers"),
        ({"bands": {"by": "probability", "edges": [0.4, 1.2]}}, "between 0 and 1"),
        ({"bands": {"by": "economics", "edges": [0.5, 2]}}, r"valid: \[1\], \[low, 1\]"),
        ({"bands": {"by": "economics", "edges": [0.5, 1]}, "capacity": {"share": 0.2}}, "and a capacity"),
        ({"bands": {"by": "probability", "edges": [0.5]}, "capacity": {"share": 0.2}}, "and capacity"),
    ],
)
def test_bands_that_do_not_fit_together_are_refused(keys, words):
    with pytest.raises(RecordError, match=words):
        settings(**keys)
