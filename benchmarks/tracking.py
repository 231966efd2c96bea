"""What tracking costs: one run against MLflow's fluent calls, and its share of a whole calibration.

Run: python benchmarks/tracking.py [PAIRS], or python benchmarks/tracking.py share [PAIRS].

One run is 50 metrics, 10 artifacts and a model. Both ways write to SQLite stores on the same disk, in turn,
the order alternating; imports and the making of the stores are not counted. Printed are the median of each
way, the median of the ratios of the pairs, and whether both kept the same metrics and artifacts.

The share is that of `leadml calibrate` on the demo's 1,500 deals: whole programs with --track and --no-track,
in turn, with every import; for the tracked ones first in a fresh store, then in the same store again. It is
given of the clock and of processor time: the two processes of a tracked calibration run side by side, so the
clock shows it only where a second core is idle.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
warnings.simplefilter("ignore")

import mlflow  # noqa: E402
import pandas as pd  # noqa: E402

from leadml.card import build_card, load_card  # noqa: E402
from leadml.tracking import open_run  # noqa: E402
from leadml.tracking.connection import make_client  # noqa: E402
from leadml.tracking.model_files import card_model  # noqa: E402
from leadml.tracking.models import log_model  # noqa: E402
from leadml.tracking.payload import Payload  # noqa: E402
from leadml.tracking.sending import send_payload  # noqa: E402

METRICS = {f"metric_{i:02}": i / 7 for i in range(50)}
CRITERIA = ("budget", "authority", "need", "timeline")


class Naive(mlflow.pyfunc.PythonModel):
    """The card as most would wrap it: an object that is pickled."""

    def __init__(self, path: str) -> None:
        self.card = load_card(path)

    def predict(self, context: object, model_input: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG002, D102
        return self.card.score(model_input).to_pandas()


def write_folder(folder: Path) -> Path:
    """Ten artifacts, and a card."""
    folder.mkdir()
    for i in range(10):
        (folder / f"artifact_{i}.json").write_text("{}" * 2000)
    card = build_card(
        name="bench",
        criteria=CRITERIA,
        points=[[0, 1, 2, 3, 4]] * 4,
        unknown_points=[0] * 4,
        documented_points=[[0, 1, 2, 3, 4]] * 4,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "now", "title": "Now", "from": 9, "action": "follow up"},
        ],
        cutoff=9,
        created_at="2026-01-01",
        base=-2.0,
        slope=0.3,
        table=[(points, points / 20, 0.0, 1.0) for points in range(17)],
    )
    card.save(folder.parent / "card.json")
    return folder.parent / "card.json"


def ours(uri: str, folder: Path, card: Path) -> str:
    """Batched, one artifact folder, the model before its metrics, requirements pinned."""
    run = open_run("ours", uri)
    client = make_client(uri)
    model_id = log_model(client, run, card_model(card))
    send_payload(client, run.run_id, Payload({}, METRICS, {"status": "complete"}), model_id)
    client.log_artifacts(run.run_id, str(folder))
    client.set_terminated(run.run_id)
    return run.run_id


def naive(uri: str, folder: Path, card: Path) -> str:
    """One fluent call after the other."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("leadml")
    example = pd.DataFrame([[4.0, 3.0, 2.0, 1.0]], columns=list(CRITERIA))
    with mlflow.start_run(run_name="naive") as run:
        for name, value in METRICS.items():
            mlflow.log_metric(name, value)
        for file in sorted(folder.iterdir()):
            mlflow.log_artifact(str(file))
        mlflow.pyfunc.log_model(name="card", python_model=Naive(str(card)), input_example=example)
    return str(run.info.run_id)


def compare(n_pairs: int) -> None:
    """Track a run both ways, and print how long each takes."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        card = write_folder(root / "artifacts")
        uris = {way: f"sqlite:///{root / way}.db" for way in (ours.__name__, naive.__name__)}
        for uri in uris.values():
            open_run("warm-up", uri)
        seconds: dict[str, list[float]] = {way: [] for way in uris}
        runs = {}
        for pair in range(n_pairs + 1):  # the first pair warms up and does not count
            for way in (ours, naive) if pair % 2 else (naive, ours):
                begin = time.perf_counter()
                runs[way.__name__] = way(uris[way.__name__], root / "artifacts", card)
                if pair:
                    seconds[way.__name__].append(time.perf_counter() - begin)
        kept = {}
        for way, run_id in runs.items():
            client = mlflow.MlflowClient(uris[way])
            names = sorted(item.path for item in client.list_artifacts(run_id))
            kept[way] = (client.get_run(run_id).data.metrics, names)
        same = kept["ours"] == kept["naive"]
    ratios = [slow / fast for fast, slow in zip(seconds["ours"], seconds["naive"], strict=True)]
    for way, taken in seconds.items():
        print(f"{way:<6} median {statistics.median(taken):6.3f} s of {n_pairs}")
    print(f"ratio  median {statistics.median(ratios):6.1f} (from {min(ratios):.1f} to {max(ratios):.1f})")
    print(f"the same 50 metrics and 10 artifacts kept: {same}")


def share(n_pairs: int) -> None:
    """Calibrate with and without tracking, and print the share of tracking."""
    from leadml.workflows.demo import write_sample

    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_sample(root)
        seconds: dict[str, list[float]] = {"--no-track": [], "fresh store": [], "same store": []}
        processor: dict[str, list[float]] = {way: [] for way in seconds}
        for pair in range(n_pairs):
            for way, taken in seconds.items():
                words = [
                    sys.executable,
                    "-m",
                    "leadml",
                    "calibrate",
                    "closed_deals.csv",
                    "-m",
                    "mapping.yaml",
                ]
                words += ["--name", "bench", "-o", f"out-{pair}", "--store", "store"]
                words += ["--no-track"] if way == "--no-track" else []
                env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{root / str(pair)}.db"}
                begin, used = time.perf_counter(), sum(os.times()[2:4])
                subprocess.run(words, cwd=root, env=env, check=True, capture_output=True)
                taken.append(time.perf_counter() - begin)
                processor[way].append(sum(os.times()[2:4]) - used)
    for of, times in (("clock", seconds), ("processor", processor)):
        for way, taken in times.items():
            parts = [1 - bare / whole for bare, whole in zip(times["--no-track"], taken, strict=True)]
            middle = statistics.median(taken)
            print(f"{of:<9} {way:<11} median {middle:6.2f} s, tracking {statistics.median(parts):4.0%} of it")


if __name__ == "__main__":
    import logging

    logging.disable(logging.WARNING)
    asked = sys.argv[1:]
    run = share if asked[:1] == ["share"] else compare
    numbers = [int(word) for word in asked if word.isdigit()]
    run(numbers[0] if numbers else 5)
