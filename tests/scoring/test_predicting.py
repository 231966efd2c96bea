"""Predict, qualify and explain through files as users have them: nothing lost, reordered, overwritten or run."""

import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import leadml
from leadml.calibration.run import name_of
from leadml.card.bands import GENERIC
from leadml.card.build import documented_card
from leadml.card.in_words import COLUMNS
from leadml.card.record import Card, CardAttribute, CardBin, CardTotal
from leadml.exceptions import InputError, ModelRefError, RecordError, UsageError
from leadml.frameworks.catalog import list_frameworks, list_policies, load_policy
from leadml.levels import CANONICAL
from leadml.scoring.face import Model
from leadml.scoring.predicting import names_among, policy_cards, predict_file, qualify_file
from leadml.scoring.scorer import Options
from leadml.scoring.worklist import words_of

MAPPING = {
    "name": "ours",
    "lead_id": "Deal",
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"]},
    "amount": {"column": "Value"},
    "criteria": {"need": {"column": "Need"}, "authority": {"column": "Role", "levels": {"Low": 1, "High": 4}}},
}
EXPORT = (
    "Deal,Company,Need,Role,points,Value,Status,Note\n"
    "a1,ACME,4,High,x,100,,=1+1\n"
    "a2,Beta,7,Low,x,5,,plain\n"
    "a3,Gamma,,Low,x,,Open,-5\n"
    "a4,Delta,2,Low,x,9000,Won,x\n"
    '=a5,Eps,1,Low,x,70000,,"two, words"\n'
)


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text(EXPORT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def card():
    rule = documented_card(load_policy("bant-points"))
    table = [CardTotal(points=p, probability=p / 20, low=p / 40, high=p / 16) for p in range(17)]
    return rule.model_copy(update={"table": tuple(table), "kind": "learned", "name": "mine"})


def run(source, mapping, model, out, **options):
    said = []
    return predict_file(source, mapping, [model], str(out), Options(**options), said.append), said


def rows(path, delimiter=","):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_every_row_is_accounted_for(tmp_path, export, card):
    totals, said = run(export, MAPPING, card, tmp_path / "s.csv")
    assert (totals.n_rows, totals.n_scored, totals.n_rejected, totals.n_closed) == (5, 3, 1, 1)
    got = rows(tmp_path / "s.csv")
    assert list(got[0]) == ["lead_id", *COLUMNS]
    assert [row["lead_id"] for row in got] == ["a1", "a3", "'=a5"]
    assert got[0]["reasons"] == "authority +4; need +4"
    assert [(row["row"], row["column"], row["value"]) for row in rows(tmp_path / "s.csv.rejected.csv")] == [
        ("3", "Need", "7")
    ]
    assert said[-1] == (
        "5 rows = 3 scored + 1 rejected + 1 left out, as their outcome is known (--with-closed scores them) "
        f"(why: {tmp_path / 's.csv'}.rejected.csv)"
    )
    assert "not mapped, so unknown for every lead: budget, timeline" in said
    assert any("'7' is not a level" in line for line in said)
    totals, said = run(export, MAPPING, card, tmp_path / "s.csv", with_closed=True)
    assert (totals.n_scored, totals.n_closed) == (4, 0)


def test_a_mapping_that_reads_answers_otherwise_than_the_model_did_is_told_once(tmp_path, export, card):
    learned = leadml.load_mapping(MAPPING).readings([each.id for each in card.criteria])
    card = card.model_copy(update={"provenance": learned})
    role = {"column": "Role", "levels": {"Low": 1, "High": 3}}
    for change, told in (
        ({}, ""),
        ({"name": "b", "read": {"decimal": ","}, "outcome": None, "lead_id": None, "context": ["Note"]}, ""),
        ({"criteria": {"need": MAPPING["criteria"]["need"]}}, ""),  # it is said not to be mapped
        ({"criteria": {**MAPPING["criteria"], "authority": role}}, "authority"),
        (
            {"criteria": {**MAPPING["criteria"], "need": {"column": "points", "other": 0}, "authority": role}},
            "authority, need",
        ),
        ({"stand_in": {"need": "authority"}}, "need"),
    ):
        _, said = run(export, {**MAPPING, **change}, card, tmp_path / "s.csv")
        found = [line.split(" otherwise")[0] for line in said if "otherwise" in line]
        assert found == [f"the mapping reads {told}"] * bool(told)


def test_a_list_of_rejections_goes_with_them_and_stays_where_no_row_can_be_used(tmp_path, export, card):
    run(export, MAPPING, card, tmp_path / "s.csv")
    export.write_text(EXPORT.replace(",7,", ",3,"))
    totals, _ = run(export, MAPPING, card, tmp_path / "s.csv")
    assert totals.rejected is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["export.csv", "s.csv"]
    export.write_text("Deal,Need,Role\na,9,Low\n")
    with pytest.raises(InputError, match=r"none of its 1 rows can be used; see .*rejected.csv"):
        run(export, {**MAPPING, "outcome": None, "amount": None}, card, tmp_path / "t.csv")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["export.csv", "s.csv", "t.csv.rejected.csv"]


def test_kept_columns_are_not_overwritten(tmp_path, export, card):
    _, said = run(export, MAPPING, card, tmp_path / "s.csv", keep_columns=True, columns="points,decision")
    got = rows(tmp_path / "s.csv")
    assert list(got[0]) == ["lead_id", "points", "decision", "Deal", "Company", "Need", "Role", "input_points",
                            "Value", "Status", "Note"]  # fmt: skip
    assert (got[0]["points"], got[0]["input_points"], got[0]["Note"]) == ("8", "x", "'=1+1")
    assert "kept under another name, as theirs is taken: points as input_points" in said
    assert "3 cells that a spreadsheet would run as a formula begin with ' now" in said


def test_sorted_by_expected_value(tmp_path, export, card):
    run(export, MAPPING, card, tmp_path / "s.csv", sort=True, keep_columns=True)
    got = rows(tmp_path / "s.csv")
    value = [float(row["probability"]) * float(row["Value"] or 35_050) for row in got]  # unknown: the mean
    assert value == sorted(value, reverse=True)
    assert [row["lead_id"] for row in got] == ["'=a5", "a3", "a1"]
    run(export, {**MAPPING, "amount": None}, card, tmp_path / "s.csv", sort=True)
    assert [row["lead_id"] for row in rows(tmp_path / "s.csv")] == ["a1", "'=a5", "a3"]
    run(export, MAPPING, documented_card(load_policy("bant-points")), tmp_path / "s.csv", sort=True)
    assert [row["points"] for row in rows(tmp_path / "s.csv")] == ["8", "2", "1"]


def test_sorted_without_a_chance_by_decision_points_and_amount(tmp_path):
    path = tmp_path / "export.csv"  # e is known to be good, a waits for answers, of the others all is known
    lines = ["Deal,need,authority,budget,timeline,Value", "b,2,1,0,0,10", "c,2,1,0,0,", "d,2,1,0,0,90", "a,1,,,,5"]
    path.write_text("\n".join([*lines, "e,4,4,4,4,1"]), encoding="utf-8")
    criteria = {each: {"column": each} for each in ("need", "authority", "budget", "timeline")}
    rule = documented_card(load_policy("bant-points"))
    labels = {"ready": "x", "wait": "y", "no-match": "a"}
    for names in ({}, labels):
        mapping = {"name": "ours", "lead_id": "Deal", "amount": {"column": "Value"}, "criteria": criteria}
        run(path, mapping, rule.model_copy(update={"decision_labels": names}), tmp_path / "s.csv", sort=True)
        got = [(row["lead_id"], row["decision"]) for row in rows(tmp_path / "s.csv")]
        told = [("e", "ready"), ("a", "wait"), *((each, "no-match") for each in "dcb")]
        assert got == [(lead, names.get(decision, decision)) for lead, decision in told]


def test_dutch_words_agree(tmp_path, export, card):
    run(export, MAPPING, card, tmp_path / "s.csv", locale="nl")
    got = rows(tmp_path / "s.csv", ";")
    assert [row["decision"] for row in got] == ["wachten"] * 3
    assert [row["action"] for row in got] == ["warm houden", "vraag eerst naar budget", "vraag eerst naar budget"]
    assert [row["band"] for row in got] == ["warm houden", "laten vallen", "laten vallen"]
    assert (got[1]["unknown"], got[1]["ask_next"]) == ("budget; behoefte; termijn", "budget")
    assert {row["question"] for row in got} == {"Is er geld voor, of kan dat er komen?"}
    assert (got[0]["probability"], got[0]["reasons"]) == ("0,4", "mandaat +4; behoefte +4")
    assert got[0]["if_answered"] == "1-4: opvolgen; 0: wachten"
    assert [row["value"] for row in rows(tmp_path / "s.csv.rejected.csv", ";")] == ["7"]
    assert all((tmp_path / name).read_bytes()[:3] == b"\xef\xbb\xbf" for name in ("s.csv", "s.csv.rejected.csv"))
    with pytest.raises(UsageError, match="--locale"):
        run(export, MAPPING, card, tmp_path / "s.csv", locale="fr")


def test_a_work_list_and_a_file_for_the_crm(tmp_path, export, card):
    from python_calamine import CalamineWorkbook

    crm = tmp_path / "crm.csv"
    run(export, MAPPING, card, tmp_path / "s.xlsx", crm=str(crm), sort=True)
    header, first, *_ = CalamineWorkbook.from_path(str(tmp_path / "s.xlsx")).get_sheet_by_index(0).to_python()
    assert header[:5] == ["Lead", "Company", "Action", "Next question", "Chance"]
    assert first[1] == "Eps"
    got = rows(crm)
    assert list(got[0])[:3] == ["Deal", "leadml_probability", "leadml_points"]
    assert [row["Deal"] for row in got] == ["'=a5", "a3", "a1"]
    assert all(len(row["leadml_probability"]) <= 6 for row in got)
    run(export, MAPPING, card, tmp_path / "s.xlsx", crm=str(tmp_path / "crm.xlsx"))
    header, *_ = CalamineWorkbook.from_path(str(tmp_path / "crm.xlsx")).get_sheet_by_index(0).to_python()
    assert set(header) == set(got[0])
    with pytest.raises(UsageError, match="--crm"):
        run(export, MAPPING, card, crm, crm=str(crm))


def test_many_chunks_keep_their_order_and_their_types(tmp_path, card):
    n = 300_000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"Deal": [f"D{i}" for i in range(n)], "Need": rng.integers(0, 5, n)})
    frame["Role"] = rng.choice(["Low", "High"], n)
    frame.to_parquet(tmp_path / "e.parquet")
    mapping = {**MAPPING, "outcome": None, "amount": None}
    run(tmp_path / "e.parquet", mapping, card, tmp_path / "s.parquet")
    run(tmp_path / "e.parquet", mapping, card, tmp_path / "s.csv")
    got = pq.read_table(tmp_path / "s.parquet")
    assert got["lead_id"].to_pylist() == frame["Deal"].tolist()
    assert got["points"].to_pylist() == (frame["Need"] + np.where(frame["Role"] == "High", 4, 1)).tolist()
    again = pa.csv.read_csv(tmp_path / "s.csv")
    for name in ("lead_id", "points", "reasons", "if_answered"):
        assert again[name].to_pylist() == got[name].to_pylist()


