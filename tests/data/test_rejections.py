"""Rejected rows are counted once, equal faults are shown once, and no saved text is a formula."""

import csv
import pickle

import pytest

from leadml.data.chunks import Fault
from leadml.data.read import read_leads
from leadml.data.rejections import Rejections, guard_formula

FORMULAS = [
    "=1+1", "-1%+cmd|' /C calc'!A0", "+1e1+cmd|' /C calc'!A0", "@SUM(A1)", "  =1", "\n=1", "\t=1", "\r=1", "＝1",
    "＋1+1", "\u00a0-cmd", "-1\n", "+1-1=", "-2+3", "+31-20-555", "-1/2", "\nx",
]  # fmt: skip
PLAIN = ["-5", "+31 20 555", "-1.234,50", "-.5", "+1e-3", "-5%", "Acme", "", "a=b", "3 + 4", " -5"]


def test_a_formula_is_guarded_and_a_number_left_alone():
    assert [guard_formula(text) for text in FORMULAS] == ["'" + text for text in FORMULAS]
    assert [guard_formula(text) for text in PLAIN] == PLAIN


@pytest.fixture
def found():
    found = Rejections()
    found.faults += [Fault(row, "Need", "high", "is no level") for row in (5, 3)]
    found.faults.append(Fault(3, "Budget", "=1+1", "is no number"))
    found.faults += [Fault(9, "", "a,b", "has 2 cells"), Fault(7, "", "c" * 500, "has 2 cells")]
    return found


def test_rows_are_counted_once_and_faults_told_once(found):
    assert found.n_rows == 4
    assert found.summary() == [
        "column 'Need': 'high' is no level (in 2 rows, first in row 3)",
        "the row has 2 cells (in 2 rows, first in row 7)",
        "column 'Budget': '=1+1' is no number (in row 3)",
    ]
    assert found.summary(1)[1] == "and 2 more"
    assert (Rejections().n_rows, Rejections().summary()) == (0, [])


def test_saved_rows_are_ordered_and_guarded(tmp_path, found):
    pickle.loads(pickle.dumps(found)).save(tmp_path / "rejected.csv")
    with (tmp_path / "rejected.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["row", "column", "value", "reason"]
    assert [line[0] for line in lines[1:]] == ["3", "3", "5", "7", "9"]
    assert ["3", "Budget", "'=1+1", "is no number"] in lines
    assert ["7", "", "c" * 200 + "...", "has 2 cells"] in lines
    assert found.to_pandas()["row"].dtype == "int64"


def test_leads_are_named_where_the_mapping_names_them(tmp_path):
    body = "Deal;Need;Closed\nA1;high;13-01-2026\n;low;14-01-2026\nA3;2;01-13-2026\nA4;2;15-01-2026\nA5;2\n"
    (tmp_path / "deals.csv").write_text(body)
    mapping = {"name": "m", "criteria": {"need": {"column": "Need"}}, "dates": {"closed": "Closed"}}
    for lead_id, names in ((None, []), ("Deal", ["A1", "", "A3", ""])):
        found = read_leads(tmp_path / "deals.csv", mapping | {"lead_id": lead_id})
        found.rejections.save(tmp_path / "rejected.csv")
        with (tmp_path / "rejected.csv").open(newline="") as file:
            head, *lines = csv.reader(file)
        assert head == ["row", "column", "value", "reason", *(["lead_id"] if lead_id else [])]
        assert [line[0] for line in lines] == ["2", "3", "4", "6"]
        assert [line[4] for line in lines if lead_id] == names
