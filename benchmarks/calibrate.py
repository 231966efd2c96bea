"""What a whole calibration of a file costs: all six frameworks, every contender, 1,000 bootstraps.

Run by ``run.py``; ``python benchmarks/calibrate.py``, in a folder of material, prints seconds.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """Seconds of all and of what comes after counting, and the most memory held, in MB."""

    seconds: float
    after: float
    megabytes: float


def calibrate(folder: Path) -> Calibrated:
    """Calibrate ``leads.parquet`` of a folder, in a process of its own."""
    with subprocess.Popen([sys.executable, __file__], cwd=folder, stdout=subprocess.PIPE) as running:
        told = running.stdout.read() if running.stdout else b""
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"calibrating {folder} ended with {running.returncode}")
    seconds, after = map(float, told.split())
    return Calibrated(seconds, after, usage.ru_maxrss / 1024)


def main() -> None:
    """Calibrate in this process, and print the seconds of all and those after counting."""
    from leadml.leads import load_mapping
    from leadml.workflows.calibrate import calibrate_counted, count_file
    from leadml.workflows.experiment import Experiment

    settings, begun = Experiment(), time.perf_counter()
    counted = count_file("leads.parquet", load_mapping("map.yaml"), settings)
    read = time.perf_counter()
    calibrate_counted(counted, settings).save("calibration")
    done = time.perf_counter()
    print(done - begun, done - read)


if __name__ == "__main__":
    main()
