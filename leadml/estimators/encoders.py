"""scikit-learn transformers: what a CRM holds becomes levels from 0 to 4, by a rubric or by a whole mapping."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from leadml.data.mapping import Criterion, load_mapping
from leadml.data.read import read_source
from leadml.data.sources import open_source
from leadml.estimators.classifier import check_levels
from leadml.exceptions import InputError, UsageError
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
        """(n, n_columns) levels 0 to 4, NaN for unknown, of values as in `fit`.

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


class MappingEncoder(TransformerMixin, BaseEstimator):
    """Levels of the mapped criteria, and the mapping's context columns, from a frame of CRM columns.

    Parameters
    ----------
    mapping : Mapping, dict, str or path
        What the columns mean.

    Attributes
    ----------
    mapping_ : Mapping
        The mapping as a record.
    feature_names_out_ : tuple of str
        Criteria in canonical order, then context columns.

    Raises
    ------
    InputError
        A cell holds what the mapping does not list (a transformer can leave out no row), or `X` is no table.

    Examples
    --------
    >>> import pandas as pd
    >>> deals = pd.DataFrame({"Role": ["Owner", "Clerk", None], "Product": ["A", "B", "A"]})
    >>> roles = {"column": "Role", "levels": {"Clerk": 1, "Owner": 4}}
    >>> mapping = {"name": "ours", "criteria": {"authority": roles}, "context": ["Product"]}
    >>> MappingEncoder(mapping).fit_transform(deals)["authority"].tolist()
    [4.0, 1.0, nan]
    """

    def __init__(self, mapping: Any) -> None:
        self.mapping = mapping

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Read the mapping; nothing is learned.

        Parameters
        ----------
        X : frame, list of dict or path
            Columns of the CRM.
        """
        self.mapping_ = load_mapping(self.mapping)
        opened = open_source(X, self.mapping_.read)
        there = [name for name in self.mapping_.context if name in opened.columns]
        self.feature_names_out_ = (*self.mapping_.mapped, *there)
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """Levels (float, NaN = unknown) and context columns of what `fit` takes, row by row."""
        check_is_fitted(self)
        unnamed = self.mapping_.model_copy(update={"lead_id": None})  # nobody asks which lead a row is
        leads = read_source(open_source(X, self.mapping_.read), unnamed, to_score=True)
        if leads.rejections is not None and leads.rejections.n_rows:
            raise InputError(f"{leads.source}: {leads.rejections.summary(1)[0]}; a transformer leaves out no row")
        columns = dict(zip(leads.criteria, leads.levels.T, strict=True))
        columns |= {name: np.asarray(c.to_pandas(date_as_object=False)) for name, c in leads.context.items()}
        out = pd.DataFrame(columns, index=X.index if isinstance(X, pd.DataFrame) else None)
        return out.reindex(columns=list(self.feature_names_out_))  # NaN where a column may be absent, and is

    def get_feature_names_out(self, input_features: Any = None) -> Any:  # noqa: ARG002
        """Names of the columns: criteria, then context columns."""
        check_is_fitted(self)
        return np.array(self.feature_names_out_, dtype=object)
