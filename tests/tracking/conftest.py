"""A calibration on disk, and a store that is copied rather than made anew: making one takes seconds."""

import contextlib
import json
import runpy
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from leadml.tracking import open_run

SAMPLE = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "report" / "sample_result.py")))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store with its tables; its one experiment is not the one that the tests use."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_run("first", f"sqlite:///{file}", experiment_name="template")
    return file


@pytest.fixture
def store_uri(empty_store: Path, tmp_path: Path) -> str:
    """A store of the test's own."""
    copy = sqlite3.connect(tmp_path / "mlflow.db")
    with contextlib.closing(sqlite3.connect(empty_store)) as template, contextlib.closing(copy):
        template.backup(copy)  # what still stands in the log comes along
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    """What `leadml calibrate` leaves on disk."""
    folder = tmp_path / "out"
    (folder / "cards").mkdir(parents=True)
    result, card = SAMPLE.make_result(), json.dumps(SAMPLE.make_card())
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "report.html").write_text("<!DOCTYPE html><title>report</title>")
    (folder / "card.json").write_text(card)
    (folder / "cards" / "bant-integer.json").write_text(card)
    (folder / "predictions.parquet").write_bytes(b"rows that must not be sent")
    (folder / "rejected.csv").write_text(
        "row,column,value,reason\n7,Email,secret@customer.example,no such level\n"
    )
    return folder
