"""The command line ``leadml``: messages to stderr, data to stdout, and an exit code for what became of it.

A command is thin: it calls one function of calibration, scoring, monitoring, registry or report, imported when it
runs, so that help costs no more than typer.
"""

import copy
import json
import shlex
import sys
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from leadml import __version__
from leadml.exceptions import UsageError
from leadml.terminal import end_well, say

HELP = """Lead qualification rules as documented, checked on your closed deals, and learned from them.

Exit codes: 0 done; 2 wrong usage, mapping, experiment or model; 3 the input could not be used;
4 too few closed deals to learn; 5 done, but too many rows could not be used; 1 an internal error;
10 and 20 verdicts of monitor and reproduce with --exit-code.
"""
TOO_MANY_REJECTED = 5
DIFFERENT = 10


class _Stopped(Exception):
    """Carries an interruption past typer, which would swallow what `end_well` says of it."""


class _App(TyperGroup):
    """All commands; a number that one returns is the exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            code = super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            raise _Stopped(error) from error
        if isinstance(code, int) and code:
            raise typer.Exit(code)
        return code


class _Group(TyperGroup):
    """A group whose first command is meant where none is named: ``leadml frameworks bant``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="leadml", cls=_App, help=HELP, no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # rich would load for every --help
)  # fmt: skip
frameworks = typer.Typer(cls=_Group, rich_markup_mode=None, epilog="Example: leadml frameworks champ")
mappings = typer.Typer(cls=_Group, rich_markup_mode=None, epilog="Example: leadml mapping new deals.csv")
models = typer.Typer(cls=_Group, rich_markup_mode=None, epilog="Example: leadml models show bant@2")
app.add_typer(frameworks, name="frameworks", help="Show the documented frameworks; write and check your own.")
app.add_typer(mappings, name="mapping", help="Write a mapping: what the columns of a file mean.")
app.add_typer(models, name="models", help="List, show, promote and retire stored models.")


def _opt(help_: str, *names: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=help_, **more)


def _arg(metavar: str, help_: str) -> Any:
    return typer.Argument(metavar=metavar, help=help_)


_FILE = ".csv .tsv .parquet .xlsx .jsonl, a folder or glob, - for CSV from stdin, or a database URL."
_REF = "NAME (its champion), NAME@VERSION, path of a card, models:/NAME@ALIAS or runs:/ID/..."
_OUT = ".csv .tsv .jsonl (also .gz .zst), .parquet, .xlsx, or - for CSV; faults go to OUT.rejected.csv."
_STORE = "Folder of the models; LEADML_STORE or ./models_store when absent."
_MEANING = "What the columns of FILE mean (YAML)."
_COLUMNS = "Which columns to write after lead_id, such as probability,points,band; all when absent."
_LOCALE = "nl: decimal commas, ; between columns, Dutch words; words of the CRM, and your own, stay as they are."
_SORT = "Highest chance times amount first (if mapped); without a chance by decision, points, amount."
_REJECTED = "End with 5 when a larger share of the rows is unusable."

