"""Runs in MLflow: a calibration with a nested run a contender, a monitoring; a receipt beside the results."""

from __future__ import annotations

import contextlib
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
from leadml.tracking.connection import Place, chosen_uri, connect, explained, without_password
from leadml.tracking.models import log_model, register

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from leadml.result import Contender, Figure, PolicyResult, Result

RECEIPT: Final = "tracking.json"
STORED: Final = "stored.json"
MAX_COLUMNS: Final = 40
LONGEST: Final = 600.0
"""Seconds after which sending is given up; `leadml track` sends later what is too slow now."""
_SENT: Final = (
    "report.html", "result.json", "card.json", "cards", "mapping.yaml", "experiment.yaml",
)  # fmt: skip
_FIGURES: Final = ("auc", "log_loss", "brier", "workload", "precision", "recall")
_TABLES: Final = ("contenders", "policies", "findings", "segments")


@dataclass(frozen=True)
class Tracked:
    """Where MLflow has a run. look : how to look at it. registered : NAME, version and alias, or empty."""

    run_id: str
    experiment_id: str
    tracking_uri: str
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
    is_calibration = (folder / "result.json").is_file()
    if not is_calibration and not (folder / "monitor.json").is_file():
        valid = "valid is a folder that `leadml calibrate -o` or `leadml monitor -o` wrote"
        raise TrackingError(f"tracking: {folder} holds neither result.json nor monitor.json; {valid}")
    noted = {"stored_as": stored_as or "", "champion": champion}
    if stored_as is not None:  # also for a later `leadml track`
        write_text(folder / STORED, json.dumps(noted) + "\n")
    elif (folder / STORED).is_file():
        noted = json.loads((folder / STORED).read_text(encoding="utf-8"))
    uri, given = chosen_uri(tracking_uri), getattr(getattr(run, "info", None), "run_id", run)
    sends = f"`leadml track {folder}` sends it, --no-track leaves it out."
    then = then or f"The result is complete in {folder}; {sends}"
    with explained("sending a run", uri, then):
        place = connect(uri, experiment_name)
        before = _read_receipt(folder, place)
        if before is not None and given is None:
            if before["status"] != "complete":
                place.client.delete_run(before["run_id"])
            elif before.get("sha256") in (None, _digest(folder)):  # 0.1 noted none
                return Tracked(before["run_id"], before["experiment_id"], uri)
        run_id = (_send_calibration if is_calibration else _send_monitor)(place, folder, given)
        ref, in_use, shown = str(noted["stored_as"]), bool(noted["champion"]), ""
        if ref and (folder / "card.json").is_file():
            shown = register(place, ref, folder, champion=in_use, run_id=run_id)
        _write_receipt(folder, place, run_id, "complete")
    return Tracked(run_id, place.experiment_id, uri, look_command(uri, place.experiment_id, run_id), shown)


def look_command(uri: str, experiment_id: str, run_id: str) -> str:
    """How to look at a run: the page of a server, or a command and its page."""
    page = f"#/experiments/{experiment_id}/runs/{run_id}"
    if uri.startswith("http"):
        return f"{without_password(uri).rstrip('/')}/{page}"
    command = f"mlflow ui --backend-store-uri {without_password(uri)} --port 5000"
    return f"{command}   # then open http://127.0.0.1:5000/{page}"


def _send_calibration(place: Place, folder: Path, given: str | None) -> str:
    from leadml.result import Result

    result = Result.model_validate_json((folder / "result.json").read_text(encoding="utf-8"))
    rules = {each.id: each for each in result.policies}
    until = time.monotonic() + LONGEST
    rule, client = rules.get(_baseline_of(result) or ""), place.client
    tags = {"kind": "calibration", "leadml.version": __version__, "data_digest": result.data.digest[:64]}
    run_id = given or _start(place, run_name(result, rule), tags)
    _write_receipt(folder, place, run_id, "started")
    try:
        models = _models_of(folder, result)
        chosen = next((c for c in result.contenders if c.id == result.recommended.contender), None)
        data = result.data
        counts = {"n_won": data.n_won, "n_lost": data.n_lost, "n_rejected": float(data.n_rejected)}
        counts["base_rate"] = data.base_rate
        documented = next((c for c in result.contenders if rule is not None and c.id == rule.id), None)
        log_figures(client, run_id, figures_of(chosen, rule, documented) | counts, _params(result, rule))
        for name in _TABLES:
            rows = [_flat(each.model_dump(mode="json")) for each in getattr(result, name)]
            columns = dict.fromkeys(key for row in rows for key in row)
            if rows:
                client.log_table(run_id, {c: [row.get(c) for row in rows] for c in columns}, f"{name}.json")
        lost = [(each.id, row) for each in result.contenders for row in each.importance]
        if lost:
            rows = [{"contender": name, **_flat(row.model_dump(mode="json"))} for name, row in lost]
            client.log_table(run_id, {c: [row.get(c) for row in rows] for c in rows[0]}, "importance.json")
        _send_files(client, run_id, folder, result)
        if "card" in models:
            log_model(place, run_id, models["card"], "card", folder / "mapping.yaml")
        # MLflow's pages list the newest first: sent last is what is to be read first.
        for each in reversed(result.contenders):
            if time.monotonic() > until:
                raise TimeoutError(f"longer than {LONGEST:.0f} s")
            own, about = rules.get(each.id), {"kind": each.kind, "mlflow.note.content": each.title}
            nested = _start(replace(place, parent=run_id), each.id, about)
            if each.id in models:
                log_model(place, nested, models[each.id], each.id, folder / "mapping.yaml")
            log_figures(client, nested, figures_of(each, own), {"verdict": own.verdict} if own else {})
            client.set_terminated(nested)
    except BaseException:
        with contextlib.suppress(Exception):
            client.set_terminated(run_id, "FAILED")
        raise
    if given is None:  # a run of the user's own goes on
        client.set_terminated(run_id)
    return run_id


