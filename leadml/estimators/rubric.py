"""A rubric as a scikit-learn transformer: what a CRM holds becomes levels from 0 to 4."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from leadml.data.mapping import Criterion
from leadml.estimators.classifier import check_levels
from leadml.exceptions import UsageError
from leadml.levels import Floats
from leadml.records import check_record


class RubricEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Rubric that a person wrote: categories by a list, or numbers by edges, to levels 0 to 4.

    With `edges` the level is how many of them are at most the value, or at least where `descending`. Every column is
    read by the same rubric; a ColumnTransformer holds several.

    Parameters
    ----------
    levels : mapping of category to level, optional
        Level, 0 to 4, of each category. Given, `edges` is not looked at.
    edges : sequence of 1 to 4 numbers, ascending, or None
        Where one level ends and the next begins. The default, 1 to 4, keeps whole levels as they are and
        reads any other number as the level it has reached. None takes only levels: whole numbers from 0 to 4.
    descending : bool
        Whether a smaller number is better, as with months to the purchase.
    unknown : collection of values
        Values that say nothing, besides None and NaN.
    other : "error", "unknown" or int
        What an unlisted category becomes: an error that names it, an unknown, or a level.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns.

    Examples
    --------
    >>> import numpy as np
    >>> roles = np.array([["Owner"], ["Clerk"], ["?"]], dtype=object)
    >>> RubricEncoder(levels={"Clerk": 1, "Owner": 4}, unknown=["?"]).fit_transform(roles).ravel()
    array([ 4.,  1., nan])
    >>> months = np.array([[2], [5], [30]])
    >>> RubricEncoder(edges=[3, 6, 12, 24], descending=True).fit_transform(months).ravel()
    array([4., 3., 0.])
    >>> RubricEncoder(levels={"Clerk": 1, "Owner": 4}).fit_transform(roles)
    Traceback (most recent call last):
        ...
    leadml.exceptions.UsageError: X: row 2, column 0: got '?'; valid: 'Clerk', 'Owner'; list it in levels or ...
    """

    def __init__(
        self,
        levels: Mapping[Any, int] | None = None,
        edges: Sequence[float] | None = (1, 2, 3, 4),
        *,
        descending: bool = False,
        unknown: Collection[Any] = (),
        other: str | int = "error",
    ) -> None:
        self.levels = levels
        self.edges = edges
        self.descending = descending
        self.unknown = unknown
        self.other = other

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Check the parameters and count the columns; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n, n_columns)
            Values as a CRM holds them.
        y : None
            Not looked at.

        Returns
        -------
        RubricEncoder
            Itself.

        Raises
        ------
        ValueError
            A parameter is out of its range.
        """
        rule: dict[str, Any] = {"column": "X", "edges": self.edges}
        if self.levels is not None:
            rule |= {"edges": None, "levels": {str(category): level for category, level in self.levels.items()}}
        check_record(rule if self.other == "error" else {**rule, "other": self.other}, Criterion, type(self).__name__)
        self._read(X, reset=True)
        return self

    def transform(self, X: Any) -> Floats:
        """Turn values into levels.

        Parameters
        ----------
        X : array-like of shape (n, n_columns)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n, n_columns), float64
            Levels 0 to 4, NaN for unknown.

        Raises
        ------
        ValueError
            A category is not listed and `other` is "error", or a value is no level where levels are wanted.
        """
        check_is_fitted(self)
        values = self._read(X, reset=False)
        if self.levels is not None:
            level = values.map(dict(self.levels).get)
            rest = (level.isna() & values.notna()).to_numpy()
            if rest.any() and self.other == "error":
                row, column = np.argwhere(rest)[0]
                raise UsageError(
                    f"X: row {row}, column {column}: got {values.iat[row, column]!r}; valid: "
                    f"{', '.join(map(repr, self.levels))}; list it in levels or unknown, or set other"
                )
            return level.mask(rest, np.nan if self.other == "unknown" else self.other).to_numpy(np.float64)
        numbers = values.to_numpy(np.float64)
        if self.edges is None:
            return check_levels(numbers, whole=True)
        edges = np.asarray(self.edges, dtype=np.float64)
        reached = np.searchsorted(edges, numbers, side="left" if self.descending else "right")
        return np.where(np.isnan(numbers), np.nan, len(edges) - reached if self.descending else reached)

    def _read(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """Check X; what says nothing becomes NaN."""
        words = self.levels is not None or bool(self.unknown)
        checked = validate_data(
            self, X, dtype=object if words else np.float64, ensure_all_finite="allow-nan", reset=reset
        )
        values = pd.DataFrame(checked)
        return values.mask(values.isna() | values.isin(list(self.unknown)), np.nan)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = self.levels is not None
        tags.requires_fit = True
        return tags
