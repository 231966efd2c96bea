"""What a whole calibration of a file costs: reading and counting against bare pyarrow, then all the rest.

Run ``python benchmarks/calibrate.py``; ``--sizes 1000000,10000000`` names the numbers of deals, ``--pairs``
how often each is run. All six frameworks, every contender, 1,000 bootstraps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from timing import run_pairs

HERE = Path(__file__).resolve().parent
LIMITS = {
    "reading and counting, times bare pyarrow": 3.0,
    "peak memory, MB": 1000.0,
    "after counting, growth": 1.2,
}


def calibrate(source: str) -> None:
    """Calibrate one file in this process; print seconds, processor seconds and peak memory as JSON."""
    from leadml.leads import load_mapping
    from leadml.workflows.calibrate import calibrate_counted, count_file
    from leadml.workflows.experiment import Experiment

    settings = Experiment()
    begun, used = time.perf_counter(), time.process_time()
    counted = count_file(source, load_mapping("map.yaml"), settings)
    read, used_reading = time.perf_counter(), time.process_time()
    calibrate_counted(counted, settings).save("calibration")
    done, used_after = time.perf_counter(), time.process_time()
    print(
        json.dumps(
            {
                "reading and counting": [read - begun, used_reading - used],
                "after counting": [done - read, used_after - used_reading],
            }
        )
    )


def run(folder: Path) -> dict[str, float]:
    """Run `calibrate` in a process of its own."""
    command = [sys.executable, str(HERE / "calibrate.py"), "--one", "leads.parquet"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as running:
        told = running.stdout.read() if running.stdout else b""
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"calibrating {folder} ended with {running.returncode}")
    found = json.loads(told)
    return {
        "after counting, s": found["after counting"][0],
        "after counting, processor s": found["after counting"][1],
        "megabytes": usage.ru_maxrss / 1024,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1000000,10000000")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=HERE.parent / "build" / "bench")
    parser.add_argument("--one", help="calibrate this file and say what it took")
    given = parser.parse_args()
    if given.one:
        calibrate(given.one)
        return
    sizes = [int(size) for size in given.sizes.split(",")]
    folders = {size: given.folder / str(size) for size in sizes}
    for size, folder in folders.items():
        # By another process: what this one holds would count as memory of those that it starts.
        subprocess.run([sys.executable, str(HERE / "material.py"), str(folder), str(size)], check=True)
    ours, bare = (
        [sys.executable, str(HERE / "count.py"), each, "leads.parquet"] for each in ("ours", "bare")
    )
    read = run_pairs(ours, bare, folders[sizes[-1]], given.pairs)
    runs = [{size: run(folder) for size, folder in folders.items()} for _ in range(given.pairs)]
    first, last, rest = sizes[0], sizes[-1], "after counting, s"
    figures = {
        "reading and counting, times bare pyarrow": read.ratio,
        "peak memory, MB": max(each["megabytes"] for one in runs for each in one.values()),
        "after counting, growth": statistics.median(one[last][rest] / one[first][rest] for one in runs),
    }
    print("| what | measured | limit |\n|---|--:|--:|")
    for what, measured in figures.items():
        print(f"| {what} | {measured:.3g} | {LIMITS[what]:g} |")
    for size in sizes:
        medians = {key: statistics.median(one[size][key] for one in runs) for key in runs[0][size]}
        told = ", ".join(f"{key} {value:.1f}" for key, value in medians.items())
        print(f"\n{size:,} deals: {told}")
    print(f"\nreading and counting {sizes[-1]:,} deals: {read.ours:.1f} s, bare {read.peer:.1f} s")


if __name__ == "__main__":
    main()
