"""Leaks: a column that knows the outcome is told, one that merely repeats or ranks is not."""

from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from leadml import Leads, load_mapping, read_leads
from leadml.calibration import leaks
from leadml.calibration.findings import make_findings
from leadml.calibration.leaks import find_leaks, leak_notes
from leadml.data.deals import NO_DAY
from leadml.data.new_mapping import late_by_name
from tests.data.leaky import deals_export, leads_export, leads_of

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
MAPPINGS = Path(__file__).resolve().parents[2] / "configs" / "mappings"

N = 400


def signs(rng=None, **columns):
    rng = np.random.default_rng(0) if rng is None else rng
    outcome = columns.pop("outcome")
    leads = Leads.from_arrays(rng.integers(0, 5, (len(outcome), 1)), outcome, ["need"], **columns)
    return {(values.get("column", "closed"), code): values for code, values in find_leaks(leads)[0]}


@pytest.fixture
def won():
    return (np.random.default_rng(1).random(N) < 0.4).astype(int)


def test_a_column_that_ranks_almost_perfectly_and_a_category_that_gives_the_end_away(won):
    rng = np.random.default_rng(2)
    context = {
        "revenue": won * 100 + rng.normal(size=N),
        "phase": np.where(won == 1, "signed", np.where(rng.random(N) < 0.9, "dead", "signed")),
        "name": [f"firm {i}" for i in range(N)],
        "noise": rng.normal(size=N),
    }
    found = signs(outcome=won, context=context, amount=won * 10.0)
    assert "reaches AUC 1.00 on 400 deals" in found["revenue", "LML101"]["detail"]
    assert {("phase", "LML101"), ("amount", "LML101")} <= {*found}
    assert not {column for column, _ in found} & {"name", "noise", "need"}


def test_of_very_many_deals_a_sample_of_each_kind_is_looked_at(won, monkeypatch):
    monkeypatch.setattr(leaks, "MOST", 90)
    leads = Leads.from_arrays(np.ones((N, 1)), np.where(np.arange(N) < 100, won, -1), ["need"], context={"seal": won})
    ((code, values),) = leak_notes(leads)
    assert (code, values["detail"]) == ("LML101", "Alone it reaches AUC 1.00 on 90 deals.")


def test_copies_of_a_deal_do_not_make_a_name_a_leak(won):
    names = [f"firm {i // 4}" for i in range(N)]
    same = np.repeat(won[: N // 4], 4)
    assert ("name", "LML101") in signs(outcome=same, context={"name": names})
    assert signs(outcome=same, context={"name": names}, group=names) == {}


def test_cells_that_are_filled_only_for_one_outcome_or_by_the_close(won):
    rng = np.random.default_rng(3)
    outcome = np.concatenate([won, np.full(100, -1)])
    lost = outcome == 0
    context = {
        "why": np.where(lost & (rng.random(500) < 0.9), "price", None),
        "score": np.where(outcome >= 0, rng.normal(size=500), np.nan),
        "visits": np.where(rng.random(500) < np.where(outcome == 1, 0.9, 0.3), 1.0, np.nan),
        "half": np.where(rng.random(500) < 0.5, "x", None),
    }
    found = signs(outcome=outcome, context=context)
    assert "deals where it is filled were lost" in found["why", "LML102"]["detail"]
    assert found["score", "LML102"]["detail"] == "It is filled in 100% of the closed and 0% of the open deals."
    assert len(found) == 2


def test_a_stretch_in_which_all_ended_alike(won):
    rng = np.random.default_rng(4)
    won = np.tile(won, 5)
    seconds = np.where(won == 1, 60 + rng.exponential(300, len(won)), rng.exponential(150, len(won)))
    found = signs(outcome=won, context={"seconds": seconds})
    assert "were won" in found["seconds", "LML111"]["detail"] or "were lost" in found["seconds", "LML111"]["detail"]
    assert len(found) == 1


def test_dates_after_the_close_and_closing_dates_of_won_deals_only(won, tmp_path):
    day = np.arange(N) + 20_000
    context = {
        "Signed": [str(d) for d in (day + 3).astype("datetime64[D]")],
        "Called": (day - 9).astype("datetime64[D]"),
    }
    found = signs(outcome=won, closed_at=np.where(won == 1, day, NO_DAY), context=context)
    assert "after the close in 100% of the" in found["Signed", "LML113"]["detail"]
    assert ("Called", "LML113") not in found
    assert found["closed", "LML117"] == {"share": 1.0, "which": "lost"}


def test_a_name_or_being_filled_more_often_is_no_evidence(won):
    rng = np.random.default_rng(5)
    names = ["Deal Stage", "Closed Lost Reason", "Last Activity Date", "Days in stage"]
    assert signs(outcome=won, context={name: rng.normal(size=N) for name in names}) == {}


def test_too_few_deals_or_no_outcome_show_nothing_and_columns_have_the_names_of_the_file():
    assert leak_notes(Leads.from_arrays([[1]], [1], ["need"])) == []
    assert leak_notes(Leads.from_arrays([[1]], criteria=["need"])) == []
    import pandas as pd

    won = np.arange(200) % 2
    frame = pd.DataFrame({"Wants it": won * 4, "Team": "x", "Status": np.where(won, "Won", "Lost")})
    mapping = {
        "name": "m",
        "criteria": {"need": {"column": "Wants it"}},
        "stand_in": {"desire": "need"},
        "segments": ["Team"],
        "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"]},
    }
    ((code, values),) = find_leaks(read_leads(frame, mapping))[0]
    assert (code, values["column"]) == ("LML101", "Wants it")


