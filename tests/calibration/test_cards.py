"""Final cards and what is said of them: bands, the wide card, unknowns, leads picked at random or hardly at all."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pyarrow as pa
import pytest

import leadml
from leadml.evaluation.metrics import highest
from leadml.exceptions import UsageError

FAST = {"contenders": [], "wide": False}


def codes_of(result):
    return {finding.code for finding in result.findings}


@pytest.mark.parametrize(
    ("settings", "decisions"),
    [
        ({"bands": {"by": "probability", "edges": [0.3]}}, ["no-match", "ready"]),
        ({"bands": {"by": "probability", "edges": [0.15, 0.4]}}, ["no-match", "wait", "ready"]),
        (
            {"bands": {"by": "economics", "edges": [0.5, 1, 2]}, "economics": {"follow_up_cost": 10, "won_value": 40}},
            ["no-match", "wait", "ready", "ready"],
        ),
    ],
)
def test_bands_begin_where_the_settings_say(settings, decisions) -> None:
    leads = leadml.make_leads(600, world="tilted", all_criteria=False, random_state=3)
    card = leadml.calibrate(leads, {**FAST, **settings}, frameworks=["bant"]).card
    assert [band.decision for band in card.bands] == decisions
    first = next(band.from_ for band in card.bands if band.decision == "ready")
    assert first == card.cutoff
    assert card.table[first].probability == pytest.approx(0.25 if "economics" in settings else 0.35, abs=0.12)


def test_the_wide_card_is_recommended_where_columns_tell_much_more() -> None:
    leads = leadml.make_leads(900, world="null", all_criteria=False, random_state=4)
    rng = np.random.default_rng(0)
    tells = np.where(rng.random(900) < 0.85, leads.outcome, 1 - leads.outcome)
    leads = dataclasses.replace(leads, context={"product": pa.array(np.array(["A", "B"])[tells]).dictionary_encode()})
    found = leadml.calibrate(leads, {"contenders": ["context-logistic"]}, frameworks=["bant"])
    assert found.result.recommended.contender in ("wide", "wide-score")
    assert found.card.kind == "wide"
    said = r"The wide card \(.*\) wins \d+\.\d of 100 .*, bant-ibm \d+\.\d\.$"
    assert re.search(said, found.result.recommended.because)
    assert [row.column for row in found.card.attributes] == ["product"]
    wide = next(each for each in found.result.contenders if each.id == "wide")
    assert wide.importance[0].column == "product"
    assert "LML302" in codes_of(found.result)
    with pytest.raises(UsageError, match="context of the mapping"):
        leadml.calibrate(leads, {"wide": {"columns": ["colour"]}})


def test_unknown_as_zero_is_priced() -> None:
    leads = leadml.make_leads(1500, world="unknown_random", all_criteria=False, random_state=3)
    settings = {**FAST, "baseline": "bant-points", "policies": ["bant-points"]}
    result = leadml.calibrate(leads, settings, frameworks=["bant"]).result
    price = next(finding for finding in result.findings if finding.code == "LML208")
    assert price.cost > 1


def test_leads_picked_at_random_count_for_the_others() -> None:
    leads = leadml.make_leads(1500, world="selected_random", all_criteria=False, random_state=6)
    result = leadml.calibrate(leads, FAST, frameworks=["bant"]).result
    assert "LML606" in codes_of(result)
    assert "LML605" not in codes_of(result)
    unknown = dataclasses.replace(leads, propensity=None)
    rule = leadml.calibrate(unknown, FAST, frameworks=["bant"]).result.policies[0]
    assert rule.verdict == "cannot-judge"
    assert "followed up" in rule.because


def test_where_nobody_was_followed_up_no_rule_can_be_judged() -> None:
    leads = leadml.make_leads(300, world="tilted", all_criteria=False, random_state=8)
    leads = dataclasses.replace(leads, propensity=np.full(300, 0.5), followed_up=np.zeros(300, bool))
    result = leadml.calibrate(leads, FAST, frameworks=["bant"]).result
    assert {rule.verdict for rule in result.policies} == {"cannot-judge"}


def test_ties_at_the_edge_share_what_is_left() -> None:
    np.testing.assert_allclose(highest(np.array([3.0, 2, 2, 1]), 0.5), [1, 0.5, 0.5, 0])
    np.testing.assert_allclose(highest(np.array([np.nan, 1.0]), 0.5), [0, 1])
    assert highest(np.array([1.0, 2.0]), 1.0).sum() == 2
