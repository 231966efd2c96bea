"""Destinations of scored leads: checked before anything is read, whole or not at all, swept after a kill."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pyarrow as pa

from leadml.exceptions import UsageError
from leadml.scoring.writers import CsvLines, JsonLines, Layout, Writer, open_parquet, open_table

TEXTS = (".csv", ".tsv", ".jsonl")
ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".xlsx")
PACKINGS = {".gz": "gzip", ".zst": "zstd"}
DAY_SECONDS = 86_400


def kind_of_out(out: str) -> tuple[str, str]:
    """The ending that says how to write (.csv for standard output, "table" for a database), and how it is packed."""
    if "://" in out:
        return "table", ""
    packing = PACKINGS.get(Path(out).suffix, "")
    return ".csv" if out == "-" else Path(Path(out).stem if packing else out).suffix.lower(), packing


def check_out(out: str, source: object = None, table: str | None = None, option: str = "--out") -> None:
    """Refuse a destination before anything is read, and sweep what a killed run left beside it."""
    kind, packing = kind_of_out(out)
    if (kind == "table") != (table is not None):
        raise UsageError(f"{option}: a database URL and --table NAME go together; got {out!r} and --table {table!r}")
    if out == "-" or kind == "table":
        return
    if kind not in (TEXTS if packing else ENDINGS):
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


def _host() -> str:
    return re.sub(r"\W", "", socket.gethostname())[:20] or "host"


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
def open_writer(out: str, layout: Layout, table: str | None = None) -> Iterator[Writer]:
    """Open a destination by its ending; nothing is there before the block ends well."""
    kind, packing = kind_of_out(out)
    with contextlib.ExitStack() as stack:
        if kind == "table":
            yield stack.enter_context(open_table(out, cast(str, table), layout))
            return
        path = None if out == "-" else stack.enter_context(replacing(out))
        if kind == ".parquet":
            yield stack.enter_context(open_parquet(cast(Path, path), layout))
        elif kind == ".xlsx":
            from leadml.scoring.worklist import open_worklist

            yield stack.enter_context(open_worklist(cast(Path, path), layout))
        else:
            stream = sys.stdout.buffer if path is None else path.open("wb")
            if packing:
                stream = pa.CompressedOutputStream(stream, packing)
            if path is not None:
                stack.enter_context(contextlib.closing(stream))
            writer = JsonLines(layout, stream.write) if kind == ".jsonl" else CsvLines(layout, stream.write, kind)
            yield writer
            writer.finish()
            stream.flush()
