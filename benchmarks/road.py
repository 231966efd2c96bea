"""The way of a lead and of a deal: which files and functions of leadml a `predict` and a `calibrate` run through.

``python road.py [predict|calibrate] [--list]``; comprehensions and lambdas are no functions, and what only runs
because a module is loaded does not count.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import leadml

HERE, HOME = Path(__file__).resolve().parent, Path(leadml.__file__).parent
N_LEADS = 2000
WAYS = {
    "predict": "predict leads.csv -m leads.yaml --model card.json -o scores.csv",
    "calibrate": "calibrate leads.csv -m deals.yaml -o results --no-track --store store",
}


def trace(words: list[str]) -> dict[str, list[str]]:
    """Run a command of leadml; the functions that it called, in every thread, by file."""
    from leadml.__main__ import main

    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            seen.add(frame.f_code)

    sys.argv = ["leadml", *words]
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    found: dict[str, list[str]] = {}
    for code in sorted(seen, key=lambda each: (each.co_filename, each.co_firstlineno)):
        path, is_body = Path(code.co_filename), not code.co_flags & inspect.CO_NEWLOCALS
        if HOME in path.parents and not is_body and not code.co_name.startswith("<"):
            found.setdefault(str(path.relative_to(HOME)), []).append(code.co_qualname)
    return found


def main() -> None:
    """Print files and functions of each way; ``--list`` names them."""
    asked, with_names = [each for each in sys.argv[1:] if each in WAYS] or [*WAYS], "--list" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, HERE / "material.py", folder, str(N_LEADS)], check=True)
        for way in asked:  # a process each, so that nothing is at hand from the one before
            words = [sys.executable, __file__, "--trace", *WAYS[way].split()]
            said = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
            if said.returncode:
                raise SystemExit(said.stderr)
            found: dict[str, list[str]] = json.loads(said.stdout.splitlines()[-1])
            print(f"{way}: {len(found)} files, {sum(map(len, found.values()))} functions", flush=True)
            for file, names in found.items() if with_names else ():
                print(f"  {file} {len(names)}: {', '.join(names)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--trace"]:
        print("\n" + json.dumps(trace(sys.argv[2:])))
    else:
        main()
