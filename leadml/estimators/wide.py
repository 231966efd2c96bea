"""WideCardClassifier: documented criteria and chosen columns of the CRM on one card of whole points."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from leadml.card.record import CardAttribute, CardBin
from leadml.estimators.attributes import Column, offered
from leadml.estimators.classifier import NUMBERS, POINTS, ChanceClassifier, check_levels, criteria_of
from leadml.estimators.whole_points import whole_points
from leadml.estimators.wide_fit import Attribute, WideDeals, fit_wide
from leadml.evaluation.rates import table_of_totals
from leadml.exceptions import UsageError
from leadml.levels import CANONICAL, Codes, Floats, Ints, codes_of_levels

N_WORDS = 4
"""Words of a bin that its label shows."""


class WideCardClassifier(ChanceClassifier):
    """Points for documented criteria and for the columns of a CRM that tell more, learned from closed deals.

    Parameters
    ----------
    criteria : sequence of str, optional
        Columns of `X` that hold levels 0 to 4 (NaN = unknown). Default: every one with a criterion's canonical name.
    framework : str, path, dict or Framework, optional
        In place of `criteria`: those of the framework that `X` has.
    columns : sequence of str, optional
        Columns that may become attributes. Default: all others.
    attributes : int, 0 to 50
        Attributes at the most.
    points : int, 4 to 1000
        Points in all, at the most.
    as_score : bool
        Whether the criteria keep the proportions of the document, as if its score were one row.
    won : label, optional
        The label of `y` that counts as won; by default the known word (won, gewonnen, ja ...), else the greater.

    Attributes
    ----------
    classes_, won_ : ndarray of shape (2,) and label
        Labels in sorted order, and the one that counts as won.
    fit_ : WideFit
        Real-valued fit: values of criteria, bins and effects of attributes.
    points_ : WholePoints
        Points of every row.
    table_ : TotalProbabilities
        P(won) with its 95% interval at every total.
    attributes_ : tuple of CardAttribute
        Attributes as a card holds them.
    refused_ : dict of str to str
        Columns that were not offered, and why.

    Raises
    ------
    ValueError
        When `y` has other than two classes, or a level is none of 0 to 4.

    References
    ----------
    Ustun, Rudin (2019), Learning optimized risk scores, JMLR 20; Lin (1997), Variance component testing in
    generalised linear models with random effects, Biometrika 84.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> deals = pd.DataFrame({"need": rng.integers(0, 5, 400).astype(float), "product": rng.choice(["A", "B"], 400)})
    >>> won = rng.random(400) < np.where(deals["product"] == "A", 0.7, 0.2)
    >>> card = WideCardClassifier().fit(deals, won)
    >>> [attribute.title for attribute in card.attributes_]
    ['product']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "points": [POINTS],
        "attributes": [Interval(Integral, 0, 50, closed="both")],
    }

    def __init__(
        self,
        criteria: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        framework: Any = None,
        attributes: int = 12,
        points: int = 40,
        as_score: bool = False,
        won: Any = None,
    ) -> None:
        self.criteria = criteria
        self.columns = columns
        self.framework = framework
        self.attributes = attributes
        self.points = points
        self.as_score = as_score
        self.won = won

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Choose attributes, fit and round.

        Parameters
        ----------
        X : DataFrame (pandas or polars), Arrow table or array of shape (n, n_columns)
            Levels and columns of the CRM.
        y : array-like of shape (n,)
            Outcomes, two classes.
        sample_weight : array-like of shape (n,), optional
            How many deals each row stands for. Numbers are cut into bins, and folds dealt, by rows: a row of weight
            3 gives nearly, not exactly, the fit of three such rows.
        groups : array-like of shape (n,), optional
            Equal for deals of one unit (an account).
        """
        self._check_parameters()
        X = _plain(X)
        X, y = validate_data(self, X, y, **({"skip_check_array": True} if isinstance(X, pd.DataFrame) else NUMBERS))
        won, frame = self._outcomes(y), _frame(X)
        weight = np.asarray(_check_sample_weight(sample_weight, frame.index.to_numpy(), dtype=np.float64))
        self.criteria_ = self._criteria_of(frame)
        names = [c for c in frame.columns if c not in self.criteria_] if self.columns is None else list(self.columns)
        criteria_of(frame, [*self.criteria_, *names])
        columns, self.refused_ = offered([column_of_frame(frame, name) for name in names], len(frame))
        unit = None if groups is None else np.asarray(groups)
        deals = WideDeals(self._codes(frame), columns, won.astype(np.float64), weight, unit)
        self.fit_ = fit_wide(deals, attributes=self.attributes, as_score=self.as_score)
        codes = self.fit_.codes(deals.codes, columns)
        self.points_ = whole_points(self.fit_, codes, weight, self.points, at_most=True)
        totals, total_max = self.points_.totals(codes), self.points_.total_max
        self.table_ = table_of_totals(totals, weight * won, weight, total_max, slope=self.fit_.slope)
        self.attributes_ = card_attributes(self.fit_.attributes, self.points_.rows[len(self.criteria_) :])
        return self

    def total_points(self, X: Any) -> Ints:
        """(n,) total points of leads as in `fit`, 0 to `points_.total_max`."""
        check_is_fitted(self)
        X = _plain(X)
        if not isinstance(X, pd.DataFrame):
            X = validate_data(self, X, reset=False, **NUMBERS)
        frame, names = _frame(X), [each.bins.name for each in self.fit_.attributes]
        criteria_of(frame, [*self.criteria_, *names])
        columns = [column_of_frame(frame, name) for name in names]
        return self.points_.totals(self.fit_.codes(self._codes(frame), columns))

    def _score(self, X: Any) -> Floats:
        p = self.table_.probability[self.total_points(X)]
        return np.asarray(np.log(p) - np.log1p(-p))

    def _criteria_of(self, frame: pd.DataFrame) -> tuple[str, ...]:
        if self.framework is None:
            there = tuple(c for c in frame.columns if c in CANONICAL)
            return there if self.criteria is None else tuple(self.criteria)
        if self.criteria is not None:
            raise UsageError("got criteria and framework, which has its own; give one of them")
        asked = self._criteria()
        if not (own := tuple(c for c in asked if c in frame.columns)):
            raise UsageError(f"X: has none of {', '.join(asked)}, the framework's criteria; name its columns so")
        return own

    def _codes(self, frame: pd.DataFrame) -> Codes:
        levels = frame.loc[:, list(self.criteria_)].to_numpy(dtype=np.float64)
        return codes_of_levels(check_levels(levels, self.criteria_, whole=True))


def card_attributes(attributes: Sequence[Attribute], points: Sequence[Any]) -> tuple[CardAttribute, ...]:
    """Chosen columns with their points, as a card holds them."""
    return tuple(
        CardAttribute(
            id=each.bins.name,
            title=each.bins.name,
            column=each.bins.name,
            kind="categories" if each.bins.edges is None else "edges",
            bins=_card_bins(each, earned),
            other_points=int(earned[-2]),
            unknown_points=int(earned[-1]),
            age_of=each.bins.age_of,
        )
        for each, earned in zip(attributes, points, strict=True)
    )


def _card_bins(attribute: Attribute, earned: Ints) -> tuple[CardBin, ...]:
    edges, made = attribute.bins.edges, []
    for at in range(attribute.bins.n_bins):
        if edges is None:
            words = attribute.bins.groups[at]
            more = f" (+{len(words) - N_WORDS} more)" if len(words) > N_WORDS else ""
            told: dict[str, Any] = {"label": ", ".join(words[:N_WORDS]) + more, "values": words}
        else:
            low, high = (float(edges[i]) if 0 <= i < len(edges) else None for i in (at - 1, at))
            if low is None:
                label = "filled" if high is None else f"below {high:g}"
            else:
                label = f"{low:g} or more" if high is None else f"{low:g} to below {high:g}"
            told = {"label": label, "from": low, "to": high}
        told |= {"points": int(earned[at]), "n": float(attribute.n[at]), "won": float(attribute.won[at])}
        made.append(CardBin.model_validate(told))
    return tuple(made)


def column_of_frame(frame: pd.DataFrame, name: str) -> Column:
    """A column of a frame: numbers, dates as days, or words."""
    values = frame[name]
    if pd.api.types.is_datetime64_any_dtype(values):
        values = (values - pd.Timestamp(0)) / pd.Timedelta(days=1)
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return Column(str(name), values.to_numpy(dtype=np.float64, na_value=np.nan))
    return Column.of_arrow(str(name), pa.array(values.astype("string")).dictionary_encode())


def _plain(X: Any) -> Any:
    """A polars frame or an Arrow table as pandas; anything else as it is."""
    return X.to_pandas() if hasattr(X, "to_pandas") else X


def _frame(X: Any) -> pd.DataFrame:
    return X.reset_index(drop=True) if isinstance(X, pd.DataFrame) else pd.DataFrame(X).add_prefix("x")
