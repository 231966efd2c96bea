"""What a broken record says: the place, what came, what is valid, what to do, and all of it at once."""

# ruff: noqa: E501 (messages stand whole)

from importlib.resources import files
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from leadml.exceptions import RecordError
from leadml.records import Record, check_record, digest_record, dump_record, load_record, parse_record


class Step(Record):
    id: str
    from_: int = Field(alias="from", ge=0)


class Rule(Record):
    name: str
    unit: Literal["met", "points"] = "met"
    steps: tuple[Step, ...] = ()
    levels: dict[str, int] = Field(default_factory=dict)
    named: dict[str, Step] = Field(default_factory=dict)
    other: int | Literal["unknown"] | None = None
    share: float | None = None

    @model_validator(mode="after")
    def _share_is_a_share(self):
        if self.share is not None and not 0 < self.share <= 1:
            raise ValueError(f"got share {self.share}; valid: above 0, up to 1; correct it")
        return self


def faults(text):
    with pytest.raises(RecordError) as error:
        parse_record(text, Rule, "rule.yaml")
    return str(error.value).splitlines()


def test_every_fault_of_a_file_is_told_at_once_in_the_order_of_its_lines():
    text = """\
name: 3
unti: met
steps:
  - {id: a, from: -1}
  - id: b
levels: {Low: "1", Low: 2}
"""
    assert faults(text) == [
        'rule.yaml: name (line 1): got 3; valid: text; put it in quotes: "3"',
        "rule.yaml: unti (line 2): unknown key; valid: levels, name, named, other, share, steps, unit; did you mean unit?",
        "rule.yaml: steps[0].from (line 4): got -1; valid: greater than or equal to 0; correct it",
        "rule.yaml: steps[1].from (line 5): is missing; valid: a whole number; add it",
        "rule.yaml: levels.Low (line 6): given twice, first on line 6; valid: once; remove one",
        "rule.yaml: levels.Low (line 6): got '1'; valid: a whole number; remove the quotes",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "rule.yaml: got nothing; valid: keys and values (keys name); write `key: value` lines"),
        ("# only a comment\n", "rule.yaml: got nothing; valid: keys and values (keys name); write `key: value` lines"),
        ("null", "rule.yaml: got nothing; valid: keys and values (keys name); write `key: value` lines"),
        ("- a\n- b", "rule.yaml: got a list of 2; valid: keys and values (keys name); write `key: value` lines"),
        ("just words", "rule.yaml: got 'just words'; valid: keys and values (keys name); write `key: value` lines"),
        ("name: a\nlevels:\n\ta: 1", "rule.yaml: line 3: got a tab; valid: spaces, YAML's only indentation; replace the tab"),
        ("name: a\n---\nname: b", "rule.yaml: line 2: is not YAML (expected a single document in the stream but found another document) in '---'; check quotes, colons and indentation"),
        ("name: a\nunit: mett", "rule.yaml: unit (line 2): got 'mett'; valid: met, points; did you mean met?"),
        ("name: a\nunit: 7", "rule.yaml: unit (line 2): got 7; valid: met, points; choose one of these"),
        ("name: a\nsteps: b", "rule.yaml: steps (line 2): got 'b'; valid: a list; write it as a list: [b]"),
        ("name: a\nlevels: [1]", "rule.yaml: levels (line 2): got a list of 1; valid: keys and values; correct it"),
        ("name: a\nother: x", "rule.yaml: other (line 2): got 'x'; valid: a whole number, or unknown; correct it"),
        ("name: a\nlevels: {b: }", "rule.yaml: levels.b (line 2): got nothing; valid: a whole number; give a value or remove the key"),
        ("name: a\nlevels: {b: 1.5}", "rule.yaml: levels.b (line 2): got 1.5; valid: a whole number; correct it"),
        ("name: a\nlevels: {b: true}", "rule.yaml: levels.b (line 2): got true; valid: a whole number; correct it"),
        ("name: a\nshare: 2.0", "rule.yaml: the file (line 1): got share 2.0; valid: above 0, up to 1; correct it"),
        ("name: a\nother: !!python/name:os.system ''", "rule.yaml: other (line 2): got the tag tag:yaml.org,2002:python/name:os.system; valid: plain YAML; remove the tag"),
        ("name: &a [*a]", "rule.yaml: line 1: more than 200000 values, or 100 deep (does an anchor contain itself?); valid: a file that a person wrote"),
        ("name: a\n? [b]\n: 1", "rule.yaml: the file (line 2): got a list or mapping as a key; valid: text"),
        ("name: [a", "rule.yaml: line 1: is not YAML ("),
        ("name: 'a\nunit: met", "rule.yaml: line 2: is not YAML ("),
        ("name: a: b", "rule.yaml: line 1: is not YAML ("),
    ],
)  # fmt: skip
def test_one_fault(text, fault):
    found = faults(text)
    assert len(found) == 1
    assert found[0] == fault or (fault.endswith("(") and found[0].startswith(fault))


def test_an_unknown_key_deep_inside_knows_its_neighbours():
    assert faults("name: a\nnamed: {b: {id: c, form: 1, from: 1}}") == [
        "rule.yaml: named.b.form (line 2): unknown key; valid: from, id; did you mean from?"
    ]


