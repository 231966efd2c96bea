"""Wide classifiers: penalised logistic regression and boosted trees that see levels, rule scores and CRM columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

Floats = npt.NDArray[np.float64]
Chosen = tuple[float, int]
"""Inverse penalty and 0, or number of trees and their leaves."""

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse penalties tried by the logistic regression."""
TREES = tuple(range(5, 201, 5))
LEAST_CATEGORY = 10
"""Deals below which a word counts with the other rare ones: what is stored names no single customer."""
MAX_CATEGORIES = 200
ONE_THREAD_BELOW = 10_000
N_INNER = 3


class ContextClassifier(ClassifierMixin, BaseEstimator):
    """Logistic regression or boosted trees over numbers (NaN = unknown) and words (None = blank), tuned by log loss.

    `kind` is "logistic" or "boosting"; inner folds keep `groups` whole, unless it was `chosen` before what is fitted.
    Labels are 0 and 1; nothing is constrained to rise.
    """

    def __init__(
        self, kind: Literal["logistic", "boosting"] = "logistic", random_state: int = 0, chosen: Chosen | None = None
    ) -> None:
        self.kind = kind
        self.random_state = random_state
        self.chosen = chosen

    def fit(self, X: pd.DataFrame, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Choose the strength, or size and number of trees, by inner folds; then fit all deals."""
        from threadpoolctl import threadpool_limits

        frame, won = _frame(X), np.asarray(y)
        self.classes_ = np.array([0, 1])
        weight = np.ones(len(won)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        # small teams of threads wait for each other longer than they work
        with threadpool_limits(1 if len(won) < ONE_THREAD_BELOW else None):
            self.columns_ = self._columns(frame)
            ready = np.asarray(self.columns_.fit_transform(frame), dtype=np.float64)
            if self.kind == "boosting":  # trees cannot bin what holds no value
                ready[:, np.isnan(ready).all(axis=0)] = 0.0
            self.chosen_ = self.chosen or self._choose(ready, won, weight, groups)
            self.model_ = self._model(*self.chosen_).fit(ready, won, weight)
        return self

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """(n, 2) chances of losing and winning; a word never seen counts as a rare one."""
        ready = np.asarray(self.columns_.transform(_frame(X)), dtype=np.float64)
        return np.asarray(self.model_.predict_proba(ready))

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """(n,) likelier classes."""
        return np.asarray(np.argmax(self.predict_proba(X), axis=1))

    def _columns(self, frame: pd.DataFrame) -> Any:
        numbers = [c for c in frame.columns if pd.api.types.is_numeric_dtype(frame[c])]
        words = [c for c in frame.columns if c not in numbers]
        self.is_word_ = [False] * len(numbers) + [True] * len(words)
        least = min(LEAST_CATEGORY, max(1, len(frame) // 3))
        if self.kind == "logistic":
            fill = SimpleImputer(strategy="mean", add_indicator=True, keep_empty_features=True)
            one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=least, sparse_output=False)
            return make_column_transformer((make_pipeline(fill, StandardScaler()), numbers), (one_hot, words))
        ordinal = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan,
            min_frequency=least, max_categories=MAX_CATEGORIES,
        )  # fmt: skip
        return make_column_transformer(("passthrough", numbers), (ordinal, words))

    def _choose(self, ready: Floats, won: npt.NDArray[Any], weight: Floats, groups: Any) -> Chosen:
        """What has the least held-out log loss; large trees have nothing to tell small data from."""
        n = weight.sum()
        leaves = (0,) if self.kind == "logistic" else (4,) if n < 1_000 else (4, 8) if n < 20_000 else (8, 31)
        tried = STRENGTHS if self.kind == "logistic" else TREES
        rng = np.random.default_rng(self.random_state)
        unit = rng.permutation(len(won)) if groups is None else np.unique(groups, return_inverse=True)[1]
        losses = np.zeros((len(leaves), len(tried)))
        folds = min(N_INNER, len(np.unique(unit)))
        for train, test in GroupKFold(folds).split(ready, won, unit) if folds > 1 else ():
            if len(np.unique(won[train])) < 2:
                continue
            for i, size in enumerate(leaves):
                for j, p in enumerate(self._path(ready[train], won[train], weight[train], ready[test], size)):
                    losses[i, j] += log_loss(won[test], p, sample_weight=weight[test], labels=[0, 1], normalize=False)
        best = np.unravel_index(int(np.argmin(losses)), losses.shape)
        return tried[best[1]], leaves[best[0]]

    def _path(self, seen: Floats, won: npt.NDArray[Any], weight: Floats, held: Floats, leaves: int) -> Iterator[Floats]:
        """P(won) of held-out deals for each strength, or number of trees."""
        if self.kind == "logistic":
            return (self._model(c, 0).fit(seen, won, weight).predict_proba(held)[:, 1] for c in STRENGTHS)
        silent = np.isnan(seen).all(axis=0)  # trees cannot bin what holds no value
        model = self._model(TREES[-1], leaves).fit(np.where(silent, 0.0, seen), won, weight)
        staged = model.staged_predict_proba(np.where(silent, 0.0, held))
        return (p[:, 1] for n_trees, p in enumerate(staged, start=1) if n_trees in TREES)

    def _model(self, strength: float, leaves: int) -> Any:
        if self.kind == "logistic":
            return LogisticRegression(C=strength, solver="lbfgs", max_iter=1000)
        return HistGradientBoostingClassifier(
            learning_rate=0.1, max_iter=int(strength), max_leaf_nodes=leaves, min_samples_leaf=10,
            l2_regularization=1.0, early_stopping=False, categorical_features=self.is_word_,
            random_state=self.random_state,
        )  # fmt: skip


def _frame(X: pd.DataFrame) -> pd.DataFrame:
    return X.astype({c: object for c in X.columns if not pd.api.types.is_numeric_dtype(X[c])})
