"""Levels: what every kind of criterion makes of a cell."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadml.leads.encode import (
    UNKNOWN,
    encode_fact,
    encode_filled,
    encode_levels,
    encode_outcome,
    present_criteria,
)
from leadml.leads.mapping import Fact, Outcome, load_mapping
from leadml.leads.values import as_numbers, as_text, canonical, number_array, text_array


def encode(cells, decimal=".", **criterion):
    mapping = load_mapping({"name": "m", "criteria": {"need": {"column": "N", **criterion}}})
    array = canonical(cells, "N") if isinstance(cells, pa.Array) else text_array(cells)
    return encode_levels(pa.RecordBatch.from_arrays([array], names=["N"]), mapping, decimal=decimal)


def levels(*arguments, **criterion):
    return encode(*arguments, **criterion).codes[:, 0].tolist()


def test_a_column_that_holds_levels_already():
    cells = ["0", "4", "3.0", " 2 ", "", " ", None]
    assert levels(cells) == [0, 4, 3, 2, UNKNOWN, UNKNOWN, UNKNOWN]
    assert levels(number_array(np.array([0.0, 4.0, np.nan]))) == [0, 4, UNKNOWN]
    assert levels(["3,0", "1"], decimal=",") == [3, 1]


@pytest.mark.parametrize("bad", ["2.5", "7", "-1", "abc", "5", "04", "true", "nan"])
def test_what_is_no_level_is_rejected_with_its_row_column_and_value(bad):
    encoded = encode(["1", bad, "2"])
    (fault,) = encoded.rejected
    assert (fault.row, fault.column, fault.value) == (2, "N", bad)
    assert "valid: 0, 1, 2, 3, 4 or an empty cell" in fault.reason
    assert encoded.usable.tolist() == [True, False, True]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint64, np.float32, np.float64])
def test_numbers_of_every_width_are_levels_or_rejected(kind):
    encoded = encode(number_array(np.array([0, 4, 5, 100], kind)))
    assert encoded.codes[:2, 0].tolist() == [0, 4]
    assert [fault.value for fault in encoded.rejected] == ["5", "100"]


def test_infinity_and_true_are_no_levels():
    assert [f.row for f in encode(number_array(np.array([np.inf, 1.0, 2.5]))).rejected] == [1, 3]
    assert len(encode(pa.array([True, False])).rejected) == 2


def test_categories_are_trimmed_and_an_unlisted_one_names_the_nearest():
    encoded = encode(["Low", " High ", "high", "", "n/a"], levels={"Low": 1, "High": 4}, unknown=["n/a"])
    assert encoded.codes[:, 0].tolist() == [1, 4, UNKNOWN, UNKNOWN, UNKNOWN]
    (fault,) = encoded.rejected
    assert (fault.row, fault.value) == (3, "high")
    assert fault.reason.startswith("is not listed; valid: Low, High; did you mean High?")


def test_an_empty_cell_may_be_listed_as_a_level():
    assert levels(["", "x"], levels={"": 0, "x": 3}) == [0, 3]


def test_other_takes_what_is_not_listed():
    assert levels(["a", "b"], levels={"a": 3}, other="unknown") == [3, UNKNOWN]
    assert levels(["a", "b"], levels={"a": 3}, other=1) == [3, 1]
    assert levels(["9", "x"], other=0) == [0, 0]


def test_a_number_is_one_category_however_it_is_typed():
    listed = {"1": 0, "2": 4}
    for cells in (["1", "2.0"], number_array(np.array([1.0, 2.0])), number_array(np.array([1, 2], np.int32))):
        assert levels(cells, levels=listed) == [0, 4]


def test_edges_count_from_below_and_descending_from_above():
    # Level = how many of 1, 10000, 20000, 30000 are <= the value.
    cells = ["0", "1", "9999", "20000", "40000", ""]
    assert levels(cells, edges=[1, 10000, 20000, 30000]) == [0, 1, 1, 3, 4, UNKNOWN]
    # Level = how many of 3, 6, 12, 24 are >= the value: within 3 months 4, beyond 24 months 0.
    assert levels(["3", "4", "12", "24", "25"], edges=[3, 6, 12, 24], descending=True) == [4, 3, 2, 1, 0]


def test_edges_read_decimal_commas_thousands_and_currencies():
    cells = ["1.234,50", "€ 20.000", "1 000", "30.000,- "]
    encoded = encode(cells, decimal=",", edges=[1000, 20000])
    assert encoded.codes[:3, 0].tolist() == [1, 2, 1]
    assert encoded.rejected[0].value == "30.000,- "


def test_edges_reject_what_is_no_number_but_not_what_is_listed_as_unknown():
    encoded = encode(["5", "n/a", "soon", "-1"], edges=[1], unknown=["n/a", -1])
    assert encoded.codes[:, 0].tolist() == [1, UNKNOWN, UNKNOWN, UNKNOWN]
    assert [(fault.row, fault.value) for fault in encoded.rejected] == [(3, "soon")]


def test_one_criterion_stands_in_for_another_only_where_it_is_unknown():
    mapping = load_mapping(
        {
            "name": "m",
            "criteria": {"budget": {"column": "B"}, "funds": {"column": "F"}},
            "stand_in": {"funds": "budget", "need": "funds"},
        }
    )
    data = pa.RecordBatch.from_arrays(
        [text_array(["1", "2", ""]), text_array(["4", "", ""])], names=["B", "F"]
    )
    encoded = encode_levels(data, mapping)
    assert encoded.criteria == ("budget", "funds", "need")
    assert encoded.codes.tolist() == [[1, 4, 4], [2, 2, 2], [5, 5, 5]]
    assert present_criteria(mapping, ["F"]) == ("funds", "need")
    assert encode_levels(data.select(["F"]), mapping, ["budget"]).codes.tolist() == [[5], [5], [5]]


def test_a_fault_is_told_once_however_many_criteria_read_it():
    mapping = load_mapping(
        {"name": "m", "criteria": {"budget": {"column": "B"}}, "stand_in": {"funds": "budget"}}
    )
    encoded = encode_levels(pa.RecordBatch.from_arrays([text_array(["9"])], names=["B"]), mapping)
    assert len(encoded.rejected) == 1


@given(
    st.lists(st.sampled_from(["0", "1", "2", "3", "4", "", " ", "3.0", "x", "7", None]), min_size=1),
    st.data(),
)
def test_a_slice_encodes_as_the_whole_does(cells, data):
    start = data.draw(st.integers(0, len(cells)))
    whole = encode(cells)
    part = encode(text_array(cells).slice(start))
    assert part.codes.tolist() == whole.codes[start:].tolist()
    assert [f.row + start for f in part.rejected] == [f.row for f in whole.rejected if f.row > start]


@given(st.lists(st.text(max_size=3) | st.none(), min_size=1))
def test_every_row_is_usable_or_rejected(cells):
    encoded = encode([c and c.encode("utf-8", "replace").decode() for c in cells])
    assert encoded.usable.sum() + len({fault.row for fault in encoded.rejected}) == len(cells)
    assert (encoded.codes <= UNKNOWN).all()


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(".,"))
def test_a_number_survives_being_written(value, decimal):
    text = repr(value).replace(".", decimal)
    numbers, missing, bad = as_numbers(text_array([text]), decimal)
    assert numbers.tolist() == [value]
    assert not missing.any()
    assert not bad.any()


@given(st.lists(st.sampled_from(["0", "3.0", "1.200", "x", "", " ", None]), max_size=90))
@pytest.mark.parametrize("criterion", [{}, {"edges": [1, 2, 3, 4]}, {"levels": {"x": 1}, "other": "unknown"}])
def test_a_dictionary_encodes_as_its_texts_do(criterion, cells):
    texts = text_array(cells)
    longer = pa.concat_arrays([text_array(["never", "9"]), texts]).dictionary_encode()[2:]
    mapping = load_mapping({"name": "m", "criteria": {"need": {"column": "N", **criterion}}})
    made = [
        encode_levels(pa.RecordBatch.from_arrays([array], names=["N"]), mapping) for array in (texts, longer)
    ]
    np.testing.assert_array_equal(made[0].codes, made[1].codes)
    assert made[0].rejected == made[1].rejected


@given(st.lists(st.none() | st.integers(-2, 300), min_size=1), st.data())
def test_whole_numbers_encode_as_the_same_texts_do(cells, data):
    start = data.draw(st.integers(0, len(cells) - 1))
    typed, text = pa.array(cells, pa.int64())[start:], [None if c is None else str(c) for c in cells[start:]]
    assert encode(typed).codes.tolist() == encode(text).codes.tolist()
    assert encode(typed).rejected == encode(text).rejected


def test_an_outcome_written_in_several_ways_is_told_once():
    outcome = Outcome(column="S", won=("Won",), lost=("Lost",))
    cells = text_array(["Won", "3.0", "Lost", "3", " 3 "])
    codes, unlisted = encode_outcome(cells, outcome, np.arange(11, 16))
    assert codes.tolist() == [1, 255, 0, 255, 255]
    assert unlisted == {"3": (12, 3)}


def test_filled_and_facts():
    cells = text_array(["x", "", " ", "none", None])
    assert encode_filled(cells, ["none"]).tolist() == [True, False, False, False, False]
    fact = Fact(column="C", values={"repeat": ("x",)})
    assert encode_fact(cells, fact).tolist() == ["repeat", None, None, "other", None]


def test_text_of_typed_cells():
    assert as_text(number_array(np.array([3.0, 2.5, np.nan]))).to_pylist() == ["3", "2.5", None]
    days = number_array(np.array(["2026-01-02", "2026-01-02T03:04"], "datetime64[us]"))
    assert as_text(days).to_pylist() == ["2026-01-02", "2026-01-02 03:04:00"]
