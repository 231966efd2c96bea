"""What the truth tests share: worlds drawn many times, and figures that the run prints."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import leadml
from leadml.frameworks import load_framework
from leadml.workflows.comparison import Comparison
from leadml.workflows.contenders import Frame, make_frame


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Keep a line for the end of the run."""
    return lambda line: record_property("figure", line)


@pytest.fixture
def compare() -> Callable[..., dict[str, Any]]:
    """Calibrate BANT's two forms on one draw of a world, on the fast path: cards only."""

    def run(world: str, n: int, seed: int, *, bootstrap: int = 200, **options: Any) -> dict[str, Any]:
        leads = leadml.make_leads(n, world, seed, **options)
        settings = leadml.Experiment(
            policies=("bant-ibm", "bant-points"),
            contenders=("cutoff", "integer", "prior"),
            bootstrap=bootstrap,
        )
        return Comparison(leads, leads, settings, world, []).run().result

    return run


@pytest.fixture
def draw_frame() -> Callable[..., tuple[Frame, Any]]:
    """Draw a world and look at it through BANT."""

    def run(world: str, n: int, seed: int, **options: Any) -> tuple[Frame, Any]:
        leads = leadml.make_leads(n, world, seed, **options)
        return make_frame(load_framework("bant"), leads, np.arange(n), n), leads.truth

    return run