LATE = """
Tags|Lead Quality|Last Activity|Last Notable Activity|Lead Profile|Asymmetrique Activity Index|dealstage|StageName
|Elapsed Days In Sales Stage|Total Days Identified Through Closing|Ratio Days Validated To Total Days|PushCount
|Next Step|hs_deal_stage_probability|ForecastCategoryName|closeprobability|LastActivityDate|hs_lastmodifieddate
|closed_lost_reason|lost_reason|Status Reason|Is Closed|actualvalue|days_to_close|AgeInDays|num_contacted_notes
|email_messages_count|duration|opportunityratingcode|Quote Sent|Order number|Invoice date|Fase|Dagen in fase
|Reden verlies|Laatste activiteit|Volgende stap|Slagingskans|Offerte verstuurd|Ordernummer|Contract getekend
|Factuurdatum|Doorlooptijd|Aantal afspraken|Leadkwaliteit"""
HONEST = """
Lead Origin|Lead Source|Do Not Call|TotalVisits|Country|What is your current occupation|Update me on Supply Chain
|Route To Market|Client Size By Revenue|Revenue From Client Past Two Years|Competitor Type|Deal Type
|Supplies Group|Region|contact|campaign|previous|poutcome|pdays|Posit_statm|Forml_tend|Up_sale|State
|Marital status|Funding stage|Credit rating|Contract type|Contract end date current supplier|Orders last year
|Number of Employees|Purchase timeframe|Last name|Percentage|Bron|Branche|Aantal medewerkers|Huidige leverancier
|Kansrijke sector|Bestaande klant|Aangemaakt op|Project_Duration__c"""


def test_names_that_crms_document_as_written_during_a_deal_are_known_in_english_and_dutch():
    assert [name for name in LATE.replace("\n", "").split("|") if not late_by_name(name)] == []
    assert [name for name in HONEST.replace("\n", "").split("|") if late_by_name(name)] == []


@pytest.mark.parametrize("n", [1000, 3000])
@pytest.mark.parametrize("dated", [False, True])
@pytest.mark.parametrize("export", [leads_export, deals_export])
def test_late_columns_are_named_together_and_honest_ones_are_not(export, dated, n):
    named, wrong, without = [], [], []
    for seed in range(4):
        made = export(n, seed, dated=dated)
        code, values = find_leaks(leads_of(made))[1]
        named += [name in values["columns"] for name in made[2]]
        wrong += [name in values["columns"] for name in made[1]["context"] if name not in made[2]]
        without.append(leak_notes(leads_of(export(n, seed, late=False, dated=dated))))
        assert code == "LML121"
        assert values["all"] - values["less"] > 0.05
    assert np.mean(named) >= 0.9
    assert np.mean(wrong) <= 0.02
    assert [note for notes in without for note in notes] == []


