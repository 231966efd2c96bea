"""The command line ``leadml``: messages to stderr, data to stdout, and an exit code for what became of it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

HELP = """Lead qualification rules as documented, checked on your closed deals, and learned from them.

Exit codes: 0 done; 2 wrong usage, mapping, experiment or model; 3 the input could not be used;
4 too few closed deals to learn; 5 done, but too many rows could not be used; 1 an internal error;
10 and 20 verdicts of monitor and reproduce with --exit-code.
"""
TOO_MANY_REJECTED = 5
SETTINGS: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,  # rich would load for every --help
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


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

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(self.commands)


class Engine(StrEnum):
    """Where the work is done."""

    local = "local"
    spark = "spark"


class Locale(StrEnum):
    """How numbers and words are written."""

    en = "en"
    nl = "nl"


class Crm(StrEnum):
    """Whose export it is."""

    hubspot = "hubspot"
    salesforce = "salesforce"
    dynamics = "dynamics"
    pipedrive = "pipedrive"


app = typer.Typer(name="leadml", cls=_App, help=HELP, **SETTINGS)


def _add_group(name: str, help_: str, example: str) -> typer.Typer:
    group = typer.Typer(cls=_Group, help=help_, epilog=f"Example: {example}", rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


frameworks = _add_group(
    "frameworks",
    "Show the documented frameworks, or write and check one of your own.",
    "leadml frameworks champ",
)
mappings = _add_group(
    "mapping",
    "Write a mapping: what the columns of a file mean.",
    "leadml mapping new deals.csv -o ours.yaml",
)
models = _add_group(
    "models",
    "List, show, promote and retire stored models.",
    "leadml models promote bant@2 --because 'wins more'",
)

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help=".csv .tsv .parquet .xlsx .jsonl, a folder or glob, - for CSV from stdin, or a database URL.",
    ),
]
Mapping = Annotated[
    Path, typer.Option("--mapping", "-m", metavar="M", help="What the columns of FILE mean (YAML).")
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="REF",
        help="NAME (its champion), NAME@VERSION, path of a card, models:/NAME@ALIAS or runs:/ID/...",
    ),
]
Out = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        metavar="OUT",
        help=".csv .tsv .jsonl (also .gz .zst), .parquet, .xlsx, or - for CSV to stdout. Rows that cannot be "
        "used go to OUT.rejected.csv.",
    ),
]
OutDir = Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write.")]
OutFile = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write; stdout when absent.")
]
Query = Annotated[
    str | None, typer.Option("--query", metavar="SQL", help="What to ask, when FILE is a SQLAlchemy URL.")
]
Table = Annotated[
    str | None,
    typer.Option("--table", metavar="NAME", help="The table to make, when OUT is a SQLAlchemy URL."),
]
Keep = Annotated[bool, typer.Option("--keep-columns", help="Let the columns of FILE come along.")]
MaxRejected = Annotated[
    float,
    typer.Option(
        "--max-rejected", min=0, max=1, help="End with 5 when a larger share of the rows is unusable."
    ),
]
EngineOption = Annotated[
    Engine, typer.Option("--engine", help="Where the work is done; with spark OUT is a folder.")
]
LocaleOption = Annotated[
    Locale, typer.Option("--locale", help="nl: decimal commas, ; between columns, Dutch words.")
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", help="Folder of the models; LEADML_STORE or ./models_store when absent."
    ),
]
Track = Annotated[bool, typer.Option("--track/--no-track", help="Log to MLflow.")]
TrackingUri = Annotated[
    str | None, typer.Option("--tracking-uri", metavar="URI", help="MLflow's server or folder.")
]
ExperimentName = Annotated[
    str | None, typer.Option("--experiment-name", metavar="NAME", help="MLflow's experiment for the runs.")
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="The day the file was exported, such as 2026-01-31."),
]
Ref = Annotated[
    str, typer.Argument(metavar="REF", help="NAME, NAME@VERSION, models:/NAME@ALIAS or runs:/ID.")
]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="What `leadml calibrate` wrote.")]
Because = Annotated[str | None, typer.Option("--because", help="Why; kept in the history.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="Tell the verdict by the exit code: 10 or 20.")]


def _say(message: str) -> None:
    from leadml.terminal import say

    say(message)


def _write(text: str, out: Path | None, then: str) -> None:
    """Write a text to a file that is not there yet, or to stdout."""
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        from leadml.exceptions import UsageError

        raise UsageError(f"--out: {out} is there already and is not overwritten; give another name") from None
    _say(f"wrote {out}; next: {then}")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


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
    debug: Annotated[bool, typer.Option("--debug", help="Show where an internal error came from.")] = False,
) -> None: ...


# ---------------------------------------------------------------- frameworks and mappings


@frameworks.command("show", epilog="Example: leadml frameworks champ")
def frameworks_show(
    framework_id: Annotated[
        str | None, typer.Argument(metavar="[ID|FILE]", help="One framework in full.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the documented frameworks: criteria, cut-offs, sources, caveats, our reading."""
    from leadml.frameworks.catalog import list_frameworks, load_framework
    from leadml.frameworks.describe import describe

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
    _say("leadml frameworks ID shows one in full")


