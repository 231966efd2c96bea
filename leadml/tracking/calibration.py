"""A whole calibration in MLflow: a parent run, a nested run a contender, in few batches."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml.exceptions import TrackingError
from leadml.tracking.connection import OpenRun, chosen_uri, explained, make_client, open_run, sqlite_file
from leadml.tracking.models import log_card
from leadml.tracking.payload import (
    Payload,
    calibration_payload,
    comparison_table,
    contender_payload,
    cutoff_table,
    dataset_fields,
)
from leadml.tracking.sending import send_payload

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_ARTIFACTS: Final = ("report.html", "result.json", "card.json", "cards")
_PORT: Final = 5000


@dataclass(frozen=True)
class TrackedRun:
    """A calibration that is complete in MLflow.

    Attributes
    ----------
    run_id : str
        The parent run.
    tracking_uri : str
        Where it is kept.
    experiment_id : str
        The experiment it belongs to.
    n_contenders : int
        How many nested runs it has.
    look : str
        How to look at it.
    model_id : str or None
        The logged card; None when no card was recommended.
    """

    run_id: str
    tracking_uri: str
    experiment_id: str
    n_contenders: int
    look: str
    model_id: str | None = None


def track_calibration(
    directory: str | Path, run: OpenRun | None = None, tracking_uri: str | None = None
) -> TrackedRun:
    """Send what a calibration wrote to MLflow.

    Parameters
    ----------
    directory : str or pathlib.Path
        Holds ``result.json`` and what else was written: the report, the cards.
    run : OpenRun or None
        The run that `open_run` started; default: a new one.
    tracking_uri : str or None
        Where runs are kept, when there is no `run`.

    Returns
    -------
    TrackedRun
        Tagged ``status=complete``.

    Raises
    ------
    TrackingError
        There is no result to send, or MLflow could not be reached or refused. What is on disk is not touched.
    """
    folder = Path(directory)
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrackingError(
            f"tracking: {folder / 'result.json'} cannot be read ({type(error).__name__}); "
            "valid is a directory that `leadml calibrate -o DIR` wrote. Give that directory."
        ) from None
    uri = run.tracking_uri if run else chosen_uri(tracking_uri)
    kept = f"The result is complete in {folder}; nothing is lost. Check the store, or use --no-track."
    if run is None:
        run = open_run(str(result["data"].get("name") or folder.name), uri)
    with explained("tracking a calibration", uri, kept):
        client = make_client(uri)
        try:
            model_id = _send(client, folder, result, run)
        except BaseException:
            with contextlib.suppress(Exception):
                client.set_terminated(run.run_id, "FAILED")
            raise
    n_contenders = len(result["contenders"])
    return TrackedRun(run.run_id, uri, run.experiment_id, n_contenders, look_command(run), model_id)


def look_command(run: OpenRun) -> str:
    """Say how to look at a run.

    Parameters
    ----------
    run : OpenRun
        The run.

    Returns
    -------
    str
        A command and the page to open; for a server, the page alone.
    """
    page = f"#/experiments/{run.experiment_id}/runs/{run.run_id}"
    file = sqlite_file(run.tracking_uri)
    if run.tracking_uri.startswith("http"):
        return f"{run.tracking_uri.rstrip('/')}/{page}"
    uri = run.tracking_uri
    if file is not None:
        here = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
        uri = f"sqlite:///{here.as_posix()}"
    return f"mlflow ui --backend-store-uri {uri} --port {_PORT}   # then open http://127.0.0.1:{_PORT}/{page}"


def _send(client: MlflowClient, folder: Path, result: Mapping[str, Any], run: OpenRun) -> str | None:
    """Write parent, nested runs, artifacts, datasets and the card; complete only at the very end."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    payload = calibration_payload(result, _git_commit())
    tables = {"comparison.json": comparison_table(result), "cutoffs.json": cutoff_table(result)}
    # The tag by which MLflow's pages know a table among the artifacts.
    payload.tags["mlflow.loggedArtifacts"] = json.dumps([{"path": name, "type": "table"} for name in tables])
    send_payload(client, run.run_id, payload)
    inputs = []
    for fields in dataset_fields(result):
        context = InputTag("mlflow.data.context", fields.pop("context"))
        inputs.append(DatasetInput(Dataset(source_type="local", **fields), [context]))
    client.log_inputs(run.run_id, inputs)
    with tempfile.TemporaryDirectory(prefix="leadml-") as temporary:
        staged = Path(temporary)
        for name in _ARTIFACTS:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, staged / name)
            elif (folder / name).is_file():
                shutil.copyfile(folder / name, staged / name)
        for name, table in tables.items():
            (staged / name).write_text(json.dumps(table), encoding="utf-8")
        client.log_artifacts(run.run_id, str(staged))
    policies = {policy["id"]: policy for policy in result["policies"]}
    for contender in result["contenders"]:
        _log_contender(client, run, contender, policies.get(contender["id"]))
    card = folder / str(result["recommended"].get("card") or "card.json")
    model_id = log_card(client, run, card) if card.is_file() else None
    send_payload(client, run.run_id, Payload({}, {}, {"status": "complete"}))
    client.set_terminated(run.run_id)
    return model_id


def _log_contender(
    client: MlflowClient, run: OpenRun, contender: Mapping[str, Any], policy: Mapping[str, Any] | None
) -> None:
    """Write the nested run of one contender."""
    payload = contender_payload(contender, policy)
    tags = {**payload.tags, "mlflow.parentRunId": run.run_id, "mlflow.source.name": "leadml calibrate"}
    nested = client.create_run(
        run.experiment_id, run_name=str(contender["id"]), tags={**tags, "status": "started"}
    )
    send_payload(client, nested.info.run_id, payload._replace(tags={"status": "complete"}))
    client.set_terminated(nested.info.run_id)


def _git_commit() -> str | None:
    """Give the commit of the working directory, when it is under version control."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
