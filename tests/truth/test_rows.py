"""Rows of the truth table: what passes, what is missed, and by how much of it is chance."""

import math

from tests.truth.rows import Row, mean, share, table


def test_a_share_passes_or_misses_by_its_target_and_chance():
    assert share("x", [True] * 95 + [False] * 5, low=0.95).status == "pass"
    assert share("x", [True] * 94 + [False] * 6, low=0.95).status == "within error"
    assert share("x", [True] * 80 + [False] * 20, low=0.95).status == "missed"
    assert share("x", [], low=0.5).status == "missed"  # every firm crashed
    low, high = share("x", [True] * 10, low=0.9).between
    assert 0.7 < low < 0.75
    assert math.isclose(high, 1)


def test_a_mean_has_a_normal_interval_and_a_two_sided_target():
    row = mean("x", [0.9, 1.0, 1.1], low=0.92, high=0.98)
    assert math.isclose(row.value, 1.0)
    assert (row.status, row.target) == ("within error", "0.92 to 0.98")


def test_the_table_names_what_is_known():
    rows = [Row("a", 0.2, 0.01, 50, low=0.9), Row("b", 0.95, 0.01, 50, low=0.9, plain=0.8, old="46%")]
    text = table(rows, {"a": "because"})
    assert "| missed, known |" in text
    assert "| 0.8 | 46% | pass |" in text