@frameworks.command("new", epilog="Example: leadml frameworks new ours --from bant -o ours.yaml")
def frameworks_new(
    framework_id: Annotated[str, typer.Argument(metavar="ID", help="Id of your framework.")],
    base: Annotated[str, typer.Option("--from", metavar="ID", help="The framework to begin from.")] = "bant",
    title: Annotated[str, typer.Option("--title", help="Its name; the id when absent.")] = "",
    out: OutFile = None,
) -> None:
    """Begin a framework of your own from a documented one."""
    from leadml.frameworks.own import new_framework

    _write(new_framework(framework_id, base=base, title=title), out, f"leadml frameworks check {out}")


@frameworks.command("check", epilog="Example: leadml frameworks check ours.yaml")
def frameworks_check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Your framework (YAML).")],
) -> None:
    """Check a framework: every fault with its line, and what may not be meant."""
    from leadml.frameworks.own import check_framework

    found, remarks = check_framework(file)
    for remark in remarks:
        _say(remark)
    n = len(found.policies)
    _say(f"{file}: framework {found.id} can be used: {len(found.criteria)} criteria, {n} rules")


@frameworks.command("diff", epilog="Example: leadml frameworks diff bant ours.yaml")
def frameworks_diff(
    old: Annotated[str, typer.Argument(metavar="ID|FILE", help="Before.")],
    new: Annotated[str, typer.Argument(metavar="ID|FILE", help="After.")],
) -> None:
    """List what changed from one framework to another, a line a change."""
    from leadml.frameworks.catalog import load_framework
    from leadml.frameworks.own import diff_frameworks

    found = diff_frameworks(load_framework(old), load_framework(new))
    typer.echo("\n".join(found) if found else "no difference")


@mappings.command("new", epilog="Example: leadml mapping new deals.csv --crm hubspot -o ours.yaml")
def mapping_new(
    file: File,
    crm: Annotated[Crm | None, typer.Option("--crm", help="Whose export it is.")] = None,
    out: OutFile = None,
) -> None:
    """Propose a mapping from headers and values; every guess is marked and explained."""
    from leadml.data.new_mapping import propose_mapping

    _write(propose_mapping(file, crm=crm.value if crm else None), out, f"leadml check {file} --mapping {out}")


@app.command(epilog="Example: leadml check deals.csv --mapping configs/mappings/b2b_deals.yaml")
def check(
    file: File,
    mapping: Mapping,
    as_json: AsJson = False,
    max_rejected: MaxRejected = 0.05,
    query: Query = None,
) -> int:
    """Say what a file holds by its mapping: rows, levels, unknowns, outcomes, leaks, rejections."""
    from leadml.calibration.check import check_file, format_check

    found = check_file(file, mapping, query=query)
    typer.echo(_json(found.model_dump(exclude={"faults"})) if as_json else format_check(found))
    return _ended(found, max_rejected)


# ---------------------------------------------------------------- leads


