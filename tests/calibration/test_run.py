"""Calibrations end to end on small worlds: laws of the result, errors, saving, frames."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shlex

import joblib
import numpy as np
import pandas as pd
import pytest

import leadml
from leadml.calibration.check import check_file
from leadml.calibration.conclude import why_this_card
from leadml.datasets.sample import write_csv
from leadml.evaluation.log import Log
from leadml.exceptions import InputError, TooFewDealsError, UsageError
from leadml.registry.evidence import read_counts
from leadml.report.first_screen import format_result
from leadml.report.html import render_html
from leadml.report.summary import summarise
from leadml.result import SCHEMA, Figure, Result, load_result, schema_text
from tests.data.leaky import leads_export, leads_of

FAST = {"contenders": ["cutoff", "weights"], "wide": False}


@pytest.fixture(scope="module")
def found():
    return leadml.calibrate(leadml.make_leads(900, world="tilted", random_state=2), frameworks=["bant", "gpct"])


def test_tilted_weights_are_found_and_change_is_said(found) -> None:
    result = found.result
    rule = next(each for each in result.policies if each.id == "bant-ibm")
    assert result.policies[0].id == "bant-ibm"  # the baseline is judged first
    assert rule.verdict == rule.verdict_weights == "change"
    assert rule.verdict_cutoff == "depends"
    assert rule.depends_on.low < rule.depends_on.high
    assert rule.outlook.p_better > 0.9
    assert result.recommended.contender == result.champion == "bant-integer"
    assert result.recommended.in_use == "bant-integer"
    assert max(rule.weights, key=lambda name: rule.weights[name].learned) == "authority"
    assert rule.order_claim.share_of_draws < 0.05


def test_a_calibration_can_be_pickled(found, tmp_path) -> None:
    joblib.dump(found, tmp_path / "found.joblib")
    for again in (pickle.loads(pickle.dumps(found)), joblib.load(tmp_path / "found.joblib")):
        assert again.result == found.result
        said, before = (each.fitted["logistic"].predict(each.leads) for each in (again, found))
        np.testing.assert_array_equal(said.probability, before.probability)


def test_very_many_deals_are_learned_from_as_patterns_with_the_same_result(monkeypatch, tmp_path) -> None:
    made = leadml.make_leads(600, world="tilted", random_state=3)
    leads = dataclasses.replace(made, created=None, closed=None, contactable=None)  # else they are learned from by row

    def found() -> dict[str, float]:
        each = leadml.calibrate(leads, FAST, frameworks=["bant", "gpct"])
        each.save(tmp_path)
        cards = {name: card.model_dump(mode="json") for name, card in each.cards.items()}
        return dict(_numbers({"result": each.result.model_dump(mode="json"), **cards}))

    by_row = found()
    for where, n in (("study.MANY_DEALS", 100), ("conclude.MOST_COUNTED", 200)):
        monkeypatch.setattr(f"leadml.calibration.{where}", n)
    assert found() == pytest.approx(by_row, rel=1e-9)
    _, won, lost = read_counts(tmp_path)
    assert won.sum() + lost.sum() == pytest.approx(600)


def _numbers(part, at=""):
    for name, each in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(each, dict | list):
            yield from _numbers(each, f"{at}/{name}")
        elif isinstance(each, int | float):
            yield f"{at}/{name}", each


def _figures(part):
    if isinstance(part, Figure):
        yield part
    if isinstance(part, dict):
        part = list(part.values())
    if isinstance(part, list | tuple):
        for each in part:
            yield from _figures(each)
    elif hasattr(part, "__pydantic_fields__"):
        for name in type(part).model_fields:
            yield from _figures(getattr(part, name))


def test_every_estimate_lies_inside_its_interval(found) -> None:
    figures = list(_figures(found.result))
    assert len(figures) > 200
    for each in figures:
        if each.value is not None and each.low is not None and each.high is not None:
            assert each.low - 1e-9 <= each.value <= each.high + 1e-9
    for rule in found.result.policies:
        assert all(w.low <= w.learned <= w.high for w in rule.weights.values())


def test_figures_on_the_same_deals_agree(found) -> None:
    result, log = found.result, found.held_out
    assert result.evaluation.n == len(log) == sum(block.n_test for block in result.evaluation.blocks)
    assert sum(cell.n for cell in result.disagreement) == pytest.approx(result.evaluation.n)
    assert sum(cell.won for cell in result.disagreement) == pytest.approx(result.evaluation.n_won)
    by_rule = sum(cell.n for cell in result.disagreement if cell.rule_says)
    by_card = sum(cell.n for cell in result.disagreement if cell.card_says)
    assert by_rule == pytest.approx(by_card)  # at equal workload
    own = {each.id: each for each in result.contenders}
    card, rule = own["bant-integer"], own["bant-ibm"]
    gain = next(p for p in result.policies if p.id == "bant-ibm").gain_weights.value
    assert card.wins_captured.value - rule.wins_captured.value == pytest.approx(gain)
    assert card.gain.wins_captured.value == pytest.approx(gain)
    baseline = log.entries["bant-ibm"].decision.mean()
    assert rule.workload.value == pytest.approx(baseline)
    assert rule.log_loss is None


def test_the_card_scores_as_it_did_in_the_comparison(found) -> None:
    card = found.card
    leads = found.leads
    scores = card.score(np.asarray(leads.codes[:, [leads.criteria.index(c.id) for c in card.criteria]]))
    assert card.cutoff == found.result.recommended.cutoff.value
    assert (np.asarray(scores.decision) == "ready").sum() == (np.asarray(scores.points) >= card.cutoff).sum()
    assert sum(max(c.points) for c in card.criteria) == card.total_max == 40
    assert set(found.cards) >= {"bant-ibm", "bant-points", "bant-met-cutoff", "bant-integer"}
    assert [band.from_ for band in card.bands] == sorted(band.from_ for band in card.bands)


def test_importance_names_the_columns_that_tell(found) -> None:
    wide = next(each for each in found.result.contenders if each.id == "context-logistic")
    assert wide.importance[0].column == "authority"
    assert wide.importance[0].loss.low > 0


def test_the_result_comes_back_from_its_file(found, tmp_path) -> None:
    folder = found.save(tmp_path / "out")
    assert load_result(folder) == found.result
    units = {each.id: each.unit for each in found.result.policies}
    assert (units["bant-ibm"], units["bant-points"], units["contactable"]) == ("met", "points", "met")
    assert Result.model_validate_json((folder / "result.json").read_text()) == found.result
    names = {path.name for path in folder.iterdir()}
    assert names >= {"result.json", "report.html", "card.json", "cards", "log.parquet", "rejected.csv", "models"}
    kept = Log.read(folder / "log.parquet")
    assert set(kept.entries) == set(found.held_out.entries)
    about = json.loads((folder / "models" / "context-boosting.json").read_text())
    assert len(about["sha256"]) == 64
    columns, won, lost = read_counts(folder)
    assert set(columns) >= {row.id for row in found.card.criteria}
    data = found.result.data
    assert (won.sum(), lost.sum(), data.n_recent > 0) == (data.n_won, data.n_lost, True)
    found.save(folder)  # the same log may come again, which is no further look
    assert load_result(folder).evaluation.looks == 1
    with pytest.raises(InputError, match="no such file"):
        load_result(tmp_path / "none")
    (tmp_path / "result.json").write_text('{"schema_version": 1}')
    with pytest.raises(InputError, match="not a result"):
        load_result(tmp_path)


def test_the_schema_beside_the_package_is_that_of_the_record() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


def test_frames_are_tidy(found) -> None:
    assert list(found.verdicts["rule"]) == [rule.id for rule in found.result.policies]
    without = dataclasses.replace(found, result=found.result.model_copy(update={"policies": ()}))
    assert list(without.verdicts.columns) == list(found.verdicts.columns)
    assert {"contender", "figure", "value", "low", "high"} <= set(found.contenders.columns)
    assert set(found.weights["criterion"]) == {
        "budget",
        "authority",
        "need",
        "timeline",
        "goals",
        "plans",
        "challenges",
    }
    assert found.cutoffs["value_from"].notna().all()
    assert len(found.log) == len(found.held_out) * len(found.held_out.entries)
    assert "bant-ibm" in found._repr_html_()
    assert "bands" in dir(found.plot)
    assert found.plot.decision_curve().to_dict()


def test_the_same_seed_gives_the_same_result() -> None:
    leads = leadml.make_leads(300, world="rule_right")
    one, two = (leadml.calibrate(leads, FAST, frameworks=["bant"]).result for _ in range(2))
    assert one == two


def test_a_log_that_grows_is_looked_at_once_more(tmp_path) -> None:
    leads = leadml.make_leads(300, world="rule_right")
    for settings, looks in (({"contenders": []}, 1), (FAST, 2), (FAST, 2)):
        leadml.calibrate(leads, {**settings, "wide": False}, frameworks=["bant"]).save(tmp_path)
        assert load_result(tmp_path).evaluation.looks == looks


def test_why_says_what_was_compared(found) -> None:
    rule = found.result.policies[0]
    assert "with as many leads followed up" in why_this_card("The card", rule)
    moved = rule.model_copy(update={"verdict_weights": "keep", "verdict_cutoff": "change"})
    assert "with as many leads" not in why_this_card("The card", moved)
    assert "from a cut-off that is worth more" in why_this_card("The card", moved)
    other = why_this_card("The wide card (of all)", rule, (76.3, 52.94))
    assert other.endswith(". The wide card (of all) wins 76.3 of 100 held-out leads followed up, bant-ibm 52.9.")


# ---------------------------------------------------------------- consequences


def test_economics_give_a_cutoff_and_a_net_value() -> None:
    leads = leadml.make_leads(600, world="tilted", random_state=2)
    money = {**FAST, "economics": {"follow_up_cost": 10, "won_value": 40, "currency": "EUR"}}
    result = leadml.calibrate(leads, money, frameworks=["bant"]).result
    rule = result.policies[0]
    assert rule.verdict_cutoff != "depends"
    assert rule.learned_cutoff.basis == "economics"
    card = next(each for each in result.contenders if each.id == "bant-integer")
    assert card.net_value_per_lead.value > 0
    assert card.gain.net_value_per_lead is not None


def test_amounts_decide_by_margin() -> None:
    leads = leadml.make_leads(500, world="tilted", random_state=3)
    amount = np.where(leads.outcome == 1, 1000.0 + 500.0 * np.minimum(leads.codes[:, 0], 4), np.nan)
    leads = dataclasses.replace(leads, amount=amount)
    settings = {**FAST, "economics": {"follow_up_cost": 100, "margin": 0.3}}
    result = leadml.calibrate(leads, settings, frameworks=["bant"]).result
    assert {f.code for f in result.findings} >= {"LML503"}
    assert result.recommended.cutoff_basis == "economics"
    dear = {**FAST, "economics": {"follow_up_cost": 5000, "margin": 0.3}}
    with pytest.raises(UsageError, match="worth more than one follow-up"):
        leadml.calibrate(leads, dear, frameworks=["bant"])
    with pytest.raises(UsageError, match="needs the amounts"):
        leadml.calibrate(dataclasses.replace(leads, amount=None), settings)


@pytest.mark.parametrize("capacity", [{"share": 0.25}, {"per_week": 2.0}])
def test_capacity_fills_the_room(capacity) -> None:
    leads = leadml.make_leads(600, world="tilted", random_state=4)
    found = leadml.calibrate(leads, {**FAST, "capacity": capacity}, frameworks=["bant"])
    share = capacity.get("share") or next(
        float(f.title.split(" are ")[1].split("%")[0]) / 100 for f in found.result.findings if f.code == "LML502"
    )
    said = found.held_out.entries["bant-integer"].decision
    assert said.mean() == pytest.approx(share, abs=0.01)
    assert found.result.recommended.cutoff_basis == "capacity"
    undated = dataclasses.replace(leads, created=None)
    with pytest.raises(UsageError, match=r"capacity\.per_week"):
        leadml.calibrate(undated, {"capacity": {"per_week": 2}})


def test_break_even_when_asked_for() -> None:
    leads = leadml.make_leads(400, world="tilted", random_state=5)
    found = leadml.calibrate(leads, {**FAST, "cutoff_basis": "break-even"}, frameworks=["bant"])
    assert "LML504" in {f.code for f in found.result.findings}
    assert found.result.policies[0].learned_cutoff.basis == "break-even"


# ---------------------------------------------------------------- contenders


def test_own_classifiers_frameworks_and_metrics_compete() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score

    leads = leadml.make_leads(300, world="tilted", random_state=6)
    found = leadml.calibrate(
        leads,
        {"wide": False, "bootstrap": 50},
        frameworks=["bant"],
        contenders=["cutoff", ("mine", LogisticRegression(max_iter=500))],
        metrics=[average_precision_score],
    )
    mine = next(each for each in found.result.contenders if each.id == "mine")
    assert mine.kind == "custom"
    assert mine.auc.value > 0.6
    assert 0 < mine.metrics["average_precision_score"].value < 1
    with pytest.raises(UsageError, match="with fit and predict_proba"):
        leadml.calibrate(leads, contenders=[("mine", object())])
    with pytest.raises(UsageError, match="did you mean cutoff"):
        leadml.calibrate(leads, contenders=["cut-off"])
    for names in (["prior"], ["mine", "Mine"]):
        with pytest.raises(UsageError, match=f"got the name '{names[0]}' twice"):
            leadml.calibrate(leads, contenders=[(name, LogisticRegression()) for name in names])


def test_a_large_file_is_compared_on_a_sample_and_learned_from_in_full() -> None:
    leads = leadml.make_leads(2500, world="tilted", all_criteria=False, random_state=7)
    result = leadml.calibrate(leads, {**FAST, "single_deals": 1000}, frameworks=["bant"]).result
    assert result.data.n_compared == 1000
    assert "LML306" in {f.code for f in result.findings}
    held = sum(block.n_test for block in result.evaluation.blocks)
    assert held > 1000  # weights make the sample stand for all


def _with_leak(n: int = 600):
    """Deals whose `activity` tells how they went, beside a source that tells a little."""
    import pyarrow as pa

    leads = leadml.make_leads(n, world="rule_right", all_criteria=False, random_state=9)
    rng = np.random.default_rng(0)
    known = (leads.outcome == 1) ^ (rng.random(n) < 0.2)
    activity = pa.array(np.where(known, "proposal", "call")).dictionary_encode()
    return dataclasses.replace(leads, context={**leads.context, "last activity": activity})


@pytest.fixture(scope="module")
def leaky():
    return leadml.calibrate(_with_leak(), FAST | {"wide": {}}, frameworks=["bant"]).result


def test_each_attribute_is_priced_in_wins(leaky) -> None:
    wide = next(each for each in leaky.contenders if each.id == "wide")
    lost = {each.attribute: each for each in wide.importance}["last activity"]
    assert lost.loss.low > 0
    assert lost.wins_per_100.low > 2
    assert next(each for each in wide.importance if each.column == "region").wins_per_100.value == 0


def test_without_a_column_the_fall_is_seen_and_nothing_else_knows_it(leaky) -> None:
    settings = FAST | {"wide": {}, "without": ["last activity"], "contenders": ["cutoff", "context-logistic"]}
    found = leadml.calibrate(_with_leak(), settings, frameworks=["bant"])
    result, by_id = found.result, {each.id: each for each in found.result.contenders}
    before = next(each for each in leaky.contenders if each.id == "wide")
    assert by_id["wide-with"].auc == before.auc
    assert by_id["wide-with"].kind == "comparison"
    dropped = result.dropped
    assert dropped.columns == ("last activity",)
    assert dropped.wins_per_100.low > 2
    fall = by_id["wide-with"].wins_per_100.value - by_id["wide"].wins_per_100.value
    assert dropped.wins_per_100.value == pytest.approx(fall)
    assert result.champion != "wide-with"
    assert "wide-with" not in found.cards
    assert "wide-with" not in found.fitted
    assert all(each.column != "last activity" for c in result.contenders for each in c.importance)
    told = next(each for each in result.findings if each.code == "LML309")
    assert told.cost == dropped.wins_per_100.value
    assert "instead of" in told.title
    assert summarise(result).fall.startswith("Without last activity")


def test_without_a_column_of_a_criterion_no_card_has_it(tmp_path) -> None:
    leads = leadml.make_leads(300, world="tilted", random_state=2)
    lines = ["name: ours", "outcome: {column: Status, won: [Won], lost: [Lost]}", "criteria:"]
    lines += [f"  {name}: {{column: {name.capitalize()}}}" for name in ("budget", "authority", "challenges", "goals")]
    (tmp_path / "m.yaml").write_text("\n".join([*lines, "stand_in: {funds: budget}", "context: [Region]"]))
    read = leadml.read_leads(write_csv(leads, tmp_path / "deals.csv"), tmp_path / "m.yaml")
    found = leadml.calibrate(read, FAST | {"wide": {}, "without": ["Budget", "Goals"]})
    assert found.result.data.criteria == ("authority", "challenges")
    assert found.result.dropped.columns == ("Budget", "Goals")
    learned = [card for name, card in found.cards.items() if name.endswith(("-integer", "wide", "wide-score"))]
    assert learned
    assert all({each.id for each in card.criteria} <= {"authority", "challenges"} for card in learned)


def test_the_log_chooses_between_criteria_one_by_one_and_their_score_as_one_row(leaky) -> None:
    wide = [each for each in leaky.contenders if each.kind == "wide"]
    assert [each.id for each in wide] == ["wide", "wide-score"]
    best = min(wide, key=lambda each: each.log_loss.value)
    assert leaky.recommended.contender == best.id


# ---------------------------------------------------------------- what cannot be done


def test_errors_say_what_to_do() -> None:
    leads = leadml.make_leads(300)
    with pytest.raises(UsageError, match="names no outcome"):
        leadml.calibrate(dataclasses.replace(leads, outcome=None))
    with pytest.raises(TooFewDealsError, match="leadml qualify"):
        leadml.calibrate(leads.take(np.arange(30)))
    same = dataclasses.replace(leads, codes=np.full_like(leads.codes, 2), context={})
    with pytest.raises(InputError, match="are the same"):
        leadml.calibrate(same)
    with pytest.raises(UsageError, match="without: got colour; valid: source, region"):
        leadml.calibrate(leads, {"without": ["colour"]})
    with pytest.raises(UsageError, match="frameworks: got none"):
        leadml.calibrate(leads, frameworks=[])
    few = leadml.make_leads(300, all_criteria=False)
    with pytest.raises(UsageError, match="can be judged"):
        leadml.calibrate(few, {"policies": ["gpct-half"], "baseline": "gpct-half"}, frameworks=["bant"])


def test_without_criteria_only_the_base_rate_is_beaten_or_not() -> None:
    leads = leadml.make_leads(300, world="null", all_criteria=False)
    bare = dataclasses.replace(leads, criteria=(), codes=np.empty((300, 0), np.uint8), contactable=None)
    found = leadml.calibrate(bare)
    assert found.card is None
    assert found.result.recommended.contender is None
    assert {"LML305", "LML301"} <= {f.code for f in found.result.findings}
    assert found.result.policies == ()


def test_a_cutoff_out_of_reach_cannot_be_judged() -> None:
    leads = leadml.make_leads(400, world="tilted", all_criteria=False)
    at = [leads.criteria.index(name) for name in ("need", "timeline")]
    two = dataclasses.replace(leads, criteria=("need", "timeline"), codes=np.asfortranarray(leads.codes[:, at]))
    result = leadml.calibrate(two, FAST, frameworks=["bant"]).result
    rule = next(each for each in result.policies if each.id == "bant-ibm")
    assert rule.verdict == "cannot-judge"
    assert "cannot reach" in rule.because
    assert rule.reason == "unreachable"
    assert "LML307" in {f.code for f in result.findings}


def test_without_time_deals_are_held_out_twice_by_fold() -> None:
    leads = dataclasses.replace(leadml.make_leads(300, world="tilted"), created=None, closed=None, in_time_order=False)
    result = leadml.calibrate(leads, {**FAST, "split": {"kind": "auto"}}, frameworks=["bant"]).result
    assert result.evaluation.kind == "k-fold"
    assert result.evaluation.n == 300
    assert "LML701" in {f.code for f in result.findings}
    plans = [p.outlook.more_deals for p in result.policies if p.outlook is not None]
    assert all(plan is None or plan.months is None for plan in plans)


@pytest.mark.parametrize(
    ("world", "code"),
    [
        ("inverted_u", "LML206"),
        ("reversed", "LML205"),
        ("gate", "LML207"),
        ("late_answers", "LML112"),
        ("selected_hunch", "LML605"),
        ("drifting", "LML401"),
    ],
)
def test_the_finding_that_names_a_world(world: str, code: str) -> None:
    leads = leadml.make_leads(1000, world=world, all_criteria=False, random_state=8)
    result = leadml.calibrate(leads, FAST, frameworks=["bant"]).result
    assert code in {f.code for f in result.findings}
    if world == "inverted_u":
        assert result.recommended.contender == "bant-free"


def test_overdue_deals_are_coded_the_other_way_too() -> None:
    leads = leadml.make_leads(900, world="immature", all_criteria=False)
    outcome = leads.outcome.copy()
    outcome[::20] = -1  # forgotten in the CRM
    closed = np.where(outcome == -1, np.iinfo(np.int32).min, leads.closed).astype(np.int32)
    leads = dataclasses.replace(leads, outcome=outcome, closed=closed)
    found = {f.code: f for f in leadml.calibrate(leads, FAST, frameworks=["bant"]).result.findings}
    assert "only the quick ones have closed, so these are left out" in found["LML601"].explanation
    assert "when they close: 42 (L0000001, L0000021, L0000041, L0000061, L0000081, ...)." in found["LML602"].explanation


def test_a_verdict_on_the_cutoff_is_asked_of_the_recoded_deals_too() -> None:
    leads = leadml.make_leads(900, world="rule_right", all_criteria=False, random_state=3)
    created = np.arange(len(leads), dtype=np.int32) + 19_000
    outcome, closed = leads.outcome.copy(), created + 30
    outcome[450], closed[450] = -1, np.iinfo(np.int32).min
    leads = dataclasses.replace(leads, outcome=outcome, created=created, closed=closed)
    economics = {"follow_up_cost": 1, "won_value": 8}
    result = leadml.calibrate(leads, {**FAST, "contenders": ["cutoff"], "economics": economics}).result
    found = {f.code: f for f in result.findings}
    assert result.policies[0].verdict == result.policies[0].verdict_cutoff == "change"
    assert found["LML602"].severity == "note"


def test_segments_are_pooled() -> None:
    leads = leadml.make_leads(500, world="tilted", all_criteria=False, random_state=9)
    leads = dataclasses.replace(leads, segments={"source": leads.context["source"]})
    result = leadml.calibrate(leads, FAST, frameworks=["bant"]).result
    assert {each.column for each in result.segments} == {"source"}
    assert sum(each.n for each in result.segments) == pytest.approx(result.evaluation.n)


def test_another_baseline_is_taken_where_the_usual_one_is_out_of_reach() -> None:
    leads = leadml.make_leads(300, world="tilted", framework="madr", all_criteria=False)
    result = leadml.calibrate(leads, FAST).result
    assert "LML304" in {f.code for f in result.findings}
    assert result.policies[0].id == "madr-half"
    assert result.recommended.framework == "madr"


def test_a_card_of_columns_that_say_how_the_deal_went_carries_the_doubt() -> None:
    made = leads_export(500, 0)
    result = leadml.calibrate(leads_of(made), {"contenders": []}).result
    finding = next(each for each in result.findings if each.code == "LML121")
    (checked,) = [each for each in check_file(*made[:2]).findings if each.code == "LML121"]
    assert checked == finding.model_copy(update={"remedy": checked.remedy})  # with a command to copy, as it has none
    assert checked.remedy.count("--without") == len(finding.doubted)
    assert result.recommended.contender == "wide"
    assert result.recommended.doubt.startswith("It holds ")
    assert any(name in result.recommended.doubt for name in made[2])
    assert result.recommended.doubted == finding.doubted == tuple(finding.where.split(", "))
    result = result.model_copy(update={"command": "leadml calibrate a.csv --mapping m.yaml"})
    screen = format_result(result, terminal=False)
    (command,) = [line for line in screen.split("\n") if "--without" in line]  # one, whole, without all in doubt
    assert command.startswith("  leadml calibrate a.csv --mapping m.yaml --without ")
    assert {*shlex.split(command)[6::2]} == {*finding.doubted}
    assert "…" not in screen
    assert render_html(result).count("--without") == len(finding.doubted)
    assert "Columns that may say how the deal went" in screen
    told = "which may say how the deal went, not how the lead was (LML121); check that these were known when"
    assert told in " ".join(screen.split())
    assert told in render_html(result)


def test_a_card_without_such_columns_carries_none(found) -> None:
    assert found.result.recommended.doubt == ""
    assert not {"LML101", "LML121"} & {each.code for each in found.result.findings}


def test_a_classifier_sees_what_a_level_was_read_from(tmp_path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"Euro": rng.integers(1, 100, 400) * 1000, "Need": rng.integers(0, 5, 400), "Web": "x"})
    won = (frame["Euro"] // 5000 % 2 == 0) ^ (rng.random(400) < 0.1)  # what no level of four edges can tell
    frame["Status"] = np.where(won, "Won", "Lost")
    budget = {"column": "Euro", "edges": [1, 10_000, 20_000, 30_000]}
    outcome = {"column": "Status", "won": ["Won"], "lost": ["Lost"]}
    mapping = {"name": "firm", "criteria": {"budget": budget, "need": {"column": "Need"}}, "outcome": outcome}
    mapping["context"] = ["Web"]
    asked = {"frameworks": ["bant"], "wide": False, "evaluation": {"kind": "k-fold", "repeats": 1}}
    asked["contenders"] = ["weights", "context-boosting"]
    found = leadml.calibrate(leadml.read_leads(frame, mapping), asked)
    auc = {each.id: each.auc.value for each in found.result.contenders if each.auc}
    assert auc["context-boosting"] > 0.75 > 0.65 > auc["bant-weights"]
    found.save(tmp_path)
    model = tmp_path / "models" / "context-boosting.joblib"
    new = pd.DataFrame({"Euro": [42_000, 47_000], "Need": [2, 2]})
    chance = leadml.predict(new, mapping, model)["probability"].tolist()
    assert chance[0] > 0.5 > chance[1]
    assert leadml.predict(new.assign(Euro="x"), {**mapping, "criteria": {**mapping["criteria"], "budget": {
        **budget, "unknown": ["x"]}}}, model)["probability"].between(0, 1).all()  # fmt: skip


def test_few_deals_held_out_are_told_with_what_would_hold_out_more() -> None:
    deals, settings = leadml.make_leads(120, world="tilted", random_state=3), {"contenders": ["cutoff"]}
    few = next(each for each in leadml.calibrate(deals, settings).result.findings if each.code == "LML407")
    sooner = leadml.calibrate(deals, {**settings, "evaluation": {"first": 60}}).result
    assert few.title == "only 12 of 120 closed deals are held out"
    assert f'"evaluation: {{first: 60}}" holds out {sooner.evaluation.n:.0f}, each' in few.remedy
    assert '"evaluation: {kind: k-fold}"' in few.remedy
    assert "LML407" not in {each.code for each in sooner.findings}
