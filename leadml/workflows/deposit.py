"""What a calibration leaves beside its results: its inputs, a reference for drift, a version in the store."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadml.card.files import replacing, write_text
from leadml.card.sealed import pretty
from leadml.estimators.fitted import FittedContender
from leadml.leads.model import Leads
from leadml.records import dump_record
from leadml.store import Store
from leadml.workflows.experiment import Experiment
from leadml.workflows.fresh import REFERENCE, describe_reference
from leadml.workflows.promote import HELD_OUT

if TYPE_CHECKING:
    from leadml.workflows.calibrate import Calibration


def keep_inputs(calibration: Calibration, leads: Leads, settings: Experiment, directory: Path) -> None:
    """Write what a calibration can be rebuilt and watched by.

    Parameters
    ----------
    calibration : Calibration
        What was found.
    leads : Leads
        What it was found on.
    settings : Experiment
        How.
    directory : Path
        Gets mapping.yaml, experiment.yaml and, beside a card, reference.json; no rows.
    """
    if leads.mapping is not None:
        write_text(directory / "mapping.yaml", dump_record(leads.mapping))
    write_text(directory / "experiment.yaml", dump_record(settings))
    if calibration.card is not None:
        reference = describe_reference(calibration.card, leads, calibration.result["recommended"]["versus"])
        write_text(directory / REFERENCE, json.dumps(reference, indent=1) + "\n")


def save_fitted(fitted: Iterable[FittedContender], directory: Path) -> None:
    """Write contenders that are no card: ``ID.joblib``, and ``ID.json`` that says how to read and trust it.

    Parameters
    ----------
    fitted : iterable of FittedContender
        What `load_fitted` gives back.
    directory : Path
        Folder, made where it is absent.
    """
    import joblib

    directory.mkdir(exist_ok=True)
    for each in fitted:
        kept = io.BytesIO()
        joblib.dump(each.estimator, kept, compress=3)
        with replacing(directory / f"{each.id}.joblib") as temporary:
            temporary.write_bytes(kept.getvalue())
        write_text(directory / f"{each.id}.json", pretty(each.describe(kept.getvalue())))


def store_card(calibration: Calibration, directory: Path, store: Store, run_id: str | None) -> str:
    """Store the recommended card as a new version; the folder's card.json becomes that very card.

    Parameters
    ----------
    calibration : Calibration
        What was found, with a card.
    directory : Path
        Where `keep_inputs` wrote.
    store : Store
        The models store.
    run_id : str or None
        The MLflow run.

    Returns
    -------
    str
        ``NAME@VERSION``.
    """
    if calibration.card is None:
        raise ValueError("a calibration without a card has nothing to store")
    result = calibration.result
    own = next(c for c in result["contenders"] if c["recommended"])
    said = calibration.predictions
    said = said.loc[said["contender"] == own["id"]].drop(columns="contender")
    held_out = io.BytesIO()
    said.to_parquet(held_out, index=False)
    model = store.save_model(
        str(result["data"]["name"]),
        calibration.card,
        estimator=calibration.estimator,
        metrics=_figures(own),
        run_id=run_id,
        beside={REFERENCE: (directory / REFERENCE).read_bytes(), HELD_OUT: held_out.getvalue()},
    )
    store.load(model).save(directory / "card.json")
    return model


def _figures(contender: dict[str, Any]) -> dict[str, float | None]:
    """Held-out figures of a contender."""
    return {name: contender[name]["value"] for name in ("auc", "log_loss", "brier", "calibration_slope")}
