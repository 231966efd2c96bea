"""A firm's own framework: begun from a documented one, checked, compared, used like the documented ones."""

import copy

import pytest

from leadml.exceptions import RecordError, UsageError
from leadml.frameworks.catalog import FRAMEWORK_IDS, list_policies, load_framework, load_policy
from leadml.frameworks.describe import describe
from leadml.frameworks.own import diff_frameworks, new_framework

OURS = {
    "id": "ours",
    "title": "Ours",
    "criteria": [
        {"id": "need", "title": "Need", "question": "How much?", "rubric": ["a", "b", "c", "d", "e"]},
        {"id": "budget", "title": "Money", "question": "Is there any?"},
    ],
    "policies": [
        {
            "id": "ours-points", "title": "At least 8", "unit": "points", "cutoff": 8, "weights": {"need": 2},
            "bands": [
                {"id": "no", "title": "No", "from": 0, "action": "drop", "decision": "no-match"},
                {"id": "later", "title": "Later", "from": 4, "action": "nurture", "decision": "wait"},
                {"id": "yes", "title": "Yes", "from": 8, "action": "call", "decision": "ready"},
            ],
        }
    ],
}  # fmt: skip


def ours(**changes):
    document = copy.deepcopy(OURS)
    for path, value in changes.items():
        at = document
        *parents, last = path.split("__")
        for part in parents:
            at = at[int(part) if part.isdigit() else part]
        at[int(last) if last.isdigit() else last] = value
    return document


def test_a_dict_is_a_framework():
    framework = load_framework(OURS)
    policy = framework.policy("ours-points")
    assert (policy.total_max, policy.criteria, policy.framework) == (12, ("need", "budget"), "ours")
    assert framework.criteria[0].rubric == tuple("abcde")
    assert len(framework.criteria[1].rubric) == 5
    assert load_framework(framework) is framework
    assert "weights: need 2x" in describe(framework)
    assert load_policy("ours-points", [framework]).cutoff == 8
    assert "ours-points" not in {policy.id for policy in list_policies()}
    assert [policy.id for policy in list_policies([framework, load_framework("bant")])].count("bant-ibm") == 1
    with pytest.raises(KeyError):
        framework.policy("bant-ibm")


@pytest.mark.parametrize("base", FRAMEWORK_IDS)
def test_new_is_valid_and_differs_in_names_alone(base, tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(new_framework("ours", base=base, title="Our way"), encoding="utf-8")
    framework = load_framework(path)
    old = load_framework(base)
    assert (framework.id, framework.title, framework.criterion_ids) == ("ours", "Our way", old.criterion_ids)
    assert [p.cutoff for p in framework.policies] == [p.cutoff for p in old.policies]
    assert all(p.id.startswith("ours-") for p in framework.policies)
    assert [g.below for g in framework.gates] == [g.below for g in old.gates]
    assert path.read_text().startswith("# Our way: a framework of your own")
    assert diff_frameworks(framework, load_framework(path)) == []
    changes = diff_frameworks(old, framework)
    assert f'id: "{base}" -> "ours"' in changes
    assert not [each for each in changes if each.startswith(("criteria", "caveats", "gates"))]


def test_diff_names_every_change_once():
    changed = ours(policies__0__cutoff=4, policies__0__bands__1__decision="ready", criteria__1__question="Any money?")
    changed["criteria"].reverse()
    changed["gates"] = [{"criterion": "need", "below": 2, "text": "No need."}]
    assert diff_frameworks(load_framework(OURS), load_framework(changed)) == [
        'criteria[budget].question: "Is there any?" -> "Any money?"',
        "criteria: order need, budget -> budget, need",
        "policies[ours-points].cutoff: 8 -> 4",
        'policies[ours-points].bands[later].decision: "wait" -> "ready"',
        "gates[need]: added",
    ]
    assert "gates[need]: removed" in diff_frameworks(load_framework(changed), load_framework(OURS))
    summed = load_framework(ours(summary="Short."))
    assert diff_frameworks(load_framework(OURS), summed) == ['summary: added "Short."']


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "bant"}, "id: got 'bant', a documented framework; valid: one of your own; rename it"),
        ({"id": "../x"}, "id: got '../x'"),
        ({"policies__0__id": "bant-ibm"}, r"policies \(bant-ibm\): a documented policy"),
        ({"policies__0__unit": "contactable"}, "got unit contactable"),
        ({"policies__0__cutoff": 5}, "got the cut-off 5 inside a band"),
        ({"policies__0__cutoff": 4}, "got the decision of later; valid: ready from the cut-off 4 up"),
        ({"policies__0__bands__2__from": 2}, r"got bands from \[0, 4, 2\]; valid: ascending from 0"),
        ({"policies__0__weights": {"need": 1, "timeline": 1}}, "got timeline in a gate, order or weight"),
        ({"policies__0__weights": {"need": 0}, "policies__0__unit": "met"}, "valid: at most 1"),
        ({"criteria__1__id": "need"}, "got the criteria need, need; valid: each once"),
        ({"criteria__1__id": "bugdet"}, "got 'bugdet' as a criterion; valid: .*did you mean budget"),
        ({"criteria__0__rubric": ["a"]}, "got 1 levels in a rubric; valid: 5"),
        ({"criteria__0__titel": "x"}, r"criteria\[0\].titel: unknown key"),
        ({"policies": [OURS["policies"][0]] * 2}, "got the policies ours-points, ours-points"),
        ({"gates": [{"criterion": "funds", "below": 1, "text": "t"}]}, "got funds in a gate"),
    ],
)  # fmt: skip
def test_faults_of_a_framework_are_named(changes, said):
    with pytest.raises(RecordError, match=said):
        load_framework(ours(**changes))


def test_names_of_frameworks_and_files(tmp_path):
    with pytest.raises(UsageError, match=r"got framework 'champs'; valid: .* or a YAML file; did you mean champ"):
        load_framework("champs")
    with pytest.raises(RecordError, match="no such file"):
        load_framework("champs.yaml")
    with pytest.raises(RecordError, match="no such file"):
        load_framework(tmp_path / "champ")
    with pytest.raises(UsageError, match="got the id 'bant', a documented framework"):
        new_framework("bant")
