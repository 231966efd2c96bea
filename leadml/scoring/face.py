"""Python face of scoring: models with what they ask for, as Python, MLflow and the API use them, and predict."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml.card.record import Card
from leadml.data.mapping import Criterion, load_mapping
from leadml.exceptions import InputError, ModelRefError, UsageError
from leadml.scoring.predicting import score_table
from leadml.scoring.scorer import Options
from leadml.terminal import log

if TYPE_CHECKING:
    import pandas as pd

    from leadml.data.mapping import Mapping as Meaning

MAPPING_NAMES = ("mapping.yaml", "inputs/mapping.yaml", "../mapping.yaml")
"""Where the mapping lies beside a stored card; the last for those in the folders `BELOW` a calibration."""
BELOW = ("cards", "models")
VALID_MODEL = "valid is NAME, NAME@VERSION, a path, models:/NAME@ALIAS or runs:/ID; or give a Card itself"
OUTPUTS: Final = ("frame", "class", "probability")
"""What `Model.predict` gives: every column, or one number a row: 1 where it is followed up, or P(won)."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A card, or another estimator, and the mapping that it was learned by.

    Attributes
    ----------
    estimator : object
        The card or the classifier.
    mapping : path, Mapping or None
        The mapping that is kept with the model.
    criteria, context : sequence of str
        What a classifier learned from; a card tells that itself.
    """

    estimator: Any
    mapping: Path | Meaning | None = None
    criteria: Sequence[str] = ()
    context: Sequence[str] = ()

    def __repr__(self) -> str:
        held = repr(self.card) if self.card is not None else type(self.estimator).__name__
        return f"<Model {held}; mapping {self.mapping or 'not known'}>"

    @property
    def card(self) -> Card | None:
        """The card; None where the model is no card."""
        return self.estimator if isinstance(self.estimator, Card) else None

    @functools.cached_property
    def _known(self) -> Meaning:
        return load_mapping({"name": "levels"} if self.mapping is None else self.mapping)

    def meaning_of(self, columns: Collection[str]) -> Meaning:
        """What columns mean, each of which may be absent: by the mapping; a criterion whose column is not among them is
        read from levels under its own name."""
        criteria, context, read = self.criteria, self.context, dict(self._known.criteria)
        if self.card is not None:
            criteria, context = [each.id for each in self.card.criteria], [a.column for a in self.card.attributes]
        for name in criteria:
            if name in columns and (name not in read or read[name].column not in columns):
                read[name] = Criterion(column=name)
        context = tuple(dict.fromkeys([*self._known.context, *context]))
        return self._known.model_copy(update={"optional": True, "criteria": read, "context": context})

    def marked(self, meaning: Meaning) -> Meaning:
        """A mapping that reads text as the model's own does, where it names no decimal mark and none is sniffed."""
        read = meaning.read.model_copy(
            update={"sniffed_decimal": meaning.read.sniffed_decimal or self._known.read.mark}
        )
        return meaning.model_copy(update={"read": read})

    def predict(self, frame: Any, mapping: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """Score a frame of CRM columns, or of levels named as criteria.

        Parameters
        ----------
        frame : DataFrame (pandas or polars), Arrow table, or what makes one
            One row a lead, as the CRM exports it.
        mapping : Mapping, dict or path, optional
            What its columns mean; the model's own by default.
        params : mapping, optional
            ``output``: ``frame``, or one number a row: ``probability``, or ``class`` (1 where it is followed up).

        Returns
        -------
        DataFrame or Series
            The columns that ``leadml predict`` writes, one row each of the input, closed ones too; one that cannot be
            used is empty but for the reasons.
        """
        import pandas as pd

        from leadml.data.tables import stream_of

        output = (params or {}).get("output") or "frame"
        if output not in OUTPUTS:
            raise UsageError(f"output: got {output!r}; valid: {', '.join(OUTPUTS)}; choose one of these")
        if isinstance(frame, str | os.PathLike):
            how = "valid is a frame; for a file: leadml.predict(FILE, model.mapping, model)"
            raise UsageError(f"frame: got {os.fspath(frame)!r}; {how}")
        if not hasattr(frame, "iloc") and (stream := stream_of(frame)) is not None:
            frame = stream.read_pandas()
        given = pd.DataFrame(frame)
        meaning = self.marked(load_mapping(mapping)) if mapping is not None else self.meaning_of({*given.columns})
        scores = self._placed(given.reset_index(drop=True), meaning).set_axis(given.index)
        if output == "frame":
            return scores
        chance = scores["probability"].astype(float)
        if output == "probability":
            return chance
        # A classifier decides nothing: of it the likelier class, as scikit-learn's own predict.
        ready = (scores["decision"] == "ready" if self.card else chance >= 0.5).astype("int32").rename("class")
        unusable = scores["model"].isna()
        return ready.where(~unusable) if unusable.any() else ready

    def _placed(self, frame: pd.DataFrame, meaning: Meaning) -> pd.DataFrame:
        """Scores of rows, each in its place."""
        import pandas as pd

        if lacking := [each for each in self.context if each not in frame]:
            raise InputError(f"the rows lack {', '.join(lacking)}, which this classifier learned from; add them")
        # Rows are known by their number, so that each finds its place again.
        by_number = meaning.model_copy(update={"lead_id": None})
        scores = predict(frame, by_number, self.estimator, with_closed=True)
        rejected: pd.DataFrame = scores.attrs.pop("rejected")
        at = scores["lead_id"].astype("int64") - 1
        scores = scores.set_index(at).reindex(range(len(frame))).rename_axis(None)
        scores["lead_id"] = frame.get(meaning.lead_id, [str(row + 1) for row in range(len(frame))])
        if len(rejected):
            why = [f"{c} {v!r} {r}" for c, v, r in rejected[["column", "value", "reason"]].to_numpy()]
            # Rows are counted as a spreadsheet shows them: the first below the header is 2.
            reasons = pd.Series(why).groupby(rejected["row"].to_numpy() - 2).agg("; ".join)
            scores["reasons"] = scores["reasons"].astype(object)
            scores.loc[reasons.index, "reasons"] = reasons
            more = f"{len(reasons)} of {len(frame)} rows cannot be used and are empty, see reasons; the first"
            warnings.warn(f"{more}: {reasons.iloc[0]}", UserWarning, stacklevel=3)
        return scores


def load_model(ref: str | os.PathLike[str], store: str | os.PathLike[str] | None = None) -> Model:
    """Load a model, wherever it is kept.

    Parameters
    ----------
    ref : str or path
        ``NAME`` (its champion), ``NAME@VERSION``, the path of a card, of its folder or of ``models/*.joblib``,
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
    found = resolve(ref, store)
    names = MAPPING_NAMES if found.folder.name in BELOW else MAPPING_NAMES[:-1]
    mapping = next((found.folder / name for name in names if (found.folder / name).is_file()), None)
    beside = () if isinstance(found.model, Card) else (Path(ref).with_suffix(".json"), found.folder / "model.json")
    told: dict[str, Any] = next((json.loads(each.read_text("utf-8")) for each in beside if each.is_file()), {})
    return Model(found.model, mapping, told.get("criteria", ()), told.get("context", ()))


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
        Whether the leads of the highest expected value come first; without a chance by decision, points and amount.
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
    meaning, model = load_mapping(mapping), load_model(model) if isinstance(model, str | os.PathLike) else model
    if (learned := getattr(model, "leads", None)) and learned.mapping:  # a calibration
        model = Model(estimator_of(model), learned.mapping.kept(learned.format))
    meaning = model.marked(meaning) if isinstance(model, Model) else meaning
    table, opened, n_closed = score_table(source, meaning, estimator_of(model), options)
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
