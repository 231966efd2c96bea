"""One calibration on a CSV file, saved once; a store of MLflow of each test's own, made once and copied."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MAPPING: dict[str, Any] = {
    "name": "b2b",
    "lead_id": "Deal ID",
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
    "dates": {"created": "Created on", "closed": "Closed on"},
    "criteria": {name: {"column": name.capitalize()} for name in ("budget", "authority", "need", "timeline")},
    "context": ["Source"],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What MLflow and its database layer deprecate among themselves is no fault of ours."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import leadml
    from leadml.datasets.sample import write_csv

    folder = tmp_path_factory.mktemp("calibration")
    leads = leadml.make_leads(300, world="tilted", random_state=1)
    file = write_csv(leads, folder / "deals.csv")
    settings = {"contenders": ["integer", "context-logistic", "prior"], "policies": ["bant-ibm", "bant-points"]}
    own = {"won@50%": lambda won, chance, sample_weight: np.average(won[chance > np.median(chance)])}
    found = leadml.calibrate(leadml.read_leads(file, MAPPING), settings, name="b2b", metrics=own)
    return found.save(folder / "out")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from leadml.tracking import connect

    folder = tmp_path_factory.mktemp("mlflow")
    connect(f"sqlite:///{folder}/mlflow.db")
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it in the file that is copied
    return folder / "mlflow.db"


@pytest.fixture
def folder(saved: Path, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the results, beside an MLflow store, in the working directory."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    shutil.copytree(saved, tmp_path / "out")
    yield tmp_path / "out"
    import mlflow
    from mlflow.tracking import fluent

    mlflow.set_tracking_uri(None)
    fluent._active_experiment_id = None
