"""What the records of the library say, against the documents."""

import sys
from subprocess import run

import pytest

from leadml.exceptions import UsageError
from leadml.frameworks.catalog import (
    FRAMEWORK_IDS,
    list_frameworks,
    list_policies,
    load_common,
    load_framework,
    load_policy,
)  # fmt: skip
from leadml.frameworks.describe import describe
from leadml.levels import CANONICAL

TITLES = {
    "bant": ["Budget", "Authority", "Need", "Timeframe"],
    "anum": ["Authority", "Need", "Urgency", "Money"],
    "champ": ["Challenges", "Authority", "Money", "Prioritization"],
    "gpct": ["Goals", "Plans", "Challenges", "Timeline"],
    "faint": ["Funds", "Authority", "Interest", "Need", "Timing"],
    "madr": ["Money", "Authority", "Desire", "Response"],
}
READS = {
    "bant": ("budget", "authority", "need", "timeline"),
    "anum": ("authority", "need", "urgency", "budget"),
    "champ": ("challenges", "authority", "budget", "prioritization"),
    "gpct": ("goals", "plans", "challenges", "timeline"),
    "faint": ("funds", "authority", "interest", "need", "timeline"),
    "madr": ("budget", "authority", "desire", "response"),
}
CUTOFFS = {
    "bant-ibm": ("met", 3),
    "bant-strict": ("met", 4),
    "bant-points": ("points", 9),
    "bant-half": ("met", 2),
    "anum-half": ("met", 2),
    "champ-half": ("met", 2),
    "gpct-half": ("met", 2),
    "faint-half": ("met", 3),  # half of five is 2.5, so 3
    "madr-half": ("met", 2),
    "madr-immediate": ("met", 4),
    "contactable": ("contactable", 1),
}
every_framework = pytest.mark.parametrize("framework", list_frameworks(), ids=FRAMEWORK_IDS)


@every_framework
def test_criteria_have_the_names_and_order_of_the_document(framework):
    assert [criterion.title for criterion in framework.criteria] == TITLES[framework.id]
    assert framework.criterion_ids == READS[framework.id]


def test_the_frameworks_read_the_whole_vocabulary_and_nothing_else():
    assert {name for framework in list_frameworks() for name in framework.criterion_ids} == set(CANONICAL)
    assert tuple(rubric.id for rubric in load_common().rubrics) == CANONICAL


def test_every_documented_cutoff_is_there_and_no_other():
    assert {p.id: (p.unit, p.cutoff) for p in list_policies()} == CUTOFFS


@every_framework
def test_only_the_rubric_of_authority_is_a_documents(framework):
    for criterion in framework.criteria:
        assert len(set(criterion.rubric)) == 5
        assert (criterion.rubric_from == "document") == (criterion.id == "authority")


@every_framework
def test_every_statement_has_a_source_that_is_listed(framework):
    def sources(data):
        if isinstance(data, dict):
            yield from (value for key, value in data.items() if key == "source")
            for value in data.values():
                yield from sources(value)
        elif isinstance(data, list):
            for value in data:
                yield from sources(value)

    known = {source.id for source in load_common().sources}
    named = [part.split(",")[0].split(" (")[0].strip() for s in sources(framework.to_dict()) for part in s.split(";")]
    assert len(named) > 5
    assert set(named) <= known


@every_framework
def test_our_reading_is_told_apart_in_data(framework):
    for policy in framework.policies:
        ours = [band.id for band in policy.bands if band.basis == "our reading"]
        assert policy.unit == "points" or any("level 2" in reading for reading in policy.reading)
        assert not ours or any("bands" in reading or "lower band" in reading for reading in policy.reading)
    for gate in framework.gates:
        assert (gate.basis, gate.below_from) == ("document", "our reading")


def test_a_band_that_waits_says_nurture():
    assert all("nurture" in band.action for p in list_policies() for band in p.bands if band.decision == "wait")


def test_the_bands_of_the_points_rule_are_the_documents():
    bands = load_policy("bant-points").bands
    assert [(b.from_, b.action, b.basis) for b in bands] == [
        (0, "spend no time on it", "document"),
        (5, "nurture", "document"),
        (9, "follow up", "document"),
        (13, "follow up immediately", "document"),
    ]


def test_who_claims_what():
    assert load_policy("bant-ibm").attributed_to == "IBM"
    claim = load_framework("bant").order_claim
    assert (claim.kind, claim.criteria, claim.source) == ("weight", READS["bant"], "stormid-2017")
    assert load_framework("anum").judging_order.criteria == READS["anum"]
    assert load_framework("champ").order_claim.criteria == ("challenges", "prioritization")


@every_framework
def test_the_description_names_everything_and_marks_our_reading(framework):
    text = describe(framework)
    flat = " ".join(text.split())
    for criterion in framework.criteria:
        assert criterion.title in text
        assert all(level in flat for level in criterion.rubric)
    for said in (*framework.caveats, *framework.gates, *framework.fit, *framework.notes):
        assert said.text in flat
    assert all(policy.id in text for policy in framework.policies)
    assert "(our reading)" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("load", "name", "near"),
    [
        (load_framework, "mad-r", "madr"),
        (load_policy, "bant_ibm", "bant-ibm"),
        (load_policy, "bant-poins", "bant-points"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(load, name, near):
    with pytest.raises(UsageError, match=f"got .*{name}.*valid: .*did you mean {near}?"):
        load(name)


def test_the_library_loads_without_the_heavy_packages():
    code = (
        "import sys, leadml.frameworks.catalog as f; f.list_policies(); "
        "print(sorted({'pandas', 'sklearn', 'scipy', 'mlflow', 'pyarrow'} & set(sys.modules)))"
    )
    found = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
