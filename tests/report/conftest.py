"""The invented result, and the pages made of it."""

import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leadml.report import render_html

SAMPLE = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("sample_result.py"))))


@pytest.fixture
def make_result() -> Callable[..., dict[str, Any]]:
    """Make a result."""
    return SAMPLE.make_result


@pytest.fixture
def make_card() -> Callable[[], dict[str, Any]]:
    """Make its card."""
    return SAMPLE.make_card


@pytest.fixture(scope="session")
def page() -> str:
    """The report of the invented result."""
    return render_html(SAMPLE.make_result(), SAMPLE.make_card())
