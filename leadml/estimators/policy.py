"""A documented rule as a scikit-learn classifier: points given, nothing learned."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from leadml.estimators.classifier import LeadClassifier
from leadml.exceptions import UsageError
from leadml.frameworks.catalog import load_policy
from leadml.levels import Flags, Floats


class PolicyClassifier(LeadClassifier):
    """Documented rule: count the criteria met, or add up the points, and compare with a cut-off.

    score(x) = number of x_j >= `met_level`, or the sum of the x_j; an unknown (NaN) earns nothing. Ranges, bands and
    the next question are those of its card: ``leadml.load_card``, ``leadml qualify``.

    Parameters
    ----------
    policy : str, optional
        Id of a documented rule, such as ``bant-ibm``: its criteria (of a frame: by name), unit and cut-off.
    framework : str, path, dict or Framework, optional
        In place of a policy, beside `unit` and `cutoff`: the framework whose criteria `X` holds.
    unit : "met" or "points"
        Whether the criteria met are counted, or the levels are added up.
    cutoff : number, optional
        Score from which a lead qualifies. Default: half of the criteria, rounded up; points have none.
    met_level : number
        Level from which a criterion is met; without effect on points.
    won : label, optional
        The label of `y` that counts as won; by default the known word (won, gewonnen, ja ...), else the greater.

    Attributes
    ----------
    classes_, won_ : ndarray of shape (2,) and label
        Labels in sorted order, and the one that counts as won.
    cutoff_ : float
        The cut-off in force.

    Notes
    -----
    There is no ``predict_proba``: a documented rule has a score and a decision, never a probability. Weights change
    nothing. Levels are 0 to 4 where a policy or a framework is named, else any numbers.

    Examples
    --------
    >>> import numpy as np
    >>> levels = np.array([[3, 4, 2, 1], [3, np.nan, 2, 0], [0, 1, 1, 1]])
    >>> rule = PolicyClassifier("bant-ibm").fit(levels, ["won", "lost", "lost"])
    >>> rule.predict(levels).tolist()
    ['won', 'lost', 'lost']
    >>> rule.total(levels).tolist()
    [3.0, 2.0, 0.0]
    >>> PolicyClassifier(unit="points").fit(levels, [1, 1, 0])
    Traceback (most recent call last):
        ...
    leadml.exceptions.UsageError: cutoff is None; valid: a number when unit is "points"; give the documented one
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"cutoff": [Interval(Real, None, None, closed="neither"), None]}

    def __init__(
        self,
        policy: str | None = None,
        *,
        framework: Any = None,
        unit: str = "met",
        cutoff: float | None = None,
        met_level: float = 2,
        won: Any = None,
    ) -> None:
        self.policy = policy
        self.framework = framework
        self.unit = unit
        self.cutoff = cutoff
        self.met_level = met_level
        self.won = won

    def _criteria(self) -> tuple[str, ...]:
        if self.policy is None:
            return super()._criteria()
        if self.framework is not None:
            raise UsageError(f"got policy {self.policy!r} and framework; a policy has its own criteria; give one")
        return load_policy(self.policy).criteria

    def _checked(self, X: Floats) -> Floats:
        return super()._checked(X) if self.criteria_ else X

    def _learn(self, X: Floats, won: Flags, weight: Floats) -> None:  # noqa: ARG002
        rule = self if self.policy is None else load_policy(self.policy)
        self.unit_, cutoff = rule.unit, rule.cutoff
        if self.unit_ not in ("met", "points"):
            raise UsageError(f'unit is {self.unit_!r}; valid: "met" or "points"; choose one')
        if cutoff is None and self.unit_ == "points":
            raise UsageError('cutoff is None; valid: a number when unit is "points"; give the documented one')
        self.cutoff_ = float((X.shape[1] + 1) // 2 if cutoff is None else cutoff)

    def total(self, X: Any) -> Floats:
        """(n,) criteria met, or points, of leads as in `fit`; unknowns earn nothing."""
        X = self._levels(X)
        earned = np.nan_to_num(X) if self.unit_ == "points" else np.greater_equal(X, self.met_level)
        return np.asarray(earned.sum(axis=1), dtype=np.float64)

    def _score(self, X: Any) -> Floats:
        margin = self.total(X) - self.cutoff_
        # a score exactly at the cut-off qualifies, and scikit-learn takes 0 for the first class
        return np.where(margin == 0, np.finfo(np.float64).tiny, margin)
