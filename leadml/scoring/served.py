"""A model as MLflow loads and serves it: columns of the CRM where the mapping lies beside it, or levels."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml.card.record import Card, load_card
from leadml.exceptions import InputError, UsageError
from leadml.scoring.face import mapping_of_levels, predict

if TYPE_CHECKING:
    import pandas as pd


OUTPUTS: Final = ("frame", "class", "probability")
"""What `predict` gives: every column, or one number a row: 1 where it is followed up, or P(won)."""


class Served:
    """A card or classifier, the mapping that it was learned by if there is one, and what it asks for."""

    def __init__(
        self, estimator: Any, mapping: Path | None, criteria: list[str], context: list[str], output: str
    ) -> None:
        from leadml.data.mapping import load_mapping

        self.estimator, self.criteria, self.context, self.output = estimator, criteria, context, output
        self.mapping = None if mapping is None else load_mapping(mapping)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """The columns of ``leadml predict``, one row each of the input, or one number a row (`OUTPUTS`)."""
        import pandas as pd

        output = (params or {}).get("output") or self.output
        if output not in OUTPUTS:
            raise UsageError(f"output: got {output!r}; valid: {', '.join(OUTPUTS)}; choose one of these")
        asked = pd.DataFrame(model_input)
        scores = self._score(asked.reset_index(drop=True)).set_axis(asked.index)
        if output == "frame":
            return scores
        if output == "probability":
            return scores["probability"].astype(float)
        # A classifier decides nothing: of it the likelier class, as scikit-learn's own predict.
        said = scores["decision"] if isinstance(self.estimator, Card) else scores["probability"].astype(float)
        ready = ((said == "ready") if isinstance(self.estimator, Card) else said >= 0.5).astype(int)
        ready, unusable = ready.rename("class"), said.isna()
        return ready.where(~unusable) if unusable.any() else ready

    def _score(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score; a row that cannot be used keeps its place, empty but for the reasons."""
        import pandas as pd

        given, told = set(frame.columns), self.mapping
        if not isinstance(self.estimator, Card):  # which takes what there is; a classifier wants every column
            lacking = [name for name in self.context if name not in frame]
            if lacking:
                raise InputError(f"the rows lack {', '.join(lacking)}, which this classifier learned from; add them")
            mapped = {} if told is None else told.criteria
            wanted = [*self.criteria, *(each.column for each in mapped.values())]
            frame = frame.reindex(columns=[*frame, *(name for name in wanted if name not in frame)])
        scores = predict(frame, self._mapping_for(frame, given), self.estimator, with_closed=True)
        rejected: pd.DataFrame = scores.attrs.pop("rejected")
        at = scores["lead_id"].astype("int64") - 1
        scores = scores.drop(columns="lead_id").set_index(at).reindex(range(len(frame))).rename_axis(None)
        if len(rejected):
            why = [f"{c} {v!r} {r}" for c, v, r in rejected[["column", "value", "reason"]].to_numpy()]
            # Rows are counted as a spreadsheet shows them: the first below the header is 2.
            reasons = pd.Series(why).groupby(rejected["row"].to_numpy() - 2).agg("; ".join)
            if "reasons" not in scores:
                scores["reasons"] = pd.Series(None, index=scores.index, dtype=object)
            scores["reasons"] = scores["reasons"].astype(object)
            scores.loc[reasons.index, "reasons"] = reasons
            more = f"{len(reasons)} of {len(frame)} rows cannot be used and are empty, see reasons; the first"
            warnings.warn(f"{more}: {reasons.iloc[0]}", UserWarning, stacklevel=3)
        if told is not None and told.lead_id in given:
            scores.insert(0, "lead_id", frame[told.lead_id])
        return scores

    def _mapping_for(self, frame: pd.DataFrame, given: set[str]) -> Any:
        """The model's own mapping; a criterion whose column is not there is read from its level, if that is."""
        from leadml.data.mapping import Criterion

        told = self.mapping
        if told is None or not any(each.column in given for each in told.criteria.values()):
            return mapping_of_levels(self.criteria, frame.columns, self.context)
        by_level = {
            name: Criterion(column=name)
            for name in self.criteria
            if name in given and (name not in told.criteria or told.criteria[name].column not in given)
        }
        # Rows are known by their number, so that each finds its place again.
        return told.model_copy(update={"lead_id": None, "optional": True, "criteria": {**told.criteria, **by_level}})


def load_served(path: str, output: str = "frame") -> Served:
    """Load from the folder that `leadml.tracking` logged: card.json or model.joblib, and mapping.yaml."""
    folder = Path(path)
    found = folder / "mapping.yaml"
    mapping = found if found.is_file() else None
    if (folder / "card.json").is_file():
        card = load_card(folder / "card.json")
        asked = [each.id for each in card.criteria], [each.column for each in card.attributes]
        return Served(card, mapping, *asked, output)
    from leadml.registry.resolve import resolve

    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return Served(resolve(folder / "model.joblib").model, mapping, about["criteria"], about["context"], output)
