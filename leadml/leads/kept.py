"""Single rows kept out of a stream, fewer and fewer of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from leadml.leads.assemble import Picked

if TYPE_CHECKING:
    import numpy.typing as npt

    from leadml.leads.thinning import Thinner

    Ints = npt.NDArray[np.int64]

__all__ = ["Kept", "join_kept"]


@dataclasses.dataclass(frozen=True)
class Kept:
    """Rows that stay for now.

    Attributes
    ----------
    picked : Picked of n rows
        The rows.
    drawn, drawn_row : uint64 arrays of shape (n,)
        The numbers of their groups and of the rows themselves, by which they may still have to go.
    """

    picked: Picked
    drawn: npt.NDArray[np.uint64]
    drawn_row: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.drawn)

    def thin(self, thinner: Thinner) -> Kept:
        """Let go of rows that no longer stay.

        Parameters
        ----------
        thinner : Thinner
            Tells which rows stay.

        Returns
        -------
        Kept
            The rows that stay.
        """
        stays = thinner.stay(self.drawn, self.drawn_row)
        if stays.all():
            return self
        at = np.flatnonzero(stays)
        return Kept(_take(self.picked, at), self.drawn[at], self.drawn_row[at])

    def choose(self, thinner: Thinner) -> Picked:
        """Take the rows that stay in the end.

        Parameters
        ----------
        thinner : Thinner
            Chooses them.

        Returns
        -------
        Picked
            Those rows.
        """
        return _take(self.picked, np.flatnonzero(thinner.choose(self.drawn, self.drawn_row)))


def join_kept(parts: Sequence[Kept]) -> Kept:
    """Join rows that stay.

    Parameters
    ----------
    parts : sequence of Kept
        Some rows each, at least one part.

    Returns
    -------
    Kept
        All of them.
    """
    from leadml.leads.read import join_arrays  # not where there is nothing to join, as on executors

    if len(parts) == 1:
        return parts[0]
    picked = [part.picked for part in parts]

    def join(name: str) -> Any:
        values = [getattr(part, name) for part in picked]
        return None if values[0] is None else np.concatenate(values)

    columns = {name: join_arrays([part.columns[name] for part in picked]) for name in picked[0].columns}
    others = [field.name for field in dataclasses.fields(Picked) if field.name != "columns"]
    return Kept(
        Picked(columns=columns, **{name: join(name) for name in others}),
        np.concatenate([part.drawn for part in parts]),
        np.concatenate([part.drawn_row for part in parts]),
    )


def _take(picked: Picked, at: Ints) -> Picked:
    arrow = pa.array(at)

    def take(values: npt.NDArray[Any] | None) -> Any:
        return None if values is None else values[at]

    return Picked(
        columns={name: array.take(arrow) for name, array in picked.columns.items()},
        rows=picked.rows[at],
        codes=picked.codes[at],
        outcome=take(picked.outcome),
        created=take(picked.created),
        closed=take(picked.closed),
        amount=take(picked.amount),
    )
