"""A card in use: shifts are seen, chance is not taken for one, and the verdict follows from the deals."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from leadml import cli
from leadml.card import Card, build_card
from leadml.exceptions import InputError
from leadml.leads.model import Leads
from leadml.report import render_monitor
from leadml.store import Store
from leadml.workflows.backtest import read_kept
from leadml.workflows.drift import stability
from leadml.workflows.fresh import REFERENCE, describe_reference
from leadml.workflows.monitor import monitor_leads

CRITERIA = ("budget", "authority", "need", "timeline")
BASE, SLOPE = -3.0, 0.3


def make_card(weights: tuple[int, ...] = (1, 1, 1, 1)) -> Card:
    """A card that tells logit P = -3 + 0.3 points."""
    total = 4 * sum(weights)
    chances = 1 / (1 + np.exp(-(BASE + SLOPE * np.arange(total + 1))))
    return build_card(
        name="ours",
        framework="bant",
        criteria=CRITERIA,
        points=[[level * weight for level in range(5)] for weight in weights],
        unknown_points=[0] * 4,
        documented_points=[[0, 1, 2, 3, 4]] * 4,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "now", "title": "Now", "from": total // 2, "action": "follow up"},
        ],
        cutoff=total // 2,
        created_at="2025-12-31",
        base=BASE,
        slope=SLOPE,
        table=[(points, float(chance), 0.0, 1.0) for points, chance in enumerate(chances)],
        provenance={"as_of": "2025-12-31", "n_won": 33, "n_lost": 67, "data_digest": "d" * 64},
    )


def make_deals(
    n: int,
    seed: int,
    *,
    intercept: float = BASE,
    slope: float = SLOPE,
    unknown: float = 0.1,
    weights: tuple[float, ...] = (1, 1, 1, 1),
    from_day: str = "2026-01-01",
) -> Leads:
    """Closed deals whose chance is the card's own, unless told otherwise; four a day."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, (n, 4)).astype(float)
    levels[rng.random((n, 4)) < unknown] = np.nan
    points = np.nan_to_num(levels) @ np.array(weights, dtype=float)
    won = rng.random(n) < 1 / (1 + np.exp(-(intercept + slope * points)))
    closed = pd.Series(pd.date_range(from_day, periods=n, freq="6h"))
    return Leads(
        levels=pd.DataFrame(levels, columns=list(CRITERIA)),
        lead_id=np.array([f"d{i}" for i in range(n)], dtype=object),
        outcome=won.astype(float),
        created_at=closed - pd.Timedelta(days=30),
        closed_at=closed,
        in_time_order=False,
        group=None,
        row_key=np.arange(n),
        amount=None,
        context=pd.DataFrame(index=range(n)),
        facts=pd.DataFrame(index=range(n)),
        contactable=None,
        rejected=pd.DataFrame(columns=["row", "column", "value", "reason"]),
        mapping=None,
        source="later.csv",
        digest="e" * 64,
        n_rows=n,
    )


def reference_of(card: Card) -> dict[str, Any]:
    return describe_reference(card, make_deals(2000, 99, from_day="2024-01-01"), "bant-ibm") | {
        "last_day": "2025-12-31"
    }


CARD = make_card()
REFERENCE_OF_CARD = reference_of(CARD)


def watch(leads: Leads, card: Card = CARD, **how: Any) -> dict[str, Any]:
    return monitor_leads(card, leads, REFERENCE_OF_CARD, **how)


def test_a_world_that_did_not_change_is_seldom_found_sick() -> None:
    verdicts = [watch(make_deals(400, seed))["verdict"] for seed in range(40)]
    # Holm holds recalibrate at 5% of 40 = 2; 6 or more come by chance less than once in 70.
    assert verdicts.count("recalibrate") < 6
    assert verdicts.count("healthy") >= 28


