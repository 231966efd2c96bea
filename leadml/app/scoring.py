"""Leads that come as JSON, scored as files are: by `leadml.scoring.predicting`, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leadml.card.record import Card
from leadml.data.mapping import load_mapping
from leadml.exceptions import InputError
from leadml.scoring.explaining import explain_lead
from leadml.scoring.face import mapping_of_levels
from leadml.scoring.predicting import Options, score_table


class LeadScorer:
    """A card and what the columns of leads mean; without a mapping they are named like the criteria."""

    def __init__(self, card: Card, mapping: Path | None) -> None:
        levels = mapping_of_levels([each.id for each in card.criteria], [each.column for each in card.attributes])
        self.card = card
        self.mapping = load_mapping(levels if mapping is None else mapping).model_copy(update={"optional": True})

    def one(self, lead: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of predict."""
        found = self.many([lead], with_closed=True)
        if faults := found["rejected"]:
            raise InputError("; ".join(f"{each['column']}: {each['value']!r} {each['reason']}" for each in faults))
        return dict(found["leads"][0])

    def many(self, given: Sequence[Mapping[str, Any]] | Path, *, with_closed: bool = False) -> dict[str, Any]:
        """The columns of predict of each open lead that can be used, and why others cannot.

        Rows are counted as in a file, and from 1 in a list, which has no header.
        """
        if not given:
            return {"model": self.card.model, "leads": [], "rejected": [], "n_closed": 0}
        options, header = Options(with_closed=with_closed), 0 if isinstance(given, Path) else 1
        table, opened, n_closed = score_table(given, self.mapping, self.card, options)
        rejected = [each | {"row": each["row"] - header} for each in opened.rejections.to_dicts()]
        return {"model": self.card.model, "leads": table.to_pylist(), "rejected": rejected, "n_closed": n_closed}

    def explain(self, lead: Mapping[str, str]) -> list[str]:
        """One lead in words and points."""
        mapping = self.mapping.model_copy(update={"lead_id": None})
        return explain_lead([dict(lead)], mapping, self.card, "1").split("\n")
