"""Every figure of speed against its peer or limit, in one run: ``make bench``.

``--rows 50000 --pairs 1`` tries it quickly; ``--parts`` names some of the parts. Calibration is measured on ten
times as many deals, memory on twenty times as many leads: 8 GB of disk while it runs. ``--peers PYTHON`` names an
environment that has the peers; without it they are installed into .venv-peers.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from timing import Command, run_once, run_pairs

HERE = Path(__file__).resolve().parent
LEADML = (sys.executable, "-c", "from leadml.__main__ import program; program()")
"""As the installed command begins, which may lie elsewhere."""
PARTS = ("start", "files", "memory", "peers", "learning", "calibration", "tracking", "large")
TIMES_FASTER = {"optbinning": 8, "sklearn": 5, "ebm": 4}
"""How many times faster than a peer, which writes no reasons, leadml is to be from CSV to CSV."""
MEGABYTES = {1: 400, 20: 450, "calibrate": 1000}


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table; the ratio is ours to the peer's (or to the limit itself), so less is better."""

    what: str
    peer: str
    ours: float
    peer_seconds: float
    ratio: float
    limit: float = 1.0
    megabytes: float = math.nan
    rows: float = math.nan


class Bench:
    """The parts, on one folder of material."""

    def __init__(self, home: Path, rows: int, pairs: int, peers: str | None) -> None:
        self.home, self.rows, self.pairs, self._peers = home, rows, pairs, peers
        self.folder = self._material(1)

    def start(self) -> Iterator[Figure]:
        """Start-up, against the imports that it cannot do without."""
        one = self._predict("one.csv", "one_scores.csv")
        for what, ours, code, limit in (
            ("leadml --help", [*LEADML, "--help"], "import typer", 1.5),
            ("leadml predict, one lead, cold", one, "import numpy, pyarrow", 2.0),
        ):
            yield self._against(what, ours, f"python -c '{code}'", [sys.executable, "-c", code], limit, 5 * self.pairs)

    def files(self) -> Iterator[Figure]:
        """Whole processes from file to file, with every column and reasons."""
        for kind, ending, limit in (("CSV", ".csv", 0.75), ("Parquet", ".parquet", 1.0)):
            ours = self._predict(f"leads{ending}", f"all{ending}")
            bare = script("bare.py", "pyarrow", f"leads{ending}", f"bare{ending}")
            what = f"{kind} to {kind}: every column, with reasons"
            yield self._against(what, ours, "bare pyarrow, four columns", bare, limit)
        join = script("bare.py", "polars", "leads.csv", "joined.csv")
        what = "CSV to CSV: every column, with reasons"
        ours = self._predict("leads.csv", "all.csv")
        yield self._against(what, ours, "the same join in polars' streaming engine", join, 1.0)
        wide, narrow = (self._predict("leads.csv", "rows.csv", f"{card}.json") for card in ("wide", "eight"))
        yield self._against("CSV to CSV: wide card of eight rows", wide, "criteria card of eight rows", narrow, 1.5)
        yield from self._room(1)

    def large(self) -> Iterator[Figure]:
        """Memory on files that are much larger."""
        yield from self._room(20)

    def _room(self, times: int) -> Iterator[Figure]:
        """The most memory that scoring takes, by a card that asks all 13 criteria."""
        folder, rows, limit = self._material(times), times * self.rows, MEGABYTES[times]
        for kind, ending in (("Parquet", ".parquet"), ("CSV", ".csv")):
            run = run_once(self._predict(f"leads{ending}", f"room{ending}", "thirteen.json"), folder)
            (folder / f"room{ending}").unlink()
            what = f"memory: {rows:,} leads, {kind} to {kind}, a card of 13 criteria, every column"
            yield Figure(what, f"{limit} MB", run.seconds, math.nan, run.megabytes / limit, 1.0, run.megabytes, rows)

    def memory(self) -> Iterator[Figure]:
        """In a warm process, with reasons."""
        for n, name, limit in ((self.rows, "ebm", 1.0), (1, "sklearn", 1 / 50)):
            what = f"in memory, {n:,} lead{'s' if n > 1 else ''}, with reasons"
            peer = self._peer("memory", name, str(n))
            yield self._inside(what, ["memory", str(n)], f"{name} predict_proba", peer, limit)

        words = run_once(script("api.py"), self.folder).printed.splitlines()[-1]
        empty, one = (float(each) / 1e3 for each in re.findall(r"([\d.]+) ms \(", words))
        yield Figure("one lead through the HTTP API, warm", "3 ms (beside an empty handler)", one, empty, one / 3e-3)

    def peers(self) -> Iterator[Figure]:
        """Whole processes from CSV to CSV with reasons, against peers that write none."""
        for name, times in TIMES_FASTER.items():
            what, ours = "CSV to CSV: every column, with reasons", self._predict("leads.csv", "all.csv")
            peer = self._peer("score", name)
            yield self._against(what, ours, f"{name}, no reasons", peer, 1 / times)

    def learning(self) -> Iterator[Figure]:
        """What learning costs, on one core: draws, one card, a wide card."""
        base = self._seconds("draws", "1000")
        yield Figure("1,000 draws of six frameworks, 1,000 deals", "3 s", base, math.nan, base / 3)
        many = self._seconds("draws", "1e8")
        yield Figure("the same at 100,000,000 deals", "at 1,000 deals", many, base, many / base, 3.0)
        card = self._seconds("fit-card")
        yield Figure("fit, evidence and points of one framework", "30 ms", card, math.nan, card / 0.03)
        what, peer = "fit a wide card: 30 columns, 50,000 deals", self._peer("fit-lightgbm")
        yield self._inside(what, ["fit-wide"], "one LightGBM fit", peer, 10.0)

    def calibration(self) -> Iterator[Figure]:
        """Counting, memory and time of calibrations of large files."""
        few, many = self._material(1), self._material(10)
        deals, peer = 10 * self.rows, script("ours.py", "group-by")
        what = f"read and count {deals:,} deals for six frameworks"
        yield self._inside(what, ["count"], "pyarrow read and one group-by", peer, 2.0, folder=many)
        run = run_once(script("ours.py", "calibrate", "deals.yaml"), many)
        most = run.megabytes / MEGABYTES["calibrate"]
        what = f"memory: calibrate on {deals:,} deals, everything"
        yield Figure(what, "1000 MB", run.seconds, math.nan, most, 1.0, run.megabytes)
        after = float(run_once(script("ours.py", "calibrate", "context.yaml"), few).printed.split()[-1])
        what = f"calibrate {self.rows:,} deals after reading, with context columns"
        yield Figure(what, "25 s", after, math.nan, after / 25)

    def tracking(self) -> Iterator[Figure]:
        """The demo as `make demo` runs it, and the share of MLflow in a calibration of its deals."""
        folder = self.home / "tracking"
        shutil.rmtree(folder, ignore_errors=True)  # a log that is there would be continued
        folder.mkdir(parents=True, exist_ok=True)
        run = run_once([*LEADML, "demo"], folder)
        yield Figure("leadml demo", "20 s", run.seconds, math.nan, run.seconds / 20, 1.0, run.megabytes)
        where = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "LEADML_STORE": str(folder / "store")}
        words = "calibrate leadml-demo/closed_deals.csv -m leadml-demo/mapping.yaml --name bench -o"
        command, taken = [*LEADML, *words.split()], {}
        for way in ("--no-track", "--track", "--track in the same store"):
            out = f"out-{len(taken)}"
            taken[way] = run_once([*command, out, way.split()[0]], folder, where).seconds
        without, *tracked = taken.values()
        for way, seconds in zip(("fresh store", "same store"), tracked, strict=True):
            yield Figure(
                f"calibrate the demo's deals and track, {way}", "--no-track", seconds, without, seconds / without, 2.0
            )

    def _material(self, times: int) -> Path:
        """Make what is measured on, by another process: what this one holds would count as theirs."""
        folder = self.home / str(times * self.rows)
        subprocess.run(script("material.py", str(folder), str(times * self.rows)), check=True)
        return folder

    def _against(
        self, what: str, ours: Command, name: str, peer: Command, limit: float, pairs: int | None = None
    ) -> Figure:
        found = run_pairs(ours, peer, self.folder, pairs or self.pairs)
        rows = self.rows if " to " in what else math.nan
        return Figure(what, name, found.ours, found.peer, found.ratio, limit, found.megabytes, rows)

    def _inside(
        self, what: str, ours: Command, name: str, peer: Command, limit: float, folder: Path | None = None
    ) -> Figure:
        """Pairs whose seconds are those that the programs print."""
        found = run_pairs(script("ours.py", *ours), peer, folder or self.folder, self.pairs, printed=True)
        return Figure(what, name, found.ours, found.peer, found.ratio, limit, found.megabytes)

    def _seconds(self, *words: str) -> float:
        runs = [run_once(script("ours.py", *words), self.folder).printed for _ in range(self.pairs)]
        return statistics.median(float(printed.split()[-1]) for printed in runs)

    def _predict(self, source: str, out: str, card: str = "card.json") -> Command:
        return [*LEADML, "predict", source, "--mapping", "leads.yaml", "--model", card, "--out", out]

    def _peer(self, *words: str) -> Command:
        """A peer, in its environment, which is made once."""
        if self._peers is None:
            folder, wanted = HERE.parent / ".venv-peers", HERE / "requirements-peers.txt"
            self._peers = str(folder / "bin" / "python")
            if not (folder / "installed").exists():
                subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
                subprocess.run([self._peers, "-m", "pip", "install", "--quiet", "-r", str(wanted)], check=True)
                (folder / "installed").touch()
        return [self._peers, str(HERE / "peers.py"), *words]


