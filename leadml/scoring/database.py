"""Scored leads into a table of a database (SQLAlchemy): in one transaction, whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from leadml.data.sql import connect, shown_url
from leadml.exceptions import UsageError
from leadml.scoring.scored import Layout, Scored, Writer, batch_of


class _Table:
    n_guarded = 0

    def __init__(self, connection: Any, name: str, layout: Layout) -> None:
        schema, _, self._name = name.rpartition(".")
        self._connection, self._schema, self._layout = connection, schema or None, layout

    def make(self, scored: Scored) -> pa.RecordBatch:
        return batch_of(scored, self._layout, plain=True)

    def write(self, made: pa.RecordBatch) -> None:
        made.to_pandas().to_sql(self._name, self._connection, schema=self._schema, if_exists="append", index=False)


@contextlib.contextmanager
def open_table(url: str, name: str, layout: Layout) -> Iterator[Writer]:
    """Fill a table that is not there yet; it is there when the block ends well, and not otherwise."""
    import sqlalchemy as sa

    engine = connect(url)
    schema, _, plain = name.rpartition(".")
    try:
        if sa.inspect(engine).has_table(plain, schema=schema or None):
            place = f"{name!r} is in {shown_url(url)} already"
            raise UsageError(f"--table: {place}; give another name, or drop it first")
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":  # whose driver would end the transaction before making the table
                connection.exec_driver_sql("BEGIN")
            yield _Table(connection, name, layout)
    except sa.exc.SQLAlchemyError as error:
        told = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise UsageError(f"--out: {shown_url(url)} refuses table {name!r}: {told}") from None
    finally:
        engine.dispose()
