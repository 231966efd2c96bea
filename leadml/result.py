"""What a calibration found, as typed records: terminal, report, page, MLflow and monitor read these fields.

``result.json`` is the dump; `leadml/result.schema.json` its JSON schema. Shares are 0 to 1. "Wins of
100" are won deals among 100 leads followed up. An estimate always lies inside its own interval.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from leadml.exceptions import InputError

SCHEMA = Path(__file__).with_name("result.schema.json")

Verdict = Literal["change", "keep", "depends", "undecided", "cannot-judge"]
SegmentVerdict = Literal["change", "keep", "undecided", "too-few"]
Kind = Literal["documented", "learned", "wide", "context", "custom", "prior", "comparison"]
"""comparison: in the log to be compared with, and never recommended."""
Severity = Literal["stop", "warn", "note"]
Basis = Literal["economics", "capacity", "workload", "break-even"]
Reason = Literal[
    "", "unreachable", "follows everyone", "follows no one", "constant scores", "no contest", "no cost given",
    "few judged differently", "blocks disagree", "ranks by chance", "selected by hunch",
]  # fmt: skip
"""Why deals hold no answer on a rule, or not yet."""


class ResultPart(BaseModel):
    """Base of all parts: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="null")


class Figure(ResultPart):
    """An estimate and its 95% interval; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Gain(Figure):
    """A paired difference; `p_adjusted` is the one-sided p by Holm over all rules."""

    p_adjusted: float | None = None
    unit: str = "share of all won deals"


class Finding(ResultPart):
    """A numbered finding. Text comes from the table in `leadml.calibration.findings`."""

    code: str
    severity: Severity
    title: str
    explanation: str
    remedy: str = ""
    where: str = ""
    cost: float | None = None  # wins of 100 leads followed up, where that can be said
    doubted: tuple[str, ...] = ()  # columns that by this finding may say how a deal went, not how the lead was


class Block(ResultPart):
    """A stretch of deals that was predicted from earlier ones (rolling), or one fold (k-fold)."""

    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    n_train: float
    n_test: float
    n_embargoed: float = 0
    base_rate: float | None = None


class Evaluation(ResultPart):
    """How deals were held out."""

    kind: Literal["rolling", "k-fold"]
    unit: str  # "deal", "account (Account)" or "equal rows"
    blocks: tuple[Block, ...]
    n: float  # held-out deals, the ones behind every held-out figure
    n_won: float
    looks: int = 1


class Data(ResultPart):
    """What was learned from."""

    name: str
    source: str
    digest: str
    mapping_digest: str
    n_rows: int
    n_leads: int
    n_rejected: int
    n_won: float
    n_lost: float
    n_open: float
    n_recent: int = 0  # closed deals too recent to count
    n_units: int
    n_compared: int  # deals in the comparison (a sample of very many)
    base_rate: float
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    as_of: str | None = None
    deals_per_month: float | None = None
    criteria: tuple[str, ...]
    unmapped: tuple[str, ...] = ()


class Importance(ResultPart):
    """Held-out loss given up without a column, and the same in wins of 100 followed up at the baseline's workload."""

    column: str
    loss: Figure
    wins_per_100: Figure | None = None
    attribute: str = ""  # the CRM's column, where it is an attribute of the final card
    known_when: Literal["at creation", "unsure", "after"] = "unsure"


class ContenderGain(ResultPart):
    """Paired with the baseline, at equal workload."""

    wins_captured: Gain | None = None
    net_value_per_lead: Gain | None = None
    auc: Gain | None = None


class Contender(ResultPart):
    """Everything that was compared, on the same held-out deals."""

    id: str
    title: str
    kind: Kind
    framework: str | None = None
    policy: str | None = None
    card: str | None = None  # name of its file in cards/, where it is a card
    auc: Figure | None = None
    log_loss: Figure | None = None
    brier: Figure | None = None
    calibration_slope: Figure | None = None
    calibration_intercept: Figure | None = None
    workload: Figure | None = None
    precision: Figure | None = None
    recall: Figure | None = None
    wins_captured: Figure | None = None  # at the baseline's workload
    wins_per_100: Figure | None = None  # at the baseline's workload
    net_value_per_lead: Figure | None = None
    gain: ContenderGain = ContenderGain()
    importance: tuple[Importance, ...] = ()
    metrics: Mapping[str, Figure] = Field(default_factory=dict)  # the user's own


class Dropped(ResultPart):
    """Columns that were asked to be left out, and how far the wide card falls without them: paired, held out."""

    columns: tuple[str, ...]
    contender: str  # the same card with them
    wins_per_100: Figure  # wins of 100 with them, less those without
    auc: Figure


class LearnedCutoff(Figure):
    """Cut-off of a documented score that the consequences ask for."""

    not_distinguishable: tuple[int, ...] = ()
    share: Figure | None = None  # share of leads followed up
    basis: Basis = "workload"


class ImpliedValue(ResultPart):
    """The value of a won deal, in follow-ups, between which the documented cut-off is the right one."""

    low: float | None
    high: float | None
    low_interval: tuple[float | None, float | None] = (None, None)
    high_interval: tuple[float | None, float | None] = (None, None)


class Range(ResultPart):
    """From low to high; None is open."""

    low: float | None
    high: float | None


class Choice(ResultPart):
    """The same quantity for both choices."""

    keep: Figure
    change: Figure


