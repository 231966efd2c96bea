"""The log: one record of held-out decisions, the only input of verdicts, choice, report and monitor.

In memory it is columnar: the m held-out rows once, and one (m,) column of score, probability and decision for
each contender. On disk (log.parquet) it is long: one row a deal and contender.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from leadml.exceptions import InputError
from leadml.levels import Flags, Floats, Ints, Ints32

if TYPE_CHECKING:
    import pandas as pd


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
KEY = ["repeat", "block", "lead_id", "nth"]
"""What identifies a held-out deal in the long form."""


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
    """m held-out rows (each deal once in rolling blocks, once a repeat in folds) and what contenders said of them.

    row : position of the deal among the leads compared.
    block : block (rolling) or repeat * n_folds + fold.
    outcome : 1 won, 0 lost.
    unit : equal for deals of one unit.
    closed : days; None where no one is known.
    entries : by id of the contender.
    """

    row: Ints
    block: Ints32
    repeat: Ints32
    outcome: npt.NDArray[np.int8]
    unit: Ints
    weight: Floats
    closed: Ints32 | None = None
    followed_up: Flags | None = None
    propensity: Floats | None = None
    lead_id: pa.Array | None = None
    entries: dict[str, Entries] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.outcome)

    def subset(self, rows: npt.NDArray[Any]) -> Log:
        """Pick held-out rows by mask or position."""
        picked = {name: column[rows] for name, column in vars(self).items() if isinstance(column, np.ndarray)}
        said = {name: Entries(*(column[rows] for column in vars(each).values())) for name, each in self.entries.items()}
        ids = None if self.lead_id is None else self.lead_id.take(pa.array(np.arange(len(self))[rows]))
        return dataclasses.replace(self, **picked, lead_id=ids, entries=said)

    def to_arrow(self) -> pa.Table:
        """Long form, contender by contender: the columns of ``log.parquet``; NaN, which says "none", is null."""
        m, k = len(self), len(self.entries)
        closed = np.full(m, NO_DAY, np.int32) if self.closed is None else self.closed
        once = {name: pa.array(getattr(self, name)) for name in ("block", "outcome", "weight", "repeat", "unit")}
        once["lead_id"] = (pa.array(self.row + 1) if self.lead_id is None else self.lead_id).cast(pa.string())
        once["closed_at"] = pa.array(closed, mask=closed == NO_DAY).cast(pa.date32())
        for name, kind in (("followed_up", pa.bool_()), ("propensity", pa.float64())):
            column = getattr(self, name)
            once[name] = pa.nulls(m, kind) if column is None else pa.array(column, kind, from_pandas=True)
        long = {name: pa.chunked_array([column] * k, column.type) for name, column in once.items()}
        for name in ("score", "probability", "decision"):
            said = [pa.array(getattr(e, name), from_pandas=True) for e in self.entries.values()]
            long[name] = pa.chunked_array(said, pa.float64())
        which = pa.array(np.repeat(np.arange(k, dtype=np.int32), m))
        long["contender"] = pa.DictionaryArray.from_arrays(which, pa.array(list(self.entries), pa.string()))
        return pa.table({name: long[name] for name in COLUMNS})

    def append(self, path: str | Path) -> bool:
        """Write the log, or continue the one at a path by what it does not hold yet; whether it grew.

        A block that is there already may come again, if it says the same; contenders that entered later are added.
        """
        path, table = Path(path), self.to_arrow()
        if path.exists():
            before = _read(path)
            if before.equals(table):  # nothing closed since: to join millions of rows takes more memory than all else
                return False
            both = _frame(table).merge(_frame(before), on=[*KEY, "contender"], how="left", suffixes=("", "_was"))
            was, now = (both[[f"{name}{end}" for name in KEPT]].to_numpy(np.float64) for end in ("_was", ""))
            again = both["outcome_was"].notna().to_numpy()
            changed = again & ~np.isclose(was, now, rtol=SAME, atol=SAME, equal_nan=True).all(axis=1)
            if changed.any():
                first = both[changed].iloc[0]
                raise InputError(
                    f"{path}: {int(changed.sum()):,} decisions of blocks in this log came out otherwise now,"
                    f" first that of {first['contender']} on lead {first['lead_id']} in block {first['block']};"
                    " a log is only appended to, and mapping, settings and version are the same as before."
                    " Were deals that it holds changed? Then start one in another folder (-o)."
                )
            if again.all():
                return False
            table = pa.concat_tables([before, table.filter(pa.array(~again))])
        part = path.with_name(path.name + ".part")
        pq.write_table(table, part, compression="zstd")
        part.replace(path)  # a log is never seen half written
        return True

    @classmethod
    def read(cls, path: str | Path) -> Log:
        """Read a log that `append` left, by block and in the order of first appearance; what a contender did not say is
        NaN."""
        import pandas as pd

        frame = _frame(_read(path))
        deal = frame.groupby(KEY, sort=False).ngroup().to_numpy()
        once = frame.drop_duplicates(KEY).sort_values("block", kind="stable")
        place = np.empty(len(once), np.int64)
        place[deal[once.index]] = np.arange(len(once))
        which, names = pd.factorize(frame["contender"])
        said = np.full((3, len(names), len(once)), np.nan)
        said[:, which, place[deal]] = frame[["score", "probability", "decision"]].to_numpy(np.float64).T
        kinds = {"block": np.int32, "repeat": np.int32, "outcome": np.int8, "unit": np.int64, "weight": np.float64}
        closed, worked, chance = (once[name] for name in ("closed_at", "followed_up", "propensity"))
        return cls(
            row=pd.factorize(once["lead_id"])[0].astype(np.int64),
            **{name: once[name].to_numpy(kind) for name, kind in kinds.items()},
            closed=None if (closed == NO_DAY).all() else closed.to_numpy(np.int32),
            followed_up=None if worked.isna().any() else worked.to_numpy(bool),
            propensity=None if chance.isna().all() else chance.to_numpy(np.float64),
            lead_id=pa.array(once["lead_id"], pa.string()),
            entries={str(name): Entries(*said[:, number]) for number, name in enumerate(names)},
        )


def _read(path: str | Path) -> pa.Table:
    valid = "valid is a log.parquet that calibrate wrote"
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a log ({error}); {valid}") from error
    if missing := [name for name in COLUMNS if name not in table.column_names]:
        raise InputError(f"{path}: no column {', '.join(missing)}; {valid}")
    return table


def _frame(table: pa.Table) -> pd.DataFrame:
    """Long form in pandas: closing days as numbers, and how often this id came before in its block (ids may repeat)."""
    days = table["closed_at"].cast("int32").fill_null(NO_DAY)
    frame: pd.DataFrame = table.set_column(table.column_names.index("closed_at"), "closed_at", days).to_pandas()
    frame["contender"] = frame["contender"].astype(object)  # categories differ from log to log
    frame["nth"] = frame.groupby([*KEY[:-1], "contender"], sort=False).cumcount()
    return frame
