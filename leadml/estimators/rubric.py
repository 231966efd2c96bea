"""A rubric as a scikit-learn transformer: what a CRM holds becomes levels from 0 to 4."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from leadml.levels import LEVEL_MAX

Array = NDArray[Any]


class RubricEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Rubric that a person wrote: categories by a list, or numbers by edges, to levels 0 to 4.

    With `edges` the level is the number of edges that are at most the value; with `descending` the number
    of edges that are at least the value. The same rubric is used for every column; put several encoders in a
    ColumnTransformer for several rubrics.

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

    Notes
    -----
    Nothing is learned: `fit` checks the parameters and counts the columns.

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
    ValueError: row 2, column 0: got '?'; valid is 'Clerk', 'Owner'; list it in levels or ...
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

    def __sklearn_tags__(self) -> Any:
        """Declare what the checks must know: unknowns allowed, categories too when they are listed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = self.levels is not None
        tags.input_tags.categorical = self.levels is not None
        tags.requires_fit = True
        return tags

    def fit(self, X: Any, y: ArrayLike | None = None) -> RubricEncoder:  # noqa: ARG002 (scikit-learn's signature)
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
        self._check_parameters()
        self._read(X, reset=True)
        return self

    def transform(self, X: Any) -> Array:
        """Turn values into levels.

        Parameters
        ----------
        X : array-like of shape (n, n_columns)
            Values as a CRM holds them.

        Returns
        -------
        array of shape (n, n_columns), float64
            Levels 0 to 4, NaN for unknown.

        Raises
        ------
        ValueError
            A category is not listed and `other` is "error", or a value is no level where levels are wanted.
        """
        check_is_fitted(self)
        values = self._read(X, reset=False)
        if self.levels is not None:
            return self._by_list(values)
        known = ~np.isnan(values)
        if self.edges is None:
            wrong = known & ~np.isin(values, np.arange(LEVEL_MAX + 1))
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                raise ValueError(
                    f"row {row}, column {column}: got {values[row, column]:g}; "
                    "valid is a whole level from 0 to 4, or NaN for unknown; give edges to bin numbers"
                )
            return values
        edges = np.asarray(self.edges, dtype=np.float64)
        reached = np.searchsorted(edges, values, side="left" if self.descending else "right").astype(np.float64)
        return np.where(known, len(edges) - reached if self.descending else reached, np.nan)

    def _read(self, X: Any, *, reset: bool) -> Array:
        """Check X; categories stay objects, numbers become float64 with the unknown values at NaN."""
        if self.levels is not None:
            return np.asarray(
                validate_data(self, X, dtype=object, ensure_all_finite="allow-nan", reset=reset), dtype=object
            )
        if not self.unknown:
            return np.array(validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset))
        raw = validate_data(self, X, dtype=object, ensure_all_finite="allow-nan", reset=reset)
        said = [np.nan if _is_missing(value) or value in self.unknown else value for value in raw.ravel()]
        return np.array(said, dtype=np.float64).reshape(raw.shape)

    def _by_list(self, values: Array) -> Array:
        levels = self.levels or {}
        encoded = np.full(values.shape, np.nan)
        for (row, column), value in np.ndenumerate(values):
            if value in levels:
                encoded[row, column] = levels[value]
            elif _is_missing(value) or value in self.unknown or self.other == "unknown":
                continue
            elif self.other == "error":
                raise ValueError(
                    f"row {row}, column {column}: got {value!r}; valid is {', '.join(map(repr, levels))}; "
                    "list it in levels or unknown, or set other"
                )
            else:
                encoded[row, column] = self.other
        return encoded

    def _check_parameters(self) -> None:
        if self.levels is not None:
            wrong = {category: level for category, level in self.levels.items() if not _is_level(level)}
            if wrong or not self.levels:
                raise ValueError(f"levels is {wrong or self.levels!r}; valid is a level from 0 to 4 for each category")
        elif self.edges is not None:
            edges = np.asarray(self.edges, dtype=np.float64)
            fits = edges.ndim == 1 and 1 <= len(edges) <= LEVEL_MAX
            if not fits or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
                raise ValueError(f"edges is {self.edges!r}; valid is 1 to 4 ascending numbers; correct them")
        if self.other not in ("error", "unknown") and not _is_level(self.other):
            raise ValueError(f'other is {self.other!r}; valid is "error", "unknown" or a level from 0 to 4')


def _is_missing(value: Any) -> bool:
    """Recognise None, NaN, NaT and pandas' NA (the last compares to neither true nor false)."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def _is_level(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and 0 <= int(value) <= LEVEL_MAX
