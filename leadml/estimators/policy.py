"""A documented rule as a scikit-learn classifier: points given, nothing learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from leadml.exceptions import UsageError
from leadml.frameworks.catalog import load_framework, load_policy

Array = NDArray[Any]


class PolicyClassifier(ClassifierMixin, BaseEstimator):
    """Documented rule: count the criteria met, or add up the points, and compare with a cut-off.

    score(x) = number of x_j >= `met_level`, or the sum of the x_j; a lead qualifies when its score is at
    least `cutoff`. An unknown (NaN) earns nothing, and `score_range` says what it could still earn.

    Parameters
    ----------
    policy : str, optional
        Id of a documented rule, such as ``bant-ibm``, in place of unit, cut-off and bands; of a frame, `X` its
        criteria are read by name.
    framework : str, path, dict or Framework, optional
        In place of a policy: the framework whose criteria `X` holds, of a frame by name; goes with `unit` and
        `cutoff`.
    unit : "met" or "points"
        Whether the criteria met are counted, or the levels are added up.
    cutoff : number, optional
        Score from which a lead qualifies. By default half of the criteria met, rounded up: the most general
        of the documented rules. Points have no such default.
    met_level : number
        Level from which a criterion is met; without effect on points.
    bands : sequence of number, optional
        Lowest score of each band, ascending from 0. By default two bands, that part at the cut-off.
    level_max : number, optional
        Highest level, 4 in the documents. Given, a level outside 0 to `level_max` is an error, and an unknown
        can earn up to `level_max` points. By default the levels are taken as any numbers, and what an
        unknown could earn in points has no upper end.

    Attributes
    ----------
    classes_ : array of shape (2,)
        Lost and won, in sorted order.
    cutoff_ : float
        The cut-off in force.
    bands_ : array of shape (n_bands,)
        Lowest score of each band.
    n_features_in_ : int
        Number of criteria.

    Notes
    -----
    There is no ``predict_proba``: a documented rule has a score and a decision, never a probability.
    `fit` looks at the labels' names and the number of criteria only, so sample weights change nothing.

    Examples
    --------
    >>> import numpy as np
    >>> levels = np.array([[3, 4, 2, 1], [3, np.nan, 2, 0], [0, 1, 1, 1]])
    >>> rule = PolicyClassifier("bant-ibm", level_max=4).fit(levels, [1, 1, 0])
    >>> rule.predict(levels).tolist()
    [1, 0, 0]
    >>> [ends.tolist() for ends in rule.score_range(levels)]
    [[3.0, 2.0, 0.0], [3.0, 3.0, 0.0]]
    >>> PolicyClassifier(unit="points").fit(levels, [1, 1, 0])
    Traceback (most recent call last):
        ...
    ValueError: cutoff is None; valid is a number when unit is "points"; give the documented cut-off
    """

    def __init__(
        self,
        policy: str | None = None,
        *,
        framework: Any = None,
        unit: str = "met",
        cutoff: float | None = None,
        met_level: float = 2,
        bands: Sequence[float] | None = None,
        level_max: float | None = None,
    ) -> None:
        self.policy = policy
        self.framework = framework
        self.unit = unit
        self.cutoff = cutoff
        self.met_level = met_level
        self.bands = bands
        self.level_max = level_max

    def __sklearn_tags__(self) -> Any:
        """Declare what the checks must know: binary, unknowns allowed, and poor because it never learns."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> PolicyClassifier:
        """Check the parameters and the data; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels, NaN = unknown.
        y : array-like of shape (n,)
            Outcomes, two classes; the greater one counts as won.
        sample_weight : array-like of shape (n,), optional
            Checked, and without effect.

        Returns
        -------
        PolicyClassifier
            Itself.

        Raises
        ------
        ValueError
            A parameter is out of its range, a level is outside 0 to `level_max`, or `y` has not two classes.
        """
        self._take_policy()
        X, y = validate_data(self, self._own(X), y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        classes = np.unique(y)
        if len(classes) != 2:
            problem = "1 class" if len(classes) == 1 else f"{len(classes)} classes"
            raise ValueError(f"Only binary classification is supported: y has {problem}; valid is 2; code lost and won")
        if sample_weight is not None:
            _check_sample_weight(sample_weight, X)
        self._check_levels(X)
        self.cutoff_ = self._checked_cutoff(X.shape[1])
        self.bands_ = self._checked_bands(self.cutoff_)
        self.classes_ = classes
        return self

    def total(self, X: Any) -> Array:
        """Add up each lead's score.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels, NaN = unknown.

        Returns
        -------
        array of shape (n,)
            Criteria met, or points; unknowns earn nothing.
        """
        return self.score_range(X)[0]

    def score_range(self, X: Any) -> tuple[Array, Array]:
        """Give the scores that the answers still open could bring.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels, NaN = unknown.

        Returns
        -------
        low, high : arrays of shape (n,)
            Scores with the unknowns at nothing, and at the most that they could earn.
        """
        check_is_fitted(self)
        X = validate_data(self, self._own(X), dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        self._check_levels(X)
        unknown = np.isnan(X)
        earned = X if self.unit_ == "points" else np.greater_equal(X, self.met_level)
        low = np.where(unknown, 0.0, earned).sum(axis=1)
        top = 1.0 if self.unit_ == "met" else np.inf if self.level_max is None else float(self.level_max)
        return low, low + np.where(unknown, top, 0.0).sum(axis=1)

    def decision_function(self, X: Any) -> Array:
        """Give the score minus the cut-off.

        A score exactly at the cut-off qualifies; as scikit-learn reads only positive numbers as the positive
        class, it is given the smallest positive number instead of 0.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels, NaN = unknown.

        Returns
        -------
        array of shape (n,)
            Positive exactly where the lead qualifies.
        """
        margin = self.total(X) - self.cutoff_
        return np.where(margin == 0, np.finfo(np.float64).tiny, margin)

    def predict(self, X: Any) -> Array:
        """Decide by the documented cut-off.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels, NaN = unknown.

        Returns
        -------
        array of shape (n,)
            The won class from the cut-off up, else the lost one.
        """
        qualified = self.total(X) >= self.cutoff_
        decided: Array = self.classes_[qualified.astype(np.intp)]
        return decided

    def predict_band(self, X: Any) -> Array:
        """Find each lead's band.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels, NaN = unknown.

        Returns
        -------
        array of shape (n,)
            Positions in ``bands_``.
        """
        return self._band_of(self.total(X))

    def is_settled(self, X: Any) -> Array:
        """Say which leads stay in their band whatever the open answers turn out to be.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels, NaN = unknown.

        Returns
        -------
        array of shape (n,), bool
            True where nothing more need be asked.
        """
        low, high = self.score_range(X)
        settled: Array = self._band_of(low) == self._band_of(high)
        return settled

    def _band_of(self, score: Array) -> Array:
        return np.searchsorted(self.bands_, score, side="right") - 1

    def _take_policy(self) -> None:
        """Unit, cut-off and bands of the documented rule, or as given."""
        self.criteria_: tuple[str, ...] = ()
        self.unit_, cutoff, self._starts = self.unit, self.cutoff, self.bands
        if self.policy is not None and self.framework is not None:
            raise UsageError(f"got policy {self.policy!r} and framework; a policy has its own criteria; give one")
        if self.policy is not None:
            rule = load_policy(self.policy)
            self.unit_, cutoff, self._starts = rule.unit, rule.cutoff, rule.band_starts
            self.criteria_ = rule.criteria
        elif self.framework is not None:
            self.criteria_ = load_framework(self.framework).criterion_ids
        if self.unit_ not in ("met", "points"):
            raise ValueError(f'unit is {self.unit_!r}; valid is "met" or "points"; choose one')
        if self.level_max is not None and not self.level_max > 0:
            raise ValueError(f"level_max is {self.level_max!r}; valid is a number above 0, or None")
        self._cutoff = cutoff

    def _own(self, X: Any) -> Any:
        """The policy's criteria of a frame, by name."""
        named = getattr(X, "columns", None)
        if named is None or not self.criteria_:
            return X
        if missing := [name for name in self.criteria_ if name not in set(named)]:
            there = ", ".join(map(str, named))
            raise UsageError(f"X: has no column {', '.join(missing)}; it has {there}; add it, NaN for unknown")
        return X[list(self.criteria_)]

    def _checked_cutoff(self, n_criteria: int) -> float:
        if self.criteria_ and n_criteria != len(self.criteria_):
            raise ValueError(
                f"got {n_criteria} columns; valid for {self.policy or self.framework}: "
                f"{', '.join(self.criteria_)}; give these in order"
            )
        if self._cutoff is None:
            if self.unit_ == "points":
                raise ValueError('cutoff is None; valid is a number when unit is "points"; give the documented cut-off')
            return float((n_criteria + 1) // 2)
        if not np.isfinite(self._cutoff):
            raise ValueError(f"cutoff is {self._cutoff!r}; valid is a finite number; give the documented cut-off")
        return float(self._cutoff)

    def _checked_bands(self, cutoff: float) -> Array:
        bands = np.asarray([0.0, cutoff] if self._starts is None else self._starts, dtype=np.float64)
        if self._starts is not None and (bands.ndim != 1 or not len(bands) or bands[0] or (np.diff(bands) <= 0).any()):
            raise ValueError(f"bands is {self._starts!r}; valid is the lowest score of each, ascending from 0")
        return bands

    def _check_levels(self, X: Array) -> None:
        if self.level_max is None:
            return
        outside = (X < 0) | np.greater(X, self.level_max)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise ValueError(
                f"row {row}, column {column}: got level {X[row, column]:g}; "
                f"valid is 0 to {self.level_max:g}, or NaN for unknown; encode the levels first"
            )
