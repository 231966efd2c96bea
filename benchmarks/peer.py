"""What the peers do: read four criteria, predict a probability, write it. Runs in their environment.

``fit`` writes the models; ``score NAME`` is a whole process; ``memory NAME N`` prints seconds.
"""

from __future__ import annotations

import sys
import time
import warnings

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


MAKERS = {"sklearn": make_sklearn, "ebm": make_ebm, "optbinning": make_optbinning}


def fit() -> None:
    """Fit each peer; one that cannot be is left out, and said."""
    frame = pd.read_csv("leads.csv", nrows=N_FIT, usecols=[*CRITERIA, "status"])
    for name, make in MAKERS.items():
        try:
            model = make().fit(frame[CRITERIA], (frame["status"] == "Won").astype(int))
            joblib.dump(model, f"{name}.joblib")
            print(name)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)


def score(name: str) -> None:
    """Read, predict and write."""
    model = joblib.load(f"{name}.joblib")
    frame = pd.read_csv("leads.csv", usecols=["lead_id", *CRITERIA])
    chance = model.predict_proba(frame[CRITERIA])[:, 1]
    pd.DataFrame({"lead_id": frame["lead_id"], "probability": chance}).to_csv(f"{name}.csv", index=False)


def memory(name: str, n: int) -> None:
    """Time `predict_proba` in memory on n leads, warm."""
    model = joblib.load(f"{name}.joblib")
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 5, (n, 4)).astype(float)
    levels[rng.random((n, 4)) < 0.1] = np.nan
    frame = pd.DataFrame(levels, columns=CRITERIA)
    model.predict_proba(frame[: min(n, 1000)])
    times = []
    for _ in range(7 if n > 1000 else 200):
        begun = time.perf_counter()
        model.predict_proba(frame)
        times.append(time.perf_counter() - begun)
    print(sorted(times)[len(times) // 2])


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "fit":
        fit()
    elif what == "score":
        score(words[0])
    else:
        memory(words[0], int(words[1]))