def test_qualify_has_a_row_a_lead_and_policy(tmp_path, export):
    said = []
    out = tmp_path / "q.csv"
    qualify_file(export, MAPPING, ["bant-ibm", "bant-points"], 3, str(out), Options(), said.append)
    got = rows(out)
    assert list(got[0])[:3] == ["lead_id", "policy", "probability"]
    assert [(row["lead_id"], row["policy"]) for row in got[:3]] == [
        ("a1", "bant-ibm"), ("a1", "bant-points"), ("a3", "bant-ibm"),
    ]  # fmt: skip
    assert len(got) == 8  # also leads that are closed
    assert {row["probability"] for row in got} == {""}
    qualify_file(export, MAPPING, None, 2, str(out), Options(), said.append)
    assert "policies: bant-ibm, bant-strict" in next(line for line in said if line.startswith("policies"))
    with pytest.raises(UsageError, match="valid is a level from 1 to 4"):
        qualify_file(export, MAPPING, None, 5, str(out), Options(), said.append)
    with pytest.raises(UsageError, match="maps no criterion"):
        policy_cards(leadml.load_mapping({"name": "none"}), None, 2)


def test_what_says_nothing_is_refused(tmp_path, card):
    (tmp_path / "e.csv").write_text("Deal,Speed\na,1\n")
    for mapping, words in [
        ({"name": "m", "criteria": {"goals": {"column": "Speed"}}}, "says nothing about budget"),
        ({"name": "m", "criteria": {"need": {"column": "Need"}}}, "has no column 'Need'"),
        ({"name": "m", "criteria": {"need": {"column": "Need"}}, "optional": True}, "'Need'"),
    ]:
        with pytest.raises(InputError, match=words):
            run(tmp_path / "e.csv", mapping, card, tmp_path / "s.csv")
    with pytest.raises(UsageError, match="--columns: got 'point'"):
        run(tmp_path / "e.csv", MAPPING, card, tmp_path / "s.csv", columns="point")
    with pytest.raises(InputError, match=r"contactable, which the model asks; add contactable: \{column"):
        qualify_file(tmp_path / "e.csv", MAPPING, ["contactable"], 2, "-", Options(), print)


