"""Scored leads: answers once a pattern, which of them each lead has, and the columns they are written in."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from leadml.data.cells import number_array

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """n leads that were scored.

    lead_id : (n,) text; answers : one row a pattern, with the columns of predict; index : (n,) int32, the
    pattern of each lead; kept : columns of the input that come along; amount : (n,), NaN where unknown.
    """

    lead_id: pa.Array
    answers: pa.RecordBatch
    index: npt.NDArray[np.int32]
    kept: Mapping[str, pa.Array] = dataclasses.field(default_factory=dict)
    amount: npt.NDArray[np.float64] | None = None
    is_shared: bool = False  # other chunks have the same `answers`, so that their text is worth keeping

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: npt.NDArray[np.int64]) -> Scored:
        """Leads at positions, in that order."""
        at = number_array(rows)
        kept = {title: column.take(at) for title, column in self.kept.items()}
        return Scored(self.lead_id.take(at), self.answers, self.index[rows], kept, None, self.is_shared)


def joined(parts: Iterable[Scored]) -> Scored:
    """Parts below one another; answers that parts share are there once."""
    parts = list(parts)
    batches: dict[int, pa.RecordBatch] = {id(each.answers): each.answers for each in parts}
    starts = dict(zip(batches, np.cumsum([0, *(each.num_rows for each in batches.values())]), strict=False))
    index = [each.index + starts[id(each.answers)] for each in parts]
    kept = pa.concat_tables(
        [pa.Table.from_arrays(list(each.kept.values()), names=list(each.kept)) for each in parts],
        promote_options="permissive",  # files of one folder need not agree
    )
    amounts = [each.amount for each in parts if each.amount is not None]
    return Scored(
        pa.concat_arrays([each.lead_id for each in parts]),
        pa.concat_batches(list(batches.values())),
        np.concatenate(index).astype(np.int32),
        {title: kept[title].combine_chunks() for title in kept.column_names},
        np.concatenate(amounts) if amounts else None,
    )


@dataclasses.dataclass(frozen=True)
class Layout:
    """What is written: columns of the answers, kept columns, their titles, the locale, words for Excel."""

    columns: tuple[str, ...]
    kept: tuple[str, ...] = ()
    titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    locale: str = "en"
    first: tuple[str, ...] = ()  # kept columns that stand first in a work list: names
    band_decisions: Mapping[str, str] = dataclasses.field(default_factory=dict)  # band -> what it means

    @property
    def names(self) -> list[str]:
        """Titles of all columns, in order."""
        return [*(self.titles.get(name, name) for name in ("lead_id", *self.columns)), *self.kept]


class Writer(Protocol):
    """A destination: `make` runs beside the reading, in any thread; `write` in the order of the leads."""

    n_guarded: int

    def make(self, scored: Scored) -> Any: ...  # noqa: D102
    def write(self, made: Any) -> None: ...  # noqa: D102


def batch_of(scored: Scored, layout: Layout, *, plain: bool = False) -> pa.RecordBatch:
    """Leads as rows: texts of the answers as dictionaries, so that each is kept once; or written out."""
    index = number_array(scored.index)
    columns = [scored.lead_id]
    for name in layout.columns:
        each = scored.answers.column(name)
        if pa.types.is_dictionary(each.type):
            columns.append(pa.DictionaryArray.from_arrays(each.indices.take(index), each.dictionary))
        else:
            columns.append(each.take(index))
    columns += [scored.kept[name] for name in layout.kept]
    if plain:
        columns = [decoded(each) for each in columns]
    return pa.RecordBatch.from_arrays(columns, names=layout.names)


def decoded(column: pa.Array) -> pa.Array:
    """A column with its texts written out."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def plain_value(value: Any) -> Any:
    """A value that JSON and a spreadsheet's cell can hold: dates as text, no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else str(value)
