"""A calibration made again from what was kept of it and its data: the same, or not?"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from leadml.exceptions import UsageError
from leadml.leads import load_mapping
from leadml.workflows.calibrate import Calibration, calibrate_counted, count_file
from leadml.workflows.experiment import load_experiment
from leadml.workflows.track import read_result

Sameness = Literal["identical", "rounding", "different", "other-data"]

ROUNDING = 1e-9
"""Relative difference up to which numbers differ by rounding alone, as on another machine."""

SHOWN = 20

_NEEDED = ("result.json", "mapping.yaml", "experiment.yaml")
_PASSING = {
    "leadml_version",
    "data.source",
    "version",
    "sha256",
    "provenance.mlflow_run_id",
    "provenance.leadml_version",
}
"""What tells of one making and not of what was found."""


@dataclass(frozen=True)
class Reproduced:
    """How a calibration compares with the one that was kept.

    Attributes
    ----------
    sameness : {"identical", "rounding", "different", "other-data"}
        rounding: every number agrees to nine digits. other-data: not the same data, so nothing was learned.
    differences : list of str
        ``PLACE: kept ..., now ...``; the first 20.
    n_differences : int
        All of them.
    kept_by, made_by : str
        Releases of leadml.
    """

    sameness: Sameness
    differences: list[str]
    n_differences: int
    kept_by: str
    made_by: str


def reproduce(
    ref: str | os.PathLike[str],
    source: str | os.PathLike[str],
    *,
    tracking_uri: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Reproduced:
    """Make a calibration again and compare.

    Parameters
    ----------
    ref : str or path
        What `leadml calibrate -o DIR` wrote, or a run of MLflow: its id, or ``runs:/ID``.
    source : str or path
        The data that it was made from.
    tracking_uri : str, optional
        Where MLflow keeps runs.
    say : callable, optional
        Called with a line of progress.

    Returns
    -------
    Reproduced
        The same, or what differs.

    Raises
    ------
    UsageError
        When the folder or run does not hold a mapping, an experiment and a result.
    """
    tell = say or (lambda _line: None)
    folder = _open(os.fspath(ref), tracking_uri)
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"{ref}: holds no {', '.join(missing)}; valid is a folder that `leadml calibrate -o` of this "
            "release wrote, or the run of such a calibration"
        )
    kept = read_result(folder)
    made_by = _release()
    settings = load_experiment(folder / "experiment.yaml")
    counted = count_file(source, load_mapping(folder / "mapping.yaml"), settings)
    leads = counted.leads
    if leads.digest != kept["data"]["digest"]:
        told = [f"data.digest: kept {kept['data']['digest']}, now {leads.digest}"]
        return Reproduced("other-data", told, 1, str(kept["leadml_version"]), made_by)
    tell("learning and comparing again")
    made = calibrate_counted(counted, settings, str(kept["data"]["name"]))
    found = list(_differences(folder, kept, made))
    sameness: Sameness = "identical"
    if found:
        sameness = "rounding" if all(by_rounding for _, by_rounding in found) else "different"
    told = [text for text, by_rounding in found if not by_rounding] or [text for text, _ in found]
    return Reproduced(sameness, told[:SHOWN], len(found), str(kept["leadml_version"]), made_by)


def format_reproduced(found: Reproduced) -> str:
    """Write for a terminal how a calibration compares.

    Parameters
    ----------
    found : Reproduced
        What `reproduce` gave.

    Returns
    -------
    str
        Lines.
    """
    says = {
        "identical": "same: every figure, card and held-out prediction is identical",
        "rounding": "same: every figure agrees to nine digits; the rest is rounding, as on another machine",
        "different": f"different: {found.n_differences} values differ",
        "other-data": "different: these are not the data that it was made from; nothing was learned",
    }
    lines = [says[found.sameness], *(f"  {each}" for each in found.differences)]
    if found.kept_by != found.made_by:
        lines.append(f"made by leadml {found.kept_by}, made again by {found.made_by}")
    return "\n".join(lines)


def _open(ref: str, tracking_uri: str | None) -> Path:
    """Find the folder, or fetch what a run holds."""
    if Path(ref).is_dir():
        return Path(ref)
    run_id = ref.removeprefix("runs:/").strip("/")
    if re.fullmatch(r"[0-9a-f]{32}", run_id):
        from leadml.tracking import fetch_artifacts

        return fetch_artifacts(run_id, tracking_uri)
    raise UsageError(
        f"{ref!r}: is neither a folder nor a run; give what `leadml calibrate -o DIR` wrote, or the id of an "
        "MLflow run"
    )


def _differences(folder: Path, kept: dict[str, Any], made: Calibration) -> Iterator[tuple[str, bool]]:
    """Tell every difference, and whether it is rounding alone."""
    yield from _compare(kept, json.loads(json.dumps(made.result)), "")
    cards = {path.stem: path for path in sorted((folder / "cards").glob("*.json"))}
    for name in sorted({*cards} ^ {*made.cards}):
        yield f"cards/{name}.json: kept {name in cards}, now {name in made.cards}", False
    for name in sorted({*cards} & {*made.cards}):
        card = json.loads(cards[name].read_text(encoding="utf-8"))
        yield from _compare(card, made.cards[name].to_dict(), "", f"cards/{name}.json ")
    path = folder / "predictions.parquet"
    if path.is_file():  # rows are never sent to MLflow
        import pandas as pd

        before = pd.read_parquet(path)
        if not before.equals(made.predictions.reset_index(drop=True).astype(before.dtypes.to_dict())):
            yield "predictions.parquet: other predictions", False


def _compare(kept: Any, now: Any, at: str, place: str = "") -> Iterator[tuple[str, bool]]:
    """Walk two documents side by side."""
    if at in _PASSING:
        return
    if isinstance(kept, dict) and isinstance(now, dict):
        for key in {**kept, **now}:
            inner = f"{at}.{key}" if at else str(key)
            yield from _compare(kept.get(key), now.get(key), inner, place)
    elif isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        for position, (one, other) in enumerate(zip(kept, now, strict=True)):
            yield from _compare(one, other, f"{at}[{position}]", place)
    elif kept != now or type(kept) is not type(now):
        numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (kept, now))
        by_rounding = numbers and math.isclose(kept, now, rel_tol=ROUNDING, abs_tol=ROUNDING)
        yield f"{place}{at}: kept {kept!r:.80}, now {now!r:.80}", by_rounding


def _release() -> str:
    from leadml import __version__

    return __version__