File = Annotated[str, _arg("FILE", _FILE)]
Directory = Annotated[Path, _arg("DIR", "What `leadml calibrate` wrote.")]
Ref = Annotated[str, _arg("REF", "NAME, NAME@VERSION, models:/NAME@ALIAS or runs:/ID.")]
Mapping = Annotated[Path, _opt(_MEANING, "--mapping", "-m", metavar="M")]
OnMapping = Annotated[Path | None, _opt(_MEANING, "--mapping", "-m", metavar="M")]
On = Annotated[str | None, _opt("Deals to compare decisions on; with --mapping.", "--on", metavar="FILE")]
Model = Annotated[str, _opt(_REF, "--model", metavar="REF")]
Out = Annotated[str, _opt(_OUT, "--out", "-o", metavar="OUT")]
OutDir = Annotated[Path | None, _opt("Where to write.", "--out", "-o", metavar="DIR")]
OutFile = Annotated[Path | None, _opt("Where to write; stdout when absent.", "--out", "-o", metavar="FILE")]
OutPage = Annotated[Path, _opt("The page to write.", "--out", "-o", metavar="PAGE.html")]
Query = Annotated[str | None, _opt("What to ask, when FILE is a SQLAlchemy URL.", "--query", metavar="SQL")]
Columns = Annotated[str | None, _opt(_COLUMNS, "--columns", metavar="A,B")]
Keep = Annotated[bool, _opt("Let the columns of FILE come along.", "--keep-columns")]
Sort = Annotated[bool, _opt(_SORT, "--sort")]
Crm = Annotated[str | None, _opt("A second file, ready to import: id and scores.", "--crm", metavar="FILE")]
Closed = Annotated[bool, _opt("Score leads whose outcome is known, too.", "--with-closed")]
MaxRejected = Annotated[float, _opt(_REJECTED, "--max-rejected", min=0, max=1)]
Engine = Annotated[Literal["local", "spark"], _opt("Where the work is done; with spark OUT is a folder.", "--engine")]
Locale = Annotated[Literal["en", "nl"], _opt(_LOCALE, "--locale")]
Policies = Annotated[list[str] | None, _opt("A rule; may be given again. All when absent.", "--policy")]
MetLevel = Annotated[int, _opt("The level from which a criterion counts as met.", "--met-level")]
Lead = Annotated[str, _opt("Identity of the lead; where none is that, its row from 1.", "--lead", metavar="ID")]
Settings = Annotated[Path | None, _opt("Settings; every key optional.", "--experiment", "-e", metavar="E")]
Name = Annotated[str | None, _opt("Name of the model in the store.", "--name", metavar="NAME")]
Track = Annotated[bool, _opt("Log to MLflow.", "--track/--no-track")]
TrackingUri = Annotated[str | None, _opt("MLflow's server or folder.", "--tracking-uri", metavar="URI")]
RunsIn = Annotated[str | None, _opt("MLflow's experiment for the runs.", "--experiment-name", metavar="NAME")]
Without = Annotated[
    list[str] | None,
    _opt("A column of the CRM to learn without, showing the fall; may be given again.", "--without", metavar="COLUMN"),
]
AsOf = Annotated[str | None, _opt("Day of the export, such as 2026-01-31.", "--as-of", metavar="DATE")]
Kept = Annotated[str | None, _opt("Scores that predict wrote earlier.", "--predictions", metavar="OUT")]
Data = Annotated[str, _opt("The deals that it was made from.", "--data", metavar="FILE")]
ExitCode = Annotated[bool, _opt("Tell the verdict by the exit code: 10 or 20.", "--exit-code")]
Store = Annotated[Path | None, _opt(_STORE, "--store", metavar="DIR")]
Because = Annotated[str | None, _opt("Why; kept in the history.", "--because", metavar="TEXT")]
By = Annotated[str | None, _opt("Who changed it; the user when absent.", "--by")]
Ratio = Annotated[float | None, _opt("Value of a won deal in follow-ups.", "--ratio", min=1)]
Force = Annotated[bool, _opt("Promote although the deals speak against it.", "--force")]
AsJson = Annotated[bool, _opt("As JSON.", "--json")]
FrameworkRef = Annotated[str, _arg("ID|FILE", "A documented framework, or one of your own (YAML).")]
Vendor = Annotated[
    Literal["hubspot", "salesforce", "dynamics", "pipedrive"] | None, _opt("Whose export it is.", "--crm")
]
Token = Annotated[str | None, _opt("Asked of every caller.", "--token", envvar="LEADML_TOKEN")]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(text: str, out: Path | None, then: str) -> None:
    """Write a text to a file that is not there yet, or to stdout."""
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"--out: {out} is there already and is not overwritten; give another name") from None
    say(f"wrote {out}; next: {then}")


