"""Dates: one order a column, found from the column, in chunks as at once."""

import numpy as np
import pyarrow as pa
import pytest

from leadml.data.cells import text_array
from leadml.data.dates import date_cells, day_of, day_text, read_dates
from leadml.data.deals import NO_DAY


def read(cells, day_first=None):
    array = cells if isinstance(cells, pa.Array) else text_array(cells)
    column = read_dates(array, day_first)
    return [None if day == NO_DAY else day_text(day) for day in column.days.tolist()], column


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["2026-04-03", "2026-12-25", ""], "year-month-day"),
        (["2026/04/03", "20261225"], "year-month-day"),
        (["2026-04-03T10:11:12", "2026-12-25T00:00:00Z"], "year-month-day"),
        (["2026-04-03 23:59:59.999", "2026-12-25T23:30:00-02:00"], "year-month-day"),
        (["2026-04-03T00:30+02:00", "2026-12-25 00:30 +0200"], "year-month-day"),
        (["03-04-2026", "25-12-2026"], "day-month-year"),
        (["3.4.2026", "25.12.2026"], "day-month-year"),
        (["03/04/2026 10:11", "25/12/26"], "day-month-year"),
        (["04/03/2026", "12/25/2026"], "month-day-year"),
        (["4/3/2026 1:02 PM", "12/25/2026 12:00 AM"], "month-day-year"),
        (["3 apr 2026", "25-Dez-2026"], "year-month-day"),
        (["April 3, 2026", "Dec. 25 2026"], "year-month-day"),
        (["46115", "46381.5"], "year-month-day"),
        (["3-4-2026 10:00:00+02:00", "25-12-2026"], "day-month-year"),
    ],
)
def test_the_order_is_found_from_the_whole_column(cells, order):
    found, column = read(cells)
    assert found[:2] == ["2026-04-03", "2026-12-25"]
    assert (column.order, column.ambiguous, (column.no_date | column.other_order).any()) == (order, False, False)


def test_numbers_and_dates_of_typed_columns():
    assert read(pa.array([46115, None]))[0] == ["2026-04-03", None]
    assert read(pa.array([46115.25]))[0] == ["2026-04-03"]
    assert read(pa.array(np.array(["2026-04-03T23:00", "NaT"], "datetime64[us]")))[0] == ["2026-04-03", None]
    assert read(text_array(["2026-04-03", None]).dictionary_encode())[0] == ["2026-04-03", None]


def test_where_both_orders_fit_a_slash_is_american_and_it_is_said():
    for cells, day_first, day, ambiguous in (
        (["03/04/2026"], None, "2026-03-04", True),
        (["03-04-2026"], None, "2026-04-03", True),
        (["03/04/2026"], True, "2026-04-03", False),
        (["04/04/2026"], None, "2026-04-04", False),
    ):
        found, column = read(cells, day_first)
        assert (found, column.ambiguous) == ([day], ambiguous)


@pytest.mark.parametrize(
    "cell", ["2026-02-30", "2026-13-01", "soon", "2026-01-01 25:00", "32/13/2026", "99999", "12", "5 foo 2026",
             "soon T10:00+02:00"]
)  # fmt: skip
def test_what_is_no_date_is_bad(cell):
    assert read(["2026-01-01", cell, ""])[1].no_date.tolist() == [False, True, False]


def test_a_date_in_the_other_order_is_told_apart():
    column = read(["25/12/2026", "26/12/2026", "12/27/2026", "soon"])[1]
    assert column.other_order.tolist() == [False, False, True, False]
    assert column.no_date.tolist() == [False, False, False, True]


def test_what_is_kept_of_a_chunk_reads_as_the_column_does():
    cells = text_array(["03/04/2026 10:11", "", "25/12/2026", "bad", " 3/4/2026"])
    kept = date_cells(cells)
    assert kept.to_pylist() == ["03/04/2026", None, "25/12/2026", "bad", "3/4/2026"]
    np.testing.assert_array_equal(read_dates(kept).days, read_dates(cells).days)
    assert read(["", " "])[0] == [None, None]
    assert day_text(day_of("2026-02-01")) == "2026-02-01"