def wide_card(card, **attribute):
    bins = attribute.pop("bins")
    made = CardAttribute(
        id="size", title="Size", column="Size", bins=bins, unknown_points=1, other_points=0, **attribute
    )
    document = card.to_dict()
    total = 16 + max(each.points for each in bins)
    table = [{"points": p, "probability": p / 30, "low": 0.0, "high": 1.0} for p in range(total + 1)]
    document |= {"attributes": [made.model_dump(by_alias=True)], "kind": "wide", "total_max": total, "table": table}
    return Card.from_dict(document, verify=False)


def test_attributes_are_read_in_the_files_own_numbers(tmp_path, card):
    bins = (CardBin(label="< 1000", to=1000.0, points=0, n=9, won=1),
            CardBin.model_validate({"label": ">= 1000", "from": 1000.0, "points": 4, "n": 9, "won": 5}))  # fmt: skip
    wide = wide_card(card, kind="edges", bins=bins)
    (tmp_path / "e.csv").write_text('Deal;Need;Role;Size\na;4;High;"1.500,5"\nb;4;High;12,5\nc;4;High;\n')
    mapping = {**MAPPING, "outcome": None, "amount": None, "read": {"decimal": ",", "delimiter": ";"}}
    run(tmp_path / "e.csv", mapping, wide, tmp_path / "s.csv")
    assert [row["points"] for row in rows(tmp_path / "s.csv")] == ["12", "8", "9"]
    told = leadml.explain(tmp_path / "e.csv", mapping, wide, "a")
    assert "Size       >= 1000    4 of 4" in told


