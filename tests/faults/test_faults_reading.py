"""Input that cannot be used: each message names the place, what came, what is valid and what to do."""

import io
import sys
import zipfile

import pytest

from leadml.exceptions import InputError
from leadml.leads.read import read_leads
from leadml.leads.tables import open_table

MAPPING = {
    "name": "m",
    "criteria": {"need": {"column": "Need"}},
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"]},
}


def fault(call, *arguments, **options):
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; valid: a header and at least one row"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (b"Need,Status\n", "holds a header and no row"),
        (b"Need,Status\n3,Won\0\n", "byte 18 is a zero byte"),
        (b"Need,Need,Status\n3,3,Won\n", "several columns named 'Need'"),
        (b'Need,Status\n3,"Won\n' + b"x" * 5_000_000, "'Won\\nxxx"),
    ],
)
def test_text_that_is_no_table(tmp_path, content, said):
    path = tmp_path / "deals.csv"
    path.write_bytes(content)
    message = fault(read_leads, path, MAPPING)
    assert message.startswith(str(path))
    assert said in message
    assert len(message) < 500


def test_missing_columns_are_all_named_at_once_with_what_is_there(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("Needs,Stage\n3,Won\n")
    message = fault(read_leads, path, MAPPING)
    assert "'Need' (criteria.need); did you mean Needs?" in message
    assert "'Status' (outcome.column)" in message
    assert "valid: Needs, Stage" in message


def test_a_wrong_delimiter_is_suspected_when_there_is_one_column(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("Need:Status\n3:Won\n")
    assert "is the delimiter ','? set read.delimiter" in fault(read_leads, path, MAPPING)


def test_unlisted_outcomes_are_all_named_with_their_rows(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("Need,Status\n3,Won\n2,won\n1,Pending\n1,Pending\n0,\n")
    message = fault(read_leads, path, MAPPING)
    assert "'won' in 1 rows, first in row 2; did you mean Won?" in message
    assert "'Pending' in 2 rows, first in row 3" in message
    assert "'' in 1 rows, first in row 5" in message
    assert "valid: won Won; lost Lost; open (none)" in message


def test_a_file_of_which_every_row_is_rejected_shows_the_first(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("Need,Status\nhigh,Won\n")
    assert "every row was rejected; row 1: Need 'high' is not a level" in fault(read_leads, path, MAPPING)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("deels.csv", "did you mean deals.csv?"),
        ("deals.doc", "ends in '.doc'; valid: .csv, .tsv"),
        ("*.jsonl", "the pattern fits no file"),
        ("folder", "the folder holds no table"),
        ("mixed", "several kinds (csv, parquet)"),
        ("uneven", "has other columns than"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, name, said):
    (tmp_path / "deals.csv").write_text("a\n1\n")
    (tmp_path / "deals.doc").write_text("a\n1\n")
    for folder in ("folder", "mixed", "uneven"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mixed" / "a.csv").write_text("a\n1\n")
    (tmp_path / "mixed" / "b.parquet").write_text("a\n1\n")
    (tmp_path / "uneven" / "a.csv").write_text("a\n1\n")
    (tmp_path / "uneven" / "b.csv").write_text("b\n1\n")
    assert said in fault(open_table, tmp_path / name)


def test_files_that_are_not_what_their_name_says(tmp_path):
    for name in ("a.parquet", "a.xlsx", "a.csv.gz"):
        (tmp_path / name).write_text("a,b\n1,2\n")
        with pytest.raises(InputError, match=r"a\.(parquet|xlsx|csv)"):
            list(open_table(tmp_path / name))
    (tmp_path / "a.jsonl").write_text("[1, 2]\n")
    assert "holds no JSON object" in fault(open_table, tmp_path / "a.jsonl")


def test_bytes_in_another_encoding_beyond_the_sniffed_beginning_of_a_stream(monkeypatch):
    content = b"a;b\n" + b"1;plain\n" * 200_000 + "2;Zoë\n".encode("cp1252")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    message = fault(lambda: list(open_table("-")))
    assert message.startswith("standard input: holds bytes that are not utf-8")


def test_a_workbook_that_declares_too_many_cells_is_refused_before_it_is_opened(tmp_path):
    path = tmp_path / "huge.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/worksheets/sheet1.xml", '<worksheet><dimension ref="A1:XFD1048576"/></worksheet>'
        )
    assert "declares 1048576 rows of 16384 cells; valid: at most 50000000" in fault(open_table, path)


def test_a_sheet_that_is_not_there_names_those_that_are(tmp_path):
    xlsxwriter = pytest.importorskip("xlsxwriter")
    path = tmp_path / "deals.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("Deals").write_row(0, 0, ["Need"])
        book.add_worksheet("Empty")
    from leadml.leads.mapping import ReadOptions

    assert "no sheet 'Deal'; valid: Deals, Empty" in fault(open_table, path, ReadOptions(sheet="Deal"))
    assert "'Empty' is empty" in fault(open_table, path, ReadOptions(sheet="Empty"))
    assert "a header and no row" in fault(lambda: list(open_table(path)))
