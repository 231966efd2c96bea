"""Real servers on loopback, in process groups of their own: SQLite, PostgreSQL, passwords; and serving."""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from leadml.card import load_card
from leadml.exceptions import TrackingError
from leadml.tracking import (
    fetch_artifacts,
    list_registered,
    point_champion,
    register,
    resolve_model_uri,
    track_calibration,
)

pytestmark = pytest.mark.slow
LONGEST_START = 120.0


@dataclass(frozen=True)
class Server:
    uri: str
    user: str | None = None
    password: str | None = None


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@contextlib.contextmanager
def program(words: list[str], folder: Path, ready: str, **env: str) -> Iterator[None]:
    """Run a server until the block ends; its whole process group ends with it."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, **env},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        give_up_at = time.monotonic() + LONGEST_START
        while True:
            try:
                with urllib.request.urlopen(ready, timeout=2):
                    break
            except urllib.error.HTTPError:
                break  # it answers, if only to refuse
            except OSError:
                ended = process.poll() is not None
                if ended or time.monotonic() > give_up_at:
                    pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")
                time.sleep(0.3)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers that outlived it


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A database server of the test's own on a socket file."""
    initdb, serve = shutil.which("initdb"), shutil.which("postgres")
    if initdb is None or serve is None:
        pytest.skip("needs PostgreSQL: initdb and postgres are not on the PATH")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("needs psycopg (leadml[sql])")
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        import pwd

        user = next(
            (each for each in ("postgres", "nobody") if each in {p.pw_name for p in pwd.getpwall()}), None
        )
        if user is None:
            pytest.skip("needs a user other than root to run PostgreSQL as")
    home = Path(tempfile.mkdtemp(prefix="leadml-pg-"))  # a path short enough for a socket
    try:
        if user is not None:
            shutil.chown(home, user)
        data = home / "data"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": home, "user": user}
        words = [initdb, "-D", str(data), "-U", "mlflow", "-A", "trust", "-N"]
        if subprocess.run(words, **quiet, check=False).returncode:
            pytest.skip("PostgreSQL cannot make a database here")
        words = [serve, "-D", str(data), "-k", str(home), "-c", "listen_addresses=", "-c", "fsync=off"]
        process = subprocess.Popen(words, **quiet, start_new_session=True)
        try:
            for _ in range(200):
                if (home / ".s.PGSQL.5432").exists():
                    break
                time.sleep(0.1)
            yield f"postgresql+psycopg://mlflow@/postgres?host={home}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module", params=["sqlite", "sqlite with passwords", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    uri = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--workers", "1", "--artifacts-destination", str(folder / "artifacts")]
    with contextlib.ExitStack() as stack:
        env, known = {}, Server(uri)
        if request.param == "postgresql":
            words += ["--backend-store-uri", stack.enter_context(postgres())]
        else:
            words += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
        if "passwords" in request.param:
            if importlib.util.find_spec("flask_wtf") is None:
                pytest.skip("needs mlflow[auth]")
            (folder / "auth.ini").write_text(
                f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder / 'auth.db'}\n"
                "admin_username = sales\nadmin_password = open-sesame-1234\n"
                "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            )
            words += ["--app-name", "basic-auth"]
            env = {"MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "s"}
            known = Server(uri, "sales", "open-sesame-1234")
        stack.enter_context(program(words, folder, f"{uri}/health", **env))
        yield known


def test_a_server_keeps_a_calibration_and_gives_its_card_back(
    server: Server, calibration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server.user and server.password:
        result = json.loads((calibration / "result.json").read_text())
        few = [each for each in result["contenders"] if each["id"] in ("bant-ibm", "bant-integer")]
        # a password is checked with every request, which takes a fifth of a second
        (calibration / "result.json").write_text(json.dumps({**result, "contenders": few}))
        with pytest.raises(TrackingError, match="nothing is lost"):
            track_calibration(calibration, tracking_uri=server.uri)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", server.user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong-password-1234")
        with pytest.raises(TrackingError) as caught:
            track_calibration(calibration, tracking_uri=server.uri)
        assert "wrong-password" not in str(caught.value)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", server.password)
    tracked = track_calibration(calibration, tracking_uri=server.uri)
    assert tracked.look == f"{server.uri}/#/experiments/{tracked.experiment_id}/runs/{tracked.run_id}"
    client = mlflow.MlflowClient(server.uri)
    parent = client.get_run(tracked.run_id)
    assert (parent.data.tags["status"], parent.info.status) == ("complete", "FINISHED")
    assert len(parent.inputs.dataset_inputs) == 2
    nested = client.search_runs([tracked.experiment_id], f"tags.`mlflow.parentRunId` = '{tracked.run_id}'")
    kinds = [run.data.tags["kind"] for run in nested]
    assert len(kinds) - kinds.count("framework") == tracked.n_contenders
    # Artifacts go through the server, and none of them holds a row.
    kept = fetch_artifacts(tracked.run_id, server.uri)
    assert (kept / "result.json").read_bytes() == (calibration / "result.json").read_bytes()
    assert not list(kept.rglob("*.parquet"))
    assert not list(kept.rglob("rejected.csv"))

    assert register(tracked, "lead_card", stored_as="lead_card@1").champion
    again = track_calibration(calibration, tracking_uri=server.uri)
    assert not register(again, "lead_card", stored_as="lead_card@2").champion
    for ref in ("models:/lead_card@champion", "models:/lead_card@challenger", f"runs:/{tracked.run_id}"):
        assert resolve_model_uri(ref, server.uri).read_bytes() == (calibration / "card.json").read_bytes()
    point_champion("lead_card", "lead_card@2", "wins more", server.uri)
    assert [each.champion for each in list_registered("lead_card", server.uri)] == [False, True]


def test_a_card_is_served_and_scores_as_here(
    calibration: Path, store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked = track_calibration(calibration, tracking_uri=store_uri)
    register(tracked, "lead_card")
    port = free_port()
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/lead_card@champion"]
    words += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it calls uvicorn by name
    leads = [{"need": 4.0, "budget": 1.0}, {"authority": 4.0, "need": None}]
    with program(words, tmp_path, f"http://127.0.0.1:{port}/ping", MLFLOW_TRACKING_URI=store_uri, PATH=path):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps({"dataframe_records": leads}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            rows = json.load(answer)["predictions"]
    expected = load_card(calibration / "card.json").score(pd.DataFrame(leads)).rows()
    assert [{**row, "probability": pytest.approx(row["probability"])} for row in expected] == rows
