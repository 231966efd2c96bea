"""Several processes that make one store at once."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

ROOT = Path(__file__).parents[2]
START = """
import sys
sys.path.insert(0, {root!r})
from leadml.tracking import open_run
open_run({name!r}, {uri!r})
"""


@pytest.mark.slow
def test_four_processes_make_one_store(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    commands = [
        [sys.executable, "-c", START.format(root=str(ROOT), name=f"run {i}", uri=uri)] for i in range(4)
    ]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    ended = [(process.communicate(timeout=300)[1], process.returncode) for process in started]
    assert [code for _, code in ended] == [0, 0, 0, 0], ended
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("leadml")
    assert sorted(run.info.run_name for run in client.search_runs([experiment.experiment_id])) == [
        f"run {i}" for i in range(4)
    ]


@pytest.mark.slow
def test_a_process_leaves_one_file_behind(tmp_path: Path) -> None:
    """What stood in the write-ahead log is in the file, which can be copied by itself."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    code = START.format(root=str(ROOT), name="run", uri=uri)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mlflow.db.lock", "mlflow.db"]
