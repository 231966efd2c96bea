"""Peers of `calibrating.py`, run in an environment of their own: WHAT DATA.npz, one line of JSON out."""

import json
import sys
import time

import numpy as np


def main() -> None:
    """Time one peer on the data given."""
    what, path = sys.argv[1:3]
    data = np.load(path)
    if what == "glum":
        from glum import GeneralizedLinearRegressor

        rng = np.random.default_rng(0)
        n = len(data["won"])
        took = []
        for _ in range(4):
            weights = np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
            model = GeneralizedLinearRegressor(
                family="binomial", alpha=0, lower_bounds=np.zeros(data["steps"].shape[1])
            )
            start = time.perf_counter()
            model.fit(data["steps"], data["won"], sample_weight=weights)
            took.append(time.perf_counter() - start)
        print(json.dumps({"seconds": float(np.median(took[1:]))}))
        return
    from fasterrisk.fasterrisk import RiskScoreClassifier, RiskScoreOptimizer
    from sklearn.metrics import roc_auc_score

    y = np.where(data["won"] > 0, 1.0, -1.0)
    columns = np.hstack([np.ones((len(y), 1)), data["steps"]])
    start = time.perf_counter()
    search = RiskScoreOptimizer(X=columns, y=y, k=20)
    search.optimize()
    multiplier, intercept, coefficients = search.get_models(model_index=0)
    took = time.perf_counter() - start
    card = RiskScoreClassifier(multiplier, intercept, coefficients)
    held = np.hstack([np.ones((len(data["held"]), 1)), data["held"]])
    auc = roc_auc_score(data["held_won"], card.predict_prob(held))
    p = np.where(y > 0, card.predict_prob(columns), 1.0 - card.predict_prob(columns))
    found = {
        "seconds": round(took, 1),
        "log loss": round(float(-np.log(p).mean()), 4),
        "held-out AUC": round(float(auc), 4),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
