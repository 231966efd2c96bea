"""Rows of a database, by a query: a server-side cursor, a chunk at a time, every cell as text."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from leadml.exceptions import InputError, UsageError
from leadml.leads.chunks import CHUNK_ROWS, Chunk, cell_text
from leadml.leads.values import text_array

if TYPE_CHECKING:
    from leadml.leads.workers import Workers

__all__ = ["SqlReader", "connect", "is_url", "shown_url"]


def is_url(source: str) -> bool:
    """Tell whether a source or destination is a database.

    Parameters
    ----------
    source : str
        What the user gave.

    Returns
    -------
    bool
        Whether it is written as a SQLAlchemy URL.

    Examples
    --------
    >>> is_url("sqlite:///leads.db"), is_url("leads.csv")
    (True, False)
    """
    return "://" in source


def shown_url(url: str) -> str:
    """Write a URL without its password.

    Parameters
    ----------
    url : str
        A SQLAlchemy URL.

    Returns
    -------
    str
        What may stand in messages and reports.

    Examples
    --------
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
    """Make a SQLAlchemy engine.

    Parameters
    ----------
    url : str
        A SQLAlchemy URL; ``postgresql://`` is read by psycopg 3.

    Returns
    -------
    sqlalchemy.Engine
        Not connected yet.

    Raises
    ------
    UsageError
        SQLAlchemy or the driver is not installed, or the URL is none.
    """
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
        raise UsageError(f"{shown_url(url)}: is no SQLAlchemy URL ({told(error)})") from None


def told(error: Exception) -> str:
    """Shorten what a database says.

    Parameters
    ----------
    error : Exception
        What SQLAlchemy raised.

    Returns
    -------
    str
        One line.
    """
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]


class SqlReader:
    """The rows of a query.

    Parameters
    ----------
    url : str
        A SQLAlchemy URL.
    query : str or None
        The query.

    Raises
    ------
    UsageError
        Without a query, or without the driver.
    InputError
        The database cannot be reached, or refuses the query.
    """

    notes: tuple[str, ...] = ()
    share: float | None = None

    def __init__(self, url: str, query: str | None) -> None:
        self._source = shown_url(url)
        if not query:
            raise UsageError(
                f'{self._source}: a database needs --query, such as --query "SELECT * FROM leads"'
            )
        engine = connect(url)
        import sqlalchemy

        try:
            connection = engine.connect().execution_options(stream_results=True, max_row_buffer=CHUNK_ROWS)
            opened: list[Any] = [connection]
            self._close = weakref.finalize(self, _close, opened)
            self._result = connection.execute(sqlalchemy.text(query))
            opened.append(self._result)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise InputError(f"{self._source}: {told(error)}; check the URL and --query") from None
        if not self._result.returns_rows:
            raise UsageError(f"{self._source}: --query gives no rows; valid: a SELECT")
        self.columns = tuple(self._result.keys())
        self.format: dict[str, Any] = {"kind": "sql", "decimal": ".", "sniffed": []}

    def chunks(self, columns: Sequence[str], workers: Workers) -> Iterator[Chunk]:  # noqa: ARG002
        """Read the columns named, in that order.

        Parameters
        ----------
        columns : sequence of str
            Columns that the table has.
        workers : Workers
            Not needed here.

        Yields
        ------
        Chunk
            The next rows.

        Raises
        ------
        InputError
            The connection broke.
        """
        import sqlalchemy

        at = [self.columns.index(column) for column in columns]
        try:
            for rows in self._result.partitions(CHUNK_ROWS):
                arrays = [text_array([cell_text(row[i]) for row in rows]) for i in at]
                data = pa.RecordBatch.from_arrays(arrays, names=list(columns))
                yield Chunk(np.arange(1, len(rows) + 1), data, [])
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise InputError(f"{self._source}: cannot be read on ({told(error)})") from None
        finally:
            self._close()


def _close(opened: list[Any]) -> None:
    """Close what was opened, the last first: a connection given back has no cursor that is still open."""
    import sqlalchemy

    for each in reversed(opened):
        with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):
            each.close()
