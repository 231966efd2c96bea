"""Stores: folders are refused with a hint, a server that is down costs one message, many processes make one."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from leadml.exceptions import TrackingError
from leadml.tracking import (
    chosen_uri,
    connect,
    drop_champion,
    has_store,
    look_command,
    track_folder,
    without_autologging,
    without_password,
)


def test_where_runs_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    here = f"sqlite:///{Path.cwd()}/mlflow.db"
    assert chosen_uri() == here
    assert has_store()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@tracking.example")
    assert chosen_uri() == "http://me:secret@tracking.example"
    assert chosen_uri("sqlite:///mlflow.db") == here
    mlflow.set_tracking_uri("sqlite:///other.db")
    assert chosen_uri().endswith("/other.db")
    assert not has_store()
    for place in ("mlruns", "file:///tmp/mlruns"):
        with pytest.raises(TrackingError, match=r"a folder; .* Give sqlite:///PATH/mlflow\.db"):
            chosen_uri(place)
        mlflow.set_tracking_uri(None)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", place)
        assert not has_store()
    assert without_password("http://me:secret@tracking.example") == "http://tracking.example"
    page = "#/experiments/1/runs/2"
    assert look_command("http://me:secret@tracking.example/", "1", "2") == f"http://tracking.example/{page}"


def test_a_server_that_is_down_costs_one_message(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"in http://127\.0\.0\.1:9 failed") as caught:
        track_folder(folder, tracking_uri="http://me:secret@127.0.0.1:9")
    assert "secret" not in str(caught.value)
    assert (folder / "result.json").is_file()
    drop_champion("nobody")


def test_a_deleted_experiment_comes_back_and_the_environment_names_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    first = connect()
    assert first.client.get_experiment(first.experiment_id).name == "theirs"
    first.client.delete_experiment(first.experiment_id)
    assert connect().experiment_id == first.experiment_id
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    assert connect().experiment_id == "0"


def test_autologging_is_off_inside_and_as_it_was_afterwards() -> None:
    import mlflow  # noqa: F401
    from mlflow.utils import autologging_utils

    with without_autologging():
        assert autologging_utils._AUTOLOGGING_GLOBALLY_DISABLED
    assert not autologging_utils._AUTOLOGGING_GLOBALLY_DISABLED
    code = "import sys, leadml.tracking as t\nwith t.without_autologging(): print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.slow
def test_several_processes_make_one_store(tmp_path: Path) -> None:
    code = f"from leadml.tracking import connect; connect('sqlite:///{tmp_path}/mlflow.db')"
    with ThreadPoolExecutor(3) as pool:
        run = [sys.executable, "-W", "ignore", "-c", code]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = list(pool.map(lambda _: subprocess.run(run, capture_output=True, text=True, env=environment), range(3)))
    assert [each.returncode for each in done] == [0] * 3, done[0].stderr


def test_a_calibration_logs_no_fit_of_its_own_by_autologging(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.utils import autologging_utils

    import leadml
    from leadml.calibration import run

    seen = []

    def look(*_: Any) -> None:
        seen.append(autologging_utils._AUTOLOGGING_GLOBALLY_DISABLED)
        raise leadml.TooFewDealsError("enough seen")

    monkeypatch.setattr(run, "check_enough", look)
    with pytest.raises(leadml.TooFewDealsError):
        leadml.calibrate(leadml.make_leads(60))
    assert (seen, autologging_utils._AUTOLOGGING_GLOBALLY_DISABLED) == ([True], False)
