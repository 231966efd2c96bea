"""A whole calibration in MLflow: a parent run, a nested run a framework and a contender, in few requests."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml.exceptions import TrackingError
from leadml.frameworks.model import MET_LEVEL
from leadml.tracking.connection import OpenRun, chosen_uri, explained, make_client, open_run, sqlite_file
from leadml.tracking.model_files import Model, card_model, fitted_model, policy_model
from leadml.tracking.models import log_model
from leadml.tracking.payload import (
    Payload,
    calibration_payload,
    comparison_table,
    contender_payload,
    cutoff_table,
    dataset_fields,
    framework_payload,
)
from leadml.tracking.receipt import Receipt, without_password, write_receipt
from leadml.tracking.sending import send_payload

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_ARTIFACTS: Final = (
    "report.html",
    "result.json",
    "card.json",
    "cards",
    "reference.json",
    "mapping.yaml",
    "experiment.yaml",
)
_PORT: Final = 5000

LONGEST: Final = 600.0
"""Seconds after which sending is given up: what is slow is sent later by `leadml track`. A server that checks
a password with every request takes minutes for the models of all contenders."""


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
        How many contenders have a nested run.
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
    directory: str | Path,
    run: OpenRun | None = None,
    tracking_uri: str | None = None,
    *,
    longest: float = LONGEST,
    with_contenders: bool = True,
) -> TrackedRun:
    """Send what a calibration wrote to MLflow.

    Parameters
    ----------
    directory : str or pathlib.Path
        Holds ``result.json`` and what else was written: the report, cards and models. A receipt is written
        beside.
    run : OpenRun or None
        The run that `open_run` started, also one that got only a part; default: a new one.
    tracking_uri : str or None
        Where runs are kept, when there is no `run`.
    longest : float
        Seconds after which it is given up.
    with_contenders : bool
        Whether to send the nested runs as well; False where `track_contenders` did.

    Returns
    -------
    TrackedRun
        Tagged ``status=complete``.

    Raises
    ------
    TrackingError
        There is no result to send, or MLflow could not be reached, refused or was too slow. What is on disk
        is not touched.
    """
    folder = Path(directory)
    result = _read_result(folder)
    if run is None:
        uri, name = chosen_uri(tracking_uri), result["data"].get("name") or folder.name
        run = open_run(f"calibrate {name}", uri, then=_kept(folder))
    if with_contenders:
        track_contenders(folder, run, longest=longest)
    with _sending(folder, run) as client:
        model_id = _send(client, folder, result, run)
    write_receipt(
        folder, Receipt(run.run_id, run.experiment_id, without_password(run.tracking_uri), "complete")
    )
    n_contenders = len(result["contenders"])
    return TrackedRun(
        run.run_id, run.tracking_uri, run.experiment_id, n_contenders, look_command(run), model_id
    )


def track_contenders(directory: str | Path, run: OpenRun, *, longest: float = LONGEST) -> None:
    """Send the frameworks and contenders of a calibration to MLflow: a nested run each.

    Parameters
    ----------
    directory : str or pathlib.Path
        Holds ``result.json``, ``cards`` and ``models``.
    run : OpenRun
        The run that `open_run` started. What it got before by half is sent anew.
    longest : float
        Seconds after which it is given up.

    Raises
    ------
    TrackingError
        There is no result to send, or MLflow could not be reached, refused or was too slow. What is on disk
        is not touched.
    """
    folder = Path(directory)
    result = _read_result(folder)
    with _sending(folder, run) as client:
        _send_nested(client, folder, result, run, time.monotonic() + longest)


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
        return f"{without_password(run.tracking_uri).rstrip('/')}/{page}"
    uri = run.tracking_uri
    if file is not None:
        here = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
        uri = f"sqlite:///{here.as_posix()}"
    return f"mlflow ui --backend-store-uri {uri} --port {_PORT}   # then open http://127.0.0.1:{_PORT}/{page}"


def _read_result(folder: Path) -> dict[str, Any]:
    """Read what a calibration found."""
    try:
        found: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrackingError(
            f"tracking: {folder / 'result.json'} cannot be read ({type(error).__name__}); "
            "valid is a directory that `leadml calibrate -o DIR` wrote. Give that directory."
        ) from None
    return found


def _kept(folder: Path) -> str:
    return (
        f"The result is complete in {folder}; nothing is lost. `leadml track {folder}` sends it later, "
        "--no-track leaves it out."
    )


@contextlib.contextmanager
def _sending(folder: Path, run: OpenRun) -> Iterator[MlflowClient]:
    """Speak to the run's store; what goes wrong is explained, and noted on the run."""
    address = without_password(run.tracking_uri)
    write_receipt(folder, Receipt(run.run_id, run.experiment_id, address, "started"))
    with explained("tracking a calibration", run.tracking_uri, _kept(folder)):
        client = make_client(run.tracking_uri)
        try:
            yield client
        except BaseException:
            with contextlib.suppress(Exception):
                client.set_terminated(run.run_id, "FAILED")
            raise