def test_late_names_of_columns_that_say_nothing_are_no_evidence():
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        context = {name: rng.normal(size=600) for name in LATE.replace("\n", "").split("|")[:12]}
        leads = Leads.from_arrays(rng.integers(0, 5, (600, 1)), rng.random(600) < 0.3, ["need"], context=context)
        found.append(find_leaks(leads)[1] is not None)
    assert np.mean(found) <= 0.05


def test_what_follows_the_length_of_a_deal_is_named_whatever_it_is_called():
    made = deals_export(2000, 0)
    _, values = find_leaks(leads_of(made, **{name: f"Field {i}" for i, name in enumerate(made[2])}))[1]
    assert {"Field 0", "Field 2", "Field 3"} <= set(values["columns"]) <= {f"Field {i}" for i in range(7)}
    assert "it follows the time from created to closed" in values["signs"]


def test_the_finding_says_by_what_signs_and_what_to_copy():
    made = leads_export(1500, 0)
    (finding,) = make_findings(leak_notes(leads_of(made)))
    assert (finding.code, finding.severity, finding.cost) == ("LML121", "warn", None)
    assert set(finding.where.split(", ")) == set(made[2])
    assert "of the won and" in finding.explanation
    assert "Were these known when the lead came in?" in finding.explanation
    assert '--without "Tags"' in finding.remedy
    excluded = YAML(typ="safe").load(finding.remedy[finding.remedy.index("exclude:") :])["exclude"]
    context = [name for name in made[1]["context"] if name not in excluded]
    assert load_mapping({**made[1], "context": context, "exclude": excluded}).exclude.keys() == set(made[2])


def test_a_criterion_is_named_too_but_cannot_be_left_out_by_the_command():
    frame, mapping, _ = leads_export(1500, 0)
    levels = {"Worst": 0, "Not Sure": 1, "Might be": 2, "High in Relevance": 4}
    need = {"column": "Lead Quality", "levels": levels, "unknown": [""]}
    leads = read_leads(frame, {**mapping, "criteria": {"need": need}, "context": ["Lead Source", "Lead Origin"]})
    (finding,) = [each for each in make_findings(leak_notes(leads)) if each.code == "LML121"]
    assert finding.where == "Lead Quality"
    assert finding.remedy.startswith("If not, take them out")


def test_what_is_told_together_is_not_told_one_by_one_but_for_a_near_perfect_column(won):
    rng = np.random.default_rng(6)
    lost = np.where((won == 0) & (rng.random(N) < 0.9), "price", None)
    context = {"Lost reason": lost, "Lead score": won + rng.normal(size=N), "seal": won * 1.0}
    leads = Leads.from_arrays(rng.integers(0, 5, (N, 1)), won, ["need"], context=context)
    together, alone = leak_notes(leads)
    assert (together[0], set(together[1]["columns"])) == ("LML121", {"Lost reason", "Lead score", "seal"})
    assert "deals where it is filled were lost" in together[1]["signs"]
    assert (alone[0], alone[1]["column"]) == ("LML101", "seal")
    del leads.context["Lead score"]
    assert {code for code, _ in leak_notes(leads)} == {"LML101", "LML102"}


@pytest.mark.skipif(not REAL.exists(), reason="the real data sets are not here")
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("b2b_deals", "b2b_deals/b2b_deals.csv"),
        ("bank_marketing", "bank_marketing/bank-additional-full.csv"),
        ("crm_pipeline", "crm_pipeline/sales_pipeline.csv"),
    ],
)
def test_real_exports_have_only_the_leaks_that_their_mappings_exclude(name, file):
    mapping = YAML(typ="safe").load(MAPPINGS / f"{name}.yaml")
    late = [*mapping.pop("exclude", {})]
    told, _ = find_leaks(read_leads(REAL / file, {**mapping, "context": [*mapping["context"], *late]}))
    assert {values["column"] for _, values in told} == set(late)
    assert find_leaks(read_leads(REAL / file, mapping)) == ([], None)