def _resolve(ref: str, store: Path | None) -> Any:
    """The card, or the classifier, that a reference names; a card of its own needs no registry."""
    if ref.endswith(".json") and Path(ref).is_file():
        from leadml.card.record import load_card

        return load_card(ref)
    from leadml.registry.resolve import resolve, waiting_of

    model = resolve(ref, store).model
    if getattr(model, "kind", "") == "documented":
        say(f"{ref}: scored by {model.model}, a documented rule, which tells no probability")
        if waiting := waiting_of(ref, store):
            say(waiting)
    return model


def _read(file: str | None, mapping: Path | None) -> Any:
    """Deals to compare on, where they are given."""
    if file is None:
        return None
    from leadml.data.read import read_leads

    if mapping is None:
        raise UsageError("--mapping: --on needs it, to know what the columns of the file mean")
    return read_leads(file, mapping)


def _ended(totals: Any, max_rejected: float) -> int:
    """Exit code 5 when more rows than allowed could not be used; what could be is done all the same."""
    share = totals.n_rejected / max(totals.n_rows, 1)
    if share <= max_rejected:
        return 0
    told = f"{totals.n_rejected} of {totals.n_rows} rows ({share:.1%}) could not be used"
    say(f"{told}, more than --max-rejected {max_rejected:.1%}; the rest is done")
    return TOO_MANY_REJECTED


def _send(directory: Path, uri: str | None, experiment: str | None, version: Any = None) -> None:
    """Send a folder to MLflow; what it holds is complete either way."""
    from leadml.tracking import track_folder

    stored_as = version.ref if version is not None else None
    champion = version is not None and version.status == "champion"
    done = track_folder(directory, tracking_uri=uri, experiment_name=experiment, stored_as=stored_as, champion=champion)
    say(f"MLflow run: {done.run_id}{f'; to look: {done.look}' if done.look else ', which is there already'}")
    if done.registered:
        if version is not None:
            from leadml.registry.promote import note_registered

            note_registered(version, done.registered, at=_now(), store_root=version.folder.parents[1])
        say(f"registered: {done.registered}")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, _opt("Print it.", "--version", callback=_show_version, is_eager=True)] = False,
    debug: Annotated[bool, _opt("Show where an internal error came from.", "--debug")] = False,
) -> None: ...


# ---------------------------------------------------------------- frameworks, mappings, what a file holds


@frameworks.command("show", epilog="Example: leadml frameworks champ")
def frameworks_show(
    framework: Annotated[str | None, _arg("[ID|FILE]", "One framework in full.")] = None, as_json: AsJson = False
) -> None:
    """Show the documented frameworks: criteria, cut-offs, sources, caveats, our reading."""
    from leadml.frameworks.catalog import list_frameworks, load_framework
    from leadml.frameworks.describe import describe

    if framework is not None:
        found = load_framework(framework)
        typer.echo(_json(found.to_dict()) if as_json else describe(found))
        return
    known = list_frameworks()
    if as_json:
        typer.echo(_json([each.to_dict() for each in known]))
        return
    for each in known:
        criteria = ", ".join(criterion.title.lower() for criterion in each.criteria)
        typer.echo(f"{each.id:<6} {each.title:<6} {criteria}")
        for policy in each.policies:
            typer.echo(f"       {policy.id:<15} {policy.title} [{policy.source}]")
    say("leadml frameworks ID shows one in full")


@frameworks.command("new", epilog="Example: leadml frameworks new ours --from bant -o ours.yaml")
def frameworks_new(
    framework: Annotated[str, _arg("ID", "Id of your framework.")],
    base: Annotated[str, _opt("The framework to begin from.", "--from", metavar="ID")] = "bant",
    title: Annotated[str, _opt("Its name; the id when absent.", "--title")] = "",
    out: OutFile = None,
) -> None:
    """Begin a framework of your own from a documented one."""
    from leadml.frameworks.own import new_framework

    _write(new_framework(framework, base=base, title=title), out, f"leadml frameworks check {out}")


