"""A model as MLflow loads and serves it: columns of the CRM where the mapping lies beside it, or levels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadml.card.record import Card, load_card
from leadml.exceptions import InputError
from leadml.scoring.face import mapping_of_levels, predict

if TYPE_CHECKING:
    import pandas as pd


class Served:
    """A card or classifier, the mapping that it was learned by if there is one, and what it asks for."""

    def __init__(self, estimator: Any, mapping: Path | None, criteria: list[str], context: list[str]) -> None:
        from leadml.data.mapping import load_mapping

        self.estimator, self.criteria, self.context = estimator, criteria, context
        self.mapping = None if mapping is None else load_mapping(mapping)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """The columns of ``leadml predict``, one row each of the input; one that cannot be used is empty."""
        import pandas as pd

        frame = pd.DataFrame(model_input).reset_index(drop=True)
        given = set(frame.columns)
        if not isinstance(self.estimator, Card):  # which takes what there is; a classifier wants every column
            lacking = [name for name in self.context if name not in frame]
            if lacking:
                raise InputError(
                    f"the rows lack {', '.join(lacking)}, which this classifier learned from; add them"
                )
            mapped = {} if self.mapping is None else self.mapping.criteria
            wanted = [*self.criteria, *(each.column for each in mapped.values())]
            frame = frame.reindex(columns=[*frame, *(name for name in wanted if name not in frame)])
        scores = predict(frame, self._mapping_for(frame, given), self.estimator, with_closed=True)
        at = scores["lead_id"].astype("int64") - 1
        return scores.drop(columns="lead_id").set_index(at).reindex(range(len(frame))).rename_axis(None)

    def _mapping_for(self, frame: pd.DataFrame, given: set[str]) -> Any:
        """The model's own mapping where its columns are there, else levels by the names of criteria."""
        told = self.mapping
        if told is not None and any(each.column in given for each in told.criteria.values()):
            # Rows are known by their number, so that each finds its place again.
            return told.model_copy(update={"lead_id": None, "optional": True})
        return mapping_of_levels(self.criteria, frame.columns, self.context)


def load_served(path: str) -> Served:
    """Load from the folder that `leadml.tracking` logged: card.json or model.joblib, and mapping.yaml."""
    folder = Path(path)
    found = folder / "mapping.yaml"
    mapping = found if found.is_file() else None
    if (folder / "card.json").is_file():
        card = load_card(folder / "card.json")
        asked = [each.id for each in card.criteria], [each.column for each in card.attributes]
        return Served(card, mapping, *asked)
    from leadml.registry.resolve import resolve

    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return Served(resolve(folder / "model.joblib"), mapping, about["criteria"], about["context"])
