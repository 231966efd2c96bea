"""What the peers do, in an environment of their own: read four criteria, predict, write; or fit a wide model.

``score NAME`` is a whole process (CSV to CSV, no reasons), ``memory NAME N`` and ``fit-lightgbm`` print seconds;
``fit-deals NAME FOLDER`` and ``predict-deals NAME FOLDER`` serve real_deals.py.
"""

from __future__ import annotations

import itertools
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

CRITERIA = ["budget", "authority", "need", "timeline"]
N_FIT = 20_000
warnings.simplefilter("ignore")


def make_sklearn():
    """OneHotEncoder and LogisticRegression, as a pipeline."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=500))


def make_ebm():
    """An explainable boosting machine, as it comes."""
    from interpret.glassbox import ExplainableBoostingClassifier

    return ExplainableBoostingClassifier(random_state=0)


def make_optbinning():
    """A scorecard on optimal bins."""
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    return Scorecard(binning_process=BinningProcess(CRITERIA), estimator=LogisticRegression(max_iter=500))


def load(name: str):
    """Fit a peer, or load the one that was fitted."""
    kept = Path(f"{name}.joblib")
    if not kept.exists():
        frame = pd.read_csv("leads.csv", nrows=N_FIT, usecols=[*CRITERIA, "status"])
        maker = {"sklearn": make_sklearn, "ebm": make_ebm, "optbinning": make_optbinning}[name]
        joblib.dump(maker().fit(frame[CRITERIA], (frame["status"] == "Won").astype(int)), kept)
    return joblib.load(kept)


def score(name: str) -> None:
    """Read, predict and write."""
    model = load(name)
    frame = pd.read_csv("leads.csv", usecols=["lead_id", *CRITERIA])
    chance = model.predict_proba(frame[CRITERIA])[:, 1]
    pd.DataFrame({"lead_id": frame["lead_id"], "probability": chance}).to_csv(f"{name}.csv", index=False)


def memory(name: str, n: str) -> None:
    """Time `predict_proba` on n leads in memory, warm."""
    model, rng, size = load(name), np.random.default_rng(0), int(n)
    levels = rng.integers(0, 5, (size, 4)).astype(float)
    levels[rng.random((size, 4)) < 0.1] = np.nan
    frame = pd.DataFrame(levels, columns=CRITERIA)
    model.predict_proba(frame[: min(size, 1000)])
    times = []
    for _ in range(7 if size > 1000 else 200):
        begun = time.perf_counter()
        model.predict_proba(frame)
        times.append(time.perf_counter() - begun)
    print(sorted(times)[len(times) // 2])


def fit_lightgbm() -> None:
    """One fit, as it comes, on one core."""
    from lightgbm import LGBMClassifier

    frame = pd.read_parquet("deals.parquet")
    won = frame.pop("won")
    frame = frame.astype(dict.fromkeys(frame.select_dtypes(exclude="number"), "category"))
    begun = time.perf_counter()
    LGBMClassifier(n_jobs=1, verbose=-1).fit(frame, won)
    print(time.perf_counter() - begun)


def grid(name: str, columns: list[str], words: list[str]):
    """Models to choose from, by log loss."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if name == "lightgbm":
        from lightgbm import LGBMClassifier

        sizes = itertools.product((4, 8, 31), (25, 50, 100, 200))
        return [
            LGBMClassifier(n_estimators=n, num_leaves=k, learning_rate=0.05, n_jobs=1, verbose=-1) for k, n in sizes
        ]
    if name == "catboost":
        from catboost import CatBoostClassifier

        fixed = {"cat_features": words, "thread_count": 1, "verbose": False, "allow_writing_files": False}
        return [CatBoostClassifier(iterations=n, depth=d, **fixed) for d, n in itertools.product((3, 6), (100, 300))]
    if name == "ebm":
        from interpret.glassbox import ExplainableBoostingClassifier

        return [ExplainableBoostingClassifier(interactions=k, outer_bags=4, n_jobs=1) for k in (0, 10)]
    if name == "optbinning":
        from optbinning import BinningProcess, Scorecard

        process = BinningProcess(columns, categorical_variables=words)
        return [Scorecard(process, LogisticRegression(C=strength, max_iter=500)) for strength in (0.1, 1.0)]
    numbers = make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore")
    select = make_column_selector
    table = make_column_transformer(
        (numbers, select(dtype_include="number")), (one_hot, select(dtype_exclude="number"))
    )
    strengths = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
    return [make_pipeline(table, LogisticRegression(C=strength, max_iter=500)) for strength in strengths]


def prepared(name: str, frame: pd.DataFrame, levels: dict[str, pd.Index] | None = None) -> pd.DataFrame:
    """Words as each peer wants them: categories, or texts."""
    for column in frame.select_dtypes(exclude="number"):
        texts = frame[column].astype(object).where(frame[column].notna(), "blank").astype(str)
        frame[column] = pd.Categorical(texts, levels[column]) if levels and name == "lightgbm" else texts
    return frame


def fit_deals(name: str, folder: str) -> None:
    """Choose by log loss over three folds, and fit."""
    frame = pd.read_parquet(Path(folder) / "train.parquet")
    won = frame.pop("outcome__").to_numpy()
    frame = prepared(name, frame)
    words = list(frame.select_dtypes(exclude="number"))
    levels = {column: pd.Index(frame[column].unique()) for column in words}
    frame = prepared(name, frame, levels)
    inner = np.random.default_rng(0).permutation(len(won)) % 3
    losses = []
    for model in grid(name, list(frame), words):
        p = np.empty(len(won))
        for fold in range(3):
            seen = inner != fold
            p[~seen] = model.fit(frame[seen], won[seen]).predict_proba(frame[~seen])[:, 1]
        p = np.clip(p, 1e-9, 1 - 1e-9)
        losses.append(-np.mean(won * np.log(p) + (1 - won) * np.log(1 - p)))
    best = grid(name, list(frame), words)[int(np.argmin(losses))].fit(frame, won)
    joblib.dump((best, levels), Path(folder) / "model.joblib")


def predict_deals(name: str, folder: str) -> None:
    """Predict, into won.npy."""
    model, levels = joblib.load(Path(folder) / "model.joblib")
    frame = prepared(name, pd.read_parquet(Path(folder) / "test.parquet"), levels)
    np.save(Path(folder) / "won.npy", model.predict_proba(frame)[:, 1])


if __name__ == "__main__":
    WORK = {
        "score": score, "memory": memory, "fit-lightgbm": fit_lightgbm, "fit-deals": fit_deals,
        "predict-deals": predict_deals,
    }  # fmt: skip
    WORK[sys.argv[1]](*sys.argv[2:])
