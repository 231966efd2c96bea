"""Closed deals as counts of patterns: fits and bootstraps cost the same at 1,000 deals and at 100,000,000."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from leadml.levels import N_CODES, Codes, pack, unpack

Floats = npt.NDArray[np.float64]

DENSE_KEYS = 1 << 22
"""Numbers of patterns up to which they are counted by bincount."""


@dataclasses.dataclass(frozen=True, eq=False)
class PatternCounts:
    """Each different pattern of codes once, (m, k) uint8, with the weight (m,) of its won and of its lost deals."""

    codes: Codes
    won: Floats
    lost: Floats

    @classmethod
    def from_codes(cls, codes: Codes, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> PatternCounts:
        """Count closed deals: codes (n, k); outcome (n,) 1 won, 0 lost, others left out; weights (n,)."""
        outcome = np.asarray(outcome)
        closed = (outcome == 0) | (outcome == 1)
        weight = None if weight is None else np.asarray(weight, dtype=np.float64)
        if not closed.all():
            codes, outcome = codes[closed], outcome[closed]
            weight = None if weight is None else weight[closed]
        keys, n_keys = pack(codes), N_CODES ** codes.shape[1]
        if n_keys > DENSE_KEYS:
            seen_keys, keys = np.unique(keys, return_inverse=True)
            n_keys = len(seen_keys)
        else:
            seen_keys = np.arange(n_keys)
        won_at = np.asarray(outcome, dtype=bool)
        won = np.bincount(keys, won_at if weight is None else won_at * weight, n_keys).astype(np.float64)
        total = np.bincount(keys, weight, n_keys).astype(np.float64)
        seen = total > 0
        return cls(unpack(seen_keys[seen], codes.shape[1]), won[seen], (total - won)[seen])

    @property
    def total(self) -> Floats:
        """Weight of all deals of each pattern."""
        return self.won + self.lost
