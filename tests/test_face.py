"""The face: what ``leadml.NAME`` gives, and that asking for nothing costs nothing."""

import ast
import importlib.metadata
from pathlib import Path

import pytest

import leadml


def test_face_all_is_sorted_and_unique() -> None:
    assert leadml.__all__ == sorted(set(leadml.__all__))


@pytest.mark.parametrize("name", leadml.__all__)
def test_face_every_name_is_there_and_documented(name: str) -> None:
    value = getattr(leadml, name)
    assert value.__name__ == name
    assert value.__module__.startswith("leadml.")
    assert value.__doc__
    assert getattr(leadml, name) is value  # the second time it is no look-up in another module


def test_face_dir_shows_every_name() -> None:
    assert set(leadml.__all__) <= set(dir(leadml))


def test_face_unknown_name_says_what_there_is() -> None:
    with pytest.raises(
        AttributeError, match=r"no attribute 'qualify_lead'; it has Calibration, .*read_leads"
    ):
        leadml.qualify_lead  # noqa: B018


def test_face_version_is_the_installed_one() -> None:
    assert leadml.__version__ == importlib.metadata.version("leadml")


def test_face_types_name_what_the_face_names() -> None:
    stub = ast.parse(Path(leadml.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    typed = {alias.asname: node.module for node in imports for alias in node.names}
    assert typed == leadml._HOMES
    assert sorted(leadml._HOMES) == leadml.__all__
