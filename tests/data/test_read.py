"""Reading: the same leads from every kind of file, every row accounted for."""

import dataclasses
import datetime
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadml import read_leads
from leadml.calibration.check import check_file, format_check
from leadml.data.cells import join_column, text_array
from leadml.exceptions import InputError

MAPPING = {
    "name": "ours",
    "lead_id": "ID",
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
    "dates": {"created": "Created", "closed": "Closed"},
    "group": ["Account"],
    "amount": {"column": "Amount"},
    "criteria": {
        "authority": {"column": "Role", "levels": {"Low": 1, "High": 4}},
        "budget": {"column": "Budget", "levels": {"geen": 0}, "edges": [1, 10000, 20000, 30000]},
        "need": {"column": "Need"},
    },
    "stand_in": {"funds": "budget"},
    "contactable": {"column": "Phone", "unknown": ["none"]},
    "context": ["Source", "Employees", "Code"],
    "segments": ["Source"],
    "facts": {"purchase": {"column": "Deal type", "values": {"repeat": ["Renewal"]}}},
    "snapshot": "Qualified",
    "followed_up": {"column": "Worked", "values": ["yes"]},
    "propensity": {"column": "Chance"},
    "exclude": {"Won value": "0 for every loss"},
}
FRAME = pd.DataFrame(
    {
        "ID": ["a", "b", "c", "d"],
        "Status": ["Won", "Lost", "Open", "Won"],
        "Created": ["2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05"],
        "Closed": ["2026-02-01", "2026-02-02", None, "2026-02-04"],
        "Account": ["Acme", None, None, "Acme"],
        "Amount": ["1234.5", None, "10", "1234.5"],
        "Role": ["High", "Low", None, "High"],
        "Budget": ["25000", "geen", None, "25000"],
        "Need": ["3", "0", None, "3"],
        "Phone": ["06-1", "none", "06-2", "06-1"],
        "Source": ["web", None, " fair", "web"],
        "Employees": ["10", "200", None, "10"],
        "Code": ["007", "1", "2", "007"],
        "Deal type": ["Renewal", "New", None, "Renewal"],
        "Qualified": ["2026-01-10", None, None, "2026-01-12"],
        "Worked": ["yes", "yes", "no", "yes"],
        "Chance": ["0.5", None, None, "1"],
        "Won value": ["5", "0", None, "6"],
    }
)


def told(leads):
    """All that leads hold, as plain lists."""
    columns = {
        key: each.tolist() if isinstance(each, np.ndarray) else each.to_pylist()
        for key, each in leads.per_row().items()
    }
    return (
        leads.criteria,
        leads.n_rows,
        leads.ids(),
        {key: list(map(str, each)) for key, each in columns.items() if key[0] != "raw"},
    )


def test_every_field_of_the_leads():
    leads = read_leads(FRAME, MAPPING)
    assert leads.criteria == ("budget", "funds", "authority", "need")
    # Edges 1, 10000, 20000, 30000: three of them are <= 25000; "geen" is a word for level 0.
    np.testing.assert_array_equal(leads.levels, [[3, 3, 4, 3], [0, 0, 1, 0], [np.nan] * 4, [3, 3, 4, 3]])
    assert (leads.ids(), leads.ids(np.array([2])), leads.row.tolist()) == (["a", "b", "c", "d"], ["c"], [2, 3, 4, 5])
    assert leads.outcome.tolist() == [1, 0, -1, 1]
    assert str(leads.created_at[1]) == "2026-01-03"
    assert np.isnat(leads.closed_at).tolist() == [False, False, True, False]
    # The two leads without an account stand alone.
    assert leads.group[0] == leads.group[3]
    assert len(set(leads.group)) == 3
    np.testing.assert_array_equal(leads.amount, [1234.5, np.nan, 10, 1234.5])
    np.testing.assert_array_equal(leads.propensity, [0.5, np.nan, np.nan, 1])
    assert leads.contactable.tolist() == [True, False, True, True]
    assert leads.followed_up.tolist() == [True, True, False, True]
    assert (leads.snapshot > 0).tolist() == [True, False, False, True]
    assert leads.facts["purchase"].to_pylist() == ["repeat", "other", None, "repeat"]
    assert leads.context["Source"].to_pylist() == leads.segments["Source"].to_pylist() == ["web", None, "fair", "web"]
    assert leads.context["Employees"].type == pa.float64()
    assert leads.context["Code"].to_pylist() == ["007", "1", "2", "007"]
    assert (len(leads), leads.n_rows, len(leads.rejected), leads.notes) == (4, 4, 0, ())
    frame = leads.to_pandas()
    assert frame.loc[0, ["lead_id", "budget", "outcome", "amount", "Source"]].tolist() == ["a", 3, 1, 1234.5, "web"]


