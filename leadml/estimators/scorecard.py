"""The learned scorecard as a scikit-learn classifier: points that closed deals wrote."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from leadml.estimators.design import check_documented_points, group_rows, points_of, step_columns
from leadml.estimators.integer_points import IntegerCard, find_integer_card
from leadml.estimators.monotone_fit import (
    Strength,
    cross_validate_strengths,
    fit_scorecards,
    make_grid,
)

Array = NDArray[Any]


class ScorecardClassifier(ClassifierMixin, BaseEstimator):
    """Monotone scorecard, learned as a penalised departure from the documented points.

    logit P(won | x) = b + sum_j f_j(x_j), where f_j never falls from level 0 to 4 and an unknown earns
    something between f_j(0) and f_j(4). Minimises the weighted log loss plus `shrink` times the departure
    between criteria from the documented line plus `smooth` times the departure within a criterion from
    its documented shape.

    Parameters
    ----------
    documented_points : array-like of shape (n_criteria, 5), optional
        Points of levels 0 to 4 as documented; 0, 1, 2, 3, 4 for each criterion by default.
    shrink : float or "cv"
        inf keeps the documented points and fits one slope (the documented rule, calibrated); 0 re-weights
        freely; "cv" chooses by cross-validated log loss.
    smooth : float or "cv"
        inf keeps each criterion's documented shape; 0 leaves its steps free; "cv" chooses.
    integer : bool
        Whether to use whole points with the documented total kept.
    max_steps : int, optional
        Steps that may earn whole points at most, for a shorter card.
    folds : int
        Folds of the cross-validation, at least 2; equal rows stay together.
    one_standard_error : bool
        Whether "cv" takes the strength nearest the document within one standard error of the best.
    random_state : int
        Seed of the folds.

    Attributes
    ----------
    classes_ : array of shape (2,)
        Lost and won, in sorted order.
    points_ : array of shape (n_criteria, 5)
        Log-odds of levels 0 to 4 (times the slope, when whole points are used).
    unknown_points_ : array of shape (n_criteria,)
        Log-odds of an unknown.
    intercept_ : float
        Log-odds at level 0 throughout.
    shrink_, smooth_ : float
        Strengths used, in all (not a deal).
    path_ : list of Strength or None
        Cross-validated loss along the strengths a deal, when any was chosen.
    integer_card_ : IntegerCard or None
        Whole points, when `integer`.
    n_features_in_ : int
        Number of criteria.

    Notes
    -----
    Levels between two whole ones count in proportion, levels outside 0 to 4 as the nearest end.

    References
    ----------
    Tutz, G., Leitenstorfer, F. (2007). Generalized smooth monotonic regression in additive modeling.
    Journal of Computational and Graphical Statistics 16(1).

    Examples
    --------
    >>> import numpy as np
    >>> levels = np.array([[0, 1], [4, 0], [3, np.nan], [1, 4], [0, 2], [4, 3]], dtype=float)
    >>> won = np.array([0, 1, 1, 0, 0, 1])
    >>> card = ScorecardClassifier(shrink=1.0, smooth=np.inf).fit(levels, won)
    >>> bool(card.points_[0, 4] > card.points_[1, 4])
    True
    >>> ScorecardClassifier(shrink=-1).fit(levels, won)
    Traceback (most recent call last):
        ...
    ValueError: shrink is -1; valid is a number from 0 to inf, or "cv"
    """

    def __init__(
        self,
        documented_points: ArrayLike | None = None,
        *,
        shrink: float | str = "cv",
        smooth: float | str = "cv",
        integer: bool = False,
        max_steps: int | None = None,
        folds: int = 5,
        one_standard_error: bool = True,
        random_state: int = 0,
    ) -> None:
        self.documented_points = documented_points
        self.shrink = shrink
        self.smooth = smooth
        self.integer = integer
        self.max_steps = max_steps
        self.folds = folds
        self.one_standard_error = one_standard_error
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Declare what the checks must know: binary, unknowns allowed, monotone (so poor on any data)."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> ScorecardClassifier:
        """Learn points from closed deals.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels 0 to 4, NaN = unknown.
        y : array-like of shape (n,)
            Outcomes, two classes; the greater one counts as won.
        sample_weight : array-like of shape (n,), optional
            Weight of each deal, at least 0.

        Returns
        -------
        ScorecardClassifier
            Itself.

        Raises
        ------
        ValueError
            When there are not two classes, or a parameter is out of its range.
        """
        for name in ("shrink", "smooth"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not np.isnan(value) and value >= 0
            if not (number or (isinstance(value, str) and value == "cv")):
                raise ValueError(f'{name} is {value!r}; valid is a number from 0 to inf, or "cv"')
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        if np.isinf(X).any():
            raise ValueError("Input X contains infinity; valid are levels 0 to 4, NaN = unknown")
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, coded = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds one class ({self.classes_[0]!r}); a scorecard needs won and lost deals: two classes"
            )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if (weight < 0).any():
            raise ValueError("sample_weight holds negative weights; valid is 0 or more")
        documented = check_documented_points(self.documented_points, X.shape[1])
        levels, row = group_rows(np.clip(X, 0.0, 4.0))
        total = np.bincount(row, weight, minlength=len(levels))
        won = np.bincount(row, weight * coded, minlength=len(levels))
        self.shrink_, self.smooth_, self.path_ = self._choose(levels, won, total, documented)
        full = fit_scorecards(
            levels, won, total, documented_points=documented, shrink=self.shrink_, smooth=self.smooth_
        )[0]
        self.intercept_ = float(full[0])
        self.points_, self.unknown_points_ = points_of(full)
        self.integer_card_: IntegerCard | None = None
        if self.integer:
            card = find_integer_card(
                levels,
                won,
                total,
                full,
                documented_points=documented,
                max_steps=self.max_steps,
            )
            self.integer_card_ = card
            self.intercept_ = card.base
            self.points_ = card.slope * card.points
            self.unknown_points_ = card.slope * card.unknown_points
        return self

    def _choose(
        self, levels: Array, won: Array, total: Array, documented: Array
    ) -> tuple[float, float, list[Strength] | None]:
        """Strengths in all: as given, or chosen by cross-validation over folds of equal rows."""
        if self.shrink != "cv" and self.smooth != "cv":
            return float(self.shrink), float(self.smooth), None
        grid = [
            (shrink, smooth)
            for shrink, smooth in make_grid(steps=True)
            if self.shrink == "cv" or np.isinf(shrink) == np.isinf(float(self.shrink))
        ]
        size = max(float(total.sum()), 1e-300)
        if self.shrink != "cv":
            grid = [(float(self.shrink) / size, smooth) for smooth in dict.fromkeys(g[1] for g in grid)]
        elif self.smooth != "cv":
            grid = [(shrink, float(self.smooth) / size) for shrink in dict.fromkeys(g[0] for g in grid)]
        n_folds = max(2, min(self.folds, len(levels)))
        rng = np.random.default_rng(self.random_state)
        fold = np.empty(len(levels), dtype=int)
        fold[rng.permutation(len(levels))] = np.arange(len(levels)) % n_folds
        member = fold == np.arange(n_folds)[:, None]
        path = cross_validate_strengths(
            levels, (member * won)[None], (member * total)[None], documented_points=documented, grid=grid
        )
        chosen = path.choose(self.one_standard_error)[0]
        mean = path.losses[0].sum(axis=0) / size
        along = [Strength(*pair, float(mean[at]), 0.0) for at, pair in enumerate(grid)]
        return chosen.shrink * size, chosen.smooth * size, along

    def decision_function(self, X: ArrayLike) -> Array:
        """Log-odds of each lead.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels 0 to 4, NaN = unknown.

        Returns
        -------
        array of shape (n,)
            Log-odds of being won.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        if np.isinf(X).any():
            raise ValueError("Input X contains infinity; valid are levels 0 to 4, NaN = unknown")
        steps = np.diff(self.points_, axis=1)
        full = np.concatenate([steps, self.unknown_points_[:, None]], axis=1).ravel()
        return np.asarray(step_columns(X)[:, 1:] @ full + self.intercept_)

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probability of each class.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels 0 to 4, NaN = unknown.

        Returns
        -------
        array of shape (n, 2)
            P(lost) and P(won), each from 0 to 1.
        """
        won = 1.0 / (1.0 + np.exp(-self.decision_function(X)))
        return np.stack([1.0 - won, won], axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Likelier class of each lead (a cut-off from consequences is chosen elsewhere).

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels 0 to 4, NaN = unknown.

        Returns
        -------
        array of shape (n,)
            Classes.
        """
        likely = self.decision_function(X) >= 0.0
        return np.asarray(self.classes_[likely.astype(int)])
