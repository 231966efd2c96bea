"""What executors do to count deals: patterns of their rows, which rows stay single, which cannot be used.

As in `leadml.engines.spark_work`, nothing here needs more than numpy and pyarrow.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from leadml.card.arrow import bool_array, number_array, text_array
from leadml.engines.spark_work import Batches, Rows, Shared, Task
from leadml.leads.chunks import Chunk
from leadml.leads.counted import sum_cells
from leadml.leads.parts import PartWork
from leadml.leads.thinning import Thinner, draw_for_groups

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.uint64]

__all__ = ["Count", "count_deals", "count_within", "pick_rows", "tell_rejected"]

ENDED, BY_MONTH, BY_GROUP, DRAWN, GROUPS, UNLISTED = range(6)
"""What is counted. `DRAWN`: rows by the zeros that their number begins with; `GROUPS`: by number too."""

NOBODY = Thinner(1)
"""Lets no row stay."""
NOBODY.halvings = 64

POWERS = 2 ** np.arange(64, dtype=np.uint64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Count(Rows):
    """What executors count with.

    Attributes
    ----------
    part : PartWork
        Judges rows.
    """

    part: PartWork

    def draw(self, chunk: Chunk) -> tuple[Numbers, Numbers]:
        """Draw the numbers by which rows stay or go.

        Parameters
        ----------
        chunk : Chunk
            n rows.

        Returns
        -------
        of_group, of_row : uint64 arrays of shape (n,)
            As `PartWork` draws them.
        """
        names = [name for name in self.part.mapping.group if name in chunk.data.schema.names]
        columns = [chunk.data.column(name) for name in names]
        return draw_for_groups(columns, chunk.rows, self.part.random_state)


def leading_zeros(numbers: Numbers) -> Ints:
    """Count the zeros with which numbers begin, as 64 binary digits.

    Parameters
    ----------
    numbers : uint64 array of shape (n,)
        The numbers.

    Returns
    -------
    int array of shape (n,)
        0 to 64.

    Examples
    --------
    >>> leading_zeros(np.array([0, 1, 2**63, 2**64 - 1], np.uint64)).tolist()
    [64, 63, 0, 0]
    """
    return 64 - np.searchsorted(POWERS, numbers, side="right")


def count_deals(shared: Shared[Count]) -> Task:
    """Count deals, and how many would stay single.

    Parameters
    ----------
    shared : broadcast of Count
        What to do.

    Returns
    -------
    callable
        For ``mapInArrow``: what is counted, of which framework or outcome, key, pattern, won, lost, open.
    """

    def count(batches: Batches) -> Batches:
        work = shared.value
        sums: dict[tuple[int, str], list[Ints]] = {}
        for chunk in work.chunks(batches):
            part = work.part(chunk, NOBODY)
            found = {(ENDED, ""): part.ended}
            found |= {(BY_MONTH, name): cells for name, cells in part.by_month.items()}
            found |= {(BY_GROUP, name): cells for name, cells in part.by_group.items()}
            for value, (row, n) in part.unlisted.items():
                found[UNLISTED, value] = np.array([[row], [0], [n], [0], [0]])
            faulty = np.array([each.row for each in part.rejected], np.int64)
            drawn = work.draw(chunk)[0][~np.isin(chunk.rows, faulty)]
            if part.by_group:
                groups, n_rows = np.unique(drawn, return_counts=True)
                found[GROUPS, ""] = _only(groups.view(np.int64), leading_zeros(groups), n_rows)
            else:
                zeros, n_rows = np.unique(leading_zeros(drawn), return_counts=True)
                found[DRAWN, ""] = _only(np.zeros(len(zeros), np.int64), zeros, n_rows)
            for what, cells in found.items():
                parts = sums.setdefault(what, [])
                parts.append(cells)
                if len(parts) > 8:
                    parts[:] = [sum_cells(np.concatenate(parts, axis=1))]
        for (kind, name), parts in sums.items():
            cells = sum_cells(np.concatenate(parts, axis=1))
            if cells.shape[1]:
                yield _as_batch(kind, name, cells)

    return count


def _only(key: Ints, pattern: Ints, n_rows: Ints) -> Ints:
    """Put a number of rows where won deals stand."""
    nothing = np.zeros(len(key), np.int64)
    return np.stack([key, pattern, n_rows, nothing, nothing])


def _as_batch(kind: int, name: str, cells: Ints) -> pa.RecordBatch:
    n = cells.shape[1]
    columns = [number_array(np.full(n, kind)), text_array([name] * n), *map(number_array, cells)]
    return pa.RecordBatch.from_arrays(
        columns, names=["kind", "name", "key", "pattern", "won", "lost", "open"]
    )


def count_within(shared: Shared[Count], halvings: int) -> Task:
    """Count the rows of groups that stay by the zeros with which their own number begins.

    Parameters
    ----------
    shared : broadcast of Count
        What to do.
    halvings : int
        How often the share of groups was halved.

    Returns
    -------
    callable
        For ``mapInArrow``: zeros and rows.
    """

    def count(batches: Batches) -> Batches:
        work, bins = shared.value, np.zeros(65, np.int64)
        for chunk in work.chunks(batches):
            groups, rows = work.draw(chunk)
            faulty = np.array([each.row for each in work.part(chunk, NOBODY).rejected], np.int64)
            counted = (leading_zeros(groups) >= halvings) & ~np.isin(chunk.rows, faulty)
            bins += np.bincount(leading_zeros(rows[counted]), minlength=65)
        zeros = np.flatnonzero(bins)
        yield pa.RecordBatch.from_arrays(
            [number_array(zeros), number_array(bins[zeros])], names=["zeros", "rows"]
        )

    return count


def pick_rows(shared: Shared[Count], thinner: Thinner, last: int | None = None) -> Task:
    """Hand over the rows that stay, with their numbers.

    Parameters
    ----------
    shared : broadcast of Count
        What to do.
    thinner : Thinner
        Which stay.
    last : int, optional
        Only rows up to this number.

    Returns
    -------
    callable
        For ``mapInArrow``: every column, and the number of the row.
    """

    def pick(batches: Batches) -> Batches:
        work = shared.value
        for chunk in work.chunks(batches):
            stays = thinner.stay(*work.draw(chunk))
            if last is not None:
                stays = stays & (chunk.rows <= last)
            if stays.any():
                columns = [column.filter(bool_array(stays)) for column in chunk.data.columns]
                names = [f"s{at}" for at in range(len(columns) + 1)]
                rows = number_array(chunk.rows[stays])
                yield pa.RecordBatch.from_arrays([*columns, rows], names=names)

    return pick


def tell_rejected(shared: Shared[Count], *, cells: bool) -> Task:
    """Tell why rows cannot be used.

    Parameters
    ----------
    shared : broadcast of Count
        What to do.
    cells : bool
        Whether faulty cells are told, beside rows that cannot even be cut into cells.

    Returns
    -------
    callable
        For ``mapInArrow``: row, place in the part, column, value, reason.
    """

    def tell(batches: Batches) -> Batches:
        work, n_told = shared.value, 0
        for chunk in work.chunks(batches):
            rejected = work.part(chunk, NOBODY).rejected if cells else chunk.rejected
            if rejected:
                texts = zip(*((each.column, each.value, each.reason) for each in rejected), strict=True)
                rows = np.array([each.row for each in rejected], np.int64)
                yield pa.RecordBatch.from_arrays(
                    [
                        number_array(rows),
                        number_array(n_told + np.arange(len(rejected))),
                        *map(text_array, texts),
                    ],
                    names=["row", "at", "column", "value", "reason"],
                )
                n_told += len(rejected)

    return tell
