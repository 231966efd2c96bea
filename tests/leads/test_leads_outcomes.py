"""What the closed deals can teach, and what in them would fool whoever learns."""

import re

import numpy as np
import pandas as pd
import pytest

from leadml.exceptions import TooFewDealsError
from leadml.leads import catalogue
from leadml.leads import leaks as leaks_module
from leadml.leads.outcomes import check_data, check_enough, count_outcomes, find_leaks
from leadml.leads.read import read_leads

MAPPING = {
    "name": "m",
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
    "criteria": {"need": {"column": "Need"}},
}


def deals(n=400, seed=0, share=0.4, **columns):
    rng = np.random.default_rng(seed)
    won = rng.uniform(size=n) < share
    frame = {"Status": np.where(won, "Won", "Lost"), "Need": rng.integers(0, 5, n)}
    frame |= {name: make(rng, won) for name, make in columns.items()}
    return pd.DataFrame(frame)


def leaks(frame, **keys):
    found = find_leaks(read_leads(frame, {**MAPPING, **keys}))
    return [(finding["code"], finding["where"]) for finding in found]


def test_counts_leave_open_deals_out_of_the_base_rate():
    frame = pd.DataFrame({"Status": ["Won", "Lost", "Lost", "Open"], "Need": [1, 2, 3, 4]})
    counts = count_outcomes(read_leads(frame, MAPPING))
    assert counts[:4] == (4, 1, 2, 1)
    assert counts.base_rate == pytest.approx(1 / 3)
    unknown = count_outcomes(read_leads(frame, {"name": "m", "criteria": MAPPING["criteria"]}))
    assert unknown[:4] == (4, 0, 0, 4)
    assert np.isnan(unknown.base_rate)


@pytest.mark.parametrize(("n_won", "n_lost", "enough"), [(20, 20, True), (19, 500, False), (500, 19, False)])
def test_fewer_than_twenty_of_either_is_too_few(n_won, n_lost, enough):
    frame = pd.DataFrame({"Status": ["Won"] * n_won + ["Lost"] * n_lost, "Need": 1})
    leads = read_leads(frame, MAPPING)
    if enough:
        assert check_enough(leads).n_won == n_won
        return
    with pytest.raises(
        TooFewDealsError, match=f"got {n_won} won and {n_lost} lost deals.*leadml qualify"
    ) as caught:
        check_enough(leads)
    assert caught.value.exit_code == 4
    assert "LML109" in [finding["code"] for finding in check_data(leads)]


def test_a_number_that_ranks_the_outcomes_is_a_leak_whichever_way_it_points():
    def late(sign):
        return lambda rng, won: sign * won * 1.0 + rng.normal(0, 0.3, len(won))

    frame = deals(Up=late(1), Down=late(-1), Noise=lambda rng, won: rng.normal(size=len(won)))
    assert leaks(frame, context=["Up", "Down", "Noise"]) == [("LML101", "Up"), ("LML101", "Down")]


def test_a_category_that_ranks_the_outcomes_is_a_leak_but_names_are_not():
    def stage(rng, won):
        return np.where(won ^ (rng.uniform(size=len(won)) < 0.03), "Signed", "Closed")

    frame = deals(Stage=stage, Name=lambda rng, won: [f"deal {i}" for i in range(len(won))])
    assert leaks(frame, context=["Stage", "Name"]) == [("LML101", "Stage")]


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_a_column_filled_after_the_close_is_a_leak(share):
    def reason(rng, won):
        return np.where(~won & (rng.uniform(size=len(won)) < 0.9), "price", "")

    def half(rng, won):
        return np.where(rng.uniform(size=len(won)) < 0.5, "yes", "")

    frame = deals(n=2000, share=share, Reason=reason, Half=half)
    assert ("LML102", "Reason") in leaks(frame, context=["Reason", "Half"])
    assert "Half" not in [where for _, where in leaks(frame, context=["Reason", "Half"])]


def test_a_leaking_criterion_and_a_leaking_amount_are_named_with_the_line_to_add():
    frame = deals(Value=lambda rng, won: np.where(won, rng.uniform(100, 200, len(won)), 0))
    leads = read_leads(frame, {**MAPPING, "amount": {"column": "Value"}})
    (finding,) = find_leaks(leads)
    assert (finding["code"], finding["severity"], finding["where"]) == ("LML101", "warn", "Value")
    assert "exclude: {Value: known only after the close}" in finding["explanation"]
    assert "AUC 1.00" in finding["explanation"]
    frame = deals().assign(Need=lambda f: np.where(f["Status"] == "Won", 4, 0))
    assert leaks(frame) == [("LML101", "Need")]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_leak(seed):
    frame = deals(
        n=150,
        seed=seed,
        A=lambda rng, won: rng.choice(["x", "y", "z", ""], len(won)),
        B=lambda rng, won: np.where(rng.uniform(size=len(won)) < 0.3, np.nan, rng.normal(size=len(won))),
        C=lambda rng, won: [f"account {i}" for i in rng.integers(0, 40, len(won))],
    )
    assert leaks(frame, context=["A", "B", "C"]) == []


def test_equal_rows_with_both_outcomes_and_constant_criteria_are_noted():
    frame = pd.DataFrame({"Status": ["Won", "Lost"] * 30, "Need": 2})
    found = {finding["code"]: finding for finding in check_data(read_leads(frame, MAPPING))}
    assert list(found) == ["LML108", "LML110"]
    assert "1 of 1 distinct rows were both won and lost" in found["LML108"]["explanation"]
    assert "need is level 2 wherever it is known" in found["LML110"]["explanation"]


def test_auc_by_hand():
    # Won 3, 2; lost 2, 1: of four pairs three are right and one is tied: (3 + 0.5) / 4.
    auc = leaks_module._auc(np.array([3.0, 2.0, 2.0, 1.0]), np.array([True, True, False, False]))
    assert auc == 0.875


def test_every_code_is_documented():
    codes = re.findall(r"^(LML\d+)  (\w+)", catalogue.__doc__, flags=re.MULTILINE)
    assert dict(codes) == {code: severity for code, (severity, _) in catalogue._CATALOGUE.items()}


def test_a_stretch_in_which_every_deal_ended_alike_is_a_leak_and_a_merely_good_column_is_not():
    def length(rng, won):  # short calls are never won, as in bank_marketing's duration (AUC 0.82)
        return np.where(won, rng.lognormal(6.2, 0.6, len(won)), rng.lognormal(5.2, 0.9, len(won)))

    def good(rng, won):
        return 1.3 * won + rng.normal(size=len(won))  # AUC = Phi(1.3 / sqrt 2) = 0.82

    frame = deals(n=8000, share=0.12, Length=length, Good=good)
    assert leaks(frame, context=["Length", "Good"]) == [("LML111", "Length")]
    assert leaks(frame[["Status", "Need", "Good"]], context=["Good"]) == []