@app.command(
    epilog="Example: leadml qualify leads.csv --mapping ours.yaml --policy bant-ibm -o qualified.csv"
)
def qualify(
    file: File,
    mapping: Mapping,
    out: Out,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", metavar="ID", help="A documented rule; may be given again. All when absent."
        ),
    ] = None,
    met_level: Annotated[int, typer.Option(help="The level from which a criterion counts as met.")] = 2,
    keep_columns: Keep = False,
    locale: LocaleOption = Locale.en,
    max_rejected: MaxRejected = 0.05,
    query: Query = None,
    table: Table = None,
) -> int:
    """Judge leads by the documented rules alone; nothing is learned."""
    from leadml.scoring.predicting import Options, qualify_file

    options = Options(keep_columns=keep_columns, locale=locale.value, query=query, table=table)
    return _ended(qualify_file(file, mapping, policy, met_level, out, options, _say), max_rejected)


@app.command(
    epilog="Example: leadml predict leads.csv --mapping ours.yaml --model bant -o scores.xlsx --sort"
)
def predict(
    file: File,
    mapping: Mapping,
    model: Model,
    out: Out,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="A,B",
            help="Which columns to write after lead_id, such as probability,points,band; all when absent.",
        ),
    ] = None,
    keep_columns: Keep = False,
    sort: Annotated[
        bool, typer.Option("--sort", help="Highest expected value first: chance times amount, if mapped.")
    ] = False,
    locale: LocaleOption = Locale.en,
    crm: Annotated[
        str | None,
        typer.Option("--crm", metavar="FILE", help="A second file, ready to import: identity and scores."),
    ] = None,
    with_closed: Annotated[
        bool, typer.Option("--with-closed", help="Score leads whose outcome is known, too.")
    ] = False,
    max_rejected: MaxRejected = 0.05,
    engine: EngineOption = Engine.local,
    query: Query = None,
    table: Table = None,
    store: Store = None,
) -> int:
    """Score new leads with a card; by .xlsx a work list with the reasons and the next question."""
    from leadml.scoring.predicting import Options, predict_file

    options = Options(
        columns=columns, keep_columns=keep_columns, sort=sort, locale=locale.value, crm=crm,
        with_closed=with_closed, query=query, table=table,
    )  # fmt: skip
    if engine is Engine.spark:
        from leadml.spark import predict_with_spark

        return _ended(
            predict_with_spark(file, mapping, _resolve(model, store), out, options, _say), max_rejected
        )
    return _ended(
        predict_file(file, mapping, lambda: _resolve(model, store), out, options, _say), max_rejected
    )


@app.command(epilog="Example: leadml explain leads.csv --mapping ours.yaml --model bant --lead 1042")
def explain(
    file: File,
    mapping: Mapping,
    model: Model,
    lead: Annotated[
        str, typer.Option("--lead", metavar="ID", help="Identity of the lead, or its row from 1.")
    ],
    query: Query = None,
    store: Store = None,
) -> None:
    """Explain one lead in words and points, and say what each answer would make of it."""
    from leadml.scoring.explaining import explain_lead

    typer.echo(explain_lead(file, mapping, _resolve(model, store), lead, query=query))


# ---------------------------------------------------------------- calibrations


