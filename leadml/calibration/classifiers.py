"""Contenders that read columns of the CRM: the wide card, logistic regression, boosted trees, the user's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from leadml.calibration.contenders import Contender, DocumentedRule, Said, Totals, TotalTable
from leadml.calibration.views import Flags, View, learning_weight, won_of
from leadml.levels import LEVEL_MAX, Codes

if TYPE_CHECKING:
    import pyarrow as pa

    from leadml.data.deals import Leads
    from leadml.estimators.attributes import Column
    from leadml.estimators.wide_fit import WideFit
    from leadml.estimators.wide_points import WidePoints

Form = Literal["logistic", "boosting"]
MORE = 1.9
"""How many times more deals there must be before a classifier is tuned again."""
MOST = 5_000
"""Deals at the most (the latest, in time) that a wide classifier is fitted to."""


@dataclasses.dataclass(frozen=True, eq=False)
class FittedClassifier:
    """A fitted scikit-learn classifier on a frame of leads."""

    model: Any
    frame: Callable[[Leads], Any]
    kinds: dict[str, Any]  # of the columns that it was fitted to

    def predict(self, leads: Leads) -> Said:
        """P(won), by which it ranks too; a column that new leads lack is blank."""
        frame = self.frame(leads).reindex(columns=list(self.kinds))
        for name, kind in self.kinds.items():
            if frame[name].dtype != kind:  # a number's column may hold a word now, and words none
                frame[name] = frame[name].astype(object) if kind.hasobject else numbers_in(frame[name])
        won = list(self.model.classes_).index(1)
        p = np.asarray(self.model.predict_proba(frame)[:, won], dtype=np.float64)
        return Said(p, p)


def numbers_in(column: Any) -> Any:
    """Numbers of a column, NaN where there is none."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").astype(np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier(Contender):
    """The user's own scikit-learn classifier. A pipeline gets the frame; anything else gets it as numbers."""

    classifier: Any

    def fit(self, train: Leads) -> FittedClassifier:
        """Clone and fit."""
        from sklearn.base import clone
        from sklearn.pipeline import Pipeline, make_pipeline

        model, frame = clone(self.classifier), frame_of(train)
        if not isinstance(model, Pipeline):
            model = make_pipeline(as_numbers(frame), model)
        last = model.steps[-1][0]
        weight = {} if train.weight is None else {f"{last}__sample_weight": train.weight}
        return FittedClassifier(model.fit(frame, won_of(train).astype(int), **weight), frame_of, dict(frame.dtypes))


def frame_of(leads: Leads) -> Any:
    """Levels (NaN = unknown) and columns of the CRM as a pandas frame; words as object, None for blank.

    What a level was read from is among the columns where it says more than the level: it has more values.
    """
    import pandas as pd
    import pyarrow as pa

    columns: dict[str, Any] = {name: leads.levels[:, at] for at, name in enumerate(leads.criteria)}
    rules = leads.mapping.criteria if leads.mapping else {}
    read = {rules[each].column for each in leads.criteria if each in rules}
    more = {name: each for name, each in leads.raw.items() if name in read and len(each.unique()) > LEVEL_MAX + 2}
    for name, column in {**more, **leads.context}.items():
        if pa.types.is_date(column.type):
            column = column.cast(pa.int32()).cast(pa.float64())
        made = column.to_pandas()
        words = pa.types.is_dictionary(column.type) or pa.types.is_string(column.type)
        columns.setdefault(name, made.astype(object).where(made.notna(), None) if words else made)
    return pd.DataFrame(columns)


def as_numbers(frame: Any) -> Any:
    """Transformer of such a frame to numbers: means, indicators of unknown, a column a frequent word."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    words = [name for name in frame if frame[name].dtype == object]
    numbers = [name for name in frame if frame[name].dtype != object]
    impute = SimpleImputer(add_indicator=True, keep_empty_features=True)
    encode = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
    return make_column_transformer((impute, numbers), (encode, words))


@dataclasses.dataclass(frozen=True, eq=False)
class Context(Contender):
    """Logistic regression or boosted trees on levels, the baseline's score and columns of the CRM.

    In time it is tuned anew when there are `MORE` times as many deals as when it was tuned last, since what
    earlier deals chose is still learned from the past; in folds it is tuned in each.
    """

    form: Form
    rule: DocumentedRule | None
    random_state: int = 0
    _tuned: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    def frame(self, leads: Leads) -> Any:
        """Levels, context and the rule's score."""
        frame = frame_of(leads)
        if self.rule is not None:
            frame["documented score"] = self.rule.totals(leads).astype(np.float64)
        return frame

    def fit(self, train: Leads) -> FittedClassifier:
        """Tune where there are many more deals than before, then fit."""
        from leadml.estimators.context import ContextClassifier

        if len(train) > MOST:
            late = np.arange(len(train) - MOST, len(train))
            rng = np.random.default_rng(self.random_state)
            train = train.take(late if self.timing is not None else np.sort(rng.permutation(len(train))[:MOST]))
        n, tuned_at = len(train), self._tuned.get("n", 0)
        again = self.timing is not None and tuned_at <= n < MORE * tuned_at
        model = ContextClassifier(self.form, self.random_state, self._tuned["chosen"] if again else None)
        frame = self.frame(train)
        model.fit(frame, won_of(train).astype(int), learning_weight(train), train.unit)
        if not again:
            self._tuned.update(n=n, chosen=model.chosen_)
        return FittedClassifier(model, self.frame, dict(frame.dtypes))


@dataclasses.dataclass(frozen=True, eq=False)
class WideRule:
    """Whole points of criteria and attributes."""

    view: View | None
    fit: WideFit
    points: WidePoints

    @property
    def total_max(self) -> int:
        """The highest total."""
        return int(self.points.total_max)

    def totals(self, leads: Leads) -> Totals:
        """Points of each lead."""
        rows = wide_rows(self.view, self.fit, leads)
        return np.asarray(self.points.totals(rows)) if rows else np.zeros(len(leads), dtype=np.int64)

    def failed(self, leads: Leads) -> Flags:
        """Whether the framework's own gate disqualifies a lead."""
        return np.zeros(len(leads), dtype=bool) if self.view is None else self.view.failed(leads)


def criteria_of(view: View | None, leads: Leads) -> Codes:
    """Codes of the criteria on a wide card."""
    return np.empty((len(leads), 0), np.uint8) if view is None else view.codes(leads)


def wide_rows(view: View | None, fit: WideFit, leads: Leads) -> list[npt.NDArray[np.uint8]]:
    """Codes of each row of a wide card."""
    attributes = [each.bins.codes(column_of(leads, each.bins.name)) for each in fit.attributes]
    return [*criteria_of(view, leads).T, *attributes]


def column_of(leads: Leads, name: str) -> Column:
    """A column as attributes are learned from; absent: all blank."""
    from leadml.estimators.attributes import Column, column_of_arrow

    values: pa.Array | None = leads.context.get(name, leads.raw.get(name))
    if values is None:
        return Column(name, codes=np.full(len(leads), -1, np.int64))
    return column_of_arrow(name, values, leads.created)


@dataclasses.dataclass(frozen=True, eq=False)
class WideCard(Contender):
    """The wide card: documented criteria, and the columns of the CRM that tell more."""

    view: View | None
    columns: tuple[str, ...]
    attributes: int = 12
    points: int = 40
    as_score: bool = False  # whether the criteria keep the document's proportions

    def fit(self, train: Leads) -> TotalTable:
        """Choose columns and bins, fit, round to whole points, learn what each total means."""
        from leadml.estimators.attributes import offered
        from leadml.estimators.wide_fit import WideDeals, fit_wide, held_out_slope
        from leadml.estimators.wide_points import whole_points

        weight = learning_weight(train)
        columns, _ = offered([column_of(train, name) for name in self.columns], len(train))
        documented = np.empty((0, 5)) if self.view is None else self.view.documented
        deals = WideDeals(criteria_of(self.view, train), documented, columns, won_of(train), weight, train.unit)
        fit = fit_wide(deals, attributes=self.attributes, as_score=self.as_score)
        points = whole_points(fit, wide_rows(self.view, fit, train), weight, self.points)
        slope = fit.slope * held_out_slope(deals, attributes=self.attributes, as_score=self.as_score)
        return TotalTable.learn(WideRule(self.view, fit, points), train, self.timing, slope)
