"""Every input gives the same leads: files, packed files, pipes, folders, frames; faults name their place."""

import gzip
import io
import os
import subprocess
import sys
import threading
import types

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadml.data.chunks import Fault
from leadml.data.mapping import Join, ReadOptions
from leadml.data.sources import open_source
from leadml.exceptions import InputError, UsageError

TEXT = "ID,Need,Status\n1,3,Won\n2,,Lost\n"
CELLS = {"ID": ["1", "2"], "Need": ["3", ""], "Status": ["Won", "Lost"]}


def read(source, options=None, columns=None, **kwargs):
    opened = open_source(source, options, **kwargs)
    chunks = list(opened.chunks(columns))
    table = pa.concat_tables([pa.table(chunk.table.to_pydict()) for chunk in chunks]).to_pydict()
    return table, [row for chunk in chunks for row in chunk.rows.tolist()], opened


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".csv.gz", ".csv.zst", ".csv.bz2"])
def test_text_is_read_packed_or_not(tmp_path, ending):
    path = tmp_path / f"deals{ending}"
    packing = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}.get(path.suffix)
    with pa.output_stream(str(path), compression=packing) as out:
        out.write((TEXT.replace(",", "\t") if ending == ".tsv" else TEXT).encode())
    cells, rows, source = read(path)
    assert (cells, rows) == (CELLS, [2, 3])
    assert source.format.delimiter == ("\t" if ending == ".tsv" else ",")
    assert source.share == (None if packing else 1.0)


def test_standard_input_and_a_pipe_are_read_once_and_digested_like_the_file(tmp_path, monkeypatch):
    path, pipe = tmp_path / "deals.csv", tmp_path / "pipe"
    path.write_text(TEXT)
    digest = read(path)[2].digest()
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    cells, _, source = read("-")
    assert (cells, source.digest(), source.name) == (CELLS, digest, "standard input")
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(TEXT,))
    writer.start()
    cells, _, source = read(pipe)
    writer.join()
    assert (cells, source.digest()) == (CELLS, digest)
    with pytest.raises(InputError, match="has been read already"):
        next(source.chunks())
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(InputError, match=r"pipe.parquet: is a pipe, and only CSV"):
        open_source(tmp_path / "pipe.parquet")


@pytest.mark.parametrize("where", ["", "/*.csv"])
def test_a_folder_is_numbered_through_and_places_are_told_by_file(tmp_path, where):
    (tmp_path / "a.csv").write_text(TEXT)
    (tmp_path / "b.csv").write_text(TEXT + "3,x\n")
    (tmp_path / ".hidden.csv").write_text("no")
    _, rows, source = read(f"{tmp_path}{where}")
    assert rows == [2, 3, 4, 5]
    assert (source.format.n_files, source.share, len(source.digest())) == (2, 1.0, 64)
    assert source.rejections.summary() == [
        f"the row has 2 cells where the header has 3; check quotes and delimiters (in {tmp_path}/b.csv row 4)"
    ]
    source.rejections.faults += [Fault(row, "Need", "", "is empty") for row in (2, 5)]
    assert f"(in 2 rows, first in {tmp_path}/a.csv row 2)" in source.rejections.summary()[0]
    assert f"is empty ({tmp_path}/b.csv row 3)" in source.rejections.to_dicts()[1]["reason"]


def frames():
    frame = pd.DataFrame({"ID": [1, 2], "Need": ["3", None], "Status": ["Won", "Lost"]})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    interchange = type("Interchange", (), {"__dataframe__": lambda _, **kwargs: table.__dataframe__(**kwargs)})
    yield from (frame, pl.from_pandas(frame), table, table.to_batches()[0], frame.to_dict("records"), interchange())


@pytest.mark.parametrize("frame", list(frames()), ids=lambda frame: type(frame).__module__)
def test_frames_of_any_kind_give_typed_columns(frame):
    cells, rows, source = read(frame, columns=["Need", "ID"])
    plain = [(key, [None if value != value else value for value in column]) for key, column in cells.items()]
    assert (plain, rows) == ([("Need", ["3", None]), ("ID", [1, 2])], [2, 3])
    assert source.share is None
    assert read(frame, columns=["Need", "ID"])[2].digest() == source.digest()


