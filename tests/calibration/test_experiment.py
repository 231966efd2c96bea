"""Settings: YAML is strict, Python is lenient, and what contradicts itself is refused."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

import leadml
from leadml.calibration.experiment import Experiment, load_experiment
from leadml.calibration.run import own_metrics
from leadml.exceptions import RecordError, UsageError


def test_every_key_has_a_default() -> None:
    assert load_experiment(None) == Experiment()
    assert load_experiment(Experiment(points=20)).points == 20


def test_python_gives_lists_numpy_dates_and_dicts() -> None:
    settings = load_experiment(
        {
            "policies": ["bant-ibm"],
            "economics": {"follow_up_cost": np.float64(10), "won_value": 100},
            "as_of": date(2026, 1, 31),
            "random_state": np.int64(3),
            "met_level": np.int32(3),
            "wide": False,
            "bands": {"by": "economics", "edges": np.array([0.5, 1.0])},
        }
    )
    assert settings.policies == ("bant-ibm",)
    assert (settings.as_of, settings.random_state, settings.wide) == ("2026-01-31", 3, False)
    assert settings.bands.follow_up_from == 1.0
    assert Experiment(contenders=["cutoff"], capacity={"share": 0.3}).capacity.share == 0.3
    assert Experiment(as_of=np.datetime64("2026-01-31T10")).as_of == "2026-01-31"


def test_yaml_is_read_strictly(tmp_path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text("points: '20'\npolicy: [bant-ibm]\n")
    with pytest.raises(RecordError) as caught:
        load_experiment(path)
    assert "points" in str(caught.value)
    assert "policy" in str(caught.value)
    path.write_text("\n")
    with pytest.raises(RecordError, match="got nothing"):
        load_experiment(path)
    path.write_text("split: {kind: grouped-kfold, folds: 3}\nevaluation: {kind: k-fold}\n")
    assert load_experiment(path).split["folds"] == 3


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"policies": []}, "policies: got a list of 0; valid: at least 1"),
        ({"frameworks": []}, "frameworks: got a list of 0; valid: at least 1"),
        ({"policies": ["bant-imb"]}, "did you mean bant-ibm"),
        ({"baseline": "ours"}, "contactable, or one of a file that frameworks names here"),
        ({"frameworks": ["bant"], "baseline": "ours", "bootstrap": 1}, "got the policy 'ours'"),
        ({"contenders": ["steeps"]}, "did you mean steps"),
        ({"as_of": "31-01-2026"}, "a date like"),
        ({"economics": {"follow_up_cost": 10}}, "neither won_value nor margin"),
        ({"economics": {"follow_up_cost": 10, "won_value": 5}}, "worth more than one follow-up"),
        ({"capacity": {}}, "neither share nor per_week"),
        ({"bands": {"by": "probability", "edges": [0.5, 0.2]}}, "rising numbers"),
        ({"bands": {"edges": [0.5]}}, "with by: shares"),
        ({"bands": {"by": "economics", "edges": [2.0]}, "cutoff_basis": "break-even"}, "multiples"),
        ({"bands": {"by": "economics", "edges": [1.0]}}, "without economics"),
        ({"bands": {"by": "probability", "edges": [0.2]}, "capacity": {"share": 0.3}}, "decides that too"),
    ],
)
def test_contradictions_are_refused(given, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_experiment(given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([("../mine", LogisticRegression())], "got .'../mine', .*; valid is .* a pair of 1 to 64 of A-Z"),
        ([("a" * 65, LogisticRegression())], "valid is .* a pair of 1 to 64 of A-Z"),
        ([object()], "got <object .*; write it as"),
        ([("mine", object())], "got .'mine', .*; valid is .* with fit and predict_proba"),
    ],
)
def test_contenders_have_names_that_files_can_have(given: list[object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        leadml.calibrate(leadml.make_leads(50), contenders=given)


def test_metrics_of_ones_own_keep_clear_of_the_built_in() -> None:
    def auc(*_: object, sample_weight: object) -> float:
        return float("nan")

    with pytest.raises(UsageError, match="got the name 'auc', which is leadml's own; valid is any but auc, log"):
        own_metrics([auc])
    auc.__name__ = "mine"
    with pytest.raises(UsageError, match="got the name 'mine' twice"):
        own_metrics([auc, auc])
    assert list(own_metrics([auc, ("theirs", auc)])) == ["mine", "theirs"]
    leads = leadml.make_leads(120, world="tilted", random_state=1)
    with pytest.warns(UserWarning, match="mine gave no finite number of any contender"):
        leadml.calibrate(leads, {"contenders": ["cutoff"], "bootstrap": 50}, metrics=[auc])


def test_a_metric_that_fails_is_named_and_one_for_probabilities_leaves_rules_out() -> None:
    leads = leadml.make_leads(120, world="tilted", random_state=1)
    quick = {"contenders": [], "wide": False, "frameworks": ["bant"], "bootstrap": 50}
    with pytest.raises(UsageError, match=r"metrics: mine failed on .*: .*argument 'sample_weight'; valid: a function"):
        leadml.calibrate(leads, quick, metrics={"mine": lambda _: 1.0})
    with pytest.warns(UserWarning, match="brier_score_loss gave no finite number of bant-ibm[a-z, -]*; left out"):
        found = leadml.calibrate(leads, quick, metrics=[brier_score_loss])
    told = {each.id: "brier_score_loss" in each.metrics for each in found.result.contenders}
    assert (told["bant-ibm"], told["bant-integer"], told["prior"]) == (False, True, True)
