"""What a calibration keeps of every contender: a card, or a classifier that judges leads by itself."""

import io
import json

import joblib
import numpy as np
import pandas as pd
import pytest

import leadml
from leadml.estimators.fitted import load_fitted
from leadml.leads import make_leads
from leadml.workflows.experiment import Experiment

RARE = "the one deal of Ms Smith"
SETTINGS = {
    "bootstrap": 50,
    "split": {"kind": "grouped-kfold", "folds": 3, "repeats": 1},
    "policies": ("bant-ibm", "champ-half"),
}


@pytest.fixture(scope="module")
def leads():
    made = make_leads(600, world="tilted", random_state=3)
    city = np.random.default_rng(3).choice(["Oslo", "Rome", "Bonn"], 600).astype(object)
    city[7] = RARE
    made.context["city"] = city
    made.context["budget"] = np.arange(600.0)  # the name of a criterion
    return made


@pytest.fixture(scope="module")
def calibration(leads):
    return leadml.calibrate(leads, Experiment(**SETTINGS))


@pytest.fixture(scope="module")
def saved(calibration, tmp_path_factory):
    return calibration.save(tmp_path_factory.mktemp("kept") / "out")


def test_every_contender_has_a_card_or_a_model(calibration, saved):
    contenders = {each["id"]: each for each in calibration.result["contenders"]}
    learned = {name for name, each in contenders.items() if each["kind"] != "documented"}
    assert learned <= {*calibration.cards} | {*calibration.fitted}
    assert not {*calibration.cards} & {*calibration.fitted}
    kept = {path.name for path in (saved / "models").iterdir()}
    assert kept == {f"{name}.{ending}" for name in calibration.fitted for ending in ("json", "joblib")}


def test_what_is_loaded_judges_as_what_was_fitted(calibration, saved, leads):
    frame = leads.levels.assign(**leads.context.rename(columns={"budget": "context budget"}))
    won = leads.outcome.mean()
    for name, fitted in calibration.fitted.items():
        found = load_fitted(saved / "models" / f"{name}.json").predict(frame)
        pd.testing.assert_frame_equal(found, fitted.predict(frame))
        # every model was fitted to these deals: it is right on average
        assert found["probability"].mean() == pytest.approx(won, abs=0.01)
        expected = np.where(found["probability"] >= fitted.threshold - 1e-12, "ready", "wait")
        if not fitted.gates:
            np.testing.assert_array_equal(found["decision"], expected)


def test_a_context_column_may_have_the_name_of_a_criterion(calibration):
    columns = calibration.fitted["context-logistic"].columns
    assert (columns["budget"], columns["context budget"], columns["city"]) == ("double", "double", "string")


def test_a_gate_decides_before_the_chance_does(calibration):
    rule = next(each for name, each in calibration.fitted.items() if name == "champ-weights")
    gate, below = next(iter(rule.gates.items()))
    levels = dict.fromkeys(rule.columns, 4.0)
    frame = pd.DataFrame([levels, levels | {gate: below - 1.0}, levels | {gate: np.nan}])
    assert rule.predict(frame)["decision"].tolist()[:2] == ["ready", "no-match"]
    assert rule.predict(frame)["decision"].tolist()[2] != "no-match"


def test_columns_that_are_absent_are_unknown(calibration):
    for name in ("bant-weights", "context-boosting"):
        fitted = calibration.fitted[name]
        everything = dict.fromkeys(fitted.columns)
        bare, full = pd.DataFrame({"need": [3.0]}), pd.DataFrame([everything | {"need": 3.0}])
        pd.testing.assert_frame_equal(fitted.predict(bare), fitted.predict(full))
        with pytest.raises(ValueError, match=r"none of the columns budget, .* is there; give at least one"):
            fitted.predict(pd.DataFrame({"Colour": ["red"]}))


def test_no_text_of_a_single_deal_is_kept(calibration):
    """What goes to MLflow holds categories, but none that would name a customer."""
    for fitted in calibration.fitted.values():
        kept = io.BytesIO()
        joblib.dump(fitted.estimator, kept)
        assert RARE.encode() not in kept.getvalue()
    assert b"Oslo" in _dumped(calibration.fitted["context-boosting"].estimator)


def test_a_changed_file_is_not_loaded(saved, tmp_path):
    for name in ("prior.json", "prior.joblib"):
        (tmp_path / name).write_bytes((saved / "models" / name).read_bytes())
    assert load_fitted(tmp_path / "prior.json").id == "prior"
    (tmp_path / "ran").unlink(missing_ok=True)
    with (tmp_path / "prior.joblib").open("wb") as file:
        joblib.dump(_Touch(str(tmp_path / "ran")), file)
    with pytest.raises(ValueError, match=r"prior\.joblib: its digest is .*not loaded"):
        load_fitted(tmp_path / "prior.json")
    assert not (tmp_path / "ran").exists()


def test_a_share_of_leads_decides_where_capacity_is_given(leads):
    found = leadml.calibrate(leads, Experiment(**SETTINGS, capacity={"share": 0.25}))
    frame = leads.levels.assign(**leads.context.rename(columns={"budget": "context budget"}))
    for name in ("bant-steps", "context-logistic"):
        ready = (found.fitted[name].predict(frame)["decision"] == "ready").mean()
        assert 0.1 < ready <= 0.25
    assert found.fitted["prior"].threshold is None
    assert json.loads(json.dumps(found.fitted["prior"].describe(b"")))["threshold"] is None
    assert set(found.fitted["prior"].predict(frame)["decision"]) == {"wait"}


def _dumped(estimator):
    kept = io.BytesIO()
    joblib.dump(estimator, kept)
    return kept.getvalue()


class _Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")
