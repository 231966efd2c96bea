"""Misfits are found where they are, and not where they are not."""

import pytest

from leadml.datasets.sample import make_leads
from leadml.datasets.worlds import make_truth
from leadml.estimators.misfit import find_misfits
from leadml.estimators.patterns import PatternCounts


def misfits(world, n, seed=0, scale=1.0):
    leads = make_leads(n, world, random_state=seed, all_criteria=False)
    codes = leads.codes[:, [leads.criteria.index(name) for name in leads.truth.criteria]]
    counts = PatternCounts.from_codes(codes, leads.outcome)
    counts = PatternCounts(counts.codes, scale * counts.won, scale * counts.lost)
    return find_misfits(counts, leads.truth.criteria, random_state=seed)


@pytest.mark.parametrize(
    ("world", "kind", "criteria"),
    [
        ("reversed", "reversed", ("timeline",)),
        ("inverted_u", "turning", ("authority",)),
        ("gate", "together", ("budget", "authority")),
    ],
)
def test_a_misfit_is_named_with_its_rates_and_its_price(world, kind, criteria):
    found = misfits(world, 2000)
    assert [(each.kind, each.criteria) for each in found] == [(kind, criteria)]
    (only,) = found
    assert only.cost >= 0
    if kind == "reversed":
        assert (only.low[0], only.high[0]) == ("0", "4")
        assert only.low[1] > only.high[1]
    elif kind == "turning":
        assert only.best[1] > max(only.low[1], only.high[1]) + 0.1
        assert only.cost > 1
    else:
        assert only.high[1] > 2 * max(only.low[1], only.best[1])


@pytest.mark.parametrize("world", ["rule_right", "met_right", "tilted", "steps", "null"])
def test_nothing_is_found_where_nothing_is(world):
    truth = make_truth(world)
    assert truth.points is not None
    assert sum(bool(misfits(world, 600, seed)) for seed in range(8)) <= 2


def test_fractional_weights_are_dealt_out_too():
    assert isinstance(misfits("reversed", 400, scale=0.5), tuple)