@pytest.mark.parametrize("name", ["deals.csv", "excel.csv", "deals.parquet", "deals.xlsx", "deals.jsonl", "table"])
def test_the_same_leads_from_every_kind_of_file(tmp_path, name):
    path = tmp_path / name
    typed = FRAME.assign(
        Created=pd.to_datetime(FRAME["Created"]), Amount=FRAME["Amount"].astype(float), Need=FRAME["Need"].astype(float)
    )
    if name == "deals.csv":
        FRAME.to_csv(path, index=False)
    elif name == "excel.csv":  # as a Dutch Excel saves it
        comma = FRAME.assign(Amount=["€ 1.234,50", None, "10,00", "1234,5"], Chance=["0,5", None, None, "1"])
        comma.to_csv(path, index=False, sep=";", encoding="cp1252")
    elif name == "deals.parquet":
        coded = typed.assign(Role=FRAME["Role"].astype("category"))
        pq.write_table(pa.Table.from_pandas(coded, preserve_index=False), path)
    elif name == "deals.xlsx":
        typed.to_excel(path, index=False, engine="xlsxwriter")
    elif name == "deals.jsonl":
        records = FRAME.astype(object).where(FRAME.notna(), None).to_dict("records")
        path.write_text("\n".join(json.dumps({k: v for k, v in r.items() if v is not None}) for r in records))
    leads = read_leads(pa.Table.from_pandas(FRAME) if name == "table" else path, MAPPING)
    row = leads.row + (1 - leads.format["header_row"])  # JSON lines have no header
    assert told(dataclasses.replace(leads, row=row, format={})) == told(read_leads(FRAME, MAPPING))
    assert len(leads.digest) == 64


def test_rejected_rows_are_told_and_the_others_keep_their_numbers():
    broken = FRAME.drop(columns="ID").assign(
        Role=["High", "Boss", "Low", "High"], Amount=["1", "1", "1", "much"], Chance=["0.5", "2", None, None]
    )
    leads = read_leads(broken, {**MAPPING, "lead_id": None})
    assert leads.ids() == ["1", "3"]
    assert leads.row.tolist() == [2, 4]
    assert leads.rejected[["row", "column", "value"]].to_numpy().tolist() == [
        [3, "Role", "Boss"],
        [3, "Chance", "2"],
        [5, "Amount", "much"],
    ]
    assert leads.n_rows == len(leads) + leads.rejected["row"].nunique()
    ((code, values),) = leads.notes
    assert (code, values["n"]) == ("LML104", 2)
    assert {len(each) for each in leads.per_row().values()} == {2}


def test_dates_settle_over_all_chunks_and_an_assumed_order_is_told(tmp_path):
    leads = read_leads(FRAME.assign(Created=["01/02/2026", "03/04/2026", "soon", ""]), MAPPING)
    assert leads.rejected["value"].tolist() == ["soon"]
    assert str(leads.created_at[0]) == "2026-01-02"
    assert "LML105" in dict(leads.notes)
    told = {**MAPPING, "dates": {**MAPPING["dates"], "day_first": True}}
    leads = read_leads(FRAME.assign(Created=["01/02/2026", "", "", "12/31/2026"]), told)
    assert str(leads.created_at[0]) == "2026-02-01"
    assert leads.rejected[["row", "value"]].to_numpy().tolist() == [[5, "12/31/2026"]]
    # The day that settles the order stands in the last chunk.
    path = tmp_path / "long.csv"
    path.write_text("Need,Day\n" + "1,02/03/2026\n" * 150_000 + "1,25/03/2026\n")
    mapping = {"name": "m", "criteria": {"need": {"column": "Need"}}, "dates": {"created": "Day"}, "context": ["Day"]}
    leads = read_leads(path, mapping)
    assert str(leads.created_at[0]) == "2026-03-02"
    assert len(leads.context["Day"].dictionary) == 2


