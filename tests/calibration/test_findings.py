"""Findings: one table, and no value that is missing costs a calibration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import leadml
from leadml.calibration.findings import FINDINGS, findings_of_notes, in_order, make_finding

ROOT = Path(leadml.__file__).parent


def test_every_code_that_is_used_stands_in_the_table() -> None:
    used = {code for path in ROOT.rglob("*.py") for code in re.findall(r'"(LML\d{3})"', path.read_text())}
    assert used <= set(FINDINGS)
    assert len(used) > 30


@pytest.mark.parametrize("code", FINDINGS)
def test_texts_fill_in_with_and_without_values(code: str) -> None:
    bare = make_finding(code)
    assert bare.code == code
    assert bare.severity in ("stop", "warn", "note")
    assert "{" not in bare.title


def test_values_where_and_cost_are_told() -> None:
    found = make_finding("LML203", column="need", share=0.91, level=2)
    assert found.title == "need hardly varies"
    assert found.where == "need"
    assert "91%" in found.explanation
    priced = make_finding("LML208", cost=1.25, rule="bant-ibm", own=40.0, other=41.25)
    assert priced.cost == 1.25
    assert "costs 1.2 wins of 100" in priced.title
    assert "need, plans" in make_finding("LML202", framework="BANT", columns=["need", "plans"]).title


def test_the_gravest_come_first_and_once() -> None:
    notes = [("LML204", {"n": 50}), ("LML109", {"n_won": 3}), ("LML101", {"column": "a"}), ("LML204", {"n": 50})]
    codes = [found.code for found in in_order(findings_of_notes(notes))]
    assert codes == ["LML109", "LML101", "LML204"]