@frameworks.command("check", epilog="Example: leadml frameworks check ours.yaml")
def frameworks_check(file: Annotated[Path, _arg("FILE", "Your framework (YAML).")]) -> None:
    """Check a framework: every fault with its line."""
    from leadml.frameworks.catalog import load_framework

    found = load_framework(file)
    n = len(found.policies)
    say(f"{file}: framework {found.id} can be used: {len(found.criteria)} criteria, {n} rules")


@frameworks.command("diff", epilog="Example: leadml frameworks diff bant ours.yaml")
def frameworks_diff(old: FrameworkRef, new: FrameworkRef) -> None:
    """List what changed from one framework to another, a line a change."""
    from leadml.frameworks.catalog import load_framework
    from leadml.frameworks.own import diff_frameworks

    found = diff_frameworks(load_framework(old), load_framework(new))
    typer.echo("\n".join(found) if found else "no difference")


@mappings.command("new", epilog="Example: leadml mapping new deals.csv --crm hubspot -o ours.yaml")
def mapping_new(file: File, crm: Vendor = None, query: Query = None, out: OutFile = None) -> None:
    """Propose a mapping from headers and values; every guess is marked and explained."""
    from leadml.calibration.leaks import leak_notes
    from leadml.data.new_mapping import propose_mapping

    _write(propose_mapping(file, crm, leak_notes, query=query), out, f"leadml check {file} --mapping {out}")


@app.command(epilog="Example: leadml check deals.csv --mapping configs/mappings/b2b_deals.yaml")
def check(
    file: File, mapping: Mapping, as_json: AsJson = False, max_rejected: MaxRejected = 0.05, query: Query = None
) -> int:
    """Say what a file holds by its mapping: rows, levels, unknowns, outcomes, leaks, rejections."""
    from leadml.calibration.check import check_file, format_check

    found = check_file(file, mapping, query=query)
    typer.echo(_json(found.model_dump(exclude={"faults"})) if as_json else format_check(found))
    return _ended(found, max_rejected)


# ---------------------------------------------------------------- leads


@app.command(epilog="Example: leadml qualify leads.csv --mapping ours.yaml --policy bant-ibm -o out.csv")
def qualify(
    file: File, mapping: Mapping, out: Out, policy: Policies = None, met_level: MetLevel = 2,
    keep_columns: Keep = False, locale: Locale = "en", max_rejected: MaxRejected = 0.05,
    query: Query = None,
) -> int:  # fmt: skip
    """Judge leads by the documented rules alone; nothing is learned."""
    from leadml.scoring.predicting import qualify_file
    from leadml.scoring.scorer import Options

    options = Options(keep_columns=keep_columns, locale=locale, query=query)
    return _ended(qualify_file(file, mapping, policy, met_level, out, options, say), max_rejected)


@app.command(epilog="Example: leadml predict leads.csv --mapping ours.yaml --model bant -o scores.xlsx --sort")
def predict(
    file: File, mapping: Mapping, model: Model, out: Out, columns: Columns = None, keep_columns: Keep = False,
    sort: Sort = False, locale: Locale = "en", crm: Crm = None, with_closed: Closed = False,
    max_rejected: MaxRejected = 0.05, engine: Engine = "local", query: Query = None, store: Store = None,
) -> int:  # fmt: skip
    """Score new leads with a card; by .xlsx a work list with the reasons and the next question."""
    from leadml.scoring.predicting import predict_file
    from leadml.scoring.scorer import Options

    options = Options(
        columns=columns, keep_columns=keep_columns, sort=sort, locale=locale, crm=crm,
        with_closed=with_closed, query=query,
    )  # fmt: skip
    if engine == "spark":
        from leadml.spark import predict_with_spark as predict_file
    return _ended(predict_file(file, mapping, [_resolve(model, store)], out, options, say), max_rejected)


