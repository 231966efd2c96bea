"""Runs that carry the answer: names, 40 columns at most, nested runs, the user's experiment and run, receipts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from leadml.card.record import load_card
from leadml.exceptions import TrackingError
from leadml.registry.resolve import resolve
from leadml.report.charts import all_charts
from leadml.report.html import read_folder
from leadml.result import Result
from leadml.tracking import connect, figures_of, make_client, run_name, track_calibration, track_folder


def client() -> Any:
    return make_client(f"sqlite:///{Path.cwd()}/mlflow.db")


@pytest.mark.slow
def test_the_parent_carries_the_answer_and_each_nested_run_its_own(folder: Path) -> None:
    done = track_folder(folder, stored_as="b2b@1", champion=True)
    result = Result.model_validate_json((folder / "result.json").read_text())
    rule = result.policies[0]
    run = client().get_run(done.run_id)
    assert run.info.run_name == run_name(result)
    assert run.info.run_name.startswith(f"b2b: BANT 3 of 4 {rule.verdict}, ")
    columns = run.data.metrics | run.data.params | {k: v for k, v in run.data.tags.items() if "mlflow." not in k}
    assert len(columns) <= 40
    assert "won_50_" not in columns
    wanted = {"verdict", "baseline", "documented_cutoff", "gain", "gain_low", "gain_high"}
    assert {*wanted, "wins_per_100_documented", "wins_per_100_learned"} <= columns.keys()
    assert run.data.metrics["gain"] == pytest.approx(rule.gain_weights and rule.gain_weights.value)
    assert (run.info.status, run.data.params["verdict"]) == ("FINISHED", rule.verdict)
    nested = client().search_runs([done.experiment_id], f"tags.`mlflow.parentRunId` = '{done.run_id}'")
    assert {each.info.run_name for each in nested} == {each.id for each in result.contenders}
    for each in nested:
        contender = next(c for c in result.contenders if c.id == each.info.run_name)
        own = next((p for p in result.policies if p.id == contender.id), None)
        theirs = contender.metrics["won@50%"]
        assert each.data.metrics == pytest.approx(figures_of(contender, own) | {"won_50_": theirs.value})
        for name in ("wins_per_100_documented", "wins_per_100_learned"):  # one name, one number
            if contender.id in (rule.id, result.recommended.contender) and name in each.data.metrics:
                assert each.data.metrics[name] == run.data.metrics[name]
    assert {"expected_wins_per_100_keep", "expected_wins_per_100_change"} <= run.data.metrics.keys()
    files = {each.path for each in client().list_artifacts(done.run_id)}
    assert {"report.html", "result.json", "card.json"} <= files
    assert {each for each in files if ".png" in each} == {f"{name}.png" for name in all_charts(*read_folder(folder))}
    assert not files & {"log.parquet", "rejected.csv"}  # no rows
    assert done.registered == "b2b@1 as models:/b2b/1 (champion)"
    for card in (load_card(folder), resolve("models:/b2b@champion").model):
        assert card.provenance["mlflow_run_id"] == done.run_id
    again = track_folder(folder)
    assert (again.run_id, again.look) == (done.run_id, "")


@pytest.mark.slow
def test_the_users_run_and_experiment_are_honoured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    (folder / "cards").rename(folder / "no-cards")
    (folder / "models").rename(folder / "no-models")
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd()}/mlflow.db")
    mine = mlflow.set_experiment("mine")
    with mlflow.start_run() as parent:
        done = track_folder(folder)
    run = client().get_run(done.run_id)
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert done.experiment_id == mine.experiment_id
    (folder / "tracking.json").unlink()
    own = client().create_run(mine.experiment_id)
    assert track_folder(folder, run=own).run_id == own.info.run_id
    assert client().get_run(own.info.run_id).info.status == "RUNNING"  # a run of the user's own goes on
    (folder / "tracking.json").unlink()
    named = track_folder(folder, experiment_name="named")
    assert client().get_experiment(named.experiment_id).name == "named"


def test_what_was_sent_by_half_is_sent_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from leadml import tracking

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left", "secret row 1;2;3")

    with monkeypatch.context() as patched:
        patched.setattr(tracking, "_send_files", fail)
        with pytest.raises(TrackingError, match=r"OSError, No space left.*`leadml track .*out` sends it") as caught:
            track_folder(folder)
    assert "secret" not in str(caught.value)
    half = client().search_runs([connect().experiment_id])[0].info
    assert half.status == "FAILED"
    shutil.rmtree(folder / "models")
    shutil.rmtree(folder / "cards")
    done = track_folder(folder)
    assert done.run_id != half.run_id
    assert track_folder(folder).run_id == done.run_id
    client().delete_run(done.run_id)
    assert track_folder(folder).run_id != done.run_id


def test_a_monitoring_is_a_run_too(folder: Path, tmp_path: Path) -> None:
    watched = tmp_path / "watch"
    watched.mkdir()
    with pytest.raises(TrackingError, match=r"holds neither result\.json nor monitor\.json"):
        track_folder(watched)
    found = {"model": "b2b@1", "state": "watch", "e": 12.0, "data": {"n_closed": 40}, "predicted": None}
    (watched / "monitor.json").write_text(json.dumps({**found, "base_rate": {"value": 0.3}}))
    run = client().get_run(track_folder(watched).run_id)
    assert run.info.run_name == "b2b@1: watch"
    assert run.data.metrics == {"e": 12.0, "n_closed": 40.0, "base_rate": 0.3}
    assert track_folder(watched).run_id == run.info.run_id
    (watched / "monitor.json").write_text(json.dumps({**found, "state": "healthy"}))
    assert track_folder(watched).run_id != run.info.run_id  # another look is another run


def test_names_of_runs_say_what_is_known(saved: Path) -> None:
    result = Result.model_validate_json((saved / "result.json").read_text())
    rule = result.policies[0]
    phone = rule.model_copy(update={"framework": None, "title": "A phone number is known"})
    for rules, name in (
        ((), "b2b: "),
        ((rule.model_copy(update={"gain_weights": None}),), f"b2b: BANT 3 of 4 {rule.verdict}"),
        ((result.policies[1],), "b2b: BANT 9 of 16 points "),
        ((phone,), f"b2b: A phone number is known {rule.verdict}"),
    ):
        assert run_name(result.model_copy(update={"policies": rules})).startswith(name)


def test_a_calibration_is_saved_for_the_time_of_sending(folder: Path) -> None:
    class Found:
        def save(self, where: str) -> None:
            shutil.copyfile(folder / "result.json", Path(where) / "result.json")

    with pytest.raises(TrackingError, match=r"found\.save\(DIR\), then `leadml track DIR` sends it"):
        track_calibration(Found(), tracking_uri="http://127.0.0.1:9")
    done = track_calibration(Found())
    assert client().get_run(done.run_id).info.status == "FINISHED"
