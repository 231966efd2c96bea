"""Commands timed in interleaved pairs: what else the machine does falls on both."""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

Command = Sequence[str]


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a command: seconds from start to end, and the most memory it held, in MB."""

    seconds: float
    megabytes: float


def run_once(command: Command, folder: Path) -> Run:
    """Run a command and measure it; its output is thrown away."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as running:
        told = running.stderr.read() if running.stderr else b""
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {running.returncode}:\n{told.decode()[-2000:]}")
    return Run(seconds, usage.ru_maxrss / 1024)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Medians over interleaved pairs: seconds of ours and of the peer, their ratio, and our peak memory."""

    ours: float
    peer: float
    ratio: float
    megabytes: float


def run_pairs(ours: Command, peer: Command, folder: Path, n: int) -> Pairs:
    """Run two commands in turn, each time after a run of the same that is not counted.

    Some systems take back memory that lay idle during the other's run: this way both begin with their
    programs and files at hand.
    """
    pairs = [(_run_again(ours, folder), _run_again(peer, folder)) for _ in range(n)]
    return Pairs(
        statistics.median(a.seconds for a, _ in pairs),
        statistics.median(b.seconds for _, b in pairs),
        statistics.median(a.seconds / b.seconds for a, b in pairs),
        statistics.median(a.megabytes for a, _ in pairs),
    )


def _run_again(command: Command, folder: Path) -> Run:
    run_once(command, folder)
    return run_once(command, folder)
