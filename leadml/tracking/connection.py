"""Reaching MLflow: where it is, one process at a time making a store, what to say when it refuses."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leadml import __version__
from leadml.exceptions import LeadmlError, TrackingError
from leadml.tracking.receipt import without_password

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT: Final = "leadml"
"""The experiment that calibrations are kept in unless another is named."""

_DEFAULTS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that is down or hangs must not hold a calibration up for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}
_ABOUT: Final = {
    # Without it MLflow's pages take an experiment for one of language models, and speak of agents.
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": (
        "Lead qualification rules, measured and learned by leadml. Each *calibrate* run compares documented "
        "rules with what closed deals teach: open it for the verdict, `report.html` and the tables; unfold "
        "it for a nested run a framework and a contender. Each *monitor* run watches a card in use."
    ),
}
_LOCK_SECONDS: Final = 120.0
_quick: Final[set[Path]] = set()
"""Stores whose connections are looked after already."""
_connections: Final[list[sqlite3.Connection]] = []
"""Those connections."""


@dataclass(frozen=True)
class OpenRun:
    """A run that was started and is not complete.

    Attributes
    ----------
    run_id : str
        Its id.
    experiment_id : str
        The experiment it belongs to.
    tracking_uri : str
        Where it is kept.
    """

    run_id: str
    experiment_id: str
    tracking_uri: str


def open_run(
    name: str,
    tracking_uri: str | None = None,
    experiment_name: str = EXPERIMENT,
    source: str = "leadml calibrate",
    then: str = "",
) -> OpenRun:
    """Start a run, so that what is made can carry its id.

    Parameters
    ----------
    name : str
        Name of the run.
    tracking_uri : str or None
        Where runs are kept; default: ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working directory.
    experiment_name : str
        The experiment; made when it is not there.
    source : str
        The command that the run comes from.
    then : str
        What is safe and what to do when it fails, for the message.

    Returns
    -------
    OpenRun
        Tagged ``status=started`` until `track_calibration` completes it.

    Raises
    ------
    TrackingError
        MLflow could not be reached, or refused.
    """
    uri = chosen_uri(tracking_uri)
    with explained("starting a run", uri, then):
        client, experiment_id = connect(uri, experiment_name)
        tags = {"status": "started", "leadml.version": __version__, "mlflow.source.name": source}
        run = client.create_run(experiment_id, run_name=name, tags=tags)
    return OpenRun(run.info.run_id, experiment_id, uri)


def run_exists(run_id: str, tracking_uri: str) -> bool:
    """Tell whether a run is there.

    Parameters
    ----------
    run_id : str
        The run.
    tracking_uri : str
        Where it would be.

    Returns
    -------
    bool
        False where it is not known or was deleted.

    Raises
    ------
    TrackingError
        MLflow could not be reached, or refused.
    """
    file = sqlite_file(tracking_uri)
    if file is not None and not file.exists():
        return False
    with explained("looking a run up", tracking_uri):
        from mlflow.exceptions import MlflowException

        try:
            return bool(make_client(tracking_uri).get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False


def chosen_uri(tracking_uri: str | None) -> str:
    """Say where runs are kept.

    Parameters
    ----------
    tracking_uri : str or None
        What was asked for.

    Returns
    -------
    str
        That, else ``MLFLOW_TRACKING_URI``, else a database file ``mlflow.db`` in the working directory.
    """
    asked = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    return asked or f"sqlite:///{(Path.cwd() / 'mlflow.db').as_posix()}"


def make_client(uri: str) -> MlflowClient:
    """Import MLflow, without its telemetry, and make a client.

    Parameters
    ----------
    uri : str
        Where runs are kept.

    Returns
    -------
    MlflowClient
        For this store alone; nothing global is set.
    """
    for key, value in _DEFAULTS.items():
        os.environ.setdefault(key, value)
    from mlflow.tracking import MlflowClient

    # What MLflow says of its own progress is no message of ours.
    for name in ("mlflow.store.db.utils", "mlflow.tracking", "mlflow.pyfunc", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    _write_quickly(uri)
    return MlflowClient(tracking_uri=uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI", uri))


def _write_quickly(uri: str) -> None:
    """Let a store that has a write-ahead log wait for the disk only where that keeps it whole.

    MLflow commits seven times a run; waiting for the disk each time takes as long as all the rest.
    """
    file = sqlite_file(uri)
    if file is None or file in _quick:
        return
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def relax(connection: object, _record: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        of = connection.execute("PRAGMA database_list").fetchone()[2]
        if of != os.path.realpath(file):
            return
        _connections.append(connection)
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(Engine, "connect", relax)
    _quick.add(file)


def close_stores() -> None:
    """Close the connections to database files; the last one puts the write-ahead log into the file."""
    for connection in _connections:
        connection.close()
    _connections.clear()


atexit.register(close_stores)


def connect(uri: str, experiment_name: str) -> tuple[MlflowClient, str]:
    """Reach the store and find or make the experiment.

    Parameters
    ----------
    uri : str
        Where runs are kept.
    experiment_name : str
        The experiment.

    Returns
    -------
    tuple of (MlflowClient, str)
        The client and the id of the experiment.

    Raises
    ------
    TrackingError
        The store is a folder of files, which MLflow no longer writes to, or another process holds it.
    """
    file = sqlite_file(uri)
    if file is None and ("://" not in uri or uri.startswith("file:")):
        raise TrackingError(
            f"tracking: got {uri!r}, a folder; MLflow keeps runs in a database or on a server. "
            "Give sqlite:///PATH/mlflow.db or http(s)://HOST, or leave MLFLOW_TRACKING_URI unset."
        )
    with locked(file) if file else contextlib.nullcontext():
        if file is not None and not file.exists():
            _make_with_log(file)
        client = make_client(uri)
        found = client.get_experiment_by_name(experiment_name)
        if found is not None and found.lifecycle_stage == "active":
            return client, found.experiment_id
        if found is not None:
            client.restore_experiment(found.experiment_id)
            return client, found.experiment_id
        # A server decides itself where artifacts go; beside a database file they go into one folder.
        place = (file.parent / "mlartifacts" / experiment_name).as_uri() if file else None
        return client, client.create_experiment(experiment_name, artifact_location=place, tags=_ABOUT)


def _make_with_log(file: Path) -> None:
    """Make a database with a write-ahead log; where the disk allows none, as on some networks, without."""
    connection = sqlite3.connect(file)
    with contextlib.closing(connection), contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode=WAL")


def sqlite_file(uri: str) -> Path | None:
    """Find the file of an SQLite store.

    Parameters
    ----------
    uri : str
        Where runs are kept.

    Returns
    -------
    Path or None
        Its absolute path; None for another kind of store.

    Examples
    --------
    >>> sqlite_file("http://tracking.example") is None
    True
    >>> sqlite_file("sqlite:////data/mlflow.db").as_posix()
    '/data/mlflow.db'
    """
    found = re.match(r"sqlite(?:\+\w+)?:///([^?]+)", uri)
    return Path(found[1]).absolute() if found else None


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let one process at a time make a store: several at once leave half of its tables behind.

    The lock is SQLite's own, on a file beside the store: it works on
    every system, and a process that dies lets go of it.

    Parameters
    ----------
    file : Path
        The store.

    Yields
    ------
    None
        While the lock is held.

    Raises
    ------
    TrackingError
        Another process held it for two minutes.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = sqlite3.connect(file.with_name(f".{file.name}.lock"), timeout=_LOCK_SECONDS, isolation_level=None)
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise TrackingError(
                f"tracking: {file}: another process has been making this store for {_LOCK_SECONDS:.0f} s. "
                "Wait for it to end or end it, then try again; or give another store."
            ) from None
        yield
    finally:
        lock.close()


@contextlib.contextmanager
def explained(doing: str, uri: str, then: str = "") -> Iterator[None]:
    """Turn whatever MLflow raises into one message, without rows, passwords or a traceback.

    Parameters
    ----------
    doing : str
        What was being done.
    uri : str
        Where runs are kept.
    then : str
        What is safe, and what to do.

    Yields
    ------
    None
        The block that uses MLflow.

    Raises
    ------
    TrackingError
        In place of any exception that is not leadml's own.
    """
    try:
        with warnings.catch_warnings():
            # What MLflow and its database layer deprecate among themselves is nothing a user can mend.
            warnings.simplefilter("ignore")
            yield
    except LeadmlError:
        raise
    except Exception as error:
        # MLflow's own messages can quote the rows that it was given: only their kind is passed on.
        shown = without_password(uri)
        hint = then or "Check that the store can be reached and written to; --no-track does without it."
        raise TrackingError(f"tracking: {doing} in {shown} failed: {_kind(error)}. {hint}") from None


def _kind(error: BaseException) -> str:
    """Name what went wrong, from parts that never hold data."""
    parts = [type(error).__name__]
    code = getattr(error, "error_code", None)
    if isinstance(code, str):
        parts.append(code)
    if isinstance(error, OSError) and error.strerror:
        parts.append(error.strerror)
    if isinstance(error, sqlite3.OperationalError):
        parts.append(str(error))
    return ", ".join(parts)
