"""Runs in MLflow: a calibration with a nested run a contender, a monitoring; a receipt beside the results."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml import __version__
from leadml.card.files import write_text
from leadml.exceptions import TrackingError
from leadml.frameworks.catalog import list_frameworks
from leadml.report.html import read_folder
from leadml.result import load_result
from leadml.tracking.connection import Place, chosen_uri, connect, explained, without_password
from leadml.tracking.models import log_model, register

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from leadml.result import Contender, PolicyResult, Result

RECEIPT: Final = "tracking.json"
MAX_COLUMNS: Final = 40
LONGEST: Final = 600.0
"""Seconds after which sending is given up; `leadml track` sends later what is too slow now."""
_SENT: Final = ("report.html", "result.json", "card.json", "cards", "mapping.yaml", "experiment.yaml")
_FIGURES: Final = ("auc", "log_loss", "brier", "workload", "precision", "recall")


@dataclass(frozen=True)
class Tracked:
    """Where MLflow has a run. look : how to look at it. registered : NAME, version and alias, or empty."""

    run_id: str
    experiment_id: str
    look: str = ""
    registered: str = ""


def track_calibration(found: Any, run: Any = None, tracking_uri: str | None = None) -> Tracked:
    """Send a calibration that is not saved: it is saved to a folder for the time of it."""
    with tempfile.TemporaryDirectory(prefix="leadml-") as folder:
        found.save(folder)
        then = "Nothing of the result is lost: found.save(DIR), then `leadml track DIR` sends it."
        return track_folder(folder, run=run, tracking_uri=tracking_uri, then=then)


def track_folder(
    directory: str | os.PathLike[str], *, run: Any = None, tracking_uri: str | None = None,
    experiment_name: str | None = None, stored_as: str | None = None, champion: bool = False, then: str = "",
) -> Tracked:  # fmt: skip
    """Send what `calibrate` or `monitor` wrote, unless it is there; what was sent by half is sent anew.

    run : a run, or its id, to log to. stored_as : NAME@VERSION of the card on disk (else what was noted when it
    was sent before), shown in the registry as champion or challenger. then : what to do where it fails.
    """
    folder = Path(directory)
    written = next((each for each in (folder / "result.json", folder / "monitor.json") if each.is_file()), None)
    if written is None:
        valid = "valid is a folder that `leadml calibrate -o` or `leadml monitor -o` wrote"
        raise TrackingError(f"tracking: {folder} holds neither result.json nor monitor.json; {valid}")
    noted: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        noted = dict(json.loads((folder / RECEIPT).read_text(encoding="utf-8")))

    def note(**more: object) -> None:
        noted.update(more)
        write_text(folder / RECEIPT, json.dumps(noted, indent=2) + "\n")

    if stored_as is not None:  # also for a later `leadml track`
        note(stored_as=stored_as, champion=champion)
    uri, given = chosen_uri(tracking_uri), getattr(getattr(run, "info", None), "run_id", run)
    sends = f"`leadml track {folder}` sends it, --no-track leaves it out."
    with explained("sending a run", uri, then or f"The result is complete in {folder}; {sends}"):
        place = connect(uri, experiment_name)
        # Another look in the same folder is another run.
        digest = hashlib.sha256(written.read_bytes()).hexdigest()
        if given is None and _is_there(place, noted):
            if noted.get("status") != "complete":
                place.client.delete_run(noted["run_id"])
            elif noted.get("sha256") in (None, digest):  # 0.1 noted none
                return Tracked(noted["run_id"], noted["experiment_id"])
        if written.name == "result.json":
            result = load_result(folder)
            name, tags = run_name(result), {"kind": "calibration", "data_digest": result.data.digest[:64]}
            send = functools.partial(_send_calibration, place, folder, result)
        else:
            found = json.loads(written.read_text(encoding="utf-8"))
            name, tags = f"{found['model']}: {found['state']}", {"kind": "monitoring"}
            send = functools.partial(_send_monitoring, place, folder, found)
        run_id = given or _start(place, name, tags)
        where = {"tracking_uri": without_password(uri), "sha256": digest}  # never a password
        note(run_id=run_id, experiment_id=place.experiment_id, status="started", **where)
        try:
            send(run_id)
        except BaseException:
            with contextlib.suppress(Exception):
                place.client.set_terminated(run_id, "FAILED")
            raise
        if given is None:  # a run of the user's own goes on
            place.client.set_terminated(run_id)
        shown = ""
        if noted.get("stored_as") and (folder / "card.json").is_file():
            shown = register(place, noted["stored_as"], folder, champion=noted["champion"], run_id=run_id)
        note(status="complete")
    return Tracked(run_id, place.experiment_id, look_command(uri, place.experiment_id, run_id), shown)


def _is_there(place: Place, noted: Mapping[str, Any]) -> bool:
    """Whether what was sent before is in this store still."""
    from mlflow.exceptions import MlflowException

    if noted.get("tracking_uri") != without_password(place.uri):
        return False
    with contextlib.suppress(MlflowException):
        return bool(place.client.get_run(noted["run_id"]).info.lifecycle_stage == "active")
    return False


def _start(place: Place, name: str, tags: Mapping[str, str]) -> str:
    known = {**tags, "leadml.version": __version__, "mlflow.source.name": "leadml"}
    if place.parent is not None:
        known["mlflow.parentRunId"] = place.parent
    return str(place.client.create_run(place.experiment_id, run_name=name[:250], tags=known).info.run_id)


def look_command(uri: str, experiment_id: str, run_id: str) -> str:
    """How to look at a run: the page of a server, or a command and its page."""
    page = f"#/experiments/{experiment_id}/runs/{run_id}"
    if uri.startswith("http"):
        return f"{without_password(uri).rstrip('/')}/{page}"
    command = f"mlflow ui --backend-store-uri {without_password(uri)} --port 5000"
    return f"{command}   # then open http://127.0.0.1:5000/{page}"


def _send_calibration(place: Place, folder: Path, result: Result, run_id: str) -> None:
    """The answer, its files and charts, the card; a nested run for every contender, with what one would deploy."""
    import pandas as pd

    until, client, mapping = time.monotonic() + LONGEST, place.client, folder / "mapping.yaml"
    rules, by_id = {each.id: each for each in result.policies}, {each.id: each for each in result.contenders}
    rule, data, chosen = next(iter(rules.values()), None), result.data, result.recommended
    answers = {name: getattr(rule, name, None) for name in ("verdict", "verdict_weights", "verdict_cutoff")}
    params = {
        "baseline": rule and rule.id, "recommended": chosen.contender, **answers, "in_use": chosen.in_use,
        "framework": chosen.framework, "data": data.name, "as_of": data.as_of, "evaluation": result.evaluation.kind,
        "without": ", ".join(result.dropped.columns) if result.dropped else None,
        "random_state": result.settings.get("random_state"),
    }  # fmt: skip
    counts = {"n_won": data.n_won, "n_lost": data.n_lost, "n_rejected": data.n_rejected, "base_rate": data.base_rate}
    figures = figures_of(by_id.get(str(chosen.contender)), rule, by_id.get(rule.id) if rule else None)
    log_figures(client, run_id, figures | counts, params)
    lost = [{"contender": c.id, **row.model_dump(mode="json")} for c in result.contenders for row in c.importance]
    if lost:
        client.log_table(run_id, pd.json_normalize(lost), "importance.json")
    _send_files(client, run_id, folder)
    if (folder / "card.json").is_file():
        log_model(place, run_id, folder / "card.json", "card", mapping)
    # MLflow's pages list the newest first: sent last is what is to be read first.
    for each in reversed(result.contenders):
        if time.monotonic() > until:
            raise TimeoutError(f"longer than {LONGEST:.0f} s")
        own, about = rules.get(each.id), {"kind": each.kind, "mlflow.note.content": each.title}
        nested = _start(replace(place, parent=run_id), each.id, about)
        card, fitted = folder / "cards" / f"{each.id}.json", folder / "models" / f"{each.id}.joblib"
        if card.is_file() and (each.kind == "wide" or each.id == params["baseline"]):
            log_model(place, nested, card, each.id, mapping)
        elif fitted.is_file() and each.kind in ("wide", "context", "custom"):
            log_model(place, nested, fitted, each.id, mapping)
        log_figures(client, nested, figures_of(each, own), {"verdict": own and own.verdict})
        client.set_terminated(nested)


def run_name(result: Result) -> str:
    """The answer: ``b2b: BANT 3 of 4 undecided, +1.3% (-0.2 to +2.9)``."""
    if not result.policies:
        return f"{result.data.name}: {result.recommended.contender or 'no card'}"
    rule, title = result.policies[0], ""
    if rule.unit == "contactable":
        title = rule.title
    else:
        titles = {each.id: each.title for each in list_frameworks()}
        count = f"{rule.documented_cutoff} of {rule.total_max}{' points' if rule.unit == 'points' else ''}"
        title = f"{titles.get(rule.framework or '', rule.framework or rule.id)} {count}"
    name, gain = f"{result.data.name}: {title} {rule.verdict}", rule.gain_weights
    if gain is None or gain.value is None or gain.low is None or gain.high is None:
        return name
    return f"{name}, {gain.value:+.1%} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def figures_of(
    contender: Contender | None, rule: PolicyResult | None, documented: Contender | None = None
) -> dict[str, float]:
    """Figures of a run, a name meaning the same in each: held out, but for the outlook (`expected_...`).

    documented : the rule among the contenders. The gain: of a rule what its card wins more, else what is won
    beyond the baseline.
    """
    made: dict[str, float | None] = {}
    gain = rule.gain_weights if rule else contender.gain.wins_captured if contender else None
    if gain is not None:
        made |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    if rule is not None:
        learned = None if rule.learned_cutoff is None else rule.learned_cutoff.value
        made |= {"documented_cutoff": rule.documented_cutoff, "learned_cutoff": learned}
        made["cutoff_delta"] = None if learned is None else learned - rule.documented_cutoff
        if look := rule.outlook:
            made |= {f"expected_wins_per_100_{name}": figure.value for name, figure in look.wins_per_100}
            made["p_better"] = look.p_better
    for each in (documented, contender):
        if each is not None and each.wins_per_100 is not None:
            kind = "documented" if each.kind == "documented" else "learned"
            made[f"wins_per_100_{kind}"] = each.wins_per_100.value
    for name in _FIGURES if contender is not None else ():
        figure = getattr(contender, name)
        made[name] = figure and figure.value
    return {key: float(value) for key, value in made.items() if value is not None}


def log_figures(
    client: MlflowClient, run_id: str, metrics: Mapping[str, float | None], params: Mapping[str, object]
) -> None:
    """One request for all figures of a run that are known."""
    from mlflow.entities import Metric, Param

    now, said = int(time.time() * 1000), [Param(key, str(v)[:500]) for key, v in params.items() if v is not None]
    kept = [Metric(key, float(value), now, 0) for key, value in metrics.items() if value is not None]
    client.log_batch(run_id, kept[: MAX_COLUMNS - len(said)], said)


def _send_files(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Report, records and cards, never rows; charts as images."""
    import vl_convert

    from leadml.report.charts import all_charts

    with tempfile.TemporaryDirectory(prefix="leadml-") as temporary:
        staged = Path(temporary)
        for name in _SENT:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, staged / name)
            elif (folder / name).is_file():
                shutil.copyfile(folder / name, staged / name)
        for name, chart in all_charts(*read_folder(folder)).items():
            (staged / f"{name}.png").write_bytes(vl_convert.vegalite_to_png(chart.to_json()))
        client.log_artifacts(run_id, str(staged))


def _send_monitoring(place: Place, folder: Path, found: Mapping[str, Any], run_id: str) -> None:
    rate = (found.get("base_rate") or {}).get("value")
    metrics = {"e": found["e"], "predicted": found["predicted"], "n_closed": found["data"]["n_closed"]}
    log_figures(place.client, run_id, {**metrics, "base_rate": rate}, {key: found[key] for key in ("model", "state")})
    for file in ("monitor.html", "monitor.json"):
        if (folder / file).is_file():
            place.client.log_artifact(run_id, str(folder / file))
