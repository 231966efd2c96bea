"""`leadml check`: what is reported of a file."""

import json

import pytest

from leadml.workflows.check import check_file, format_check

MAPPING = {
    "name": "ours",
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"]},
    "criteria": {
        "authority": {"column": "Role", "levels": {"Low": 1, "High": 4}},
        "need": {"column": "Need"},
    },
    "stand_in": {"desire": "need"},
}


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("Role;Need;Status\r\nLow;3;Won\r\nHigh;;Lost\r\nBoss;1;Won\r\nLow;0\r\n")
    return check_file(path, MAPPING)


def test_what_is_found_is_plain_data_that_adds_up(result):
    json.dumps(result)
    assert (result["n_rows"], result["n_leads"], result["n_rejected"]) == (4, 2, 2)
    assert result["outcomes"] == {"won": 1, "lost": 1, "open": 0, "base_rate": 0.5}
    assert result["format"]["delimiter"] == ";"
    by_id = {row["id"]: row for row in result["criteria"]}
    assert by_id["authority"]["levels"] == {"0": 0, "1": 1, "2": 0, "3": 0, "4": 1}
    assert by_id["need"]["unknown_share"] == 0.5
    assert by_id["desire"]["column"] == "(from need)"
    assert len(result["unmapped"]) == 10
    assert [fault["row"] for fault in result["rejected"]] == [3, 4]
    assert [finding["code"] for finding in result["findings"]] == ["LML104", "LML109", "LML110", "LML110"]


def test_the_words_for_the_terminal(result):
    text = format_check(result)
    assert "4 rows = 2 leads + 2 rejected" in text
    assert "delimiter semicolon (sniffed)" in text
    assert "outcome: 1 won, 1 lost, 0 open; 50.0% of the closed deals were won" in text
    assert "row 3, Role: 'Boss' is not listed; valid: Low, High" in text
    assert "row 4: 'Low;0' 2 cells where the header has 3" in text
    assert "LML109 stop" in text


def test_a_file_without_outcomes_and_criteria_is_said_to_be_so(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("a,b\n1,2\n")
    text = format_check(check_file(path, {"name": "none", "context": ["a"]}))
    assert "outcome: not in the mapping" in text
    assert "no criterion is mapped" in text
    assert "context: a" in text


def test_nothing_is_written(tmp_path, result):
    assert [path.name for path in tmp_path.iterdir()] == ["deals.csv"]
