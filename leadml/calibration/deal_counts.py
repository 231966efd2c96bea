"""Counts of closed deals by pattern (answers to the card's rows, won, lost), for the page; no lead's data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leadml.levels import Codes

if TYPE_CHECKING:
    from leadml.calibration.run import Calibration

DEAL_COUNTS = "deal_counts.parquet"
WON, LOST = "won of pattern", "lost of pattern"


def save_deal_counts(found: Calibration, folder: Path) -> None:
    """Write deal_counts.parquet: the rows of the recommended card, the other criteria, and two counts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from leadml.card.inputs import codes_of_leads
    from leadml.data.split import closed_deals

    deals = closed_deals(found.leads)
    attributes = () if found.card is None else found.card.attributes
    taken = {each.id for each in attributes}
    criteria = [name for name in found.leads.criteria if name not in taken]
    criteria += ["contactable"] if found.leads.contactable is not None else []
    patterns, at = distinct(codes_of_leads(deals, criteria, attributes))
    weight = np.ones(len(deals)) if deals.weight is None else deals.weight
    won, lost = (np.bincount(at, weight * (deals.outcome == each), len(patterns)) for each in (1, 0))
    names = [*criteria, *(each.id for each in attributes)]
    columns = {name: pa.array(patterns[:, j]) for j, name in enumerate(names)}
    table = pa.table({**columns, WON: pa.array(won), LOST: pa.array(lost)})
    pq.write_table(table, folder / DEAL_COUNTS, compression="zstd")


def distinct(codes: Codes) -> tuple[Codes, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Distinct rows of codes, and which of them each row is."""
    keys = np.ascontiguousarray(codes).view(f"V{codes.shape[1]}").ravel()
    _, first, at = np.unique(keys, return_index=True, return_inverse=True)
    return codes[first], at
