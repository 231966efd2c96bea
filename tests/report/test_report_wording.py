"""Numbers as a reader wants them."""

import math

import pytest

from leadml.report.rules import implied_value_text, p_text, rule_summary
from leadml.report.wording import figure_text, number, percent


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_known_is_a_dash(value: float | None) -> None:
    assert number(value) == percent(value) == "—"
    assert figure_text({"value": None, "low": 0.1, "high": 0.2}, "percent") == {"value": "—", "interval": ""}


def test_a_wide_interval_gets_no_decimals() -> None:
    # 68% - 54% is 14 points wide: a decimal would say more than is known. 25.6% - 24.4% is 1.2 wide.
    wide = figure_text({"value": 0.6123, "low": 0.54, "high": 0.68}, "percent")
    narrow = figure_text({"value": 0.25, "low": 0.244, "high": 0.256}, "percent")
    assert (wide["value"], narrow["value"]) == ("61%", "25.0%")


@pytest.mark.parametrize("style", ["percent", "percentage-points", "decimal", "signed", "money", "whole"])
def test_nothing_is_ever_minus_nothing(style: str) -> None:
    text = figure_text({"value": -1e-9, "low": -1e-9, "high": 1e-9}, style, "EUR")
    assert "−" not in text["value"] + text["interval"]


def test_a_figure_that_never_moves_has_no_interval() -> None:
    assert figure_text({"value": 1.0, "low": 1.0, "high": 1.0}, "percent") == {
        "value": "100%",
        "interval": "",
    }
    assert figure_text({"value": 3.0, "low": 3.0, "high": 3.0}, "whole") == {"value": "3", "interval": ""}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (6.0, 11.0, "worth 6.0 to 11.0 follow-ups"),
        (6.0, None, "worth at least 6.0 follow-ups"),
        (None, 11.0, "worth at most 11.0 follow-ups"),
        (None, None, ""),
        (11.0, 6.0, ""),  # no value makes such a cut-off right
    ],
)
def test_implied_values_in_words(low: float | None, high: float | None, said: str) -> None:
    assert implied_value_text({"low": low, "high": high}).endswith(said)


def test_p_is_never_written_as_zero() -> None:
    assert p_text(0.0) == p_text(1e-9) == "p\u00a0<\u00a00.001"
    assert p_text(None) == ""


def test_further_deals_are_said_once(make_result) -> None:
    policy = make_result("undecided")["policies"][0]
    assert rule_summary(policy, {}, None)["more_deals"] == "About 2,300 further closed deals would decide."
    policy["sentence"] = "Undecided. About 2,345 more closed deals would decide."
    assert rule_summary(policy, {}, None)["more_deals"] == ""
