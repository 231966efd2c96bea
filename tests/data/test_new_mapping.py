"""A proposed mapping loads, reads its file, and marks its guesses."""

import numpy as np
import pandas as pd
import pytest

from leadml import load_mapping, read_leads
from leadml.calibration.leaks import leak_notes
from leadml.data.mapping import Mapping
from leadml.data.new_mapping import propose_mapping
from leadml.records import parse_record

N = 60


def export(tmp_path):
    rng = np.random.default_rng(0)
    columns = {
        "Record ID": np.arange(N) + 5,
        "Deal Stage": ["Closed Won", "Closed Lost", "Appointment"],
        "Create Date": pd.date_range("2026-01-13", periods=N).strftime("%d-%m-%Y"),
        "Close Date": pd.date_range("2026-03-13", periods=N).strftime("%d-%m-%Y"),
        "Amount": rng.integers(1000, 50_000, N),
        "Company name": ["Acme: x", "B", "'C"],
        "Budget": ["€ 30.700,00", "geen", "25.000,00", "onbekend"],
        "Maanden": [1, 5, 10, 30],
        "Functie": ["Director", "Manager", "Stagiair", "?"],
        "Behoefte": [0, 1, 2, 3, 4],
        "Response time": rng.integers(0, 900, N),
        "Plan": [f"text {i}" for i in range(N)],
        "Closed Lost Reason": ["price", ""],
        "Phone": ["06-1"],
        "Region": ["N", "Z"],
    }
    path = tmp_path / "deals 2026.csv"
    pd.DataFrame({name: np.resize(cells, N) for name, cells in columns.items()}).to_csv(path, sep=";", index=False)
    return path


@pytest.mark.parametrize("crm", [None, "hubspot"])
def test_an_export_is_recognised_and_its_mapping_reads_it(tmp_path, crm):
    path = export(tmp_path)
    text = propose_mapping(path, crm, leak_notes)
    mapping = parse_record(text, Mapping)
    assert (mapping.name, mapping.lead_id) == ("deals_2026", "Record ID")
    assert (mapping.dates.created, mapping.dates.closed) == ("Create Date", "Close Date")
    assert (mapping.outcome.won, mapping.outcome.open) == (("Closed Won",), ("Appointment",))
    assert (mapping.amount.column, mapping.group, mapping.contactable.column) == ("Amount", ("Company name",), "Phone")
    budget = mapping.criteria["budget"]
    assert (budget.levels, budget.unknown, mapping.criteria["timeline"].descending) == (
        {"geen": 0},
        ("onbekend",),
        True,
    )
    assert mapping.criteria["authority"].levels == {"Director": 4, "Manager": 3}
    assert mapping.criteria["need"].edges is None
    assert len(mapping.criteria["response"].edges) == 4
    assert "plans" not in mapping.criteria
    assert "not ranked, so unknown: Stagiair" in text
    assert (mapping.segments, mapping.dates.day_first) == (("Region",), True)
    assert "guess: the wide card and the classifiers may use them" in text
    assert "Closed Lost Reason" in mapping.exclude
    assert text.count("guess") >= 10
    leads = read_leads(path, mapping)
    assert len(leads) == leads.n_rows == N
    (tmp_path / "ours.yaml").write_text(text)
    assert dict(load_mapping(tmp_path / "ours.yaml")) == dict(mapping)


