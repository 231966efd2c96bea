"""Leads that come as JSON, scored by the same encoder and card as files: one in about a millisecond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.card.record import Card
from leadml.data.mapping import load_mapping
from leadml.exceptions import InputError

if TYPE_CHECKING:
    from leadml.data.deals import Leads
    from leadml.scoring.scorer import Scorer

MOST_SHAPES = 64
"""So many sets of columns are remembered."""


class LeadScorer:
    """A card and what the columns of leads mean; without a mapping they are named like the criteria."""

    def __init__(self, card: Card, mapping: Path | None) -> None:
        criteria = {each.id: {"column": each.id} for each in card.criteria}
        context = [each.column for each in card.attributes]
        plain = {"name": "levels", "criteria": criteria, "context": context}
        told = load_mapping(mapping if mapping is not None else plain)
        self.card, self.mapping = card, told.model_copy(update={"optional": True})
        self._scorers: dict[tuple[tuple[str, ...], bool], Scorer] = {}

    def one(self, lead: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of predict."""
        leads, faults = self._read([lead], with_closed=True)
        if faults:
            raise InputError("; ".join(f"{column}: {value!r} {reason}" for _, column, value, reason in faults))
        return self._rows(leads)[0]

    def many(self, given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The columns of predict of each open lead that can be used, and why others cannot; rows from 1."""
        if not given:
            return {"model": self.card.model, "leads": [], "rejected": [], "n_closed": 0}
        leads, faults = self._read(given, with_closed=False)
        rejected = [dict(zip(("row", "column", "value", "reason"), each, strict=True)) for each in faults]
        n_closed = 0
        if leads.outcome is not None and (is_closed := leads.outcome >= 0).any():
            n_closed, leads = int(is_closed.sum()), leads.take(~is_closed)
        return {"model": self.card.model, "leads": self._rows(leads), "rejected": rejected, "n_closed": n_closed}

    def explain(self, lead: Mapping[str, str]) -> list[str]:
        """One lead in words and points."""
        import pyarrow as pa

        from leadml.scoring.explaining import explain_lead

        mapping = self.mapping.model_copy(update={"lead_id": None})
        table = pa.table({name: pa.array([value]) for name, value in lead.items()})
        return explain_lead(table, mapping, self.card, "1").split("\n")

    def _rows(self, leads: Leads) -> list[dict[str, Any]]:
        from leadml.card.codes import codes_of
        from leadml.data.cells import text_of

        if len(leads) > 1 or leads.facts:
            rows = self.card.score(leads).rows()
        else:
            rows = [dict(self.card.lookup.row(each.tobytes())) for each in codes_of(self.card, leads)]
        ids = text_of(leads.lead_id).to_pylist() if leads.lead_id is not None else []
        return [{"lead_id": name, **row} for name, row in zip(ids, rows, strict=True)]

    def _read(
        self, given: Sequence[Mapping[str, Any]], with_closed: bool
    ) -> tuple[Leads, list[tuple[int, str, str, str]]]:
        """Leads that can be used, and (row, column, value, reason) of the others."""
        import pyarrow as pa

        from leadml.data.cells import text_array
        from leadml.data.chunks import Chunk

        names = tuple(sorted({name for lead in given for name in lead}))
        scorer = self._scorer(names, with_closed)
        columns = [text_array([_text(lead.get(name), name) for lead in given]) for name in scorer.columns]
        batch = pa.RecordBatch.from_arrays(columns, names=list(scorer.columns))
        leads, usable, found = scorer.read(Chunk(batch, np.arange(2, len(given) + 2)))  # below a header
        faults = [
            (int(row) - 1, each.column, value, each.reason)
            for each in found
            for row, value in zip(each.rows, each.values, strict=True)
        ]
        return (leads if usable.all() else leads.take(usable)), faults

    def _scorer(self, names: tuple[str, ...], with_closed: bool) -> Scorer:
        """What reads this set of columns; made once."""
        import pyarrow as pa

        from leadml.data.sources import open_source
        from leadml.scoring.scorer import Scorer

        if (key := (names, with_closed)) not in self._scorers:
            if len(self._scorers) >= MOST_SHAPES:
                self._scorers.clear()
            empty = open_source(pa.table({name: pa.array([""]) for name in names}), self.mapping.read)
            known = self.mapping if self.mapping.lead_id in names else self.mapping.model_copy(update={"lead_id": None})
            self._scorers[key] = Scorer(empty, known, [self.card], with_closed=with_closed)
        return self._scorers[key]


def _text(value: Any, name: str) -> str | None:
    """A cell as text; numbers as a file would have them."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return f"{value:.15g}" if isinstance(value, float) else str(value)
    raise InputError(f"{name}: got {type(value).__name__}, valid is a text, a number or null")
