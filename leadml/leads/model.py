"""Leads as the rest of the house sees them: levels, outcomes, dates, groups and what stands beside them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from leadml.leads.mapping import Mapping
    from leadml.leads.sample import Truth


@dataclasses.dataclass(frozen=True, eq=False)
class Leads:
    """n leads read by one mapping; row i of every field is the same lead.

    Attributes
    ----------
    levels : DataFrame of shape (n, k), float64
        Levels 0 to 4, NaN for unknown. One column a mapped criterion, in canonical order; stand-ins applied.
    lead_id : ndarray of shape (n,), object
        Identity of each lead as text; the row number in the file, from 1, when the mapping names no column.
    outcome : ndarray of shape (n,), float64, or None
        1 won, 0 lost, NaN open. None when the mapping names no outcome or the file does not hold it.
    created_at, closed_at : Series of shape (n,), datetime64, or None
        When the lead was created and when it was closed; NaT where the file is empty.
    in_time_order : bool
        Whether the rows are in time order (``order: rows`` in the mapping).
    group : ndarray of shape (n,), int64, or None
        Equal for rows whose group columns are equal.
    row_key : ndarray of shape (n,), int64
        Equal for rows equal in every column but the identity, the outcome, the dates and the excluded ones.
    amount : ndarray of shape (n,), float64, or None
        Value of the deal in ``mapping.amount.currency``; NaN where the file is empty.
    context : DataFrame of shape (n, c)
        Context columns as read: text with None for missing, or float64 with NaN.
    facts : DataFrame of shape (n, f)
        Facts for the caveats of a framework: text, or None when not known.
    contactable : ndarray of shape (n,), bool, or None
        Whether the lead has a phone number (or what the mapping names instead).
    rejected : DataFrame
        What could not be used: row (from 1), column, value, reason; one line a fault.
    mapping : Mapping or None
        The mapping that read them; None for leads made by hand.
    source : str
        Where they come from, for reports.
    digest : str
        SHA-256 of what was read.
    n_rows : int
        Rows of the file: leads plus distinct rejected rows.
    truth : Truth or None
        For synthetic leads, the world they were drawn from.
    findings : tuple of dict
        What was met on reading, as `leadml.leads.outcomes` numbers it.
    format : dict
        How the file was written: kind, encoding, delimiter, quote, decimal, sheet, sniffed, n_files.
    """

    levels: pd.DataFrame
    lead_id: npt.NDArray[np.object_]
    outcome: npt.NDArray[np.float64] | None
    created_at: pd.Series[Any] | None
    closed_at: pd.Series[Any] | None
    in_time_order: bool
    group: npt.NDArray[np.int64] | None
    row_key: npt.NDArray[np.int64]
    amount: npt.NDArray[np.float64] | None
    context: pd.DataFrame
    facts: pd.DataFrame
    contactable: npt.NDArray[np.bool_] | None
    rejected: pd.DataFrame
    mapping: Mapping | None
    source: str
    digest: str
    n_rows: int
    truth: Truth | None = None
    findings: tuple[dict[str, str], ...] = ()
    format: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        """Count the leads.

        Returns
        -------
        int
            Number of leads, rejected rows not among them.
        """
        return len(self.lead_id)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Leads:
        """Pick leads by position or by mask; a position may come more than once.

        Parameters
        ----------
        rows : ndarray
            Positions from 0, in the order wanted, or a mask of shape (n,).

        Returns
        -------
        Leads
            The leads picked, frames numbered afresh from 0, nothing rejected, the source and digest kept.
        """
        import numpy as np

        at = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, dtype=np.int64)

        def pick(values: Any) -> Any:
            if values is None:
                return None
            if hasattr(values, "iloc"):
                return values.iloc[at].reset_index(drop=True)
            return values[at]

        per_lead = (
            "levels",
            "lead_id",
            "outcome",
            "created_at",
            "closed_at",
            "group",
            "row_key",
            "amount",
            "context",
            "facts",
            "contactable",
        )
        picked = {name: pick(getattr(self, name)) for name in per_lead}
        return dataclasses.replace(self, **picked, rejected=self.rejected.iloc[:0], n_rows=len(at))
