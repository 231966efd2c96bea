"""Plain peers of the cards: the base rate alone, and logistic regression on the criteria."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.calibration.contenders import Said, Timing, codes_of, latest_shift, learning_weight, logit, won_of
from leadml.levels import UNKNOWN, logistic
from leadml.result import Kind

if TYPE_CHECKING:
    from leadml.data.deals import Leads

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, eq=False)
class Constant:
    """The same probability for every lead."""

    probability: float

    def predict(self, leads: Leads) -> Said:
        """The base rate."""
        same = np.full(len(leads), self.probability)
        return Said(same, same)


@dataclasses.dataclass(frozen=True, eq=False)
class Prior:
    """Base rate alone; of the latest deals where it moved."""

    timing: Timing = None
    id: str = "prior"
    title: str = "base rate alone"
    kind: Kind = "prior"
    framework: str | None = None
    policy: str | None = None

    def fit(self, train: Leads) -> Constant:
        """The share of won deals, half a deal of each kind added."""
        weight, won = learning_weight(train), won_of(train)
        rate = float((weight @ won + 0.5) / (weight.sum() + 1.0))
        shift, _ = latest_shift(np.full(len(train), logit(rate)), train, self.timing)
        return Constant(float(logistic(logit(rate) + shift)))


@dataclasses.dataclass(frozen=True, eq=False)
class FittedPlain:
    """A fitted logistic regression on criteria."""

    criteria: tuple[str, ...]
    model: Any
    mean: Floats
    shift: float

    def predict(self, leads: Leads) -> Said:
        """Log-odds and P(won)."""
        eta = (
            self.model.decision_function(plain_design(codes_of(leads, self.criteria), self.mean)) + self.shift
        )
        return Said(eta, logistic(eta))


def plain_design(codes: Codes, mean: Floats) -> Floats:
    """Levels with unknown at the mean, beside an indicator of each unknown."""
    unknown = codes == UNKNOWN
    return np.hstack([np.where(unknown, mean, codes), unknown]).astype(np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class Plain:
    """Plain logistic regression (C = 1) on the mapped criteria: the peer that is always there."""

    criteria: tuple[str, ...]
    timing: Timing = None
    id: str = "logistic"
    title: str = "plain logistic regression on the criteria"
    kind: Kind = "learned"
    framework: str | None = None
    policy: str | None = None

    def fit(self, train: Leads) -> FittedPlain:
        """Fit on counts of patterns."""
        from sklearn.linear_model import LogisticRegression

        from leadml.estimators.patterns import PatternCounts

        codes = codes_of(train, self.criteria)
        counts = PatternCounts.from_codes(codes, won_of(train), learning_weight(train))
        known = counts.codes != UNKNOWN
        weight = (counts.won + counts.lost)[:, None] * known
        mean = (weight * np.where(known, counts.codes, 0)).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
        design = plain_design(counts.codes, mean)
        model = LogisticRegression(C=1.0, max_iter=500)
        both = np.concatenate([np.ones(len(design)), np.zeros(len(design))])
        model.fit(np.vstack([design, design]), both, sample_weight=np.concatenate([counts.won, counts.lost]))
        eta = model.decision_function(plain_design(codes, mean))
        return FittedPlain(self.criteria, model, mean, latest_shift(eta, train, self.timing)[0])
