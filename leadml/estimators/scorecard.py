"""ScorecardClassifier: points learned from closed deals, never falling from level to level."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from leadml.estimators.classifier import POINTS, ChanceClassifier
from leadml.estimators.patterns import PatternCounts, sum_rows
from leadml.estimators.scorecard_fit import fit_scorecard
from leadml.estimators.whole_points import whole_points
from leadml.evaluation.rates import table_of_totals
from leadml.levels import LEVEL_MAX, Codes, Flags, Floats, codes_of_levels


class ScorecardClassifier(ChanceClassifier):
    """Scorecard of whole points, learned around the documented ones.

    logit P(won | x) = b + sum_j f_j(x_j), f_j never falling from level 0 to 4; how far it departs from the document,
    between criteria and within them, is averaged over by evidence.

    Parameters
    ----------
    framework : str, path or dict, optional
        Framework whose criteria the columns are (of a frame: by name, in any order). Default: those of a
        frame that are named as criteria, else every column.
    points : int (4 to 1000) or None
        Points in all, 40 by default; None keeps the real-valued fit.
    monotone : bool or array-like of shape (n_criteria,)
        False lets points turn (best in the middle), of all criteria or of each.
    won : label, optional
        The label of `y` that counts as won; by default the known word (won, gewonnen, ja ...), else the greater.
    clip : bool
        Read levels below 0 as 0 and above 4 as 4, in place of refusing them.
    n_draws : int
        Posterior draws to keep, for intervals of weights; 0 for none.
    random_state : int
        Seed of the draws.

    Attributes
    ----------
    classes_, won_ : ndarray of shape (2,) and label
        Labels in sorted order, and the one that counts as won.
    fit_ : ScorecardFit
        Real-valued card: intercept, values (n_criteria, 6) of levels 0 to 4 and unknown, draws.
    points_ : ndarray of shape (n_criteria, 6), int
        Points of levels 0 to 4 and of unknown; absent when `points` is None.
    intercept_ : float
        Log-odds of the fit with every criterion at level 0.
    table_ : TotalProbabilities
        P(won) with its 95% interval at every total; absent when `points` is None.

    Notes
    -----
    Levels are read to the nearest whole one. `leadml.calibrate` refuses to learn from fewer than 20 won or 20 lost
    deals; this estimator does not. scikit-learn's own checks give any numbers for levels, and need `clip`.

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
    >>> card = ScorecardClassifier("bant").fit(levels, np.where(won, "gewonnen", "verloren"))
    >>> card.won_, int(card.points_[:, 4].argmax())
    ('gewonnen', 1)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"points": [POINTS, None]}

    def __init__(
        self,
        framework: Any = None,
        *,
        points: int | None = 40,
        monotone: bool | npt.ArrayLike = True,
        won: Any = None,
        clip: bool = False,
        n_draws: int = 0,
        random_state: int = 0,
    ) -> None:
        self.framework = framework
        self.points = points
        self.monotone = monotone
        self.won = won
        self.clip = clip
        self.n_draws = n_draws
        self.random_state = random_state

    def _checked(self, X: Floats) -> Floats:
        return np.clip(X, 0, LEVEL_MAX) if self.clip else super()._checked(X)

    def _learn(self, X: Floats, won: Flags, weight: Floats) -> None:
        counts = PatternCounts.from_codes(_codes(X), won, weight)
        self.fit_ = fit_scorecard(counts, monotone=self.monotone, random_state=self.random_state, n_draws=self.n_draws)
        self.intercept_ = self.fit_.intercept
        if self.points is not None:
            whole = whole_points(self.fit_, counts.codes, counts.total, self.points, monotone=self.monotone)
            self.points_, totals = np.array(whole.rows), whole.totals(counts.codes)
            self.table_ = table_of_totals(totals, counts.won, counts.total, whole.total_max)

    def _score(self, X: Any) -> Floats:
        codes = _codes(self._levels(X))
        if self.points is None:
            return self.fit_.log_odds(codes)
        p = self.table_.probability[sum_rows(self.points_, codes).astype(np.int64)]
        return np.asarray(np.log(p) - np.log1p(-p))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags._skip_test = not self.clip  # other numbers than levels are refused
        return tags


def _codes(levels: Floats) -> Codes:
    return codes_of_levels(np.floor(levels + 0.5))