@app.command(epilog="Example: leadml calibrate deals.csv --mapping ours.yaml --name bant -o results")
def calibrate(
    file: File,
    mapping: Mapping,
    experiment: Annotated[
        Path | None,
        typer.Option("--experiment", "-e", metavar="E", help="Settings (YAML); every key optional."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model in the store.")] = None,
    out_dir: OutDir = None,
    as_of: AsOf = None,
    track: Track = True,
    tracking_uri: TrackingUri = None,
    experiment_name: ExperimentName = None,
    max_rejected: MaxRejected = 0.05,
    engine: EngineOption = Engine.local,
    query: Query = None,
    store: Store = None,
) -> int:
    """Learn from closed deals, compare with the documented rules, report, store and track."""
    from leadml.calibration.file import calibrate_file
    from leadml.report.summary import format_result

    def read() -> Any:
        if engine is Engine.spark:
            from leadml.spark import count_with_spark

            return count_with_spark(file, mapping)
        from leadml.data.read import read_leads

        return read_leads(file, mapping, query=query)

    done = calibrate_file(
        read, experiment, name=name, out_dir=out_dir, store_root=store, as_of=as_of, at=_now(), say=_say
    )
    _show(format_result(done.found.result))
    _say(f"results: {done.directory}. Open {done.directory / 'report.html'}")
    if done.version is None:
        _say("no model: these deals give no card")
    else:
        role = "the champion" if done.is_champion else (
            f"not the champion; leadml models promote {done.version.ref} --because TEXT makes it so"
        )  # fmt: skip
        _say(f"model: {done.version.ref} ({role})")
    if track:
        _track(done.directory, tracking_uri, experiment_name)
    return _ended(done, max_rejected)


@app.command(epilog="Example: leadml monitor deals.csv --mapping ours.yaml --model bant -o watch")
def monitor(
    file: File,
    mapping: Mapping,
    model: Model,
    out_dir: OutDir = None,
    predictions: Annotated[
        str | None,
        typer.Option("--predictions", metavar="OUT", help="Scores that `leadml predict` wrote earlier."),
    ] = None,
    exit_code: ExitCode = False,
    track: Track = True,
    tracking_uri: TrackingUri = None,
    experiment_name: ExperimentName = None,
    query: Query = None,
    store: Store = None,
) -> int:
    """Watch a card in use: drift, predictions against outcomes, the documented rule; one verdict."""
    from leadml.monitoring.monitor import EXIT_CODES, format_monitor, monitor_file

    done = monitor_file(file, mapping, model, out_dir, predictions=predictions, query=query, store_root=store)
    typer.echo(format_monitor(done.result))
    _say(f"Open {done.directory / 'monitor.html'}")
    if track:
        _track(done.directory, tracking_uri, experiment_name)
    return EXIT_CODES[done.result.state] if exit_code else 0


@app.command(epilog="Example: leadml track results")
def track(
    directory: Directory,
    tracking_uri: TrackingUri = None,
    experiment_name: ExperimentName = None,
) -> None:
    """Send results to MLflow that could not be sent when they were made."""
    _track(directory, tracking_uri, experiment_name)


@app.command(epilog="Example: leadml reproduce results --data deals.csv")
def reproduce(
    directory: Directory,
    data: Annotated[str, typer.Option("--data", metavar="FILE", help="The deals that it was made from.")],
    exit_code: ExitCode = False,
) -> int:
    """Calibrate again from what a folder kept, and say whether it comes out the same."""
    from leadml.calibration.reproduce import reproduce as make_again

    differences = make_again(directory, data)
    typer.echo("\n".join(differences) if differences else "the same")
    return 10 if differences and exit_code else 0


@app.command(epilog="Example: leadml report results")
def report(directory: Directory) -> None:
    """Render the report of a calibration again."""
    from leadml.report import render_folder

    _say(f"wrote {render_folder(directory)}")


@app.command(epilog="Example: leadml page results --leads leads.csv -o page.html")
def page(
    directory: Directory,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PAGE.html", help="The page to write.")],
    leads: Annotated[
        str | None, typer.Option("--leads", metavar="FILE", help="New leads to show on it.")
    ] = None,
) -> None:
    """Make the page for sales ops: one file that works offline."""
    from leadml.app.page import write_page

    write_page(directory, out, leads=leads)
    _say(f"Open {out}")


@app.command("app", epilog="Example: leadml app --port 8008")
def serve(
    host: Annotated[str, typer.Option("--host", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 8008,
    token: Annotated[
        str | None, typer.Option("--token", envvar="LEADML_TOKEN", help="Asked of every caller.")
    ] = None,
    store: Store = None,
) -> None:
    """Serve the page and the HTTP API (OpenAPI at /docs)."""
    from leadml.app.server import serve as run

    run(host=host, port=port, token=token, store_root=store)


@app.command(epilog="Example: leadml demo")
def demo(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path("leadml-demo"),
) -> None:
    """Try everything on a synthetic sample of known truth, ending with what to open."""
    from leadml.app.demo import run_demo

    run_demo(directory, at=_now(), say=_say)


# ---------------------------------------------------------------- the store


@models.command("list", epilog="Example: leadml models list")
def models_list(store: Store = None, as_json: AsJson = False) -> None:
    """List every version of every model."""
    from leadml.registry.versions import list_versions, store_folder

    found = list_versions(store_root=store)
    if as_json:
        typer.echo(_json([{"status": each.status, **each.manifest.model_dump()} for each in found]))
        return
    if not found:
        how = "`leadml calibrate FILE --mapping M --name NAME` fills it"
        _say(f"the store at {store_folder(store)} is empty; {how}")
    width = max((len(each.ref) for each in found), default=0)
    for each in found:
        typer.echo(f"{each.ref:<{width}}  {each.status:<8}  {each.manifest.created_at}")


@models.command("show", epilog="Example: leadml models show bant@2")
def models_show(ref: Ref, store: Store = None, as_json: AsJson = False) -> None:
    """Show one version: its points, bands, figures and where it comes from."""
    from leadml.card.record import Card
    from leadml.registry.versions import load_stored, show_version

    found = show_version(ref, store)
    model = load_stored(found)
    card = model if isinstance(model, Card) else None
    if as_json:
        shown = None if card is None else card.to_dict()
        typer.echo(_json({"status": found.status, **found.manifest.model_dump(), "card": shown}))
        return
    kind = type(model).__name__ if card is None else f"{card.kind}, framework {card.framework or 'none'}"
    typer.echo(f"{found.ref}: {found.status}, {kind}")
    typer.echo(
        f"stored {found.manifest.created_at} in {found.folder}; MLflow run {found.manifest.run_id or 'none'}"
    )
    if card is not None:
        typer.echo(_card_text(card))
    for key, value in found.manifest.metrics.items():
        typer.echo(f"  {key}: {value}")


def _card_text(card: Any) -> str:
    """Points, bands and who changed a card, as text."""
    from leadml.terminal import Table as Lines
    from leadml.terminal import format_blocks

    points = [[each.title, *map(str, each.points), str(each.unknown_points)] for each in card.criteria]
    blocks: list[Any] = [Lines("points at level", ["", *"01234", "unknown"], points)]
    for each in card.attributes:
        rows = [[part.label, str(part.points)] for part in each.bins]
        rows += [["other", str(each.other_points)], ["unknown", str(each.unknown_points)]]
        blocks.append(Lines(each.title, ["value", "points"], rows))
    chance = {row.points: f"{row.probability:.0%}" for row in card.table}
    bands = [[str(b.from_), b.title, b.action, b.decision, chance.get(b.from_, "")] for b in card.bands]
    blocks.append(Lines("bands", ["from", "band", "action", "decision", "chance there"], bands))
    if card.published:
        made = card.published
        blocks.append(f"changed from {made.changed_from} by {made.by}, {made.at}: {made.because}")
    return format_blocks(blocks)


@models.command("promote", epilog="Example: leadml models promote bant@2 --because 'wins more'")
def models_promote(
    ref: Ref,
    because: Because = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="FILE", help="Compare on deals closed since; with --mapping."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", "-m", metavar="M", help="What the columns of FILE mean.")
    ] = None,
    ratio: Annotated[
        float | None, typer.Option("--ratio", help="Value of a won deal in follow-ups.", min=1)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote although it decides worse.")] = False,
    store: Store = None,
) -> None:
    """Make a version the champion of its name, unless it decides worse than the champion."""
    from leadml.registry.promote import promote

    done = promote(
        ref, because=because, at=_now(), leads=_read(on, mapping), ratio=ratio, force=force, store_root=store
    )
    name = done.version.name
    if done.comparison is not None:
        _say(done.comparison.sentence)
    if not done.changed:
        _say(f"{done.version.ref} is the champion of {name} already; nothing was changed")
    else:
        _say(f"{done.version.ref} is the champion of {name}{', by force' if done.forced else ''}")


@models.command("retire", epilog="Example: leadml models retire bant@1 --because 'replaced'")
def models_retire(ref: Ref, because: Because = None, store: Store = None) -> None:
    """Take a version out of use; it stays on disk."""
    from leadml.registry.promote import check_reason
    from leadml.registry.versions import champion_of, retire

    reason = check_reason(because, f"leadml models retire {ref}")
    done = retire(ref, because=reason, at=_now(), store_root=store)
    left = champion_of(done.name, store)
    _say(f"{done.ref} is retired; the champion of {done.name} is {left.ref if left else 'none'}")


@models.command("history", epilog="Example: leadml models history bant")
def models_history(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")], store: Store = None
) -> None:
    """Tell what became of a model's versions, oldest first."""
    from leadml.registry.versions import read_history

    for event in read_history(name, store):
        why = f"  because: {event.because}" if event.because else ""
        forced = " by force" if event.forced else ""
        typer.echo(f"{event.at}  {event.action:<8}  {name}@{event.version}{forced}{why}")
        if event.evidence:
            typer.echo(f"    {event.evidence}")


@app.command(epilog="Example: leadml publish card.json --because 'need weighs more for renewals'")
def publish(
    draft: Annotated[Path, typer.Argument(metavar="DRAFT", help="A card (JSON) or framework (YAML).")],
    because: Because = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model; the draft's own.")] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="FILE", help="Deals to compare decisions on; with --mapping."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", "-m", metavar="M", help="What the columns of FILE mean.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who changed it; the user when absent.")] = None,
    store: Store = None,
) -> None:
    """Make a card or framework that was changed by hand a version; its decisions are compared."""
    from getpass import getuser

    from leadml.registry.publish import publish as make_version

    done = make_version(
        draft, because=because, by=by or getuser(), at=_now(), name=name, leads=_read(on, mapping),
        store_root=store,
    )  # fmt: skip
    for message in done.messages:
        _say(message)
    if done.comparison is not None:
        _say(done.comparison.sentence)
    _say(
        f"{done.version.ref} is stored; leadml models promote {done.version.ref} --because TEXT puts it in use"
    )


# ---------------------------------------------------------------- shared


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")


def _show(text: str) -> None:
    typer.echo(text)


def _read(file: str | None, mapping: Path | None) -> Any:
    """Leads to compare on, where they are given."""
    if file is None:
        return None
    from leadml.data.read import read_leads
    from leadml.exceptions import UsageError

    if mapping is None:
        raise UsageError("--mapping: --on needs it, to know what the columns of the file mean")
    return read_leads(file, mapping)


def _track(directory: Path, tracking_uri: str | None, experiment_name: str | None) -> None:
    """Send a folder to MLflow; what it holds is complete either way."""
    from leadml.tracking import track_folder

    for message in track_folder(directory, tracking_uri=tracking_uri, experiment_name=experiment_name):
        _say(message)


def _resolve(ref: str, store: Path | None) -> Any:
    """The card, or the classifier, that a reference names; a card of its own needs no registry."""
    if ref.endswith(".json") and Path(ref).is_file():
        from leadml.card.files import load_card

        return load_card(ref)
    from leadml.registry.resolve import resolve

    return resolve(ref, store)


def _ended(totals: Any, max_rejected: float) -> int:
    """Exit code 5 when more rows than allowed could not be used; what could be is done all the same."""
    if totals.rejected_share <= max_rejected:
        return 0
    share = f"{totals.n_rejected} of {totals.n_rows} rows ({totals.rejected_share:.1%}) could not be used"
    _say(f"{share}, more than --max-rejected {max_rejected:.1%}; the rest is done")
    return TOO_MANY_REJECTED


def main() -> None:
    """Run the command line: every fault ends in one message and an exit code, never in a bare traceback."""
    import sys

    from leadml.terminal import end_well

    def run() -> None:
        try:
            app([word for word in sys.argv[1:] if word != "--debug"], prog_name="leadml")
        except _Stopped as stopped:
            raise stopped.args[0] from None

    end_well(run, debug="--debug" in sys.argv[1:])