def _send(client: MlflowClient, folder: Path, result: Mapping[str, Any], run: OpenRun) -> str | None:
    """Write parent, artifacts, datasets and the card; complete only at the very end."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    payload = calibration_payload(result, _git_commit())
    tables = {"comparison.json": comparison_table(result), "cutoffs.json": cutoff_table(result)}
    # The tag by which MLflow's pages know a table among the artifacts.
    payload.tags["mlflow.loggedArtifacts"] = json.dumps([{"path": name, "type": "table"} for name in tables])
    card = folder / str(result["recommended"].get("card") or "card.json")
    model_id = log_model(client, run, card_model(card)) if card.is_file() else None
    send_payload(client, run.run_id, payload, model_id)
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
    send_payload(client, run.run_id, Payload({}, {}, {"status": "complete"}))
    client.set_terminated(run.run_id)
    return model_id


def _send_nested(
    client: MlflowClient, folder: Path, result: Mapping[str, Any], run: OpenRun, until: float
) -> None:
    """Write the nested runs of frameworks and contenders; those sent before by half are sent anew."""
    for half in client.search_runs([run.experiment_id], f"tags.`mlflow.parentRunId` = '{run.run_id}'"):
        client.delete_run(half.info.run_id)
    policies = {policy["id"]: policy for policy in result["policies"]}
    met_level = (result.get("settings") or {}).get("met_level", MET_LEVEL)
    nested: list[tuple[str, Payload, Model | None]] = [
        (f"framework {each['id']}", framework_payload(each, result), None)
        for each in result.get("frameworks") or []
    ]
    # MLflow's pages list the newest first: sent last is what is to be read first.
    for each in reversed(result["contenders"]):
        payload = contender_payload(each, policies.get(each["id"]))
        nested.append((str(each["id"]), payload, _find_model(folder, each, met_level)))
    # A server answers several at once; a database file takes one at a time.
    n_at_once = 4 if run.tracking_uri.startswith("http") else 1
    with ThreadPoolExecutor(n_at_once) as pool:
        sent = [
            pool.submit(_log_nested, client, run, name, payload, until, model)
            for name, payload, model in nested
        ]
        try:
            for done in sent:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _find_model(folder: Path, contender: Mapping[str, Any], met_level: int) -> Model | None:
    """Find what judges leads as a contender does: its card, its classifier, or the document's own card."""
    name = str(contender["id"])
    if (folder / "cards" / f"{name}.json").is_file():
        return card_model(folder / "cards" / f"{name}.json")
    if (folder / "models" / f"{name}.json").is_file():
        return fitted_model(folder / "models" / f"{name}.json")
    return policy_model(name, met_level) if contender["kind"] == "documented" else None


def _log_nested(
    client: MlflowClient, run: OpenRun, name: str, payload: Payload, until: float, model: Model | None
) -> None:
    """Write a nested run, with its model."""
    if time.monotonic() > until:
        raise TrackingError(
            f"tracking: {without_password(run.tracking_uri)} is too slow; the result is on disk, and "
            "`leadml track DIR` sends it later."
        )
    tags = {**payload.tags, "mlflow.parentRunId": run.run_id, "mlflow.source.name": "leadml calibrate"}
    nested = client.create_run(run.experiment_id, run_name=name, tags={**tags, "status": "started"})
    own = OpenRun(nested.info.run_id, run.experiment_id, run.tracking_uri)
    model_id = None
    if model is not None:
        model_id = log_model(client, own, model, name)
    send_payload(client, own.run_id, payload._replace(tags={"status": "complete"}), model_id)
    client.set_terminated(own.run_id)


def _git_commit() -> str | None:
    """Give the commit of the working directory, when it is under version control."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
