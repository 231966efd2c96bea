"""Scored leads into a table of a database: in one transaction, whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from leadml.engines.writers import Write
from leadml.exceptions import UsageError
from leadml.leads.sql import connect, shown_url, told

__all__ = ["open_table_out"]


@contextlib.contextmanager
def open_table_out(url: str, name: str, schema: pa.Schema) -> Iterator[Write]:
    """Make a table and fill it; it is there when the block ends well, and not otherwise.

    Parameters
    ----------
    url : str
        A SQLAlchemy URL.
    name : str
        The table, which must not be there yet; ``SCHEMA.TABLE`` for one of a schema.
    schema : pyarrow.Schema
        Columns of every batch.

    Yields
    ------
    Write
        Takes one batch at a time; PostgreSQL takes it by COPY.

    Raises
    ------
    UsageError
        The table is there already, or the database refuses.
    """
    import sqlalchemy as sa

    engine = connect(url)
    inside, _, plain = name.rpartition(".")
    table = sa.Table(
        plain,
        sa.MetaData(schema=inside or None),
        *(sa.Column(field.name, _kind(field.type)) for field in schema),
    )
    try:
        if sa.inspect(engine).has_table(plain, schema=inside or None):
            raise UsageError(
                f"--table: {name!r} is in {shown_url(url)} already; give another name, or drop it first"
            )
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                # Its driver would end the transaction before making the table.
                connection.exec_driver_sql("BEGIN")
            table.create(connection)
            if engine.dialect.name == "postgresql":
                yield lambda batch: _copy(connection, table, batch)
            else:
                yield lambda batch: _insert(connection, table, batch)
    except sa.exc.SQLAlchemyError as error:
        raise UsageError(f"--out: {shown_url(url)} refuses table {name!r}: {told(error)}") from None
    finally:
        engine.dispose()


def _kind(kind: pa.DataType) -> Any:
    import sqlalchemy as sa

    if pa.types.is_boolean(kind):
        return sa.Boolean()
    if pa.types.is_integer(kind):
        return sa.BigInteger() if kind.bit_width > 32 else sa.Integer()
    if pa.types.is_floating(kind):
        return sa.Double()
    if pa.types.is_date(kind):
        return sa.Date()
    return sa.DateTime() if pa.types.is_timestamp(kind) else sa.Text()


def _insert(connection: Any, table: Any, batch: pa.RecordBatch) -> None:
    connection.execute(table.insert(), batch.to_pylist())


def _copy(connection: Any, table: Any, batch: pa.RecordBatch) -> None:
    """Send a batch as CSV, in which a null is nothing and an empty text is a pair of quotes."""
    import pyarrow.csv

    sink = pa.BufferOutputStream()
    plain = [each.cast(pa.string()) if pa.types.is_dictionary(each.type) else each for each in batch.columns]
    pyarrow.csv.write_csv(
        pa.RecordBatch.from_arrays(plain, names=batch.schema.names),
        sink,
        pyarrow.csv.WriteOptions(include_header=False),
    )
    name = connection.dialect.identifier_preparer.format_table(table)
    with (
        connection.connection.cursor() as cursor,
        cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy,
    ):
        copy.write(sink.getvalue().to_pybytes())
