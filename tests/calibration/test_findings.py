"""Findings: one table, and no value that is missing costs a calibration."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import leadml
from leadml.calibration.check import check_file
from leadml.calibration.findings import FINDINGS, error_of_predictions, make_findings
from leadml.data.blocks import Block

ROOT = Path(leadml.__file__).parent


def test_every_code_that_is_used_stands_in_the_table() -> None:
    used = {code for path in ROOT.rglob("*.py") for code in re.findall(r'"(LML\d{3})"', path.read_text())}
    assert used <= set(FINDINGS)
    assert len(used) > 30


@pytest.mark.parametrize("code", FINDINGS)
def test_texts_fill_in_with_and_without_values(code: str) -> None:
    (bare,) = make_findings([(code, {})])
    assert bare.code == code
    assert bare.severity in ("stop", "warn", "note")
    assert "{" not in bare.title


def test_values_where_and_cost_are_told() -> None:
    hardly, priced, silent = (
        make_findings([note])[0]
        for note in (
            ("LML203", {"column": "need", "share": 0.91, "level": 2}),
            ("LML208", {"cost": 1.25, "rule": "bant-ibm", "own": 40.0, "other": 41.25}),
            ("LML202", {"framework": "BANT", "columns": ["need", "plans"]}),
        )
    )
    assert hardly.title == "need hardly varies: 91% of its known levels are 2"
    assert hardly.where == "need"
    assert priced.cost == 1.25
    assert "costs 1.2 wins of 100" in priced.title
    assert "need, plans" in silent.title


def test_words_that_the_mapping_does_not_rank_are_told_where_they_are_many(monkeypatch) -> None:
    roles = ["Engineer", "Inkoper", "Directeur", "Onbekend", "", "Zeldzaam"]
    frame = pd.DataFrame({"Functie": np.repeat(roles, [30, 34, 34, 80, 80, 2]), "Fase": ["won", "lost"] * 130})

    def told(**rule):
        criteria = {"authority": {"column": "Functie", **rule}}
        mapping = {"name": "m", "criteria": criteria, "outcome": {"column": "Fase", "won": ["won"], "lost": ["lost"]}}
        return {each.code: each for each in check_file(frame, mapping).findings}.get("LML120")

    found = told(levels={"Directeur": 4, "Zeldzaam": 1}, other="unknown")
    assert (found.severity, found.where) == ("warn", "Functie")
    assert found.title == "Functie: words without a level are 64% of the filled cells: Inkoper, Engineer"
    assert found.remedy.endswith("criteria: {authority: {levels: {Inkoper: ?, Engineer: ?}}}")
    assert told(levels={"Directeur": 4}, unknown=["Engineer", "Inkoper", "Onbekend", "Zeldzaam"]).severity == "warn"
    assert told(levels={"Directeur": 4, "Inkoper": 1, "Engineer": 2}, other="unknown") is None
    monkeypatch.setattr("leadml.data.read.MOST_ROWS", 100)  # words are not kept: of so many rows the first ones tell
    assert told(levels={"Directeur": 4, "Zeldzaam": 1}, other="unknown") == found


def test_the_gravest_come_first_and_once() -> None:
    notes = [("LML204", {"n": 50}), ("LML109", {"n_won": 3}), ("LML101", {"column": "a"}), ("LML204", {"n": 50})]
    codes = [found.code for found in make_findings(notes)]
    assert codes == ["LML109", "LML101", "LML204"]


def test_the_level_of_held_out_predictions_varies_by_what_they_learned_from_too() -> None:
    edges = [100, 125, 156, 195, 244, 305, 400]
    blocks = [Block(np.arange(a), np.arange(a, b)) for a, b in itertools.pairwise(edges)]
    surprise = np.random.default_rng(0).normal(size=(20_000, 400))
    sums = sum((surprise[:, b.test] - surprise[:, b.train].mean(axis=1, keepdims=True)).sum(axis=1) for b in blocks)
    wider = error_of_predictions(SimpleNamespace(timed=True, blocks=blocks))
    assert wider == pytest.approx(sums.std() / np.sqrt(300), rel=0.02)
    assert error_of_predictions(SimpleNamespace(timed=False, blocks=blocks)) == 1.0
