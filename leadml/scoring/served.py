"""A model as it is served: leads as JSON over HTTP, or frames as MLflow loads it; columns of the CRM where its mapping
is known, or levels."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml.card.record import Card, load_card
from leadml.data.mapping import Criterion, load_mapping
from leadml.exceptions import InputError, UsageError
from leadml.scoring.explaining import explain
from leadml.scoring.face import mapping_of_levels, predict
from leadml.scoring.predicting import score_table
from leadml.scoring.scorer import Options

if TYPE_CHECKING:
    import pandas as pd

OUTPUTS: Final = ("frame", "class", "probability")
"""What `predict` gives: every column, or one number a row: 1 where it is followed up, or P(won)."""


class LeadScorer:
    """A card and what the columns of leads that come as JSON mean; each may be absent."""

    def __init__(self, card: Card, mapping: Path | None) -> None:
        self.card = card
        told = load_mapping(mapping_of_levels(*_asked(card)) if mapping is None else mapping)
        self.mapping = told.model_copy(update={"optional": True})

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
        table, opened, n_closed = score_table(given, self.mapping, self.card, Options(with_closed=with_closed))
        header = 0 if isinstance(given, Path) else 1
        rejected = [each | {"row": each["row"] - header} for each in opened.rejections.to_dicts()]
        return {"model": self.card.model, "leads": table.to_pylist(), "rejected": rejected, "n_closed": n_closed}

    def explain(self, lead: Mapping[str, str]) -> list[str]:
        """One lead in words and points."""
        mapping = self.mapping.model_copy(update={"lead_id": None})
        return explain([dict(lead)], mapping, self.card, "1").split("\n")


class Served:
    """A card or classifier, the mapping that it was learned by if there is one, and what it asks for."""

    def __init__(
        self, estimator: Any, mapping: Path | None, criteria: Sequence[str], context: Sequence[str], output: str
    ) -> None:
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
        chance = scores["probability"].astype(float)
        if output == "probability":
            return chance
        # A classifier decides nothing: of it the likelier class, as scikit-learn's own predict.
        is_card = isinstance(self.estimator, Card)
        ready = (scores["decision"] == "ready" if is_card else chance >= 0.5).astype(int).rename("class")
        unusable = scores["model"].isna()
        return ready.where(~unusable) if unusable.any() else ready

    def _score(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score; a row that cannot be used keeps its place, empty but for the reasons."""
        import pandas as pd

        asked = self._mapping_for({*frame.columns})
        if not isinstance(self.estimator, Card):  # which takes what there is; a classifier wants every column
            if lacking := [each for each in self.context if each not in frame]:
                raise InputError(f"the rows lack {', '.join(lacking)}, which this classifier learned from; add them")
            frame = frame.reindex(columns=[*dict.fromkeys([*frame, *(c.column for c in asked.criteria.values())])])
        scores = predict(frame, asked, self.estimator, with_closed=True)
        rejected: pd.DataFrame = scores.attrs.pop("rejected")
        at = scores["lead_id"].astype("int64") - 1
        scores = scores.drop(columns="lead_id").set_index(at).reindex(range(len(frame))).rename_axis(None)
        if len(rejected):
            why = [f"{c} {v!r} {r}" for c, v, r in rejected[["column", "value", "reason"]].to_numpy()]
            # Rows are counted as a spreadsheet shows them: the first below the header is 2.
            reasons = pd.Series(why).groupby(rejected["row"].to_numpy() - 2).agg("; ".join)
            scores["reasons"] = scores["reasons"].astype(object)
            scores.loc[reasons.index, "reasons"] = reasons
            more = f"{len(reasons)} of {len(frame)} rows cannot be used and are empty, see reasons; the first"
            warnings.warn(f"{more}: {reasons.iloc[0]}", UserWarning, stacklevel=3)
        if self.mapping is not None and self.mapping.lead_id in frame:
            scores.insert(0, "lead_id", frame[self.mapping.lead_id])
        return scores

    def _mapping_for(self, given: set[str]) -> Any:
        """The model's own mapping; a criterion whose column is not there is read from its level, if that is."""
        if self.mapping is None:
            return load_mapping(mapping_of_levels(self.criteria, self.context))
        criteria = dict(self.mapping.criteria)
        for name in self.criteria:
            if name in given and (name not in criteria or criteria[name].column not in given):
                criteria[name] = Criterion(column=name)
        # Rows are known by their number, so that each finds its place again.
        context = tuple(dict.fromkeys([*self.mapping.context, *self.context]))
        update = {"lead_id": None, "optional": True, "criteria": criteria, "context": context}
        return self.mapping.model_copy(update=update)


def _asked(card: Card) -> tuple[list[str], list[str]]:
    return [each.id for each in card.criteria], [each.column for each in card.attributes]


def load_served(path: str, output: str = "frame") -> Served:
    """Load from the folder that `leadml.tracking` logged: card.json or model.joblib, and mapping.yaml."""
    folder = Path(path)
    found = folder / "mapping.yaml"
    mapping = found if found.is_file() else None
    if (folder / "card.json").is_file():
        card = load_card(folder / "card.json")
        return Served(card, mapping, *_asked(card), output)
    from leadml.registry.resolve import resolve

    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return Served(resolve(folder / "model.joblib").model, mapping, about["criteria"], about["context"], output)
