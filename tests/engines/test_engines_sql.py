"""Databases in and out: the same scores as from files, in one transaction."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.csv as pc
import pytest

from leadml.card import build_card
from leadml.engines import score_table
from leadml.exceptions import InputError, UsageError
from leadml.leads.mapping import load_mapping
from leadml.leads.sql import shown_url

sa = pytest.importorskip("sqlalchemy", reason="needs SQLAlchemy: pip install leadml[sql]")

CARD = build_card(
    name="mine",
    criteria=["need", "budget"],
    points=[[0, 1, 2, 3, 4]] * 2,
    unknown_points=[0, 1],
    documented_points=[[0, 1, 2, 3, 4]] * 2,
    bands=[
        {"id": "no", "title": "No", "from": 0, "action": "drop"},
        {"id": "yes", "title": "Yes", "from": 4, "action": "follow up"},
    ],
    cutoff=4,
    created_at="2026-01-01",
    base=-2.0,
    slope=0.5,
    table=[(total, 0.1 + total / 10, 0.0, 1.0) for total in range(9)],
)
MAPPING = load_mapping(
    {"name": "m", "lead_id": "id", "criteria": {"need": {"column": "need"}, "budget": {"column": "budget"}}}
)
N = 70_000  # more than one chunk


def fill(url: str) -> None:
    """A table of leads with whole numbers, nulls, texts that need quotes, and one level that is none."""
    engine = sa.create_engine(url)
    leads = sa.Table(
        "leads",
        sa.MetaData(),
        sa.Column("id", sa.Integer),
        sa.Column("need", sa.Integer),
        sa.Column("budget", sa.Text),
        sa.Column("note", sa.Text),
    )
    levels, budgets = (0, 1, 2, 3, 4, None), ("", None, "3.0")
    rows = [
        {"id": row, "need": levels[row % 6], "budget": budgets[row % 3], "note": 'a "b",\n;'}
        for row in range(N)
    ]
    rows[5]["need"] = 9
    with engine.begin() as connection:
        leads.create(connection)
        for start in range(0, N, 5000):
            connection.execute(leads.insert(), rows[start : start + 5000])
    engine.dispose()


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('db')}/leads.db"
    fill(url)
    return url


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, on a socket in a folder of its own."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install leadml[sql]")
    initdb, pg_ctl = shutil.which("initdb"), shutil.which("pg_ctl")
    if initdb is None or pg_ctl is None or sys.platform == "win32":
        pytest.skip("needs PostgreSQL's initdb and pg_ctl on the PATH")
    as_user: dict[str, str] = {}
    # A short path: a socket's may have 107 characters.
    folder = Path(f"/tmp/leadml-pg-{os.getpid()}")
    folder.mkdir(mode=0o700)
    try:
        if os.getuid() == 0:  # the server refuses to run as root
            try:
                shutil.chown(folder, "postgres")
            except LookupError:
                pytest.skip("needs a user postgres, as the server does not run as root")
            as_user = {"user": "postgres"}
        quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **as_user}
        data = str(folder / "data")
        subprocess.run(
            [initdb, "-D", data, "-U", "leadml", "-A", "trust", "-E", "UTF8", "--no-sync"], **quiet
        )
        settings = f"-k {folder} -c listen_addresses='' -c fsync=off"
        subprocess.run(
            [pg_ctl, "-D", data, "-w", "-l", str(folder / "log"), "-o", settings, "start"], **quiet
        )
        try:
            url = f"postgresql://leadml@/postgres?host={folder}"
            fill(url.replace("postgresql:", "postgresql+psycopg:"))
            yield url
        finally:
            subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


def rows_of(url: str, table: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {table}"))]
    engine.dispose()
    return found


def test_a_database_gives_and_takes_what_files_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    query = "SELECT * FROM leads ORDER BY id"
    totals = score_table(url, MAPPING, [CARD], "o.csv", query=query, keep_columns=True, say=print)
    assert (totals.n_rows, totals.n_rejected) == (N, 1)
    found = pc.read_csv("o.csv", parse_options=pc.ParseOptions(newlines_in_values=True)).to_pylist()
    assert [each["lead_id"] for each in found] == [row for row in range(N) if row != 5]
    # Lead 2: need 2 and budget 3.0 earn 2 + 3; lead 10: need 4, budget unknown earns 1.
    assert [found[at]["points"] for at in (2, 9)] == [5, 5]
    assert found[0]["note"] == 'a "b",\n;'
    assert (tmp_path / "o.csv.rejected.csv").exists()
    score_table(url, MAPPING, [CARD], url, query=query, into="scores", say=print)
    score_table(url, MAPPING, [CARD], "plain.csv", query=query, say=print)
    names = pc.read_csv("plain.csv").column_names
    types = pc.ConvertOptions(
        column_types=dict.fromkeys(("lead_id", "unknown", "caveats", "ask_next"), "string")
    )
    expected = [tuple(row.values()) for row in pc.read_csv("plain.csv", convert_options=types).to_pylist()]
    assert rows_of(url, "scores") == expected
    assert len(names) == len(expected[0])
    assert (tmp_path / "scores.rejected.csv").exists()


def test_what_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"--table: 'leads' is in .* already"):
        score_table(url, MAPPING, [CARD], url, query="SELECT * FROM leads", into="leads", say=print)
    assert len(rows_of(url, "leads")) == N


def test_a_failure_leaves_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))

    def fail(message: str) -> None:
        raise KeyboardInterrupt

    from leadml.engines import sql_out

    for name in ("_insert", "_copy"):
        monkeypatch.setattr(sql_out, name, lambda *_: fail(""))
    with pytest.raises(KeyboardInterrupt):
        score_table(url, MAPPING, [CARD], url, query="SELECT * FROM leads", into="half", say=print)
    assert not sa.inspect(engine).has_table("half")
    engine.dispose()


@pytest.mark.parametrize(
    ("source", "query", "out", "into", "error", "says"),
    [
        ("{url}", None, "o.csv", None, UsageError, "a database needs --query"),
        ("{url}", "SELECT * FROM nowhere", "o.csv", None, InputError, "nowhere"),
        ("{url}", "SELECT 1", "{url}", None, UsageError, "needs --table NAME"),
        ("{url}", "SELECT 1", "o.csv", "t", UsageError, "--table: goes with a SQLAlchemy URL"),
        ("in.csv", "SELECT 1", "o.csv", None, UsageError, "--query: goes with a SQLAlchemy URL"),
        ("nodb://x", "SELECT 1", "o.csv", None, UsageError, "is no SQLAlchemy URL"),
    ],
)
def test_what_cannot_be_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sqlite: str,
    source: str,
    query: str | None,
    out: str,
    into: str | None,
    error: type[Exception],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("id,need,budget\n1,2,3\n")
    source, out = source.format(url=sqlite), out.format(url=sqlite)
    with pytest.raises(error, match=says):
        score_table(source, MAPPING, [CARD], out, query=query, into=into, say=print)


def test_passwords_are_not_shown() -> None:
    assert shown_url("postgresql://me:a:b@c@host/d?x=y") == "postgresql://me:***@host/d?x=y"
    assert shown_url("sqlite:///leads.db") == "sqlite:///leads.db"
