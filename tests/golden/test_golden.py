"""What version 0.1 printed and wrote for small made-up inputs stays so, but for what CHANGED names.

expected/CASE.txt has a section for every command (an aspect). With --golden-write, what is named in CHANGED
is written to changed/CASE.txt, to be met from then on, and all else to expected/, which should not differ.
changed/ holds the lines that take the place of others: `@ 3 5` and lines after + stand for lines 3 to 5.
"""

import contextlib
import csv
import difflib
import fnmatch
import gc
import importlib.util
import io
import json
import lzma
import re
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("golden_cases", HERE / "cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)

CHANGED: dict[str, str] = {
    "+question": "the next question in words",
    "+if_answered": "what each answer to it would make of the lead: its decision, or its band where that alone changes",
    "+header_row": "the row that holds the names of columns, found under a title too",
    "+remedy": "what to do about a finding has a place of its own",
    "+cost": "what a finding is worth, where that can be said",
    "+doubted": "columns that by a finding may say how a deal went",
    "~action": "a lead that waits is to be asked or nurtured, where it said to spend no time, or by another rule",
    "~ask_next": "nothing is asked of a lead that is no match whatever the answer",
    "~!": "equal faults are told once, with a count, the first row and what to write into the mapping",
    "*/*.rejected": "rows as a spreadsheet counts them, what to write into the mapping, and the lead; kinds of dates",
    "*/check": "likewise; findings: columns named, gravest first, LML119 is new, LML108 gone; sniffed decimal marks",
    "*/check.text": "likewise; remedies; exit 5, as more than 5% of the rows cannot be used",
    "*/stdout": "the new columns; closed deals are left out; exit 5, as more than 5% cannot be used",
    "*/raw.*": "the new columns",
    "*/explain": "the question in words, and what each answer would make of the lead",
    "*/predict.xlsx": "names of the lead stand first in a work list",
    "*/types": "likewise",
    "config-bank-marketing/qualify.*": "0.1 said `not in the file: None` where another stands in",
    "stand-in-chain/*": "likewise",
    "*/keep.*": "guarded: - and -1-2 are no numbers; an empty cell of Excel is empty, not nan; 2 for a JSON 2.0",
    "multi-line/keep.*": "a line end inside a cell is written as a line feed",
    "open-quote/*": "a quote that does not close rejects its row, and swallows none",
    "absent-columns/*": "the remedy names optional: true",
    "config-crm-pipeline/*": "what the file has is named where the mapping says nothing of what the model asks",
    "new-leads/check": "likewise",
    "all-rejected/*": "the fault in the words of */*.rejected",
    "bad-mapping/*": "the new keys are valid; wrong levels and criteria in the words of every choice",
    "reject-outcomes/check": "rows as a spreadsheet counts them",
    "cp1252-sniffed/*": "a decimal comma is seen beside a currency, and no row is rejected for it",
    "xlsx-serials/check": "Excel's days by number are read, where every row was rejected",
    "amounts/check": "12 000,- is read; a word in place of an amount is no matter of the decimal mark",
    "faults/no-command": "new commands; exit 5",
    "faults/version": "0.2",
    "faults/framework-unknown": "a file of one's own is valid too",
    "faults/file-ending": ".csv.zst is read too",
    "faults/card-gone": "other words",
    "faults/columns-unknown": "the new columns",
    "faults/engine-unknown": "told as every option with choices is",
    "faults/too-few": "told before learning is said to begin; reading is said when it is done",
    "faults/experiment": "the new keys are valid",
    "faults/report-nothing": "other words",
}
"""Every intended difference from version 0.1, and its reason. A key is one of

``case/aspect``   that section differs now (it is red when it does not);
``*/aspect``      likewise with a pattern, of which not every match need differ;
``+name``         a new column of tables, or a new key of JSON: left out before comparing;
``~name``         a column of tables that may differ (~!: messages that are indented) while all else is equal.
"""
NEW, LOOSE = ({key[1:] for key in CHANGED if key[0] == sign} for sign in "+~")
HEAD = "######## "
ALL = ["--max-rejected", "1"]
CARDS = sorted(path.stem for path in (HERE / "cards").glob("*.json"))
RESULTS = json.loads(lzma.decompress((HERE / "results.json.xz").read_bytes()))


class Desk:
    """A folder to run commands in; collects what comes of them by aspect."""

    def __init__(self, folder, capfd, monkeypatch):
        self.folder, self.capfd, self.patch = folder, capfd, monkeypatch
        self.found = {}

    def run(self, aspect, *words, out=None, as_json=False):
        """Run a command; keep its exit code, messages and data."""
        from leadml.__main__ import main

        self.patch.setattr(sys, "argv", ["leadml", *words, *(["-o", out] if out else [])])
        self.capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        data, messages = self.capfd.readouterr()
        if as_json and data:
            data = show_json(json.loads(data, parse_float=lambda text: float(f"{float(text):.12g}")))
        if out and (self.folder / out).exists():
            data += show_table(self.folder / out)
        if out and (rejected := self.folder / f"{out}.rejected.csv").exists():
            self.found[f"{aspect}.rejected"] = clean(rejected.read_bytes().decode().replace("\r\n", "\n"))
        messages = "".join(f"! {line}\n" for line in messages.splitlines())
        text = f"exit {code}\n{messages}{data}".replace(str(self.folder), "FOLDER")
        if out and out != "-":  # so that all kinds of file read alike
            text = text.replace(out, "OUT")
        self.found[aspect] = clean(text)


@pytest.fixture
def desk(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {"COLUMNS": "80", "LEADML_CACHE": "", "OPENBLAS_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LEADML_STORE", raising=False)
    before = gc.get_threshold()  # which `predict` changes for good
    yield Desk(tmp_path, capfd, monkeypatch)
    gc.set_threshold(*before)


def clean(text):
    """Show carriage returns, and end with one line end."""
    return text.replace("\r", "␍").rstrip("\n") + "\n"


def show_json(value):
    """Write JSON with a line for every key, and for every item of its lists."""
    lines = []
    for key, each in without_new(value).items():
        many = isinstance(each, list) and each and isinstance(each[0], dict)
        lines.append(f"{key}: {'' if many else json.dumps(each, ensure_ascii=False)}")
        lines += [f"  - {json.dumps(item, ensure_ascii=False)}" for item in (each if many else ())]
    return "\n".join(lines) + "\n"


def without_new(value):
    if isinstance(value, dict):
        return {key: without_new(each) for key, each in value.items() if key not in NEW}
    return [without_new(each) for each in value if each not in [*NEW]] if isinstance(value, list) else value


def read_table(path):
    """Read a header and typed rows."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        return table.schema.names, [[*row.values()] for row in table.to_pylist()]
    if path.suffix == ".xlsx":
        from python_calamine import CalamineWorkbook

        from leadml.card.in_words import COLUMNS
        from leadml.scoring.worklist import words_of

        titles, *rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
        names = {title: name for name, (title, _) in words_of("en").columns.items()}
        header = [names.get(title, title) for title in titles]
        # In the order of the other kinds of file, where a work list has the action beside the name.
        order = sorted(range(len(header)), key=lambda at: COLUMNS.index(header[at]) if header[at] in COLUMNS else -1)
        return [header[at] for at in order], [[row[at] for at in order] for row in rows]
    if path.suffix == ".jsonl":
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [*records[0]] if records else [], [[*record.values()] for record in records]
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    return header, rows


def show_table(path):
    """Write what a table holds as CSV, in one form whatever the kind of file."""
    header, rows = read_table(path)
    at = [i for i, name in enumerate(header) if name not in NEW]
    return cases.to_text([header[i] for i in at], [[show_cell(header[i], row[i]) for i in at] for row in rows])


def show_cell(name, value):
    if name == "probability" and value not in (None, ""):
        return f"{float(value):.12g}"  # a sheet holds 15 digits
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, default=str)


def show_types(path):
    """Say of which kinds the cells of every column are."""
    header, rows = read_table(path)
    kinds = ["|".join(sorted({type(cell).__name__ for cell in cells})) for cells in zip(*rows, strict=True)]
    return ", ".join(" ".join(pair) for pair in zip(header, kinds, strict=True) if pair[0] not in NEW)


def strict(text):
    """Leave out of a section what may differ: columns of its table, and messages that are indented."""
    head, mark, table = text.partition("\nlead_id,")
    if "!" in LOOSE:
        head = re.sub(r"^!  .*\n", "", head + "\n", flags=re.M)
    if not mark:
        return head
    header, *rows = csv.reader(io.StringIO(f"lead_id,{table}"))
    at = [i for i, name in enumerate(header) if name not in LOOSE]
    return head + cases.to_text([header[i] for i in at], [[row[i] for i in at] for row in rows])


def read_sections(path):
    """Read a golden file; a section that only says `same as ASPECT` is that of the aspect."""
    if not path.exists():
        return {}
    parts = re.split(rf"^{HEAD}(.*)\n", path.read_text(encoding="utf-8"), flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {aspect: sections.get(text[8:].strip(), text) if text.startswith("same as ") else text
            for aspect, text in sections.items()}  # fmt: skip


def write_sections(path, sections):
    first, text = {}, ""
    for aspect, each in sections.items():
        same = first.setdefault(each, aspect)
        text += f"{HEAD}{aspect}\n{each if same == aspect else f'same as {same}' + chr(10)}"
    if text:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
    else:
        path.unlink(missing_ok=True)


def replaced(old, new):
    """Write which lines take the place of which lines."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    text = ""
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            text += f"@ {i1 + 1} {i2}\n" + "".join(f"+{line}" for line in after[j1:j2])
    return text


def patched(old, text):
    """Put lines into the place of others."""
    lines, made, at = old.splitlines(keepends=True), [], 0
    for line in text.splitlines(keepends=True):
        if line[0] == "@":
            start, end = map(int, line.split()[1:])
            made, at = made + lines[at : start - 1], end
        else:
            made.append(line[1:])
    return "".join(made + lines[at:])


def compare(name, found, request):
    """Hold what was found to the golden files of a case, or write them."""
    files = HERE / "expected" / f"{name}.txt", HERE / "changed" / f"{name}.txt"
    frozen, changed = map(read_sections, files)
    changed = {aspect: patched(frozen.get(aspect, ""), text) for aspect, text in changed.items()}
    listed = {
        aspect
        for aspect in {**frozen, **found}
        if any(fnmatch.fnmatchcase(f"{name}/{aspect}", key) for key in CHANGED)
        or strict(frozen.get(aspect, "")) == strict(found.get(aspect, ""))
    }
    if request.config.getoption("--golden-write", default=False):
        kept = {aspect: text for aspect, text in frozen.items() if aspect in listed}
        write_sections(files[0], kept | {a: text for a, text in found.items() if a not in listed})
        both = {a: (frozen.get(a, ""), found.get(a, "")) for a in {**frozen, **found} if a in listed}
        write_sections(files[1], {a: replaced(old, new) for a, (old, new) in both.items() if old != new})
        return
    faults = [
        f"{name}/{aspect} is named in CHANGED and does not differ from version 0.1: take it out\n"
        for aspect in sorted(listed)
        if f"{name}/{aspect}" in CHANGED and found.get(aspect) == frozen.get(aspect)
    ]
    for aspect in dict.fromkeys([*frozen, *found]):
        wanted = (changed.get(aspect, frozen.get(aspect)) if aspect in listed else frozen.get(aspect)) or ""
        have = found.get(aspect, "")
        sides = [text.splitlines(keepends=True) for text in (wanted, have)]
        labels = f"{name}/{aspect} golden", f"{name}/{aspect} now"
        faults.append("".join(difflib.unified_diff(*sides, *labels, n=1)))
    if any(faults):
        pytest.fail("\n".join(filter(None, faults)), pytrace=False)


@pytest.mark.parametrize("name", cases.CASES)
def test_case(name, desk, request):
    case = cases.write_case(name, desk.folder)
    leads = [case["file"], "--mapping", "mapping.yaml"]
    rules = [word for policy in case["policies"] for word in ("--policy", policy)]
    use = ["--model", str(desk.folder / "card.json")]
    model = [*use, "--with-closed", *ALL]
    (desk.folder / "card.json").write_bytes((HERE / "cards" / f"{case['card']}.json").read_bytes())
    desk.run("check", "check", *leads, *ALL, "--json", as_json=True)
    if Path(case["file"]).suffix in (".gz", ".parquet", ".xlsx"):  # their bytes depend on who wrote them
        desk.found["check"] = re.sub(r'digest: "\w+"', 'digest: "..."', desk.found["check"])
    desk.run("qualify.csv", "qualify", *leads, *rules, *ALL, out="q.csv")
    desk.run("qualify.jsonl", "qualify", *leads, *rules, *ALL, out="q.jsonl")
    for kind in ("csv", "tsv", "parquet", "jsonl", "xlsx"):
        desk.run(f"predict.{kind}", "predict", *leads, *model, out=f"p.{kind}")
    told = ["--columns", "points,decision"]
    desk.run("columns", "predict", *leads, *model, *told, out="c.csv")
    for kind in ("csv", "jsonl"):
        desk.run(f"keep.{kind}", "predict", *leads, *model, *told, "--keep-columns", out=f"k.{kind}")
    with contextlib.suppress(OSError, UnicodeError, IndexError, ValueError):
        lead = read_table(desk.folder / "p.csv")[1][0][0].lstrip("'")
        desk.run("explain", "explain", *leads, *use, f"--lead={lead}")
    if case["full"]:
        desk.run("check.text", "check", *leads)
        desk.run("stdout", "predict", *leads, *use, out="-")
        lines = desk.found["stdout"].splitlines(keepends=True)
        rows = [line for line in lines[1:] if line[0] != "!"]
        desk.found["stdout"] = "".join(line for line in lines if line not in rows[3:])
        desk.run("keep.all", "predict", *leads, *model, "--keep-columns", out="a.csv")
        desk.run("qualify.all", "qualify", *leads, "--met-level", "3", *ALL, out="all.csv")
        header, rows = read_table(desk.folder / "all.csv")
        decisions = {}
        for row in rows:
            told = dict(zip(header, row, strict=True))
            decisions[told["policy"]] = f"{decisions.get(told['policy'], '')} {told['decision']}"
        marks = "".join(f"{policy}:{each}\n" for policy, each in decisions.items())
        desk.found["qualify.all"] = re.sub(r"(?ms)^lead_id.*", "", desk.found["qualify.all"]) + marks
        for kind in ("csv", "tsv", "jsonl"):
            lines = (desk.folder / f"p.{kind}").read_bytes().decode().splitlines(keepends=True)
            desk.found[f"raw.{kind}"] = "".join(f"{line!r}\n" for line in lines[:2])
        desk.found["types"] = "".join(
            f"{kind}: {show_types(desk.folder / f'p.{kind}')}\n" for kind in ("parquet", "jsonl", "xlsx")
        )
    compare(name, desk.found, request)


@pytest.mark.parametrize("card", CARDS)
def test_card(card, desk, request):
    cases.write_patterns(desk.folder)
    model = ["--mapping", "mapping.yaml", "--model", str(HERE / "cards" / f"{card}.json")]
    desk.run("predict.csv", "predict", "leads.csv", *model, out="p.csv")
    compare(f"card-{card}", desk.found, request)


def test_faults(desk, request):
    """What the commands say when they cannot go on."""
    card = (HERE / "cards" / "bant-learned.json").read_text(encoding="utf-8")
    given = yaml.safe_load((HERE / "faults.yaml").read_text(encoding="utf-8"))
    cards = {
        "card.json": card,
        "broken.json": card.replace('"cutoff": ', '"cutoff": 1'),
        "changed.json": card.replace('"title": "Need"', '"title": "Want"'),
    }
    for name, text in (given["files"] | cards).items():
        (desk.folder / name).write_text(text, encoding="utf-8")
    for aspect, words in given["commands"].items():
        desk.run(aspect, *words.split())
    compare("faults", desk.found, request)


@pytest.mark.parametrize("world", RESULTS)
def test_old_result_is_read(world, desk):
    """The report of a result of version 0.1 can be rendered again."""
    (desk.folder / "result.json").write_text(json.dumps(RESULTS[world]), encoding="utf-8")
    desk.run("report", "report", ".")
    assert desk.found["report"].startswith("exit 0\n"), desk.found["report"]
    assert RESULTS[world]["leadml_version"] == "0.1.0"
    assert (desk.folder / "report.html").stat().st_size > 10_000
