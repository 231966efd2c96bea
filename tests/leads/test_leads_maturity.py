"""The time to close, and the cohorts that have had it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from leadml import make_leads
from leadml.leads.maturity import find_maturity, time_to_close
from leadml.leads.outcomes import count_outcomes


def test_kaplan_meier_by_hand():
    # Closed after 1, 2, 4 days; one still open after 2, one after 3. At risk: 5, 4, 1 (open ones leave after
    # their last day). Closed by day 1: 1/5; by day 2: 1 - 4/5 * 3/4 = 0.4; by day 4: all.
    assert time_to_close(np.array([1.0, 2, 4]), np.array([2.0, 3])) == (4.0, 1.0)
    # With one more that stays open for 9 days the level is 1 - 5/6 * 4/5 * 1/2 = 2/3, and 95% of it is day 4.
    days, ever = time_to_close(np.array([1.0, 2, 4]), np.array([2.0, 3, 9]))
    assert days == 4.0
    assert ever == pytest.approx(2 / 3)


def test_without_open_deals_it_is_the_plain_95th_percentile():
    took = np.random.default_rng(0).permutation(np.arange(1.0, 1001))
    assert time_to_close(took, np.array([])) == (950.0, 1.0)


def test_open_deals_lengthen_the_time_that_closed_ones_alone_would_show():
    rng = np.random.default_rng(1)
    took, age = rng.exponential(30, 20_000), rng.uniform(0, 100, 20_000)
    closed = took <= age
    days, _ = time_to_close(took[closed], age[~closed])
    alone, _ = time_to_close(took[closed], np.array([]))
    assert days == pytest.approx(30 * np.log(20), rel=0.06)  # of an exponential: mean * ln 20
    assert alone < 0.8 * days


@pytest.mark.slow
def test_in_an_immature_world_only_mature_cohorts_tell_the_base_rate():
    biased, covered, n_seeds = [], 0, 20
    for seed in range(n_seeds):
        leads = make_leads(6_000, world="immature", random_state=seed)
        found = find_maturity(leads)
        n, rate = [], []
        for part in (leads, leads.take(found.mature)):
            counts = count_outcomes(part)
            n.append(counts.n_won + counts.n_lost)
            rate.append(counts.base_rate)
        error = np.sqrt(0.3 * 0.7 / n[1])
        biased.append((rate[0] - leads.truth.base_rate) / error)
        covered += abs(rate[1] - leads.truth.base_rate) < 1.96 * error
        assert 0.9 < found.days / 110 < 1.1
        assert 0 < found.overdue.sum() < 0.01 * len(leads)
    print(
        f"bias without maturity {np.mean(biased):+.2f} standard errors; covered with it {covered}/{n_seeds}"
    )
    assert np.mean(biased) < -1.2
    assert covered >= 17  # 20 draws at 95%: 17 or more with chance 0.984


def test_cohorts_are_those_of_creation_and_as_of_may_be_told():
    leads = make_leads(400, random_state=3)
    last = max(leads.created_at.max(), leads.closed_at.max())
    found = find_maturity(leads)
    assert found.as_of == str(last.date())
    age = (last - leads.created_at).dt.total_seconds() / 86_400
    assert (found.mature == (age >= found.days).to_numpy()).all()
    assert not found.overdue.any()
    later = find_maturity(leads, "2030-01-01")
    assert later.mature.all()
    assert later.days == found.days


def test_a_deal_without_a_date_of_creation_belongs_to_no_cohort_and_stays():
    leads = make_leads(400, world="immature", random_state=3)
    created = leads.created_at.copy()
    created.iloc[-5:] = pd.NaT
    found = find_maturity(dataclasses.replace(leads, created_at=created))
    assert found.mature[-5:].all()
    assert found.n_undated == np.isfinite(leads.outcome[-5:]).sum()


@pytest.mark.parametrize("missing", ["created_at", "closed_at", "outcome"])
def test_without_both_dates_and_outcomes_there_is_no_time_to_close(missing):
    assert find_maturity(dataclasses.replace(make_leads(200), **{missing: None})) is None
    assert find_maturity(make_leads(39)) is None
