"""Open quotes: every line of a damaged file is a lead or rejected; real cells of several lines are read."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadml.data import csv_records, csv_text
from leadml.data.csv_records import OPEN_QUOTE, RecordCutter
from leadml.data.sources import open_source

HEADER = "ID,Name,Need,Status\n"
FULL = "\n".join(f'D{i},"Gamma {i}",{i % 5},Won' for i in range(30))


@pytest.fixture(params=[1 << 21, 37], ids=["one block", "many blocks"])
def block(request, monkeypatch):
    monkeypatch.setattr(csv_text, "PIECE_BYTES", request.param)
    monkeypatch.setattr(csv_records, "_MAX_LINES", 100)


def read(path, text):
    path.write_bytes(text.encode())
    source = open_source(path)
    rows, cells = [], []
    for chunk in source.chunks():
        rows += chunk.rows.tolist()
        cells += zip(*[chunk.table.column(i).to_pylist() for i in range(len(source.columns))], strict=True)
    assert source.n_rows == len(rows) + source.rejections.n_rows
    assert not {*rows} & {fault.row for fault in source.rejections.faults}
    return rows, cells, source.rejections


@pytest.mark.parametrize(
    ("body", "rows", "rejected"),
    [
        ('1,"Acme,3,Won\n2,Beta,2,Lost\n3,"Gamma",1,Won\n', [3, 4], [2]),  # closed by the next opening quote
        ('1,"Acme,3,Won\n2,Beta",2,Lost\n3,Gamma,1,Won\n', [3, 4], [2]),  # the cell fits the record
        ('1,"Acme\n2,Beta,2,Lost\n3,Gamma,1,Won",3,Won\n4,d,1,Won\n', [3, 5], [2, 4]),  # well-formed swallowing
        ('1,"Acme\n2,Beta,2,Lost",3,Won\n', [], [2, 3]),
        ('1,Acme,3,Won\n2,"Beta,2,Lost\n3,Gamma,1,Won', [2, 4], [3]),  # never closed
        ('1,Acme,3,Won\n2,Beta,2,"Lost', [2], [3]),
        ('1,"Acme,3,Won\n2,Beta,"2",Lost\n', [3], [2]),
        ('1,"Acme,3,Won\n\n2,"Beta, Inc",2,""\n', [4], [2]),
        ('1,Acme,3,Won,x\n2,"Be\nta",2,Lost\n3,Gamma,1,Won\n', [3, 4], [2]),  # a ragged row; a real line break
        ('\n\n1,Acme,3,Won\n\n2,"a ""b"" c",2,Lost\r\n', [4, 6], []),  # blank rows keep their numbers
        ('1,Won,2,"open\n\n2,Won,"a\nb","c\nd"\n', [4], [2]),  # a record of several lines is swallowed
        ("\n" * 200 + "1,a,2,Won\n", [202], []),  # whole blocks of nothing
        ('1,"a\nb",5" pipe,Won\n2,Mc"D,2,Lost\n', [2, 3], []),  # a quote inside a cell, beside a real line break
        ('"a\nb",x,O"Brien,Won\n"x" y,"a\nb",2,Lost\n', [2, 3], []),
        ('"a\nb",x,2,"open\n3,c,1,Won\n', [4], [2, 3]),  # what ends a cell of several lines is no lead
        ('"a" b,"x\ny" z,2,Won\n3,c,1,Won\n', [4], [2, 3]),
        ('1,"a""\nb","c""\nd",x,"open\n3,c,1,Won\n', [5], [2, 3, 4]),
        ('"say "a" and\nb",x,2,Won\n3,c,1,Won\n', [4], [2, 3]),
        ('1,"' + "a" * 200_000 + '",2,Won\n\n2,"b\n' + "c" * 200_000 + '",2,Won\n', [2, 4], []),
        ('1,"x\n' + "no record here\n" * 300 + "2,b,1,Won\n", [303], [*range(2, 303)]),
    ],
)
def test_a_cell_that_swallows_records_is_a_fault(tmp_path, block, body, rows, rejected):
    found, _, rejections = read(tmp_path / "deals.csv", HEADER + body)
    assert (found, [fault.row for fault in rejections.faults]) == (rows, rejected)
    if 2 in rejected and "Won,x" not in body and " and\n" not in body:
        assert f"the row {OPEN_QUOTE} (in row 2)" in rejections.summary()


@pytest.mark.parametrize(
    "note",
    [
        "called,\nvery keen",
        "dear all, we met, spoke, parted\nbye, all, of, you",
        'he said "yes"\n"no"',
        "\n\n",
        "street 1\n1234 AB, Town, NL, EU",
    ],
)
def test_prose_of_several_lines_is_a_cell(tmp_path, block, note):
    records = [["1", note, "3", "Won"], [note, "b", "2", "Lost"], ["3", "c", "1", note]]
    out = io.StringIO(newline="")
    csv.writer(out).writerows(records)
    rows, cells, _ = read(tmp_path / "a.csv", HEADER + FULL + "\n" + out.getvalue())
    assert cells[30:] == [tuple(record) for record in records]
    assert rows == list(range(2, 35))


def test_numbers_tell_a_record_from_prose(tmp_path):
    """Where a column holds numbers only, no line with a word there is a record, however many commas."""
    body = FULL + '\nD30,"asked for a,quote,and,terms\nthe,usual,ones,apply",1,Won\n'
    rows, cells, _ = read(tmp_path / "a.csv", HEADER + body)
    assert (len(rows), "usual" in cells[-1][1]) == (31, True)
    block, n = RecordCutter(",", '"', 3, []).cut(b'1,"a\nthe, usual, ones",2\n', is_last=True)
    assert (n, [fault.row for fault in block.faults]) == (
        25,
        [1, 2],
    )  # without a sample the count of delimiters decides


cells = st.text(st.sampled_from('ab1 ,"\n;é'), max_size=6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12), st.integers(20, 300), st.booleans())
def test_what_a_writer_quotes_is_read_back(tmp_path_factory, records, size, every):
    """Cells whose lines do not hold two delimiters cannot be taken for records of three cells."""
    plain = [[c if all(line.count(",") < 2 for line in c.split("\n")) else "x" for c in cells] for cells in records]
    records = [tuple(cells) for cells in plain if "".join(cells).strip()]
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL
    csv.writer(out, quoting=quoting).writerows([["A", "B", "C"], ["1", "2", "3"], *records])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "PIECE_BYTES", size)
        _, found, rejections = read(tmp_path_factory.getbasetemp() / "fuzz.csv", out.getvalue())
    if not rejections.n_rows:  # first lines and last lines may add up to two records
        assert found == [("1", "2", "3"), *records]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(20, 300), st.integers(1, 12))
def test_one_stray_quote_hides_no_row(tmp_path_factory, data, size, n):
    name = st.sampled_from(["Acme", '"Beta"', '"Gamma, Inc"', '""', '"Mc""D"'])
    text = "\n".join(f"D{i},{data.draw(name)},{i % 5}," + ("Won" if i % 2 else '"Lost"') for i in range(n))
    at = data.draw(st.integers(0, len(text)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "PIECE_BYTES", size)
        rows, _, rejections = read(tmp_path_factory.getbasetemp() / "stray.csv", HEADER + text[:at] + '"' + text[at:])
    assert sorted([*rows, *(fault.row for fault in rejections.faults)]) == list(range(2, n + 2))
    assert rejections.n_rows <= 2