@app.command(epilog="Example: leadml explain leads.csv --mapping ours.yaml --model bant --lead 1042")
def explain(file: File, mapping: Mapping, model: Model, lead: Lead, query: Query = None, store: Store = None) -> None:
    """Explain one lead in words and points, and say what each answer would make of it."""
    from leadml.scoring.explaining import explain as explain_lead

    typer.echo(explain_lead(file, mapping, _resolve(model, store), lead, query=query))


# ---------------------------------------------------------------- calibrations


@app.command(epilog="Example: leadml calibrate deals.csv --mapping ours.yaml --name bant -o results")
def calibrate(
    file: File, mapping: Mapping, experiment: Settings = None, name: Name = None, out_dir: OutDir = None,
    as_of: AsOf = None, track: Track = True, tracking_uri: TrackingUri = None, experiment_name: RunsIn = None,
    max_rejected: MaxRejected = 0.05, engine: Engine = "local", query: Query = None,
    store: Store = None, without: Without = None,
) -> int:  # fmt: skip
    """Learn from closed deals, compare with the documented rules, report, store and track."""
    from leadml.calibration.file import calibrate_file
    from leadml.report.first_screen import format_result
    from leadml.tracking import without_password

    def read() -> Any:
        if engine == "spark":
            from leadml.spark import count_with_spark

            return count_with_spark(file, mapping)
        from leadml.data.read import read_leads

        return read_leads(file, mapping, query=query)

    words = ["leadml", *map(without_password, sys.argv[1:])]
    done = calibrate_file(
        read, experiment, name=name, out_dir=out_dir, store_root=store, as_of=as_of, without=without or (),
        command=shlex.join(words), at=_now(), say=say, max_rejected=max_rejected,
    )  # fmt: skip
    written = [done.directory / "report.html"]
    if done.found.cards:
        from leadml.app.page import write_page

        written.insert(0, write_page(done.directory, store_root=store))
    typer.echo(format_result(done.found.result, [str(each) for each in written]))
    say(f"results: {done.directory}")
    if done.version is None:
        say("no model: these deals give no card")
    else:
        say(f"model: {done.version.ref} ({'not the champion' if done.waits else 'the champion'})")
        if done.waits:
            say(done.waits)
    if track:
        _send(done.directory, tracking_uri, experiment_name, done.version)
    return _ended(done, max_rejected)


@app.command(epilog="Example: leadml monitor deals.csv --mapping ours.yaml --model bant -o watch")
def monitor(
    file: File, mapping: Mapping, model: Model, out_dir: OutDir = None, predictions: Kept = None,
    exit_code: ExitCode = False, track: Track = True, tracking_uri: TrackingUri = None,
    experiment_name: RunsIn = None, query: Query = None, store: Store = None,
) -> int:  # fmt: skip
    """Watch a card in use: drift, predictions against outcomes, the documented rule; one verdict."""
    from leadml.monitoring.monitor import EXIT_CODES, format_monitor, monitor_file

    done = monitor_file(file, mapping, model, out_dir, predictions=predictions, query=query, store_root=store)
    typer.echo(format_monitor(done.result))
    say(f"Open {done.directory / 'monitor.html'}")
    if track:
        _send(done.directory, tracking_uri, experiment_name)
    return EXIT_CODES[done.result.state] if exit_code else 0


@app.command(epilog="Example: leadml track results")
def track(directory: Directory, tracking_uri: TrackingUri = None, experiment_name: RunsIn = None) -> None:
    """Send results to MLflow that could not be sent when they were made."""
    _send(directory, tracking_uri, experiment_name)


@app.command(epilog="Example: leadml reproduce results --data deals.csv")
def reproduce(directory: Directory, data: Data, exit_code: ExitCode = False) -> int:
    """Calibrate again from what a folder kept, and say whether it comes out the same."""
    from leadml.calibration.file import reproduce as make_again

    differences = make_again(directory, data)
    typer.echo("\n".join(differences) if differences else "the same")
    return DIFFERENT if differences and exit_code else 0


