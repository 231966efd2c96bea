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


class _Group(TyperGroup):
    """A group whose first command is meant where none is named: ``leadml frameworks bant``, ``leadml models``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


class Engine(StrEnum):
    local = "local"
    spark = "spark"


class Locale(StrEnum):
    en = "en"
    nl = "nl"


class Crm(StrEnum):
    hubspot = "hubspot"
    salesforce = "salesforce"
    dynamics = "dynamics"
    pipedrive = "pipedrive"


app = typer.Typer(name="leadml", help=HELP, **SETTINGS)


def _add_group(name: str, help_: str, example: str) -> typer.Typer:
    group = typer.Typer(cls=_Group, help=help_, epilog=f"Example: {example}", rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


frameworks = _add_group(
    "frameworks", "Show the documented frameworks, or write and check one of your own.", "leadml frameworks champ"
)
mappings = _add_group(
    "mapping", "Write a mapping: what the columns of a file mean.", "leadml mapping new deals.csv -o ours.yaml"
)
models = _add_group(
    "models", "List, show, promote and retire stored models.", "leadml models promote bant@2 --because 'wins more'"
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
    str | None, typer.Option("--table", metavar="NAME", help="The table to make, when OUT is a SQLAlchemy URL.")
]
Keep = Annotated[bool, typer.Option("--keep-columns", help="Let the columns of FILE come along.")]
MaxRejected = Annotated[
    float,
    typer.Option("--max-rejected", min=0, max=1, help="End with 5 when a larger share of the rows is unusable."),
]
EngineOption = Annotated[Engine, typer.Option("--engine", help="Where the work is done; with spark OUT is a folder.")]
Store = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help="Folder of the models; LEADML_STORE or ./models_store when absent."),
]
Track = Annotated[bool, typer.Option("--track/--no-track", help="Log to MLflow.")]
TrackingUri = Annotated[
    str | None, typer.Option("--tracking-uri", metavar="URI", help="MLflow's server or folder.")
]
ExperimentName = Annotated[
    str | None, typer.Option("--experiment-name", metavar="NAME", help="MLflow's experiment for the runs.")
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="The day the file was exported, such as 2026-01-31.")
]
Ref = Annotated[str, typer.Argument(metavar="REF", help="NAME, NAME@VERSION, models:/NAME@ALIAS or runs:/ID.")]
Because = Annotated[str | None, typer.Option("--because", help="Why; kept in the history.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="Tell the verdict by the exit code: 10 or 20.")]


def _say(message: str) -> None:
    from leadml.terminal import say

    say(message)


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


def main() -> None:
    """Run the command line: every fault ends in one message and an exit code, never in a bare traceback."""
    import signal
    import sys

    from leadml.terminal import end_well

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as if interrupted: half-written files go
    words = [word for word in sys.argv[1:] if word != "--debug"]
    end_well(lambda: app(words, prog_name="leadml"), debug="--debug" in sys.argv[1:])
