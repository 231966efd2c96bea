"""The real data sets, read by the mappings that the project ships."""

import numpy as np
import pytest

from leadml.leads.outcomes import check_data, count_outcomes
from leadml.leads.read import read_leads

FILES = {
    "b2b_deals": "b2b_deals/b2b_deals.csv",
    "bank_marketing": "bank_marketing/bank-additional-full.csv",
    "crm_pipeline": "crm_pipeline/sales_pipeline.csv",
}


def read(repository, shared_data, name, **changes):
    from leadml.leads.mapping import load_mapping

    mapping = load_mapping(repository / "configs" / "mappings" / f"{name}.yaml").model_copy(update=changes)
    return read_leads(shared_data / FILES[name], mapping)


@pytest.mark.parametrize(
    ("name", "won", "lost", "open_"),
    [
        ("b2b_deals", 227, 221, 0),
        ("bank_marketing", 4640, 36548, 0),
        ("crm_pipeline", 4238, 2473, 2089),
    ],
)
def test_counts_are_those_of_the_sources(repository, shared_data, name, won, lost, open_):
    leads = read(repository, shared_data, name)
    assert count_outcomes(leads)[1:4] == (won, lost, open_)
    assert leads.n_rows == len(leads) == won + lost + open_
    assert {f["code"] for f in check_data(leads)} == {"LML108"}


def test_b2b_deals_hold_346_distinct_rows_19_of_them_with_both_outcomes(repository, shared_data):
    leads = read(repository, shared_data, "b2b_deals")
    assert len(set(leads.row_key)) == 346
    (finding,) = check_data(leads)
    assert finding["explanation"].startswith("19 of 346 distinct rows")
    assert list(leads.levels) == ["budget", "authority", "need", "interest", "plans"]


def test_bank_marketing_has_no_date_but_an_order_and_no_duration(repository, shared_data):
    leads = read(repository, shared_data, "bank_marketing")
    assert leads.in_time_order
    assert "duration" not in leads.context
    # The base rate of the last fifth is far above that of the others.
    last = len(leads) * 4 // 5
    assert leads.outcome[:last].mean() == pytest.approx(0.064, abs=0.001)
    assert leads.outcome[last:].mean() == pytest.approx(0.308, abs=0.001)


def test_the_value_of_a_close_is_found_to_be_a_leak(repository, shared_data):
    from leadml.leads.mapping import Amount

    leads = read(repository, shared_data, "crm_pipeline", amount=Amount(column="close_value"), exclude={})
    first = check_data(leads)[0]
    assert (first["code"], first["where"]) == ("LML101", "close_value")
    assert leads.created_at.isna().sum() == 500
    assert leads.closed_at.isna().sum() == 2089
    assert np.isnan(leads.outcome[leads.closed_at.isna()]).all()


def test_the_length_of_a_call_is_found_to_be_a_leak_though_it_ranks_below_the_bound(repository, shared_data):
    leads = read(
        repository, shared_data, "bank_marketing", context=("age", "euribor3m", "duration"), exclude={}
    )
    first = check_data(leads)[-1]
    assert (first["code"], first["where"], first["severity"]) == ("LML111", "duration", "warn")
    assert "AUC 0.82" in first["explanation"]
    assert "exclude: {duration: known only after the close}" in first["explanation"]