def script(name: str, *words: str) -> Command:
    """One of the programs beside this one."""
    return [sys.executable, str(HERE / name), *words]


def table(figures: list[Figure], bench: Bench) -> str:
    """Lay the figures out in Markdown."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    releases = ", ".join(f"{name} {version(name)}" for name in ("leadml", "numpy", "pyarrow", "polars"))
    lines = [
        "# Speed",
        "",
        f"Medians of {bench.pairs} interleaved pairs (of start-up, five times as many); {bench.rows:,} leads of 13"
        " criteria and six other columns. A ratio is ours to the peer's, or to the limit itself: less is better.",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores{load}, {platform.system()}; Python {platform.python_version()},"
        f" {releases}.",
        "",
        "| what | against | leadml | peer | ratio | limit | kept | leads/s | peak memory |",
        "|---|---|--:|--:|--:|--:|---|--:|--:|",
    ]
    for each in figures:
        room = "" if math.isnan(each.megabytes) else f"{each.megabytes:.0f} MB"
        speed = "" if math.isnan(each.rows) else f"{each.rows / each.ours:,.0f}"
        kept = "yes" if each.ratio <= each.limit else "no"
        lines.append(
            f"| {each.what} | {each.peer} | {seconds(each.ours)} | {seconds(each.peer_seconds)} | {each.ratio:.3g} "
            f"| {each.limit:.3g} | {kept} | {speed} | {room} |"
        )
    return "\n".join(lines) + "\n"


def seconds(value: float) -> str:
    """Write a time with a unit that suits it."""
    if math.isnan(value):
        return ""
    if value < 1e-3:
        return f"{value * 1e6:.1f} µs"
    return f"{value * 1e3:.0f} ms" if value < 1 else f"{value:.2f} s"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="leads in the files")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs a figure")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "build" / "bench", help="where to work")
    parser.add_argument("--peers", help="python of an environment that has the peers")
    parser.add_argument("--out", type=Path, help="the table; RESULTS.md beside this, if all parts are run in full")
    given = parser.parse_args()
    bench, parts, figures = (
        Bench(given.folder, given.rows, given.pairs, given.peers),
        given.parts.split(","),
        list[Figure](),
    )
    for part in parts:
        for figure in getattr(bench, part)():
            figures.append(figure)
            print(f"{figure.ratio:8.3g}  (limit {figure.limit:.3g})  {figure.what}, against {figure.peer}", flush=True)
    text = table(figures, bench)
    print(f"\n{text}")
    is_full = {*PARTS} <= {*parts} and given.rows >= 1_000_000
    if out := given.out or (HERE / "RESULTS.md" if is_full else None):
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
