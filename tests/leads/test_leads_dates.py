"""Dates: one order a column, found from the column."""

import datetime

import numpy as np
import pytest

from leadml.leads.dates import parse_dates
from leadml.leads.values import number_array, text_array


def days(cells, day_first=None):
    parsed = parse_dates(text_array(cells), day_first)
    return [None if np.isnat(v) else str(v)[:10] for v in parsed.values], parsed.order, parsed.ambiguous


@pytest.mark.parametrize(
    ("cells", "order", "ambiguous"),
    [
        (["2026-04-03", "2026-12-25", ""], "year-month-day", False),
        (["2026/04/03", "2026/12/25"], "year-month-day", False),
        (["2026-04-03T10:11:12", "2026-12-25T00:00:00Z"], "year-month-day", False),
        (["03-04-2026", "25-12-2026"], "day-month-year", False),
        (["3.4.2026", "25.12.2026"], "day-month-year", False),
        (["03/04/2026 10:11", "25/12/26"], "day-month-year", False),
        (["04/03/2026", "12/25/2026"], "month-day-year", False),
        (["4/3/2026 1:02 PM", "12/25/2026 12:00 AM"], "month-day-year", False),
    ],
)
def test_the_order_is_found_from_the_whole_column(cells, order, ambiguous):
    found, said, unsure = days(cells)
    assert found[:2] == ["2026-04-03", "2026-12-25"]
    assert (said, unsure) == (order, ambiguous)


def test_where_both_orders_fit_a_slash_is_american_and_it_is_said():
    assert days(["03/04/2026"]) == (["2026-03-04"], "month-day-year", True)
    assert days(["03-04-2026"]) == (["2026-04-03"], "day-month-year", True)
    assert days(["03/04/2026"], day_first=True) == (["2026-04-03"], "day-month-year", False)
    assert days(["04/04/2026"])[2] is False


def test_clocks_and_offsets():
    parsed = parse_dates(
        text_array(["2026-01-01T00:30:00+02:00", "2026-01-01 12:05 PM", "2026-01-01 12:05 AM"])
    )
    assert parsed.values.tolist() == [
        datetime.datetime(2025, 12, 31, 22, 30),
        datetime.datetime(2026, 1, 1, 12, 5),
        datetime.datetime(2026, 1, 1, 0, 5),
    ]


@pytest.mark.parametrize(
    "cell", ["2026-02-30", "2026-13-01", "soon", "20260101", "2026-01-01 25:00", "45000"]
)
def test_what_is_no_date_is_bad(cell):
    parsed = parse_dates(text_array(["2026-01-01", cell, ""]))
    assert parsed.bad.tolist() == [False, True, False]


def test_typed_dates_pass_through():
    values = np.array(["2026-01-01", "NaT"], "datetime64[us]")
    parsed = parse_dates(number_array(values))
    np.testing.assert_array_equal(parsed.values, values.astype("datetime64[s]"))
    assert (parsed.order, parsed.bad.any()) == ("typed", False)


def test_an_empty_column_is_no_fault():
    parsed = parse_dates(text_array(["", " "]))
    assert np.isnat(parsed.values).all()
    assert not parsed.bad.any()
    assert not parsed.ambiguous
