"""Rows of a database by a SQLAlchemy URL and a query: a server-side cursor, a chunk at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from leadml.data.chunks import CHUNK_ROWS, Format, RowReader
from leadml.exceptions import InputError, UsageError

if TYPE_CHECKING:
    from leadml.data.mapping import ReadOptions


def shown_url(url: str) -> str:
    """Write a URL without its password, for messages and reports.

    >>> shown_url("postgresql+psycopg://me:secret@host/deals")
    'postgresql+psycopg://me:***@host/deals'
    """
    return re.sub(r"://([^:/]*):.*@", r"://\1:***@", url)


def open_query(url: str, query: str | None, options: ReadOptions) -> RowReader:
    """Open the rows of a query; ``postgresql://`` is read by psycopg 3."""
    if not query:
        raise UsageError(f'{shown_url(url)}: a database needs --query, such as --query "SELECT * FROM leads"')
    rows = _rows(url, query)
    _, columns = next(rows)
    return RowReader(columns, Format("sql", decimal=options.decimal or "."), rows)


def _rows(url: str, query: str) -> Iterator[tuple[int, Any]]:
    """The header as row 1, then the rows; what was opened is closed with this generator."""
    name, row = shown_url(url), 0
    try:
        import sqlalchemy

        driven = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
        engine = sqlalchemy.create_engine(driven, poolclass=sqlalchemy.NullPool)
    except ImportError as error:
        install = 'pip install "leadml[sql]" installs what PostgreSQL takes'
        raise UsageError(f"{name}: SQLAlchemy or the database's driver is missing ({error}); {install}") from None
    except sqlalchemy.exc.ArgumentError as error:
        raise UsageError(f"{name}: is no SQLAlchemy URL ({_told(error)})") from None
    try:
        with engine.connect() as connection:
            connection = connection.execution_options(stream_results=True, max_row_buffer=CHUNK_ROWS)
            with connection.execute(sqlalchemy.text(query)) as result:
                if not result.returns_rows:
                    raise UsageError(f"{name}: --query gives no rows; valid: a SELECT")
                yield (row := 1), tuple(result.keys())
                for some in result.partitions(CHUNK_ROWS):
                    for cells in some:
                        yield (row := row + 1), cells
    except sqlalchemy.exc.SQLAlchemyError as error:
        fault = f"cannot be read on ({_told(error)})" if row else f"{_told(error)}; check the URL and --query"
        raise InputError(f"{name}: {fault}") from None


def _told(error: Exception) -> str:
    """What a database says, in one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]
