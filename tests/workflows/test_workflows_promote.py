"""The gate: a candidate that is worse beyond noise is refused, and what was in use when is never lost."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leadml.card import Card, build_card
from leadml.exceptions import ModelRefError, StoreError, UsageError
from leadml.leads import make_leads
from leadml.store import Store
from leadml.workflows.gate import match_held_out
from leadml.workflows.promote import HELD_OUT, promote_model

CRITERIA = ("budget", "authority", "need", "timeline")
MAPPING = """\
name: ours
lead_id: Deal
outcome: {column: Status, won: [Won], lost: [Lost]}
dates: {closed: Closed}
criteria:
  budget: {column: budget}
  authority: {column: authority}
  need: {column: need}
  timeline: {column: timeline}
"""


def make_card(weights: tuple[int, ...], as_of: str = "2020-01-01", base: float = -3.0) -> Card:
    """A card with so many points a level, telling logit P = base + 0.3 points."""
    total = 4 * sum(weights)
    chances = 1 / (1 + np.exp(-(base + 0.3 * np.arange(total + 1))))
    return build_card(
        name="made",
        criteria=CRITERIA,
        points=[[level * weight for level in range(5)] for weight in weights],
        unknown_points=[0] * 4,
        documented_points=[[0, 1, 2, 3, 4]] * 4,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "now", "title": "Now", "from": total // 2, "action": "follow up"},
        ],
        cutoff=total // 2,
        created_at=as_of,
        base=base,
        slope=0.3,
        table=[(points, float(chance), 0.0, 1.0) for points, chance in enumerate(chances)],
        provenance={"as_of": as_of, "data_digest": "d" * 64, "n_won": 100, "n_lost": 200},
    )


# In the world "tilted" authority weighs most by far (true points 1.6, 8.8, 4.0, 1.6 of 16).
RIGHT, EVEN, WRONG = (0, 3, 1, 0), (1, 1, 1, 1), (2, 0, 0, 2)


@pytest.fixture
def deals(tmp_path: Path) -> tuple[Path, Path]:
    """900 deals of the tilted world, closed one a day, and their mapping."""
    leads = make_leads(900, world="tilted", random_state=3)
    frame = leads.levels[list(CRITERIA)].copy()
    frame["Deal"] = leads.lead_id
    frame["Status"] = np.where(leads.outcome == 1, "Won", "Lost")
    frame["Closed"] = pd.date_range("2020-06-01", periods=900).strftime("%Y-%m-%d")
    frame.to_csv(tmp_path / "deals.csv", index=False)
    (tmp_path / "map.yaml").write_text(MAPPING)
    return tmp_path / "deals.csv", tmp_path / "map.yaml"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models_store")


def test_a_better_candidate_is_promoted_with_its_evidence(store: Store, deals: tuple[Path, Path]) -> None:
    store.save_model("bant", make_card(EVEN))
    store.save_model("bant", make_card(RIGHT))
    done = promote_model("bant@2", *deals, store_root=store.root, because="new weights")
    assert done.match is not None
    assert (done.match.outcome, done.match.n_deals, done.forced) == ("better", 900, False)
    assert done.match.wins is not None
    assert done.match.wins.low > 0
    assert store.champion("bant") == 2
    last = store.history("bant")[-1]
    assert (last.action, last.because, last.forced) == ("promoted", "new weights", False)
    assert last.evidence is not None
    assert "bant@2 is better than bant@1 beyond noise" in last.evidence


def test_a_worse_candidate_is_refused_unless_forced_with_a_reason(
    store: Store, deals: tuple[Path, Path]
) -> None:
    store.save_model("bant", make_card(RIGHT))
    store.save_model("bant", make_card(WRONG))
    with pytest.raises(StoreError, match=r"bant@2 is not promoted.*worse than bant@1.*--force --because"):
        promote_model("bant@2", *deals, store_root=store.root)
    assert store.champion("bant") == 1
    assert len(store.history("bant")) == 3
    with pytest.raises(UsageError, match="--because TEXT"):
        promote_model("bant@2", *deals, store_root=store.root, force=True, because=" ")
    done = promote_model("bant@2", *deals, store_root=store.root, force=True, because="the law says so")
    assert done.forced
    last = store.history("bant")[-1]
    assert (last.version, last.forced, last.because) == (2, True, "the law says so")
    assert "worse" in (last.evidence or "")


def test_what_the_deals_cannot_tell_is_promoted_and_said(store: Store, deals: tuple[Path, Path]) -> None:
    file, mapping = deals
    pd.read_csv(file, dtype=str).iloc[:40].to_csv(file, index=False)
    store.save_model("bant", make_card((1, 3, 1, 0)))
    store.save_model("bant", make_card((0, 3, 1, 1)))
    done = promote_model("bant@2", file, mapping, store_root=store.root)
    assert done.match is not None
    assert done.match.outcome == "cannot-tell"
    assert "cannot tell which of bant@2 and bant@1 is better" in done.match.sentence
    assert store.champion("bant") == 2


def test_the_same_card_again_is_alike(store: Store, deals: tuple[Path, Path]) -> None:
    store.save_model("bant", make_card(EVEN))
    store.save_model("bant", make_card(EVEN))
    done = promote_model("bant", *deals, store_root=store.root)  # the newest
    assert done.match is not None
    assert done.match.outcome == "alike"
    assert done.version.version == 2


def test_only_deals_that_are_new_to_both_count(store: Store, deals: tuple[Path, Path]) -> None:
    store.save_model("bant", make_card(EVEN, as_of="2020-06-30"))
    store.save_model("bant", make_card(RIGHT, as_of="2021-12-31"))
    done = promote_model("bant@2", *deals, store_root=store.root)
    # One a day from 2020-06-01: day 580 is 2022-01-01 (214 days of 2020, 365 of 2021), so 900 - 579 are new.
    assert done.match is not None
    assert done.match.n_deals == 900 - (214 + 365)
    store.save_model("bant", make_card(RIGHT, as_of="2030-01-01"))
    with pytest.raises(UsageError, match=r"holds no deal closed after 2030-01-01 that is new"):
        promote_model("bant@3", *deals, store_root=store.root)
    assert store.champion("bant") == 2


def test_without_deals_only_the_recorded_figures_are_known(store: Store) -> None:
    store.save_model("bant", make_card(EVEN), metrics={"log_loss": 0.5})
    store.save_model("bant", make_card(RIGHT), metrics={"log_loss": 0.4})
    done = promote_model("bant@2", store_root=store.root)
    assert done.match is not None
    assert done.match.outcome == "not-compared"
    assert "Only what was recorded at calibration is known" in done.match.sentence
    assert "bant@2 0.400 and bant@1 0.500" in done.match.sentence
    assert store.champion("bant") == 2


def held_out(probability: np.ndarray, outcome: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "lead_id": [f"d{i}" for i in range(len(outcome))],
            "fold": 0,
            "outcome": outcome,
            "probability": probability,
            "score": probability,
            "decision": (probability >= 0.5).astype(int),
        }
    )


def test_two_calibrations_of_one_file_are_compared_on_what_both_held_out(store: Store) -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.05, 0.95, 600)
    outcome = (rng.random(600) < true).astype(int)
    knows, guesses = held_out(true, outcome), held_out(rng.permutation(true), outcome)
    for frame in (knows, guesses):
        store.save_model("bant", make_card(EVEN), beside={HELD_OUT: frame.to_parquet(index=False)})
    with pytest.raises(StoreError, match=r"On 600 deals that both calibrations held out"):
        promote_model("bant@2", store_root=store.root)
    back = match_held_out(knows, guesses, ("a", "b"))
    assert back is not None
    assert back.outcome == "better"
    # The gain in log loss, by hand.
    loss = [
        -np.mean(np.log(np.where(outcome == 1, f["probability"], 1 - f["probability"])))
        for f in (knows, guesses)
    ]
    assert back.log_loss is not None
    assert back.log_loss.value == pytest.approx(loss[1] - loss[0], abs=1e-6)


def test_equal_models_are_seldom_told_apart() -> None:
    # Two models with the same skill (independent noise on the truth): at most 2.5% by each of two figures.
    told = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        logit = rng.normal(-0.5, 1.0, 300)
        outcome = (rng.random(300) < 1 / (1 + np.exp(-logit))).astype(int)
        a, b = (held_out(1 / (1 + np.exp(-(logit + rng.normal(0, 0.4, 300)))), outcome) for _ in "ab")
        found = match_held_out(a, b, ("a", "b"))
        assert found is not None
        told.append(found.outcome)
    # 5% of 60 is 3; 8 or more come by chance less than once in 100.
    assert sum(each == "worse" for each in told) < 8


def test_the_champion_itself_changes_nothing(store: Store) -> None:
    store.save_model("bant", make_card(EVEN))
    done = promote_model("bant@1", store_root=store.root)
    assert not done.changed
    assert len(store.history("bant")) == 2
    with pytest.raises(ModelRefError, match="no model 'none'"):
        promote_model("none", store_root=store.root)
    with pytest.raises(UsageError, match="belong together"):
        promote_model("bant", "deals.csv", store_root=store.root)


def test_a_champion_that_changed_meanwhile_stops_the_promotion(store: Store) -> None:
    for _ in range(3):
        store.save_model("bant", make_card(EVEN))
    store.promote("bant@2")
    with pytest.raises(StoreError, match=r"bant@2 became the champion while bant@3 was compared with bant@1"):
        store.promote("bant@3", instead_of=1)


def test_rolling_back_returns_to_the_champion_before(store: Store) -> None:
    for _ in range(4):
        store.save_model("bant", make_card(EVEN), at="2026-01-01T00:00:00+00:00")
    for version, day in ((2, "02"), (3, "03"), (4, "04")):
        store.promote(f"bant@{version}", at=f"2026-01-{day}T00:00:00+00:00")
    store.retire("bant@2")
    assert store.roll_back("bant", "too many calls", at="2026-01-05T00:00:00+00:00").version == 3
    # 2 was retired, so the one before 3 is 1.
    assert store.roll_back("bant", at="2026-01-06T00:00:00+00:00").version == 1
    with pytest.raises(StoreError, match=r"no champion before this one.*promote one of them"):
        store.roll_back("bant")
    spells = store.reign("bant").spells
    assert [(each.version, each.since[:10], (each.until or "now")[:10]) for each in spells] == [
        (1, "2026-01-01", "2026-01-02"),
        (2, "2026-01-02", "2026-01-03"),
        (3, "2026-01-03", "2026-01-04"),
        (4, "2026-01-04", "2026-01-05"),
        (3, "2026-01-05", "2026-01-06"),
        (1, "2026-01-06", "now"),
    ]
    assert [each.ended_by for each in spells[3:]] == ["rolled-back", "rolled-back", None]
    assert spells[4].because == "too many calls"


def test_a_retired_champion_can_be_rolled_back_from(store: Store) -> None:
    store.save_model("bant", make_card(EVEN))
    store.save_model("bant", make_card(RIGHT))
    store.promote("bant@2")
    store.retire("bant")
    assert store.champion("bant") is None
    assert store.roll_back("bant").version == 1


def test_the_registry_follows_promotion_and_rolling_back(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions that the registry holds as well; and what is said when it cannot be reached."""
    from leadml import tracking
    from leadml.exceptions import TrackingError

    for _ in range(2):
        store.save_model("bant", make_card(EVEN), run_id="r")
    pointed: list[tuple[str, str]] = []

    def point(name: str, stored_as: str, because: str | None = None, **_: object) -> tracking.RegisteredCard:
        pointed.append((name, stored_as))
        return tracking.RegisteredCard(name, 5, True, stored_as)

    monkeypatch.setattr(tracking, "point_champion", point)
    done = promote_model("bant@2", store_root=store.root)
    assert pointed == [("bant", "bant@2")]
    assert done.registry == "registry: bant version 5 is the champion too"

    def refuse(*_: object, **__: object) -> None:
        raise TrackingError("tracking: down.")

    monkeypatch.setattr(tracking, "point_champion", refuse)
    back = promote_model("bant@1", store_root=store.root)
    assert store.champion("bant") == 1
    assert "the registry was not changed: tracking: down. `leadml models promote bant@1` again" in (
        back.registry_error or ""
    )
