"""The same data, experiment and seed give the same bytes; what was kept suffices to make it again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leadml.exceptions import UsageError
from leadml.leads import make_leads
from leadml.tracking import open_run, track_calibration
from leadml.workflows.calibrate import calibrate_file
from leadml.workflows.reproduce import format_reproduced, reproduce

EXPERIMENT = """\
policies: [bant-ibm, bant-points]
bootstrap: 50
split: {folds: 2, repeats: 1}
contenders: [cutoff, weights, steps, integer, context-logistic, context-boosting, prior]
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deals, mapping, experiment, and a calibration of them in out/."""
    folder = tmp_path_factory.mktemp("desk")
    leads = make_leads(250, world="tilted", random_state=1)
    rows = leads.levels.assign(Deal=leads.lead_id, Status=leads.outcome.astype(int))
    rows = rows.join(leads.context)
    rows.to_csv(folder / "deals.csv", index=False)
    criteria = "".join(f"  {name}: {{column: {name}}}\n" for name in leads.levels.columns)
    (folder / "map.yaml").write_text(
        "name: ours\nlead_id: Deal\n"
        f'outcome: {{column: Status, won: ["1"], lost: ["0"]}}\n'
        f"context: [{', '.join(map(str, leads.context.columns))}]\ncriteria:\n{criteria}"
    )
    (folder / "e.yaml").write_text(EXPERIMENT)
    calibrate_file(
        str(folder / "deals.csv"),
        str(folder / "map.yaml"),
        str(folder / "e.yaml"),
        out_dir=folder / "out",
        store_root=folder / "models_store",
        track=False,
    )
    return folder


def test_what_was_kept_makes_the_same_again(desk: Path) -> None:
    found = reproduce(desk / "out", desk / "deals.csv")
    assert (found.sameness, found.differences) == ("identical", [])
    assert format_reproduced(found).startswith("same: every figure")


def test_a_run_is_made_again_from_its_artifacts(desk: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracked = track_calibration(desk / "out", open_run("calibrate ours", uri))
    found = reproduce(f"runs:/{tracked.run_id}", desk / "deals.csv", tracking_uri=uri)
    assert found.sameness == "identical"


def test_what_differs_is_named(desk: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(desk / "out", tmp_path / "out")
    result = tmp_path / "out" / "result.json"
    kept = json.loads(result.read_text())
    kept["contenders"][0]["auc"]["value"] += 0.001
    kept["split"]["n_test"] = int(kept["split"]["n_test"]) + 1
    result.write_text(json.dumps(kept))
    found = reproduce(tmp_path / "out", desk / "deals.csv")
    assert (found.sameness, found.n_differences) == ("different", 2)
    assert [text.split(":")[0] for text in found.differences] == ["split.n_test", "contenders[0].auc.value"]
    # Another machine's last digit is no difference.
    kept = json.loads((desk / "out" / "result.json").read_text())
    kept["contenders"][0]["auc"]["value"] *= 1 + 1e-13
    result.write_text(json.dumps(kept))
    assert reproduce(tmp_path / "out", desk / "deals.csv").sameness == "rounding"


def test_other_data_are_said_to_be_other_data(desk: Path, tmp_path: Path) -> None:
    lines = (desk / "deals.csv").read_text().splitlines()
    (tmp_path / "fewer.csv").write_text("\n".join(lines[:-1]) + "\n")
    found = reproduce(desk / "out", tmp_path / "fewer.csv")
    assert found.sameness == "other-data"
    assert "not the data" in format_reproduced(found)


def test_what_cannot_be_made_again_is_refused(desk: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a folder nor a run"):
        reproduce("nothing", desk / "deals.csv")
    with pytest.raises(UsageError, match=r"holds no result\.json, mapping\.yaml, experiment\.yaml"):
        reproduce(tmp_path, desk / "deals.csv")


@pytest.mark.slow
def test_two_processes_two_hash_seeds_and_two_threads_give_the_same_bytes(desk: Path, tmp_path: Path) -> None:
    written = []
    for seed, threads in (("1", "1"), ("2", "2")):
        out = tmp_path / seed
        words = [sys.executable, "-m", "leadml", "calibrate", "deals.csv", "-m", "map.yaml", "-e", "e.yaml"]
        words += ["-o", str(out / "out"), "--no-track", "--store", str(out / "store")]
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        home = str(Path(__file__).parents[2])
        env = {**os.environ, **limits, "PYTHONHASHSEED": seed, "PYTHONPATH": home}
        subprocess.run(words, cwd=desk, env=env, capture_output=True, check=True)
        files = sorted(path for path in (out / "out").rglob("*") if path.is_file())
        written.append({str(path.relative_to(out)): path.read_bytes() for path in files})
    assert sorted(written[0]) == sorted(written[1])
    assert {"out/result.json", "out/card.json", "out/predictions.parquet", "out/report.html"} <= set(
        written[0]
    )
    assert [name for name in written[0] if written[0][name] != written[1][name]] == []
    # And the same as in the process that made the fixture.
    assert written[0]["out/result.json"] == (desk / "out" / "result.json").read_bytes()
