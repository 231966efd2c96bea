"""The command ``leadml``: messages to stderr, data to stdout, and an exit code that tells the rest."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from leadml.console import end_well, say
from leadml.exceptions import UsageError

HELP = """Lead qualification rules as documented, measured on your closed deals and learned from them.

Exit codes: 0 done; 2 wrong usage, mapping, experiment or model; 3 the input could not be used;
4 too few closed deals to learn; 1 a fault of ours; 10 and 20 verdicts of monitor and reproduce.
"""


class _Group(TyperGroup):
    """All commands, ending well when the user or the reader of our output has had enough."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whatever is still to be flushed at exit has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            say("leadml: interrupted; nothing half-written is left behind")
            raise typer.Exit(130) from None


app = typer.Typer(
    name="leadml",
    cls=_Group,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models = typer.Typer(
    help="List, show, promote and retire stored models.",
    epilog="Example: leadml models promote bant@2 --because 'wins more'",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models, name="models")

FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help=".csv .tsv .parquet .xlsx .jsonl, a folder or glob, - for CSV from stdin, or a database URL.",
    ),
]
MappingOption = Annotated[
    Path, typer.Option("--mapping", "-m", metavar="M", help="What the columns of FILE mean (YAML).")
]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="REF",
        help="NAME (its champion), NAME@VERSION, path of a card, models:/NAME@ALIAS or runs:/ID/...",
    ),
]
OutOption = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        metavar="OUT",
        help=".csv .tsv .parquet .jsonl .xlsx, or - for CSV to stdout. Unusable rows go to OUT.rejected.csv.",
    ),
]
QueryOption = Annotated[
    str | None,
    typer.Option("--query", metavar="SQL", help="What to ask, when FILE is a SQLAlchemy URL."),
]
TableOption = Annotated[
    str | None,
    typer.Option("--table", metavar="NAME", help="The table to make, when OUT is a SQLAlchemy URL."),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="A,B",
        help="Which columns to write after lead_id, such as probability,points,band; all when absent.",
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="local|spark",
        help="Where the work is done. With spark OUT is a folder, and catalog: stands for tables of Spark.",
    ),
]
CountEngineOption = Annotated[
    str, typer.Option("--engine", metavar="local|spark", help="Who reads and counts the deals.")
]
KeepOption = Annotated[bool, typer.Option("--keep-columns", help="Let the columns of FILE come along.")]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", help="Folder of the models; LEADML_STORE or ./models_store when absent."
    ),
]
RefArgument = Annotated[
    str, typer.Argument(metavar="REF", help="NAME, NAME@VERSION, models:/NAME@ALIAS or runs:/ID.")
]
BecauseOption = Annotated[str | None, typer.Option("--because", help="Why; kept in the history.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        from leadml import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where a fault of ours came from.")] = False,
) -> None: ...


@app.command(epilog="Example: leadml demo")
def demo(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path("leadml-demo"),
) -> None:
    """Try everything on a synthetic sample, ending with what to open."""
    from leadml.workflows.demo import run_demo

    run_demo(directory)


