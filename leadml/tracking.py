"""Everything that knows MLflow: where runs are kept, runs, logged models, the registry, autologging off inside.

Results are on disk before any of this runs: a server that is down, slow or refuses costs only the tracking. The
registry is a view of the store on disk.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import importlib
import io
import json
import logging
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leadml import __version__
from leadml.exceptions import LeadmlError, ModelRefError, TrackingError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from leadml.result import Contender, PolicyResult, Result

EXPERIMENT: Final = "leadml"
RECEIPT: Final = "tracking.json"
MAX_COLUMNS: Final = 40
CHAMPION, CHALLENGER = "champion", "challenger"
STORED_AS: Final = "leadml.stored_as"
MAPPING: Final = "mapping.yaml"
LOCK_SECONDS: Final = 120.0
_DEFAULTS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that is down or hangs must not hold a calibration up for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}
_SENT: Final = ("report.html", "result.json", "card.json", "cards", MAPPING, "experiment.yaml")
_FIGURES: Final = ("auc", "log_loss", "brier", "workload", "precision", "recall")
_FILES: Final = "data/files"
_NEEDED: Final = (
    "joblib", "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "ruamel.yaml", "scikit-learn", "scipy"
)  # fmt: skip
_LOADER: Final = '''"""Loads the model beside it. Code travels along, an installed leadml comes first."""

import sys
from pathlib import Path


def load(files):
    sys.path.append(str(Path(__file__).with_name("leadml.zip")))
    from leadml.scoring.logged import load_logged

    return load_logged(files)
'''
_fetched = contextlib.ExitStack()
"""Folders of fetched models; they live as long as the process."""
atexit.register(_fetched.close)


class Place(NamedTuple):
    """Where a run goes. parent : the active run that it is nested in."""

    client: MlflowClient
    experiment_id: str
    parent: str | None = None


class Tracked(NamedTuple):
    """Where MLflow has a run. look : how to look at it. registered : NAME, version and alias, or empty."""

    run_id: str
    experiment_id: str
    look: str = ""
    registered: str = ""


# ---------------------------------------------------------------- the store of runs


def chosen_uri(tracking_uri: str | None = None) -> str:
    """Where runs are kept: what is asked for, what the process set, the environment, else ./mlflow.db."""
    asked = tracking_uri
    if not asked and "mlflow" in sys.modules:
        import mlflow

        is_set: Any = mlflow.is_tracking_uri_set
        asked = mlflow.get_tracking_uri() if is_set() or mlflow.active_run() else None
    asked = asked or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if file := sqlite_file(asked):
        return f"sqlite:///{file.as_posix()}"
    if "://" not in asked or asked.startswith("file:"):
        raise TrackingError(
            f"tracking: got {asked!r}, a folder; MLflow keeps runs in a database or on a server. Give "
            "sqlite:///PATH/mlflow.db or http(s)://HOST, or leave MLFLOW_TRACKING_URI unset"
        )
    return asked


def sqlite_file(uri: str) -> Path | None:
    """File of an SQLite store, as an absolute path; None for another kind of store."""
    found = re.match(r"sqlite(?:\+\w+)?:///([^?]+)", uri)
    return Path(found[1]).absolute() if found else None


def has_store() -> bool:
    """Whether there is a store to show anything in: a server that was named, or a database file."""
    try:
        file = sqlite_file(uri := chosen_uri())
    except TrackingError:
        return False
    return file.exists() if file is not None else uri.startswith("http")


def make_client(uri: str) -> MlflowClient:
    """Import MLflow, without its telemetry, and make a client; nothing global is set."""
    for key, value in _DEFAULTS.items():
        os.environ.setdefault(key, value)
    from mlflow.tracking import MlflowClient

    # What MLflow says of its own progress is no message of ours.
    for name in (
        "mlflow.store.db.utils",
        "mlflow.tracking",
        "mlflow.pyfunc",
        "mlflow.sklearn",
        "mlflow.models",
        "alembic",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI", uri))


def connect(tracking_uri: str | None = None, experiment_name: str | None = None) -> Place:
    """Reach the store; find or make the experiment: asked for, of the active run, set, in the environment."""
    uri = chosen_uri(tracking_uri)
    file = sqlite_file(uri)
    with _making(file) if file is not None else contextlib.nullcontext():
        client = make_client(uri)
        import mlflow
        from mlflow.tracking import fluent

        chosen, parent = os.environ.get("MLFLOW_EXPERIMENT_ID"), None
        with contextlib.suppress(TrackingError):
            if chosen_uri(mlflow.get_tracking_uri()) == uri:  # what the user set is of this store
                active = mlflow.active_run()
                parent = active.info.run_id if active else None
                chosen = active.info.experiment_id if active else chosen or fluent._active_experiment_id
        if experiment_name is None and chosen is not None:
            return Place(client, chosen, parent)
        name = experiment_name or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage != "active":
                client.restore_experiment(found.experiment_id)
            return Place(client, found.experiment_id)
        # A server decides itself where artifacts go; beside a database file they go into one folder.
        place = (file.parent / "mlartifacts" / name).as_uri() if file is not None else None
        # Without the tag MLflow's pages take an experiment for one of language models.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return Place(client, client.create_experiment(name, artifact_location=place, tags=tags))


@contextlib.contextmanager
def _making(file: Path) -> Iterator[None]:
    """One process at a time makes a store (several leave half of its tables), with a write-ahead log."""
    from filelock import FileLock, Timeout

    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file.with_name(f".{file.name}.lock"), timeout=LOCK_SECONDS):
            if not file.exists():
                no_log = contextlib.suppress(sqlite3.OperationalError)  # a network drive has none
                with no_log, contextlib.closing(sqlite3.connect(file)) as made:
                    made.execute("PRAGMA journal_mode=WAL")
            yield
    except Timeout:
        why = f"another process has been making this store for {LOCK_SECONDS:.0f} s"
        raise TrackingError(f"tracking: {file}: {why}; let it end, or give another store") from None


@contextlib.contextmanager
def explained(doing: str, uri: str, then: str) -> Iterator[None]:
    """Turn whatever MLflow raises into one message: its own can quote the rows that it was given."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what MLflow deprecates within itself is nothing a user can mend
            yield
    except LeadmlError:
        raise
    except Exception as error:
        said = (getattr(error, each, None) for each in ("error_code", "strerror"))
        parts = ", ".join([type(error).__name__, *(each for each in said if isinstance(each, str))])
        raise TrackingError(f"tracking: {doing} in {without_password(uri)} failed: {parts}. {then}") from None


