"""Reaching MLflow: which store and experiment, who makes a store, and what to say when it refuses.

Results are on disk before any of this runs: a server that is down, slow or refuses costs only the tracking.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml.exceptions import LeadmlError, TrackingError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT: Final = "leadml"
_DEFAULTS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that is down or hangs must not hold a calibration up for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}
_LOCK_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Place:
    """Where a run goes. parent : the active run that it is nested in."""

    client: MlflowClient
    uri: str
    experiment_id: str
    parent: str | None = None


def chosen_uri(tracking_uri: str | None = None) -> str:
    """Where runs are kept: what is asked for, what the process set, the environment, else ./mlflow.db."""
    asked = tracking_uri
    if not asked and "mlflow" in sys.modules:
        import mlflow

        is_set: Any = mlflow.is_tracking_uri_set
        asked = mlflow.get_tracking_uri() if is_set() or mlflow.active_run() else None
    asked = asked or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if file := sqlite_file(asked):
        return f"sqlite:///{file.as_posix()}"
    if "://" not in asked or asked.startswith("file:"):
        raise TrackingError(
            f"tracking: got {asked!r}, a folder; MLflow keeps runs in a database or on a server. Give "
            "sqlite:///PATH/mlflow.db or http(s)://HOST, or leave MLFLOW_TRACKING_URI unset"
        )
    return asked


def sqlite_file(uri: str) -> Path | None:
    """File of an SQLite store, as an absolute path; None for another kind of store."""
    found = re.match(r"sqlite(?:\+\w+)?:///([^?]+)", uri)
    return Path(found[1]).absolute() if found else None


def has_store() -> bool:
    """Whether there is a store to show anything in: a server that was named, or a database file."""
    try:
        file = sqlite_file(uri := chosen_uri())
    except TrackingError:
        return False
    return file.exists() if file is not None else uri.startswith("http")


def make_client(uri: str) -> MlflowClient:
    """Import MLflow, without its telemetry, and make a client; nothing global is set."""
    for key, value in _DEFAULTS.items():
        os.environ.setdefault(key, value)
    from mlflow.tracking import MlflowClient

    # What MLflow says of its own progress is no message of ours.
    for name in ("mlflow.store.db.utils", "mlflow.tracking", "mlflow.pyfunc", "mlflow.models", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI", uri))


def connect(tracking_uri: str | None = None, experiment_name: str | None = None) -> Place:
    """Reach the store; find or make the experiment: asked for, of the active run, set, in the environment."""
    uri = chosen_uri(tracking_uri)
    file = sqlite_file(uri)
    with _making(file) if file is not None else contextlib.nullcontext():
        client = make_client(uri)
        import mlflow
        from mlflow.tracking import fluent

        chosen, parent = os.environ.get("MLFLOW_EXPERIMENT_ID"), None
        with contextlib.suppress(TrackingError):
            if chosen_uri(mlflow.get_tracking_uri()) == uri:  # what the user set is of this store
                active = mlflow.active_run()
                parent = active.info.run_id if active else None
                chosen = active.info.experiment_id if active else chosen or fluent._active_experiment_id
        if experiment_name is None and chosen is not None:
            return Place(client, uri, chosen, parent)
        name = experiment_name or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage != "active":
                client.restore_experiment(found.experiment_id)
            return Place(client, uri, found.experiment_id)
        # A server decides itself where artifacts go; beside a database file they go into one folder.
        place = (file.parent / "mlartifacts" / name).as_uri() if file is not None else None
        # Without the tag MLflow's pages take an experiment for one of language models.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return Place(client, uri, client.create_experiment(name, artifact_location=place, tags=tags))


@contextlib.contextmanager
def _making(file: Path) -> Iterator[None]:
    """One process at a time makes a store (several leave half of its tables), with a write-ahead log."""
    from filelock import FileLock, Timeout

    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file.with_name(f".{file.name}.lock"), timeout=_LOCK_SECONDS):
            if not file.exists():
                no_log = contextlib.suppress(sqlite3.OperationalError)  # a network drive has none
                with no_log, contextlib.closing(sqlite3.connect(file)) as made:
                    made.execute("PRAGMA journal_mode=WAL")
            yield
    except Timeout:
        why = f"another process has been making this store for {_LOCK_SECONDS:.0f} s"
        raise TrackingError(f"tracking: {file}: {why}; let it end, or give another store") from None


@contextlib.contextmanager
def explained(doing: str, uri: str, then: str) -> Iterator[None]:
    """Turn whatever MLflow raises into one message: its own can quote the rows that it was given."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what MLflow deprecates within itself is nothing a user can mend
            yield
    except LeadmlError:
        raise
    except Exception as error:
        said = (getattr(error, each, None) for each in ("error_code", "strerror"))
        parts = ", ".join([type(error).__name__, *(each for each in said if isinstance(each, str))])
        raise TrackingError(f"tracking: {doing} in {without_password(uri)} failed: {parts}. {then}") from None


def without_password(uri: str) -> str:
    """An address as it may be shown.

    >>> without_password("https://me:secret@tracking.example/x")
    'https://tracking.example/x'
    """
    return re.sub(r"://[^@/]*@", "://", uri)


@contextlib.contextmanager
def without_autologging() -> Iterator[None]:
    """Let no fit inside be logged by the user's autologging, which is as it was afterwards."""
    with contextlib.ExitStack() as inside:
        if "mlflow" in sys.modules:
            from mlflow.utils.autologging_utils import disable_autologging

            inside.enter_context(disable_autologging())
        yield
