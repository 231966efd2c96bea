"""On a terminal a line tells how far reading has come; it is taken away again, and never stands elsewhere."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leadml.card import build_card
from leadml.console import ERASE, Progress
from leadml.leads.tables import open_table

RUN = """
import json, sys
from leadml import console
console.EVERY = 0.0
from leadml.__main__ import main
main()
"""


def make_inputs(folder: Path) -> list[str]:
    build_card(
        name="mine",
        criteria=["need"],
        points=[[0, 1, 2, 3, 4]],
        unknown_points=[0],
        documented_points=[[0, 1, 2, 3, 4]],
        bands=[{"id": "all", "title": "All", "from": 0, "action": "follow up"}],
        cutoff=0,
        created_at="2026-01-01",
        base=-1.0,
        slope=0.2,
        table=[(total, 0.1 * total, 0.0, 1.0) for total in range(5)],
    ).save(folder / "card.json")
    (folder / "map.yaml").write_text("name: ours\ncriteria: {need: {column: Need}}\n")
    (folder / "in.csv").write_text("Need,Text\n" + f"3,{'x' * 100}\n" * 30_000)
    paths = [str(folder / name) for name in ("in.csv", "map.yaml", "card.json", "out.csv")]
    return ["predict", paths[0], "--mapping", paths[1], "--model", paths[2], "--out", paths[3]]


def test_a_line_comes_and_goes() -> None:
    stream, seconds = io.StringIO(), iter([0.0, 0.05, 2.0, 2.05, 3.0, 9.0])
    progress = Progress(stream, lambda: next(seconds))
    progress.show(1000, 0.1)
    progress.show(1500, 0.2)
    assert not stream.getvalue()  # nothing yet that tells a speed, or too soon
    progress.show(5000, 0.5)
    assert stream.getvalue() == f"{ERASE}[{'#' * 12}{'.' * 12}]  50%  5,000 rows, 2,000 rows/s"
    progress.show(6000, 0.6)  # too soon
    progress.show(500, None)  # another table
    progress.show(1100, None)
    assert stream.getvalue().endswith(f"{ERASE}1,100 rows, 100 rows/s")
    progress.erase()
    progress.erase()
    assert stream.getvalue().count(ERASE) == 3
    assert stream.getvalue().endswith(ERASE)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_predict_shows_it_on_a_terminal_alone(tmp_path: Path) -> None:
    import pty

    words = [sys.executable, "-c", RUN, *make_inputs(tmp_path)]
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs) as running:
        os.close(theirs)
        told = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            told += part
        out = running.stdout.read() if running.stdout else b""
    os.close(ours)
    assert running.returncode == 0, told
    assert not out
    lines = told.decode().replace("\r\n", "\n")
    assert " rows/s" in lines
    assert "100%" in lines
    assert lines.rsplit(ERASE, 1)[1] == "30000 rows = 30000 scored + 0 rejected\n"
    plain = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "rows/s" not in plain.stderr
    assert plain.stderr.endswith("30000 rows = 30000 scored + 0 rejected\n")


def test_readers_tell_how_much_was_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "a.csv").write_text("x,y\n" + "1,2\n" * 900_000)
    pq.write_table(pa.table({"x": list(range(100_000))}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text(json.dumps({"x": 1}) + "\n")
    for name in ("a.csv", "a.parquet"):
        table = open_table(tmp_path / name)
        shares = [table._readers[0].share for _ in table.chunks()]
        assert len(shares) > 1
        assert shares == sorted(shares)
        assert shares[0] > 0
        assert shares[-1] == 1
    table = open_table(tmp_path / "a.jsonl")
    assert [table._readers[0].share for _ in table.chunks()] == [None]