class MoreDeals(ResultPart):
    """How many more closed deals, and months, decide it in 8 of 10 futures."""

    value: float | None
    months: float | None = None
    text: str = ""  # "not decidable at your size; look again in a year"


class Outlook(ResultPart):
    """What each choice is expected to bring: wins of 100 leads followed up, on the same deals."""

    p_better: float  # by more than the smallest gain; a verdict rests on the gain's p_adjusted
    p_same: float
    p_worse: float
    wins_per_100: Choice
    regret_per_100: Choice
    n_followed_up: float
    confirmed: bool = False  # by the sequence that is valid at every look
    confirmed_low: float | None = None  # its lower bound of the gain
    more_deals: MoreDeals | None = None


class CurvePoint(ResultPart):
    """Net wins of 100 leads when a won deal is worth `ratio` follow-ups."""

    ratio: float
    documented: Figure
    learned: Figure
    all: Figure
    none: Figure


class Weight(ResultPart):
    """Weight of a criterion, in documented units."""

    documented: float
    learned: float
    low: float
    high: float


class OrderClaimed(ResultPart):
    """A claim that each criterion weighs more than the one after it, and the share of draws in which it
    holds."""

    text: str
    criteria: tuple[str, ...]
    share_of_draws: float


class PolicyResult(ResultPart):
    """A documented rule: what was asked of it and what the deals answer."""

    id: str
    title: str
    framework: str | None
    source: str
    unit: Literal["met", "points", "contactable"]
    documented_cutoff: int
    total_max: int
    learned_cutoff: LearnedCutoff | None = None
    implied_value: ImpliedValue | None = None
    verdict: Verdict
    verdict_weights: Verdict
    verdict_cutoff: Verdict
    because: str = ""  # one sentence: why this verdict
    reason: Reason = ""  # what stands in the way of another
    depends_on: Range | None = None
    gain_weights: Gain | None = None
    gain_cutoff: Gain | None = None
    n_judged_differently: float = 0
    outlook: Outlook | None = None
    decision_curve: tuple[CurvePoint, ...] = ()
    more_deals_needed: float | None = None  # as version 1 had it; months stand in the outlook
    weights: Mapping[str, Weight] = Field(default_factory=dict)
    order_claim: OrderClaimed | None = None
    card: str | None = None  # contender id of the card compared with it

    def __repr__(self) -> str:
        learned = self.learned_cutoff.value if self.learned_cutoff else None
        return (
            f"<PolicyResult {self.id}: {self.verdict}; cut-off {self.documented_cutoff} of {self.total_max}"
            f"{'' if learned is None else f', learned {learned:g}'}>"
        )

    __str__ = __repr__


class Disagreement(ResultPart):
    """One cell of rule x card: how many leads, how many of them won (raw), and some of their ids."""

    rule_says: bool
    card_says: bool
    n: float
    won: float
    rate: Figure
    lead_ids: tuple[str, ...] = ()


class Segment(ResultPart):
    """The gain in one segment, partially pooled over all of its column."""

    column: str
    value: str
    n: float
    won: float
    followed_up: float = 0
    verdict: SegmentVerdict
    gain: Figure


class Recommended(ResultPart):
    """The card to use, and the sentence that says why."""

    contender: str | None
    card: str | None
    framework: str | None
    because: str
    doubt: str = ""  # where it holds columns that may say how a deal went, not how the lead was
    doubted: tuple[str, ...] = ()  # all such columns, on the card or not, that can be left out
    in_use: str  # the contender in use until someone changes it: the documented rule where the verdict is keep
    cutoff: Figure | None = None
    cutoff_basis: str = "workload"
    rounding_loss: float | None = None  # share of attainable log loss given up by whole points


class Result(ResultPart):
    """One calibration."""

    schema_version: Literal[2] = 2
    leadml_version: str
    data: Data
    evaluation: Evaluation
    split: Mapping[str, object] = Field(default_factory=dict)  # version 1's words for `evaluation`
    settings: Mapping[str, object]
    frameworks: tuple[str, ...]
    contenders: tuple[Contender, ...]
    policies: tuple[PolicyResult, ...]
    disagreement: tuple[Disagreement, ...]
    segments: tuple[Segment, ...] = ()
    findings: tuple[Finding, ...]
    recommended: Recommended
    champion: str  # contender id: one per calibration, and the only thing called so
    dropped: Dropped | None = None
    command: str = ""  # that made it; empty from Python

    def __repr__(self) -> str:
        told = ", ".join(f"{each.id}: {each.verdict}" for each in self.policies)
        data = self.data
        return (
            f"<Result of {data.name}: {data.n_won:,.0f} won, {data.n_lost:,.0f} lost; {told};\n"
            f" recommended: {self.recommended.contender}; {len(self.findings)} findings>"
        )

    __str__ = __repr__


def load_result(path: Path) -> Result:
    """Read result.json of a folder (or the file itself), schema version 2."""
    file = path / "result.json" if path.is_dir() else path
    try:
        return Result.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; give a folder that `leadml calibrate` wrote") from None
    except ValueError as error:
        raise InputError(f"{file}: is not a result of version 0.2 ({str(error).splitlines()[0]})") from error


def schema_text() -> str:
    """JSON schema of result.json, as it stands in `SCHEMA`."""
    return json.dumps(Result.model_json_schema(by_alias=True, mode="serialization"), indent=1, sort_keys=True) + "\n"