@app.command(epilog="Example: leadml report results")
def report(directory: Directory, store: Store = None) -> None:
    """Render the report of a calibration again.

    It says so where the card is in use.
    """
    from leadml.registry.versions import in_use_as
    from leadml.report.html import render_folder

    say(f"wrote {render_folder(directory, lambda card, name: in_use_as(card, name, store))}")


@app.command(epilog="Example: leadml page results --leads leads.csv -o page.html")
def page(
    directory: Directory, out: OutPage, store: Store = None,
    leads: Annotated[str | None, _opt("New leads on it.", "--leads")] = None,
) -> None:  # fmt: skip
    """Make the page for sales ops: one file that works offline."""
    from leadml.app.page import write_page

    write_page(directory, out, leads=leads, store_root=store)
    say(f"Open {out}")


@app.command("app", epilog="Example: leadml app --port 8008")
def serve(
    host: Annotated[str, _opt("Where to listen.", "--host")] = "127.0.0.1",
    port: Annotated[int, _opt("Port to listen on.", "--port")] = 8008, token: Token = None, store: Store = None,
) -> None:  # fmt: skip
    """Serve the page and the HTTP API (OpenAPI at /docs)."""
    from leadml.app.api import serve as run

    run(host=host, port=port, token=token, store=store)


@app.command(epilog="Example: leadml demo")
def demo(
    directory: Annotated[Path, _arg("[DIR]", "Where to write.")] = Path("leadml-demo"), track: Track = True
) -> None:
    """Try everything on a synthetic sample of known truth, ending with what to open."""
    from leadml.demo import run_demo

    version = run_demo(directory, at=_now(), show=typer.echo, say=say)
    if track:
        _send(directory / "calibration", f"sqlite:///{directory.resolve() / 'mlflow.db'}", None, version)


# ---------------------------------------------------------------- the store


@models.command("list", epilog="Example: leadml models list")
def models_list(store: Store = None, as_json: AsJson = False) -> None:
    """List every version of every model."""
    from leadml.registry.versions import list_versions, store_folder

    found = list_versions(store_root=store)
    if as_json:
        typer.echo(_json([_listed(each) for each in found]))
        return
    width = max((len(each.ref) for each in found), default=0)
    for each in found:
        shown = f"  MLflow: {each.mlflow}" if each.mlflow else ""
        typer.echo(f"{each.ref:<{width}}  {each.status:<8}  {each.saved.at}{shown}")
    if not found:
        how = "`leadml calibrate FILE --mapping M --name NAME` fills it"
        say(f"the store at {store_folder(store)} is empty; {how}")


def _listed(version: Any) -> dict[str, Any]:
    """A version as JSON."""
    said = {"model": version.ref, "name": version.name, "version": version.version, "status": version.status}
    said |= {"mlflow": version.mlflow, "created_at": version.saved.at}
    return {**said, "files": version.saved.files, "ratio": version.saved.ratio}


@models.command("show", epilog="Example: leadml models show bant@2")
def models_show(ref: Ref, store: Store = None, as_json: AsJson = False) -> None:
    """Show one version: its points, bands, figures and where it comes from."""
    from leadml.registry.versions import load_stored, show_version
    from leadml.scoring.explaining import describe_card

    found = show_version(ref, store)
    card = load_stored(found)
    if as_json:
        typer.echo(_json({**_listed(found), "card": card.to_dict()}))
        return
    typer.echo(f"{found.ref}: {found.status}, {card.kind}, framework {card.framework or 'none'}")
    typer.echo(f"stored {found.saved.at} in {found.folder}{f'; in MLflow {found.mlflow}' if found.mlflow else ''}")
    typer.echo(describe_card(card))