def test_a_file_that_says_nothing_still_gives_a_mapping_that_loads(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,budget\n1,\n2,\n")
    text = propose_mapping(path, None, leak_notes)
    assert parse_record(text, Mapping).criteria == {}
    assert "# outcome: no column holds words" in text
    assert "order: rows" in text


@pytest.mark.parametrize("crm", ["salesforce", "dynamics", "pipedrive"])
def test_headers_of_a_crm(tmp_path, crm):
    header = {
        "salesforce": "Opportunity ID,Stage,Created Date,Close Date,Amount,Account Name",
        "dynamics": "(Do Not Modify) Opportunity,Status,Created On,Actual Close Date,Actual Revenue,Account",
        "pipedrive": "Deal - ID,Deal - Status,Deal - Deal created,Deal - Deal closed on,Value,Organization",
    }[crm]
    path = tmp_path / f"{crm}.csv"
    ends = ("Lost", "Won")
    day = "2026-0{}-{:02}"
    rows = [f"x{i},{ends[i % 2]},{day.format(1, i + 1)},{day.format(2, i + 1)},{i},A{i % 3}" for i in range(20)]
    path.write_text("\n".join([header, *rows]))
    mapping = parse_record(propose_mapping(path, crm, leak_notes), Mapping)
    lead_id, outcome, created, closed, _, account = header.split(",")
    assert (mapping.lead_id, mapping.outcome.column) == (lead_id, outcome)
    assert (mapping.dates.created, mapping.dates.closed, mapping.group) == (created, closed, (account,))


@pytest.mark.parametrize(
    ("created", "closed", "shown"),
    [
        ("13/01/2026", "02/02/2026", True),
        ("01/13/2026", "02/02/2026", False),
        ("01/02/2026", "02/02/2026", None),  # both orders fit
        ("2026-01-13", "2026-02-02", None),
        ("13/01/2026", "02/28/2026", None),  # they contradict each other
    ],
)
def test_day_first_is_proposed_where_the_dates_show_it(tmp_path, created, closed, shown):
    path = tmp_path / "x.csv"
    path.write_text("Deal ID,Created,Closed\n" + "".join(f"{i},{created},{closed}\n" for i in range(5)))
    text = propose_mapping(path, None, leak_notes)
    assert parse_record(text, Mapping).dates.day_first is shown
    assert ("the dates show the order" in text) == (shown is not None)


def test_a_criterion_is_kept_though_its_words_are_not_understood(tmp_path):
    path = tmp_path / "x.csv"
    rows = [
        f"D-{i};Name {i};{'abc'[i % 3]};{('geen', 'rood', 'groen')[i % 3]};€ {i + 1}.500.000,00\n" for i in range(30)
    ]
    path.write_text("Deal;Deal ID;Role;Need;Budget\n" + "".join(rows))
    text = propose_mapping(path, None, leak_notes)
    mapping = parse_record(text, Mapping)
    assert mapping.lead_id == "Deal ID"
    assert mapping.criteria["authority"].levels is None
    assert "levels: {a: ?, b: ?, c: ?}" in text
    assert "TODO not ranked, so unknown: a, b, c: 100% of the filled cells" in text
    assert mapping.criteria["need"].levels == {"geen": 0}
    assert "TODO not ranked, so unknown: rood, groen: 67%" in text
    edges = mapping.criteria["budget"].edges  # those of the documents would put all at the highest level
    assert edges[0] > 1e6
    leads = read_leads(path, mapping)
    assert len(leads) == 30
    assert len(set(leads.codes[:, leads.criteria.index("budget")].tolist())) == 5


def test_who_decides_is_ranked_by_the_titles_of_roles(tmp_path):
    path, titles = tmp_path / "x.csv", ["Assistent", "Teamleider", "Directeur", "Eigenaar", "Onbekend"]
    path.write_text("Deal;Rol contact\n" + "".join(f"D-{i};{title}\n" for i, title in enumerate(titles)))
    mapping = parse_record(propose_mapping(path, None, leak_notes), Mapping)
    rule = mapping.criteria["authority"]
    assert rule.levels == {"Assistent": 1, "Teamleider": 3, "Directeur": 4, "Eigenaar": 4}
    assert (mapping.lead_id, rule.unknown, rule.other) == ("Deal", ("Onbekend",), None)
    path.write_text("Deal;Behoefte\nD-1;laag\nD-2;midden\nD-3;hoog\n")
    need = parse_record(propose_mapping(path, None, leak_notes), Mapping).criteria["need"]
    assert (need.levels, need.other) == ({"laag": 1, "midden": 2, "hoog": 3}, None)


def test_what_grows_with_wins_is_excluded_and_months_to_purchase_are_a_criterion(tmp_path):
    rng, n = np.random.default_rng(1), 300
    won = rng.random(n) < 0.4
    columns = {
        "Dealnr": [f"D-{i}" for i in range(n)],
        "Status": np.where(won, "Gewonnen", "Verloren"),
        "Looptijd mnd": rng.choice([1, 3, 6, 12, 24], n),
        "Looptijd": rng.integers(5, 90, n),
        "Aantal offertes": rng.poisson(np.where(won, 9, 2)),
        "Omvang": [f"{size:.1f}".replace(".", ",") for size in rng.random(n)],
    }
    path = tmp_path / "x.csv"
    pd.DataFrame(columns).to_csv(path, sep=";", index=False)
    text = propose_mapping(path, None, leak_notes)
    mapping = parse_record(text, Mapping)
    assert mapping.criteria["timeline"].column == "Looptijd mnd"
    assert "by its name perhaps one that grows until the deal ends: if so, exclude it" in text
    assert mapping.context == ("Omvang",)
    late = "may tell how the deal went (LML101)"
    assert dict(mapping.exclude) == {"Looptijd": "grows until the deal ends", "Aantal offertes": late}


@pytest.mark.parametrize(
    ("header", "lead_id", "group"),
    [("Kansnr;Klantnr;Klanttype", "Kansnr", ("Klantnr",)), ("Kenmerk;Relatienr.;Land", "Kenmerk", ("Relatienr.",)),
     ("Telefoon;Debiteur;Klanten", None, ("Debiteur",)), ("Kenmerk;Relatietype;Soort", "Kenmerk", ())],
)  # fmt: skip
def test_identity_and_account_by_dutch_names_and_by_values(tmp_path, header, lead_id, group):
    path = tmp_path / "x.csv"
    path.write_text(f"{header};Rol\n" + "".join(f"K-{i:04d};{1000 + i % 9};{i % 2};Directeur\n" for i in range(30)))
    mapping = parse_record(propose_mapping(path, None, leak_notes), Mapping)
    assert (mapping.lead_id, mapping.group) == (lead_id, group)
