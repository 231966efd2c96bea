"""Maturity: the time to close with open deals censored, and the cohorts that have had it."""

import numpy as np
from scipy.stats import CensoredData, ecdf

from leadml import Leads
from leadml.calibration.deals import find_maturity, time_to_close
from leadml.data.deals import NO_DAY


def leads(created, closed, outcome):
    levels = np.ones((len(created), 1))
    return Leads.from_arrays(levels, outcome, ["need"], created_at=np.array(created), closed_at=np.array(closed))


def test_time_to_close_is_kaplan_meier():
    rng = np.random.default_rng(0)
    took, waited = rng.integers(0, 60, 300), rng.integers(0, 60, 120)
    curve = ecdf(CensoredData(uncensored=took, right=waited)).cdf
    days = time_to_close(took, waited)
    assert days == curve.quantiles[np.argmax(curve.probabilities >= 0.95)]
    # Half are never closed: the 95% are of the level that is reached.
    assert time_to_close(np.arange(1, 101), np.full(100, 1000)) == 95


def test_only_cohorts_that_had_the_time_are_mature():
    rng, n = np.random.default_rng(1), 600
    created = rng.integers(0, 365, n)
    won = rng.random(n) < 0.4
    closed = created + np.where(won, rng.integers(60, 90, n), rng.integers(1, 30, n))
    done = closed <= 365
    found = find_maturity(leads(created, np.where(done, closed, NO_DAY), np.where(done, won, -1)))
    assert 80 <= found.days <= 90
    assert (found.mature == (created <= found.as_of - found.days)).all()
    assert not found.overdue.any()
    biased, fair = won[done].mean(), won[done & found.mature].mean()
    assert biased < fair - 0.01
    assert fair == won[found.mature].mean()


def test_overdue_undated_and_backdated_deals_are_counted_apart():
    created = np.array([*range(60), 0, NO_DAY, 50])
    closed = np.array([*(day + 5 for day in range(60)), NO_DAY, 70, 20])
    outcome = np.array([*(np.arange(60) % 2), -1, 1, 0])
    found = find_maturity(leads(created, closed, outcome), as_of=100)
    assert (found.days, found.overdue.sum()) == (5, 1)
    assert found.mature.all()


def test_without_enough_dates_nothing_is_estimated():
    few = np.arange(30)
    assert find_maturity(leads(few, few + 1, few % 2)) is None
    assert find_maturity(Leads.from_arrays([[1.0]], [1], ["need"])) is None
