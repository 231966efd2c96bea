"""How text is written is guessed, said, and overruled by the mapping; bad bytes are named with their line."""

import contextlib
import sqlite3

import pandas as pd
import pytest

from leadml.data import csv_text
from leadml.data.mapping import ReadOptions
from leadml.data.sources import open_source
from leadml.exceptions import InputError


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path = tmp_path / "a.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        source = open_source(path, ReadOptions(**options))
        chunks = list(source.chunks())
        cells = [row for chunk in chunks for row in zip(*chunk.table.to_pydict().values(), strict=True)]
        return source, cells, [row for chunk in chunks for row in chunk.rows.tolist()]

    return read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(read, monkeypatch, encoding, line_end):
    monkeypatch.setattr(csv_text, "PIECE_BYTES", 14)
    text = line_end.join(["ID,Name", "1,é", '2,"a, b"', "3,ü", ""]).encode(encoding)
    source, cells, rows = read(text)
    assert cells == [("1", "é"), ("2", "a, b"), ("3", "ü")]
    assert rows == [2, 3, 4]
    assert source.format.encoding == {"utf-8-sig": "utf-8", "latin-1": "cp1252"}.get(encoding, encoding)
    assert read(text, encoding=encoding)[1] == cells


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_byte_order_mark(read, encoding):
    source, cells, _ = read("ID;Naam\n1;Zoë\n2;Łukasz\n".encode(encoding))
    assert (source.format.encoding, source.columns, cells) == (
        encoding,
        ("ID", "Naam"),
        [("1", "Zoë"), ("2", "Łukasz")],
    )


@pytest.mark.parametrize(
    "text",
    [
        "'ID','Name'\n'1','Acme, Inc'\n'2','O''Brien'\n",
        "'ID','Name'\n1,'Acme, Inc'\n2,'O''Brien'\n",
        "ID,Name\n1,'Acme, Inc'\n2,'O''Brien'\n",
        "'ID';'Name'\n'1';'Acme, Inc'\n'2';'O''Brien'\n",
    ],
)
def test_cells_in_single_quotes(read, text):
    source, cells, _ = read(text)
    assert (source.columns, cells) == (("ID", "Name"), [("1", "Acme, Inc"), ("2", "O'Brien")])
    assert "stand in single quotes" in source.notes[0][1]["text"]


def test_a_single_quote_that_stays_open_is_a_fault(read):
    source, cells, rows = read("'ID','Name'\n'1','Acme'\n'2','Beta\n'3','Gamma'\n")
    assert (cells, rows, [fault.row for fault in source.rejections.faults]) == (
        [("1", "Acme"), ("3", "Gamma")],
        [2, 4],
        [3],
    )


def test_apostrophes_are_no_quotes(read):
    names = ["'s-Hertogenbosch", "O'Brien", "'t Gooi, NH", "'quoted'", "rock 'n' roll"]
    text = "ID,Name\n" + "".join(f'{i},"{name}"\n' if "," in name else f"{i},{name}\n" for i, name in enumerate(names))
    source, cells, _ = read(text)
    assert (source.format.quote, [name for _, name in cells], source.notes) == ('"', names, [])


LONG = b"".join(b"%d,Acme\n" % i for i in range(150_000))


def test_a_byte_that_is_not_utf8_far_down_makes_the_file_cp1252(read):
    source, cells, _ = read(b"ID,Name\n" + LONG + b"x,Caf\xe9\ny,Ol\xe9\n")
    assert cells[-2:] == [("x", "Café"), ("y", "Olé")]
    assert source.format.encoding == "cp1252"
    assert "read as Windows-1252" in source.notes[0][1]["text"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"ID,Name\n1,a\n2,\xe9\n", {"encoding": "utf-8"}, r"line 3 holds bytes that are not utf-8 \(0xE9\)"),
        (b"ID,Name\n1,a\n2,\x81\n", {}, r"line 3 holds bytes that are not cp1252 \(0x81\)"),
        (b"ID,Name\n1,\x00\n", {}, "holds zero bytes"),
        ("ID,Name\n1,a\n".encode("utf-16") + b"\x00\xd8,\x00", {}, "line 3 holds bytes that are not utf-16"),
        (b"ID,Name\n1,a\n", {"delimiter": "§"}, "got delimiter '§'; valid: an ASCII"),
        (b"ID,Name\n1,a\n", {"header": 9}, "row 9 is blank or not there"),
        (b"ID,Name\n1,2\n" + b"x" * (5 << 20), {}, "one row is longer than 4 MB"),
        (b"ID,Name\n\xc3\xa9,b\n" + LONG + b"x,Caf\xe9\n", {}, r"line 150003 holds bytes that are not utf-8 \(0xE9\)"),
        (b"ID,Name\n" + LONG + b'y,"a\nb"\nx,\x81\n', {}, r"line 150004 holds bytes that are not cp1252 \(0x81\)"),
        (("ID,Name\n" + "1,a\n" * 300_000).encode("utf-16-le") + b"\x00\xd8,\x00", {"encoding": "utf-16-le"},
         "line 300002 holds bytes that are not utf-16-le"),
    ],
)  # fmt: skip
def test_what_cannot_be_text_is_named(read, content, options, message):
    with pytest.raises(InputError, match=message):
        read(content, **options)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter(read, delimiter):
    rows = [["ID", "Note"], ["1", "a b" if delimiter in ",;" else "a, b; c"]]
    assert read("\n".join(map(delimiter.join, rows)))[0].format.delimiter == delimiter
    assert read("One\n1\n\n2\n")[1:] == ([("1",), ("2",)], [2, 4])


