"""Laws of start-up: what is heavy is imported by what needs it, not by what might."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("altair", "mlflow", "pandas", "scipy", "sklearn")
REPORT = f"""
import atexit, json, sys
heavy = lambda: json.dumps([name for name in {HEAVY!r} if name in sys.modules])
atexit.register(lambda: print("LOADED", heavy(), file=sys.stderr))
"""
COMMAND = "import sys; sys.argv = {words!r}; from leadml.cli import main; main()"
HELP = ("demo", "check", "qualify", "calibrate", "predict", "explain", "models", "monitor", "page", "report")
CARDS = Path(__file__).parent / "golden" / "cards"
MAPPING = """\
name: ours
lead_id: Deal
dates: {created: Created}
criteria: {budget: {column: Budget}, need: {column: Need, levels: {low: 1, high: 4}, unknown: [""]}}
"""


def loaded_after(code: str, folder: Path) -> str:
    """Run code in a fresh interpreter; return which heavy packages it had loaded when it ended, as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", REPORT + code], cwd=folder, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr.rpartition("LOADED ")[2].strip()


@pytest.mark.parametrize(
    "code",
    [
        "import leadml; leadml.load_framework('bant'), leadml.list_policies(), leadml.load_card",
        COMMAND.format(words=["leadml", "frameworks", "bant"]),
        *(COMMAND.format(words=["leadml", command, "-h"]) for command in HELP),
    ],
)
def test_help_imports_nothing_heavy(code: str, tmp_path: Path) -> None:
    assert loaded_after(code, tmp_path) == "[]"


@pytest.mark.parametrize(
    "command",
    [
        "predict leads.csv -m ours.yaml -o scores.csv --model bant-learned.json",
        "predict leads.csv -m ours.yaml -o scores.parquet --model bant-learned.json",
        "predict leads.parquet -m ours.yaml -o scores.csv --keep-columns --model bant-ibm.json",
        "explain leads.csv -m ours.yaml --lead D1 --model bant-learned.json",
        "qualify leads.csv -m ours.yaml -o rules.csv",
    ],
)
def test_scoring_imports_nothing_that_only_learning_needs(command: str, tmp_path: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    (tmp_path / "ours.yaml").write_text(MAPPING)
    rows = [f"D{row},2026-01-0{1 + row % 9},{row % 5},{('low', 'high', '')[row % 3]}" for row in range(50)]
    (tmp_path / "leads.csv").write_text("\n".join(["Deal,Created,Budget,Need", *rows]) + "\n")
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(tmp_path / "leads.csv"), tmp_path / "leads.parquet")
    for card in CARDS.glob("bant-*.json"):
        shutil.copy(card, tmp_path)
    assert loaded_after(COMMAND.format(words=["leadml", *command.split()]), tmp_path) == "[]"
