"""Contenders as MLflow models: logged with their runs, and cards found again by reference."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leadml.exceptions import ModelRefError
from leadml.tracking.connection import OpenRun, chosen_uri, explained, make_client, sqlite_file
from leadml.tracking.model_files import Model

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MODEL_NAME: Final = "card"
"""What the logged model of a run is called."""

_CARD_FILE: Final = "artifacts/card.json"
"""Where a logged model keeps its card."""

_fetched = contextlib.ExitStack()
"""Cards fetched from MLflow; they live as long as the process."""

atexit.register(_fetched.close)


def log_model(client: MlflowClient, run: OpenRun, model: Model, name: str = MODEL_NAME) -> str:
    """Log a contender as a model with its run.

    Parameters
    ----------
    client : MlflowClient
        For the run's store.
    run : OpenRun
        The run it belongs to.
    model : Model
        What it is made of.
    name : str
        What the logged model is called.

    Returns
    -------
    str
        Id of the logged model.
    """
    from mlflow.entities import LoggedModelOutput

    logged = client.create_logged_model(
        run.experiment_id, name, run.run_id, dict(model.tags), dict(model.params), model.type
    )
    with tempfile.TemporaryDirectory(prefix="leadml-") as temporary:
        folder = Path(temporary) / "model"
        model.save(
            folder,
            model_id=logged.model_id,
            model_uuid=logged.model_id,
            run_id=run.run_id,
            artifact_path=logged.artifact_location,
        )
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


def resolve_model_uri(ref: str, tracking_uri: str | None = None) -> Path:
    """Fetch the card that an MLflow reference names.

    Parameters
    ----------
    ref : str
        ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, ``models:/MODEL_ID``, ``runs:/RUN_ID``
        or ``runs:/RUN_ID/PATH``.
    tracking_uri : str or None
        Where runs are kept; default as in `open_run`.

    Returns
    -------
    pathlib.Path
        The card; it is there until the process ends.

    Raises
    ------
    ModelRefError
        The reference has no such form, or there is no store.
    TrackingError
        MLflow could not be reached, knows no such model or run, or it holds no card.
    """
    scheme, _, rest = ref.partition(":/")
    rest = rest.strip("/")
    if scheme not in ("models", "runs") or not rest:
        raise ModelRefError(
            f"model: got {ref!r}; valid is models:/NAME@ALIAS, models:/NAME/VERSION, models:/MODEL_ID, "
            "runs:/RUN_ID or runs:/RUN_ID/PATH. Give one of these, or the name or path of a card."
        )
    uri = chosen_uri(tracking_uri)
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        raise ModelRefError(
            f"model: got {ref!r}, but there is no store at {file}. "
            "Set MLFLOW_TRACKING_URI to where the model was tracked, or run where mlflow.db is."
        )
    if scheme == "runs" and "/" not in rest:
        rest += "/card.json"
    held = tempfile.mkdtemp(prefix="leadml-card-")
    _fetched.callback(shutil.rmtree, held, ignore_errors=True)
    hint = (
        "Check the name, alias, version or run id, that it holds a card, "
        "and that MLFLOW_TRACKING_URI is where it was tracked."
    )
    with explained(f"fetching {ref!r}", uri, hint):
        client = make_client(uri)
        from mlflow.artifacts import download_artifacts

        place = _locate_model(client, rest) if scheme == "models" else _locate_in_run(client, rest)
        card = Path(download_artifacts(place, dst_path=held, tracking_uri=uri))
        beside = f"{place.rpartition('/')[0]}/reference.json"
        with contextlib.suppress(Exception):  # cards of earlier releases have none
            download_artifacts(beside, dst_path=held, tracking_uri=uri)
        return card


def fetch_artifacts(run_id: str, tracking_uri: str | None = None) -> Path:
    """Fetch everything that a run keeps.

    Parameters
    ----------
    run_id : str
        The run.
    tracking_uri : str or None
        Where runs are kept; default as in `open_run`.

    Returns
    -------
    pathlib.Path
        A folder; it is there until the process ends.

    Raises
    ------
    TrackingError
        MLflow could not be reached, or knows no such run.
    """
    uri = chosen_uri(tracking_uri)
    held = tempfile.mkdtemp(prefix="leadml-run-")
    _fetched.callback(shutil.rmtree, held, ignore_errors=True)
    hint = "Check the id, and that MLFLOW_TRACKING_URI is where it was tracked."
    with explained(f"fetching the run {run_id}", uri, hint):
        make_client(uri)
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(run_id=run_id, dst_path=held, tracking_uri=uri))


def _locate_model(client: MlflowClient, rest: str) -> str:
    """Find the card of a logged or registered model: the address of its file."""
    name, at, alias = rest.partition("@")
    name, slash, number = (name, "", "") if at else rest.partition("/")
    if at or slash:
        found = (
            client.get_model_version_by_alias(name, alias) if at else client.get_model_version(name, number)
        )
        scheme, _, model_id = str(found.source).partition(":/")
        if scheme != "models":
            return f"{client.get_model_version_download_uri(name, found.version)}/{_CARD_FILE}"
        rest = model_id
    return f"{client.get_logged_model(rest).artifact_location}/{_CARD_FILE}"


def _locate_in_run(client: MlflowClient, rest: str) -> str:
    """Find a card among a run's artifacts, or in the model of that name which the run logged."""
    run_id, _, path = rest.partition("/")
    run = client.get_run(run_id)
    if path.endswith(".json"):
        return f"{run.info.artifact_uri}/{path}"
    for output in run.outputs.model_outputs if run.outputs else []:
        model = client.get_logged_model(output.model_id)
        if model.name == path:
            return f"{model.artifact_location}/{_CARD_FILE}"
    return f"{run.info.artifact_uri}/{path}/card.json"
