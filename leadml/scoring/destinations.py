"""Destinations of scored leads: checked before anything is read, whole or not at all, swept after a kill."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from leadml.exceptions import UsageError

ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".xlsx")
PACKINGS = {".gz": "gzip", ".zst": "zstd"}
DAY_SECONDS = 86_400


def kind_of_out(out: str) -> str:
    """The ending that says how to write: .csv for standard output, "table" for a database."""
    if "://" in out:
        return "table"
    return ".csv" if out == "-" else Path(out.removesuffix(_packing(out))).suffix.lower()


def _packing(out: str) -> str:
    ending = Path(out).suffix
    return ending if ending in PACKINGS else ""


def check_out(out: str, source: object = None, table: str | None = None, option: str = "--out") -> None:
    """Refuse a destination before anything is read, and sweep what a killed run left beside it."""
    kind = kind_of_out(out)
    if (kind == "table") != (table is not None):
        raise UsageError(f"{option}: a database URL and --table NAME go together; got {out!r} and --table {table!r}")
    if out == "-" or kind == "table":
        return
    if kind not in ENDINGS or (_packing(out) and kind not in (".csv", ".tsv", ".jsonl")):
        raise UsageError(
            f"{option}: got {out!r}, valid endings are {', '.join(ENDINGS)}, text also packed as .csv.gz or "
            ".csv.zst, or - for standard output (CSV)"
        )
    path, folder = Path(out), check_parent(out, option)
    if path.is_dir():
        raise UsageError(f"{option}: {path} is a folder; give the name of a file in it")
    if not os.access(path if path.exists() and not path.is_file() else folder, os.W_OK):
        raise UsageError(f"{option}: {folder} cannot be written to; give another folder or its permission")
    given = isinstance(source, str | os.PathLike) and path.exists() and Path(source).exists()
    if given and path.samefile(cast(str, source)):
        raise UsageError(f"{option}: {out!r} is the input itself; give another file")
    sweep(folder)


def check_parent(out: str, option: str = "--out") -> Path:
    """Refuse a destination whose folder is not there."""
    path = Path(out).absolute()
    if not path.parent.is_dir():
        raise UsageError(f"{option}: {path.parent} is no folder to write {path.name!r} in; make it first")
    return path.parent


def _host() -> str:
    return re.sub(r"\W", "", socket.gethostname())[:20] or "host"


def sweep(folder: Path) -> None:
    """Remove temporary files of runs that were killed: of dead processes here, elsewhere after a day."""
    for path in folder.glob(".*.leadml-tmp"):
        host, _, process = path.name.removesuffix(".leadml-tmp").rpartition(".")[2].rpartition("-")
        with contextlib.suppress(OSError):
            alive = time.time() - path.stat().st_mtime < DAY_SECONDS
            if host == _host() and process.isdigit():
                try:
                    os.kill(int(process), 0)
                except ProcessLookupError:
                    alive = False
            if not alive:
                path.unlink()


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary file that takes the place of `path` by one rename when the block ends well, else goes.

    A device or pipe is written to directly.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield target
        return
    name = f".{target.name[:100]}.{os.urandom(4).hex()}.{_host()}-{os.getpid()}.leadml-tmp"
    temporary = target.with_name(name)
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def open_text(out: str) -> Iterator[Callable[[Any], object]]:
    """Open a destination for bytes: a file, packed or not, or standard output."""
    if out == "-":
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    with replacing(out) as temporary:
        if packing := _packing(out):
            with pa.output_stream(str(temporary), compression=PACKINGS[packing]) as stream:
                yield stream.write
        else:
            with temporary.open("wb") as file:
                yield file.write
