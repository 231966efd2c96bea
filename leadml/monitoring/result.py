"""What monitoring found, as a typed record: terminal, page, MLflow and ``monitor.json`` read these fields."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["healthy", "watch", "recalibrate", "too early to tell"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="null")


class Figure(_Part):
    """An estimate and its 95% interval."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Reason(_Part):
    """One reason for the state, and what it calls for by itself."""

    state: State
    text: str


class MonitorData(_Part):
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
    n_from_log: int = 0  # closed deals whose prediction was kept at the time
    n_needed: int | None = None  # closed deals until a fall of the win rate by a third would show


class LevelDrift(_Part):
    """Distribution of the answers to one row of the card, before and now. e: e-value, an alarm from 20."""

    id: str
    title: str
    psi: float | None
    e: float
    n: int
    unknown_before: float | None
    unknown_now: float
    shifted: bool


class WeightChange(_Part):
    """What a row earns in log-odds since, as a share of what the card gives it; e: e-value of a change."""

    id: str
    title: str
    e: float
    share: Figure


class BandRow(_Part):
    """One band: share of leads before and now, and what became of its deals closed since."""

    id: str
    title: str
    share_before: float | None
    share_now: float | None
    n_closed: int
    n_won: int
    rate: Figure
    predicted: float | None


class Kept(_Part):
    """Scores that `leadml predict` wrote earlier, joined with outcomes since."""

    source: str
    n_scored: int
    n_repeated: int
    n_closed: int
    n_unmatched: int


class RuleGain(_Part):
    """Wins of the card beyond the documented rule at the rule's own workload, as a share of all won."""

    policy: str
    title: str
    gain: Figure
    rule_wins_more: bool  # confirmed at every look


class MonitorResult(_Part):
    """One look at a card in use. e: evidence that anything changed, an alarm from 20, valid at every look."""

    schema_version: Literal[2] = 2
    leadml_version: str
    model: str
    card_sha256: str | None
    state: State
    reasons: tuple[Reason, ...] = Field(min_length=1)
    data: MonitorData
    e: float = 1.0
    first_alarm_at: int | None = None  # number of closed deals
    base_rate_before: float | None = None
    base_rate: Figure | None = None
    predicted: float | None = None
    rate_changed: Figure | None = None  # of the log-odds of winning, at equal answers
    drift: tuple[LevelDrift, ...] = ()
    weights: tuple[WeightChange, ...] = ()
    bands: tuple[BandRow, ...] = ()
    rule: RuleGain | None = None
    kept: Kept | None = None