def without_password(uri: str) -> str:
    """An address as it may be shown.

    >>> without_password("https://me:secret@tracking.example/x")
    'https://tracking.example/x'
    """
    return re.sub(r"://[^@/]*@", "://", uri)


@contextlib.contextmanager
def without_autologging() -> Iterator[None]:
    """Let no fit inside be logged by the user's autologging, which is as it was afterwards."""
    inside: Any = contextlib.nullcontext()
    if "mlflow" in sys.modules:
        from mlflow.utils.autologging_utils import disable_autologging

        inside = disable_autologging()
    with inside:
        yield


# ---------------------------------------------------------------- runs


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
    """Send what `calibrate` or `monitor` wrote, unless it is there.

    run : a run, or its id, to log to. stored_as : NAME@VERSION of the card on disk (else what was noted when it
    was sent before), shown in the registry as champion or challenger. then : what to do where it fails.
    """
    from leadml.card.files import write_text
    from leadml.card.record import load_card
    from leadml.result import load_result

    folder = Path(directory)
    written = next((each for each in (folder / "result.json", folder / "monitor.json") if each.is_file()), None)
    if written is None:
        valid = "valid is a folder that `leadml calibrate -o` or `leadml monitor -o` wrote"
        raise TrackingError(f"tracking: {folder} holds neither result.json nor monitor.json; {valid}")
    noted: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        noted = dict(json.loads((folder / RECEIPT).read_text(encoding="utf-8")))
    if stored_as is not None:  # also for a later `leadml track`
        noted |= {"stored_as": stored_as, "champion": champion}
        write_text(folder / RECEIPT, json.dumps(noted, indent=2) + "\n")
    uri, own, registered = chosen_uri(tracking_uri), getattr(getattr(run, "info", None), "run_id", run), ""
    sends = f"`leadml track {folder}` sends it, --no-track leaves it out."
    with explained("sending a run", uri, then or f"The result is complete in {folder}; {sends}"):
        place = connect(uri, experiment_name)
        from mlflow.exceptions import MlflowException

        where = {"tracking_uri": without_password(uri), "status": "complete"}  # never a password
        where["sha256"] = hashlib.sha256(written.read_bytes()).hexdigest()  # another look in this folder is another run
        with contextlib.suppress(MlflowException):
            sent = own is None and where.items() <= noted.items()
            if sent and place.client.get_run(noted["run_id"]).info.lifecycle_stage == "active":
                return Tracked(noted["run_id"], noted["experiment_id"])
        if written.name == "result.json":
            result = load_result(folder)
            tags = {"kind": "calibration", "data_digest": result.data.digest[:64]}
            with _run(place, run_name(result), tags, own) as run_id:
                if (folder / "card.json").is_file():
                    card = load_card(folder)
                    known = {"provenance": {**card.provenance, "mlflow_run_id": run_id}}
                    card.model_copy(update=known).save(folder / "card.json")
                _send_calibration(place._replace(parent=run_id), folder, result, run_id)
        else:
            found = json.loads(written.read_text(encoding="utf-8"))
            with _run(place, f"{found['model']}: {found['state']}", {"kind": "monitoring"}, own) as run_id:
                metrics = {"e": found["e"], "predicted": found["predicted"], "n_closed": found["data"]["n_closed"]}
                metrics["base_rate"] = (found.get("base_rate") or {}).get("value")
                log_figures(place.client, run_id, metrics, {key: found[key] for key in ("model", "state")})
                for file in folder.glob("monitor.*"):
                    place.client.log_artifact(run_id, str(file))
        if noted.get("stored_as") and (folder / "card.json").is_file():
            registered = register(place, noted["stored_as"], folder, champion=noted["champion"], run_id=run_id)
        noted |= {"run_id": run_id, "experiment_id": place.experiment_id, **where}
        write_text(folder / RECEIPT, json.dumps(noted, indent=2) + "\n")
    return Tracked(run_id, place.experiment_id, look_command(uri, place.experiment_id, run_id), registered)


