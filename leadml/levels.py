"""The vocabulary under all frameworks: 13 canonical criteria, levels 0 to 4 and unknown, patterns; types of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

CANONICAL = (
    "budget", "funds", "authority", "need", "challenges", "desire", "interest",
    "urgency", "timeline", "prioritization", "goals", "plans", "response",
)  # fmt: skip
LEVEL_MAX = 4
UNKNOWN = 5
"""The code of an unknown level; codes 0 to 4 are the levels themselves."""
N_CODES = 6
MET_LEVEL = 2
"""A criterion is met from this level up unless the user says otherwise: our reading."""

Codes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]


def codes_of_levels(levels: Any) -> Codes:
    """Turn levels (float, NaN = unknown) into codes; the caller has checked that they are 0 to 4 or NaN."""
    levels = np.asarray(levels, dtype=np.float64)
    return np.where(np.isnan(levels), UNKNOWN, levels).astype(np.uint8)


def levels_of_codes(codes: Codes) -> Floats:
    """Turn codes into levels, unknown into NaN."""
    return np.where(codes == UNKNOWN, np.nan, codes.astype(np.float64))


def pack(codes: Codes, sizes: npt.ArrayLike = N_CODES) -> Ints:
    """Number patterns: (n, k) codes, column j below `sizes[j]`, into one integer a row.

    The caller keeps the product of the sizes below 2**63 (13 criteria need 34 bits).
    """
    radix = np.broadcast_to(np.asarray(sizes, dtype=np.int64), codes.shape[1])
    key = np.zeros(len(codes), dtype=np.int64)
    for j in range(codes.shape[1]):
        key *= radix[j]
        key += codes[:, j]
    return key


def unpack(keys: Ints, n_columns: int, sizes: npt.ArrayLike = N_CODES) -> Codes:
    """Give back the codes that `pack` numbered."""
    radix = np.broadcast_to(np.asarray(sizes, dtype=np.int64), n_columns)
    codes = np.empty((len(keys), n_columns), dtype=np.uint8)
    for j in reversed(range(n_columns)):
        keys, codes[:, j] = np.divmod(keys, radix[j])
    return codes


def logistic(log_odds: npt.ArrayLike) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(log_odds, dtype=np.float64))))
