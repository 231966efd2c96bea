"""A calibration on disk."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

SAMPLE = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "report" / "sample_result.py")))


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
