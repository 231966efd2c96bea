"""What leadml finds in real deals, against peers on the same folds and against shuffled outcomes.

Run ``python benchmarks/real_deals.py --data FOLDER``: FOLDER holds b2b_deals/b2b_deals.csv and
bank_marketing/bank-additional-full.csv. ``--peers PYTHON`` names the interpreter of an environment with
lightgbm, interpret-core and pandas, ``--fasterrisk PYTHON`` one with fasterrisk; without them only leadml's
own figures are printed. The peers read the folds out of predictions.parquet and see the columns that the
mapping names; each is tuned inside its training part by log loss over three folds, as leadml's own are. Of
repeated folds the first ten are compared.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibrating import peer
from sklearn.metrics import roc_auc_score

import leadml
from leadml.estimators.design import step_columns
from leadml.leads import load_mapping, read_leads
from leadml.leads.model import Leads
from leadml.workflows.experiment import Experiment

HERE = Path(__file__).resolve().parent
FILES = {
    "b2b_deals": "b2b_deals/b2b_deals.csv",
    "bank_marketing": "bank_marketing/bank-additional-full.csv",
}
N_FOLDS = 10


def read(name: str, data: Path) -> Leads:
    """Read one of the data sets as its mapping says."""
    return read_leads(data / FILES[name], load_mapping(HERE.parent / "configs" / "mappings" / f"{name}.yaml"))


def figures(held: pd.DataFrame) -> dict[str, float]:
    """Mean AUC of the folds, log loss a deal, and the share of the wins in the best half."""
    folds = [roc_auc_score(each.outcome, each.probability) for _, each in held.groupby("fold")]
    p = np.clip(held.probability, 1e-12, 1 - 1e-12)
    best = held.sort_values("probability", ascending=False, kind="stable").outcome.to_numpy()
    return {
        "AUC": round(float(np.mean(folds)), 4),
        "log loss": round(float(-np.where(held.outcome == 1, np.log(p), np.log(1 - p)).mean()), 4),
        "wins in the best half": round(float(best[: len(best) // 2].sum() / best.sum()), 3),
    }


def compare(name: str, data: Path, peers: str | None, split: dict[str, Any] | None = None) -> dict[str, Any]:
    """Judge leadml's contenders, and the peers on the same folds."""
    leads = read(name, data)
    settings = Experiment(bootstrap=50, **({"split": split} if split else {}))
    predictions = leadml.calibrate(leads, settings).predictions
    predictions = predictions[(predictions.fold < N_FOLDS) & predictions.probability.notna()]
    out = {who: figures(held) for who, held in predictions.groupby("contender")}
    if peers:
        for rival in ("lightgbm", "ebm", "logistic"):
            out[f"peer {rival}"] = figures(run_peer(rival, peers, leads, predictions))
    best = {
        kind: max(
            (found["AUC"] for who, found in out.items() if who.startswith("peer ") == (kind == "peers")),
            default=float("nan"),
        )
        for kind in ("leadml", "peers")
    }
    return out | {"best AUC": best, "leadml's less the peers'": round(best["leadml"] - best["peers"], 4)}


def run_peer(rival: str, python: str, leads: Leads, predictions: pd.DataFrame) -> pd.DataFrame:
    """Fit a peer on what every fold leaves to train on, in its own environment."""
    one = predictions[predictions.contender == "prior"]
    table = leads.levels.join(leads.context).assign(outcome=leads.outcome, lead_id=leads.lead_id.astype(str))
    with tempfile.TemporaryDirectory() as folder:
        table.to_parquet(Path(folder) / "deals.parquet", index=False)
        one.to_parquet(Path(folder) / "folds.parquet", index=False)
        alone = os.environ | {"OMP_NUM_THREADS": "1"}  # small trees wait for each other longer than they work
        subprocess.run([python, str(HERE / "real_deals_peer.py"), rival, folder], check=True, env=alone)
        return pd.read_parquet(Path(folder) / "predictions.parquet")


def shuffle(name: str, data: Path, times: int) -> dict[str, Any]:
    """Share of runs on shuffled outcomes in which learning is said to beat the document."""
    leads = read(name, data)
    policies = ("bant-ibm", "bant-points")
    settings = Experiment(
        policies=policies,
        contenders=("cutoff", "integer", "prior"),
        bootstrap=200,
        split={"kind": "grouped-kfold", "folds": 10, "repeats": 1},
    )
    said: dict[str, list[str]] = {policy: [] for policy in policies}
    for seed in range(times):
        outcome = np.random.default_rng(seed).permutation(leads.outcome)
        result = leadml.calibrate(dataclasses.replace(leads, outcome=outcome), settings).result
        for policy in result["policies"]:
            said[policy["id"]] += [policy["verdict_weights"]]
    return {name: {word: words.count(word) / times for word in set(words)} for name, words in said.items()}


def round_points(name: str, data: Path, fasterrisk: str | None) -> dict[str, Any]:
    """Log loss a deal that whole points reach on the deals they are learned from: FasterRisk's objective."""
    leads = read(name, data)
    levels, won = leads.levels.to_numpy(), leads.outcome
    card = leadml.ScorecardClassifier(shrink=0.0, smooth=0.0, integer=True).fit(levels, won)
    p = card.predict_proba(levels)[:, 1]
    out: dict[str, Any] = {"leadml": round(float(-np.log(np.where(won == 1, p, 1 - p)).mean()), 4)}
    if fasterrisk:
        steps = step_columns(levels)[:, 1:]
        out["FasterRisk"] = peer(
            fasterrisk, "fasterrisk", {"steps": steps, "won": won, "held": steps, "held_won": won}
        )
    return out


def main() -> None:
    """Print everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--peers", help="python of an environment with lightgbm and interpret-core")
    parser.add_argument("--fasterrisk", help="python of an environment with fasterrisk")
    parser.add_argument("--shuffles", type=int, default=100)
    given = parser.parse_args()
    random = {"kind": "grouped-kfold", "folds": 5, "repeats": 1}
    for what, found in (
        ("b2b_deals, grouped", lambda: compare("b2b_deals", given.data, given.peers)),
        ("bank_marketing, out of time", lambda: compare("bank_marketing", given.data, given.peers)),
        ("bank_marketing, split at random", lambda: compare("bank_marketing", given.data, None, random)),
        ("b2b_deals, whole points", lambda: round_points("b2b_deals", given.data, given.fasterrisk)),
        ("b2b_deals, outcomes shuffled", lambda: shuffle("b2b_deals", given.data, given.shuffles)),
    ):
        print(json.dumps({what: found()}, indent=2), flush=True)


if __name__ == "__main__":
    main()
