"""Classifiers that see everything: rule scores and levels, and the CRM's context columns beside them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

Array = NDArray[Any]

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)  # inverse penalties tried by the logistic regression
MAX_ITER, EVERY = 60, 5  # small trees tried by the boosted model, at most and at a time
MANY = 5_000  # deals from which three times as many trees are tried
LEAST_CATEGORY = 3  # deals below which a category counts with the other rare ones
MAX_CATEGORIES = 200  # that a boosted tree can tell apart; the commonest keep their name


class RuleScores(TransformerMixin, BaseEstimator):
    """Documented scores beside the levels that they are made of, and context columns as they are.

    Parameters
    ----------
    rules : dict of str to (str, tuple of str)
        By name of the score, what it counts (``met`` or ``points``) and its criteria.
    criteria : tuple of str
        Criteria whose levels are columns of their own.
    context : dict of str to str
        Context columns, and what each is called.
    met_level : int
        Level from which a criterion is met.
    """

    def __init__(
        self,
        rules: dict[str, tuple[str, tuple[str, ...]]],
        criteria: tuple[str, ...],
        context: dict[str, str],
        met_level: int = 2,
    ) -> None:
        self.rules = rules
        self.criteria = criteria
        self.context = context
        self.met_level = met_level

    def fit(self, X: pd.DataFrame, y: Any = None) -> RuleScores:  # noqa: ARG002
        """Learn nothing.

        Parameters
        ----------
        X : DataFrame of shape (n, n_columns)
            Levels and context.
        y : object
            Not used.

        Returns
        -------
        RuleScores
            Itself.
        """
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Work out the scores.

        Parameters
        ----------
        X : DataFrame of shape (n, n_columns)
            Levels 0 to 4 by criterion, NaN where unknown, and context columns.

        Returns
        -------
        DataFrame of shape (n, n_rules + n_criteria + n_context)
            Numbers as float, NaN for unknown; anything else as text, None for unknown.
        """
        columns: dict[str, Any] = {}
        for name, (unit, criteria) in self.rules.items():
            levels = X.reindex(columns=list(criteria)).to_numpy(dtype=float)
            counted = levels >= self.met_level if unit == "met" else np.nan_to_num(levels)
            columns[name] = counted.sum(axis=1).astype(float)
        for name in self.criteria:
            columns[f"level of {name}"] = X[name].to_numpy(dtype=float)
        for name, called in self.context.items():
            values = X[name]
            if pd.api.types.is_numeric_dtype(values):
                columns[called] = values.to_numpy(dtype=float)
            else:
                columns[called] = values.astype(object).where(values.notna(), None).to_numpy()
        return pd.DataFrame(columns)


