"""Levels: what every kind of criterion makes of a cell, for closed deals and for new leads."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadml.data.cells import carry, mask_of, numbers_of, text_array, text_of
from leadml.data.chunks import Chunk
from leadml.data.encode import Encoder
from leadml.data.mapping import load_mapping
from leadml.exceptions import InputError
from leadml.levels import UNKNOWN

EDGES = [1, 10000, 20000, 30000]


def encode(cells, decimal=".", **criterion):
    mapping = load_mapping({"name": "m", "criteria": {"need": {"column": "N", **criterion}}})
    array = cells if isinstance(cells, pa.Array) else text_array(cells)
    table = pa.RecordBatch.from_arrays([array], names=["N"])
    encoder = Encoder(mapping, ["N"], decimal=decimal)
    return encoder.encode(Chunk(table, np.arange(2, len(array) + 2)))


def levels(*arguments, **criterion):
    return encode(*arguments, **criterion).leads.codes[:, 0].tolist()


def test_a_column_that_holds_levels_already():
    assert levels(["0", "4", "3.0", " 2 ", "", " ", None]) == [0, 4, 3, 2, UNKNOWN, UNKNOWN, UNKNOWN]
    assert levels(pa.array([0.0, 4.0, np.nan, None])) == [0, 4, UNKNOWN, UNKNOWN]
    assert levels(["3,0", "1"], decimal=",") == [3, 1]


@pytest.mark.parametrize("bad", ["2.5", "7", "-1", "abc", "5", "04", "true", "nan"])
def test_what_is_no_level_is_rejected_with_its_row_column_and_value(bad):
    encoded = encode(["1", bad, "2", bad])
    (fault,) = encoded.faults
    assert (fault.rows.tolist(), fault.column, fault.values) == ([3, 5], "N", [bad, bad])
    assert "valid: 0, 1, 2, 3, 4 or an empty cell" in fault.reason
    assert encoded.usable.tolist() == [True, False, True, False]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "uint64", "float32", "float64"])
def test_numbers_of_every_width_are_levels_or_rejected(kind):
    encoded = encode(pa.array(np.array([0, 4, 5, 100], kind)))
    assert encoded.leads.codes[:2, 0].tolist() == [0, 4]
    assert [fault.values for fault in encoded.faults] == [["5"], ["100"]]


def test_an_unlisted_category_names_the_nearest_and_the_remedy():
    encoded = encode(["Low", " High ", "high", "", "n/a"], levels={"Low": 1, "High": 4}, unknown=["n/a"])
    assert encoded.leads.codes[:, 0].tolist() == [1, 4, UNKNOWN, UNKNOWN, UNKNOWN]
    (fault,) = encoded.faults
    assert fault.reason.startswith("is not listed; valid: Low, High; did you mean High?")
    assert "add to criteria.need `levels: {high: 0 to 4}` or `unknown: [high]`, or set `other`" in fault.reason
    assert "(empty)" in encode(["x"], levels={"": 0}).faults[0].reason


def test_other_takes_what_is_not_listed_and_an_empty_cell_may_be_a_level():
    assert levels(["", "x"], levels={"": 0, "x": 3}) == [0, 3]
    assert levels(["a", "b"], levels={"a": 3}, other="unknown") == [3, UNKNOWN]
    assert levels(["9", "x"], other=0) == [0, 0]


def test_a_number_is_one_category_however_it_is_typed():
    for cells in (["1", "2.0"], pa.array([1.0, 2.0]), pa.array([1, 2], pa.int32())):
        assert levels(cells, levels={"1": 0, "2": 4}) == [0, 4]


def test_edges_count_from_below_and_descending_from_above():
    # Level = how many of 1, 10000, 20000, 30000 are <= the value.
    assert levels(["0", "1", "9999", "20000", "40000", ""], edges=EDGES) == [0, 1, 1, 3, 4, UNKNOWN]
    # Level = how many of 3, 6, 12, 24 are >= the value: within 3 months 4, beyond 24 months 0.
    assert levels(["3", "4", "12", "24", "25"], edges=[3, 6, 12, 24], descending=True) == [4, 3, 2, 1, 0]
    assert levels(pa.array([5, None, 25000]), edges=EDGES) == [1, UNKNOWN, 3]


def test_edges_read_decimal_commas_thousands_and_currencies():
    cells = ["€ 30.700,00", "25.000", "1 000", "20.000,-", "EUR 12.000", "1.2.3"]
    encoded = encode(cells, decimal=",", edges=EDGES)
    assert encoded.leads.codes[:5, 0].tolist() == [4, 3, 1, 3, 2]
    assert encoded.faults[0].values == ["1.2.3"]
    assert levels(["$25,000.50"], edges=EDGES) == [3]


def test_words_and_numbers_in_one_column():
    criterion = {"levels": {"geen": 0, "ruim": 4}, "edges": EDGES, "unknown": ["?"]}
    encoded = encode(["geen", "25.000", "ruim", "?", "weet niet"], decimal=",", **criterion)
    assert encoded.leads.codes[:, 0].tolist() == [0, 3, 4, UNKNOWN, UNKNOWN]
    assert "valid: geen, ruim, or a number" in encoded.faults[0].reason
    assert "is not a number" in encode(["soon"], edges=EDGES).faults[0].reason


def test_one_criterion_stands_in_for_another_only_where_it_is_unknown():
    criteria = {"budget": {"column": "B"}, "funds": {"column": "F"}}
    mapping = load_mapping({"name": "m", "criteria": criteria, "stand_in": {"funds": "budget", "need": "funds"}})
    table = pa.RecordBatch.from_arrays([text_array(["1", "2", ""]), text_array(["4", "", ""])], names=["B", "F"])
    encoder = Encoder(mapping, table.schema.names)
    encoded = encoder.encode(Chunk(table, np.arange(3)))
    assert encoder.criteria == ("budget", "funds", "need")
    assert encoded.leads.codes.tolist() == [[1, 4, 4], [2, 2, 2], [5, 5, 5]]


NEW = {
    "name": "m",
    "criteria": {"need": {"column": "N"}},
    "outcome": {"column": "S", "won": ["Won"], "lost": ["Lost"]},
    "dates": {"created": "D"},
    "context": ["C"],
}


def test_new_leads_need_only_the_criteria_and_their_outcome_may_be_anything():
    table = pa.RecordBatch.from_arrays([text_array(["1", "2"]), text_array(["Won", "Brand new"])], names=["N", "S"])
    encoder = Encoder(NEW_MAPPING := load_mapping(NEW), ["N", "S"], to_score=True)
    encoded = encoder.encode(Chunk(table, np.array([2, 3])))
    assert encoded.leads.outcome.tolist() == [1, -1]
    assert (encoded.dates, encoder.unlisted, encoder.columns) == ({}, {}, ("S", "N"))
    with pytest.raises(InputError, match=r"has no column\n  'D' \(dates.created\)\n  'C' \(context\[0\]\)"):
        Encoder(NEW_MAPPING, ["N", "S"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["0", "4", "", " ", "3.0", "x", "7", None]), min_size=1), st.data())
@pytest.mark.parametrize("criterion", [{}, {"edges": [1, 2, 3, 4]}, {"levels": {"x": 1}, "other": "unknown"}])
def test_slices_and_dictionaries_encode_as_the_whole_does(criterion, cells, data):
    start = data.draw(st.integers(0, len(cells)))
    whole = encode(cells, **criterion)
    longer = pa.concat_arrays([text_array(["never"]), text_array(cells)]).dictionary_encode()[1:]
    assert encode(longer, **criterion).leads.codes.tolist() == whole.leads.codes.tolist()
    assert (
        encode(text_array(cells).slice(start), **criterion).leads.codes.tolist() == whole.leads.codes[start:].tolist()
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=3) | st.none(), min_size=1))
def test_every_row_is_usable_or_rejected(cells):
    encoded = encode([c and c.encode("utf-8", "replace").decode() for c in cells])
    rejected = {row for fault in encoded.faults for row in fault.rows.tolist()}
    assert encoded.usable.sum() + len(rejected) == len(cells)
    assert (encoded.leads.codes <= UNKNOWN).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(".,"))
def test_a_number_survives_being_written(value, decimal):
    numbers, bad = numbers_of(text_array([repr(value).replace(".", decimal)]), decimal)
    assert (numbers.tolist(), bad.any()) == ([value], False)


def test_typed_cells():
    assert text_of(pa.array([3.0, 2.5, np.nan])).to_pylist() == ["3", "2.5", None]
    moments = pa.array(np.array(["2026-01-02", "2026-01-02T03:04"], "datetime64[us]"))
    assert text_of(moments).to_pylist() == ["2026-01-02", "2026-01-02 03:04:00"]
    assert text_of(pa.array([True, None])).to_pylist() == ["true", None]
    assert text_of(pa.array([1, 2], pa.decimal128(5, 2))).to_pylist() == ["1", "2"]
    assert numbers_of(pa.array([np.inf, 1.0]))[1].tolist() == [True, False]
    assert carry(moments).type == pa.date32()
    assert carry(pa.array([1, None])).to_pylist() == [1.0, None]
    assert carry(text_array([" a ", "a", ""])).to_pylist() == ["a", "a", None]
    assert text_array(["a", "b"]).filter(mask_of(np.array([False, True]))).to_pylist() == ["b"]
    assert text_of(text_array(["a"]).cast(pa.large_string())).to_pylist() == ["a"]
    assert carry(text_array(["a"]).cast(pa.large_string()).dictionary_encode()).to_pylist() == ["a"]