def test_repeated_ids_are_one_unit_and_copies_by_named_columns_too():
    leads = read_leads(FRAME.assign(ID=["a", "a", "", ""], Account=None), MAPPING)
    assert leads.ids() == ["a", "a", "row 3", "row 4"]
    assert leads.unit[0] == leads.unit[1]
    assert len(set(leads.unit)) == 3
    assert dict(leads.notes)["LML103"] == {"n": 1, "column": "ID", "examples": "a"}  # empty ids are none
    leads = read_leads(FRAME.assign(Account=None), {**MAPPING, "duplicates": ["Phone"]})
    assert leads.unit[0] == leads.unit[3]


def test_columns_may_be_absent_where_the_mapping_says_so(tmp_path):
    path = tmp_path / "bant.csv"
    path.write_text("Need\n4\n0\n")
    mapping = {**MAPPING, "optional": True}
    leads = read_leads(path, mapping)
    assert (leads.criteria, leads.outcome, leads.unit) == (("need",), None, None)
    assert "Role (criteria.authority)" in dict(leads.notes)["LML107"]["columns"]
    path.write_text("name\nx\n")
    with pytest.raises(InputError, match=r"'Role' \(criteria\.authority\)"):
        read_leads(path, mapping)


PLAIN = {
    "name": "m",
    "criteria": {"need": {"column": "Need"}},
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"]},
}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Needs,Stage\n3,Won\n", [
            "'Need' (criteria.need); did you mean Needs?", "'Status' (outcome.column)", "valid: Needs"]),
        ("Need:Status\n3:Won\n", ["is the delimiter right? set read.delimiter"]),
        ("Need,Status\n3,Won\n2,won\n1,Pending\n1,Pending\n0,\n", [
            "'won' in 1 rows, first in row 3; did you mean Won?", "'Pending' in 2 rows, first in row 4",
            "'' in 1 rows, first in row 6", "valid: won Won; lost Lost; open (none)"]),
        ("Need,Status\nhigh,Won\nhigh,Lost\n", [
            "every row was rejected", "'high' is not a level", "in 2 rows, first in row 2"]),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_so_all_at_once(tmp_path, content, said):
    path = tmp_path / "deals.csv"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_leads(path, PLAIN)
    assert all(each in str(caught.value) for each in said)
    assert caught.value.exit_code == 3
    with pytest.raises(InputError, match=r"has no column(?s:.)*valid: Needs; correct"):
        read_leads([{"Needs": 3}], PLAIN)  # which has no delimiter


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["Low", "High", "Boss", ""]), st.sampled_from(["0", "4", "", "9"]),
                  st.sampled_from(["", ",surplus"])),
        min_size=1,
    )
)  # fmt: skip
def test_rows_in_are_leads_plus_rejected(tmp_path, rows):
    path = tmp_path / "deals.csv"
    path.write_text("Role,Need\n" + "".join(f'"{role}",{need}{more}\n' for role, need, more in rows))
    mapping = {"name": "m", "criteria": {k: MAPPING["criteria"][k] for k in ("authority", "need")}}
    bad = [i for i, (role, need, more) in enumerate(rows, 2) if role == "Boss" or need == "9" or more]
    if len(bad) == len(rows):
        with pytest.raises(InputError, match="every row was rejected"):
            read_leads(path, mapping)
        return
    leads = read_leads(path, mapping)
    assert (f"{len(bad)} of {len(rows)} rows rejected" in repr(leads)) == bool(bad)
    assert leads.n_rows == len(rows) == len(leads) + leads.rejected["row"].nunique()
    assert sorted(set(leads.rejected["row"])) == bad
    assert leads.row.tolist() == [i for i in range(2, len(rows) + 2) if i not in bad]


