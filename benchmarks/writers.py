"""Many writers at once, and nothing lost.

Run: python benchmarks/writers.py

First 8 whole programs `leadml calibrate` begin together in a folder without a store: one models_store and one
mlflow.db come of it, with every version, run and registered version. Then 8 processes write 20 versions each
under one name. Printed is what was asked for and what is there; it ends with 1 when anything is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from leadml.leads import make_leads
from leadml.store import Store

N_WRITERS, N_VERSIONS = 8, 20
EXPERIMENT = (
    "policies: [bant-ibm]\nbootstrap: 50\nsplit: {folds: 2, repeats: 1}\n"
    "contenders: [cutoff, integer, prior]\n"
)
WRITE = """
import sys
from leadml.card import load_card
from leadml.store import Store
card, store = load_card(sys.argv[1]), Store(sys.argv[2])
for _ in range(int(sys.argv[3])):
    store.save_model("shared", card)
"""


def write_deals(folder: Path) -> None:
    """Write a few closed deals, their mapping and a short experiment."""
    leads = make_leads(300, world="tilted", random_state=1)
    rows = leads.levels.assign(Deal=leads.lead_id, Status=leads.outcome.astype(int))
    rows.to_csv(folder / "deals.csv", index=False)
    criteria = "".join(f"  {name}: {{column: {name}}}\n" for name in leads.levels.columns)
    (folder / "map.yaml").write_text(
        "name: ours\nlead_id: Deal\n"
        f'outcome: {{column: Status, won: ["1"], lost: ["0"]}}\ncriteria:\n{criteria}'
    )
    (folder / "e.yaml").write_text(EXPERIMENT)


def together(commands: list[list[str]], folder: Path) -> tuple[float, list[str]]:
    """Start programs at once; give the seconds they take in all, and what those that failed said."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    env.pop("MLFLOW_TRACKING_URI", None)
    begin = time.perf_counter()
    started = [
        subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for words in commands
    ]
    ended = [(process.communicate()[1].decode(), process.returncode) for process in started]
    return time.perf_counter() - begin, [text[-500:] for text, code in ended if code]


def calibrate_together(folder: Path) -> bool:
    """Make a first calibration in every process; tell whether all is there."""
    write_deals(folder)
    words = [sys.executable, "-m", "leadml", "calibrate", "deals.csv", "-m", "map.yaml", "-e", "e.yaml"]
    seconds, failed = together([[*words, "-o", f"out-{i}"] for i in range(N_WRITERS)], folder)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiments = [each for each in client.search_experiments() if each.name == "leadml"]
    runs = client.search_runs([each.experiment_id for each in experiments], "tags.kind = 'calibration'")
    registered = client.search_model_versions("name='ours'")
    store = Store(folder / "models_store")
    found = {
        "programs that ended well": N_WRITERS - len(failed),
        "runs that are complete": sum(run.data.tags["status"] == "complete" for run in runs),
        "versions in the store": len(store.list_versions()),
        "versions in the registry": len({each.tags["leadml.stored_as"] for each in registered}),
    }
    alias = client.get_registered_model("ours").aliases.get("champion")
    champion = next(each.tags["leadml.stored_as"] for each in registered if int(each.version) == int(alias))
    print(f"{N_WRITERS} first calibrations in one fresh store: {seconds:.1f} s")
    for what, number in found.items():
        print(f"  {what:<26} {number} of {N_WRITERS}")
    print(
        f"  champion                   ours@{store.champion('ours')} in the store, {champion} in the registry"
    )
    print(*failed, sep="\n", end="")
    return {*found.values()} == {N_WRITERS} and champion == f"ours@{store.champion('ours')}"


def write_together(folder: Path) -> bool:
    """Write versions of one name in every process; tell whether all are there."""
    words = [
        sys.executable,
        "-c",
        WRITE,
        str(folder / "out-0" / "card.json"),
        "shared_store",
        str(N_VERSIONS),
    ]
    seconds, failed = together([words] * N_WRITERS, folder)
    store = Store(folder / "shared_store")
    versions = [each.version for each in store.list_versions()]
    saved = [event.version for event in store.history("shared") if event.action == "saved"]
    good = sum(store.load(f"shared@{version}").version == version for version in versions)
    wanted = N_WRITERS * N_VERSIONS
    print(f"{N_WRITERS} writers of {N_VERSIONS} versions each: {seconds:.1f} s")
    print(f"  versions {len(versions)} of {wanted}, in the history {len({*saved})}, whole {good}")
    print(*failed, sep="\n", end="")
    return versions == sorted(saved) == list(range(1, wanted + 1)) and good == wanted and not failed


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with tempfile.TemporaryDirectory() as temporary:
        fine = [calibrate_together(Path(temporary)), write_together(Path(temporary))]
    sys.exit(0 if all(fine) else 1)
