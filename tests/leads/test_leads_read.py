"""From a file to leads: every row accounted for, and the same leads from every kind of file."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadml.exceptions import InputError
from leadml.leads.read import read_leads

MAPPING = {
    "name": "ours",
    "lead_id": "ID",
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
    "dates": {"created": "Created", "closed": "Closed"},
    "group": ["Account"],
    "amount": {"column": "Amount", "currency": "EUR"},
    "criteria": {
        "authority": {"column": "Role", "levels": {"Low": 1, "High": 4}},
        "budget": {"column": "Budget", "edges": [1, 10000, 20000, 30000]},
        "need": {"column": "Need"},
    },
    "stand_in": {"funds": "budget"},
    "contactable": {"column": "Phone"},
    "context": ["Source", "Employees", "Code"],
    "facts": {"purchase": {"column": "Type", "values": {"repeat": ["Renewal"]}}},
    "exclude": {"Reason": "known only after the close"},
}
FRAME = pd.DataFrame(
    {
        "ID": ["a", "b", "c", "d"],
        "Status": ["Won", "Lost", "Open", "Won"],
        "Created": ["2026-01-02", "2026-01-03", "2026-02-04", "2026-01-02"],
        "Closed": ["2026-03-01", "2026-03-02", None, "2026-03-01"],
        "Account": ["X", None, None, "X"],
        "Amount": [1234.5, None, 10.0, 1234.5],
        "Role": ["High", "Low", None, "High"],
        "Budget": [25000.0, 0.0, None, 25000.0],
        "Need": [3.0, 0.0, None, 3.0],
        "Phone": ["1", None, "2", "1"],
        "Source": ["web", None, "fair", "web"],
        "Employees": [10.0, None, 20.5, 10.0],
        "Code": ["007", "1", "2", "007"],
        "Type": ["Renewal", "New", None, "Renewal"],
        "Reason": ["x", "y", None, "z"],
    }
)


def files(folder):
    FRAME.to_csv(folder / "deals.csv", index=False)
    semicolons = FRAME.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    (folder / "excel.csv").write_bytes(semicolons.encode("utf-8-sig"))
    FRAME.to_csv(folder / "deals.tsv", index=False, sep="\t")
    typed = FRAME.assign(Created=pd.to_datetime(FRAME["Created"]), Closed=pd.to_datetime(FRAME["Closed"]))
    pq.write_table(pa.Table.from_pandas(typed, preserve_index=False), folder / "deals.parquet")
    coded = FRAME.assign(Role=FRAME["Role"].astype("category"), Need=FRAME["Need"].astype("Int8"))
    pq.write_table(pa.Table.from_pandas(coded, preserve_index=False), folder / "coded.parquet")
    typed.to_excel(folder / "deals.xlsx", index=False, engine="xlsxwriter")
    records = FRAME.astype(object).where(FRAME.notna(), None).to_dict("records")
    lines = [json.dumps({k: v for k, v in r.items() if v is not None}) for r in records]
    (folder / "deals.jsonl").write_text("\n".join(lines) + "\n\n")


NAMES = ["deals.csv", "excel.csv", "deals.tsv", "deals.parquet", "coded.parquet", "deals.xlsx", "deals.jsonl"]


def assert_same(left, right):
    pd.testing.assert_frame_equal(left.levels, right.levels)
    pd.testing.assert_frame_equal(left.context, right.context)
    pd.testing.assert_frame_equal(left.facts, right.facts)
    for name in ("lead_id", "outcome", "group", "row_key", "amount", "contactable"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
    for name in ("created_at", "closed_at"):
        pd.testing.assert_series_equal(getattr(left, name), getattr(right, name))


def test_every_field_of_the_leads():
    leads = read_leads(FRAME, MAPPING)
    assert list(leads.levels) == ["budget", "funds", "authority", "need"]
    # Edges 1, 10000, 20000, 30000: three of them are <= 25000, none is <= 0.
    nan = np.nan
    expected = [[3, 3, 4, 3], [0, 0, 1, 0], [nan] * 4, [3, 3, 4, 3]]
    np.testing.assert_array_equal(leads.levels.to_numpy(), expected)
    assert leads.lead_id.tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(leads.outcome, [1, 0, nan, 1])
    assert leads.created_at.tolist()[1] == pd.Timestamp("2026-01-03")
    assert leads.closed_at.isna().tolist() == [False, False, True, False]
    # The two leads without an account stand alone.
    assert leads.group[0] == leads.group[3]
    assert len(set(leads.group)) == 3
    # Rows a and d differ in the id and in an excluded column only.
    assert leads.row_key[0] == leads.row_key[3]
    assert len(set(leads.row_key)) == 3
    np.testing.assert_array_equal(leads.amount, [1234.5, nan, 10, 1234.5])
    assert leads.contactable.tolist() == [True, False, True, True]
    assert leads.facts["purchase"].tolist() == ["repeat", "other", None, "repeat"]
    assert leads.context["Source"].tolist() == ["web", None, "fair", "web"]
    assert leads.context["Employees"].dtype == np.float64
    assert leads.context["Code"].tolist() == ["007", "1", "2", "007"]
    assert (len(leads), leads.n_rows, len(leads.rejected)) == (4, 4, 0)
    assert leads.mapping.name == "ours"


@pytest.mark.parametrize("name", NAMES)
def test_the_same_leads_from_every_kind_of_file(tmp_path, name):
    files(tmp_path)
    leads = read_leads(tmp_path / name, MAPPING)
    assert_same(leads, read_leads(FRAME, MAPPING))
    assert leads.source.endswith(name)
    assert len(leads.digest) == 64


def test_a_folder_of_parts_reads_as_one_file(tmp_path):
    for i in range(2):
        part = pa.Table.from_pandas(FRAME.iloc[2 * i : 2 * i + 2], preserve_index=False)
        pq.write_table(part, tmp_path / f"part-{i}.parquet")
    assert_same(read_leads(tmp_path, MAPPING), read_leads(FRAME, MAPPING))


def test_the_digest_follows_the_content(tmp_path):
    files(tmp_path)
    first = read_leads(tmp_path / "deals.csv", MAPPING).digest
    assert first == read_leads(tmp_path / "deals.csv", MAPPING).digest
    (tmp_path / "deals.csv").write_text((tmp_path / "deals.csv").read_text().replace("web", "fax"))
    assert first != read_leads(tmp_path / "deals.csv", MAPPING).digest
    changed = FRAME.assign(Source=["web", None, "fax", "web"])
    assert read_leads(FRAME, MAPPING).digest != read_leads(changed, MAPPING).digest


def test_rejected_rows_are_told_and_the_others_keep_their_numbers():
    broken = FRAME.drop(columns="ID").assign(
        Role=["High", "Boss", "Low", "High"],
        Need=["3", "9", "1", "2"],
        Amount=["1", "1", "1", "much"],
    )
    leads = read_leads(broken, {**MAPPING, "lead_id": None})
    assert leads.lead_id.tolist() == ["1", "3"]
    assert leads.rejected[["row", "column", "value"]].to_numpy().tolist() == [
        [2, "Role", "Boss"],
        [2, "Need", "9"],
        [4, "Amount", "much"],
    ]
    assert leads.n_rows == len(leads) + leads.rejected["row"].nunique()
    assert [f["code"] for f in leads.findings] == ["LML104"]


def test_a_date_that_is_none_is_rejected_and_an_assumed_order_is_a_finding():
    leads = read_leads(FRAME.assign(Created=["01/02/2026", "03/04/2026", "soon", ""]), MAPPING)
    assert leads.rejected["value"].tolist() == ["soon"]
    assert leads.created_at.iloc[0] == pd.Timestamp("2026-01-02")
    assert "LML105" in [f["code"] for f in leads.findings]
    told = {**MAPPING, "dates": {**MAPPING["dates"], "day_first": True}}
    leads = read_leads(FRAME.assign(Created=["01/02/2026", "", "", ""]), told)
    assert leads.created_at.iloc[0] == pd.Timestamp("2026-02-01")
    assert leads.findings == ()


def test_repeated_ids_are_reported_and_kept():
    leads = read_leads(FRAME.assign(ID=["a", "a", "b", ""]), MAPPING)
    assert leads.lead_id.tolist() == ["a", "a", "b", "row 4"]
    assert [f["code"] for f in leads.findings] == ["LML103"]


def test_scoring_needs_no_outcome_and_reads_none():
    new = FRAME.drop(columns=["Status", "Closed", "Amount", "Phone"])
    leads = read_leads(new, MAPPING, for_scoring=True)
    assert leads.outcome is None
    assert leads.amount is None
    assert leads.contactable is None
    assert len(leads) == 4
    leads = read_leads(FRAME.assign(Status="Brand new"), MAPPING, for_scoring=True)
    assert leads.outcome is None
    with pytest.raises(InputError, match=r"'Role' \(criteria\.authority\)"):
        read_leads(new.drop(columns="Role"), MAPPING, for_scoring=True)


def test_a_file_of_four_criteria_is_enough_where_columns_are_optional(repository, tmp_path):
    path = tmp_path / "bant.csv"
    path.write_text("budget,authority,need,timeline\n4,3,,1\n0,1,2,3\n")
    leads = read_leads(path, repository / "configs" / "mappings" / "leads_0_4.yaml")
    assert list(leads.levels) == ["budget", "authority", "need", "timeline"]
    assert leads.outcome is None
    (finding,) = leads.findings
    assert finding["code"] == "LML107"
    assert "'funds' (criteria.funds)" in finding["explanation"]
    path.write_text("name\nx\n")
    with pytest.raises(InputError, match=r"'budget' \(criteria\.budget\)"):
        read_leads(path, repository / "configs" / "mappings" / "leads_0_4.yaml")


def test_taking_leads_keeps_their_fields_together():
    leads = read_leads(FRAME, MAPPING)
    some = leads.take(np.array([2, 0, 0]))
    assert some.lead_id.tolist() == ["c", "a", "a"]
    assert some.levels["need"].tolist()[1:] == [3, 3]
    assert list(some.levels.index) == [0, 1, 2]
    assert len(leads.take(leads.outcome == 1)) == 2
    assert (some.n_rows, len(some.rejected)) == (3, 0)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Low", "High", "Boss", ""]),
            st.sampled_from(["0", "4", "", "9", "x"]),
            st.sampled_from(["", ",surplus"]),
        ),
        min_size=1,
    )
)
def test_rows_in_are_leads_plus_rejected(tmp_path, rows):
    path = tmp_path / "deals.csv"
    path.write_text("Role,Need\n" + "".join(f'"{role}",{need}{more}\n' for role, need, more in rows))
    mapping = {"name": "m", "criteria": {k: MAPPING["criteria"][k] for k in ("authority", "need")}}
    bad = [i for i, (role, need, more) in enumerate(rows, 1) if role == "Boss" or need in ("9", "x") or more]
    if len(bad) == len(rows):
        with pytest.raises(InputError, match="every row was rejected"):
            read_leads(path, mapping)
        return
    leads = read_leads(path, mapping)
    assert leads.n_rows == len(rows) == len(leads) + leads.rejected["row"].nunique()
    assert sorted(set(leads.rejected["row"])) == bad
    assert [int(i) for i in leads.lead_id] == [i for i in range(1, len(rows) + 1) if i not in bad]


SCORE = """
import sys
from leadml.leads.encode import encode_levels
from leadml.leads.mapping import load_mapping
from leadml.leads.tables import open_table
mapping = load_mapping(sys.argv[1])
for path in sys.argv[2:]:
    table = open_table(path, mapping.read)
    for chunk in table.chunks():
        encode_levels(chunk.data, mapping, rows=chunk.rows, decimal=table.decimal)
heavy = {"pandas", "sklearn", "scipy", "mlflow"} & set(sys.modules)
sys.exit(", ".join(sorted(heavy)) or 0)
"""


def test_levels_are_made_without_pandas(tmp_path):
    files(tmp_path)
    (tmp_path / "mapping.yaml").write_text(json.dumps(MAPPING))
    (tmp_path / "broken.csv").write_text("Role,Need,Budget\nBoss,9,much\n")
    paths = [str(tmp_path / name) for name in [*NAMES, "broken.csv"]]
    done = subprocess.run(
        [sys.executable, "-c", SCORE, str(tmp_path / "mapping.yaml"), *paths], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