def _start(place: Place, name: str, tags: Mapping[str, str]) -> str:
    known = {**tags, "mlflow.source.name": "leadml"}
    if place.parent is not None:
        known["mlflow.parentRunId"] = place.parent
    return str(place.client.create_run(place.experiment_id, run_name=name[:250], tags=known).info.run_id)


def run_name(result: Result, rule: PolicyResult | None) -> str:
    """The answer: ``b2b: BANT 3 of 4 undecided, +1.3% (-0.2 to +2.9)``."""
    if rule is None:
        return f"{result.data.name}: {result.recommended.contender or 'no card'}"
    name, gain = f"{result.data.name}: {_short(rule)} {rule.verdict}", rule.gain_weights
    if gain is None or gain.value is None or gain.low is None or gain.high is None:
        return name
    return f"{name}, {gain.value:+.1%} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def _short(rule: PolicyResult) -> str:
    """A rule in few words: ``BANT 3 of 4``, ``BANT 9 of 16 points``; its title where it counts neither."""
    if rule.unit == "contactable":
        return rule.title
    titles = {each.id: each.title for each in list_frameworks()}
    count = f"{rule.documented_cutoff} of {rule.total_max}{' points' if rule.unit == 'points' else ''}"
    return f"{titles.get(rule.framework or '', rule.framework or rule.id)} {count}"


def figures_of(
    contender: Contender | None, rule: PolicyResult | None, documented: Contender | None = None
) -> dict[str, float]:
    """Figures of a run, a name meaning the same in each: held out, but for the outlook (`expected_...`).

    documented : the rule among the contenders. The gain: of a rule what its card wins more, else what is won
    beyond the baseline.
    """
    made: dict[str, float | None] = {}
    if rule is not None:
        learned = None if rule.learned_cutoff is None else rule.learned_cutoff.value
        made |= {**_ends("gain", rule.gain_weights), "documented_cutoff": rule.documented_cutoff}
        delta = None if learned is None else learned - rule.documented_cutoff
        made |= {"learned_cutoff": learned, "cutoff_delta": delta}
        if rule.outlook is not None:
            wins = rule.outlook.wins_per_100
            made |= {"expected_wins_per_100_keep": wins.keep.value}
            made |= {"expected_wins_per_100_change": wins.change.value, "p_better": rule.outlook.p_better}
    elif contender is not None:
        made |= _ends("gain", contender.gain.wins_captured)
    for each in (documented, contender):
        if each is not None and each.wins_per_100 is not None:
            kind = "documented" if each.kind == "documented" else "learned"
            made[f"wins_per_100_{kind}"] = each.wins_per_100.value
    for name in _FIGURES if contender is not None else ():
        figure = getattr(contender, name)
        made[name] = None if figure is None else figure.value
    return {key: float(value) for key, value in made.items() if value is not None}


def _ends(name: str, figure: Figure | None) -> dict[str, float | None]:
    if figure is None:
        return {}
    return {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}


def _baseline_of(result: Result) -> str | None:
    known = [each.id for each in result.policies]
    baseline = result.settings.get("baseline")
    return str(baseline) if baseline in known else next(iter(known), None)


def _params(result: Result, rule: PolicyResult | None) -> dict[str, str]:
    chosen, data = result.recommended, result.data
    made: dict[str, object] = {"baseline": _baseline_of(result), "recommended": chosen.contender}
    for name in ("verdict", "verdict_weights", "verdict_cutoff"):
        made[name] = getattr(rule, name, None)
    made |= {"in_use": chosen.in_use, "framework": chosen.framework, "data": data.name, "as_of": data.as_of}
    made["without"] = ", ".join(result.dropped.columns) if result.dropped else None
    made |= {"evaluation": result.evaluation.kind, "random_state": result.settings.get("random_state")}
    return {key: str(value) for key, value in made.items() if value is not None}


