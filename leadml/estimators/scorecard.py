"""ScorecardClassifier: points learned from closed deals, never falling from level to level."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from leadml.estimators.patterns import PatternCounts
from leadml.estimators.points import whole_points
from leadml.estimators.probabilities import table_of_totals
from leadml.estimators.scorecard_fit import fit_scorecard
from leadml.frameworks.catalog import load_framework
from leadml.levels import LEVEL_MAX, Codes, codes_of_levels, logistic

Floats = npt.NDArray[np.float64]


class ScorecardClassifier(ClassifierMixin, BaseEstimator):
    """Scorecard of whole points, learned around the documented ones.

    logit P(won | x) = b + sum_j f_j(x_j), f_j never falling from level 0 to 4; how far it departs from the document,
    between criteria and within them, is averaged over by evidence.

    Parameters
    ----------
    framework : str, path or dict, optional
        Framework whose criteria the columns are (of a frame: by canonical name, in any order). Default: every
        column is a criterion whose documented points are its level.
    points : int or None
        Points in all, 40 by default; None keeps the real-valued fit.
    monotone : bool or array-like of shape (n_criteria,)
        False lets points turn (best in the middle), of all criteria or of each.
    n_draws : int
        Posterior draws to keep, for intervals of weights; 0 for none.
    random_state : int
        Seed of the draws.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Lost and won, in sorted order.
    fit_ : ScorecardFit
        Real-valued card: intercept, values (n_criteria, 6) of levels 0 to 4 and unknown, draws.
    points_ : ndarray of shape (n_criteria, 6), int
        Points of levels 0 to 4 and of unknown; absent when `points` is None.
    intercept_ : float
        Log-odds of the fit with every criterion at level 0.
    table_ : TotalProbabilities
        P(won) with its 95% interval at every total; absent when `points` is None.
    n_features_in_ : int
        Number of criteria.

    Notes
    -----
    Levels are read to the nearest whole one from 0 to 4. `leadml.calibrate` refuses to learn from fewer than 20 won
    or 20 lost deals; this estimator does not.

    References
    ----------
    Tutz, Leitenstorfer (2007), Generalized smooth monotonic regression in additive modeling, JCGS 16; Ustun, Rudin
    (2019), Learning optimized risk scores, JMLR 20.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> levels = rng.integers(0, 5, (400, 4)).astype(float)
    >>> won = rng.random(400) < levels[:, 1] / 5
    >>> card = ScorecardClassifier("bant").fit(levels, won)
    >>> int(card.points_[:, 4].argmax())
    1
    """

    def __init__(
        self,
        framework: Any = None,
        *,
        points: int | None = 40,
        monotone: bool | npt.ArrayLike = True,
        n_draws: int = 0,
        random_state: int = 0,
    ) -> None:
        self.framework = framework
        self.points = points
        self.monotone = monotone
        self.n_draws = n_draws
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
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
            When there are not two classes, weights are negative, or the columns are not the framework's criteria.
        """
        X, y = validate_data(self, self._own(X), y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, won = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class ({self.classes_[0]!r}); valid: two classes, lost and won; check y")
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        counts = PatternCounts.from_codes(self._codes(X), won, weight)
        documented = np.tile(np.arange(LEVEL_MAX + 1.0), (X.shape[1], 1))
        self.fit_ = fit_scorecard(
            counts, documented, monotone=self.monotone, random_state=self.random_state, n_draws=self.n_draws
        )
        self.intercept_ = self.fit_.intercept
        if self.points is not None:
            whole = whole_points(self.fit_, counts, self.points, monotone=self.monotone)
            self.points_ = whole.points
            totals, size = whole.totals(counts.codes), int(whole.points.max(axis=1).sum()) + 1
            self.table_ = table_of_totals(
                np.arange(size), np.bincount(totals, counts.won, size), np.bincount(totals, counts.total, size)
            )
        return self

    def decision_function(self, X: Any) -> Floats:
        """Log-odds of each lead.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels 0 to 4, NaN = unknown.

        Returns
        -------
        ndarray of shape (n,)
            Log-odds of being won; they rank leads as their total points do.
        """
        check_is_fitted(self)
        codes = self._codes(
            validate_data(self, self._own(X), dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        )
        if self.points is None:
            return self.fit_.log_odds(codes)
        totals = sum((self.points_[j][codes[:, j]] for j in range(codes.shape[1])), np.zeros(len(codes), np.int64))
        p = self.table_.probability[totals]
        return np.asarray(np.log(p) - np.log1p(-p))

    def predict_proba(self, X: Any) -> Floats:
        """Chances of losing and of winning.

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels 0 to 4, NaN = unknown.

        Returns
        -------
        ndarray of shape (n, 2)
            Probabilities that sum to 1.
        """
        won = logistic(self.decision_function(X))
        return np.stack([1.0 - won, won], axis=1)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The likelier class (a cut-off from consequences is chosen elsewhere).

        Parameters
        ----------
        X : array-like of shape (n, n_criteria)
            Levels 0 to 4, NaN = unknown.

        Returns
        -------
        ndarray of shape (n,)
            Classes.
        """
        likely = self.decision_function(X) >= 0.0
        return np.asarray(self.classes_[likely.astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        tags.input_tags.allow_nan = True
        return tags

    def _own(self, X: Any) -> Any:
        """The framework's criteria of a frame by name; of an array, as many columns as it has criteria."""
        if self.framework is None:
            return X
        names = list(load_framework(self.framework).criterion_ids)
        if getattr(X, "columns", None) is not None:
            return X[names]
        if np.ndim(X) == 2 and np.shape(X)[1] != len(names):
            raise ValueError(f"got {np.shape(X)[1]} columns; valid: {', '.join(names)}; give these in order")
        return X

    @staticmethod
    def _codes(X: Floats) -> Codes:
        if np.isinf(X).any():
            raise ValueError("Input X contains infinity; valid are levels 0 to 4, NaN = unknown")
        return codes_of_levels(np.clip(np.floor(X + 0.5), 0, LEVEL_MAX))
