"""A CRM export of known truth: closed deals and open leads, in words, amounts and months."""

import contextlib
import csv
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import leadml
from leadml.calibration.file import calibrate_file
from leadml.levels import UNKNOWN

ROLE = ["Intern", "User", "Team lead", "Manager", "Director"]
NEED = ["None", "Some", "Some more", "Pressing", "On fire"]
MAPPING = """\
name: crm
lead_id: Deal
outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}
dates: {created: Created, closed: Closed}
amount: {column: Amount, currency: EUR}
criteria:
  budget: {column: Budget EUR, edges: [1, 10000, 20000, 30000]}
  authority: {column: Role, levels: {Intern: 0, User: 1, Team lead: 2, Manager: 3, Director: 4}, unknown: ["?"]}
  need: {column: Need, levels: {None: 0, Some: 1, Some more: 2, Pressing: 3, On fire: 4}}
  timeline: {column: Months, edges: [3, 6, 12, 24], descending: true}
segments: [Team]
"""
EXPERIMENT = {
    "policies": ["bant-ibm"],
    "contenders": ["cutoff", "integer", "prior"],
    "economics": {"follow_up_cost": 150, "won_value": 600, "currency": "EUR"},
    "bootstrap": 200,
}


def write_exports(folder: Path, n: int = 700, n_open: int = 60) -> tuple[Path, Path, Path]:
    """deals.csv, leads.csv and mapping.yaml."""
    leads = leadml.make_leads(n + n_open, world="tilted", random_state=5)
    rng = np.random.default_rng(0)
    codes = {name: leads.codes[:, leads.criteria.index(name)] for name in ("budget", "authority", "need", "timeline")}
    budget = ["0", "5000", "15,000", "€ 25000.00", "45000", ""]
    months = ["30", "18", "9", "5", "1", ""]
    header = [
        "Deal",
        "Company",
        "Status",
        "Created",
        "Closed",
        "Amount",
        "Budget EUR",
        "Role",
        "Need",
        "Months",
        "Team",
    ]
    rows = []
    for i in range(n + n_open):
        at = {name: int(column[i]) for name, column in codes.items()}
        is_open = i >= n
        status = "Open" if is_open else "Won" if leads.outcome[i] else "Lost"
        closed = "" if is_open else str(leads.closed_at[i])
        company = f"=Acme {i}, Ltd" if i == n else f"Firm {i}"
        rows.append([
            f"D{i}", company, status, str(leads.created_at[i]), closed, str(int(rng.integers(1, 9)) * 1000),
            budget[at["budget"]], "?" if at["authority"] == UNKNOWN else ROLE[at["authority"]],
            "" if at["need"] == UNKNOWN else NEED[at["need"]], months[at["timeline"]], "North" if i % 3 else "South",
        ])  # fmt: skip
    for name, part in (("deals.csv", rows[:n]), ("leads.csv", rows[n:])):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *part])
    (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    return folder / "deals.csv", folder / "leads.csv", folder / "mapping.yaml"


def calibrate(folder: Path) -> Path:
    """Calibrate on the export into folder/found and folder/store."""
    deals, _, mapping = write_exports(folder)
    read = lambda: leadml.read_leads(deals, mapping)  # noqa: E731
    at = "2026-01-01T00:00:00+00:00"
    done = calibrate_file(
        read, EXPERIMENT, name="crm", out_dir=folder / "found", store_root=folder / "store", at=at, say=str
    )
    return done.directory


def ask(base: str, path: str, body=None, kind="application/json", **headers: str) -> tuple[int, object]:
    """Status and content of a request; bytes are sent as they are, an iterator of them in chunks, all else as JSON."""
    sent = body if body is None or isinstance(body, bytes | Iterator) else json.dumps(body).encode()
    asked = urllib.request.Request(base + path, sent, {"content-type": kind, **headers})
    try:
        with urllib.request.urlopen(asked) as reply:
            status, text = reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    return status, json.loads(text) if text[:1] in "[{" else text


@contextlib.contextmanager
def serving(app):
    """Run an application in a thread; its address."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
