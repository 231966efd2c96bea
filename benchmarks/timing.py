"""Commands timed in interleaved pairs: what else the machine does falls on both."""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

Command = Sequence[str]


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a command: seconds from start to end, the most memory it held in MB, and what it printed."""

    seconds: float
    megabytes: float
    printed: str


def run_once(command: Command, folder: Path, environment: Mapping[str, str] | None = None) -> Run:
    """Run a command and measure it."""
    begun = time.perf_counter()
    errors = folder / "errors.txt"
    with errors.open("wb") as told, subprocess.Popen(
        command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=told
    ) as running:  # fmt: skip
        printed = running.stdout.read() if running.stdout else b""
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {running.returncode}:\n{errors.read_text()[-2000:]}")
    return Run(seconds, usage.ru_maxrss / 1024, printed.decode())


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Medians over interleaved pairs: seconds of ours and of the peer, their ratio, and our peak memory."""

    ours: float
    peer: float
    ratio: float
    megabytes: float


def run_pairs(ours: Command, peer: Command, folder: Path, n: int, *, printed: bool = False) -> Pairs:
    """Run two commands in turn; `printed`: their last word is the seconds that count.

    Each run comes after one of the same that is not counted, so that programs and files are at hand.
    """

    def measure(command: Command) -> tuple[float, float]:
        if not printed:
            run_once(command, folder)
        run = run_once(command, folder)
        return (float(run.printed.split()[-1]) if printed else run.seconds), run.megabytes

    pairs = [(measure(ours), measure(peer)) for _ in range(n)]
    return Pairs(
        statistics.median(a for (a, _), _ in pairs),
        statistics.median(b for _, (b, _) in pairs),
        statistics.median(a / b for (a, _), (b, _) in pairs),
        statistics.median(megabytes for (_, megabytes), _ in pairs),
    )
