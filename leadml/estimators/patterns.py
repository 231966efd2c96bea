"""Closed deals as counts of patterns: fits and bootstraps cost the same at 1,000 deals and at 100,000,000."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.exceptions import TooFewDealsError, UsageError
from leadml.levels import N_CODES, UNKNOWN, Codes, pack, unpack

Floats = npt.NDArray[np.float64]

MIN_WON, MIN_LOST, MIN_CRITERIA = 20, 20, 2
DENSE_KEYS = 1 << 22
"""Numbers of patterns up to which they are counted by bincount."""


@dataclasses.dataclass(frozen=True, eq=False)
class PatternCounts:
    """Each different pattern of codes once, with the weight of its won and of its lost deals."""

    codes: Codes
    """(m, k) uint8."""
    won: Floats
    """(m,) or (rows, m): weight of won deals, one row a bootstrap replicate."""
    lost: Floats

    @classmethod
    def from_codes(cls, codes: Codes, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> PatternCounts:
        """Count closed deals: codes (n, k); outcome (n,) 1 won, 0 lost, others left out; weights (n,)."""
        outcome = np.asarray(outcome)
        closed = (outcome == 0) | (outcome == 1)
        if not closed.all():
            codes, outcome = codes[closed], outcome[closed]
            weight = None if weight is None else np.asarray(weight)[closed]
        keys, at, n_keys = pattern_of_rows(codes)
        won_at = np.asarray(outcome, dtype=bool)
        won = summed(at, won_at if weight is None else won_at * np.asarray(weight), n_keys)
        total = summed(at, None if weight is None else np.asarray(weight), n_keys)
        seen = total > 0
        patterns = unpack(keys[seen], codes.shape[1])
        return cls(patterns, won[seen], (total - won)[seen])

    @property
    def total(self) -> Floats:
        """Weight of all deals of each pattern."""
        return self.won + self.lost

    def of(self, columns: Sequence[int] | npt.NDArray[np.intp]) -> PatternCounts:
        """Keep some criteria, adding up patterns that become equal."""
        codes = self.codes[:, list(columns)]
        keys, at, n_keys = pattern_of_rows(codes)
        won, lost = (summed(at, each, n_keys) for each in (self.won, self.lost))
        seen = np.bincount(at, minlength=n_keys) > 0
        return PatternCounts(unpack(keys[seen], codes.shape[1]), won[seen], lost[seen])


def summed(at: npt.NDArray[np.int64], weight: npt.NDArray[Any] | None, size: int) -> Floats:
    """Sum of the weights at each position, of counts where there are none."""
    return np.bincount(at, weight, minlength=size).astype(np.float64)


def pattern_of_rows(codes: Codes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Key of each pattern, position of each row's pattern among them, and how many there are."""
    keys, n_keys = pack(codes), N_CODES ** codes.shape[1]
    if n_keys <= DENSE_KEYS:
        return np.arange(n_keys), keys, n_keys
    keys, at = np.unique(keys, return_inverse=True)
    return keys, at, len(keys)


def check_learnable(counts: PatternCounts, criteria: Sequence[str]) -> None:
    """Refuse to learn from too few deals of either outcome, or from criteria that tell nothing."""
    if len(criteria) < MIN_CRITERIA:
        raise UsageError(
            f"{len(criteria)} mapped criteria ({', '.join(criteria) or 'none'}); a card needs at least "
            f"{MIN_CRITERIA}; map another criterion, or use a framework that has them"
        )
    n_won, n_lost = float(counts.won.sum()), float(counts.lost.sum())
    if n_won < MIN_WON or n_lost < MIN_LOST:
        raise TooFewDealsError(
            f"{n_won:.0f} won and {n_lost:.0f} lost deals; learning needs at least {MIN_WON} won and {MIN_LOST} "
            "lost; the documented rules can be used without: leadml qualify"
        )
    known = counts.codes[counts.total > 0] != UNKNOWN
    if not known.any():
        raise UsageError(f"no level of {', '.join(criteria)} is known in any closed deal; check the mapping")
    seen = counts.codes[counts.total > 0]
    if not (seen != seen[0]).any():
        raise UsageError(f"{', '.join(criteria)}: constant in all closed deals; check the mapping")