def test_all_that_the_documents_say_is_in_dutch():
    frameworks, bands = list_frameworks(), [band for policy in list_policies() for band in policy.bands]
    bands += [band for bands in GENERIC for band in bands]
    said = {each.question for framework in frameworks for each in framework.criteria if each.question}
    said |= {word for band in bands for word in (band.id, band.action)} | {*CANONICAL}
    said |= {caveat.id for framework in frameworks for caveat in framework.caveats}
    assert said - {*words_of("nl").phrases} == set()


def test_a_firm_keeps_its_own_words(tmp_path, card):
    bins = [CardBin(label="below 10", to=10.0, points=1, n=9, won=1)]
    bins += [CardBin.model_validate({"label": label, "from": low, "points": 2, "n": 9, "won": 5, "to": high})
             for low, high, label in ((10, 99, "10 to below 99"), (99, None, "many"))]  # fmt: skip
    wide = wide_card(card, kind="edges", bins=tuple(bins))
    own = [each.model_copy(update={"question": "How {}?"}) for each in wide.criteria]
    hot = wide.bands[-1].model_copy(update={"id": "hot", "action": "call Ann"})
    wide = wide.model_copy(update={"criteria": tuple(own), "bands": (*wide.bands[:-1], hot)})
    (tmp_path / "e.csv").write_text("Deal;Need;Role;Size\na;4;High;5\nb;4;High;12\nc;4;High;100\nd;0;Low;\n")
    mapping = {**MAPPING, "outcome": None, "amount": None}
    for way in ("csv", "xlsx"):
        run(tmp_path / "e.csv", mapping, wide, tmp_path / f"s.{way}", locale="nl")
    got = rows(tmp_path / "s.csv", ";")
    told = [row["reasons"].rpartition("Size")[2] for row in got]
    assert told == [" = onder 10 +1", " = 10 tot 99 +2", " = many +2", " (onbekend) +1"]
    assert {row["question"] for row in got} == {"How {}?"}
    assert {row["if_answered"] for row in got[:3]} == {"4: hot; 0-3: opvolgen", "3-4: hot; 0-2: opvolgen"}


