"""Logged models: found by reference, taking columns of the CRM or levels; the registry a view of the store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import leadml
from leadml.card.record import load_card
from leadml.exceptions import InputError, ModelRefError, TrackingError, UsageError
from leadml.registry.resolve import resolve
from leadml.scoring.face import load_model
from leadml.tracking import _gather, chosen_uri, connect, drop_champion, fetch_model, log_model, mirror_version


@pytest.mark.slow
def test_the_registry_is_a_view_of_the_versions_on_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    client = connect().client
    assert mirror_version("b2b@1", folder, champion=True) == "b2b@1 as models:/b2b/1 (champion)"
    assert mirror_version("b2b@2", folder, champion=False) == "b2b@2 as models:/b2b/2 (challenger)"
    assert mirror_version("b2b@2", folder, champion=True, because="wins more") == "b2b@2 as models:/b2b/2 (champion)"
    assert [*client.get_registered_model("b2b").aliases] == ["champion"]
    assert client.get_model_version("b2b", "2").tags["leadml.because"] == "wins more"
    card = load_card(folder / "card.json")
    assert resolve("models:/b2b@champion").model == card
    assert resolve("models:/b2b/1").model == card
    assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///mlflow.db"
    drop_champion("b2b")
    assert client.get_registered_model("b2b").aliases == {}
    with pytest.raises(TrackingError, match="fetching 'models:/b2b@champion'"):
        fetch_model("models:/b2b@champion")
    place = connect()
    run = client.create_run(place.experiment_id)
    log_model(place, run.info.run_id, folder / "models" / "context-logistic.joblib", "wide", folder / "mapping.yaml")
    assert fetch_model(f"runs:/{run.info.run_id}/wide").name == "model.joblib"
    assert load_model(f"runs:/{run.info.run_id}").mapping.name == "mapping.yaml"
    assert type(resolve(f"runs:/{run.info.run_id}").model).__module__.startswith("leadml.")
    client.log_artifact(run.info.run_id, str(folder / "card.json"))
    assert resolve(f"runs:/{run.info.run_id}/card.json").model == card


@pytest.mark.parametrize("ref", ["models:/", "runs:/", "models:/b2b@champion"])
def test_references_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ref: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ModelRefError, match=r"valid is models:/NAME@ALIAS|there is no store at"):
        fetch_model(ref)


@pytest.mark.slow
def test_a_logged_card_takes_crm_columns_and_levels(folder: Path) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd()}/mlflow.db")
    mirror_version("b2b@1", folder, champion=True)
    model = mlflow.pyfunc.load_model("models:/b2b@champion")
    levels: dict[str, Any] = {"budget": [4, 0], "authority": [4, 1], "need": [3, 0], "timeline": [2, 1]}
    whole = model.predict(pd.DataFrame(levels))
    real = model.predict(pd.DataFrame(levels).astype(float))
    crm = model.predict(pd.DataFrame({name.capitalize(): values for name, values in levels.items()}))
    expected = load_card(folder / "card.json").score(levels).points.tolist()
    for scores in (whole, real, crm):
        assert scores["points"].tolist() == expected
    rows = pd.DataFrame({"Need": ["4", "x", np.nan], "Status": ["Won", "Open", "Lost"]})
    assert model.predict(rows)["points"].isna().tolist() == [False, True, False]  # every row keeps its place


def test_a_classifier_is_served_as_it_was_fitted(saved: Path, tmp_path: Path) -> None:
    _gather(tmp_path / "files", saved / "models" / "context-logistic.joblib", saved / "mapping.yaml")
    served = load_model(tmp_path / "files" / "model.joblib")
    crm = pd.DataFrame({"Need": [4, 0], "Source": ["web", "x"]})
    levels = pd.DataFrame({"need": [4, 0], "Source": ["web", "x"]})
    assert served.predict(crm)["probability"].tolist() == served.predict(levels)["probability"].tolist()
    with pytest.raises(InputError, match="the rows lack Source, which this classifier learned from"):
        served.predict(levels[["need"]])


def test_a_logged_model_needs_no_leadml_where_it_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    place, listings = connect(), list[int]()
    listing = "mlflow.utils.requirements_utils._init_packages_to_modules_map"  # half a second
    monkeypatch.setattr(listing, lambda: listings.append(1))
    model_id = log_model(place, None, folder / "card.json", "card", folder / "mapping.yaml")
    assert not listings
    where = Path(mlflow.artifacts.download_artifacts(
        place.client.get_logged_model(model_id).artifact_location, tracking_uri=chosen_uri()))  # fmt: skip
    needed = (where / "requirements.txt").read_text().split()
    assert not [each for each in needed if each.startswith("leadml") or "==" not in each]
    code = (
        "import sys, json; sys.meta_path = [f for f in sys.meta_path if 'ditable' not in repr(f)]\n"
        f"sys.path = [p for p in sys.path if p != {str(Path(leadml.__file__).parents[1])!r}]\n"
        f"sys.path.insert(0, {str(where / 'code')!r}); import pickle\n"
        f"model = pickle.load(open({str(where / 'model.pkl')!r}, 'rb'))\n"
        "import leadml; print(json.dumps([leadml.__file__, model.score({'need': [4]})['points'].tolist()]))"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=where)
    file, points = json.loads(done.stdout)
    assert "leadml.zip" in file
    assert len(points) == 1


@pytest.mark.slow
def test_mlflow_evaluates_a_card_a_documented_card_and_a_classifier(folder: Path) -> None:
    import mlflow
    from sklearn.metrics import log_loss, roc_auc_score

    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd()}/mlflow.db")
    place = connect()
    levels = {name: [4, 0, 3, 1] for name in ("Budget", "Authority", "Need", "Timeline")}
    source = pd.Series(["web", "x", "web", "x"], dtype=object)  # MLflow's explainer knows no other text
    frame = pd.DataFrame({**levels, "Source": source}).set_axis([7, 3, 9, 1])
    truth = [1, 0, 1, 0]
    for path in ("card.json", "cards/bant-ibm.json", "models/context-logistic.joblib"):
        model_id = log_model(place, None, folder / path, "model", folder / "mapping.yaml")
        uri = f"models:/{model_id}"
        model = mlflow.pyfunc.load_model(uri)
        assert len(model.predict(model.input_example)) == 1
        chosen = model.predict(frame, params={"output": "class"})
        assert chosen.index.tolist() == model.predict(frame).index.tolist() == [7, 3, 9, 1]
        scores = model.predict(frame)
        ready = scores["decision"] == "ready" if path.endswith("json") else scores["probability"] >= 0.5
        assert chosen.tolist() == ready.astype(int).tolist()
        assert chosen.dtype == "int32"  # what spark_udf takes for int
        chance = model.predict(frame, params={"output": "probability"})
        assert chance.isna().all() == ("bant-ibm" in path)
        found = mlflow.models.evaluate(uri, frame.assign(won=truth), targets="won", model_type="classifier").metrics
        assert found["accuracy_score"] == found["score"] == pytest.approx(np.mean(chosen.to_numpy() == truth))
        if "bant-ibm" in path:
            assert "log_loss" not in found
        else:
            assert found["log_loss"] == pytest.approx(log_loss(truth, chance))
            assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, chance))
    with pytest.raises(InputError, match="1 of 4 rows cannot be used; leave them out"):
        mlflow.models.evaluate(
            uri, frame.assign(won=truth, Need=["x", 1, 2, 3]), targets="won", model_type="classifier"
        )


def test_each_criterion_is_read_from_its_column_or_its_level(saved: Path, tmp_path: Path) -> None:
    _gather(tmp_path / "files", saved / "card.json", saved / "mapping.yaml")
    served = load_model(tmp_path / "files" / "card.json")
    mixed = pd.DataFrame({"Need": [4, 0], "budget": [4, 0], "authority": [3, 1], "timeline": [2, 2]})
    levels = mixed.rename(columns={"Need": "need"})
    assert served.predict(mixed)["points"].tolist() == served.predict(levels)["points"].tolist()
    named = mixed.assign(**{"Deal ID": ["b", "a"]}).set_axis([5, 2])
    scores = served.predict(named)
    assert (scores["lead_id"].tolist(), scores.index.tolist()) == (["b", "a"], [5, 2])
    with pytest.raises(UsageError, match="got 'odds'; valid: frame, class, probability"):
        served.predict(mixed, params={"output": "odds"})


def test_a_row_that_cannot_be_used_says_why(saved: Path, tmp_path: Path) -> None:
    _gather(tmp_path / "files", saved / "card.json", saved / "mapping.yaml")
    served = load_model(tmp_path / "files" / "card.json")
    rows = pd.DataFrame({"Need": ["4", "x", "9"]}, index=[1, 2, 3])
    with pytest.warns(UserWarning, match="2 of 3 rows cannot be used") as told:
        scores = served.predict(rows)
    assert len(told) == 1
    assert scores["reasons"][2].startswith("Need 'x' is not a level")
    assert scores["reasons"][3].startswith("Need '9'")
    with pytest.warns(UserWarning, match="the first: Need"):
        assert served.predict(rows, params={"output": "class"}).isna().tolist() == [False, True, True]
