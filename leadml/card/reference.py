"""Reference for the monitor: how leads were distributed when a card was learned (counts only, no rows)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Reference(BaseModel):
    """Counts of the deals that a card was learned from.

    levels : criterion or attribute -> count of each code. points : count of each total. quarter: of the latest deals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    card: str
    sha256: str | None = None
    baseline: str | None = None
    as_of: str | None = None
    n: float
    base_rate: float
    mean_probability: float | None = None
    levels: Mapping[str, tuple[float, ...]]
    points: tuple[float, ...]
