"""Text cut into blocks is read as if it were read in one go, however its quotes stand."""

import csv
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadml.leads import csv_text, sniff
from leadml.leads.csv_blocks import Joined, cut_blocks, stand_around_cells
from leadml.leads.tables import open_table
from leadml.leads.workers import Workers

CELLS = st.text(st.sampled_from('ab,"\n\r0é '), max_size=6)


def read(path: Path, workers: Workers | None = None) -> tuple[list[tuple[int, ...]], list[int]]:
    """Every row with its number, and the numbers of the rejected rows."""
    table = open_table(path)
    rows = []
    for chunk in table.chunks(workers=workers):
        rows += list(
            zip(chunk.rows.tolist(), *(column.to_pylist() for column in chunk.data.columns), strict=True)
        )
    assert table.n_rows == len(rows) + len(table.rejected)
    return rows, [each.row for each in table.rejected]


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=40), st.integers(8, 200))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_quoted_line_ends_never_cut_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str]], size: int
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("one", "two"), *rows])
    path = tmp_path / "a.csv"
    path.write_bytes(text.getvalue().encode())
    longest = max(len(f'"{a}","{b}"\n'.encode()) for a, b in rows) * 2
    monkeypatch.setattr(csv_text, "CSV_BLOCK_BYTES", max(size, longest))
    with Workers(2) as workers:
        found, rejected = read(path, workers)
    assert rejected == []
    assert [cells for _, *cells in found] == [list(row) for row in rows]
    assert [number for number, *_ in found] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize("where", [0, 60, 399])
def test_quotes_inside_cells_are_read_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: int
) -> None:
    # An inch mark in one row: from there on, counting quotes would tell nothing.
    lines = [f'{row},"x,\ny"' for row in range(400)]
    lines[where] = f'{where},5"'
    path = tmp_path / "a.csv"
    path.write_text("one,two\n" + "\n".join(lines) + "\n")
    monkeypatch.setattr(csv_text, "CSV_BLOCK_BYTES", 128)
    with Workers(2) as workers:
        found, rejected = read(path, workers)
    assert rejected == []
    assert [number for number, *_ in found] == list(range(1, 401))
    assert [int(one) for _, one, _ in found] == list(range(400))
    assert {two for _, _, two in found} == {"x,\ny", '5"'}


def test_line_ends_of_every_system_and_a_last_line_without_one(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "a.csv").write_bytes(end.join(["one,two", "1,2", "3,4"]).encode())
        assert read(tmp_path / "a.csv") == ([(1, "1", "2"), (2, "3", "4")], [])


def test_packed_text_is_unpacked(tmp_path: Path) -> None:
    text = b"one,two\n" + b"".join(b"%d,x\n" % row for row in range(1000))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text))
    with pa.output_stream(str(tmp_path / "a.csv.zst"), compression="zstd") as file:
        file.write(text)
    for ending in ("gz", "zst"):
        assert [int(one) for _, one, _ in read(tmp_path / f"a.csv.{ending}")[0]] == list(range(1000))


@given(st.binary(max_size=300), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_the_blocks_together_are_the_text(text: bytes, size: int) -> None:
    blocks = list(cut_blocks(io.BytesIO(text), ord('"'), size))
    assert b"".join(block.content for block in blocks) == text
    assert [at for at, block in enumerate(blocks) if block.is_first] == [0][: len(blocks)]
    joined = Joined(block.content for block in blocks)
    assert b"".join(iter(lambda: joined.read(7), b"")) == text


@pytest.mark.parametrize(
    ("text", "stand"),
    [
        ("", True),
        ("a,b\n", True),
        ('"a","b"\n', True),
        ('"a""b",""\r\n"c"', True),
        ('a,5"\n', False),
        ('a,5","\n', False),
        ('a"b"\n', False),
        ('"a"b\n', False),
        ('"a', False),
    ],
)
def test_quotes_that_stand_around_cells(text: str, stand: bool) -> None:
    assert stand_around_cells(text.encode(), ord('"'), ord(",")) is stand


def test_results_keep_the_order_of_the_items() -> None:
    with Workers(3) as workers:
        assert [result for _, result in workers.map(lambda item: item * item, range(1, 200))] == [
            item * item for item in range(1, 200)
        ]
        assert list(workers.map(str, [1])) == [(1, "1")]
        assert list(workers.map(str, [])) == []
        begun = workers.map(str, range(1, 50))
        first = next(iter(begun))
        assert [first[0], *begun.left()] == list(range(1, 50))


def test_a_failure_comes_where_its_item_stands() -> None:
    def fail(item: int) -> int:
        return 1 // (item - 5)

    taken: list[int] = []
    with Workers(2) as workers:
        done = workers.map(fail, range(1, 9))
        with pytest.raises(ZeroDivisionError):
            taken.extend(item for item, _ in done)
    assert taken == [1, 2, 3, 4]


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(
    ("cell", "found"),
    [("plain", (False, True)), ('"a"', (True, True)), ("é", (False, True)), (b"\xe9", (False, False))],
)
def test_what_a_file_holds_is_seen_wherever_it_stands(
    tmp_path: Path, place: float, cell: str | bytes, found: tuple[bool, bool]
) -> None:
    lines = [b"plain,1\n"] * 400_000
    lines[int(place * len(lines))] = (cell if isinstance(cell, bytes) else cell.encode()) + b",1\n"
    (tmp_path / "a.csv").write_bytes(b"".join(lines))
    assert sniff._scan(tmp_path / "a.csv", "a.csv") == found
