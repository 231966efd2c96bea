"""Monitoring: states, reasons and the log; through files as users have them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from leadml.calibration.file import calibrate_file
from leadml.card.record import Card
from leadml.data.deals import Leads
from leadml.data.mapping import load_mapping
from leadml.data.read import read_leads
from leadml.datasets.sample import make_leads, write_csv
from leadml.evaluation.log import Log
from leadml.exceptions import InputError, UsageError
from leadml.monitoring.backtest import load_before, logged, read_predictions
from leadml.monitoring.monitor import EXIT_CODES, deals_needed, format_monitor, monitor_file, monitor_leads
from leadml.monitoring.result import MonitorResult
from leadml.registry.evidence import DEAL_COUNTS, counts_file, day_of
from leadml.registry.versions import save_version
from leadml.scoring.predicting import predict_file
from leadml.scoring.scorer import Options

from .firms import AT, CRITERIA, Firm

MAPPING: dict[str, Any] = {
    "name": "ours",
    "lead_id": "Deal",
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
    "dates": {"closed": "Closed"},
    "criteria": {name: {"column": name.title()} for name in CRITERIA},
}


@pytest.fixture(scope="module")
def firm() -> Firm:
    return Firm(7)


def write(leads: Leads, path: Path, n_open: int = 0) -> Path:
    """Deals as an export: the last `n_open` are open still."""
    outcome = np.array(leads.outcome)
    outcome[len(outcome) - n_open :] = -1
    status = np.array(["Open", "Lost", "Won"])[outcome + 1]
    days = pa.array(leads.closed, mask=outcome < 0).cast(pa.date32())
    columns = {"Deal": pa.array([f"D{i}" for i in range(len(leads))]), "Status": pa.array(status), "Closed": days}
    for name, codes in zip(leads.criteria, leads.codes.T, strict=True):
        columns[name.title()] = pa.array(codes, mask=codes == 5)
    pyarrow.csv.write_csv(pa.table(columns), path)
    return path


def stored(firm: Firm, root: Path) -> None:
    counts = counts_file(dict(zip(CRITERIA, firm.counts.codes.T, strict=True)), firm.counts.won, firm.counts.lost)
    save_version("ours", firm.card, at=AT, files={DEAL_COUNTS: counts}, store_root=root)


def changed(firm: Firm, **provenance: Any) -> Card:
    return firm.card.model_copy(update={"provenance": {**firm.card.provenance, **provenance}})


def test_nothing_closed_is_too_early_and_much_closed_is_healthy(firm: Firm) -> None:
    leads = firm.leads(1200)
    early, _ = monitor_leads(firm.card, leads.take(np.arange(30)), firm.before)
    assert early.state == "too early to tell"
    assert "that takes about" in early.reasons[0].text
    late, log = monitor_leads(firm.card, leads, firm.before)
    assert (late.state, EXIT_CODES[late.state]) == ("healthy", 0)
    assert len(log) == late.data.n_closed == 1200
    assert late.data.n_needed is not None
    assert 30 < late.data.n_needed <= 1200
    nothing, _ = monitor_leads(firm.card, leads.take(np.arange(0)), firm.before)
    assert [reason.state for reason in nothing.reasons] == ["too early to tell"]  # nothing is said of drift
    assert deals_needed(1.0, 0.2) is None


@pytest.mark.parametrize(("change", "says"), [("rate", "predicted too high"), ("stop", "counts otherwise than before")])
def test_what_changed_is_named(firm: Firm, change: str, says: str) -> None:
    found, _ = monitor_leads(firm.card, firm.leads(1200, change), firm.before)
    assert (found.state, EXIT_CODES[found.state]) == ("recalibrate", 20)
    assert says in found.reasons[0].text
    strongest = CRITERIA[int(np.argmax(firm.weights))]
    row = next(each for each in found.weights if each.id == strongest)
    assert row.share.high is not None
    assert row.share.high < 0.6 or change == "rate"


def test_levels_that_shift_call_for_a_watch(firm: Firm) -> None:
    leads = firm.leads(400)
    codes = leads.codes.copy(order="F")
    codes[:, 2] = np.where(np.arange(400) % 3 > 0, 5, codes[:, 2])
    found, _ = monitor_leads(firm.card, dataclasses.replace(leads, codes=codes, outcome=None), firm.before)
    shifted = [row.id for row in found.drift if row.shifted]
    assert (found.state, shifted) == ("watch", ["need"])
    assert "on 400 leads, unknown for" in found.reasons[0].text
    steady, _ = monitor_leads(firm.card, dataclasses.replace(leads, outcome=None), firm.before)
    assert not [row for row in steady.drift if row.shifted]


def test_it_is_said_why_no_deal_is_closed_and_what_to_do(firm: Firm, tmp_path: Path) -> None:
    """A mapping with `optional: true` reads a file without the column of the outcome."""
    file = write(firm.leads(40), tmp_path / "deals.csv", 40)
    outcome = {**MAPPING["outcome"], "column": "State"}
    for told, says in (
        (MAPPING, "all 40 are open by their 'Status'; export closed deals too"),
        ({**MAPPING, "outcome": outcome, "optional": True}, "no column 'State', which the mapping reads outcomes from"),
        ({**MAPPING, "outcome": None}, r"the mapping names no outcome; add to it: outcome: {column: Status"),
    ):
        leads = read_leads(file, load_mapping({key: value for key, value in told.items() if value is not None}))
        found, _ = monitor_leads(firm.card, leads, firm.before)
        assert any(says in reason.text for reason in found.reasons), found.reasons
    known, _ = monitor_leads(changed(firm, as_of="2027-01-31"), firm.leads(100), firm.before)
    assert "All 100 closed deals are ones that the card knew; give an export of a later day." in known.reasons[0].text


def test_deals_that_the_card_learned_from_do_not_count(firm: Firm) -> None:
    leads = firm.leads(100)
    found, _ = monitor_leads(changed(firm, as_of="2026-01-31"), leads, firm.before)
    assert (found.data.n_seen, found.data.n_closed, found.data.since) == (30, 70, "2026-01-31")
    undated = dataclasses.replace(leads, closed=None, digest="d")
    assert monitor_leads(changed(firm, data_digest="d"), undated, firm.before)[0].data.n_closed == 0
    seen = frozenset(str(i) for i in range(1, 41))
    assert monitor_leads(firm.card, undated, firm.before, seen=seen)[0].data.n_closed == 60
    assert day_of("soon") is None


def test_without_counts_of_its_deals_the_cards_own_numbers_serve(firm: Firm, tmp_path: Path) -> None:
    n_won = round((firm.before.base_rate or 0) * 1000)
    card = changed(firm, n_won=n_won, n_lost=1000 - n_won)
    before = load_before(card, tmp_path)
    assert (before.n, before.counts, load_before(firm.card, tmp_path).base_rate) == (1000, None, None)
    assert monitor_leads(card, firm.leads(1200), before)[0].state == "healthy"
    found, _ = monitor_leads(card, firm.leads(1200, "rate"), before)
    assert found.state == "recalibrate"
    assert any("Nothing lies beside this card" in reason.text for reason in found.reasons)


def test_a_documented_card_is_watched_by_its_base_rate(firm: Firm) -> None:
    document = {**firm.card.to_dict(), "kind": "documented", "table": [], "base": None, "slope": None}
    card = type(firm.card).from_dict(document, verify=False)
    assert monitor_leads(card, firm.leads(1200), firm.before)[0].state == "healthy"
    assert monitor_leads(card, firm.leads(1200, "rate"), firm.before)[0].state == "recalibrate"


def test_a_documented_rule_that_wins_more_calls_for_a_watch(firm: Firm) -> None:
    reverse = [{**c.model_dump(), "points": c.points[::-1]} for c in firm.card.criteria]
    card = type(firm.card).from_dict({**firm.card.to_dict(), "criteria": reverse}, verify=False)
    found, _ = monitor_leads(card, firm.leads(1200), firm.before)
    assert found.rule is not None
    assert found.rule.rule_wins_more
    assert any("wins more than the card" in reason.text for reason in found.reasons)
    good, _ = monitor_leads(firm.card, firm.leads(400), firm.before)
    assert good.rule is not None
    assert not good.rule.rule_wins_more
    assert monitor_leads(changed(firm, baseline="no-rule"), firm.leads(400), firm.before)[0].rule is None


def test_a_file_is_watched_and_the_log_continued(firm: Firm, tmp_path: Path) -> None:
    root, out = tmp_path / "store", tmp_path / "watch"
    stored(firm, root)
    leads = firm.leads(600)
    part = write(leads.take(np.arange(300)), tmp_path / "a.csv", 50)
    first = monitor_file(part, MAPPING, "ours", out, store_root=root).result.data
    assert (first.n_closed, first.n_open, first.n_predicted) == (250, 50, 0)
    told = logged(out / "log.parquet", "ours@1")
    second = monitor_file(write(leads, tmp_path / "b.csv"), MAPPING, "ours@1", out, store_root=root).result
    assert (second.data.n_closed, second.data.n_predicted) == (600, 250)
    assert np.bincount(Log.read(out / "log.parquet").block).tolist() == [250, 350]
    now = logged(out / "log.parquet", "ours@1")
    assert {key: now[key] for key in told} == told  # what was predicted stays
    third = monitor_file(tmp_path / "b.csv", MAPPING, "ours@1", out, store_root=root).result
    assert third.model_copy(update={"data": second.data}) == second
    assert len(Log.read(out / "log.parquet")) == 600
    assert json.loads((out / "monitor.json").read_text())["state"] == third.state
    assert "ours@1" in (out / "monitor.html").read_text()
    assert f"ours@1: {third.state}" in format_monitor(third)


def test_kept_predictions_count_as_they_were_made(firm: Firm, tmp_path: Path) -> None:
    stored(firm, tmp_path / "store")
    file, scores = write(firm.leads(600), tmp_path / "deals.csv"), tmp_path / "scores.csv"

    def watch(text: str) -> MonitorResult:
        scores.write_text(text)
        told = {"predictions": str(scores), "store_root": tmp_path / "store"}
        return monitor_file(file, MAPPING, "ours", tmp_path / "out", **told).result

    found = watch("lead_id,probability\nD0,0.1\nX,0.2\n" + "".join(f"D{i},0.9\n" for i in range(600)))
    assert (found.data.n_predicted, found.predicted, found.state) == (600, pytest.approx(0.9), "recalibrate")
    assert "those predicted at the time for 600 of the 600" in format_monitor(found)
    for locale in ("en", "nl"):  # the work lists that predict wrote
        lists = tmp_path / f"{locale}.xlsx"
        predict_file(file, MAPPING, [firm.card], str(lists), Options(locale=locale, with_closed=True), print)
        assert len(read_predictions(str(lists))) == 600
    for text, says in (
        ("lead_id,points\nD0,3\n", "has no column probability"),
        ("lead_id,probability\nD0,9\n", "row 2"),
    ):
        with pytest.raises(InputError, match=says):
            watch(text)


def test_a_classifier_cannot_be_watched_and_bad_rows_are_told(firm: Firm, tmp_path: Path) -> None:
    model, file = tmp_path / "lgbm.joblib", write(firm.leads(40), tmp_path / "deals.csv")
    joblib.dump({"a": "classifier"}, model)
    model.with_suffix(".joblib.sha256").write_text(hashlib.sha256(model.read_bytes()).hexdigest())
    with pytest.raises(UsageError, match="is a classifier; valid is a card"):
        monitor_file(file, MAPPING, model)
    firm.card.save(tmp_path / "card.json")
    text = file.read_text().splitlines()
    bad = [line.rsplit(",", 1)[0] + ",9" for line in text[1:6]]
    file.write_text("\n".join([text[0], *bad, *text[6:]]) + "\n")
    found = monitor_file(file, MAPPING, tmp_path / "card.json", tmp_path / "out").result
    assert any("5 of 40 rows cannot be used" in reason.text for reason in found.reasons)


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_read(firm: Firm, tmp_path: Path) -> None:
    firm.card.save(tmp_path / "card.json")
    (tmp_path / "afile").touch()
    with pytest.raises(UsageError, match=r"--out: .*afile is a file; valid: a folder"):
        monitor_file("no.csv", MAPPING, tmp_path / "card.json", tmp_path / "afile")


@pytest.mark.slow
def test_stationary_firms_are_left_alone() -> None:
    alarms = 0
    for seed in range(25):
        firm = Firm(seed, 500)
        leads = firm.leads(600)
        looks = [monitor_leads(firm.card, leads.take(np.arange(n)), firm.before)[0].state for n in (150, 300, 600)]
        alarms += "recalibrate" in looks
    assert alarms <= 2


def test_a_documented_rule_that_stays_in_use_is_watched_as_a_card_is(tmp_path: Path) -> None:
    path = write_csv(make_leads(300, world="null", all_criteria=False), tmp_path / "deals.csv")
    criteria = {name: {"column": name.title()} for name in CRITERIA}
    columns = {"lead_id": "Deal ID", "dates": {"closed": "Closed on"}, "criteria": criteria}
    mapping = load_mapping({**MAPPING, **columns})
    settings = {"policies": ["bant-ibm"], "frameworks": ["bant"], "contenders": [], "wide": False}
    calibrate_file(
        lambda: read_leads(path, mapping), settings, name="rule", out_dir=tmp_path / "out",
        store_root=tmp_path / "store", at=AT, say=lambda _: None,
    )  # fmt: skip
    found = monitor_file(path, mapping, "rule", tmp_path / "watch", store_root=tmp_path / "store").result
    assert (found.model, found.data.n_closed, found.data.n_seen) == ("rule@2", 0, 300)
    assert found.data.since is not None
    assert found.base_rate_before == pytest.approx(0.3, abs=0.1)