def test_dates_count_by_their_age_at_creation(tmp_path, card):
    bins = (CardBin(label="young", to=365.0, points=0, n=9, won=1),
            CardBin.model_validate({"label": "old", "from": 365.0, "points": 4, "n": 9, "won": 5}))  # fmt: skip
    wide = wide_card(card, kind="edges", bins=bins, age_of="created")
    frame = pd.DataFrame(
        {"Deal": ["a", "b"], "Need": [4, 4], "Role": ["High"] * 2, "Value": ["no number", "5"],
         "Size": pd.to_datetime(["2020-01-01", "2024-12-31"]).date, "Made": pd.to_datetime(["2025-01-01"] * 2).date}
    )  # fmt: skip
    got = leadml.predict(frame, {**MAPPING, "outcome": None, "dates": {"created": "Made"}}, wide)
    assert got["points"].tolist() == [12, 8]


class Constant:
    """A classifier as `leadml calibrate` keeps it: it predicts of leads."""

    def predict(self, leads):
        class Said:
            probability = np.full(len(leads), 0.25)

        return Said


def test_a_classifier_scores_too(tmp_path, export):
    totals, _ = run(export, MAPPING, Constant(), tmp_path / "s.csv", sort=True)
    assert (totals.n_scored, totals.n_rejected, totals.n_closed) == (3, 1, 1)
    got = rows(tmp_path / "s.csv")
    assert {(row["probability"], row["points"], row["model"]) for row in got} == {("0.25", "", "Constant")}
    run(export, MAPPING, Constant(), tmp_path / "s.csv", keep_columns=True)
    assert [row["Company"] for row in rows(tmp_path / "s.csv")] == ["ACME", "Gamma", "Eps"]
    with pytest.raises(UsageError, match="only a card can explain"):
        leadml.explain(export, MAPPING, Constant(), "a1")


def test_a_classifier_gets_numbers_where_it_learned_from_numbers(tmp_path):
    """Files and chunks are scored one by one, whatever cells each of them holds."""
    seen = []

    class Fitted(Constant):
        def __init__(self):
            self.kinds = {"Size": np.dtype(float), "Product": np.dtype(object)}

        def predict(self, leads):
            seen.extend({name: column.to_pylist() for name, column in leads.context.items()}.items())
            return super().predict(leads)

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("Deal;Need;Role;Size;Product\na;1;Low;1.000,5;007\nb;1;Low;;1\n")
    (tmp_path / "in" / "b.csv").write_text("Deal;Need;Role;Size;Product\nc;1;Low;many;A\nd;1;Low;2,5;\n")
    mapping = {**MAPPING, "context": ["Size", "Product"], "outcome": None, "amount": None, "read": {"decimal": ","}}
    totals, _ = run(tmp_path / "in", mapping, Fitted(), tmp_path / "s.csv")
    assert totals.n_scored == 4
    assert [each for name, each in seen if name == "Size"] == [[1000.5, None], [None, 2.5]]
    assert [each for name, each in seen if name == "Product"] == [["007", "1"], ["A", None]]


