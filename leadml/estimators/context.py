"""Wide classifiers: penalised logistic regression and boosted trees that see levels, rule scores and CRM columns."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

Floats = npt.NDArray[np.float64]

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse penalties tried by the logistic regression."""
MAX_TREES, EVERY = 200, 5
LEAST_CATEGORY = 10
"""Deals below which a word counts with the other rare ones: what is stored names no single customer."""
MAX_CATEGORIES = 200
MANY_DEALS = 5_000
ONE_THREAD_BELOW = 10_000
N_INNER = 3


def leaves_tried(n: float) -> tuple[int, ...]:
    """Sizes of trees worth trying on n deals: large trees have nothing to tell small data from."""
    return (4,) if n < 1_000 else (4, 8) if n < 20_000 else (8, 31)


class ContextClassifier(ClassifierMixin, BaseEstimator):
    """Logistic regression or boosted trees over numbers (NaN = unknown) and words (None = blank), tuned by log loss.

    `kind` is "logistic" or "boosting"; inner folds keep `groups` whole. Nothing is constrained to rise.
    """

    def __init__(self, kind: Literal["logistic", "boosting"] = "logistic", random_state: int = 0) -> None:
        self.kind = kind
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Choose the strength, or size and number of trees, by inner folds; then fit all deals."""
        from threadpoolctl import threadpool_limits

        frame = _frame(X)
        self.classes_, won = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(f"got {len(self.classes_)} class(es); valid: 2 classes, lost and won; check y")
        self.n_features_in_ = frame.shape[1]
        weight = np.ones(len(won)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        # small teams of threads wait for each other longer than they work
        with threadpool_limits(1 if len(won) < ONE_THREAD_BELOW else None):
            self.columns_ = self._columns(frame)
            ready = np.asarray(self.columns_.fit_transform(frame), dtype=np.float64)
            if self.kind == "boosting":  # trees cannot bin what holds no value
                ready[:, np.isnan(ready).all(axis=0)] = 0.0
            self.chosen_ = self._choose(ready, won, weight, groups)
            self.model_ = self._model(*self.chosen_).fit(ready, won, weight)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """(n, 2) chances of losing and winning; a word never seen counts as a rare one."""
        check_is_fitted(self)
        return np.asarray(self.model_.predict_proba(np.asarray(self.columns_.transform(_frame(X)), dtype=np.float64)))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """(n,) likelier classes."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])

    def _columns(self, frame: pd.DataFrame) -> Any:
        numbers = [c for c in frame.columns if pd.api.types.is_numeric_dtype(frame[c])]
        words = [c for c in frame.columns if c not in numbers]
        least = min(LEAST_CATEGORY, max(1, len(frame) // 3))
        if self.kind == "logistic":
            fill = SimpleImputer(strategy="mean", add_indicator=True, keep_empty_features=True)
            one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=least, sparse_output=False)
            return make_column_transformer((make_pipeline(fill, StandardScaler()), numbers), (one_hot, words))
        ordinal = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan,
            min_frequency=least, max_categories=MAX_CATEGORIES,
        )  # fmt: skip
        self.n_numbers_, self.n_words_ = len(numbers), len(words)
        return make_column_transformer(("passthrough", numbers), (ordinal, words))

    def _choose(self, ready: Floats, won: npt.NDArray[Any], weight: Floats, groups: Any) -> tuple[float, int]:
        """(inverse penalty, 0), or (number of trees, leaves), of least held-out log loss."""
        leaves = (0,) if self.kind == "logistic" else leaves_tried(weight.sum())
        tried = STRENGTHS if self.kind == "logistic" else tuple(range(EVERY, MAX_TREES + 1, EVERY))
        rng = np.random.default_rng(self.random_state)
        unit = rng.permutation(len(won)) if groups is None else np.unique(groups, return_inverse=True)[1]
        losses = np.zeros((len(leaves), len(tried)))
        folds = min(N_INNER, len(np.unique(unit)))
        for train, test in GroupKFold(folds).split(ready, won, unit) if folds > 1 else ():
            if len(np.unique(won[train])) < 2:
                continue
            for i, size in enumerate(leaves):
                for j, p in enumerate(self._path(ready[train], won[train], weight[train], ready[test], tried, size)):
                    p = np.clip(p, 1e-12, 1 - 1e-12)
                    losses[i, j] -= weight[test] @ np.where(won[test] == 1, np.log(p), np.log1p(-p))
        best = np.unravel_index(int(np.argmin(losses)), losses.shape)
        return tried[best[1]], leaves[best[0]]

    def _path(
        self, seen: Floats, won: npt.NDArray[Any], weight: Floats, held: Floats, tried: tuple[float, ...], leaves: int
    ) -> Any:
        """P(won) of held-out deals for each strength."""
        if self.kind == "logistic":
            return (self._model(c, 0).fit(seen, won, weight).predict_proba(held)[:, 1] for c in tried)
        silent = np.isnan(seen).all(axis=0)  # trees cannot bin what holds no value
        model = self._model(tried[-1], leaves).fit(np.where(silent, 0.0, seen), won, weight)
        staged = model.staged_predict_proba(np.where(silent, 0.0, held))
        return (p[:, 1] for at, p in enumerate(staged, start=1) if at % EVERY == 0)

    def _model(self, strength: float, leaves: int) -> Any:
        if self.kind == "logistic":
            return LogisticRegression(C=strength, solver="lbfgs", max_iter=1000)
        return HistGradientBoostingClassifier(
            learning_rate=0.1,
            max_iter=int(strength),
            max_leaf_nodes=leaves,
            min_samples_leaf=10,
            l2_regularization=1.0,
            early_stopping=False,
            categorical_features=[False] * self.n_numbers_ + [True] * self.n_words_,
            random_state=self.random_state,
        )


def _frame(X: Any) -> pd.DataFrame:
    if not isinstance(X, pd.DataFrame):
        return pd.DataFrame(np.asarray(X, dtype=np.float64)).rename(columns=str)
    return X.astype({c: object for c in X.columns if not pd.api.types.is_numeric_dtype(X[c])})
