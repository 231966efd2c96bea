"""Mappings: what is refused, all at once, with path and line; and what is kept."""

import pytest

from leadml.exceptions import RecordError
from leadml.leads.mapping import Mapping, load_mapping
from leadml.records import dump_record, parse_record

BROKEN = """\
name: bad
read: {delimiter: ";;", encoding: utf-99}
outcome: {column: Status, won: [Won], lost: [Lost, Won]}
criteria:
  budgett: {column: Money}
  authority: {column: Role, levels: {Low: 1, Mid: 7}}
  timeline: {column: Months, edges: [3, 2, 12, 24, 30], descending: true}
  goals: {column: Goals, edges: [1], levels: {a: 1}}
stand_in: {funds: budget, budget: funds}
context: [Won value]
exclude: {Won value: 0 for every loss}
colour: red
"""


def test_every_fault_is_told_at_once_with_its_path_and_line(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(BROKEN)
    with pytest.raises(RecordError) as caught:
        load_mapping(path)
    message = str(caught.value)
    for said in (
        "read.delimiter (line 2): got ';;'",
        "read.encoding (line 2): got 'utf-99'",
        "outcome (line 3): 'Won' is listed as won and as lost",
        "did you mean budget?",
        "criteria.authority.levels.Mid (line 6): got 7; valid: a level from 0 to 4",
        "criteria.timeline.edges (line 7): got 5 edges; the edges [3.0, 2.0, 12.0, 24.0, 30.0] do",
        "criteria.goals (line 8): got both levels and edges",
        "stand_in (line 9): funds <- budget <- funds goes round in a circle",
        "exclude (line 11): 'Won value' is excluded (0 for every loss) and yet used as context[0]",
        "colour (line 12): unknown key",
    ):
        assert said in message


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"criteria": {"need": {"column": "S"}}}, "need reads 'S', which is the outcome"),
        ({"context": ["S"]}, "S reads 'S', which is the outcome"),
        ({"context": ["C"]}, "which is the date of the close"),
        ({"criteria": {"need": {"column": "N"}}, "exclude": {"N": "late"}}, "used as criteria.need"),
        ({"stand_in": {"funds": "budget"}}, "funds would read budget, which is not among the criteria"),
        ({"criteria": {"need": {"column": "N", "descending": True}}}, "descending without edges"),
        ({"criteria": {"need": {"column": "N", "levels": {}}}}, "levels lists no value"),
        ({"criteria": {"need": {"column": "N", "levels": {"a": 1}, "unknown": ["a"]}}}, "and under unknown"),
        ({"criteria": {"need": {"column": "N", "edges": [1, 1]}}}, "do not increase"),
        ({"criteria": {"need": {"column": "N", "edges": []}}}, "got 0 edges"),
        ({"criteria": {"need": {"column": "N", "other": "maybe"}}}, "got 'maybe'"),
        ({"order": "columns"}, "rows"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(keys, said):
    outcome = {"column": "S", "won": ["Won"], "lost": ["Lost"]}
    with pytest.raises(RecordError) as caught:
        load_mapping({"name": "m", "outcome": outcome, "dates": {"closed": "C"}, **keys})
    assert said in str(caught.value)


def test_cells_are_kept_as_a_table_would_hold_them():
    criterion = {"column": "N", "levels": {"1.0": 1, " two ": 2}, "unknown": [3, True, ""]}
    mapping = load_mapping({"name": "m", "criteria": {"need": criterion}})
    assert mapping.criteria["need"].levels == {"1": 1, "two": 2}
    assert mapping.criteria["need"].unknown == ("3", "true", "")


def test_yes_and_no_stay_words():
    text = "name: m\ncriteria:\n  need: {column: N, levels: {no: 0, yes: 4}, unknown: [n/a]}"
    assert parse_record(text, Mapping).criteria["need"].levels == {"no": 0, "yes": 4}


def test_mapped_criteria_stand_in_canonical_order():
    criteria = {"need": {"column": "N"}, "budget": {"column": "B"}}
    mapping = load_mapping({"name": "m", "criteria": criteria, "stand_in": {"funds": "budget"}})
    assert mapping.mapped == ("budget", "funds", "need")


@pytest.mark.parametrize("name", ["b2b_deals", "bank_marketing", "crm_pipeline", "leads_0_4"])
def test_the_mappings_in_configs_load_and_survive_being_written(repository, name):
    mapping = load_mapping(repository / "configs" / "mappings" / f"{name}.yaml")
    assert mapping.name == name
    assert parse_record(dump_record(mapping), Mapping) == mapping