def test_a_classifier_without_its_digest_is_not_loaded(tmp_path):
    joblib.dump(Constant(), tmp_path / "lgbm.joblib")
    with pytest.raises(UsageError, match=r"write its SHA-256 to lgbm\.joblib\.sha256"):
        leadml.load_model(tmp_path / "lgbm.joblib")


def test_python_face(tmp_path, export, card):
    frame = pd.read_csv(export)
    got = leadml.predict(frame, MAPPING, card, sort=True, keep_columns=True)
    assert got["lead_id"].tolist() == ["=a5", "a3", "a1"]
    assert got.attrs["rejected"]["value"].tolist() == ["7"]
    path = tmp_path / "card.json"
    leadml.Card.from_dict(card.to_dict(), verify=False)
    path.write_text(json.dumps(card.to_dict()), encoding="utf-8")
    assert leadml.predict(export, MAPPING, path)["points"].tolist() == [8, 1, 2]
    model = leadml.load_model(path)
    assert model.predict(pd.DataFrame({"need": [4], "authority": [2]}))["points"].tolist() == [6]
    with pytest.warns(UserWarning, match="1 of 5 rows cannot be used"):
        every = model.predict(frame, MAPPING)
    assert every["lead_id"].tolist() == frame["Deal"].tolist()
    assert every["points"].fillna(-1).tolist() == [8, -1, 1, 3, 2]
    usable = frame.drop(index=1)
    (tmp_path / "mapping.yaml").write_text(json.dumps(MAPPING))
    assert leadml.load_model(path).predict(usable)["points"].tolist() == [8, 1, 3, 2]
    arrow = pa.Table.from_pandas(usable)
    for other in (pl.from_pandas(usable), arrow, SimpleNamespace(__dataframe__=arrow.__dataframe__)):
        scores = leadml.load_model(path).predict(other)
        assert (scores["lead_id"].tolist(), scores["points"].tolist()) == (usable["Deal"].tolist(), [8, 1, 3, 2])
    with pytest.raises(UsageError, match=r"for a file: leadml\.predict\(FILE, model\.mapping, model\)"):
        model.predict(str(export))
    assert leadml.load_model(tmp_path).mapping == tmp_path / "mapping.yaml"
    (tmp_path / "cards").mkdir()
    below = path.rename(tmp_path / "cards" / "card.json")
    assert leadml.load_model(below).predict(usable)["points"].tolist() == [8, 1, 3, 2]


def test_closed_leads_that_are_left_out_are_told(export, card, caplog):
    assert leadml.predict(export, MAPPING, card).attrs["n_closed"] == 1
    assert "1 of 5 leads are closed and left out; with_closed=True scores them" in caplog.text
    caplog.clear()
    assert leadml.predict(export, MAPPING, card, with_closed=True).attrs["n_closed"] == 0
    assert not caplog.text


def test_wrong_things_at_the_face_are_told_in_our_words(export, card):
    for model in (None, 3, "", {}):
        with pytest.raises(ModelRefError, match="model"):
            leadml.predict(export, MAPPING, model)
    for call in (leadml.load_model, leadml.load_card):
        with pytest.raises(ModelRefError, match="got"):
            call(None)
    with pytest.raises(ModelRefError, match="from_dict"):
        leadml.load_card(card.to_dict())
    for mapping in (None, 3):
        with pytest.raises(RecordError, match="mapping: got"):
            leadml.predict(export, mapping, card)
    for leads in (pd.read_csv(export), str(export)):
        with pytest.raises(UsageError, match="read_leads"):
            leadml.calibrate(leads)
    with pytest.raises(UsageError, match="name: got 'a b/c'"):
        leadml.calibrate(leadml.make_leads(30), name="a b/c")


def test_a_calibration_predicts_by_the_card_that_it_recommends(export, card):
    found = leadml.Calibration(None, card, {}, None, {}, None, None)
    assert leadml.predict(export, MAPPING, found)["points"].tolist() == [8, 1, 2]


