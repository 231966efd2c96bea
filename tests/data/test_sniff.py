"""How text is written is guessed, said, and overruled by the mapping; bad bytes are named with their row."""

import pytest

from leadml.data import csv_text
from leadml.data.mapping import ReadOptions
from leadml.data.sources import open_source
from leadml.exceptions import InputError


def read(path, content, **options):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = open_source(path, ReadOptions(**options))
    chunks = list(source.chunks())
    cells = [row for chunk in chunks for row in zip(*chunk.table.to_pydict().values(), strict=True)]
    return source, cells, [row for chunk in chunks for row in chunk.rows.tolist()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, monkeypatch, encoding, line_end):
    monkeypatch.setattr(csv_text, "PIECE_BYTES", 14)
    text = line_end.join(["ID,Name", "1,é", '2,"a, b"', "3,ü", ""])
    source, cells, rows = read(tmp_path / "a.csv", text.encode(encoding))
    assert cells == [("1", "é"), ("2", "a, b"), ("3", "ü")]
    assert rows == [2, 3, 4]
    assert source.format.encoding == {"utf-8-sig": "utf-8", "latin-1": "cp1252"}.get(encoding, encoding)
    assert read(tmp_path / "a.csv", text.encode(encoding), encoding=encoding)[1] == cells


def test_a_byte_that_is_not_utf8_far_down_makes_the_file_cp1252(tmp_path, monkeypatch):
    lines = b"".join(b"%d,Acme\n" % i for i in range(200_000))
    source, cells, _ = read(tmp_path / "a.csv", b"ID,Name\n" + lines + b"x,Caf\xe9\ny,Ol\xe9\n")
    assert cells[-2:] == [("x", "Café"), ("y", "Olé")]
    assert source.format.encoding == "cp1252"
    assert "read as Windows-1252" in source.notes[0][1]["text"]
    with pytest.raises(InputError, match=r"line 200003 holds bytes that are not utf-8 \(0xE9\)"):
        read(tmp_path / "a.csv", "ID,Name\né,b\n".encode() + lines + b"x,Caf\xe9\n")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"ID,Name\n1,a\n2,\xe9\n", {"encoding": "utf-8"}, r"line 3 holds bytes that are not utf-8 \(0xE9\)"),
        (b"ID,Name\n1,a\n2,\x81\n", {}, r"line 3 holds bytes that are not cp1252 \(0x81\)"),
        (b"ID,Name\n1,\x00\n", {}, "holds zero bytes"),
        ("ID,Name\n1,a\n".encode("utf-16") + b"\x00\xd8,\x00", {}, "line 3 holds bytes that are not utf-16"),
        (b"ID,Name\n1,a\n", {"delimiter": "§"}, "got delimiter '§'; valid: an ASCII"),
        (b"ID,Name\n1,a\n", {"header": 9}, "row 9 is blank or not there"),
    ],
)
def test_what_cannot_be_text_is_named(tmp_path, content, options, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.csv", content, **options)


def test_bad_bytes_beyond_the_head_are_named_with_their_line(tmp_path):
    lines = b"".join(b"%d,Acme\n" % i for i in range(150_000))
    with pytest.raises(InputError, match=r"line 150004 holds bytes that are not cp1252 \(0x81\)"):
        read(tmp_path / "a.csv", b"ID,Name\n" + lines + b'y,"a\nb"\nx,\x81\n')
    wide = b"".join(bytes([b, 0]) for b in b"ID,Name\n" + lines) + b"\x00\xd8,\x00"
    with pytest.raises(InputError, match=r"line 150002 holds bytes that are not utf-16-le"):
        read(tmp_path / "a.csv", wide, encoding="utf-16-le")


def test_a_row_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_text, "PIECE_BYTES", 1 << 16)
    with pytest.raises(InputError, match="one row is longer than 4 MB"):
        read(tmp_path / "a.csv", b"ID,Name\n1,2\n" + b"x" * (5 << 20))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter(tmp_path, delimiter):
    text = (
        f"ID{delimiter}Note\n1{delimiter}a, b; c\n2{delimiter}d, e\n"
        if delimiter not in ",;"
        else (f"ID{delimiter}Note\n1{delimiter}a b\n")
    )
    assert read(tmp_path / "a.csv", text)[0].format.delimiter == delimiter
    assert read(tmp_path / "a.csv", "One\n1\n2\n")[0].columns == ("One",)


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
    ],
)
def test_the_decimal_mark(tmp_path, cells, delimiter, mark, n_notes):
    text = f"ID{delimiter}Amount\n" + "".join(f"1{delimiter}{cell}\n" for cell in cells)
    source, _, _ = read(tmp_path / "a.csv", text, delimiter=delimiter)
    assert (source.format.decimal, len(source.notes)) == (mark, n_notes)
    assert read(tmp_path / "a.csv", text, delimiter=delimiter, decimal=".")[0].format.decimal == "."


def test_a_quote_left_open_does_not_hide_how_numbers_are_written(tmp_path):
    source, cells, _ = read(tmp_path / "a.csv", 'ID;Amount\n1;"3,5\n' + "2;4,5\n" * 9)
    assert source.format.decimal == ","
    assert len(cells) == 9


REPORT = "Won deals 2025\n\nAs of,2025-06-30\n,,,,\n" + "ID,Name,Need,Role,Status\n1,a,2,High,Won\n2,b,3,Low,Lost\n"


@pytest.mark.parametrize("header", [None, "auto", 5])
def test_a_title_above_the_table(tmp_path, header):
    source, cells, rows = read(tmp_path / "a.csv", REPORT + "Total,2\n", header=header)
    assert source.columns == ("ID", "Name", "Need", "Role", "Status")
    assert rows == [6, 7]
    assert source.rejections.rows.tolist() == [8]
    assert source.format.header_row == 5
    assert ("header_row" in source.format.sniffed) == (header != 5)
    assert len(source.notes) == (header is None)
    assert [cell[0] for cell in cells] == ["1", "2"]


@pytest.mark.parametrize("text", ["ID,Name\n1\n2\n3\n", "ID,Name,Need\n1,a,2,x\n2,b,3,x\n", "\nID,Name\n1,a\n"])
def test_a_header_without_a_title_is_the_first_row(tmp_path, text):
    assert read(tmp_path / "a.csv", text)[0].columns[:2] == ("ID", "Name")


def test_cells_beyond_the_head_and_giant_cells(tmp_path):
    giant = "x" * 200_000
    _, cells, _ = read(tmp_path / "a.csv", f"ID,Name\n1,{giant}\n2,b\n")
    assert cells == [("1", giant), ("2", "b")]


def test_the_format_as_a_dict(tmp_path):
    source, _, _ = read(tmp_path / "a.csv", "ID,Name\n1,a\n", encoding="utf-8", delimiter=",", header=1)
    assert source.format.as_dict() == {
        "kind": "csv", "encoding": "utf-8", "delimiter": ",", "quote": '"', "decimal": ".", "header_row": 1,
        "sniffed": ["decimal"], "n_files": 1,
    }  # fmt: skip
