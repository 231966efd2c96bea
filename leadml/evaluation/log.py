"""The log: one record of held-out decisions, the only input of verdicts, choice, report and monitor.

In memory it is columnar: the m held-out rows once, and one (m,) column of score, probability and decision for
each contender. On disk (log.parquet) it is long: one row a deal and contender.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from leadml.exceptions import InputError

Floats = npt.NDArray[np.float64]

NO_DAY = np.iinfo(np.int32).min
"""Closing day that is not known, as in `Leads.closed`."""
SAME = 1e-6
"""Scores and probabilities of an old block that differ by less are the same (another machine)."""
COLUMNS = (
    "lead_id", "block", "closed_at", "contender", "outcome", "probability", "score", "decision",
    "followed_up", "propensity", "weight", "repeat", "unit",
)  # fmt: skip
KEPT = ("outcome", "probability", "score", "decision")
"""What an old block may not change."""


@dataclasses.dataclass(frozen=True, eq=False)
class Entries:
    """What one contender said of the m held-out rows.

    score : (m,) float64, what it ranks by (points, met count or log-odds). NaN: nothing was said.
    probability : (m,) float64, NaN where it tells none (documented rules).
    decision : (m,) float64 in 0..1, followed up or not; fractional where ties are shared. NaN: no cut-off.
    """

    score: Floats
    probability: Floats
    decision: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Log:
    """m held-out rows (a deal appears once in rolling blocks, once per repeat in k-fold) and what each
    contender said.

    row : (m,) int64, position of the deal among the leads compared.
    block : (m,) int32, block (rolling) or repeat * n_folds + fold (k-fold).
    repeat : (m,) int32, 0 throughout in rolling blocks.
    outcome : (m,) int8, 1 won, 0 lost.
    unit : (m,) int64, equal for deals of one unit.
    closed : (m,) int32 days or None.
    weight : (m,) float64.
    followed_up : (m,) bool or None; propensity : (m,) float64 or None.
    lead_id : Arrow text of length m, or None.
    entries : contender id -> Entries.
    """

    row: npt.NDArray[np.int64]
    block: npt.NDArray[np.int32]
    repeat: npt.NDArray[np.int32]
    outcome: npt.NDArray[np.int8]
    unit: npt.NDArray[np.int64]
    weight: Floats
    closed: npt.NDArray[np.int32] | None = None
    followed_up: npt.NDArray[np.bool_] | None = None
    propensity: Floats | None = None
    lead_id: pa.Array | None = None
    entries: dict[str, Entries] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def n_repeats(self) -> int:
        """How often a deal appears: 1 in rolling blocks."""
        return int(self.repeat.max()) + 1 if len(self) else 1

    @property
    def sampling_weight(self) -> Floats:
        """(m,) what a row counts for: its weight, shared over repeats, by the inverse of the chance of being
        worked.

        Where a chance (propensity) is known the lead counts only if it was followed up (Horvitz-Thompson).
        """
        weight = self.weight / self.n_repeats
        if self.propensity is None:
            return weight
        known = np.isfinite(self.propensity) & (self.propensity > 0)
        worked = np.ones(len(self), bool) if self.followed_up is None else self.followed_up
        inverse = np.divide(worked, self.propensity, out=np.ones(len(self)), where=known)
        return np.asarray(weight * inverse)

    def subset(self, rows: npt.NDArray[Any]) -> Log:
        """Pick held-out rows by mask or position."""
        at = np.flatnonzero(rows) if rows.dtype == bool else rows
        picked: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            column = getattr(self, field.name)
            if field.name == "entries":
                picked["entries"] = {
                    name: Entries(e.score[at], e.probability[at], e.decision[at]) for name, e in column.items()
                }
            elif field.name == "lead_id" and column is not None:
                picked["lead_id"] = column.take(pa.array(at))
            else:
                picked[field.name] = None if column is None else column[at]
        return Log(**picked)

    def to_arrow(self) -> pa.Table:
        """Long form, contender by contender: the columns of ``log.parquet``."""
        m, k = len(self), len(self.entries)
        closed = np.full(m, NO_DAY, np.int32) if self.closed is None else self.closed
        ids = pa.array(self.row + 1) if self.lead_id is None else self.lead_id
        worked, chance = self.followed_up, self.propensity
        once: dict[str, pa.Array] = {
            "lead_id": ids.cast(pa.string()),
            "closed_at": pa.array(closed, mask=closed == NO_DAY).cast(pa.date32()),
            "followed_up": pa.nulls(m, pa.bool_()) if worked is None else pa.array(worked),
            "propensity": pa.nulls(m, pa.float64()) if chance is None else _number(chance),
            **{name: pa.array(getattr(self, name)) for name in ("block", "outcome", "weight", "repeat", "unit")},
        }
        long = {name: pa.chunked_array([column] * k, column.type) for name, column in once.items()}
        for name in ("score", "probability", "decision"):
            said = [_number(getattr(e, name)) for e in self.entries.values()]
            long[name] = pa.chunked_array(said, pa.float64())
        which = pa.array(np.repeat(np.arange(k, dtype=np.int32), m))
        long["contender"] = pa.DictionaryArray.from_arrays(which, pa.array(list(self.entries), pa.string()))
        return pa.table({name: long[name] for name in COLUMNS})

    def write(self, path: str | Path) -> None:
        """Write a new log; `append` continues one."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        pq.write_table(self.to_arrow(), part, compression="zstd")
        part.replace(path)  # a log is never seen half written

    def append(self, path: str | Path) -> Log:
        """Continue the log at a path by blocks it does not hold yet, and return all of it.

        A block that is there already may come again, if it says the same; contenders that entered later are
        added.
        """
        path = Path(path)
        if not path.exists():
            self.write(path)
            return self
        old, new = Log.read(path).to_arrow(), self.to_arrow()
        both = pa.concat_tables([old, new], promote_options="permissive")
        _, which = _codes(both["contender"])
        n = len(old)
        part = np.repeat([0, 1], [n, len(new)])
        keys = _deal_keys(both, which, part) * (int(which.max(initial=0)) + 1) + which
        _, at_old, at_new = np.intersect1d(keys[:n], keys[n:], assume_unique=True, return_indices=True)
        changed = np.zeros(len(at_old), bool)
        for name in KEPT:
            was, now = _floats(old[name])[at_old], _floats(new[name])[at_new]
            changed |= ~np.isclose(was, now, rtol=SAME, atol=SAME, equal_nan=True)
        if changed.any():
            first = old.slice(int(at_old[changed].min()), 1).to_pylist()[0]
            raise InputError(
                f"{path}: {int(changed.sum()):,} decisions of blocks in this log came out otherwise now,"
                f" first that of {first['contender']} on lead {first['lead_id']} in block {first['block']};"
                " a log is only appended to, and mapping, settings and version are the same as before."
                " Were deals that it holds changed? Then start one in another folder (-o)."
            )
        fresh = np.delete(np.arange(len(new)), at_new)
        whole = _from_arrow(pa.concat_tables([old, new.take(pa.array(fresh))], promote_options="permissive"))
        whole.write(path)
        return whole

    @classmethod
    def read(cls, path: str | Path) -> Log:
        """Read a log that `write` or `append` left; what a contender did not say is NaN."""
        valid = "valid is a log.parquet that calibrate wrote"
        try:
            table = pq.ParquetFile(path).read()
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a log ({error}); {valid}") from error
        missing = [name for name in COLUMNS if name not in table.column_names]
        if missing:
            raise InputError(f"{path}: no column {', '.join(missing)}; {valid}")
        return _from_arrow(table)


