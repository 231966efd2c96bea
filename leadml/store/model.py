"""A model as Python code uses it: its card, `predict`, and the estimator for whoever wants it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadml.card import Card, load_card
from leadml.exceptions import StoreError
from leadml.store.manifest import check_file, check_libraries, load_manifest
from leadml.store.refs import is_path
from leadml.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Model", "load_model"]


class Model:
    """A card, and where it lies.

    Parameters
    ----------
    card : Card
        The card.
    folder : Path, optional
        Folder of its version in the store; None for a card that lies elsewhere.
    """

    def __init__(self, card: Card, folder: Path | None = None) -> None:
        self.card = card
        self.folder = folder

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score leads, giving the columns that `leadml predict` writes.

        Parameters
        ----------
        frame : DataFrame of shape (n, m)
            Levels 0 to 4, NaN for unknown, in columns named like the criteria; ``lead_id`` when there is one
            (else the row number, from 1); columns of facts that the card's caveats name.

        Returns
        -------
        DataFrame of shape (n, 15)
            One row a lead, in the same order and with the same index.

        Raises
        ------
        InputError
            When a level is none, or no criterion is there.
        """
        wanted = {fact for caveat in self.card.caveats for fact in caveat.when}
        facts = {fact: frame[fact].tolist() for fact in wanted if fact in frame}
        scores = self.card.score(frame, facts).to_pandas()
        ids = frame["lead_id"] if "lead_id" in frame else range(1, len(frame) + 1)
        scores.insert(0, "lead_id", [str(each) for each in ids])
        return scores.set_axis(frame.index, axis=0)

    def load_estimator(self) -> Any:
        """Load the scikit-learn estimator beside the card. Loading runs code: trust who wrote it.

        Returns
        -------
        estimator
            As it was stored.

        Raises
        ------
        StoreError
            When there is none, its digest differs, or the libraries here are other releases.
        """
        if self.folder is None:
            raise StoreError(
                f"{self.card.model}: a card outside the store has no estimator; load it by its name"
            )
        manifest = load_manifest(self.folder)
        path = check_file(self.folder, "model.joblib", manifest)
        check_libraries(self.folder, manifest)
        import joblib

        return joblib.load(path)


def load_model(ref: str | os.PathLike[str], store_root: str | os.PathLike[str] | None = None) -> Model:
    """Load a model.

    Parameters
    ----------
    ref : str or path
        ``NAME`` (its champion), ``NAME@VERSION``, or the path of a card.
    store_root : str or path, optional
        Folder of the store; ``LEADML_STORE`` or ``models_store`` when not given.

    Returns
    -------
    Model
        The model.

    Raises
    ------
    ModelRefError
        When the reference names none.
    StoreError
        When the card was changed.
    """
    ref = os.fspath(ref)
    store = Store(store_root)
    path = store.resolve(ref)
    if is_path(ref):
        return Model(load_card(path))
    return Model(store.load(ref), path.parent)
