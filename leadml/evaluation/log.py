"""The log: one record of held-out decisions, the only input of verdicts, choice, report and monitor.

In memory it is columnar: the m held-out rows once, and one (m,) column of score, probability and decision for
each contender. On disk (log.parquet) it is long: one row a deal and contender.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Entries:
    """What one contender said of the m held-out rows.

    score : (m,) float64, what it ranks by (points, met count or log-odds). NaN: nothing was said.
    probability : (m,) float64, NaN where it tells none (documented rules).
    decision : (m,) float64 in 0..1, followed up or not; fractional where ties at a workload are shared. NaN: no cut-off.
    """

    score: Floats
    probability: Floats
    decision: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Log:
    """m held-out rows (a deal appears once in rolling blocks, once per repeat in k-fold) and what each contender said.

    row : (m,) int64, position of the deal among the leads compared.
    block : (m,) int32, block (rolling) or repeat * n_folds + fold (k-fold).
    repeat : (m,) int32, 0 throughout in rolling blocks.
    outcome : (m,) int8, 1 won, 0 lost.
    unit : (m,) int64, equal for deals of one unit.
    closed : (m,) int32 days or None.
    weight : (m,) float64.
    followed_up : (m,) bool or None; propensity : (m,) float64 or None.
    lead_id : Arrow text of length m, or None.
    entries : contender id -> Entries.
    """

    row: npt.NDArray[np.int64]
    block: npt.NDArray[np.int32]
    repeat: npt.NDArray[np.int32]
    outcome: npt.NDArray[np.int8]
    unit: npt.NDArray[np.int64]
    weight: Floats
    closed: npt.NDArray[np.int32] | None = None
    followed_up: npt.NDArray[np.bool_] | None = None
    propensity: Floats | None = None
    lead_id: pa.Array | None = None
    entries: dict[str, Entries] = dataclasses.field(default_factory=dict)