@models.command("promote", epilog="Example: leadml models promote bant@2 --because 'wins more'")
def models_promote(
    ref: Ref, because: Because = None, on: On = None, mapping: OnMapping = None, ratio: Ratio = None,
    force: Force = False, store: Store = None,
) -> None:  # fmt: skip
    """Make a version the champion of its name, unless the deals speak against it."""
    from leadml.registry.promote import note_registered, promote
    from leadml.tracking import has_store, mirror_version

    leads = _read(on, mapping)
    found, compared = promote(ref, because=because, at=_now(), leads=leads, ratio=ratio, force=force, store_root=store)
    if compared:
        say(compared.sentence)
    is_open = compared is not None and compared.outcome == "moved"
    how = ", by force" if found.since.forced else ", by the reason alone" if is_open else ""
    say(f"{found.ref} is the champion of {found.name}{how}")
    if has_store():  # also of what is in use already, where MLflow could not be reached before
        told = mirror_version(found.ref, found.folder, champion=True, because=because or "")
        note_registered(found, told, at=_now(), store_root=store)
        say(f"registered: {told}")


@models.command("retire", epilog="Example: leadml models retire bant@1 --because 'replaced'")
def models_retire(ref: Ref, because: Because = None, store: Store = None) -> None:
    """Take a version out of use; it stays on disk."""
    from leadml.registry.promote import retire
    from leadml.registry.versions import champion_of
    from leadml.tracking import drop_champion, has_store

    done = retire(ref, because=because, at=_now(), store_root=store)
    left = champion_of(done.name, store)
    say(f"{done.ref} is retired; the champion of {done.name} is {left.ref if left else 'none'}")
    if left is None and has_store():
        drop_champion(done.name)


@models.command("history", epilog="Example: leadml models history bant")
def models_history(name: Annotated[str, _arg("NAME", "Name of the model.")], store: Store = None) -> None:
    """Tell what became of a model's versions, oldest first."""
    from leadml.registry.versions import check_known, read_history

    check_known(name, store)
    for event in read_history(name, store):
        why = f"  because: {event.because}" if event.because else f"  as {event.mlflow}" if event.mlflow else ""
        forced = f"{f' by {event.by}' if event.by else ''}{' by force' if event.forced else ''}"
        typer.echo(f"{event.at}  {event.action:<10}  {name}@{event.version}{forced}{why}")
        if event.evidence:
            typer.echo(f"    {event.evidence}")


@app.command(epilog="Example: leadml publish card.json --because 'need weighs more for renewals'")
def publish(
    draft: Annotated[Path, _arg("DRAFT", "A card (JSON) or framework (YAML) that was changed by hand.")],
    because: Because = None, name: Name = None, on: On = None, mapping: OnMapping = None, by: By = None,
    store: Store = None,
) -> None:  # fmt: skip
    """Make a card or framework that was changed by hand a version; its decisions are compared."""
    from leadml.registry.publish import publish as make_version
    from leadml.registry.versions import how_to_promote

    leads, who = _read(on, mapping), by or getuser()
    done = make_version(draft, because=because, by=who, at=_now(), name=name, leads=leads, store_root=store)
    for message in [*done.messages, *([done.comparison.sentence] if done.comparison else [])]:
        say(message)
    flags = " --force" if done.comparison and done.comparison.needs_force else ""
    say(f"{done.version.ref} is stored; to put it in use: {how_to_promote(done.version.ref, store, flags)}")


def main() -> None:
    """Run the command line: every fault ends in one message and an exit code, never in a bare traceback."""

    asked = [each for each in app.registered_commands if each.callback and each.callback.__name__ in sys.argv[1:2]]
    program = copy.copy(app)
    if asked:  # then the other commands need not be made, which takes as long as a lead
        program.registered_commands, program.registered_groups = asked, []

    def run() -> None:
        try:
            program([word for word in sys.argv[1:] if word != "--debug"], prog_name="leadml")
        except _Stopped as stopped:
            raise stopped.args[0] from None

    end_well(run, debug="--debug" in sys.argv[1:])