def test_words_stay_words_and_keys_are_as_written():
    rule = parse_record("name: no\nlevels: {1: 1, 007: 2, true: 3, 1.0: 4, no: 0, 2026-01-01: 1}", Rule)
    assert rule.name == "no"
    assert rule.levels == {"1": 1, "007": 2, "true": 3, "1.0": 4, "no": 0, "2026-01-01": 1}


def test_numbers_are_those_of_the_core_schema():
    levels = "{a: 3, b: 0x10, c: 0o17, d: +2}"
    assert parse_record(f"name: a\nlevels: {levels}", Rule).levels == {"a": 3, "b": 16, "c": 15, "d": 2}
    for text, value in (("0.5", 0.5), (".5", 0.5), ("1", 1.0), ("5e-1", 0.5)):
        assert parse_record(f"name: a\nshare: {text}", Rule).share == value


def test_what_is_written_reads_back_the_same():
    rule = parse_record("name: 'yes'\nsteps: [{id: '1', from: 2}]\nlevels: {'Ja ': 4, '': 0}\nother: unknown", Rule)
    assert parse_record(dump_record(rule), Rule) == rule


def test_the_digest_sees_the_content_and_not_the_layout():
    one = parse_record("name: a\nlevels: {b: 1, c: 2}", Rule)
    same = parse_record("# comment\nlevels:\n  c: 2\n  b: 1\nname: 'a'\nunit: met\n", Rule)
    other = parse_record("name: a\nlevels: {b: 1, c: 3}", Rule)
    assert digest_record(one) == digest_record(same)
    assert digest_record(one) != digest_record(other)
    assert len(digest_record(one)) == 64


def test_plain_data_are_checked_as_strictly_as_a_file():
    rule = check_record({"name": "a", "steps": [{"id": "b", "from": 1}]}, Rule)
    assert rule.steps[0].from_ == 1
    assert check_record(rule, Rule) is rule
    with pytest.raises(RecordError, match=r"^experiment: steps\[0\]\.frm: unknown key; valid: from, id"):
        check_record({"name": "a", "steps": [{"id": "b", "from": 1, "frm": 2}]}, Rule, "experiment")


def test_files_with_a_byte_order_mark_and_windows_lines(tmp_path):
    file = tmp_path / "rule.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: a\r\nunit: points\r\n")
    assert load_record(file, Rule) == load_record(str(file), Rule) == Rule(name="a", unit="points")


def test_a_missing_file_suggests_what_lies_beside_it(tmp_path):
    (tmp_path / "our_crm.yaml").write_text("name: a")
    with pytest.raises(RecordError, match=r"our_crn.yaml: no such file; there are our_crm.yaml; did you mean our_crm"):
        load_record(tmp_path / "our_crn.yaml", Rule)
    with pytest.raises(RecordError, match=r"rule.yaml: no such file$"):
        load_record(tmp_path / "nowhere" / "rule.yaml", Rule)


def test_a_folder_and_other_bytes_are_refused(tmp_path):
    with pytest.raises(RecordError, match="got a folder; valid: a YAML file"):
        load_record(tmp_path, Rule)
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(RecordError, match="byte 6 is not UTF-8"):
        load_record(tmp_path / "latin.yaml", Rule)


def test_package_resources_are_read():
    with pytest.raises(RecordError, match=r"bant.yaml: id \(line 1\): unknown key"):
        load_record(files("leadml.frameworks") / "library" / "bant.yaml", Rule)


def test_a_runaway_file_is_stopped():
    layers = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9))
    with pytest.raises(RecordError, match="more than 200000 values"):
        parse_record(f"a0: &a0 [x]\n{layers}", Rule)


def test_numbers_of_numpy_and_records_are_plain_data():
    import datetime

    import numpy as np

    step = Step.model_validate({"id": "b", "from": 1})
    rule = check_record({"name": datetime.date(2026, 1, 1), "steps": [step], "levels": {"a": np.int64(3)}}, Rule)
    assert (rule.name, rule.steps, rule.levels) == ("2026-01-01", (step,), {"a": 3})
    with pytest.raises(RecordError, match=r"rule: got an empty mapping|rule: name: is missing"):
        check_record({}, Rule, "rule")


class Deep(Record):
    rule: Rule
    rules: tuple[Annotated[Rule, Field(description="a rule")], ...] = ()


def test_faults_below_lists_and_annotations():
    with pytest.raises(RecordError) as error:
        parse_record("rules: [{name: a, nme: b}, 3]", Deep, "deep.yaml")
    assert str(error.value).splitlines() == [
        "deep.yaml: rule (line 1): is missing; add it",
        "deep.yaml: rules[0].nme (line 1): unknown key; valid: levels, name, named, other, share, steps, unit; did you mean name?",
        "deep.yaml: rules[1] (line 1): got 3; valid: keys and values; correct it",
    ]
    with pytest.raises(RecordError, match="is not YAML"):
        parse_record("a: \x07", Rule)
    assert faults("name: a\nsteps: []\nlevels: {}\nother: .inf")[0].startswith("rule.yaml: other (line 4): got inf")
    assert faults("[a]: b\nname: [" + "x" * 5 + "]")[-1].startswith("rule.yaml: name (line 2): got a list of 1")