@contextlib.contextmanager
def _run(place: Place, name: str, tags: Mapping[str, str], own: str | None = None) -> Iterator[str]:
    """A run that is finished or failed afterwards; one of the user's own goes on."""
    if own is not None:
        yield own
        return
    known = {**tags, "leadml.version": __version__, "mlflow.source.name": "leadml"}
    if place.parent is not None:
        known["mlflow.parentRunId"] = place.parent
    run_id = str(place.client.create_run(place.experiment_id, run_name=name[:250], tags=known).info.run_id)
    try:
        yield run_id
    except BaseException:
        with contextlib.suppress(Exception):
            place.client.set_terminated(run_id, "FAILED")
        raise
    place.client.set_terminated(run_id)


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

    client, mapping, data, chosen = place.client, folder / MAPPING, result.data, result.recommended
    rules, by_id = {each.id: each for each in result.policies}, {each.id: each for each in result.contenders}
    rule = next(iter(rules.values()), None)
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
        own, about = rules.get(each.id), {"kind": each.kind, "mlflow.note.content": each.title}
        card, fitted = folder / "cards" / f"{each.id}.json", folder / "models" / f"{each.id}.joblib"
        with _run(place, each.id, about) as nested:
            if card.is_file() and (each.kind == "wide" or each.id == params["baseline"]):
                log_model(place, nested, card, each.id, mapping)
            elif fitted.is_file() and each.kind in ("wide", "context", "custom"):
                log_model(place, nested, fitted, each.id, mapping)
            # A name that MLflow would refuse costs the whole run.
            theirs = {re.sub(r"[^\w.\- ]", "_", name)[:250]: figure.value for name, figure in each.metrics.items()}
            log_figures(client, nested, figures_of(each, own) | theirs, {"verdict": own and own.verdict})


