"""A query is streamed in chunks of typed columns; passwords are never shown."""

import decimal
import sqlite3
import sys
import zoneinfo
from datetime import UTC, date, datetime, time

import pytest

from leadml.data import tables as module
from leadml.data.cells import column_of
from leadml.data.mapping import ReadOptions
from leadml.data.sources import open_source
from leadml.exceptions import InputError, UsageError


@pytest.fixture
def url(tmp_path):
    with sqlite3.connect(tmp_path / "crm.db") as database:
        database.execute("CREATE TABLE deals (id INTEGER, status TEXT, budget REAL)")
        database.executemany("INSERT INTO deals VALUES (?, ?, ?)", [(i, "Won", i / 2) for i in range(5)])
    database.close()
    return f"sqlite:///{tmp_path}/crm.db"


def test_rows_come_in_chunks(url, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ROWS", 2)
    source = open_source(url, query="SELECT * FROM deals")
    chunks = list(source.chunks(["budget", "id"]))
    assert [chunk.rows.tolist() for chunk in chunks] == [[2, 3], [4, 5], [6]]
    assert chunks[1].table.to_pydict() == {"budget": [1.0, 1.5], "id": [2, 3]}
    assert (source.format.kind, source.share, len(source.digest())) == ("sql", None, 64)


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        (None, UsageError, "needs --query"),
        ("SELECT * FROM no_table", InputError, "no such table: no_table; check the URL and --query"),
        ("CREATE TABLE x (y TEXT)", UsageError, "gives no rows; valid: a SELECT"),
    ],
)
def test_a_query_that_gives_nothing(url, query, error, message):
    with pytest.raises(error, match=message):
        open_source(url, query=query)


def test_a_connection_that_breaks(url):
    query = "SELECT abs(CASE id WHEN 3 THEN -9223372036854775807 - 1 ELSE 1 END) AS a FROM deals"
    with pytest.raises(InputError, match="cannot be read on"):
        list(open_source(url, query=query).chunks())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense://user:secret@host/db", r"nonsense://user:\*\*\*@host/db: is no SQLAlchemy URL"),
        ("mssql+pymssql://me@host/db", "driver is missing"),
        ("postgresql://me:secret@127.0.0.1:1/db", r"me:\*\*\*@127.0.0.1:1/db: .*check the URL and --query"),
    ],
)
def test_a_database_that_is_not_there(url, message):
    with pytest.raises((UsageError, InputError), match=message) as caught:
        open_source(url, query="SELECT 1")
    assert "secret" not in str(caught.value)


def test_without_sqlalchemy(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(UsageError, match=r'pip install "leadml\[sql\]"'):
        open_source(url, ReadOptions(), query="SELECT 1")


@pytest.mark.parametrize(
    ("values", "kind", "cells"),
    [
        ([1, None], "int64", [1, None]),
        ([1, 2.5, float("nan")], "double", [1.0, 2.5, None]),
        ([1 << 70, 3], "string", [str(1 << 70), "3"]),
        ([1 << 60, 0.5], "string", [str(1 << 60), "0,5"]),
        ([decimal.Decimal("25.000"), 2, None], "double", [25.0, 2.0, None]),
        ([decimal.Decimal("25.000"), decimal.Decimal("2.50"), ""], "string", ["25", "2,50", ""]),
        ([float("inf"), "x", float("nan")], "string", ["inf", "x", None]),
        ([date(2025, 1, 2), datetime(2025, 1, 2, 3)], "timestamp[us]", [datetime(2025, 1, 2), datetime(2025, 1, 2, 3)]),
        ([datetime(2025, 1, 2, tzinfo=UTC), None], "timestamp[us]", [datetime(2025, 1, 2), None]),
        ([datetime(2025, 1, 2), time(3), True], "string", ["2025-01-02", "03:00:00", "true"]),
        ([zoneinfo.ZoneInfo("UTC"), {"a": 1}], "string", ["UTC", '{"a": 1}']),
        ([None, None], "string", [None, None]),
        ([], "string", []),
    ],
)
def test_python_cells_make_one_column(values, kind, cells):
    array = column_of(values, ",")
    assert str(array.type) == kind
    assert array.to_pylist() == cells
