"""A sheet is read as CSV is, text amounts by the same parser; what means gigabytes is refused."""

import datetime
import sys
import zipfile

import pytest
import xlsxwriter

from leadml.data import excel
from leadml.data.cells import numbers_of
from leadml.data.mapping import ReadOptions
from leadml.data.read import read_leads
from leadml.data.sources import open_source
from leadml.exceptions import InputError


def write(path, *sheets):
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"}) as book:
        for rows in sheets:
            sheet = book.add_worksheet()
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)
    return path


def read(path, **options):
    source = open_source(path, ReadOptions(**options))
    chunks = list(source.chunks())
    return source, chunks[0].table.to_pydict(), chunks[0].rows.tolist()


def test_numbers_and_texts_of_one_column_have_one_meaning(tmp_path):
    rows = [["Budget", "Only", "Day"], [25.0, 1, datetime.date(2025, 1, 2)], ["25.000", 2.5, None], [2.5, None, None]]
    path = write(tmp_path / "a.xlsx", rows)
    source, cells, at = read(path, decimal=",")
    assert cells["Budget"] == ["25", "25.000", "2,5"]
    chunk = next(open_source(path, ReadOptions(decimal=",")).chunks(["Budget"]))
    assert numbers_of(chunk.table.column(0), ",")[0].tolist() == [25.0, 25_000.0, 2.5]
    assert cells["Only"] == [1.0, 2.5, None]
    assert cells["Day"][0] == datetime.datetime(2025, 1, 2)
    assert at == [2, 3, 4]
    assert source.format.decimal == ","
    assert "ambiguous" in read(path)[0].notes[0][1]["text"]
    mixed = write(tmp_path / "b.xlsx", [["A", "B"], [datetime.date(2025, 1, 2), True], ["soon", 1], ["1,5", "x"]])
    assert read(mixed)[1] == {"A": ["2025-01-02", "soon", "1,5"], "B": ["true", "1", "x"]}


def test_a_title_blank_rows_and_further_sheets(tmp_path):
    rows = [["Report"], [], ["ID", "Need", "Status"], [1, 3, "Won"], [], [2, 4, "Lost"]]
    path = write(tmp_path / "a.xlsx", rows, [["Key"], ["x"]], [])
    source, cells, at = read(path)
    assert cells["Status"] == ["Won", "Lost"]
    assert at == [4, 6]
    assert (source.format.sheet, source.format.header_row) == ("Sheet1", 3)
    assert [values["text"].split(";")[0] for _, values in source.notes] == [
        "row 3 is taken as the header",
        "read the first of 3 sheets",
    ]
    assert read(path, sheet="Sheet2")[1] == {"Key": ["x"]}
    with pytest.raises(InputError, match=r"no sheet 'Deals'; valid: Sheet1, Sheet2, Sheet3"):
        read(path, sheet="Deals")
    with pytest.raises(InputError, match="sheet 'Sheet3' is empty"):
        read(path, sheet="Sheet3")
    with pytest.raises(InputError, match=r"no column 'Deal'.*is 'Sheet2' the right sheet\? set read.sheet"):
        read_leads(path, {"name": "m", "read": {"sheet": "Sheet2"}, "criteria": {"need": {"column": "Deal"}}})


def rewrite(path, part, old, new):
    with zipfile.ZipFile(path) as archive:
        parts = {each.filename: archive.read(each) for each in archive.infolist()}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        (SHEET, b'ref="A1:B2"', b'ref="A1:XFD1048576"', "reaches to row 1048576 and column 16384"),
        (SHEET, b'r="B2"', b"r = 'ZZ1000000'", "reaches to row 1000000 and column 702"),
        (SHEET, b'r="B2"', b'r="ZZZZZZZZ99999999999999"', "reaches to row"),
        (SHEET, b"<sheetData>", b"<sheetData>" + b" " * (3 << 20), "unpacks to more than"),
        ("xl/sharedStrings.xml", b"<t>x</t>", b"<t>" + b"x" * 900_000 + b"</t>", "hold more than"),
    ],
)
def test_a_workbook_that_would_take_gigabytes_is_refused(tmp_path, monkeypatch, part, old, new, message):
    monkeypatch.setattr(excel, "MAX_BYTES", 2 << 20)
    path = write(tmp_path / "a.xlsx", [["ID", "Note"], *([i, "x"] for i in range(1, 4))])
    if b"ref=" not in old:
        read(path)
    rewrite(path, part, old.replace(b"A1:B2", b"A1:B4"), new)
    with pytest.raises(InputError, match=message):
        open_source(path)


def test_long_texts_are_counted_by_their_cells(tmp_path, monkeypatch):
    monkeypatch.setattr(excel, "MAX_BYTES", 1 << 20)
    path = write(tmp_path / "a.xlsx", [["ID", "Note"], [1, "long" * 8_000], *([i, "x"] for i in range(60))])
    assert len(read(path)[2]) == 61


def test_what_is_no_workbook(tmp_path, monkeypatch):
    path = tmp_path / "a.xlsx"
    path.write_text("ID,Need\n")
    with pytest.raises(InputError, match="is not an Excel workbook"):
        open_source(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(InputError, match="is not an Excel workbook"):
        open_source(path)
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(InputError, match=r'pip install "leadml\[excel\]"'):
        open_source(path)
