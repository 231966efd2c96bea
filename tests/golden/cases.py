"""The inputs of the golden cases: cases.yaml says what is in them, and here they become files."""

import csv
import gzip
import io
import itertools
import json
import shutil
from pathlib import Path

import yaml

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "configs" / "mappings"
DEFAULTS = {
    "file": "leads.csv",
    "encoding": "utf-8",
    "delimiter": ",",
    "rows": 8,
    "card": "bant-learned",
    "policies": ["bant-points"],
    "full": False,
}
CASES = {
    name: DEFAULTS | case for name, case in yaml.safe_load((HERE / "cases.yaml").read_text(encoding="utf-8")).items()
}
CRITERIA = ["budget", "funds", "authority", "need", "challenges", "desire", "interest", "urgency", "timeline",
            "prioritization", "goals", "plans", "response"]  # fmt: skip
PATTERNS_MAPPING = f"""name: patterns
lead_id: id
criteria: {{{", ".join(f"{name}: {{column: {name}}}" for name in CRITERIA)}}}
facts:
  purchase: {{column: purchase, values: {{repeat: [repeat], replacement: [replacement]}}}}
  stage: {{column: stage, values: {{early: [early]}}}}
"""


def write_case(name: str, folder: Path) -> dict:
    """Write leads and mapping.yaml of a case into a folder; give the case."""
    case = CASES[name]
    if "config" in case:
        shutil.copy(CONFIGS / f"{case['config']}.yaml", folder / "mapping.yaml")
    else:
        (folder / "mapping.yaml").write_text(case["mapping"], encoding="utf-8")
    path = folder / case["file"]
    if "text" in case:
        path.write_bytes(case["text"].encode(case["encoding"]))
        return case
    header = [*case["columns"]]
    rows = [[cells[i % len(cells)] for cells in case["columns"].values()] for i in range(case["rows"])]
    if path.suffix == ".xlsx":
        _write_xlsx(path, case.get("sheet", "Leads"), header, rows)
    elif path.suffix == ".parquet":
        _write_parquet(path, header, rows)
    elif path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(header, row, strict=True)), default=str) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        content = to_text(header, rows, case["delimiter"]).encode(case["encoding"])
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return case


def write_patterns(folder: Path) -> None:
    """Write 60 fixed patterns of levels, facts among them, and their mapping."""
    state, rows = 1, []

    def draw(choices):
        nonlocal state
        state = (state * 1103515245 + 12345) % 2**31
        return choices[(state >> 16) % len(choices)]

    for i in range(60):
        choices = (("",), "0", "4")[i] if i < 3 else ("0", "1", "2", "3", "4", "")
        levels = [draw(choices) for _ in CRITERIA]
        facts = draw(("repeat", "replacement", "new", "")), draw(("early", "late", ""))
        rows.append([f"P{i:02}", *levels, *facts])
    header = ["id", *CRITERIA, "purchase", "stage"]
    (folder / "leads.csv").write_text(to_text(header, rows), encoding="utf-8")
    (folder / "mapping.yaml").write_text(PATTERNS_MAPPING, encoding="utf-8")


def to_text(header: list, rows: list, delimiter: str = ",") -> str:
    """Write a table as CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()


def _write_xlsx(path, sheet, header, rows):
    import datetime

    from xlsxwriter import Workbook

    with Workbook(str(path), {"default_date_format": "yyyy-mm-dd", "strings_to_formulas": False}) as book:
        book.set_properties({"created": datetime.datetime(2026, 1, 1)})
        book.add_worksheet("Notes").write(0, 0, "not here") if sheet != "Leads" else None
        table = book.add_worksheet(sheet)
        for (i, row), (j, _) in itertools.product(enumerate([header, *rows]), enumerate(header)):
            table.write(i, j, row[j])


def _write_parquet(path, header, rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.array(list(cells)) for cells in zip(*rows, strict=True)]
    pq.write_table(pa.table(columns, names=header), path)
