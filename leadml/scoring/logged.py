"""A logged model as MLflow asks it: pyfunc for the columns of predict, its evaluator for classes and chances."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.data.mapping import load_mapping
from leadml.exceptions import InputError
from leadml.scoring.face import Model, load_model

if TYPE_CHECKING:
    from leadml.levels import Floats


class Logged:
    """What MLflow takes for a scikit-learn classifier, since its evaluator asks nothing else for chances."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def score(
        self, frame: Any, y: Any = None, sample_weight: Any = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """What pyfunc calls: the columns that `leadml predict` writes. With the truth, as of a classifier, accuracy."""
        if y is None:
            return self.model.predict(frame, params=params)
        return float(np.average(self.predict(frame) == y, weights=sample_weight))

    def predict(self, frame: Any) -> Floats:
        """1 where a lead is followed up."""
        return self._of_all(frame, "class").astype(int)

    __call__ = predict  # MLflow's explainer calls a model

    @property
    def predict_proba(self) -> Any:
        """Chances of lost and won; a documented rule has none."""
        if self.model.card is not None and not self.model.card.table:
            raise AttributeError("predict_proba")
        return lambda frame: np.column_stack([1 - (chance := self._of_all(frame, "probability")), chance])

    def _of_all(self, frame: Any, output: str) -> Floats:
        found = self.model.predict(frame, params={"output": output})
        if found.isna().any():
            raise InputError(f"{found.isna().sum()} of {len(found)} rows cannot be used; leave them out to evaluate")
        return np.asarray(found, dtype=float)


def load_logged(files: Mapping[str, bytes]) -> Logged:
    """Make a model of the files that were logged."""
    with tempfile.TemporaryDirectory(prefix="leadml-") as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        model = load_model(next(Path(folder, each) for each in ("card.json", "model.joblib") if each in files))
        mapping = load_mapping(model.mapping) if model.mapping is not None else None
        return Logged(dataclasses.replace(model, mapping=mapping))
