"""Wide classifiers: logistic regression and boosted trees over levels, rule scores and columns of the CRM.

Here alone is known what kind a column is: numbers are float64 with NaN for unknown, words are objects with None for
blank.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from leadml.levels import LEVEL_MAX

if TYPE_CHECKING:
    from leadml.data.deals import Leads

Floats = npt.NDArray[np.float64]
Form = Literal["logistic", "boosting"]
Chosen = tuple[float, int]
"""Inverse penalty and 0, or number of trees and their leaves."""

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse penalties tried by the logistic regression."""
TREES = tuple(range(5, 201, 5))
LEAST_CATEGORY = 10
"""Deals below which a word counts with the other rare ones: what is stored names no single customer."""
MAX_CATEGORIES = 200
N_INNER = 3


def frame_of(leads: Leads) -> pd.DataFrame:
    """Levels and columns of the CRM, dates as days.

    What a level was read from is among the columns where it says more than the level: it has more values.
    """
    columns: dict[str, Any] = {name: leads.levels[:, at] for at, name in enumerate(leads.criteria)}
    rules = leads.mapping.criteria if leads.mapping else {}
    read = {rules[each].column for each in leads.criteria if each in rules}
    more = {name: each for name, each in leads.raw.items() if name in read and len(each.unique()) > LEVEL_MAX + 2}
    for name, column in {**more, **leads.context}.items():
        if pa.types.is_date(column.type):
            column = column.cast(pa.int32()).cast(pa.float64())
        made = column.to_pandas()
        is_words = pa.types.is_dictionary(column.type) or pa.types.is_string(column.type)
        columns.setdefault(name, made.astype(object).where(made.notna(), None) if is_words else made)
    return pd.DataFrame(columns)


def as_before(frame: pd.DataFrame, kinds: Mapping[str, Any]) -> pd.DataFrame:
    """Columns of the kinds that a classifier was fitted to; one that new leads lack is blank."""
    frame = frame.reindex(columns=list(kinds))
    for name, kind in kinds.items():
        if frame[name].dtype != kind:  # a number's column may hold a word now, and words none
            numbers = None if kind.hasobject else pd.to_numeric(frame[name], errors="coerce").astype(np.float64)
            frame[name] = frame[name].astype(object) if numbers is None else numbers
    return frame


def as_numbers(frame: pd.DataFrame, form: Form | None = None) -> ColumnTransformer:
    """Transformer of a frame to numbers, numbers first; means and a column a frequent word, for trees neither."""
    words = [name for name in frame if frame[name].dtype == object]
    numbers = [name for name in frame if frame[name].dtype != object]
    least = min(LEAST_CATEGORY, max(1, len(frame) // 3))
    if form == "boosting":
        ordinal = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan,
            min_frequency=least, max_categories=MAX_CATEGORIES,
        )  # fmt: skip
        return make_column_transformer(("passthrough", numbers), (ordinal, words))
    fill = SimpleImputer(add_indicator=True, keep_empty_features=True)
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=least, sparse_output=False)
    return make_column_transformer((make_pipeline(fill, StandardScaler()) if form else fill, numbers), (one_hot, words))


def fit_context(
    form: Form, frame: pd.DataFrame, won: Floats, weight: Floats, unit: Any = None, seed: int = 0,
    chosen: Chosen | None = None,
) -> tuple[Pipeline, Chosen]:  # fmt: skip
    """Choose the strength, or size and number of trees, unless they are chosen; then fit all deals."""
    columns = as_numbers(frame, form)
    with threadpool_limits(
        1
    ):  # of a few thousand deals: small teams of threads wait for each other longer than they work
        ready = np.asarray(columns.fit_transform(frame), dtype=np.float64)
        if form == "boosting":  # trees cannot bin what holds no value
            ready[:, np.isnan(ready).all(axis=0)] = 0.0
        n_words = len(columns.transformers_[1][2])
        is_word = np.arange(ready.shape[1]) >= ready.shape[1] - n_words
        chosen = chosen or _choose(form, ready, won, weight, unit, is_word, seed)
        model = _model(form, *chosen, is_word, seed).fit(ready, won, weight)
    return make_pipeline(columns, model), chosen


def _choose(
    form: Form, ready: Floats, won: Floats, weight: Floats, unit: Any, is_word: npt.NDArray[np.bool_], seed: int
) -> Chosen:
    """What has the least log loss in inner folds of whole units; large trees have nothing to tell small data from."""
    n = weight.sum()
    leaves = (0,) if form == "logistic" else (4,) if n < 1_000 else (4, 8) if n < 20_000 else (8, 31)
    tried = STRENGTHS if form == "logistic" else TREES
    rng = np.random.default_rng(seed)
    unit = rng.permutation(len(won)) if unit is None else np.unique(unit, return_inverse=True)[1]
    losses = np.zeros((len(leaves), len(tried)))
    folds = min(N_INNER, len(np.unique(unit)))
    for train, test in GroupKFold(folds).split(ready, won, unit) if folds > 1 else ():
        if len(np.unique(won[train])) < 2:
            continue
        silent = np.isnan(ready[train]).all(axis=0) & (form == "boosting")
        seen, held = (np.where(silent, 0.0, ready[rows]) for rows in (train, test))
        for i, size in enumerate(leaves):

            def fitted(strength: float, size: int = size, seen: Floats = seen, train: Any = train) -> Any:
                return _model(form, strength, size, is_word, seed).fit(seen, won[train], weight[train])

            if form == "logistic":
                said = [fitted(each).predict_proba(held) for each in STRENGTHS]
            else:
                said = list(fitted(TREES[-1]).staged_predict_proba(held))[TREES[0] - 1 :: TREES[0]]
            for j, p in enumerate(said):
                losses[i, j] += log_loss(won[test], p[:, 1], sample_weight=weight[test], labels=[0, 1], normalize=False)
    best = np.unravel_index(int(np.argmin(losses)), losses.shape)
    return tried[best[1]], leaves[best[0]]


def _model(form: Form, strength: float, leaves: int, is_word: npt.NDArray[np.bool_], seed: int) -> Any:
    if form == "logistic":
        return LogisticRegression(C=strength, max_iter=1000)
    return HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=int(strength), max_leaf_nodes=leaves, min_samples_leaf=10,
        l2_regularization=1.0, early_stopping=False, categorical_features=is_word, random_state=seed,
    )  # fmt: skip
