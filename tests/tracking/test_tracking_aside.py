"""MLflow in a process of its own: the same answers and errors, and nothing left behind however it ends."""

import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from leadml.exceptions import TrackingError
from leadml.tracking import open_run, track_calibration, track_contenders
from leadml.tracking.aside import Aside


@pytest.fixture
def aside(monkeypatch: pytest.MonkeyPatch) -> Aside:
    """One that does not know that this process has MLflow already."""
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "mlflow")
        return Aside()


@pytest.mark.slow
def test_another_process_tracks_as_this_one_does(aside: Aside, calibration: Path, store_uri: str) -> None:
    file = Path(store_uri.removeprefix("sqlite:///"))
    aside.get_ready(store_uri)
    run = aside.call(open_run, "calibrate ours", store_uri)
    tracked = aside.call(track_calibration, calibration, run)
    assert (tracked.run_id, tracked.n_contenders) == (run.run_id, 9)
    with pytest.raises(TrackingError, match=r"result\.json cannot be read.*Give that directory"):
        aside.call(track_calibration, calibration / "cards", run)
    with pytest.raises(RuntimeError, match="ValueError: invalid literal"):
        aside.call(int, "seven")
    aside.close()
    assert not file.with_name("mlflow.db-wal").exists()
    found = MlflowClient(store_uri).get_run(run.run_id)
    assert (found.data.tags["status"], found.info.status) == ("complete", "FINISHED")


@pytest.mark.slow
def test_contenders_are_sent_while_something_else_is_done(
    aside: Aside, calibration: Path, store_uri: str
) -> None:
    run = aside.call(open_run, "calibrate ours", store_uri)
    aside.begin(track_contenders, calibration, run)
    assert aside.wait() is None
    tracked = aside.call(track_calibration, calibration, run, with_contenders=False)
    client = MlflowClient(store_uri)
    nested = client.search_runs([run.experiment_id], f"tags.`mlflow.parentRunId` = '{run.run_id}'")
    frameworks = [each for each in nested if each.data.tags["kind"] == "framework"]
    assert len(nested) - len(frameworks) == tracked.n_contenders
    assert {each.data.tags["status"] for each in nested} == {"complete"}
    # What fails meanwhile is told by `wait`, and the run says so too.
    aside.begin(track_contenders, calibration, run, longest=-1.0)
    with pytest.raises(TrackingError, match="is too slow"):
        aside.wait()
    aside.close()
    assert client.get_run(run.run_id).info.status == "FAILED"


def test_a_process_that_dies_is_a_failure_of_tracking(aside: Aside) -> None:
    assert aside._process is not None
    aside._process.kill()
    aside.get_ready("sqlite:///nowhere.db")
    with pytest.raises(TrackingError, match=r"ended with -9 .*`leadml track DIR` sends it later"):
        aside.call(open_run, "calibrate ours")
    aside.close()


def test_where_mlflow_is_imported_no_process_is_started() -> None:
    aside = Aside()
    assert aside._process is None
    assert aside.call(int, "7") == 7
    aside.begin(int, "seven")
    with pytest.raises(RuntimeError, match="ValueError: invalid literal"):
        aside.wait()
    aside.close()
