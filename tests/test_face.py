"""The face: what ``leadml.NAME`` gives, and that asking for nothing costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import leadml


def test_names_are_sorted_and_unique() -> None:
    assert leadml.__all__ == sorted(set(leadml.__all__))
    assert sorted(leadml._HOMES) == leadml.__all__


@pytest.mark.parametrize("name", leadml.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    value = getattr(leadml, name)
    assert value.__name__ == name
    assert value.__module__.startswith("leadml.")
    assert value.__doc__
    assert getattr(leadml, name) is value  # the second time it is no look-up in another module
    assert name in dir(leadml)


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'qualify_lead'; it has Calibration, .*read_leads"):
        leadml.qualify_lead  # noqa: B018


def test_types_name_what_the_face_names() -> None:
    stub = ast.parse(Path(leadml.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    assert {alias.asname: node.module for node in imports for alias in node.names} == leadml._HOMES


def test_importing_it_imports_nothing_else() -> None:
    code = "import sys, leadml; print([m for m in ('numpy', 'pandas', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
