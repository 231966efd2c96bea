"""A calibration in MLflow: one parent, a nested run a contender, everything with its interval, no rows."""

import json
import math
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from leadml.exceptions import TrackingError, UsageError
from leadml.tracking import open_run, read_receipt, track_calibration
from leadml.tracking.payload import calibration_payload, contender_payload, dataset_fields, figure_metrics
from leadml.workflows.track import track_folder


def nested(client: MlflowClient, run) -> dict:
    found = client.search_runs([run.experiment_id], f"tags.`mlflow.parentRunId` = '{run.run_id}'")
    return {each.info.run_name: each for each in found}


def test_a_parent_and_a_nested_run_a_contender(calibration: Path, store_uri: str) -> None:
    tracked = track_calibration(calibration, tracking_uri=store_uri)
    client = MlflowClient(store_uri)
    result = json.loads((calibration / "result.json").read_text())
    everything = nested(client, tracked)
    runs = {name: run for name, run in everything.items() if run.data.tags["kind"] != "framework"}
    assert sorted(runs) == sorted(c["id"] for c in result["contenders"])
    assert sorted(set(everything) - set(runs)) == [f"framework {f['id']}" for f in result["frameworks"]]
    bant = everything["framework bant"].data
    assert bant.tags["verdict.bant-ibm"] == "change"
    # The framework's run shows the contender of it with the least log loss.
    losses = {c["id"]: c["log_loss"]["value"] for c in result["contenders"] if c["framework"] == "bant"}
    told = {name: loss for name, loss in losses.items() if loss is not None}
    assert bant.params["best_contender"] == min(told, key=told.get)
    assert tracked.n_contenders == len(runs) == 9
    assert {name: run.data.tags["kind"] for name, run in runs.items()} == {
        c["id"]: c["kind"] for c in result["contenders"]
    }
    assert all(
        run.data.tags["status"] == "complete" and run.info.status == "FINISHED" for run in runs.values()
    )
    parent = client.get_run(tracked.run_id)
    assert parent.data.tags["status"] == "complete"
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["data_digest"] == result["data"]["digest"]
    assert parent.data.tags["mapping_digest"] == result["data"]["mapping_digest"]
    assert parent.data.tags["seed"] == "0"
    assert parent.data.params["split.kind"] in ("auto", "out-of-time")
    # The parent shows the recommended contender's figures.
    assert parent.data.metrics["auc"] == 0.66


def test_figures_weights_and_cutoffs_carry_their_intervals(calibration: Path, store_uri: str) -> None:
    tracked = track_calibration(calibration, tracking_uri=store_uri)
    runs = nested(MlflowClient(store_uri), tracked)
    weights = runs["bant-weights"].data
    assert (weights.params["weight_documented.authority"], weights.params["weight_learned.authority"]) == (
        "1.0",
        "1.9",
    )
    assert weights.metrics["interval/auc_low"] < weights.metrics["auc"] < weights.metrics["interval/auc_high"]
    assert weights.metrics["weight/authority_low"] == pytest.approx(1.9 - 0.35)
    assert weights.metrics["gain/wins_captured_p"] == 0.01
    rule = runs["bant-ibm"].data
    assert (rule.params["documented_cutoff"], rule.params["learned_cutoff"]) == ("3", "2")
    assert rule.tags["verdict"] == "change"
    # A documented rule gives no probability, so it has no log loss.
    assert "log_loss" not in rule.metrics


def test_artifacts_and_tables_but_never_rows(
    calibration: Path, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)  # where MLflow's own tables are looked for
    tracked = track_calibration(calibration, tracking_uri=store_uri)
    client = MlflowClient(store_uri)
    names = {item.path for item in client.list_artifacts(tracked.run_id)}
    assert names == {"card.json", "cards", "comparison.json", "cutoffs.json", "report.html", "result.json"}
    table = client.load_table(tracked.experiment_id, "cutoffs.json", run_ids=[tracked.run_id])
    assert table[["documented_cutoff", "learned_cutoff"]].iloc[0].tolist() == [3, 2]
    assert len(client.load_table(tracked.experiment_id, "comparison.json", run_ids=[tracked.run_id])) == 9
    kept = [
        path for path in Path(store_uri.removeprefix("sqlite:///")).parent.glob("ml*/**/*") if path.is_file()
    ]
    assert kept
    assert not any(b"secret@customer" in path.read_bytes() for path in kept)


def test_datasets_are_digest_and_schema(calibration: Path, store_uri: str) -> None:
    tracked = track_calibration(calibration, tracking_uri=store_uri)
    inputs = MlflowClient(store_uri).get_run(tracked.run_id).inputs.dataset_inputs
    assert sorted(each.tags[0].value for each in inputs) == ["test", "training"]
    assert {each.dataset.digest for each in inputs} == {("a1" * 32)[:36]}
    columns = json.loads(inputs[0].dataset.schema)["mlflow_colspec"]
    assert [column["name"] for column in columns] == [
        "budget",
        "authority",
        "need",
        "timeline",
        "Product",
        "Region",
    ]