def test_chances_that_no_longer_come_true_call_for_recalibration() -> None:
    found = watch(make_deals(600, 1, intercept=BASE + 1.0))
    assert found["verdict"] == "recalibrate"
    assert "Chances are told too low" in found["reasons"][0]["text"]
    outcomes = found["outcomes"]
    assert outcomes["intercept"]["low"] < 1.0 < outcomes["intercept"]["high"]
    assert outcomes["base_rate"]["value"] == found["data"]["n_won"] / 600
    flat = watch(make_deals(1500, 2, intercept=-1.5, slope=0.1))
    assert flat["verdict"] == "recalibrate"
    assert any("too extreme: calibration slope" in each["text"] for each in flat["reasons"])
    assert flat["outcomes"]["slope"]["low"] < 1 / 3 < flat["outcomes"]["slope"]["high"]


def test_a_rule_that_wins_more_than_the_card_calls_for_recalibration() -> None:
    # The card looks at budget alone, the deals at everything.
    card = make_card((4, 0, 0, 0))
    found = monitor_leads(card, make_deals(1500, 3), reference_of(card))
    assert found["verdict"] == "recalibrate"
    assert found["rule"]["state"] == "beats-the-card"
    assert found["rule"]["gain"]["high"] < 0
    healthy = watch(make_deals(1500, 3, weights=(0, 3, 1, 0)), make_card((0, 3, 1, 0)))
    assert healthy["rule"]["state"] == "beaten"


