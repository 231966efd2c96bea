"""Contenders that are no card, as they stand after all closed deals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadml.decisions.cutoff import Consequences
from leadml.estimators.fitted import FittedContender
from leadml.estimators.monotone_fit import Strength
from leadml.estimators.scorecard import ScorecardClassifier
from leadml.workflows.cards import Learned
from leadml.workflows.contenders import SMALL, Contender, Frame, threshold_at_share

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from leadml.estimators.context import RuleScores

Array = NDArray[Any]


@dataclass(frozen=True)
class WideDeals:
    """What the wide classifiers learn from.

    Attributes
    ----------
    deals : DataFrame of shape (n, n_criteria + n_context)
        Levels and context columns of every closed deal.
    scores : RuleScores
        Makes the classifiers' columns of them.
    monotone : tuple of str
        Those columns that may only raise the prediction.
    """

    deals: pd.DataFrame
    scores: RuleScores
    monotone: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """Rule scores, levels and context columns of every closed deal."""
        return self.scores.transform(self.deals)


def widen(frames: Sequence[Frame], levels: pd.DataFrame, context: pd.DataFrame, met_level: int) -> WideDeals:
    """Lay levels and context side by side.

    Parameters
    ----------
    frames : sequence of Frame
        Whose documented scores are columns too.
    levels : DataFrame of shape (n, n_criteria)
        Levels of every closed deal.
    context : DataFrame of shape (n, n_context)
        Context columns of every closed deal.
    met_level : int
        Level from which a criterion is met.

    Returns
    -------
    WideDeals
        Where a context column has a criterion's name, it is called ``context NAME``.
    """
    import pandas as pd

    from leadml.estimators.context import RuleScores

    rules: dict[str, tuple[str, tuple[str, ...]]] = {
        f"{frame.framework.id} {policy.unit}": (policy.unit, frame.framework.criterion_ids)
        for frame in frames
        for policy in frame.framework.policies
    }
    criteria = tuple(map(str, levels.columns))
    names = {str(name): f"context {name}" for name in context.columns}
    own = {name: called if name in criteria else name for name, called in names.items()}
    deals = pd.concat([levels.astype(float), context.rename(columns=own)], axis=1)
    scores = RuleScores(rules, criteria, {own[name]: called for name, called in names.items()}, met_level)
    return WideDeals(deals, scores, (*rules, *(f"level of {name}" for name in criteria)))


def fit_scorecard(frame: Frame, strength: Strength | Learned, *, integer: bool) -> ScorecardClassifier:
    """Fit a framework's scorecard to all deals, as a scikit-learn classifier.

    Parameters
    ----------
    frame : Frame
        The deals as the framework sees them.
    strength : Strength or Learned
        Strengths a deal.
    integer : bool
        Whether in whole points.

    Returns
    -------
    ScorecardClassifier
        It reads a frame of levels, a column a criterion.
    """
    import pandas as pd

    won, total = frame.table.counts()
    n = int(total.sum())
    model = ScorecardClassifier(
        frame.documented_points, shrink=strength.shrink * n, smooth=strength.smooth * n, integer=integer
    )
    ends = np.concatenate([won, total - won])
    outcome = np.repeat([1.0, 0.0], len(won))
    there = ends > 0
    levels = pd.DataFrame(frame.table.levels, columns=list(frame.framework.criterion_ids))
    return model.fit(pd.concat([levels, levels])[there], outcome[there], ends[there])


def fit_context(kind: str, wide: WideDeals, outcome: Array, inner: Array) -> Pipeline:
    """Fit a wide classifier to all deals.

    Parameters
    ----------
    kind : {"context-logistic", "context-boosting"}
        Which.
    wide : WideDeals
        The deals.
    outcome : array of shape (n,)
        1 won, 0 lost.
    inner : int array of shape (n,)
        Inner fold of each deal.

    Returns
    -------
    Pipeline
        It reads levels and context columns.
    """
    from sklearn.pipeline import make_pipeline
    from threadpoolctl import threadpool_limits

    from leadml.estimators.context import CommonCategories, ContextClassifier

    model = ContextClassifier(kind.removeprefix("context-"), wide.monotone)  # type: ignore[arg-type]
    with threadpool_limits(1 if len(outcome) < SMALL else None):
        pipeline = make_pipeline(wide.scores, CommonCategories(), model)
        return pipeline.fit(wide.deals, outcome, contextclassifier__fold=inner)


def fit_all(
    contenders: Sequence[Contender],
    frames: Sequence[Frame],
    learned: dict[str, Learned],
    wide: WideDeals,
    outcome: Array,
    inner: Array,
    base_rate: float,
    consequences: Consequences,
) -> dict[str, FittedContender]:
    """Fit every contender that tells a probability and is no card to all closed deals.

    Parameters
    ----------
    contenders : sequence of Contender
        All of them.
    frames : sequence of Frame
        All deals as each framework sees them.
    learned : dict of str to Learned
        What they taught, by framework.
    wide : WideDeals
        What the wide classifiers learn from.
    outcome : array of shape (n,)
        1 won, 0 lost, of every deal of `wide`.
    inner : int array of shape (n,)
        Inner fold of every deal of `wide`.
    base_rate : float
        Share of won deals.
    consequences : Consequences
        What decides who is followed up.

    Returns
    -------
    dict of str to FittedContender
        By contender.
    """
    import pandas as pd
    from sklearn.dummy import DummyClassifier

    frame_of = {frame.framework.id: frame for frame in frames}
    kinds = {str(name): _kind(values) for name, values in wide.deals.items()}
    out = {}
    for each in contenders:
        model: Any
        gates: dict[str, int] = {}
        deals: Any = wide.deals
        weight, columns = np.ones(len(outcome)), kinds
        if each.family in ("weights", "steps"):
            frame, fit = frame_of[str(each.framework)], learned[str(each.framework)]
            strength = fit.path.even().choose()[0] if each.family == "weights" else fit
            model = fit_scorecard(frame, strength, integer=False)
            deals = pd.DataFrame(frame.table.levels, columns=list(frame.framework.criterion_ids))
            weight = frame.table.counts()[1]
            columns = dict.fromkeys(frame.framework.criterion_ids, "double")
            gates = {gate.criterion: gate.below for gate in frame.framework.gates}
        elif each.kind == "context":
            model = fit_context(each.family, wide, outcome, inner)
        elif each.kind == "prior":
            model = DummyClassifier(strategy="prior")
            model.fit(np.zeros((2, 1)), [0.0, 1.0], sample_weight=[1.0 - base_rate, base_rate])
        else:
            continue
        threshold = float(consequences.threshold(base_rate))
        if consequences.share is not None:
            seen = model.predict_proba(deals)[:, 1]
            threshold = threshold_at_share(seen, weight, consequences.share)
        asked = threshold if np.isfinite(threshold) else None
        out[each.id] = FittedContender(each.id, each.title, columns, asked, gates, model)
    return out


def _kind(values: pd.Series[Any]) -> str:
    import pandas as pd

    return "double" if pd.api.types.is_numeric_dtype(values) else "string"
