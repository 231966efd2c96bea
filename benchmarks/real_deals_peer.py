"""One peer of `real_deals.py`, run in an environment of its own: PEER FOLDER.

It reads deals.parquet and folds.parquet of the folder, and writes predictions.parquet.
"""

import itertools
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

N_INNER = 3

Fit = Callable[[pd.DataFrame, np.ndarray], Any]


def lightgbm() -> list[Fit]:
    """Boosted trees of every size, learning rate and number."""
    from lightgbm import LGBMClassifier

    def make(leaves: int, rate: float, trees: int) -> Fit:
        return LGBMClassifier(
            n_estimators=trees, num_leaves=leaves, learning_rate=rate, n_jobs=1, random_state=0, verbose=-1
        ).fit

    return [make(*each) for each in itertools.product((4, 8, 16, 31), (0.05, 0.1), (25, 50, 100, 200))]


def ebm() -> list[Fit]:
    """Explainable boosting with and without interactions."""
    from interpret.glassbox import ExplainableBoostingClassifier

    return [
        ExplainableBoostingClassifier(interactions=pairs, outer_bags=4, n_jobs=1, random_state=0).fit
        for pairs in (0, 10)
    ]


def logistic() -> list[Fit]:
    """Penalised logistic regression on standardised numbers and one-hot texts."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def make(strength: float) -> Fit:
        numbers = make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler())
        columns = make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        )
        return make_pipeline(columns, LogisticRegression(C=strength, max_iter=500)).fit

    return [make(strength) for strength in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)]


def main() -> None:
    """Tune, fit and predict fold after fold."""
    warnings.simplefilter("ignore")
    peer, folder = sys.argv[1], Path(sys.argv[2])
    deals, folds = pd.read_parquet(folder / "deals.parquet"), pd.read_parquet(folder / "folds.parquet")
    won, ids = deals.pop("outcome").to_numpy(), deals.pop("lead_id")
    for name in deals.select_dtypes(exclude="number"):
        deals[name] = deals[name].astype("category")
    at = pd.Series(np.arange(len(ids)), ids)
    one_in_time = folds.fold.nunique() == 1
    out = []
    for _, held in folds.groupby("fold"):
        test = at[held.lead_id].to_numpy()
        train = np.setdiff1d(np.arange(len(won)), test)
        if one_in_time:  # what came after the first held-out deal does not train
            train = train[train < test.min()]
        inner = np.random.default_rng(0).permutation(len(train)) % N_INNER
        losses = []
        for fit in globals()[peer]():
            loss = 0.0
            for fold in range(N_INNER):
                seen, left = train[inner != fold], train[inner == fold]
                p = fit(deals.iloc[seen], won[seen]).predict_proba(deals.iloc[left])[:, 1]
                p = np.clip(p, 1e-12, 1 - 1e-12)
                loss -= float((won[left] * np.log(p) + (1 - won[left]) * np.log(1 - p)).sum())
            losses.append(loss)
        best = globals()[peer]()[int(np.argmin(losses))](deals.iloc[train], won[train])
        out.append(held.assign(probability=best.predict_proba(deals.iloc[test])[:, 1]))
    pd.concat(out).to_parquet(folder / "predictions.parquet", index=False)


if __name__ == "__main__":
    main()
