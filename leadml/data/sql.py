"""Rows of a database by a SQLAlchemy URL and a query: a server-side cursor, a chunk at a time."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.data.cells import column_of
from leadml.data.chunks import CHUNK_ROWS, Chunk, Format, Reader, batch_of
from leadml.exceptions import InputError, UsageError

if TYPE_CHECKING:
    from leadml.data.mapping import ReadOptions


def shown_url(url: str) -> str:
    """Write a URL without its password, for messages and reports.

    >>> shown_url("postgresql+psycopg://me:secret@host/deals")
    'postgresql+psycopg://me:***@host/deals'
    """
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    if not at:
        return url
    name, colon, _ = user.partition(":")
    return f"{scheme}://{name}{':***' if colon else ''}@{place}"


def connect(url: str) -> Any:
    """Make a SQLAlchemy engine, not connected yet; ``postgresql://`` is read by psycopg 3."""
    try:
        import sqlalchemy
    except ImportError:
        raise UsageError(
            f'{shown_url(url)}: a database needs SQLAlchemy; pip install "leadml[sql]" installs it'
        ) from None
    if url.startswith(("postgresql://", "postgres://")):
        url = f"postgresql+psycopg://{url.partition('://')[2]}"
    try:
        return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    except ImportError as error:
        raise UsageError(
            f"{shown_url(url)}: the driver is missing ({error}); install it, for PostgreSQL by "
            'pip install "leadml[sql]"'
        ) from None
    except sqlalchemy.exc.ArgumentError as error:
        raise UsageError(f"{shown_url(url)}: is no SQLAlchemy URL ({_told(error)})") from None


class SqlReader(Reader):
    """The rows of a query."""

    def __init__(self, url: str, query: str | None, options: ReadOptions) -> None:
        self._name = shown_url(url)
        if not query:
            raise UsageError(f'{self._name}: a database needs --query, such as --query "SELECT * FROM leads"')
        engine = connect(url)
        import sqlalchemy

        try:
            connection = engine.connect().execution_options(stream_results=True, max_row_buffer=CHUNK_ROWS)
            opened: list[Any] = [connection]
            self._close = weakref.finalize(self, _close, opened)
            self._result = connection.execute(sqlalchemy.text(query))
            opened.append(self._result)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise InputError(f"{self._name}: {_told(error)}; check the URL and --query") from None
        if not self._result.returns_rows:
            raise UsageError(f"{self._name}: --query gives no rows; valid: a SELECT")
        self.columns = tuple(self._result.keys())
        self.notes = []
        self.format = Format("sql", decimal=options.decimal or ".")

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order."""
        import sqlalchemy

        at = [self.columns.index(column) for column in columns]
        row = 2
        try:
            for some in self._result.partitions(CHUNK_ROWS):
                arrays = [column_of([cells[i] for cells in some], self.format.decimal) for i in at]
                yield Chunk(batch_of(arrays, columns, len(some)), np.arange(row, row + len(some)))
                row += len(some)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise InputError(f"{self._name}: cannot be read on ({_told(error)})") from None
        finally:
            self._close()


def _told(error: Exception) -> str:
    """What a database says, in one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]


def _close(opened: list[Any]) -> None:
    """Close what was opened, the last first: a connection given back has no cursor that is still open."""
    import sqlalchemy

    for each in reversed(opened):
        with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):
            each.close()
