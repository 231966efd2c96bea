"""A workbook holds what the rows hold, whatever stands in a cell, and is the same for the same rows."""

import datetime
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from leadml.engines import xlsx
from leadml.exceptions import UsageError

TEXTS = ["plain", " spaces ", 'a<b>&"c"\'d', "=1+1", "two\nlines", "é€😀", "", None]


def write(path: Path, table: pa.Table, size: int = 3) -> None:
    with xlsx.open_sheet(path, table.column_names) as write_rows:
        for batch in table.to_batches(size):
            write_rows(batch)


def test_a_workbook_holds_what_the_rows_hold(tmp_path: Path) -> None:
    from python_calamine import CalamineWorkbook

    columns = {
        "text": TEXTS,
        "whole": [0, -1, 10**15, 7, None, 1, 2, 3],
        "real": [0.1, 1e-300, None, float("nan"), float("inf"), -2.5, 1 / 3, 1e22],
        "flag": [True, False, None, True, True, False, False, None],
        "day": [datetime.date(2026, 1, day) for day in range(1, 9)],
    }
    table = pa.table({**columns, "often": pa.array(["a", "b"] * 4).dictionary_encode()})
    write(tmp_path / "a.xlsx", table)
    header, *rows = CalamineWorkbook.from_path(tmp_path / "a.xlsx").get_sheet_by_name("leads").to_python()
    assert header == table.column_names
    found = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert list(found["text"]) == [text or "" for text in TEXTS]
    assert list(found["whole"]) == [number if number is not None else "" for number in columns["whole"]]
    assert list(found["real"]) == [0.1, 1e-300, "", "", "", -2.5, 1 / 3, 1e22]
    assert list(found["flag"]) == [flag if flag is not None else "" for flag in columns["flag"]]
    assert list(found["day"]) == [str(day) for day in columns["day"]]
    assert list(found["often"]) == ["a", "b"] * 4
    write(tmp_path / "b.xlsx", table, 8)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_every_cell_says_where_it_stands_and_every_part_is_xml(tmp_path: Path) -> None:
    table = pa.table({f"c{position}": [f"x{position}\x01", "_x0041_"] for position in range(60)})
    write(tmp_path / "a.xlsx", table)
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        parts = {name: ElementTree.fromstring(book.read(name)) for name in book.namelist()}
    cells = parts["xl/worksheets/sheet1.xml"].findall(f".//{{{xlsx.SHEET}}}c")
    places = [cell.get("r") for cell in cells]
    assert places[:61] == [*[chr(65 + at) + "1" for at in range(26)],
                           *[f"A{chr(65 + at)}1" for at in range(26)],
                           *[f"B{chr(65 + at)}1" for at in range(8)], "A2"]  # fmt: skip
    texts = ["".join(cell.itertext()) for cell in cells]
    assert texts[60:62] == ["x0_x0001_", "x1_x0001_"]  # as Excel writes what XML cannot hold
    assert set(texts[120:]) == {"_x005F_x0041_"}


def test_a_full_sheet_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"a": ["x"] * 10})
    monkeypatch.setattr(xlsx, "SHEET_ROWS", 9)
    with pytest.raises(UsageError, match=r"holds at most 9 rows; write \.csv or \.parquet"):
        write(tmp_path / "a.xlsx", table)
    monkeypatch.setattr(xlsx, "SHEET_ROWS", 10)
    monkeypatch.setattr(xlsx, "SHEET_BYTES", 100)
    with pytest.raises(UsageError, match="at most 2 GB"):
        write(tmp_path / "a.xlsx", table)
