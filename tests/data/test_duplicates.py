"""Who is one unit: copies beyond chance, groups, ids; and never what discrete answers make equal."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

from leadml import load_mapping, read_leads
from leadml.data.duplicates import find_twins, join_links, same_ids

ROOT = Path(__file__).parents[2]
B2B = ROOT.parent / "shared" / "data" / "b2b_deals" / "b2b_deals.csv"


def answers(rng, n, correlation, k=4):
    shared = np.sqrt(correlation) * rng.normal(size=(n, 1))
    hidden = shared + np.sqrt(1 - correlation) * rng.normal(size=(n, k))
    return list(np.searchsorted(norm.ppf([0.2, 0.4, 0.6, 0.8]), hidden).T)


@pytest.mark.skipif(not B2B.exists(), reason="needs ../shared/data")
def test_b2b_deals_holds_copies_and_its_five_criteria_alone_do_not_show_them():
    mapping = load_mapping(ROOT / "configs" / "mappings" / "b2b_deals.yaml")
    leads = read_leads(B2B, mapping)
    values = dict(leads.notes)["LML114"]
    assert values["n"] == 152
    assert values["n"] / values["expected"] == pytest.approx(7.1, abs=0.2)
    assert leads.unit.max() + 1 == 346
    alone = read_leads(B2B, mapping.model_copy(update={"context": (), "facts": {}}))
    assert alone.unit is None
    assert "LML115" in dict(alone.notes)
    twins = find_twins(list(alone.codes.T))
    assert twins.n_rows / twins.expected == pytest.approx(1.0, abs=0.05)
    assert read_leads(B2B, mapping.model_copy(update={"duplicates": "off"})).unit is None


def test_correlated_levels_are_no_copies():
    for n in (300, 1000):
        for seed in range(5):
            twins = find_twins(answers(np.random.default_rng(seed), n, 0.8))
            assert twins.n_rows <= 1.2 * twins.expected
            assert not twins.beyond_chance
    assert find_twins(answers(np.random.default_rng(0), 20_000, 0.8)) is None  # equal by necessity
    assert find_twins([np.zeros(50, int)]) is None


@pytest.mark.parametrize("exact_amount", [False, True])
def test_copies_are_found(exact_amount):
    rng, n = np.random.default_rng(1), 500
    columns = [*answers(rng, n, 0.4), rng.integers(0, 8, n), rng.integers(0, 6, n), rng.integers(0, 5, n)]
    if exact_amount:
        columns.append(np.arange(n))
    copied = rng.integers(0, n, 40)
    twins = find_twins([np.concatenate([column, column[copied]]) for column in columns])
    assert twins.beyond_chance
    assert (twins.pattern[n:] == twins.pattern[copied]).all()


def test_few_twins_are_chance_and_many_columns_are_numbered_without_overflow():
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 1000, 300) for _ in range(12)]
    twins = find_twins(columns)
    assert (twins.n_rows, twins.beyond_chance, len(set(twins.pattern))) == (0, False, 300)


def test_links_chain_and_those_without_stand_alone():
    assert join_links([], 3) is None
    assert join_links([np.array([0, 1, 2])], 3) is None
    unit = join_links([np.array([0, 0, -1, -1]), np.array([-1, 5, 5, -1])], 4)
    assert unit[0] == unit[1] == unit[2] != unit[3]


LONG = "https://crm.example/" + 140 * "x"


@pytest.mark.parametrize(
    ("ids", "same", "again"),
    [
        (["a", "b", "c"], None, {}),
        (["c", "b", "a"], None, {}),
        (["c", "", "a", None, "b", " "], None, {}),  # blank ones are no deal's id
        (["b", "a", " b", "c", "b ", "c"], [0, -1, 0, 1, 0, 1], {"b": 2, "c": 1}),
        ([LONG + "1", LONG + "2", LONG + "0", LONG + "2"], [-1, 1, -1, 1], {LONG + "2": 1}),
        (["ab", "a", "abcdefgh", "b", "abcdefghi", "ab"], [0, -1, -1, -1, -1, 0], {"ab": 1}),
    ],
)
def test_ids_that_are_met_again_are_one_unit(ids, same, again):
    for cells in (pa.array(ids, pa.string()), pa.array(["x", *ids], pa.string())[1:]):
        found, n_again = same_ids(cells)
        assert n_again == again
        assert (found is None) == (same is None)
        if same is not None:
            unit, wanted = join_links([found], len(ids)), join_links([np.array(same)], len(ids))
            assert ((unit[:, None] == unit) == (wanted[:, None] == wanted)).all()


def test_an_unmapped_column_changes_nothing(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "deals.csv"
    rows = [f"{rng.integers(5)},{rng.integers(5)},{'Won' if rng.random() < 0.5 else 'Lost'}" for _ in range(300)]
    mapping = {
        "name": "m",
        "criteria": {"need": {"column": "N"}, "budget": {"column": "B"}},
        "outcome": {"column": "S", "won": ["Won"], "lost": ["Lost"]},
    }
    found = []
    for header, extra in (("N,B,S", ""), ("N,B,S,Note", ",same")):
        path.write_text(header + "\n" + "\n".join(row + extra for row in rows))
        leads = read_leads(path, mapping)
        found.append((leads.unit, leads.notes))
    assert found[0] == found[1] == (None, (("LML115", {}),))