def run_name(result: Result) -> str:
    """The answer: ``b2b: BANT 3 of 4 undecided, +1.3% (-0.2 to +2.9)``."""
    from leadml.frameworks.catalog import list_frameworks

    if not result.policies:
        return f"{result.data.name}: {result.recommended.contender or 'no card'}"
    rule = result.policies[0]
    title, gain = rule.title, rule.gain_weights
    if rule.framework is not None:
        titles = {each.id: each.title for each in list_frameworks()}
        count = f"{rule.documented_cutoff} of {rule.total_max}{' points' if rule.unit == 'points' else ''}"
        title = f"{titles.get(rule.framework, rule.framework)} {count}"
    name = f"{result.data.name}: {title} {rule.verdict}"
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
    if gain := rule.gain_weights if rule else contender.gain.wins_captured if contender else None:
        made |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    if rule is not None:
        learned = rule.learned_cutoff.value if rule.learned_cutoff else None
        made |= {"documented_cutoff": rule.documented_cutoff, "learned_cutoff": learned}
        made["cutoff_delta"] = None if learned is None else learned - rule.documented_cutoff
        if look := rule.outlook:
            made |= {f"expected_wins_per_100_{name}": figure.value for name, figure in look.wins_per_100}
            made["p_better"] = look.p_better
    for each in (documented, contender):
        if each is not None and each.wins_per_100 is not None:
            made[f"wins_per_100_{'documented' if each.kind == 'documented' else 'learned'}"] = each.wins_per_100.value
    figures = {name: getattr(contender, name, None) for name in _FIGURES}
    made |= {name: figure.value for name, figure in figures.items() if figure is not None}
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

    for name in _SENT:
        if (folder / name).is_dir():
            client.log_artifacts(run_id, str(folder / name), name)
        elif (folder / name).is_file():
            client.log_artifact(run_id, str(folder / name))
    page = folder / "report.html"
    report = page.read_text(encoding="utf-8") if page.is_file() else ""
    with tempfile.TemporaryDirectory(prefix="leadml-") as drawn:
        # As the report has them: to lay them out once more takes as long as all other files.
        for name, svg in re.findall(r'<figure id="chart-(\w+)">(<svg.+?</svg>)', report, re.DOTALL):
            Path(drawn, f"{name}.png").write_bytes(vl_convert.svg_to_png(svg))
        client.log_artifacts(run_id, drawn)


# ---------------------------------------------------------------- models and the registry


def log_model(place: Place, run_id: str | None, path: Path, name: str, mapping: Path) -> str:
    """Log a card or classifier, with its mapping and the code that scores, as a model of a run; its id."""
    from importlib.metadata import version
    from unittest import mock

    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model
    from mlflow.sklearn import save_model

    client = place.client
    logged = client.create_logged_model(place.experiment_id, name, run_id, model_type="leadml")
    with tempfile.TemporaryDirectory(prefix="leadml-") as temporary:
        root = Path(temporary)
        files, loader = _gather(root / "files", path, mapping), root / "leadml_logged.py"
        loader.write_text(_LOADER, encoding="utf-8")
        (root / "leadml.zip").write_bytes(_packed_code())
        example, signature = _signature(root / "files")
        known: Any = {"model_uuid": logged.model_id, "model_id": logged.model_id}
        # To warn of releases other than the installed ones, MLflow lists each file of each package; ours are those.
        with mock.patch("mlflow.utils.environment.warn_dependency_requirement_mismatches"):
            save_model(
                _Pickled(loader, files),
                str(root / "model"),
                code_paths=[str(loader), str(root / "leadml.zip")],
                mlflow_model=Model(run_id=run_id, artifact_path=logged.artifact_location, **known),
                serialization_format="pickle",
                signature=signature,
                input_example=example,
                # Without them MLflow runs the model in another process to find out, 9 to 14 s.
                pip_requirements=[f"{each}=={version(each)}" for each in _NEEDED],
                pyfunc_predict_fn="score",
            )
        shutil.copytree(root / "files", root / "model" / _FILES)
        client.log_model_artifacts(logged.model_id, str(root / "model"))
    client.finalize_logged_model(logged.model_id, "READY")
    if run_id is not None:
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


