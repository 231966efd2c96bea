"""Laws of the charts: each is drawn from the record, or says what it lacks."""

import itertools

import pytest

from leadml.exceptions import UsageError
from leadml.report import charts
from leadml.result import Contender


@pytest.mark.parametrize("name", ["bands", "cutoffs", "decision_curve", "gain", "reliability", "weights"])
@pytest.mark.parametrize("case", ["tilted-costs", "right-120"])
def test_a_calibration_draws_them(found, case, name):
    drawn = getattr(found(case).plot, name)()
    assert charts.svg(drawn, "a").startswith("<svg")
    assert drawn.to_dict()["title"]


def test_charts_without_card_and_log(found):
    assert list(charts.all_charts(found("right-120").result)) == ["gain", "decision_curve", "cutoffs", "weights"]


def test_contenders_without_a_cut_off_are_not_drawn_at_one(found):
    result = found("right-120").result
    (rows,) = charts.cutoffs(result).to_dict()["datasets"].values()
    assert {row["rule"].split()[0] for row in rows} <= {each.id for each in result.policies}
    assert all(row["low"] <= row["high"] for row in rows)
    unable = [each.model_copy(update={"verdict": "cannot-judge"}) for each in result.policies[1:]]
    judged = result.model_copy(update={"policies": (result.policies[0], *unable)})
    (rows,) = charts.cutoffs(judged).to_dict()["datasets"].values()
    assert [row["rule"].split()[0] for row in rows] == [result.policies[0].id]


def test_every_kind_of_contender_has_a_colour():
    assert {*charts.KINDS} == {*Contender.model_fields["kind"].annotation.__args__}
    assert len(charts.KINDS) == len(charts.COLOURS)


def test_one_rule_is_drawn_when_asked_for(found):
    result = found("right-120").result
    assert "(bant-points; " in " ".join(charts.decision_curve(result, policy="bant-points").to_dict()["title"])
    with pytest.raises(UsageError, match="policy: got 'bant'"):
        charts.decision_curve(result, policy="bant")


@pytest.mark.parametrize("ends", [(1.0, 5.0), (1.2, 3.6), (1.1, 9.3), (2.0, 540.0), (2.1, 2.2)])
def test_ticks_of_ratios_lie_on_the_scale_and_apart(ends):
    ticks = charts._ratio_axis("low", *ends).to_dict()["axis"]["values"]
    assert len(ticks) > 1
    assert all(ends[0] <= each <= ends[1] for each in ticks)
    assert all(b / a > 1.02 for a, b in itertools.pairwise(ticks))


def test_what_is_lacking_is_said(found):
    result = found("right-120").result
    bare = result.model_copy(update={"policies": ()})
    for draw, what in ((charts.cutoffs, "implied values"), (charts.weights, "documented rules")):
        with pytest.raises(UsageError, match=what):
            draw(bare)
    with pytest.raises(UsageError, match="held-out log"):
        charts.reliability(result)
    with pytest.raises(UsageError, match="no card"):
        charts.bands(result)


def test_the_value_that_was_given_is_drawn(found):
    result = found("tilted-costs").result
    assert "yours is worth 4" in " ".join(charts.cutoffs(result).to_dict()["title"])
    assert len(charts.decision_curve(result).to_dict()["layer"]) == 3
    assert len(charts.decision_curve(found("right-120").result).to_dict()["layer"]) == 2
