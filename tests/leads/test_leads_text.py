"""However a text file is written, the same cells come out."""

import gzip
import io
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadml.exceptions import InputError
from leadml.leads.mapping import ReadOptions
from leadml.leads.tables import open_table

ROWS = [["1", "Müller", "a"], ["2", "Zoë; Co, Ltd", 'say "hi"'], ["3", "two\nlines", ""]]


def written(delimiter=";", end="\n", quote_all=True, header=("id", "name", "note")):
    def cell(text):
        special = quote_all or any(c in text for c in delimiter + '"\n')
        return '"' + text.replace('"', '""') + '"' if special else text

    return "".join(delimiter.join(map(cell, row)) + end for row in [list(header), *ROWS])


def cells(table):
    return [list(row) for batch in table for row in zip(*batch.to_pydict().values(), strict=True)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quote_all", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_every_way_of_writing_gives_the_same_cells(tmp_path, delimiter, end, quote_all, encoding):
    path = tmp_path / "deals.csv"
    path.write_bytes(written(delimiter, end, quote_all).encode(encoding))
    table = open_table(path)
    assert table.columns == ("id", "name", "note")
    assert cells(table) == ROWS
    assert table.format["delimiter"] == delimiter
    assert table.format["sniffed"] == ["encoding", "delimiter", "decimal"]


def test_the_fall_back_encoding_is_reported(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_bytes(written().encode("cp1252"))
    table = open_table(path)
    assert table.format["encoding"] == "cp1252"
    assert "cp1252" in table.notes[0]


def test_a_file_that_stops_being_ascii_far_down_is_still_read(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_bytes(b"id,name\n" + b"1,plain\n" * 200_000 + "2,Zoë\n".encode())
    assert cells(open_table(path))[-1] == ["2", "Zoë"]
    path.write_bytes(b"id,name\n" + b"1,plain\n" * 200_000 + "2,Zoë\n".encode("cp1252"))
    assert cells(open_table(path))[-1] == ["2", "Zoë"]


def test_packed_text_and_standard_input_are_read_alike(tmp_path, monkeypatch):
    text = written().encode()
    with gzip.open(tmp_path / "deals.csv.gz", "wb") as file:
        file.write(text)
    assert cells(open_table(tmp_path / "deals.csv.gz")) == ROWS
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert cells(open_table("-")) == ROWS


def test_standard_input_longer_than_its_sniffed_beginning(monkeypatch):
    text = "id;note\n" + "".join(f"{i};{'x' * 90}\n" for i in range(30_000))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    found = cells(open_table("-"))
    assert [row[0] for row in found] == [str(i) for i in range(30_000)]


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("a;b\n1,5;x\n", ","),
        ("a;b\n1.234,50;x\n", ","),
        ("a;b\n1.5;x\n", "."),
        ("a,b\n1.234,x\n", "."),
        ('a,b\n"1,234.50",x\n', "."),
        ('a,b\n"1.234,50",x\n', ","),
        ("a;b\n12;01.02.2026\n", "."),
    ],
)
def test_the_decimal_mark_is_sniffed(tmp_path, text, decimal):
    path = tmp_path / "deals.csv"
    path.write_text(text)
    assert open_table(path).decimal == decimal


def test_an_ambiguous_decimal_mark_is_reported_and_can_be_told(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("a;b\n1.234;x\n")
    assert "ambiguous" in open_table(path).notes[0]
    told = open_table(path, ReadOptions(decimal="."))
    assert (told.decimal, told.notes) == (".", ())


def test_ragged_rows_are_rejected_by_number_and_the_others_keep_theirs(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text('a,b\n1,x\n2\n\n3,"y\nz"\n4,x,x\n5,w\n')
    table = open_table(path)
    chunks = list(table.chunks())
    # The empty line is no row: 1,x is row 1; 2 is row 2; 3 is row 3; 4 is row 4; 5 is row 5.
    assert [row for chunk in chunks for row in chunk.rows.tolist()] == [1, 3, 5]
    assert [(r.row, r.value) for r in table.rejected] == [(2, "2"), (4, "4,x,x")]
    assert "1 cells where the header has 2" in table.rejected[0].reason
    assert table.n_rows == 5


@pytest.mark.parametrize("block", [64, 256])
def test_row_numbers_hold_over_blocks(tmp_path, monkeypatch, block):
    import leadml.leads.csv_text as csv_text

    monkeypatch.setattr(csv_text, "CSV_BLOCK_BYTES", block)
    path = tmp_path / "deals.csv"
    lines = [f"{i},x,x" if i % 7 == 0 else f"{i},y" for i in range(1, 400)]
    path.write_text("a,b\n" + "\n".join(lines) + "\n")
    table = open_table(path)
    read = [
        (row, int(a)) for c in table.chunks() for row, a in zip(c.rows, c.data["a"].to_pylist(), strict=True)
    ]
    assert all(row == number for row, number in read)
    assert [r.row for r in table.rejected] == list(range(7, 400, 7))
    assert len(read) + len(table.rejected) == table.n_rows == 399


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    widths=st.lists(st.integers(1, 4), min_size=1, max_size=30),
    delimiter=st.sampled_from(",;\t|"),
    data=st.data(),
)
def test_every_row_is_either_data_or_rejected(tmp_path, widths, delimiter, data):
    cell = st.text(
        st.characters(exclude_characters="\0\r\n\"'", codec="utf-8", exclude_categories=["Z", "C"])
    )
    rows = [[data.draw(cell) for _ in range(width)] for width in widths]
    quoted = [delimiter.join(f'"{c}"' for c in row) for row in rows]
    path = tmp_path / "deals.csv"
    path.write_text(delimiter.join(['"a"', '"b"']) + "\n" + "\n".join(quoted) + "\n", newline="")
    table = open_table(path, ReadOptions(delimiter=delimiter))
    assert cells(table) == [row for row in rows if len(row) == 2]
    assert table.n_rows == len(rows)
    assert [r.row for r in table.rejected] == [i for i, row in enumerate(rows, 1) if len(row) != 2]


def test_a_folder_and_a_pattern_are_read_in_order_with_rows_numbered_through(tmp_path):
    for name, text in {"a.csv": "x,y\n1,2\n3\n", "b.csv": "y,x\n5,4\n", "_SUCCESS": ""}.items():
        (tmp_path / name).write_text(text)
    for source in (tmp_path, str(tmp_path / "*.csv")):
        table = open_table(source)
        chunks = list(table.chunks(["x"]))
        assert [c for chunk in chunks for c in chunk.data["x"].to_pylist()] == ["1", "4"]
        assert [row for chunk in chunks for row in chunk.rows.tolist()] == [1, 3]
        assert [r.row for r in table.rejected] == [2]


def test_columns_without_a_name_are_left_out_and_said(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("a;b;;\n1;2;;\n")
    table = open_table(path)
    assert cells(table) == [["1", "2"]]
    assert "2 columns without a name" in table.notes[-1]


def test_a_missing_column_that_is_asked_for_is_named(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("Role,Need\n1,2\n")
    with pytest.raises(InputError, match=r"(?s)'Rol' .*did you mean Role\?.*'Z'.*valid: Role, Need"):
        open_table(path, columns=["Rol", "Z"])
