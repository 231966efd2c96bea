"""Mappings: what is refused, all at once, with path and line; and what is kept."""

from pathlib import Path

import pytest

from leadml.data.mapping import Mapping, load_mapping
from leadml.exceptions import RecordError
from leadml.records import dump_record, parse_record

CONFIGS = Path(__file__).parents[2] / "configs" / "mappings"
BROKEN = """\
name: bad
read: {delimiter: ";;", encoding: utf-99, header: 0}
outcome: {column: Status, won: [Won], lost: [Lost, Won]}
criteria:
  budgett: {column: Money}
  authority: {column: Role, levels: {Low: 1, Mid: 7}}
  timeline: {column: Months, edges: [3, 2, 12, 24, 30], descending: true}
stand_in: {funds: budget, budget: funds}
context: [Won value]
duplicates: sometimes
exclude: {Won value: 0 for every loss}
colour: red
"""


def test_every_fault_is_told_at_once_with_its_path_and_line(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(BROKEN)
    with pytest.raises(RecordError) as caught:
        load_mapping(path)
    for said in (
        "read.delimiter (line 2): got ';;'",
        "read.encoding (line 2): got 'utf-99'",
        "read.header (line 2)",
        "outcome (line 3): 'Won' is listed as won and as lost",
        "did you mean budget?",
        "criteria.authority.levels.Mid (line 6): got 7; valid: 0, 1, 2, 3, 4",
        "criteria.timeline.edges (line 7): got a list of 5; valid: at most 4; correct it",
        "stand_in (line 8): funds <- budget <- funds ends in no column",
        "duplicates (line 10)",
        "exclude (line 11): 'Won value' is excluded (0 for every loss) and yet used as context[0]",
        "colour (line 12): unknown key",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"criteria": {"need": {"column": "S"}}}, "need reads 'S', which is the outcome"),
        ({"context": ["S"]}, "context[0] reads 'S', which is the outcome"),
        ({"context": ["C"]}, "which is the date of the close"),
        ({"criteria": {"need": {"column": "N"}}, "exclude": {"N": "late"}}, "used as criteria.need"),
        ({"segments": ["N"], "exclude": {"N": "late"}}, "used as segments[0]"),
        ({"stand_in": {"funds": "budget"}}, "funds <- budget ends in no column; valid: each"),
        ({"criteria": {"need": {"column": "N", "descending": True}}}, "descending without edges"),
        (
            {"criteria": {"need": {"column": "N", "levels": {}}}},
            "need.levels: got an empty mapping; valid: at least 1;",
        ),
        ({"criteria": {"need": {"column": "N", "levels": {"a": 1}, "unknown": ["a"]}}}, "and under unknown"),
        ({"criteria": {"need": {"column": "N", "edges": [1, 1]}}}, "each larger than the one before"),
        ({"criteria": {"need": {"column": "N", "other": "maybe"}}}, "got 'maybe'"),
        ({"criteria": {"need": {"column": "N", "other": True}}}, "need.other: got true; valid: 0, 1, 2, 3, 4;"),
        ({"criteria": {"need": {"column": "N", "levels": {"ja": True}}}}, "need.levels.ja: got true; valid: 0, 1, 2,"),
        ({"followed_up": {"column": "W", "values": []}}, "followed_up.values: got a list of 0; valid: at least 1;"),
        ({"order": "columns"}, "rows"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(keys, said):
    outcome = {"column": "S", "won": ["Won"], "lost": ["Lost"]}
    with pytest.raises(RecordError) as caught:
        load_mapping({"name": "m", "outcome": outcome, "dates": {"closed": "C"}, **keys})
    assert said in str(caught.value)


def test_cells_are_kept_as_a_table_would_hold_them_and_yes_and_no_stay_words():
    criterion = {"column": "N", "levels": {"1.0": 1, " two ": 2}, "unknown": [3, True, ""]}
    mapping = load_mapping({"name": "m", "criteria": {"need": criterion}})
    assert mapping.criteria["need"].levels == {"1": 1, "two": 2}
    assert mapping.criteria["need"].unknown == ("3", "true", "")
    text = "name: m\ncriteria:\n  need: {column: N, levels: {no: 0, yes: 4}}\nduplicates: off"
    read = parse_record(text, Mapping)
    assert (read.criteria["need"].levels, read.duplicates) == ({"no": 0, "yes": 4}, "off")
    assert load_mapping({"name": "m", "duplicates": False}).duplicates is False
    assert load_mapping(read) is read


def test_words_and_numbers_may_stand_in_one_column_and_every_use_has_its_path(tmp_path):
    mapping = load_mapping(
        {
            "name": "m",
            "criteria": {
                "budget": {"column": "B", "levels": {"geen": 0}, "edges": [1, 10]},
                "need": {"column": "N"},
            },
            "stand_in": {"funds": "budget"},
            "join": {"file": "contacts.csv", "left": "Contact", "right": "ID"},
            "segments": ["Team"],
            "snapshot": "Qualified on",
            "followed_up": {"column": "Worked", "values": ["yes"]},
            "propensity": {"column": "Chance"},
            "duplicates": ["Deal"],
            "lead_id": "ID",
        }
    )  # fmt: skip
    assert mapping.mapped == ("budget", "funds", "need")
    assert mapping.present(["B"]) == ("budget", "funds")
    assert [mapping.column_of(name) for name in ("budget", "funds", "need", "Source")] == ["B", "B", "N", "Source"]
    places = dict(mapping.uses())
    assert (places["join.left"], places["segments[0]"]) == ("Contact", "Team")
    assert {"snapshot", "followed_up.column", "propensity.column", "duplicates[0]"} <= set(places)
    path = tmp_path / "mapping.yaml"
    path.write_text(dump_record(mapping))
    (tmp_path / "contacts.csv").write_text("ID\n")
    assert dict(load_mapping(path)) == dict(mapping)
    assert load_mapping(path).path_of("contacts.csv") == str(tmp_path / "contacts.csv")
    assert load_mapping(path).path_of("elsewhere.csv") == "elsewhere.csv"


@pytest.mark.parametrize("name", ["b2b_deals", "bank_marketing", "crm_pipeline", "leads_0_4"])
def test_the_mappings_in_configs_load_and_survive_being_written(name):
    mapping = load_mapping(CONFIGS / f"{name}.yaml")
    assert mapping.name == name
    assert dict(parse_record(dump_record(mapping), Mapping)) == dict(mapping)
