"""What every test may ask for, and what no test may do: reach the network or send telemetry."""

import contextlib
import ipaddress
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Before anything imports MLflow, and for the programs that tests start as well.
os.environ |= {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "JUPYTER_PLATFORM_DIRS": "1"}
os.environ["LEADML_CACHE"] = ""  # nothing is kept between tests
for name in ("LEADML_STORE", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)  # a developer's own servers and stores are none of the tests' business


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real data sets; without it the test is skipped."""
    folder = Path(os.environ.get("LEADML_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real data sets: no folder {folder}; LEADML_SHARED_DATA names another")
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Refuse every connection of this process but those to the machine itself."""

    def only_at_home(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
        def checked(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
                raise RuntimeError(f"a test tried to reach {address!r}; tests run without the network")
            return connect(self, address)

        return checked

    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex"):
            patch.setattr(socket.socket, method, only_at_home(getattr(socket.socket, method)))
        yield


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store of MLflow with its tables; its one experiment is not the one that the tests use."""
    from leadml.tracking import open_run

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_run("first", f"sqlite:///{file}", experiment_name="template")
    return file


@pytest.fixture
def store_uri(empty_store: Path, tmp_path: Path) -> str:
    """A store of the test's own, copied rather than made anew: making one takes seconds."""
    copy = sqlite3.connect(tmp_path / "mlflow.db")
    with contextlib.closing(sqlite3.connect(empty_store)) as template, contextlib.closing(copy):
        template.backup(copy)  # what still stands in the log comes along
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the figures that tests kept for the end of the run."""
    lines = [
        value
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == "figure"
    ]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