def test_shifts_and_unknowns_call_for_watching() -> None:
    leads = make_deals(500, 4)
    levels = leads.levels.copy()
    levels["need"] = 4.0
    levels.loc[: 500 // 2, "budget"] = np.nan
    found = watch(dataclasses.replace(leads, levels=levels, outcome=np.full(500, np.nan)))
    assert found["verdict"] == "watch"
    states = {row["id"]: row["state"] for row in found["drift"]}
    assert states["need"] == "shifted-far"
    assert states["authority"] == "steady"
    assert [row["id"] for row in found["unknown"] if row["more"]] == ["budget"]
    assert any("No deal has closed since" in each["text"] for each in found["reasons"])


def test_the_stability_index_by_hand() -> None:
    # With 0.5 added: p = (60.5, 40.5) / 101, q = (30.5, 70.5) / 101.
    p, q = np.array([60.5, 40.5]) / 101, np.array([30.5, 70.5]) / 101
    psi, chance = stability([60, 40], [30, 70])
    assert psi == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    # One degree of freedom: 1.96 squared, over 100 and 100 leads.
    assert chance == pytest.approx((1 / 100 + 1 / 100) * 1.959964**2, rel=1e-5)
    assert stability([5, 5], [10, 10])[0] == pytest.approx(0.0)


def test_without_a_shift_the_index_stays_below_what_chance_reaches() -> None:
    rng = np.random.default_rng(5)
    shares = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    above = [
        psi > chance
        for _ in range(400)
        for psi, chance in [stability(rng.multinomial(500, shares), rng.multinomial(300, shares))]
    ]
    assert 0.02 < np.mean(above) < 0.09  # 5% is what it says


def test_deals_that_the_card_learned_from_do_not_count() -> None:
    # Four a day from 2025-12-30: two days are 8 deals up to the last day that it learned from.
    found = watch(make_deals(400, 6, from_day="2025-12-30"))
    assert (found["data"]["n_seen"], found["data"]["n_closed"]) == (8, 392)
    assert found["data"]["since"] == "2025-12-31"
    undated = dataclasses.replace(make_deals(100, 6), closed_at=None, digest="d" * 64)
    assert watch(undated)["data"]["n_closed"] == 0
    assert not watch(dataclasses.replace(undated, digest="e" * 64))["data"]["known_new"]


def test_few_closed_deals_judge_no_calibration() -> None:
    found = watch(make_deals(30, 7))
    assert found["outcomes"]["slope"] is None
    assert any("too few to judge calibration" in each["text"] for each in found["reasons"])


def test_scores_as_they_were_given_meet_their_outcomes(tmp_path: Path) -> None:
    leads = make_deals(200, 8)
    kept = CARD.score(leads.levels).to_pandas()
    kept.insert(0, "lead_id", leads.lead_id)
    kept.loc[:9, "points"] += 1  # ten leads were scored before more became known
    earlier = kept.iloc[:5].assign(probability=0.99)
    gone = kept.iloc[:3].assign(lead_id=["x", "y", "z"])
    pd.concat([earlier, kept, gone]).to_csv(tmp_path / "kept.csv", index=False)
    outcome = leads.outcome.copy()
    outcome[150:] = np.nan
    found = watch(dataclasses.replace(leads, outcome=outcome), predictions=tmp_path / "kept.csv")["backtest"]
    assert {
        key: found[key] for key in ("n", "n_scored", "n_repeated", "n_open", "n_unmatched", "n_moved")
    } == {
        "n": 150,
        "n_scored": 203,
        "n_repeated": 5,
        "n_open": 50,
        "n_unmatched": 3,
        "n_moved": 10,
    }
    # The last score of a lead counts, not the 0.99 of before.
    assert found["told_mean"] == pytest.approx(kept["probability"].iloc[:150].mean())
    bands = {row["id"]: row for row in found["bands"]}
    assert bands["now"]["n"] == int((kept["band"].iloc[:150] == "now").sum())
    assert bands["now"]["n_won"] + bands["drop"]["n_won"] == int(np.nansum(outcome))
    assert found["models"] == {"ours": 150}


def test_kept_scores_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("lead_id,points\n1,2\n")
    with pytest.raises(InputError, match=r"no column probability, band, model; valid is what"):
        read_kept(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("lead_id,probability,points,band,model\n1,0.2,3,now,m\n2,1.4,3,now,m\n")
    with pytest.raises(InputError, match=r"1 rows hold none from 0 to 1, the first is row 2"):
        read_kept(tmp_path / "b.csv")


def test_the_page_holds_the_verdict_and_escapes_what_it_shows() -> None:
    leads = dataclasses.replace(make_deals(300, 9), source="<script>x.csv")
    page = render_monitor(watch(leads))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "Healthy" in page
    assert "2026\u201101" in page  # bands by month, each on one line
    bare = monitor_leads(CARD, leads)
    assert all(row["state"] == "not-known" for row in bare["drift"])
    assert "Nothing lies beside this card" in render_monitor(bare)


def test_the_command_writes_tracks_and_tells_by_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    store = Store("models_store")
    store.save_model("ours", CARD, beside={REFERENCE: json.dumps(REFERENCE_OF_CARD).encode()})
    leads = make_deals(600, 1, intercept=BASE + 1.0)
    rows = leads.levels.assign(
        id=leads.lead_id, status=np.where(leads.outcome == 1, "W", "L"), closed=leads.closed_at.dt.date
    )
    rows.to_csv("later.csv", index=False)
    criteria = "".join(f"  {name}: {{column: {name}}}\n" for name in CRITERIA)
    Path("map.yaml").write_text(
        "name: ours\nlead_id: id\noutcome: {column: status, won: [W], lost: [L]}\n"
        f"dates: {{closed: closed}}\ncriteria:\n{criteria}"
    )

    def run(*words: str) -> int:
        monkeypatch.setattr(
            sys, "argv", ["leadml", "monitor", "later.csv", "-m", "map.yaml", "--model", "ours", *words]
        )
        try:
            cli.main()
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    assert run("-o", "watch", "--exit-code") == 20
    out, err = capsys.readouterr()
    assert out.startswith("ours@1: recalibrate")
    found = json.loads(Path("watch/monitor.json").read_text())
    assert found["verdict"] == "recalibrate"
    assert Path("watch/monitor.html").is_file()
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    tracked = client.get_run(err.split("MLflow run: ")[1].split()[0])
    assert tracked.data.tags["kind"] == "monitor"
    assert (tracked.data.tags["verdict"], tracked.data.tags["status"]) == ("recalibrate", "complete")
    assert tracked.data.metrics["interval/calibration_intercept_low"] == pytest.approx(
        found["outcomes"]["intercept"]["low"]
    )
    assert {item.path for item in client.list_artifacts(tracked.info.run_id)} == {
        "monitor.html",
        "monitor.json",
    }
    # Leads that are new, without the columns of outcomes: drift alone is judged.
    rows[list(CRITERIA)].to_csv("later.csv", index=False)
    assert run("-o", "watch", "--no-track") == 0
    assert "No deal has closed since" in capsys.readouterr().out
