"""What leadml's cards rank like on real deals, against peers on the same held-out blocks.

``python benchmarks/real_deals.py --data FOLDER [--peers PYTHON]``: FOLDER holds b2b_deals/b2b_deals.csv and
bank_marketing/bank-additional-full.csv; PYTHON is an interpreter with requirements-peers.txt. A peer is a contender of
our own: it is fitted to the training deals of every block, on the criteria and the mapping's context columns, and
tuned inside them by log loss over three folds. Its rows are in the same log as those of leadml's cards.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

import leadml

HERE = Path(__file__).resolve().parent
FILES = {"b2b_deals": "b2b_deals/b2b_deals.csv", "bank_marketing": "bank_marketing/bank-additional-full.csv"}
SETTINGS = {"b2b_deals": {}, "bank_marketing": {"evaluation": {"growth": 2.0}}}
"""Of 41,188 calls in order, blocks that double: 9 of them, not 28."""
PEERS = ("lightgbm", "catboost", "ebm", "logistic", "optbinning")


class Elsewhere(ClassifierMixin, BaseEstimator):
    """A classifier that lives in another environment: files go there, probabilities come back."""

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        self.python = python

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Elsewhere:
        """Tune and fit over there."""
        self.classes_ = np.unique(y)
        self.folder_ = Path(tempfile.mkdtemp(prefix="peer-"))
        X.assign(outcome__=y).to_parquet(self.folder_ / "train.parquet")
        self._run("fit-deals")
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Predict over there."""
        X.to_parquet(self.folder_ / "test.parquet")
        self._run("predict-deals")
        won = np.load(self.folder_ / "won.npy")
        return np.stack([1 - won, won], axis=1)

    def _run(self, what: str) -> None:
        subprocess.run([self.python, str(HERE / "peers.py"), what, self.name, str(self.folder_)], check=True)


def compare(name: str, data: Path, python: str | None, peers: list[str]) -> pd.DataFrame:
    """AUC, log loss and Brier score of every contender on the same held-out deals, best first."""
    leads = leadml.read_leads(data / FILES[name], HERE.parent / "configs" / "mappings" / f"{name}.yaml")
    rivals = [(f"peer-{peer}", Pipeline([("peer", Elsewhere(peer, python))])) for peer in peers] if python else []
    ours = ["integer", "context-logistic", "context-boosting", "prior"]
    found = leadml.calibrate(leads, SETTINGS[name], contenders=[*ours, *rivals])
    print(f"\n{name}: {found.result.evaluation.n:,.0f} held-out rows in {len(found.result.evaluation.blocks)} blocks")
    print(f"recommended: {found.result.recommended.contender}. {found.result.recommended.because}")
    table = found.contenders.pivot_table(index=["contender", "kind"], columns="figure", values="value")
    columns = ["auc", "log_loss", "brier", "calibration_slope"]
    return table[columns].sort_values("auc", ascending=False).round(4)


def main() -> None:
    """Print a table a data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--peers", help="python of an environment with requirements-peers.txt")
    parser.add_argument("--names", default=",".join(FILES), help="data sets")
    parser.add_argument("--only", default=",".join(PEERS), help="peers")
    given = parser.parse_args()
    for name in given.names.split(","):
        print(compare(name, given.data, given.peers, given.only.split(",")).to_string(), flush=True)


if __name__ == "__main__":
    main()