class _Pickled:
    """Files of a model; unpickled they are what `_LOADER` makes of them."""

    def __init__(self, loader: Path, files: Mapping[str, bytes]) -> None:
        self.loader, self.files = loader, files

    def __reduce__(self) -> tuple[Any, ...]:
        sys.path.insert(0, str(self.loader.parent))
        try:
            return importlib.import_module(self.loader.stem).load, (self.files,)
        finally:
            sys.path.remove(str(self.loader.parent))

    def score(self) -> None:
        """MLflow asks whether there is one."""


def _gather(folder: Path, path: Path, mapping: Path) -> dict[str, bytes]:
    """What a model is made of, for whoever reads files and for `_LOADER`."""
    folder.mkdir()
    if path.suffix == ".json":
        shutil.copyfile(path, folder / "card.json")
    else:
        shutil.copyfile(path, folder / "model.joblib")
        about = path.with_suffix(".json").read_text(encoding="utf-8")
        (folder / "model.json").write_text(about, encoding="utf-8")
        (folder / "model.joblib.sha256").write_text(json.loads(about)["sha256"], encoding="ascii")
    if mapping.is_file():
        shutil.copyfile(mapping, folder / MAPPING)
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def _signature(folder: Path) -> tuple[Any, Any]:
    """Every column is optional and of any type: levels (whole or not), or the CRM's own columns."""
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    file = folder / "card.json"
    about = json.loads((file if file.is_file() else folder / "model.json").read_text(encoding="utf-8"))
    levels = [each["id"] if isinstance(each, dict) else str(each) for each in about["criteria"]]
    names = [*levels, *(each["column"] for each in about.get("attributes") or ()), *about.get("context", ())]
    if (folder / MAPPING).is_file():
        from leadml.data.mapping import load_mapping

        names += [column for _, column in load_mapping(folder / MAPPING).uses()]
    any_type: Any = AnyType
    columns: list[Any] = [ColSpec(any_type(), name, required=False) for name in dict.fromkeys(names)]
    params = ParamSchema([ParamSpec("output", DataType.string, None)])
    example = pd.DataFrame({name: [2.0] for name in levels} | {name: [""] for name in about.get("context", ())})
    return example, ModelSignature(inputs=Schema(columns), params=params)


@functools.cache
def _packed_code() -> bytes:
    """The package in one file, since every file is a request."""
    package, held = Path(__file__).parent, io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in (each for each in package.rglob("*") if each.suffix in (".py", ".yaml")):
            packed.write(file, file.relative_to(package.parent))
    return held.getvalue()


def fetch_model(ref: str) -> Path:
    """Fetch the card or classifier of models:/NAME@ALIAS, models:/NAME/VERSION, models:/ID, runs:/ID[/NAME].

    The file is there until the process ends.
    """
    scheme, _, rest = ref.partition(":/")
    rest = rest.strip("/")
    if scheme not in ("models", "runs") or not rest:
        valid = "valid is models:/NAME@ALIAS, models:/NAME/VERSION, runs:/ID or runs:/ID/NAME"
        raise ModelRefError(f"model: got {ref!r}; {valid}")
    uri = chosen_uri()
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        how = "set MLFLOW_TRACKING_URI to where the model was tracked"
        raise ModelRefError(f"model: got {ref!r}, but there is no store at {file}; {how}")
    held = tempfile.mkdtemp(prefix="leadml-model-")
    _fetched.callback(shutil.rmtree, held, ignore_errors=True)
    with explained(f"fetching {ref!r}", uri, "Check the name, alias, version or run, and MLFLOW_TRACKING_URI."):
        client = make_client(uri)
        from mlflow.artifacts import download_artifacts

        place = (_locate if scheme == "models" else _locate_in_run)(client, rest)
        found = Path(download_artifacts(place, dst_path=held, tracking_uri=uri))
        run_id = rest.partition("/")[0]
        if found.is_file() and any(each.path == MAPPING for each in client.list_artifacts(run_id)):
            # An artifact of a run; the run's mapping is to lie beside it.
            download_artifacts(run_id=run_id, artifact_path=MAPPING, dst_path=str(found.parent), tracking_uri=uri)
    path = next((each for each in (found, found / "card.json", found / "model.joblib") if each.is_file()), None)
    if path is None:
        raise ModelRefError(f"model: {ref!r} holds no card or classifier; valid is a model that leadml logged")
    return path


