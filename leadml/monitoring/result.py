"""What monitoring found, as a typed record: terminal, page, MLflow and ``monitor.json`` read these fields."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from leadml.result import Figure, ResultPart

State = Literal["healthy", "watch", "recalibrate", "too early to tell"]


class Reason(ResultPart):
    """One reason for the state, and what it calls for by itself."""

    state: State
    text: str


class MonitorData(ResultPart):
    """What was watched on. since: the day after which deals are new to the card."""

    source: str
    digest: str
    n_rows: int
    n_leads: int
    n_rejected: int
    n_open: int
    n_closed: int  # closed since
    n_won: int
    n_lost: int
    n_seen: int  # closed deals that the card may have learned from
    since: str | None = None
    n_predicted: int = 0  # closed deals of which it is kept what was predicted at the time
    n_needed: int | None = None  # closed deals until a fall of the win rate by a third would show


class LevelDrift(ResultPart):
    """Distribution of the answers to one row of the card, before and now. e: e-value, an alarm from 20."""

    id: str
    title: str
    psi: float | None = None
    e: float = 1.0
    n: int
    unknown_before: float | None = None
    unknown_now: float
    shifted: bool = False


class WeightChange(ResultPart):
    """What a row earns in log-odds since, as a share of what the card gives it; e: e-value of a change."""

    id: str
    title: str
    e: float
    share: Figure


class BandRow(ResultPart):
    """One band: share of leads before and now, and what became of its deals closed since."""

    id: str
    title: str
    share_before: float | None
    share_now: float | None
    n_closed: int
    n_won: int
    rate: Figure
    predicted: float | None


class RuleGain(ResultPart):
    """Wins of the card beyond the documented rule at the rule's own workload, as a share of all won."""

    policy: str
    title: str
    gain: Figure
    rule_wins_more: bool  # confirmed at every look


class MonitorResult(ResultPart):
    """One look at a card in use. e: evidence that anything changed, an alarm from 20, valid at every look."""

    schema_version: Literal[2] = 2
    leadml_version: str
    model: str
    card_sha256: str | None
    state: State
    reasons: tuple[Reason, ...] = Field(min_length=1)
    data: MonitorData
    e: float = 1.0
    base_rate_before: float | None = None
    base_rate: Figure | None = None
    predicted: float | None = None
    drift: tuple[LevelDrift, ...] = ()
    weights: tuple[WeightChange, ...] = ()
    bands: tuple[BandRow, ...] = ()
    rule: RuleGain | None = None
