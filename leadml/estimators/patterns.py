"""Closed deals as counts of patterns: fits and bootstraps cost the same at 1,000 deals and at 100,000,000."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.levels import N_CODES, Codes, Floats, pack, unpack

DENSE_KEYS = 1 << 22
"""Numbers of patterns up to which each has a place, and rows are counted some at a time."""
_AT_ONCE = 1 << 17  # what they need lies in the processor's cache


@dataclasses.dataclass(frozen=True, eq=False)
class PatternCounts:
    """Each different pattern of codes once, (m, k) uint8, with the weight (m,) of its won and of its lost deals."""

    codes: Codes
    won: Floats
    lost: Floats

    @classmethod
    def from_codes(cls, codes: Codes, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> PatternCounts:
        """Count closed deals: codes (n, k); outcome (n,) 1 won, 0 lost, others left out; weights (n,)."""
        outcome, n = np.asarray(outcome), len(codes)
        weight = None if weight is None else np.asarray(weight, dtype=np.float64)
        n_keys, seen, step = N_CODES ** codes.shape[1], None, _AT_ONCE
        if n_keys >= 1 << 63:  # above 24 columns no number holds a pattern
            rows_of, row = np.unique(codes, axis=0, return_inverse=True)
            each = np.ones(n) if weight is None else weight
            told = np.stack([np.bincount(row, each * (outcome == kind), len(rows_of)) for kind in (1, 0)])
            some = told.sum(axis=0) > 0
            return cls(rows_of[some], *told[:, some])
        if n_keys > DENSE_KEYS:
            (seen, first), step = np.unique(pack(codes), return_index=True), n
            n_keys = len(seen)
        counts = np.zeros(2 * n_keys)
        for rows in (slice(start, start + max(step, n_keys)) for start in range(0, n, max(step, n_keys))):
            keys, won = pack(codes[rows]), outcome[rows] == 1
            keys = keys if seen is None else np.searchsorted(seen, keys)
            closed = won | (outcome[rows] == 0)
            at = (keys + n_keys * won)[slice(None) if closed.all() else closed]
            counts += np.bincount(at, None if weight is None else weight[rows][closed], 2 * n_keys)
        lost, won = counts.reshape(2, -1)
        some = lost + won > 0
        patterns = unpack(np.flatnonzero(some), codes.shape[1]) if seen is None else codes[first[some]]
        return cls(patterns, won[some], lost[some])

    @property
    def total(self) -> Floats:
        """Weight of all deals of each pattern."""
        return self.won + self.lost


def sum_rows(rows: Iterable[npt.NDArray[Any]], codes: Codes) -> Floats:
    """(n,): sum over the columns of (n, rows) codes of what the row of each has for them."""
    out = np.zeros(len(codes))
    for row, column in zip(rows, codes.T, strict=True):
        out = out + row[column]
    return out