def _locate(client: MlflowClient, rest: str) -> str:
    """Address of the files of a logged or registered model (MLflow's own search would set globals, and unset
    MLFLOW_TRACKING_URI)."""
    name, at, alias = rest.partition("@")
    if not at and "/" not in rest:
        return f"{client.get_logged_model(rest).artifact_location}/{_FILES}"
    found = client.get_model_version_by_alias(name, alias) if at else client.get_model_version(*rest.split("/", 1))
    if found.model_id:
        return _locate(client, found.model_id)
    return f"{client.get_model_version_download_uri(found.name, found.version)}/{_FILES}"


def _locate_in_run(client: MlflowClient, rest: str) -> str:
    """Address of the model that a run logged by a name (the first without one), or of an artifact."""
    run_id, _, name = rest.partition("/")
    run = client.get_run(run_id)
    for output in run.outputs.model_outputs if run.outputs else []:
        model = client.get_logged_model(output.model_id)
        if name in ("", model.name):
            return f"{model.artifact_location}/{_FILES}"
    return f"{run.info.artifact_uri}/{name or 'card.json'}"


def mirror_version(ref: str, folder: Path, *, champion: bool, because: str = "") -> str:
    """Show a stored version (NAME@VERSION, its folder) in MLflow's registry; the folders are what counts."""
    uri = chosen_uri()
    with explained(f"registering {ref}", uri, "The models on disk are as they should be; promote again to show it."):
        return register(connect(uri), ref, folder, champion=champion, because=because)


def drop_champion(name: str) -> None:
    """Leave a registered model without a champion, as its name on disk is."""
    uri = chosen_uri()
    with explained(f"retiring the champion of {name}", uri, "The models on disk are as they should be."):
        client = make_client(uri)
        if client.search_registered_models(f"name = '{name}'"):
            client.delete_registered_model_alias(name, CHAMPION)


def register(
    place: Place, ref: str, folder: Path, *, champion: bool, run_id: str | None = None, because: str = ""
) -> str:
    """Register a version where it is not there yet, and point the alias at it; says what MLflow, which counts versions
    on its own, calls it."""
    client, name = place.client, ref.partition("@")[0]
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description="Lead qualification cards, stored by leadml.")
    versions = client.search_model_versions(f"name = '{name}'")
    known = next((each for each in versions if each.tags.get(STORED_AS) == ref), None)
    if known is None:
        outputs = client.get_run(run_id).outputs if run_id is not None else None
        logged = [each.model_id for each in outputs.model_outputs] if outputs else []
        made = None if logged else log_model(place, run_id, folder / "card.json", "card", folder / MAPPING)
        model_id = made or logged[0]
        source = client.get_logged_model(model_id).artifact_location
        tags, told = {STORED_AS: ref}, f"{ref} of the store of leadml"
        known = client.create_model_version(name, source, run_id, tags, description=told, model_id=model_id)
    version = str(known.version)
    aliases = {key: str(each) for key, each in client.get_registered_model(name).aliases.items()}
    alias = CHAMPION if champion or aliases.get(CHAMPION) == version else CHALLENGER
    if alias == CHAMPION and aliases.get(CHALLENGER) == version:
        client.delete_registered_model_alias(name, CHALLENGER)
    client.set_registered_model_alias(name, alias, version)
    if because:
        client.set_model_version_tag(name, version, "leadml.because", because[:1000])
    return f"{ref} as models:/{name}/{version} ({alias})"
