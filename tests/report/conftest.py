"""The calibrations that the tests of the report share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def found():
    from report_worlds import calibrated

    return calibrated