def test_a_number_with_the_other_decimal_mark_says_which_to_set():
    frame = pd.DataFrame({"Budget": ["€ 2.500,00", "3"], "Amount": ["5", "much"]})
    mapping = {"name": "m", "criteria": {"budget": {"column": "Budget", "edges": [1]}}}
    found = read_leads(
        pd.concat([frame, frame.iloc[1:]]).assign(Amount=["5", "7,5", "8"]), {**mapping, "amount": {"column": "Amount"}}
    )
    assert ["Budget" in line for line in found.rejections.summary()] == [True, False]
    assert all('set read: {decimal: ","}' in line for line in found.rejections.summary())
    told = read_leads(frame.assign(Budget="3"), {**mapping, "amount": {"column": "Amount"}}).rejections.summary()
    assert told == ["column 'Amount': 'much' is not a number; correct it, or leave the cell empty (in row 3)"]


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "decimal", "parquet", "xlsx", "jsonl"])
def test_a_decimal_comma_is_for_text_and_numbers_are_numbers(tmp_path, kind):
    frame = pd.DataFrame({"N": 7, "Budget": [32951.23, 9.5, None, 20000.0], "Need": [4.0, 0, None, 1]})
    rule = {"column": "Budget", "edges": [1, 10, 20000]}
    told = {"name": "m", "criteria": {"budget": rule, "need": {"column": "Need"}}, "amount": {"column": "Budget"}}
    told |= {"context": ["Budget"], "group": ["N"], "read": {"decimal": ","}}
    cents = pa.table({**frame, "Budget": pa.array(frame["Budget"]).cast(pa.decimal128(9, 2))})
    made = {"pandas": frame, "polars": pl.from_pandas(frame), "arrow": pa.Table.from_pandas(frame), "decimal": cents}
    source = made.get(kind, tmp_path / f"deals.{kind}")
    if kind == "parquet":
        frame.to_parquet(source)
    elif kind == "xlsx":  # a text beside numbers in one column
        frame.astype(object).replace({9.5: "€ 9,50"}).to_excel(source, index=False, engine="xlsxwriter")
    elif kind == "jsonl":
        frame.to_json(source, orient="records", lines=True)
    leads = read_leads(source, told)
    assert (leads.codes.tolist(), len(leads.rejected)) == ([[3, 4], [1, 0], [5, 5], [3, 1]], 0)
    assert np.nan_to_num(leads.amount).tolist() == [32951.23, 9.5, 0, 20000]
    assert leads.context["Budget"].to_pylist() == [32951.23, 9.5, None, 20000]


def test_numbers_and_texts_of_a_column_are_joined_under_one_decimal_mark():
    chunks = [pa.array([2.5, None]), text_array(["1.250", "12,5"]), pa.array([7])]
    assert join_column(chunks, ",", keep_text=False).to_pylist() == [2.5, None, 1250, 12.5, 7]


@pytest.mark.parametrize("kind", ["text", "pandas", "python"])
def test_a_date_keeps_the_calendar_day_on_which_it_was_written(kind):
    days = ["2026-01-01T23:30:00-05:00", "2026-01-02T00:30:00-05:00"]
    moments = [datetime.datetime.fromisoformat(day) for day in days]
    created = {"text": days, "python": moments, "pandas": pd.Series(moments)}[kind]
    source = [{"N": 1, "D": day} for day in created] if kind == "python" else pd.DataFrame({"N": 1, "D": created})
    mapping = {"name": "m", "criteria": {"need": {"column": "N"}}, "dates": {"created": "D"}}
    assert [str(day) for day in read_leads(source, mapping).created_at] == ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize(
    ("mapped", "severity"),
    [("budget authority need timeline", None), ("authority need timeline", "note"), ("need timeline", "warn")],
)
def test_rules_of_bant_that_no_lead_can_reach_are_told(mapped, severity):
    names = mapped.split()
    frame = pd.DataFrame({name: [0, 1, 4] for name in names})
    mapping = {"name": "m", "criteria": {name: {"column": name} for name in names}}
    found = check_file(frame, mapping)
    assert [each.severity for each in found.findings if each.code == "LML119"] == [severity] * bool(severity)
    assert "add to the mapping: outcome:" in format_check(found)
    less = check_file(frame.assign(Term=3), {**mapping, "exclude": {"Term": "late"}})
    assert ("criteria: {" in format_check(less)) == ("Excluded are: Term." in format_check(less)) == bool(severity)
    own = check_file(frame, {**mapping, "frameworks": ["bant"]})
    assert "LML119" not in [each.code for each in own.findings]