@app.command(epilog="Example: leadml frameworks champ")
def frameworks(
    framework_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One framework in full.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the documented frameworks: criteria, cut-offs, sources, caveats, our reading."""
    from leadml.frameworks import describe, list_frameworks, load_framework

    if framework_id is not None:
        found = load_framework(framework_id)
        typer.echo(_json(found.to_dict()) if as_json else describe(found))
        return
    if as_json:
        typer.echo(_json([each.to_dict() for each in list_frameworks()]))
        return
    for each in list_frameworks():
        criteria = ", ".join(criterion.title.lower() for criterion in each.criteria)
        typer.echo(f"{each.id:<6} {each.title:<6} {criteria}")
        for policy in each.policies:
            typer.echo(f"       {policy.id:<15} {policy.title} [{policy.source}]")
    say("leadml frameworks ID shows one in full")


@app.command(epilog="Example: leadml check deals.csv --mapping configs/mappings/b2b_deals.yaml")
def check(file: FileArgument, mapping: MappingOption, as_json: JsonOption = False) -> None:
    """Say what a file holds by its mapping: rows, levels, unknowns, outcomes, leaks, rejections."""
    from leadml.workflows.check import check_file, format_check

    found = check_file(file, mapping)
    typer.echo(_json(found) if as_json else format_check(found))


@app.command(
    epilog="Example: leadml qualify leads.csv --mapping ours.yaml --policy bant-ibm -o qualified.csv"
)
def qualify(
    file: FileArgument,
    mapping: MappingOption,
    out: OutOption,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", metavar="ID", help="A documented rule; may be given again. All when absent."
        ),
    ] = None,
    met_level: Annotated[int, typer.Option(help="The level from which a criterion counts as met.")] = 2,
    keep_columns: KeepOption = False,
    query: QueryOption = None,
    table: TableOption = None,
) -> None:
    """Judge leads by the documented rules alone; nothing is learned."""
    from leadml.workflows.score import qualify_file

    qualify_file(
        file,
        mapping,
        out,
        policies=policy,
        met_level=met_level,
        keep_columns=keep_columns,
        query=query,
        table=table,
        say=say,
    )


@app.command(epilog="Example: leadml calibrate deals.csv --mapping ours.yaml --name bant -o results")
def calibrate(
    file: FileArgument,
    mapping: MappingOption,
    experiment: Annotated[
        Path | None,
        typer.Option("--experiment", "-e", metavar="E", help="Settings (YAML); every key optional."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model in the store.")] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write.")
    ] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Log to MLflow.")] = True,
    store: StoreOption = None,
    engine: CountEngineOption = "local",
    query: QueryOption = None,
) -> None:
    """Learn from closed deals, compare with the documented rules, report, store and track."""
    from leadml.exceptions import TrackingError
    from leadml.workflows.calibrate import calibrate_file
    from leadml.workflows.words import format_calibration

    done = calibrate_file(
        file,
        str(mapping),
        str(experiment) if experiment else None,
        name=name,
        out_dir=out_dir,
        track=track,
        store_root=store,
        engine=engine,
        query=query,
        say=say,
    )
    typer.echo(format_calibration(done.calibration.result))
    say(f"\nresults: {done.directory}, to be opened: {done.directory / 'report.html'}")
    role = (
        "the champion"
        if done.champion
        else f"not the champion; leadml models promote {done.model} makes it so"
    )
    say(f"model: {done.model} ({role})" if done.model else "no model: these deals give no card")
    if done.run is not None:
        say(f"MLflow run: {done.run.run_id}; to look: {done.run.look}")
    if done.tracking_error is not None:
        say(f"not tracked, though everything is kept in {done.directory}: {done.tracking_error}")
        raise typer.Exit(TrackingError.exit_code)


@app.command(epilog="Example: leadml predict leads.csv --mapping ours.yaml --model bant -o scores.csv")
def predict(
    file: FileArgument,
    mapping: MappingOption,
    model: ModelOption,
    out: OutOption,
    columns: ColumnsOption = None,
    keep_columns: KeepOption = False,
    query: QueryOption = None,
    table: TableOption = None,
    store: StoreOption = None,
    engine: EngineOption = "local",
) -> None:
    """Score new leads with a stored card."""
    from leadml.workflows.score import predict_file

    predict_file(
        file,
        mapping,
        model,
        out,
        store_root=store,
        columns=columns,
        keep_columns=keep_columns,
        query=query,
        table=table,
        engine=engine,
        say=say,
    )


@app.command(epilog="Example: leadml explain leads.csv --mapping ours.yaml --model bant --lead 1042")
def explain(
    file: FileArgument,
    mapping: MappingOption,
    model: ModelOption,
    lead: Annotated[
        str, typer.Option("--lead", metavar="ID", help="Identity of the lead, or its row from 1.")
    ],
    store: StoreOption = None,
) -> None:
    """Explain one lead in words and points."""
    from leadml.workflows.score import explain_lead

    typer.echo(explain_lead(file, mapping, model, lead, store_root=store))


@app.command(epilog="Example: leadml monitor deals.csv --mapping ours.yaml --model bant -o watch")
def monitor(
    file: FileArgument,
    mapping: MappingOption,
    model: ModelOption,
    out_dir: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write monitor.html and .json.")
    ] = None,
    predictions: Annotated[
        str | None,
        typer.Option("--predictions", metavar="OUT", help="Scores that `leadml predict` wrote earlier."),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 10 for watch and 20 for recalibrate.")
    ] = False,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Log to MLflow.")] = True,
    store: StoreOption = None,
) -> None:
    """Watch a card in use: drift, chances against outcomes, the documented rule; one verdict."""
    from leadml.exceptions import TrackingError
    from leadml.workflows.monitor import EXIT_CODES, format_monitor, monitor_file

    done = monitor_file(
        file, mapping, model, out_dir, predictions=predictions, store_root=store, track=track, say=say
    )
    typer.echo(format_monitor(done.result))
    say(f"to be opened: {done.directory / 'monitor.html'}")
    if done.run_id is not None:
        say(f"MLflow run: {done.run_id}")
    if done.tracking_error is not None:
        say(f"not tracked, though everything is kept in {done.directory}: {done.tracking_error}")
        raise typer.Exit(TrackingError.exit_code)
    if exit_code:
        raise typer.Exit(EXIT_CODES[done.result["verdict"]])


@app.command(epilog="Example: leadml track results")
def track(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `leadml calibrate` or `leadml monitor` wrote.")
    ],
    store: StoreOption = None,
) -> None:
    """Send results to MLflow that could not be sent when they were made."""
    from leadml.workflows.track import track_folder

    done = track_folder(directory, store_root=store)
    say(f"MLflow run: {done.run_id}" + ("" if done.sent else ", which is complete already; nothing was sent"))
    if done.registered:
        say(f"registered: {done.registered}")
    if done.look:
        say(f"to look: {done.look}")


@app.command(epilog="Example: leadml reproduce results --data deals.csv")
def reproduce(
    ref: Annotated[
        str, typer.Argument(metavar="RUN|DIR", help="Id of an MLflow run, or what `leadml calibrate` wrote.")
    ],
    data: Annotated[str, typer.Option("--data", metavar="FILE", help="The deals that it was made from.")],
) -> None:
    """Make a calibration again from what was kept of it; say same, or different and end with 10."""
    from leadml.workflows.reproduce import format_reproduced
    from leadml.workflows.reproduce import reproduce as make_again

    found = make_again(ref, data, say=say)
    typer.echo(format_reproduced(found))
    if found.sameness in ("different", "other-data"):
        raise typer.Exit(10)


@app.command(epilog="Example: leadml report results")
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What `leadml calibrate` wrote.")],
) -> None:
    """Render the report of a calibration again."""
    from leadml.card.files import write_text
    from leadml.report import render_html

    result = _load_json(directory / "result.json")
    card = _load_json(directory / "card.json") if (directory / "card.json").is_file() else None
    write_text(directory / "report.html", render_html(result, card))
    say(f"wrote {directory / 'report.html'}")


@models.command("list", epilog="Example: leadml models list")
def models_list(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List every version of every model."""
    from leadml.store import Store

    found = Store(store).list_versions()
    if as_json:
        typer.echo(_json([{"status": each.status, **each.manifest} for each in found]))
        return
    if not found:
        how = "`leadml calibrate FILE --mapping M --name NAME` fills it"
        say(f"the store at {Store(store).root} is empty; {how}")
    width = max((len(f"{each.name}@{each.version}") for each in found), default=0)
    for each in found:
        ref = f"{each.name}@{each.version}"
        typer.echo(f"{ref:<{width}}  {each.status:<8}  {each.manifest['created_at']}")


@models.command("show", epilog="Example: leadml models show bant@2")
def models_show(ref: RefArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show one version: its points, bands, figures and where it comes from."""
    from leadml.store import Store

    opened = Store(store)
    ref = _stored(ref, opened)
    found, card = opened.show(ref), opened.load(ref)
    if as_json:
        typer.echo(_json({"status": found.status, **found.manifest, "card": card.to_dict()}))
        return
    typer.echo(f"{card.model}: {found.status}, {card.kind}, framework {card.framework or 'none'}")
    typer.echo(
        f"stored {found.manifest['created_at']} in {found.folder}; MLflow run {found.manifest['run_id']}"
    )
    width = max(len(each.title) for each in card.criteria)
    levels = "  ".join(f"{level:>3}" for level in range(5))
    typer.echo(f"\n{'points at level':<{max(width, 13) + 2}}  {levels}  unknown")
    for each in card.criteria:
        points = "  ".join(f"{earned:>3}" for earned in each.points)
        typer.echo(f"  {each.title:<{max(width, 13)}}  {points}  {each.unknown_points:>7}")
    typer.echo("")
    for band in card.bands:
        chance = f", {card.table[band.from_].probability:.0%} chance at {band.from_}" if card.table else ""
        typer.echo(f"  from {band.from_:>3}  {band.title}: {band.action}{chance}")
    for name, value in found.manifest["metrics"].items():
        typer.echo(f"  {name}: {value}")


@models.command("promote", epilog="Example: leadml models promote bant@2 --because 'wins more'")
def models_promote(
    ref: RefArgument,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="FILE", help="Compare on deals closed since; with --mapping."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", "-m", metavar="M", help="What the columns of FILE mean.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote although it is worse; needs --because.")
    ] = False,
    because: BecauseOption = None,
    store: StoreOption = None,
) -> None:
    """Make a version the champion of its name, unless it is worse than the champion beyond noise."""
    from leadml.workflows.promote import promote_model

    done = promote_model(ref, on, mapping, store_root=store, force=force, because=because)
    found = f"{done.version.name}@{done.version.version}"
    if done.match is not None:
        say(done.match.sentence)
    if not done.changed:
        say(f"{found} is the champion of {done.version.name} already; nothing was changed")
    else:
        say(f"{found} is the champion of {done.version.name}{', by force' if done.forced else ''}")
    _say_registry(done.registry, done.registry_error)


@models.command("rollback", epilog="Example: leadml models rollback bant --because 'too many calls'")
def models_rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")],
    because: BecauseOption = None,
    store: StoreOption = None,
) -> None:
    """Return to the champion before this one; again, to the one before that."""
    from leadml.store import Store
    from leadml.workflows.promote import follow_in_registry

    found = Store(store).roll_back(name, because)
    say(f"{name}@{found.version} is the champion of {name} again")
    _say_registry(*follow_in_registry(Store(store), name, because))


@models.command("retire", epilog="Example: leadml models retire bant@1 --because 'other product'")
def models_retire(ref: RefArgument, because: BecauseOption = None, store: StoreOption = None) -> None:
    """Take a version out of use; it stays on disk and can be promoted again."""
    from leadml.store import Store

    opened = Store(store)
    found = opened.retire(_stored(ref, opened), because)
    champion = opened.champion(found.name)
    say(
        f"{found.name}@{found.version} is retired; "
        + (f"the champion is {found.name}@{champion}" if champion else f"{found.name} has no champion now")
    )
    from leadml.workflows.promote import follow_in_registry

    _say_registry(*follow_in_registry(opened, found.name, because))


@models.command("history", epilog="Example: leadml models history bant")
def models_history(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which version was in use from when to when, and why."""
    from dataclasses import asdict

    from leadml.store import Store

    events = Store(store).history(name)
    if as_json:
        typer.echo(_json([asdict(event) for event in events]))
        return
    typer.echo("in use")
    for spell in Store(store).reign(name).spells:
        why = f"  because: {spell.because}" if spell.because else ""
        end = f"until {spell.until} ({spell.ended_by})" if spell.until else "until now"
        typer.echo(f"  {name}@{spell.version}  from {spell.since}  {end}{why}")
    typer.echo("\nall that happened")
    for event in events:
        why = f"  because: {event.because}" if event.because else ""
        forced = " by force" if event.forced else ""
        typer.echo(f"  {event.at}  {event.action:<11}  {name}@{event.version}{forced}{why}")
        if event.evidence:
            typer.echo(f"      {event.evidence}")


@models.command("check", epilog="Example: leadml models check bant")
def models_check(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One model; all when absent.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell where the store and MLflow's registry differ: champions, versions; end with 10 if they do."""
    from dataclasses import asdict

    from leadml.store import Store
    from leadml.workflows.agree import compare_with_registry, format_agreements

    found = compare_with_registry(Store(store), name)
    typer.echo(_json([asdict(each) for each in found]) if as_json else format_agreements(found))
    if any(each.differences for each in found):
        raise typer.Exit(10)


def _stored(ref: str, store: Any) -> str:
    """Name the stored version, also for a reference of MLflow."""
    from leadml.store import is_tracked

    if not is_tracked(ref):
        return ref
    from leadml.workflows.agree import name_in_store

    return name_in_store(ref, store)


def _say_registry(told: str, error: str | None) -> None:
    """Tell whether MLflow's registry follows the store."""
    if told:
        say(told)
    if error is not None:
        from leadml.exceptions import TrackingError

        say(error)
        raise typer.Exit(TrackingError.exit_code)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _load_json(path: Path) -> dict[str, Any]:
    """Read a file that `leadml calibrate` wrote."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path}: cannot be read ({error}); give the folder that `leadml calibrate -o DIR` wrote"
        ) from None
    if not isinstance(found, dict):
        raise UsageError(f"{path}: holds no result; give the folder that `leadml calibrate -o DIR` wrote")
    return found


def main() -> None:
    """Run the command line. Every fault ends in one message and an exit code, never in a bare traceback."""
    words = [word for word in sys.argv[1:] if word != "--debug"]
    end_well(lambda: app(words, prog_name="leadml"), debug="--debug" in sys.argv[1:])