def _codes(column: pa.ChunkedArray) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Distinct texts and the number of each row's text."""
    whole = pa.concat_arrays([chunk.cast(pa.string()) for chunk in column.chunks]).dictionary_encode()
    return whole.dictionary.to_pylist(), whole.indices.to_numpy().astype(np.int64)


def _deal_keys(
    table: pa.Table, which: npt.NDArray[np.int64], part: npt.NDArray[np.int64] | int = 0
) -> npt.NDArray[np.int64]:
    """Number of (repeat, block, lead, how often this id came before in its part)."""
    _, lead = _codes(table["lead_id"])
    key = lead
    for name in ("repeat", "block"):
        column = _ints(table[name])
        key = key * (int(column.max(initial=0)) + 1) + column
    own = 2 * (key * (int(which.max(initial=0)) + 1) + which) + part
    order = np.argsort(own, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(own[order]) != 0])
    nth = np.empty(len(own), np.int64)
    nth[order] = np.arange(len(own)) - np.repeat(starts, np.diff(np.r_[starts, len(own)]))
    return key * (int(nth.max(initial=0)) + 1) + nth


def _from_arrow(table: pa.Table) -> Log:
    """Wide form: one row a deal, block and repeat, by block and in the order of first appearance."""
    names, which = _codes(table["contender"])
    _, first, at = np.unique(_deal_keys(table, which), return_index=True, return_inverse=True)
    order = np.lexsort((first, _ints(table["block"])[first]))
    place = np.empty(len(first), np.int64)
    place[order] = np.arange(len(first))
    at, first = place[at], first[order]
    filled = np.full((3, len(names), len(first)), np.nan)
    filled[:, which, at] = [_floats(table[name]) for name in ("score", "probability", "decision")]
    entries = {name: Entries(*filled[:, number]) for number, name in enumerate(names)}
    once = table.take(pa.array(first)).combine_chunks()
    chance, worked = _floats(once["propensity"]), once["followed_up"]
    closed = once["closed_at"].cast("int32")
    return Log(
        row=_codes(once["lead_id"])[1],
        block=_ints(once["block"]).astype(np.int32),
        repeat=_ints(once["repeat"]).astype(np.int32),
        outcome=_ints(once["outcome"]).astype(np.int8),
        unit=_ints(once["unit"]),
        weight=_floats(once["weight"]),
        closed=None if closed.null_count == len(first) else _ints(closed.fill_null(NO_DAY)).astype(np.int32),
        followed_up=None if worked.null_count else np.asarray(worked.to_numpy(), dtype=bool),
        propensity=None if np.isnan(chance).all() else chance,
        lead_id=once["lead_id"].chunk(0),
        entries=entries,
    )


def _number(column: Floats) -> pa.Array:
    """NaN, which says "none", is null on disk."""
    return pa.array(column, mask=np.isnan(column))


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _ints(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(column.to_numpy(), dtype=np.int64)