@pytest.mark.parametrize(
    ("cells", "delimiter", "mark", "n_notes"),
    [
        (["1,5"], ";", ",", 0),
        (["1.5"], ",", ".", 0),
        (["1.234,5", "3"], ";", ",", 0),
        (["€ 15.000,00", "12,5 %"], ";", ",", 0),
        (["USD 15,000.00"], ";", ".", 0),
        (["1.234"], ";", ",", 1),
        (["1.234"], ",", ".", 1),
        (["1,5", "2,5", "3.5"], ";", ",", 1),
        (["a.b", "1,2,3", "x1.y"], ";", ".", 0),
        (['"3,5', *["4,5"] * 9], ";", ",", 0),  # a quote left open does not hide how numbers are written
    ],
)
def test_the_decimal_mark(read, cells, delimiter, mark, n_notes):
    text = f"ID{delimiter}Amount\n" + "".join(f"1{delimiter}{cell}\n" for cell in cells)
    source, found, _ = read(text, delimiter=delimiter)
    assert (source.format.decimal, len(source.notes), len(found)) == (mark, n_notes, len(cells) - ('"' in cells[0]))
    assert read(text, delimiter=delimiter, decimal=".")[0].format.decimal == "."


@pytest.mark.parametrize(
    ("cells", "mark", "n_notes"),
    [
        (["25.000", "12.500,00", None], ",", 0),
        (["€ 25.000", "12.500,00"], ",", 0),
        (["25,000.00", "12.5"], ".", 0),
        (["25.000", "12.500"], ".", 1),
        ([25.0, 12.5], ".", 0),
    ],
)
def test_typed_files_and_databases_are_looked_at_too(tmp_path, cells, mark, n_notes):
    frame = pd.DataFrame({"ID": range(len(cells)), "Budget": cells})
    frame.to_parquet(tmp_path / "deals.parquet")
    frame.to_json(tmp_path / "deals.jsonl", orient="records", lines=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "deals.db")) as base:
        frame.to_sql("deals", base)
    names = [tmp_path / "deals.parquet", tmp_path / "deals.jsonl", f"sqlite:///{tmp_path / 'deals.db'}"]
    for name, query in zip(names, (None, None, "SELECT * FROM deals"), strict=True):
        source = open_source(name, query=query)
        assert (source.format.decimal, source.format.sniffed, len(source.notes)) == (mark, ("decimal",), n_notes)
        assert open_source(name, ReadOptions(decimal="."), query=query).format.decimal == "."
        learned = open_source(name, ReadOptions(sniffed_decimal=","), query=query)  # where the file does not tell
        assert (learned.format.decimal, learned.notes) == ("." if "12.5" in cells else ",", [])
        assert sum(len(chunk.rows) for chunk in source.chunks()) == len(cells)


REPORT = "Won deals 2025\n\nAs of,2025-06-30\n,,,,\n" + "ID,Name,Need,Role,Status\n1,a,2,High,Won\n2,b,3,Low,Lost\n"


@pytest.mark.parametrize("header", [None, "auto", 5])
def test_a_title_above_the_table(read, header):
    source, cells, rows = read(REPORT + "Total,2\n", header=header)
    assert source.columns == ("ID", "Name", "Need", "Role", "Status")
    assert (rows, [fault.row for fault in source.rejections.faults], source.format.header_row) == ([6, 7], [8], 5)
    assert ("header_row" in source.format.sniffed) == (header != 5)
    assert len(source.notes) == (header is None)
    assert [cell[0] for cell in cells] == ["1", "2"]


@pytest.mark.parametrize("text", ["ID,Name\n1\n2\n3\n", "ID,Name,Need\n1,a,2,x\n2,b,3,x\n", "\nID,Name\n1,a\n"])
def test_a_header_without_a_title_is_the_first_row(read, text):
    assert read(text)[0].columns[:2] == ("ID", "Name")


def test_giant_cells_and_the_format_as_a_dict(read):
    giant = "x" * 200_000
    source, cells, _ = read(f"ID,Name\n1,{giant}\n2,b\n", encoding="utf-8", delimiter=",", header=1)
    assert cells == [("1", giant), ("2", "b")]
    assert source.format.as_dict() == {
        "kind": "csv", "encoding": "utf-8", "delimiter": ",", "quote": '"', "decimal": ".", "header_row": 1,
        "sniffed": ["decimal"], "n_files": 1,
    }  # fmt: skip