class CommonCategories(TransformerMixin, BaseEstimator):
    """Texts of few deals under one name, so that what is kept of the fit names no single customer.

    Parameters
    ----------
    least : int
        Deals from which a text keeps its name.

    Attributes
    ----------
    common_ : dict of str to list of str
        By column of texts, those that keep their name.
    """

    def __init__(self, least: int = LEAST_CATEGORY) -> None:
        self.least = least

    def fit(self, X: pd.DataFrame, y: Any = None) -> CommonCategories:  # noqa: ARG002
        """Count the texts.

        Parameters
        ----------
        X : DataFrame of shape (n, n_columns)
            Numbers, and texts with None for unknown.
        y : object
            Not used.

        Returns
        -------
        CommonCategories
            Itself.
        """
        self.n_features_in_ = X.shape[1]
        counts = {name: X[name].value_counts() for name in _kinds(X)[1]}
        self.common_ = {name: sorted(found.index[found >= self.least]) for name, found in counts.items()}
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Rename the others.

        Parameters
        ----------
        X : DataFrame of shape (n, n_columns)
            Columns as in `fit`.

        Returns
        -------
        DataFrame of shape (n, n_columns)
            Texts that are rare or new are ``(rare)``; None stays None.
        """
        check_is_fitted(self)
        named = {
            name: X[name].where(X[name].isin(common) | X[name].isna(), "(rare)")
            for name, common in self.common_.items()
        }
        return X.assign(**named)


class ContextClassifier(ClassifierMixin, BaseEstimator):
    """Wide classifier of won deals, tuned by log loss on inner folds that respect groups.

    Parameters
    ----------
    kind : {"logistic", "boosting"}
        Penalised logistic regression, or gradient-boosted trees whose prediction never falls when a level
        or a rule score rises.
    monotone : tuple of str
        Columns that are numbers and may only raise the boosted model's prediction.
    n_inner : int
        Inner folds.

    Attributes
    ----------
    classes_ : array of shape (2,)
        0 lost, 1 won.
    model_ : estimator
        The fitted pipeline.
    strength_ : float
        Inverse penalty, or number of trees, that was chosen.

    References
    ----------
    Friedman, J. (2001). Greedy function approximation: a gradient boosting machine. Annals of
    Statistics 29(5).
    """

    def __init__(
        self,
        kind: Literal["logistic", "boosting"] = "logistic",
        monotone: tuple[str, ...] = (),
        n_inner: int = 3,
    ) -> None:
        self.kind = kind
        self.monotone = monotone
        self.n_inner = n_inner

    def fit(self, X: pd.DataFrame, y: Any, sample_weight: Any = None, fold: Any = None) -> ContextClassifier:
        """Tune on inner folds and fit on all deals.

        Parameters
        ----------
        X : DataFrame of shape (n, n_columns)
            Numbers as float with NaN for unknown, anything else as text with None for unknown.
        y : array-like of shape (n,)
            1 won, 0 lost.
        sample_weight : array-like of shape (n,), optional
            Weight of each deal.
        fold : int array-like of shape (n,), optional
            Inner fold of each deal; by position where absent.

        Returns
        -------
        ContextClassifier
            Itself.
        """
        y = np.asarray(y, dtype=float)
        weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        fold = np.arange(len(y)) % self.n_inner if fold is None else np.asarray(fold)
        self.classes_ = np.array([0.0, 1.0])
        most = 3 * MAX_ITER if len(y) >= MANY else MAX_ITER
        tried = STRENGTHS if self.kind == "logistic" else tuple(range(EVERY, most + 1, EVERY))
        # columns are made once: scales and categories know nothing of the outcome
        prepare = self._columns(X)
        ready = np.asarray(prepare.fit_transform(X), dtype=float)
        losses = np.zeros(len(tried))
        for f in np.unique(fold):
            train, test = fold != f, fold == f
            if len(np.unique(y[train])) == 2:
                losses += self._losses(X, ready, y, weight, train, test, tried)
        self.strength_ = tried[int(np.argmin(losses))]
        model = self._model(X, self.strength_).fit(ready, y, weight)
        self.model_ = Pipeline([("columns", prepare), ("model", model)])
        return self

    def predict_proba(self, X: pd.DataFrame) -> Array:
        """Probability of each class.

        Parameters
        ----------
        X : DataFrame of shape (n, n_columns)
            Columns as in `fit`; categories never seen count as unknown.

        Returns
        -------
        array of shape (n, 2)
            P(lost) and P(won).
        """
        check_is_fitted(self)
        return np.asarray(self.model_.predict_proba(X))

    def predict(self, X: pd.DataFrame) -> Array:
        """Likelier class of each lead.

        Parameters
        ----------
        X : DataFrame of shape (n, n_columns)
            Columns as in `fit`.

        Returns
        -------
        array of shape (n,)
            0 or 1.
        """
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])

    def _losses(
        self,
        X: pd.DataFrame,
        ready: Array,
        y: Array,
        weight: Array,
        train: Array,
        test: Array,
        tried: tuple[float, ...],
    ) -> Array:
        """Held-out log loss of every strength."""
        seen, held = ready[train], ready[test]
        if self.kind == "logistic":
            fits = [self._model(X, c).fit(seen, y[train], weight[train]) for c in tried]
            probabilities = [fit.predict_proba(held)[:, 1] for fit in fits]
        else:
            silent = np.isnan(seen).all(axis=0)  # trees cannot bin what holds no value
            seen, held = np.where(silent, 0.0, seen), np.where(silent, 0.0, held)
            model = self._model(X, tried[-1]).fit(seen, y[train], weight[train])
            staged = model.staged_predict_proba(held)
            probabilities = [p[:, 1] for at, p in enumerate(staged, start=1) if at % EVERY == 0]
        out = []
        for p in probabilities:
            p = np.clip(p, 1e-12, 1 - 1e-12)
            out.append(-(weight[test] * (y[test] * np.log(p) + (1 - y[test]) * np.log(1 - p))).sum())
        return np.array(out)

    def _model(self, X: pd.DataFrame, strength: float) -> Any:
        if self.kind == "logistic":
            # second derivatives of all pairs of columns pay for few deals; lbfgs is the default elsewhere
            solver = "newton-cholesky" if len(X) < MANY else "lbfgs"
            return LogisticRegression(C=strength, solver=solver, max_iter=500)
        numbers, texts = _kinds(X)
        return HistGradientBoostingClassifier(
            learning_rate=0.15,
            max_iter=int(strength),
            max_leaf_nodes=4,
            min_samples_leaf=10,
            l2_regularization=1.0,
            early_stopping=False,
            categorical_features=[False] * len(numbers) + [True] * len(texts),
            monotonic_cst=[int(name in self.monotone) for name in numbers] + [0] * len(texts),
            random_state=0,
        )

    def _columns(self, X: pd.DataFrame) -> Any:
        numbers, texts = _kinds(X)
        if self.kind == "logistic":
            fill = SimpleImputer(strategy="mean", add_indicator=True, keep_empty_features=True)
            one_hot = OneHotEncoder(
                handle_unknown="infrequent_if_exist", min_frequency=LEAST_CATEGORY, drop=None
            )
            return make_column_transformer(
                (make_pipeline(fill, StandardScaler()), numbers), (one_hot, texts), sparse_threshold=0.0
            )
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            min_frequency=LEAST_CATEGORY,
            max_categories=MAX_CATEGORIES,
        )
        empty = [name for name in numbers if X[name].isna().all()]  # trees cannot bin what holds no value
        nothing = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
        known = [name for name in numbers if name not in empty]
        return make_column_transformer(("passthrough", known), (nothing, empty), (codes, texts))


def _kinds(X: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Numbers, those without any value last, and texts."""
    numbers = [str(name) for name in X.columns if pd.api.types.is_numeric_dtype(X[name])]
    texts = [str(name) for name in X.columns if name not in numbers]
    return sorted(numbers, key=lambda name: bool(X[name].isna().all())), texts