def test_a_run_can_be_started_before_anything_is_known(calibration: Path, store_uri: str) -> None:
    run = open_run("early", store_uri)
    client = MlflowClient(store_uri)
    assert client.get_run(run.run_id).data.tags["status"] == "started"
    tracked = track_calibration(calibration, run)
    assert tracked.run_id == run.run_id
    assert client.get_run(run.run_id).data.tags["status"] == "complete"
    assert run.run_id in tracked.look
    assert "mlflow ui --backend-store-uri sqlite:///" in tracked.look


def test_the_default_store_is_where_the_user_is(
    calibration: Path, store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracked = track_calibration(calibration)
    assert tracked.tracking_uri == store_uri
    assert "--backend-store-uri sqlite:///mlflow.db" in tracked.look
    assert (tmp_path / "mlartifacts").is_dir()
    assert not (tmp_path / "mlruns").exists()


def test_the_environment_names_the_store(
    calibration: Path,
    store_uri: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    assert track_calibration(calibration).tracking_uri == store_uri
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("uri", ["./mlruns", "file:///data/mlruns"])
def test_a_folder_is_refused_with_what_to_do(calibration: Path, uri: str) -> None:
    with pytest.raises(TrackingError, match=r"a folder.*sqlite:///PATH"):
        track_calibration(calibration, tracking_uri=uri)


def test_a_server_that_is_down_loses_nothing(calibration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = {path: path.read_bytes() for path in calibration.rglob("*") if path.is_file()}
    with pytest.raises(TrackingError, match=r"`leadml track .*` sends it later") as caught:
        track_calibration(calibration, tracking_uri="http://me:secret@127.0.0.1:9")
    assert "secret" not in str(caught.value)
    assert "--no-track" in str(caught.value)
    assert caught.value.__cause__ is None
    assert {path: path.read_bytes() for path in calibration.rglob("*") if path.is_file()} == before
    assert read_receipt(calibration) is None


def test_a_failure_halfway_never_quotes_what_was_sent(
    calibration: Path, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run("doomed", store_uri)

    def refuse(*args: object, **kwargs: object) -> None:
        raise ValueError("row 7: secret@customer.example")

    monkeypatch.setattr(MlflowClient, "log_artifacts", refuse)
    with pytest.raises(TrackingError, match=r"ValueError.*nothing is lost") as caught:
        track_calibration(calibration, run)
    assert "secret" not in str(caught.value)
    left = MlflowClient(store_uri).get_run(run.run_id)
    assert left.data.tags["status"] == "started"
    assert left.info.status == "FAILED"


def test_a_directory_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"result\.json cannot be read.*leadml calibrate"):
        track_calibration(tmp_path)


def test_what_is_not_known_is_no_metric() -> None:
    contender = {"auc": {"value": math.nan, "low": None, "high": math.inf}, "brier": None, "gain": None}
    assert figure_metrics(contender) == {}


def test_payloads_of_a_bare_result_hold() -> None:
    bare = {"data": {}, "contenders": [], "policies": [], "recommended": {}}
    assert calibration_payload(bare).metrics == {}
    assert contender_payload({"id": "prior", "kind": "prior"}, None).tags["kind"] == "prior"
    assert [fields["context"] for fields in dataset_fields(bare)] == ["training", "test"]


def test_what_was_sent_by_half_is_completed_in_its_own_run(
    calibration: Path, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run("early", store_uri)
    with pytest.raises(TrackingError, match="is too slow"):
        track_calibration(calibration, run, longest=-1.0)
    receipt = read_receipt(calibration)
    assert receipt is not None
    assert (receipt.run_id, receipt.status) == (run.run_id, "started")
    client = MlflowClient(store_uri)
    assert client.get_run(run.run_id).info.status == "FAILED"
    half = client.create_run(run.experiment_id, tags={"mlflow.parentRunId": run.run_id}, run_name="prior")
    sent = track_folder(calibration, tracking_uri=store_uri, store_root=calibration / "no_store")
    assert (sent.run_id, sent.sent) == (run.run_id, True)
    runs = nested(client, run)
    assert half.info.run_id not in {each.info.run_id for each in runs.values()}
    n_contenders = len(json.loads((calibration / "result.json").read_text())["contenders"])
    assert sum(each.data.tags["kind"] != "framework" for each in runs.values()) == n_contenders
    assert client.get_run(run.run_id).info.status == "FINISHED"
    # A second time there is nothing to do, and nothing is doubled.
    assert not track_folder(calibration, tracking_uri=store_uri).sent
    assert len(nested(client, run)) == len(runs)
    assert [each.version for each in client.search_model_versions("")] == [1]
    # A store that lost the run gets a new one.
    client.delete_run(run.run_id)
    again = track_folder(calibration, tracking_uri=store_uri, store_root=calibration / "no_store")
    assert again.sent
    assert again.run_id != run.run_id


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither result\.json nor monitor\.json"):
        track_folder(tmp_path)
