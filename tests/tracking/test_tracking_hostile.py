"""Servers that are down, hang, refuse or are full: the result stays on disk, and soon it is said."""

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from leadml import cli
from leadml.exceptions import TrackingError
from leadml.leads import make_leads
from leadml.store import Store
from leadml.tracking import read_receipt, track_calibration


class Hostile(BaseHTTPRequestHandler):
    """Answers every request alike; which way is set on the server."""

    def answer(self) -> None:
        kind = self.server.kind  # type: ignore[attr-defined]
        self.server.asked += 1  # type: ignore[attr-defined]
        if kind == "hangs":
            self.server.over.wait(30)  # type: ignore[attr-defined]
            return
        body = {500: b"<html>broken, password=hunter2</html>", 507: b"{}", 403: b"{}", 200: b"not JSON"}[kind]
        self.send_response(kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def hostile(request: pytest.FixtureRequest) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.daemon_threads = True
    server.kind, server.asked, server.over = request.param, 0, threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in use, only shorter: one try again, and a second in place of fifteen."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


@pytest.mark.parametrize("hostile", ["hangs", 500, 507, 403, 200], indirect=True)
def test_a_hostile_server_is_left_soon_and_nothing_is_lost(
    hostile: ThreadingHTTPServer, calibration: Path
) -> None:
    before = {path: path.read_bytes() for path in calibration.rglob("*") if path.is_file()}
    begin = time.monotonic()
    with pytest.raises(TrackingError, match="nothing is lost") as caught:
        track_calibration(calibration, tracking_uri=f"http://127.0.0.1:{hostile.server_port}")
    assert time.monotonic() - begin < 15
    assert hostile.asked
    assert "hunter2" not in str(caught.value)
    assert {path: path.read_bytes() for path in calibration.rglob("*") if path.is_file()} == before
    assert read_receipt(calibration) is None


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with few closed deals and a short experiment."""
    monkeypatch.chdir(tmp_path)
    leads = make_leads(200, world="tilted", random_state=1)
    rows = leads.levels.assign(Deal=leads.lead_id, Status=leads.outcome.astype(int))
    rows.to_csv("deals.csv", index=False)
    criteria = "".join(f"  {name}: {{column: {name}}}\n" for name in leads.levels.columns)
    Path("map.yaml").write_text(
        "name: ours\nlead_id: Deal\n"
        f'outcome: {{column: Status, won: ["1"], lost: ["0"]}}\ncriteria:\n{criteria}'
    )
    Path("e.yaml").write_text(
        "policies: [bant-ibm]\nbootstrap: 50\nsplit: {folds: 2, repeats: 1}\n"
        "contenders: [cutoff, integer, prior]\n"
    )
    return tmp_path


def calibrate(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    import sys

    monkeypatch.setattr(sys, "argv", ["leadml", *words])
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


WORDS = ("calibrate", "deals.csv", "-m", "map.yaml", "-e", "e.yaml", "-o", "out")


def test_a_calibration_outlives_a_server_that_is_down(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store_uri: str
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    assert calibrate(monkeypatch, *WORDS) == 1
    _, err = capsys.readouterr()
    assert "not tracked, though everything is kept in out" in err
    assert "`leadml track out` sends it later" in err
    assert (desk / "out" / "result.json").is_file()
    assert Store("models_store").champion("ours") == 1
    assert calibrate(monkeypatch, "track", "out") == 1
    # Back up again: the same folder is sent, and the registry follows the store.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    assert calibrate(monkeypatch, "track", "out") == 0
    assert "registered: ours version 1 (champion)" in capsys.readouterr().err
    assert calibrate(monkeypatch, "track", "out") == 0
    assert "complete already; nothing was sent" in capsys.readouterr().err


def test_a_calibration_outlives_a_full_disk(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store_uri: str
) -> None:
    from mlflow.tracking import MlflowClient

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/mlartifacts/secret")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifacts", full)
        assert calibrate(monkeypatch, *WORDS) == 1
    err = capsys.readouterr().err
    assert f"failed: OSError, {os.strerror(errno.ENOSPC)}. The result is complete in out" in err
    assert Store("models_store").champion("ours") == 1
    receipt = read_receipt(desk / "out")
    assert receipt is not None
    assert receipt.status == "started"
    # With room again, the same run is completed.
    assert calibrate(monkeypatch, "track", "out") == 0
    assert MlflowClient(store_uri).get_run(receipt.run_id).data.tags["status"] == "complete"