def test_cells_of_any_python_type():
    frame = pd.DataFrame({"a": ["25.000", 25.0, 2.5, None], "d": [np.int64(1), "x", pd.NaT, True]}, dtype=object)
    cells, _, _ = read(frame, ReadOptions(decimal=","))
    assert cells == {"a": ["25.000", "25", "2,5", None], "d": ["1", "x", None, "true"]}


def test_parquet_gives_few_types_and_dictionaries_where_texts_repeat(tmp_path):
    n, repeats = 40_000, "dictionary<values=string, indices=int32, ordered=0>"
    columns = {
        "text": (pa.array(["Won", "Lost"] * (n // 2)), repeats),
        "large": (pa.array(["x"] * n, pa.large_string()), "string"),
        "category": (pa.array(["x"] * n).dictionary_encode(), repeats),
        "number": (pa.array([1.5] * n, pa.float32()), "double"),
        "decimal": (pa.array([1] * n, pa.decimal128(9, 2)), "double"),
        "day": (pa.array([1] * n, pa.date64()), "date32[day]"),
        "moment": (pa.array([1] * n, pa.timestamp("ns", "UTC")), "timestamp[us]"),
        "flag": (pa.array([True] * n), "string"),
        "none": (pa.nulls(n), "string"),
        "nested": (pa.array([[1]] * n), ""),
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({name: column for name, (column, _) in columns.items()}), path)
    source = open_source(path)
    chunk = next(source.chunks(list(columns)[:-1]))
    assert [str(kind) for kind in chunk.table.schema.types] == [kind for _, kind in columns.values()][:-1]
    assert source.share == 0.0
    with pytest.raises(InputError, match=r"column 'nested' holds list.*flatten it first"):
        next(open_source(path).chunks())
    with pytest.raises(InputError, match=r"column 'raw' holds binary.*flatten it first"):
        next(open_source(pa.table({"raw": [b"\xff"]})).chunks())
    assert sum(len(chunk.rows) for chunk in open_source(path).chunks([])) == n
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="is not a Parquet file"):
        open_source(path)


def test_json_lines_name_their_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": "x", "n": 1}\n\n[1]\n{"n": 2.5, "m": {"k": [1]}}\n\xff\n{"m": true}\n')
    cells, rows, source = read(path)
    assert cells == {"a": ["x", None, None], "n": [1.0, 2.5, None], "m": [None, '{"k": [1]}', "true"]}
    assert (rows, [fault.row for fault in source.rejections.faults], source.format.header_row) == ([1, 4, 6], [3, 5], 0)
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as out:
        out.write('{"a": 1}\n' * 40_000)
    assert read(tmp_path / "b.jsonl.gz")[1] == list(range(1, 40_001))


def test_a_second_export_is_joined_by_its_first_match(tmp_path, monkeypatch):
    (tmp_path / "deals.csv").write_text("ID,Contact ID,Name\n1,7,a\n2,8.0,b\n3,,c\n4,9,d\n")
    (tmp_path / "contacts.csv").write_text("Record ID,Name,Phone\n8,Bo,1\n7,An,2\n7,Al,3\n,No,4\n")
    join = Join(file="contacts.csv", left="Contact ID", right="Record ID")
    cells, rows, source = read(tmp_path / "deals.csv", join=join)
    assert source.columns == ("ID", "Contact ID", "Name", "Record ID", "contacts.Name", "Phone")
    assert (cells["contacts.Name"], rows) == (["An", "Bo", None, None], [2, 3, 4, 5])
    assert [(code, values["n"]) for code, values in source.notes] == [("LML118", "2")]
    assert (source.share, source.format.kind) == (1.0, "csv")
    assert source.digest() != read(tmp_path / "deals.csv", columns=["Name"])[2].digest()
    join = Join(file=str(tmp_path / "contacts.csv"), left="Contact ID", right="Record ID")
    assert read(pd.DataFrame({"Contact ID": [7, None]}), columns=["Phone"], join=join)[0] == {"Phone": ["2", None]}
    for wrong in ({"left": "Kontact ID"}, {"right": "Record"}, {"file": "contact.csv"}):
        with pytest.raises(InputError, match="did you mean"):
            open_source(tmp_path / "deals.csv", join=join.model_copy(update=wrong))
    monkeypatch.setattr("leadml.data.csv_text.PIECE_BYTES", 5_000)  # a second file of many chunks
    (tmp_path / "b.csv").write_text("Key,Kind\n" + "".join(f"K{i},{'ab'[i % 2]}\n" for i in range(3_000)))
    join = Join(file=str(tmp_path / "b.csv"), left="Key", right="Key")
    assert read([{"Key": key} for key in ("K2999", "K0", "no")], join=join)[0]["Kind"] == ["b", "a", None]


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ({"deals.csv": TEXT}, "deal.csv", "no such file or folder; did you mean deals.csv"),
        ({"a.doc": TEXT}, "a.doc", "ends in '.doc'; valid: .csv"),
        ({"a.parquet.gz": TEXT}, "a.parquet.gz", "ends in '.gz'"),
        ({"a.csv": "", "b.parquet": ""}, "", "several kinds"),
        ({"a.doc": ""}, "", "the folder holds no table"),
        ({}, "*.csv", "the pattern fits no file"),
        ({"a.csv": TEXT, "b.csv": "ID,Other\n1,2\n"}, "", "has other columns than"),
        ({"a.csv": "A,B,A\n1,2,3\n"}, "a.csv", "several columns named 'A'"),
        ({"a.csv": ",,\n"}, "a.csv", "no column has a name"),
        ({"a.csv": ""}, "a.csv", "is empty"),
        ({"a.csv": "\n \n"}, "a.csv", "is empty"),
        ({"a.csv": "A,B\n"}, "a.csv", "holds a header and no row"),
        ({"a.csv.gz": TEXT}, "a.csv.gz", "cannot be read"),
        ({"a.jsonl": "[]\n"}, "a.jsonl", "holds no JSON object"),
        ({"a.jsonl.gz": "no"}, "a.jsonl.gz", "cannot be read"),
    ],
)
def test_what_cannot_be_opened_is_named(tmp_path, files, name, message):
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    with pytest.raises(InputError, match=message):
        next(open_source(f"{tmp_path}/{name}" if name else tmp_path).chunks())