@pytest.mark.parametrize(("name", "made"), [("ours 2/b", "ours_2_b"), ("..", "calibration"), ("b2b.x", "b2b.x")])
def test_a_mapping_of_any_name_names_a_model(name, made):
    mapping = leadml.load_mapping({**MAPPING, "name": name})
    assert name_of(leadml.Leads.from_arrays([[1]], criteria=["need"], mapping=mapping)) == made


def test_explain_says_why_and_what_to_ask(export, card):
    told = leadml.explain(export, MAPPING, card, "a3")
    assert told.splitlines()[:3] == [
        "Lead a3 by mine: wait",
        "  1 of 16 points, 5% chance of winning (95% interval 2% to 6%)",
        "  band: Not qualified (from 0 points); action: ask about budget first",
    ]
    assert "Ask next: Is there money for it, or can it be created?" in told
    with pytest.raises(InputError, match="lead 'a2' \\(row 3\\): Need: '7' is not a level"):
        leadml.explain(export, MAPPING, card, "a2")
    by_row = leadml.explain(export, MAPPING, card, 3)
    assert by_row == f"No Deal is 3: this is row 3 below the header.\n{told}"
    role = {"column": "Role", "levels": {"High": 4}, "other": "unknown"}
    told = leadml.explain(export, {**MAPPING, "criteria": {"authority": role}}, card, "a3")
    assert "Authority  unknown (Low)" in told  # a word that the mapping does not rank
    assert "Need       unknown   " in told
    with pytest.raises(InputError, match="no lead 'b'; leads are known by Deal, for instance a1, a2, a3"):
        leadml.explain(export, MAPPING, card, "b")


def test_terminal_escapes_are_taken_out_of_what_is_shown(tmp_path, card):
    (tmp_path / "e.csv").write_text("Deal,Need,Role\n\x1b[31ma,9\x1b[0m,Low\nb\x1b]0;x\x07,1,Low\n")
    mapping = {**MAPPING, "outcome": None, "amount": None}
    _, said = run(tmp_path / "e.csv", mapping, card, tmp_path / "s.csv")
    told = leadml.explain(tmp_path / "e.csv", mapping, card, "b\x1b]0;x\x07")
    assert "\x1b" not in "".join(said) + told


def test_predict_with_a_card_loads_no_machinery_of_learning(tmp_path, card):
    (tmp_path / "e.csv").write_text("Deal,Need,Role,points\na,4,High,x\n")
    (tmp_path / "card.json").write_text(json.dumps(card.to_dict()), encoding="utf-8")
    (tmp_path / "m.json").write_text(json.dumps({**MAPPING, "outcome": None, "amount": None}), encoding="utf-8")
    code = (
        "import sys; sys.argv = 'leadml predict e.csv -m m.json --model card.json -o s.csv --keep-columns'.split()\n"
        "from leadml.__main__ import main\n"
        "try: main()\nexcept SystemExit as e: assert not e.code, e.code\n"
        "bad = {'pandas', 'sklearn', 'scipy', 'mlflow', 'pyarrow.compute', 'numpy.ma'} & {*sys.modules}\n"
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_console_shows_a_line_or_two(card):
    found = leadml.calibrate(leadml.make_leads(200, world="tilted"), {"contenders": ["cutoff"]})
    shown = [found.result, found.result.policies[0], card, leadml.load_framework("bant"), Model(card), Model(3)]
    for each, word in zip(shown, ("won", "cut-off", "ready from", "bant-ibm", "mapping", "int"), strict=True):
        assert word in repr(each)
        assert repr(each).count("\n") < 2
        assert str(each) == repr(each)


def test_a_lead_is_not_named_by_what_a_criterion_is_read_from():
    mapping = leadml.load_mapping(
        {"name": "x", "lead_id": "Company ID", "criteria": {"authority": {"column": "Role contact"}}}
    )
    assert names_among(["Company ID", "Role contact", "Company", "Contact date"], mapping) == ["Company"]
