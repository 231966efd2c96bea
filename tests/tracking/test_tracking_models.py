"""Cards in MLflow: logged without pickle, registered, found again, scoring alike wherever they run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import mlflow
import pandas as pd
import pytest

from leadml import ScorecardClassifier
from leadml.card import load_card
from leadml.estimators.fitted import FittedContender
from leadml.exceptions import ModelRefError, TrackingError
from leadml.tracking import (
    TrackedRun,
    list_registered,
    point_champion,
    register,
    resolve_model_uri,
    track_calibration,
    unset_champion,
)
from leadml.workflows.deposit import save_fitted


class _Narrow:
    """A classifier that reads the criteria alone."""

    def __init__(self, model: ScorecardClassifier) -> None:
        self.model = model

    def predict_proba(self, frame: pd.DataFrame):
        return self.model.predict_proba(frame[self.model.feature_names_in_])


@pytest.fixture
def tracked(calibration: Path, store_uri: str) -> TrackedRun:
    return track_calibration(calibration, tracking_uri=store_uri)


def model_folder(tracked: TrackedRun) -> Path:
    """Where the files of the logged model are."""
    logged = mlflow.MlflowClient(tracked.tracking_uri).get_logged_model(tracked.model_id)
    return Path(url2pathname(urlsplit(logged.artifact_location).path))


def test_a_logged_card_scores_as_the_card_does(tracked: TrackedRun, calibration: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracked.tracking_uri)
    frame = pd.DataFrame({"budget": [4.0, None, 0.0], "authority": [4.0, 2.0, 0.0], "need": [3.0, None, 1.0]})
    model = mlflow.pyfunc.load_model(f"models:/{tracked.model_id}")
    pd.testing.assert_frame_equal(
        model.predict(frame), load_card(calibration / "card.json").score(frame).to_pandas()
    )


def test_a_logged_card_is_code_and_json_with_a_signature(tracked: TrackedRun, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracked.tracking_uri)
    root = model_folder(tracked)
    assert not [path for path in root.rglob("*") if path.suffix in (".pkl", ".joblib", ".pyc")]
    info = mlflow.models.get_model_info(str(root))
    assert {
        column.name: (str(column.type), column.required) for column in info.signature.inputs
    } == dict.fromkeys(("budget", "authority", "need", "timeline"), ("DataType.double", False))
    pins = (root / "requirements.txt").read_text().split()
    assert all("==" in pin for pin in pins)
    assert "leadml" not in " ".join(pins)
    assert json.loads((root / "input_example.json").read_text())["columns"] == [
        "budget",
        "authority",
        "need",
        "timeline",
    ]


def test_every_contender_is_logged_with_what_judges_as_it_does(
    calibration: Path, store_uri: str, monkeypatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    names = ("budget", "authority", "need", "timeline")
    levels = pd.DataFrame([[4.0] * 4, [0.0] * 4, [2.0, 3.0, 1.0, 0.0]], columns=list(names))
    twin = ScorecardClassifier(shrink=1.0, smooth=1.0).fit(levels, [1, 0, 1])
    columns = dict.fromkeys(names, "double") | {"city": "string"}
    fitted = FittedContender("bant-weights", "learned weights", columns, 0.5, {}, _Narrow(twin))
    save_fitted([fitted], calibration / "models")
    tracked = track_calibration(calibration, tracking_uri=store_uri)
    client = mlflow.MlflowClient(store_uri)
    logged = {model.name: model for model in client.search_logged_models([tracked.experiment_id])}
    contenders = {
        each["id"]: each for each in json.loads((calibration / "result.json").read_text())["contenders"]
    }
    documented = {name for name, each in contenders.items() if each["kind"] == "documented"}
    assert {*logged} == {"card", "bant-integer", "bant-weights"} | documented
    assert "bant-ibm" in documented

    rule = mlflow.pyfunc.load_model(f"models:/{logged['bant-ibm'].model_id}").predict(levels)
    assert rule[["points", "decision"]].to_numpy().tolist() == [
        [4, "ready"],
        [0, "no-match"],
        [2, "no-match"],
    ]
    assert rule["probability"].isna().all()

    model = mlflow.pyfunc.load_model(f"models:/{logged['bant-weights'].model_id}")
    frame = levels.assign(city=["Oslo", None, "Rome"])
    pd.testing.assert_frame_equal(model.predict(frame), fitted.predict(frame))
    kinds = {each.name: (str(each.type), each.required) for each in model.metadata.signature.inputs}
    assert kinds == {name: (f"DataType.{kind}", False) for name, kind in columns.items()}
    assert client.get_logged_model(model.metadata.model_id).source_run_id == next(
        run.info.run_id
        for run in client.search_runs([tracked.experiment_id])
        if run.info.run_name == "bant-weights"
    )


@pytest.mark.slow
def test_logged_models_need_nothing_of_leadml_installed(
    calibration: Path, store_uri: str, tmp_path: Path
) -> None:
    levels = pd.DataFrame({"authority": [4.0, 0.0, 3.0], "need": [4.0, 1.0, 0.0]})
    fitted = FittedContender(
        "bant-weights",
        "learned weights",
        dict.fromkeys(levels, "double"),
        0.5,
        {},
        ScorecardClassifier(shrink=1.0, smooth=1.0).fit(levels, [1, 0, 1]),
    )
    save_fitted([fitted], calibration / "models")
    tracked = track_calibration(calibration, tracking_uri=store_uri)
    logged = mlflow.MlflowClient(store_uri).search_logged_models([tracked.experiment_id])
    roots = {model.name: url2pathname(urlsplit(model.artifact_location).path) for model in logged}
    code = (
        "import sys, mlflow.pyfunc, pandas as pd\n"
        f"sys.path[:] = [entry for entry in sys.path if entry != {str(Path(__file__).parents[2])!r}]\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "print(*model.predict(pd.DataFrame({'authority': [4.0]})).iloc[0, :2])\n"
        "import leadml; print(leadml.__file__)\n"
    )
    told = {}
    for name in ("card", "bant-weights"):
        words = [sys.executable, "-I", "-c", code, roots[name]]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
        told[name], home = done.stdout.split("\n")[:2]
        assert home.startswith(roots[name])
    assert told["card"].endswith(" 7.0")
    expected = fitted.predict(pd.DataFrame({"authority": [4.0]})).iloc[0]
    assert told["bant-weights"] == f"{expected['probability']} {expected['decision']}"


@pytest.mark.slow
def test_a_logged_card_scores_in_an_environment_of_its_own(
    tracked: TrackedRun, calibration: Path, tmp_path: Path
) -> None:
    """What its requirements name is installed, and leadml is not among it."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        pytest.skip("needs uv (leadml[check])")
    pins = model_folder(tracked) / "requirements.txt"
    words = [uv, "pip", "install", "--quiet", "--dry-run", "--target", str(tmp_path / "t"), "-r", str(pins)]
    words += ["--python", sys.executable]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs a package index, or what it gave before")
    frame = pd.DataFrame({"budget": [4.0, None], "authority": [4.0, 1.0], "need": [3.0, None]})
    code = (
        "import sys, mlflow, pandas as pd\n"
        "frame = pd.read_json(sys.argv[2], orient='split', dtype='float')\n"
        "mlflow.models.predict(sys.argv[1], frame, env_manager='uv', output_path=sys.argv[3])\n"
    )
    frame.to_json(tmp_path / "in.json", orient="split")
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MLFLOW_RUN_ID")}
    env |= {"PATH": f"{Path(uv).parent}{os.pathsep}{env.get('PATH', '')}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(model_folder(tracked)), "in.json", "out.json"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((tmp_path / "out.json").read_text())["predictions"]
    expected = load_card(calibration / "card.json").score(frame).rows()
    assert [{**row, "probability": pytest.approx(row["probability"])} for row in expected] == rows


def test_the_first_version_becomes_the_champion(tracked: TrackedRun, calibration: Path) -> None:
    assert register(tracked, "lead_card").champion
    # The same run again is the same version.
    assert register(tracked, "lead_card").version == 1
    another = track_calibration(calibration, tracking_uri=tracked.tracking_uri)
    second = register(another, "lead_card", stored_as="lead_card@2")
    assert (second.version, second.champion) == (2, False)
    aliases = mlflow.MlflowClient(tracked.tracking_uri).get_registered_model("lead_card").aliases
    assert {name: int(version) for name, version in aliases.items()} == {"champion": 1, "challenger": 2}


def test_the_registry_follows_the_store(tracked: TrackedRun, calibration: Path) -> None:
    uri = tracked.tracking_uri
    register(tracked, "lead_card", stored_as="lead_card@1")
    another = track_calibration(calibration, tracking_uri=uri)
    register(another, "lead_card", stored_as="lead_card@2", champion=False)
    found = point_champion("lead_card", "lead_card@2", "wins more", uri)
    assert found is not None
    assert (found.version, found.champion) == (2, True)
    listed = list_registered("lead_card", uri)
    assert [(each.stored_as, each.champion) for each in listed] == [
        ("lead_card@1", False),
        ("lead_card@2", True),
    ]
    client = mlflow.MlflowClient(uri)
    assert set(client.get_registered_model("lead_card").aliases) == {"champion"}
    assert client.get_model_version("lead_card", "2").tags["leadml.because"] == "wins more"
    assert point_champion("lead_card", "lead_card@7", None, uri) is None
    unset_champion("lead_card", uri)
    assert not any(each.champion for each in list_registered("lead_card", uri))
    assert list_registered("nobody", uri) == []


def test_every_card_is_a_model_of_its_contender(tracked: TrackedRun, calibration: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracked.tracking_uri)
    client = mlflow.MlflowClient(tracked.tracking_uri)
    runs = client.search_runs([tracked.experiment_id], "attributes.run_name = 'bant-integer'")
    outputs = runs[0].outputs.model_outputs
    assert len(outputs) == 1
    logged = client.get_logged_model(outputs[0].model_id)
    assert (logged.name, logged.tags["framework"], str(logged.status)) == ("bant-integer", "bant", "READY")
    # The figures of the contender are the model's as well, so that models can be compared in MLflow's pages.
    assert {each.key: each.value for each in logged.metrics}["auc"] == runs[0].data.metrics["auc"]
    model = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")
    frame = pd.DataFrame({"need": [4.0, 0.0]})
    expected = load_card(calibration / "cards" / "bant-integer.json").score(frame).to_pandas()
    pd.testing.assert_frame_equal(model.predict(frame), expected)


@pytest.mark.parametrize(
    "ref",
    [
        "models:/lead_card@champion",
        "models:/lead_card/1",
        "models:/{model_id}",
        "runs:/{run_id}",
        "runs:/{run_id}/card",
        "runs:/{run_id}/cards/bant-integer.json",
    ],
)
def test_every_reference_finds_the_card(tracked: TrackedRun, calibration: Path, ref: str) -> None:
    if "lead_card" in ref:
        register(tracked, "lead_card")
    ref = ref.format(model_id=tracked.model_id, run_id=tracked.run_id)
    found = resolve_model_uri(ref, tracked.tracking_uri)
    assert found.read_bytes() == (calibration / "card.json").read_bytes()


@pytest.mark.parametrize("ref", ["models:/nobody@champion", "models:/lead_card/9", "runs:/" + "0" * 32])
def test_a_reference_to_nothing_says_what_to_check(tracked: TrackedRun, ref: str) -> None:
    with pytest.raises(TrackingError, match="Check the name"):
        resolve_model_uri(ref, tracked.tracking_uri)


@pytest.mark.parametrize("ref", ["s3://bucket/card", "models:/", "runs:"])
def test_another_form_of_reference_is_refused(ref: str) -> None:
    with pytest.raises(ModelRefError, match="valid is models:/NAME@ALIAS"):
        resolve_model_uri(ref)


def test_looking_for_a_model_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelRefError, match="there is no store"):
        resolve_model_uri("models:/lead_card@champion")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_card_is_refused(tracked: TrackedRun) -> None:
    with pytest.raises(TrackingError, match="that it holds a card"):
        resolve_model_uri(f"runs:/{tracked.run_id}/cards", tracked.tracking_uri)


def test_a_calibration_without_a_card_registers_nothing(calibration: Path, store_uri: str) -> None:
    (calibration / "card.json").unlink()
    tracked = track_calibration(calibration, tracking_uri=store_uri)
    assert tracked.model_id is None
    with pytest.raises(TrackingError, match="no card to register"):
        register(tracked, "lead_card")
