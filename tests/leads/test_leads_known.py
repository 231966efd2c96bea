"""A mapping that was read before says the same as the one that was checked."""

from pathlib import Path

import pytest

from leadml.exceptions import RecordError
from leadml.leads.known import Known, open_mapping
from leadml.leads.mapping import Mapping, load_mapping

TEXT = """
name: ours
read: {delimiter: ";", decimal: ","}
lead_id: Deal ID
criteria:
  authority: {column: Role, levels: {Low: 1, High: 4, 3.0: 2}, unknown: [Unknown, ""], other: unknown}
  budget: {column: Budget, edges: [1, 10000.5], descending: true, other: 2}
  need: {column: Need}
stand_in: {funds: budget}
contactable: {column: Phone, unknown: ["-"]}
facts: {purchase: {column: Kind, values: {repeat: [Renewal, 1]}}}
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEADML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_second_reading_says_what_the_first_did(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(TEXT)
    first, second, whole = open_mapping(path), open_mapping(path), load_mapping(path)
    assert isinstance(first, Mapping)
    assert isinstance(second, Known)
    assert second.uses() == whole.uses()
    assert second.mapped == whole.mapped == ("budget", "funds", "authority", "need")
    for name in ("name", "optional", "lead_id", "stand_in"):
        assert getattr(second, name) == getattr(whole, name)
    for ours, theirs in (
        (second.read, whole.read),
        (second.contactable, whole.contactable),
        *((second.criteria[name], each) for name, each in whole.criteria.items()),
        *((second.facts[name], each) for name, each in whole.facts.items()),
    ):
        for name in type(theirs).model_fields:  # type: ignore[union-attr]
            kept, checked = getattr(ours, name), getattr(theirs, name)
            assert kept == (list(checked) if isinstance(checked, tuple) else checked) or (
                name == "values" and kept == {key: list(cells) for key, cells in checked.items()}
            )


def test_another_text_is_checked_again(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(TEXT)
    open_mapping(path)
    path.write_text(TEXT + "lead: 3\n")
    for _ in range(2):
        with pytest.raises(RecordError, match="unknown key"):
            open_mapping(path)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("content", ["", "[]", '{"name": "ours"}', "\xff"])
def test_what_is_kept_badly_is_made_again(tmp_path: Path, cache: Path, content: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(TEXT)
    open_mapping(path)
    (kept,) = cache.iterdir()
    kept.write_text(content, encoding="latin-1")
    assert isinstance(open_mapping(path), Mapping)
    assert isinstance(open_mapping(path), Known)


@pytest.mark.parametrize("place", ["", "file/inside"])
def test_without_a_place_everything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LEADML_CACHE", str(tmp_path / place) if place else "")
    (tmp_path / "m.yaml").write_text(TEXT)
    for _ in range(2):
        assert isinstance(open_mapping(tmp_path / "m.yaml"), Mapping)
    with pytest.raises(RecordError, match="no such file"):
        open_mapping(tmp_path / "none.yaml")
