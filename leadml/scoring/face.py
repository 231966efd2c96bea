"""Python face of scoring: predict and load_model."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadml.card.record import Card
from leadml.data.mapping import load_mapping
from leadml.exceptions import ModelRefError, UsageError
from leadml.scoring.predicting import score_table
from leadml.scoring.scorer import Options
from leadml.terminal import log

if TYPE_CHECKING:
    import pandas as pd

MAPPING_NAMES = ("mapping.yaml", "inputs/mapping.yaml", "../mapping.yaml")
"""Where the mapping lies beside a stored card; the last for those in the folders `BELOW` a calibration."""
BELOW = ("cards", "models")
VALID_MODEL = "valid is NAME, NAME@VERSION, a path, models:/NAME@ALIAS or runs:/ID; or give a Card itself"


@dataclasses.dataclass(frozen=True)
class Model:
    """A card, or another estimator, and the mapping that it was learned by.

    Attributes
    ----------
    card : Card or None
        The card; None where the model is no card.
    estimator : object
        The card or the classifier.
    mapping : path or None
        The mapping, where it is kept beside the model.
    """

    estimator: Any
    mapping: Path | None = None

    def __repr__(self) -> str:
        held = repr(self.card) if self.card is not None else type(self.estimator).__name__
        return f"<Model {held}; mapping {self.mapping or 'not known'}>"

    @property
    def card(self) -> Card | None:
        """The card; None where the model is no card."""
        return self.estimator if isinstance(self.estimator, Card) else None

    def predict(self, frame: Any, mapping: Any = None) -> pd.DataFrame:
        """Score a frame of CRM columns, or of levels named as criteria where no mapping is known.

        Parameters
        ----------
        frame : DataFrame or path
            One row a lead, as the CRM exports it.
        mapping : Mapping, dict or path, optional
            What its columns mean; the model's own by default.

        Returns
        -------
        DataFrame
            One row a lead, the columns that ``leadml predict`` writes.
        """
        told = mapping if mapping is not None else self.mapping
        if told is None:
            if self.card is None:
                raise UsageError("no mapping lies beside the model; give mapping=")
            told = mapping_of_levels([each.id for each in self.card.criteria])
        return predict(frame, told, self.estimator)


def mapping_of_levels(criteria: Iterable[str], context: Iterable[str] = ()) -> dict[str, Any]:
    """A mapping for columns of levels that are named like the criteria; each may be absent."""
    known = {name: {"column": name} for name in criteria}
    return {"name": "levels", "criteria": known, "context": list(context), "optional": True}


def load_model(ref: str | os.PathLike[str], store: str | os.PathLike[str] | None = None) -> Model:
    """Load a model, wherever it is kept.

    Parameters
    ----------
    ref : str or path
        ``NAME`` (its champion), ``NAME@VERSION``, the path of a card or of ``models/*.joblib``,
        ``models:/NAME@ALIAS`` or ``runs:/ID/...``.
    store : str or path, optional
        Folder of the models; ``LEADML_STORE`` or ``models_store`` by default.

    Returns
    -------
    Model
        Its card and its ``predict``.

    Raises
    ------
    ModelRefError
        The reference names none.

    Examples
    --------
    >>> load_model("nobody", store="no-such-folder")
    Traceback (most recent call last):
    leadml.exceptions.ModelRefError: no model 'nobody' in the store at no-such-folder; ...
    """
    from leadml.registry.resolve import resolve

    if not isinstance(ref, str | os.PathLike) or not os.fspath(ref):
        raise ModelRefError(f"model: got {ref!r}; {VALID_MODEL}")
    estimator, folder = resolve(ref, store)
    names = MAPPING_NAMES if folder.name in BELOW else MAPPING_NAMES[:-1]
    return Model(estimator, next((folder / name for name in names if (folder / name).is_file()), None))


def predict(
    source: Any,
    mapping: Any,
    model: Any,
    *,
    columns: Sequence[str] | None = None,
    keep_columns: bool = False,
    sort: bool = False,
    with_closed: bool = False,
    query: str | None = None,
) -> pd.DataFrame:
    """Score leads.

    Parameters
    ----------
    source : frame or path
        The leads: a frame of pandas, polars or Arrow, a file, folder or glob, or a SQLAlchemy URL.
    mapping : Mapping, dict or path
        What the columns mean.
    model : Card, Model, Calibration, str or path
        A card, or a reference as `load_model` takes it.
    columns : sequence of str, optional
        Which columns to give after ``lead_id``; all of them by default.
    keep_columns : bool
        Whether the columns of the source come along.
    sort : bool
        Whether the leads of the highest expected value come first.
    with_closed : bool
        Whether leads whose outcome is known are scored too.
    query : str, optional
        What to ask, where the source is a SQLAlchemy URL.

    Returns
    -------
    DataFrame
        One row a lead; ``.attrs["rejected"]`` tells the rows that could not be used, ``.attrs["n_closed"]``
        how many were left out as their outcome is known.

    Raises
    ------
    InputError
        The leads cannot be used.
    UsageError
        The mapping, model or an argument is wrong.

    Examples
    --------
    >>> import pandas as pd
    >>> from leadml.card.build import documented_card
    >>> from leadml.frameworks.catalog import load_policy
    >>> card = documented_card(load_policy("bant-points"))
    >>> mapping = {"name": "ours", "lead_id": "Deal", "criteria": {"need": {"column": "Need"}}}
    >>> leads = pd.DataFrame({"Deal": ["a", "b"], "Need": [4, 0]})
    >>> predict(leads, mapping, card, columns=["points", "decision"])
      lead_id  points decision
    0       a       4     wait
    1       b       0     wait
    """
    options = Options(columns=columns, keep_columns=keep_columns, sort=sort, with_closed=with_closed, query=query)
    table, opened, n_closed = score_table(source, load_mapping(mapping), estimator_of(model), options)
    if n_closed:
        how = "with_closed=True scores them"
        log.warning("%d of %d leads are closed and left out; %s", n_closed, opened.n_rows, how)
    frame: pd.DataFrame = table.to_pandas()
    frame.attrs |= {"rejected": opened.rejections.to_pandas(), "n_closed": n_closed}
    return frame


def estimator_of(model: Any) -> Any:
    """The card or classifier of what a user gives as a model."""
    if isinstance(model, str | os.PathLike):
        model = load_model(model)
    if isinstance(model, Model):
        return model.estimator
    if isinstance(getattr(model, "card", None), Card):  # a calibration: what it recommends
        return model.card
    if isinstance(model, Card) or hasattr(model, "predict_proba") or hasattr(model, "predict"):
        return model
    raise ModelRefError(f"model: got {str(model)[:80]!r} ({type(model).__name__}); {VALID_MODEL}")
