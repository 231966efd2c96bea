"""What the classifiers share: fit and predict, which label is won, criteria found by name, levels checked."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval, InvalidParameterError
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from leadml.exceptions import UsageError
from leadml.frameworks.catalog import load_framework
from leadml.levels import CANONICAL, LEVEL_MAX, Flags, Floats, logistic

Array = npt.NDArray[Any]

NUMBERS: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
"""What scikit-learn makes of an array."""
POINTS = Interval(Integral, 4, 1000, closed="both")
"""Points in all, of a learned card."""


class LeadClassifier(ClassifierMixin, BaseEstimator):
    """Base of the classifiers: two classes, of which `won` names the one that counts as won."""

    framework: Any
    won: Any
    classes_: Array
    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Check the parameters and the closed deals; learn from them what is to be learned.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels 0 to 4, NaN = unknown.
        y : array-like of shape (n,)
            Outcomes, two classes.
        sample_weight : array-like of shape (n,), optional
            How many deals each row stands for, at least 0.

        Raises
        ------
        ValueError
            A parameter is out of its range, a weight is negative, a level is none of 0 to 4, a criterion has no column,
            or `y` has not two classes.
        """
        self._check_parameters()
        # Of a frame, such as MappingEncoder makes, columns that are no criterion are none of a rule or scorecard.
        self.criteria_ = self._criteria() or tuple(c for c in getattr(X, "columns", ()) if c in CANONICAL)
        X, y = validate_data(self, criteria_of(X, self.criteria_), y, **NUMBERS)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self._learn(self._checked(X), self._outcomes(y), weight)
        return self

    def _check_parameters(self) -> None:
        try:
            self._validate_params()
        except InvalidParameterError as error:
            raise UsageError(str(error)) from None

    def _criteria(self) -> tuple[str, ...]:
        """Criteria by which columns are named; none: every column is one."""
        return () if self.framework is None else load_framework(self.framework).criterion_ids

    def _checked(self, X: Floats) -> Floats:
        return check_levels(X, self.criteria_ or getattr(self, "feature_names_in_", ()))

    def _learn(self, X: Floats, won: Flags, weight: Floats) -> None:
        raise NotImplementedError

    def _levels(self, X: Any) -> Floats:
        """Levels of leads to score."""
        check_is_fitted(self)
        return self._checked(validate_data(self, criteria_of(X, self.criteria_), reset=False, **NUMBERS))

    def _outcomes(self, y: Any) -> Flags:
        """(n,) whether each deal was won; sets ``classes_``, in sorted order, and ``won_``."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise UsageError(f"Only binary classification is supported. The type of the target is {kind}.")
        y = np.asarray(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise UsageError(f"y holds one class ({self.classes_[0]!r}); valid: two classes, lost and won; check y")
        self.won_ = won_of(self.classes_.tolist(), self.won)
        return np.asarray(y == self.won_)

    def _score(self, X: Any) -> Floats:
        """(n,) score that rises with the chance of winning, above 0 where it is said."""
        raise NotImplementedError

    def decision_function(self, X: Any) -> Floats:
        """(n,) score less cut-off of a documented rule, or log-odds of a learned card, by columns as in `fit`.

        Above 0 where won is said; with the sign turned where won is the first of ``classes_``, since scikit-learn reads
        a positive number as the second.
        """
        check_is_fitted(self)
        score = self._score(X)
        return score if self.won_ == self.classes_[1] else -score

    def predict(self, X: Any) -> Array:
        """(n,) of ``classes_``, by columns as in `fit`: the documented cut-off decides, or the likelier class wins.

        Cut-offs from consequences are those of `leadml.calibrate`.
        """
        second = self.decision_function(X) > 0.0
        return np.asarray(self.classes_[second.astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True  # on twenty rows of anything
        tags.input_tags.allow_nan = True
        return tags


class ChanceClassifier(LeadClassifier):
    """Base of the classifiers that know chances."""

    def predict_proba(self, X: Any) -> Floats:
        """(n, 2) probabilities in the order of ``classes_``, by columns as in `fit`."""
        second = logistic(self.decision_function(X))
        return np.stack([1.0 - second, second], axis=1)


def won_of(labels: list[Any], won: Any = None) -> Any:
    """Which of two sorted labels counts as won: as told, else the one whose word is known, else the greater."""
    if won is not None:
        if won not in labels:
            raise UsageError(f"won is {won!r}; valid: a label of y, {labels[0]!r} or {labels[1]!r}")
        return won
    if not any(isinstance(label, str) for label in labels):
        return labels[1]
    from leadml.data.new_mapping import KNOWN

    for words, is_won in ((KNOWN.won, True), (KNOWN.lost, False)):
        said = [re.fullmatch(words, str(label).strip(), re.IGNORECASE) is not None for label in labels]
        if sum(said) == 1:
            return labels[said.index(is_won)]
    warnings.warn(
        f"y holds {labels[0]!r} and {labels[1]!r}; the greater, {labels[1]!r}, counts as won; say which with won=",
        stacklevel=4,
    )
    return labels[1]


def criteria_of(X: Any, names: Sequence[str]) -> Any:
    """Criteria of a frame by name, in any order; of an array, as many columns as there are names; without names all."""
    if not names:
        return X
    if (columns := getattr(X, "columns", None)) is not None:
        if missing := [name for name in names if name not in set(columns)]:
            there = ", ".join(map(str, columns))
            raise UsageError(f"X: has no column {', '.join(missing)}; it has {there}; add it, NaN for unknown")
        return X[list(names)]
    if np.ndim(X) == 2 and np.shape(X)[1] != len(names):
        raise UsageError(f"X: got {np.shape(X)[1]} columns; valid: {', '.join(names)}; give these in order")
    return X


def check_levels(X: Floats, names: Sequence[str] = (), *, whole: bool = False) -> Floats:
    """Levels 0 to 4 or NaN; the first other one is named with its row (from 0) and column."""
    wrong = (X < 0) | np.greater(X, LEVEL_MAX)
    if whole:
        wrong |= ~np.isnan(X) & (np.floor(X) != X)
    if wrong.any():
        row, j = np.argwhere(wrong)[0]
        column = names[j] if len(names) else f"column {j}"
        valid = "0 to 4, NaN for unknown; RubricEncoder makes levels of other values"
        raise UsageError(f"X: row {row}, {column}: got level {X[row, j]:g}; valid: {valid}")
    return X
