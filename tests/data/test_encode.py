"""Levels: what every kind of criterion makes of a cell, for closed deals and for new leads."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadml.data.cells import carry, numbers_of, text_array, text_of
from leadml.data.chunks import Chunk, Format
from leadml.data.encode import Encoder
from leadml.data.mapping import load_mapping
from leadml.exceptions import InputError
from leadml.levels import UNKNOWN

EDGES = [1, 10000, 20000, 30000]


def encoder_of(mapping, columns, decimal=".", **more):
    return Encoder(SimpleNamespace(name="t", columns=columns, format=Format("frame", decimal=decimal)), mapping, **more)


def encode(cells, decimal=".", **criterion):
    mapping = load_mapping({"name": "m", "criteria": {"need": {"column": "N", **criterion}}})
    array = cells if isinstance(cells, pa.Array) else text_array(cells)
    table = pa.RecordBatch.from_arrays([array], names=["N"])
    return encoder_of(mapping, ["N"], decimal=decimal).encode(Chunk(table, np.arange(2, len(array) + 2)))


U = UNKNOWN
NUMBERS_IN_TEXT = ["€ 30.700,00", "25.000", "1 000", "20.000,-", "EUR 12.000"]


@pytest.mark.parametrize(
    ("cells", "levels", "rule"),
    [
        (["0", "4", "3.0", " 2 ", "", " ", None], [0, 4, 3, 2, U, U, U], {}),
        (pa.array([0.0, 4.0, np.nan, None]), [0, 4, U, U], {}),
        (["3,0", "1"], [3, 1], {"decimal": ","}),
        # An empty cell may be a level; other takes what is not listed.
        (["", "x"], [0, 3], {"levels": {"": 0, "x": 3}}),
        (["a", "b"], [3, U], {"levels": {"a": 3}, "other": "unknown"}),
        (["9", "x"], [0, 0], {"other": 0}),
        # A number is one category however it is typed.
        (["1", "2.0"], [0, 4], {"levels": {"1": 0, "2": 4}}),
        (pa.array([1.0, 2.0]), [0, 4], {"levels": {"1": 0, "2": 4}}),
        # Level = how many edges are <= the value; descending: how many are >= it, so within 3 months 4.
        (["0", "1", "9999", "20000", "40000", ""], [0, 1, 1, 3, 4, U], {"edges": EDGES}),
        (["3", "4", "12", "24", "25"], [4, 3, 2, 1, 0], {"edges": [3, 6, 12, 24], "descending": True}),
        (pa.array([5, None, 25000]), [1, U, 3], {"edges": EDGES}),
        (["$25,000.50"], [3], {"edges": EDGES}),
        (NUMBERS_IN_TEXT, [4, 3, 1, 3, 2], {"edges": EDGES, "decimal": ","}),
        (["geen", "25.000", "ruim", "?"], [0, 3, 4, U],
         {"levels": {"geen": 0, "ruim": 4}, "edges": EDGES, "unknown": ["?"], "decimal": ","}),
    ],
)  # fmt: skip
def test_levels(cells, levels, rule):
    encoded = encode(cells, **rule)
    assert encoded.leads.codes[:, 0].tolist() == levels
    assert encoded.usable.all()


@pytest.mark.parametrize(
    ("bad", "rule", "said"),
    [
        *((bad, {}, "valid: 0, 1, 2, 3, 4 or an empty cell") for bad in ("2.5", "7", "-1", "abc", "04", "true", "nan")),
        ("soon", {"edges": EDGES}, "is not a number"),
        ("1.2.3", {"edges": EDGES, "decimal": ","}, "is not a number"),
        ("weet niet", {"levels": {"geen": 0, "1": 0, "2": 1}, "edges": EDGES}, "valid: geen, 1, 2, or a number"),
        ("high", {"levels": {"1": 1, "2": 2, "High": 4}}, "is not listed; valid: 1, 2, High; did you mean High?"),
        ("high", {"levels": {"1": 1, "2": 4}}, "add to criteria.need `levels: {high: 0 to 4}` or `unknown: [high]`"),
        ("x", {"levels": {"": 0, "1": 1, "2": 2}}, "(empty)"),
    ],
)  # fmt: skip
def test_what_is_no_level_is_rejected_with_its_row_value_and_remedy(bad, rule, said):
    encoded = encode(["1", bad, "2", bad], **rule)
    assert [(fault.row, fault.column, fault.value) for fault in encoded.faults] == [(3, "N", bad), (5, "N", bad)]
    assert all(said in fault.reason for fault in encoded.faults)
    assert encoded.usable.tolist() == [True, False, True, False]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "uint64", "float32", "float64"])
def test_numbers_of_every_width_are_levels_or_rejected(kind):
    encoded = encode(pa.array(np.array([0, 4, 5, 100], kind)))
    assert encoded.leads.codes[:2, 0].tolist() == [0, 4]
    assert [fault.value for fault in encoded.faults] == ["5", "100"]


def test_one_criterion_stands_in_for_another_only_where_it_is_unknown():
    criteria = {"budget": {"column": "B"}, "funds": {"column": "F"}}
    mapping = load_mapping({"name": "m", "criteria": criteria, "stand_in": {"funds": "budget", "need": "funds"}})
    table = pa.RecordBatch.from_arrays([text_array(["1", "2", ""]), text_array(["4", "", ""])], names=["B", "F"])
    encoder = encoder_of(mapping, table.schema.names)
    assert encoder.criteria == ("budget", "funds", "need")
    assert encoder.encode(Chunk(table, np.arange(3))).leads.codes.tolist() == [[1, 4, 4], [2, 2, 2], [5, 5, 5]]


def test_new_leads_need_only_the_criteria_and_their_outcome_may_be_anything():
    mapping = load_mapping({
        "name": "m", "criteria": {"need": {"column": "N"}}, "dates": {"created": "D"}, "context": ["C"],
        "outcome": {"column": "S", "won": ["Won"], "lost": ["Lost"]},
    })  # fmt: skip
    table = pa.RecordBatch.from_arrays([text_array(["1", "2"]), text_array(["Won", "Brand new"])], names=["N", "S"])
    encoder = encoder_of(mapping, ["N", "S"], to_score=True)
    encoded = encoder.encode(Chunk(table, np.array([2, 3])))
    assert encoded.leads.outcome.tolist() == [1, -1]
    assert (encoded.dates, encoded.unlisted, encoder.columns) == ({}, {}, ("S", "N"))
    with pytest.raises(InputError, match=r"has no column\n  'D' \(dates.created\)\n  'C' \(context\[0\]\)"):
        encoder_of(mapping, ["N", "S"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["0", "4", "", " ", "3.0", "x", "7", None]), min_size=1), st.data())
@pytest.mark.parametrize("criterion", [{}, {"edges": [1, 2, 3, 4]}, {"levels": {"x": 1}, "other": "unknown"}])
def test_slices_and_dictionaries_encode_as_the_whole_does(criterion, cells, data):
    start = data.draw(st.integers(0, len(cells)))
    whole = encode(cells, **criterion).leads.codes.tolist()
    longer = pa.concat_arrays([text_array(["never"]), text_array(cells)]).dictionary_encode()[1:]
    assert encode(longer, **criterion).leads.codes.tolist() == whole
    assert encode(text_array(cells).slice(start), **criterion).leads.codes.tolist() == whole[start:]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=3) | st.none(), min_size=1))
def test_every_row_is_usable_or_rejected(cells):
    encoded = encode([c and c.encode("utf-8", "replace").decode() for c in cells])
    rejected = {fault.row for fault in encoded.faults}
    assert encoded.usable.sum() + len(rejected) == len(cells)
    assert (encoded.leads.codes <= UNKNOWN).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(".,"))
def test_a_number_survives_being_written(value, decimal):
    numbers, bad = numbers_of(text_array([repr(value).replace(".", decimal)]), decimal)
    assert (numbers.tolist(), bad.any()) == ([value], False)


MOMENTS = pa.array(np.array(["2026-01-02", "2026-01-02T03:04"], "datetime64[us]"))


def test_typed_cells():
    for array, text in (
        (pa.array([3.0, 2.5, np.nan]), ["3", "2.5", None]),
        (MOMENTS, ["2026-01-02", "2026-01-02 03:04:00"]),
        (pa.array([True, None]), ["true", None]),
        (pa.array([1, 2], pa.decimal128(5, 2)), ["1", "2"]),
        (text_array(["a"]).cast(pa.large_string()), ["a"]),
    ):
        assert text_of(array).to_pylist() == text
    assert numbers_of(pa.array([np.inf, 1.0]))[1].tolist() == [True, False]
    assert carry(MOMENTS).type == pa.date32()
    assert carry(pa.array([1, None])).to_pylist() == [1.0, None]
    assert carry(text_array([" a ", "a", ""])).to_pylist() == ["a", "a", None]
    assert carry(text_array(["a"]).cast(pa.large_string()).dictionary_encode()).to_pylist() == ["a"]
