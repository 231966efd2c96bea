"""Contenders that are no card, fitted: a classifier, what it reads, and the chance that it asks for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = {"probability": "double", "decision": "string"}
"""What `FittedContender.predict` gives, by MLflow's names of types."""


@dataclass(frozen=True)
class FittedContender:
    """A contender that is no card, as it learned from all closed deals.

    Attributes
    ----------
    id, title : str
        As in result.json.
    columns : dict of str to str
        What it reads: criteria (``double``, levels 0 to 4) and context columns (``double`` or ``string``).
    threshold : float or None
        P(won) from which it would follow up; None where it follows up no one.
    gates : dict of str to int
        By criterion, the level below which a lead is no match.
    estimator : classifier
        Gives P(won) of a frame with these columns.
    """

    id: str
    title: str
    columns: dict[str, str]
    threshold: float | None
    gates: dict[str, int]
    estimator: Any

    def describe(self, joblib: bytes) -> dict[str, Any]:
        """Describe everything but the estimator.

        Parameters
        ----------
        joblib : bytes
            The file that keeps the estimator.

        Returns
        -------
        dict
            What stands beside that file; its digest is in it.
        """
        return {
            "schema_version": 1,
            "id": self.id,
            "title": self.title,
            "columns": self.columns,
            "threshold": self.threshold,
            "gates": self.gates,
            "estimator": {"sha256": hashlib.sha256(joblib).hexdigest()},
        }

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Judge leads.

        Parameters
        ----------
        frame : DataFrame of shape (n, n_columns)
            Columns as in `columns`; one that is absent is unknown throughout.

        Returns
        -------
        DataFrame of shape (n, 2)
            ``probability`` of being won, and ``decision``: ready, wait or no-match.

        Raises
        ------
        ValueError
            When not one of the columns is there.
        """
        import pandas as pd

        if not any(name in frame for name in self.columns):
            raise ValueError(
                f"{self.id}: none of the columns {', '.join(self.columns)} is there; give at least one"
            )
        read = {
            name: pd.to_numeric(frame[name] if name in frame else pd.Series(np.nan, frame.index)).astype(
                float
            )
            if kind == "double"
            else _texts(frame, name)
            for name, kind in self.columns.items()
        }
        ready = pd.DataFrame(read, index=frame.index)
        probability = self.estimator.predict_proba(ready)[:, 1]
        follow = np.zeros(len(ready), dtype=bool)
        if self.threshold is not None:
            follow = probability >= self.threshold - 1e-12
        failed = np.zeros(len(ready), dtype=bool)
        for criterion, below in self.gates.items():
            failed |= (ready[criterion] < below).to_numpy()
        decision = np.where(failed, "no-match", np.where(follow, "ready", "wait"))
        return pd.DataFrame({"probability": probability, "decision": decision}, index=frame.index)


def load_fitted(path: str | Path) -> FittedContender:
    """Load a contender that a calibration kept.

    Parameters
    ----------
    path : str or Path
        ``models/ID.json``; ``ID.joblib`` beside it is run as code when it is loaded.

    Returns
    -------
    FittedContender
        With its estimator.

    Raises
    ------
    ValueError
        When the joblib file is not the one that the description was written for; it is not loaded then.
    """
    import io

    import joblib

    path = Path(path)
    about = json.loads(path.read_text(encoding="utf-8"))
    kept = path.with_suffix(".joblib")
    content = kept.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != about["estimator"]["sha256"]:
        raise ValueError(
            f"{kept}: its digest is {digest[:12]}, but {path.name} names another; valid is the file that was "
            "written with it. It is not loaded, since loading runs it as code. Calibrate again."
        )
    return FittedContender(
        id=about["id"],
        title=about["title"],
        columns=about["columns"],
        threshold=about["threshold"],
        gates=about["gates"],
        estimator=joblib.load(io.BytesIO(content)),
    )


def _texts(frame: pd.DataFrame, name: str) -> Any:
    """Give a column of texts, None where there is none."""
    if name not in frame:
        return np.full(len(frame), None, dtype=object)
    values = frame[name].astype(object)
    return values.where(values.notna(), None)
