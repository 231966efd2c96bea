"""How often `change` is said: hardly ever where the rule is right, else as often as planned."""

import numpy as np
import pytest

from leadml.evaluation.verdict import planned_power

pytestmark = pytest.mark.slow

REPLICATES = 200


def policy(result, name):
    return next(p for p in result["policies"] if p["id"] == name)


@pytest.mark.parametrize("n", [100, 300, 1000, 3000])
@pytest.mark.parametrize(("form", "rule"), [("points", "bant-points"), ("met", "bant-ibm")])
def test_change_is_hardly_ever_said_of_the_right_rule(form, rule, n, compare, figure):
    said = [policy(compare("rule_right", n, seed, form=form), rule)["verdict"] for seed in range(REPLICATES)]
    share = {word: said.count(word) / REPLICATES for word in ("change", "keep", "undecided")}
    figure(f"rule right ({rule}), n={n}: change {share['change']:.1%}, keep {share['keep']:.1%}")
    assert share["change"] <= 0.05


def test_change_is_hardly_ever_said_where_nothing_matters(compare, figure):
    said = [
        {p["id"]: p["verdict_weights"] for p in compare("null", 1000, seed)["policies"]}
        for seed in range(REPLICATES)
    ]
    for rule in ("bant-ibm", "bant-points"):
        share = np.mean([each[rule] == "change" for each in said])
        figure(f"null, n=1000: learned weights said to beat {rule} in {share:.1%}")
        assert share <= 0.05


@pytest.mark.parametrize("world", ["tilted", "dud"])
def test_power_is_what_the_planner_promises(world, compare, figure):
    rules = [policy(compare(world, 1000, seed), "bant-points") for seed in range(REPLICATES)]
    gains = [rule["gain_weights"] for rule in rules]
    found = np.mean([rule["verdict_weights"] == "change" for rule in rules])
    mean_gain = np.mean([gain["value"] for gain in gains])
    promised = np.mean(
        [
            planned_power(mean_gain, (gain["value"] - gain["low"]) / 1.959964)
            for gain in gains
            if gain["value"] > gain["low"]
        ]
    )
    figure(f"{world}, n=1000: change found in {found:.1%}, promised {promised:.1%} (gain {mean_gain:.1%})")
    assert abs(found - promised) <= 0.10
