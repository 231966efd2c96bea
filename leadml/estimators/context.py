"""Wide classifiers: logistic regression and boosted trees over levels, rule scores and columns of the CRM.

Here alone is known what kind a column is: numbers are float64 with NaN for unknown, words are objects with None for
blank.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from leadml.evaluation.metrics import log_losses
from leadml.levels import LEVEL_MAX, Floats

if TYPE_CHECKING:
    from leadml.data.deals import Leads

Form = Literal["logistic", "boosting"]

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse penalties tried by the logistic regression."""
MOST_TREES = 200
BLANK = -1e30
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
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1,
            min_frequency=least, max_categories=MAX_CATEGORIES,
        )  # fmt: skip
        # blank is the least value: trees cannot bin what holds no value
        least_value = SimpleImputer(strategy="constant", fill_value=BLANK, keep_empty_features=True)
        return make_column_transformer((least_value, numbers), (ordinal, words))
    fill = SimpleImputer(add_indicator=True, keep_empty_features=True)
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=least, sparse_output=False)
    return make_column_transformer((make_pipeline(fill, StandardScaler()) if form else fill, numbers), (one_hot, words))


def fit_context(
    form: Form, frame: pd.DataFrame, won: Floats, weight: Floats, unit: Any = None, seed: int = 0,
    chosen: float | None = None,
) -> tuple[Pipeline, float]:  # fmt: skip
    """Choose the inverse penalty, or the number of trees, unless it is chosen; then fit all deals."""
    columns = as_numbers(frame, form)
    ready = np.asarray(columns.fit_transform(frame), dtype=np.float64)
    if form == "logistic":
        model: Any = LogisticRegression(max_iter=1000, warm_start=True)
    else:  # small trees that see half of the columns: larger ones told less of up to 5,000 deals
        model = HistGradientBoostingClassifier(
            max_iter=MOST_TREES, max_leaf_nodes=4, max_features=0.5, min_samples_leaf=10, l2_regularization=1.0,
            early_stopping=True, random_state=seed,
            categorical_features=np.arange(ready.shape[1]) >= ready.shape[1] - len(columns.transformers_[1][2]),
        )  # fmt: skip
    # penalties are for rows; trees bin columns far faster without weights
    weights = None if np.ptp(weight) == 0 else weight / weight.mean()
    chosen = _choose(model, ready, won, weights, unit, seed) if chosen is None else chosen
    model.set_params(**{"C": chosen} if form == "logistic" else {"max_iter": int(chosen), "early_stopping": False})
    return make_pipeline(columns, model.fit(ready, won, weights)), chosen


def _choose(model: Any, ready: Floats, won: Floats, weight: Floats | None, unit: Any, seed: int) -> float:
    """What has the least log loss in inner folds of whole units: one path of strengths, or of trees, for each fold."""
    tried = STRENGTHS if isinstance(model, LogisticRegression) else range(1, MOST_TREES + 1)
    unit = np.random.default_rng(seed).permutation(len(won)) if unit is None else unit
    losses, folds = np.zeros(len(tried)), min(N_INNER, len(np.unique(unit)))
    for rows in GroupKFold(folds).split(ready, won, unit) if folds > 1 else ():
        (x, held_x), (y, held_y) = ([each[part] for part in rows] for each in (ready, won))
        w, held_w = (None if weight is None else weight[part] for part in rows)
        if np.ptp(y) == 0:
            continue
        if tried is STRENGTHS:  # each from where the last one ended
            told = [model.set_params(C=each).fit(x, y, w).predict_proba(held_x)[:, 1] for each in STRENGTHS]
            path = np.array([np.average(log_losses(held_y, p), weights=held_w) for p in told])
        else:
            model.fit(x, y, w, X_val=held_x, y_val=held_y, sample_weight_val=held_w)
            path = np.pad(-model.validation_score_[1:], (0, MOST_TREES - model.n_iter_), mode="edge")
        losses += path * (len(held_y) if held_w is None else held_w.sum())
    return float(tried[np.argmin(losses)])