def test_what_cannot_be_read_on_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("A,,B\n1,2,3\n")
    source = open_source(path)
    assert source.columns == ("A", "B")
    assert "1 columns without a name" in source.notes[0][1]["text"]
    with pytest.raises(UsageError, match="--query: goes with a SQLAlchemy URL"):
        open_source(path, query="SELECT 1")
    path.write_bytes("\n\n".encode("utf-16"))
    with pytest.raises(InputError, match="is empty"):
        open_source(path)
    with pytest.raises(UsageError, match="got int to read leads from"):
        open_source(3)
    packed = gzip.compress(("A,B\n" + "1,2\n" * 400_000).encode())
    (tmp_path / "b.csv.gz").write_bytes(packed[: len(packed) // 2] + b"x" * 99)
    with pytest.raises(InputError, match="cannot be read"):
        list(open_source(tmp_path / "b.csv.gz").chunks())


CODE = """
import pathlib, sys
from leadml.data.mapping import Join
from leadml.data.sources import open_source
second = Join(file="b.csv", left="ID", right="Key")
for name, join in (("a.csv", None), ("a.csv", second), ("c.parquet", None)):
    source = open_source(name, join=join)
    list(source.chunks())
    source.digest()
    source.rejections.save(pathlib.Path("rejected.csv"))
print([name for name in ("pandas", "scipy", "sklearn", "mlflow") if name in sys.modules])
"""


def test_reading_csv_and_parquet_imports_no_pandas(tmp_path):
    (tmp_path / "a.csv").write_text('ID,Need\n1,"a\nb"\n2\n' + "3,4\n" * 9)
    (tmp_path / "b.csv").write_text("Key,Kind\n1,x\n")
    pq.write_table(pa.table({"ID": ["a"] * 40_000, "n": [1.5] * 40_000}), tmp_path / "c.parquet")
    run = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout == "[]\n", run.stderr