def log_figures(client: MlflowClient, run_id: str, metrics: Mapping[str, float], params: Mapping[str, str]) -> None:
    """One request for all figures of a run."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    kept = [Metric(key, value, now, 0) for key, value in metrics.items()][: MAX_COLUMNS - len(params)]
    client.log_batch(run_id, kept, [Param(key, value[:500]) for key, value in params.items()])


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted keys; lists as JSON text."""
    made: dict[str, Any] = {}
    for key, each in value.items():
        if isinstance(each, dict):
            made |= _flat(each, f"{prefix}{key}.")
        else:
            made[prefix + key] = json.dumps(each) if isinstance(each, list) else each
    return made


def _send_files(client: MlflowClient, run_id: str, folder: Path, result: Result) -> None:
    """Report, records and cards, never rows; charts as images."""
    with tempfile.TemporaryDirectory(prefix="leadml-") as temporary:
        staged = Path(temporary)
        for name in _SENT:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, staged / name)
            elif (folder / name).is_file():
                shutil.copyfile(folder / name, staged / name)
        for name, png in _draw_charts(folder, result).items():
            (staged / f"{name}.png").write_bytes(png)
        client.log_artifacts(run_id, str(staged))


def _draw_charts(folder: Path, result: Result) -> dict[str, bytes]:
    import vl_convert

    from leadml.card.record import load_card
    from leadml.evaluation.log import Log
    from leadml.report.charts import all_charts

    card = load_card(folder / "card.json") if (folder / "card.json").is_file() else None
    log = Log.read(folder / "log.parquet") if (folder / "log.parquet").is_file() else None
    charts = all_charts(result, card, log)
    return {name: vl_convert.vegalite_to_png(chart.to_json()) for name, chart in charts.items()}


def _models_of(folder: Path, result: Result) -> dict[str, Path]:
    """What someone would deploy: recommended card, documented baseline, wide cards, classifiers."""
    found = {"card": folder / "card.json"}
    for each in result.contenders:
        card, fitted = folder / "cards" / f"{each.id}.json", folder / "models" / f"{each.id}.joblib"
        if each.id == _baseline_of(result) or (each.kind == "wide" and card.is_file()):
            found[each.id] = card
        elif each.kind in ("wide", "context", "custom"):
            found[each.id] = fitted
    return {name: path for name, path in found.items() if path.is_file()}


def _send_monitor(place: Place, folder: Path, given: str | None) -> str:
    found = json.loads((folder / "monitor.json").read_text(encoding="utf-8"))
    about = {"kind": "monitoring", "leadml.version": __version__}
    run_id = given or _start(place, f"{found['model']}: {found['state']}", about)
    _write_receipt(folder, place, run_id, "started")
    rate = (found.get("base_rate") or {}).get("value")
    figures = {key: found[key] for key in ("e", "predicted")}
    figures |= {"n_closed": found["data"]["n_closed"], "base_rate": rate}
    metrics = {key: float(value) for key, value in figures.items() if value is not None}
    log_figures(place.client, run_id, metrics, {"model": found["model"], "state": found["state"]})
    for file in ("monitor.html", "monitor.json"):
        if (folder / file).is_file():
            place.client.log_artifact(run_id, str(folder / file))
    if given is None:
        place.client.set_terminated(run_id)
    return run_id


def _write_receipt(folder: Path, place: Place, run_id: str, status: str) -> None:
    """Note beside the results where they went, without a password."""
    kept = {"run_id": run_id, "experiment_id": place.experiment_id, "status": status}
    kept |= {"tracking_uri": without_password(place.uri), "sha256": _digest(folder)}
    write_text(folder / RECEIPT, json.dumps(kept, indent=2) + "\n")


def _digest(folder: Path) -> str:
    """SHA-256 of the results: another look in the same folder is another run."""
    found = next(each for each in (folder / "result.json", folder / "monitor.json") if each.is_file())
    return hashlib.sha256(found.read_bytes()).hexdigest()


def _read_receipt(folder: Path, place: Place) -> dict[str, str] | None:
    """What was sent to this store before, where the run is there still."""
    from mlflow.exceptions import MlflowException

    try:
        kept: dict[str, str] = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        if kept["tracking_uri"] != without_password(place.uri):
            return None
        is_there = place.client.get_run(kept["run_id"]).info.lifecycle_stage == "active"
    except (OSError, ValueError, KeyError, TypeError, MlflowException):
        return None
    return kept if is_there else None
