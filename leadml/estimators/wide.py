"""WideCardClassifier: documented criteria and chosen columns of the CRM on one card of whole points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from leadml.card.record import CardAttribute, CardBin
from leadml.estimators.attributes import Bins, Column, offered
from leadml.estimators.classifier import ChanceClassifier, check_levels
from leadml.estimators.probabilities import table_of_totals
from leadml.estimators.wide_fit import Attribute, WideDeals, fit_wide, held_out_slope
from leadml.estimators.wide_points import whole_points
from leadml.exceptions import UsageError
from leadml.frameworks.catalog import load_framework
from leadml.levels import CANONICAL, codes_of_levels

Floats = npt.NDArray[np.float64]
N_WORDS = 4
"""Words of a bin that its label shows."""


class WideCardClassifier(ChanceClassifier):
    """Points for documented criteria and for the columns of a CRM that tell more, learned from closed deals.

    Parameters
    ----------
    criteria : sequence of str, optional
        Columns of `X` that hold levels 0 to 4 (NaN = unknown), by their canonical names; points rise with the level.
        Default: every column of `X` with a canonical name.
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
        The label of `y` that counts as won. Default: the one whose word is known (won, gewonnen, ja ...), else the
        greater.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Labels in sorted order, as the columns of ``predict_proba``.
    won_ : label
        The one that counts as won.
    fit_ : WideFit
        Real-valued fit: values of criteria, bins and effects of attributes.
    points_ : WidePoints
        Points of every row.
    table_ : TotalTable
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
            How many deals each row stands for.
        groups : array-like of shape (n,), optional
            Equal for deals of one unit (an account).

        Returns
        -------
        WideCardClassifier
            Itself.
        """
        X = _plain(X)
        X, y = validate_data(self, X, y, skip_check_array=True) if _is_frame(X) else validate_data(
            self, X, y, ensure_all_finite="allow-nan", dtype=np.float64
        )  # fmt: skip
        won = self._outcomes(y)
        frame = _frame(X)
        weight = np.asarray(_check_sample_weight(sample_weight, frame.index.to_numpy(), dtype=np.float64))
        self.criteria_ = self._criteria_of(frame)
        names = [c for c in frame.columns if c not in self.criteria_] if self.columns is None else list(self.columns)
        columns, self.refused_ = offered([column_of_frame(frame, name) for name in names], len(frame))
        codes = self._codes(frame)
        documented = np.tile(np.arange(5.0), (len(self.criteria_), 1))
        unit = None if groups is None else np.asarray(groups)
        deals = WideDeals(codes, documented, columns, won.astype(np.float64), weight, unit)
        self.fit_ = fit_wide(deals, attributes=self.attributes, as_score=self.as_score)
        rows = self._rows(frame)
        self.points_ = whole_points(self.fit_, rows, weight, self.points)
        totals = self.points_.totals(rows) if rows else np.zeros(len(won), dtype=np.int64)
        size = self.points_.total_max + 1
        n = np.bincount(totals, weight, minlength=size)
        wins = np.bincount(totals, weight * won, minlength=size)
        slope = self.fit_.slope * held_out_slope(deals, attributes=self.attributes, as_score=self.as_score)
        self.table_ = table_of_totals(np.arange(size), wins, n, slope=slope)
        self.attributes_ = card_attributes(self.fit_.attributes, self.points_.attributes)
        return self

    def total_points(self, X: Any) -> npt.NDArray[np.int64]:
        """Total points of each lead.

        Parameters
        ----------
        X : DataFrame or array of shape (n, n_columns)
            Columns as in `fit`.

        Returns
        -------
        ndarray of shape (n,), int
            0 to `points_.total_max`.
        """
        check_is_fitted(self)
        X = _plain(X)
        if not _is_frame(X):
            X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan", dtype=np.float64)
        rows = self._rows(_frame(X))
        return self.points_.totals(rows) if rows else np.zeros(len(X), dtype=np.int64)

    def _score(self, X: Any) -> Floats:
        p = self.table_.probability[self.total_points(X)]
        return np.asarray(np.log(p) - np.log1p(-p))

    def _criteria_of(self, frame: pd.DataFrame) -> tuple[str, ...]:
        if self.framework is None:
            there = tuple(c for c in frame.columns if c in CANONICAL)
            return there if self.criteria is None else tuple(self.criteria)
        if self.criteria is not None:
            raise UsageError("got criteria and framework, which has its own; give one of them")
        framework = load_framework(self.framework)
        if not (own := tuple(c for c in framework.criterion_ids if c in frame.columns)):
            asked = ", ".join(framework.criterion_ids)
            raise UsageError(f"X: has no criterion of {framework.id}; valid: some of {asked}; name its columns so")
        return own

    def _codes(self, frame: pd.DataFrame) -> npt.NDArray[np.uint8]:
        levels = frame.loc[:, list(self.criteria_)].to_numpy(dtype=np.float64)
        return codes_of_levels(check_levels(levels, self.criteria_, whole=True))

    def _rows(self, frame: pd.DataFrame) -> list[npt.NDArray[np.uint8]]:
        codes = self._codes(frame)
        made = [codes[:, j] for j in range(codes.shape[1])]
        return made + [each.bins.codes(column_of_frame(frame, each.bins.name)) for each in self.fit_.attributes]


def card_attributes(attributes: Sequence[Attribute], points: Sequence[npt.NDArray[Any]]) -> tuple[CardAttribute, ...]:
    """Chosen columns with their points, as a card holds them."""
    made = []
    for each, earned in zip(attributes, points, strict=True):
        bins, n = each.bins, each.bins.n_bins
        made.append(
            CardAttribute(
                id=bins.name,
                title=bins.name,
                column=bins.name,
                kind="edges" if bins.is_ordered else "categories",
                bins=tuple(_bin(bins, b, int(earned[b]), float(each.n[b]), float(each.won[b])) for b in range(n)),
                other_points=int(earned[n]),
                unknown_points=int(earned[n + 1]),
                age_of=bins.age_of,
            )
        )
    return tuple(made)


def _bin(bins: Bins, at: int, points: int, n: float, won: float) -> CardBin:
    if bins.edges is None:
        words = bins.groups[at]
        more = f" (+{len(words) - N_WORDS} more)" if len(words) > N_WORDS else ""
        return CardBin(label=", ".join(words[:N_WORDS]) + more, values=words, points=points, n=n, won=won)
    low = float(bins.edges[at - 1]) if at else None
    high = float(bins.edges[at]) if at < len(bins.edges) else None
    if low is None:
        label = "filled" if high is None else f"below {high:g}"
    else:
        label = f"{low:g} or more" if high is None else f"{low:g} to below {high:g}"
    return CardBin.model_validate({"label": label, "from": low, "to": high, "points": points, "n": n, "won": won})


def column_of_frame(frame: pd.DataFrame, name: str) -> Column:
    """A column of a frame: numbers, dates as days, or words."""
    values = frame[name]
    if pd.api.types.is_bool_dtype(values) or not (
        pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values)
    ):
        codes, words = pd.factorize(values.astype("string"), use_na_sentinel=True)
        return Column(str(name), codes=codes.astype(np.int64), words=tuple(map(str, words)))
    if pd.api.types.is_datetime64_any_dtype(values):
        days = (values - pd.Timestamp(0)) / pd.Timedelta(days=1)
        return Column(str(name), np.asarray(days, dtype=np.float64))
    return Column(str(name), values.to_numpy(dtype=np.float64, na_value=np.nan))


def _plain(X: Any) -> Any:
    """A polars frame or an Arrow table as pandas; anything else as it is."""
    return X.to_pandas() if not _is_frame(X) and hasattr(X, "to_pandas") else X


def _is_frame(X: Any) -> bool:
    return isinstance(X, pd.DataFrame)


def _frame(X: Any) -> pd.DataFrame:
    if _is_frame(X):
        return pd.DataFrame(X).reset_index(drop=True)
    return pd.DataFrame(np.asarray(X), columns=[f"x{j}" for j in range(np.shape(X)[1])])
