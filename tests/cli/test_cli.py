"""The command line: every command has help with an example, faults end in one message and their exit code."""

import csv
import dataclasses
import html
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import leadml
from leadml import cli
from leadml.__main__ import main
from leadml.datasets.sample import write_csv

COMMANDS = [
    "check", "qualify", "predict", "explain", "calibrate", "monitor", "track", "reproduce", "report", "page", "app",
    "demo", "publish", "frameworks show", "frameworks new", "frameworks check", "frameworks diff", "mapping new",
    "models list", "models show", "models promote", "models retire", "models history",
]  # fmt: skip
MAPPING = """\
name: ours
lead_id: Deal
outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}
criteria:
  need: {column: Need}
  authority: {column: Role, levels: {Low: 1, High: 4}}
"""
CARD = Path(__file__).parents[1] / "golden" / "cards" / "bant-learned.json"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEADML_STORE", raising=False)
    (tmp_path / "m.yaml").write_text(MAPPING)
    rows = [f"D{i},{i % 5},{'High' if i % 3 else 'Low'},Open" for i in range(30)]
    (tmp_path / "leads.csv").write_text("Deal,Need,Role,Status\n" + "\n".join(rows) + "\n")
    shutil.copy(CARD, tmp_path / "card.json")
    return tmp_path


@pytest.fixture
def run(desk, monkeypatch, capfd):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["leadml", *words])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(run, command):
    code, out, _ = run(*command.split(), "--help")
    assert code == 0
    head = command.split()[0] if command.split()[-1] in ("show", "list") else command
    assert f"Example: leadml {head}" in out.replace("\n  ", " ")


def test_help_says_what_a_locale_leaves_as_it_is(run):
    told = " ".join(run("predict", "--help")[1].split())
    assert "Dutch words; words of the CRM, and your own, stay as they are" in told


def test_help_lists_every_command(run):
    _, out, _ = run("-h")
    assert {each.split()[0] for each in COMMANDS} <= set(re.findall(r"^  (\S+)", out, re.M))
    code, out, _ = run("--version")
    assert (code, out.strip()) == (0, cli.typer and __import__("leadml").__version__)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("qualfy", 2, "Did you mean 'qualify'?"),
        ("check leads.csv", 2, "Missing option '--mapping'"),
        ("check gone.csv -m m.yaml", 3, "no such file"),
        ("check leads.csv -m gone.yaml", 2, "no such file"),
        ("frameworks bantt", 2, "did you mean bant?"),
        ("frameworks new bant", 2, "choose another"),
        ("predict leads.csv -m m.yaml --model ours -o p.csv", 2, "no model 'ours'"),
        ("predict leads.csv -m m.yaml --model card.json -o p.doc", 2, "valid endings"),
        ("predict leads.csv -m m.yaml --model card.json -o p.csv --engine sparc", 2, "--engine"),
        ("predict leads.csv -m m.yaml --model card.json -o p.csv --max-rejected 2", 2, "--max-rejected"),
        ("explain leads.csv -m m.yaml --model card.json --lead nobody", 3, "no lead 'nobody'"),
        ("calibrate leads.csv -m m.yaml --no-track", 4, "at least 20"),
        ("report .", 2, "result.json"),
        ("models show ours", 2, "no model 'ours'"),
        ("models promote ours@1", 2, "--because"),
        ("models promote ours@1 --because x --on leads.csv", 2, "--mapping"),
        ("models retire ours@1", 2, "--because"),
        ("publish gone.json --because x", 2, "gone.json"),
    ],
)
def test_faults_end_in_one_message(run, words, code, said):
    found, out, err = run(*words.split())
    assert found == code, err
    assert said in err
    assert "Traceback" not in err
    assert out == ""


def test_too_many_rejected_rows_end_with_5_and_the_output(run, desk):
    text = (desk / "leads.csv").read_text().replace("D3,3", "D3,9").replace("D4,4", "D4,9")
    (desk / "leads.csv").write_text(text)
    for words in ("predict leads.csv -m m.yaml --model card.json -o p.csv", "qualify leads.csv -m m.yaml -o p.csv"):
        code, _, err = run(*words.split())
        assert code == 5
        assert "2 of 30 rows (6.7%) could not be used, more than --max-rejected 5.0%" in err
        with (desk / "p.csv").open() as file:
            assert len({row["lead_id"] for row in csv.DictReader(file)}) == 28
        (desk / "p.csv").unlink()
        assert run(*words.split(), "--max-rejected", "0.1")[0] == 0
    assert run(*["check", "leads.csv", "-m", "m.yaml"])[0] == 5


def test_check_says_what_a_file_holds(run, desk):
    code, out, _ = run(*["check", "leads.csv", "-m", "m.yaml", "--json"])
    found = json.loads(out)
    assert code == 0
    assert (found["n_rows"], found["n_leads"], found["n_rejected"]) == (30, 30, 0)
    assert found["outcomes"] == {"won": 0, "lost": 0, "open": 30, "base_rate": None}
    assert found["criteria"][0]["levels"]
    assert [each["code"] for each in found["findings"]] == ["LML109", "LML119"]
    code, out, _ = run(*["check", "leads.csv", "-m", "m.yaml"])
    assert "leads.csv: 30 rows = 30 leads + 0 rejected" in out
    assert "read as csv, encoding utf-8 (sniffed), delimiter comma (sniffed)" in out


def test_data_goes_to_stdout_and_messages_to_stderr(run):
    code, out, err = run(*["predict", "leads.csv", "-m", "m.yaml", "--model", "card.json", "-o", "-"])
    assert code == 0
    assert len(list(csv.DictReader(out.splitlines()))) == 30
    assert "30 rows = 30 scored + 0 rejected" in err


def test_a_framework_of_ones_own(run, desk):
    assert run(*["frameworks", "new", "ours", "--from", "champ", "--title", "Ours", "-o", "ours.yaml"])[0] == 0
    code, _, err = run(*["frameworks", "new", "ours", "-o", "ours.yaml"])
    assert (code, "not overwritten" in err) == (2, True)
    code, _, err = run(*["frameworks", "check", "ours.yaml"])
    assert (code, "can be used" in err) == (0, True)
    assert "policies[ours-half]" in run(*["frameworks", "diff", "champ", "ours.yaml"])[1]
    assert run(*["frameworks", "diff", "champ", "champ"])[1] == "no difference\n"
    assert run(*["frameworks", "ours.yaml", "--json"])[1].startswith("{")
    assert json.loads(run(*["frameworks", "--json"])[1])[0]["id"] == "bant"
    assert run("frameworks", "bant")[1].startswith("BANT (bant)")


def test_a_mapping_is_proposed(run):
    code, out, _ = run(*["mapping", "new", "leads.csv"])
    assert code == 0
    assert "criteria" in out
    assert run(*["mapping", "new", "leads.csv", "-o", "new.yaml", "--crm", "hubspot"])[0] == 0
    assert Path("new.yaml").is_file()


def test_the_store_through_its_commands(run, desk):
    code, _, err = run("models")
    assert (code, "is empty" in err) == (0, True)
    code, _, err = run("publish", "card.json", "--because", "first", "--name", "ours", "--by", "me")
    assert code == 0, err
    draft = json.loads((desk / "card.json").read_text())
    draft["bands"][0]["action"] = "leave"
    (desk / "draft.json").write_text(json.dumps(draft))
    code, _, err = run("publish", "draft.json", "--because", "second", "--name", "ours")
    assert (code, "ours@2 is stored" in err) == (0, True), err
    assert run("models")[1].split()[:2] == ["ours@1", "champion"]
    assert len(json.loads(run("models", "list", "--json")[1])) == 2
    out = run("models", "show", "ours@2")[1]
    assert "points at level" in out
    assert re.search(r"action +decision +chance of winning\n.* from \d+%\n", out)
    assert "second" in out
    assert json.loads(run("models", "show", "ours", "--json")[1])["card"]["name"] == "ours"
    code, _, err = run("models", "promote", "ours@2", "--because", "better words", "--force")
    assert code == 0, err
    assert "already" in run("models", "promote", "ours@2", "--because", "again")[2]
    assert "because: better words" in run("models", "history", "ours")[1]
    code, _, err = run("models", "retire", "ours@2", "--because", "old")
    assert (code, "the champion of ours is none" in err) == (0, True)
    for ref, is_retired in (("ours@1", False), ("ours@2", True)):
        code, _, err = run(*["predict", "leads.csv", "-m", "m.yaml", "--model", ref, "-o", "p.csv"])
        assert (code, f"{ref} is retired since 20" in err) == (0, is_retired)


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "leadml", *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_leaves_nothing_half_written(desk, how):
    process = start("predict", "-", "-m", "m.yaml", "--model", "card.json", "-o", "p.csv")
    process.stdin.write(b"Deal,Need,Role,Status\n" + b"D,1,Low,Open\n" * 200_000)
    process.stdin.flush()
    while not list(desk.glob(".p.csv*")):
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate()
    assert process.returncode == 130
    assert b"interrupted" in err
    assert not list(desk.glob("*p.csv*")) + list(desk.glob(".p.csv*"))


def test_a_reader_who_has_had_enough_is_no_fault(desk):
    (desk / "leads.csv").write_text("Deal,Need,Role,Status\n" + "D,1,Low,Open\n" * 200_000)
    process = start("predict", "leads.csv", "-m", "m.yaml", "--model", "card.json", "-o", "-")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait() == 0
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.stdin.close()


def test_debug_shows_where_an_internal_error_came_from(run, monkeypatch):
    monkeypatch.setattr(cli, "_resolve", lambda *_: 1 / 0)
    words = ["explain", "leads.csv", "-m", "m.yaml", "--model", "card.json", "--lead", "D1"]
    code, _, err = run(*words)
    assert (code, err.count("\n")) == (1, 1)
    assert "internal error" in err
    code, _, err = run("--debug", *words)
    assert (code, "Traceback" in err) == (1, True)


def test_as_a_program_it_ends_with_its_code(desk):
    done = subprocess.run([sys.executable, "-m", "leadml", "models", "show", "x"], capture_output=True, check=False)
    assert done.returncode == 2
    done = subprocess.run([sys.executable, "-m", "leadml", "--version"], capture_output=True, check=True)
    assert done.stdout.strip()


@pytest.mark.slow
def test_demo_calibrates_scores_reproduces_and_monitors(run, desk, monkeypatch):
    code, out, err = run("demo", "d")
    assert code == 0, err
    assert "The truth is known here" in out
    assert Path("d/scores.xlsx").is_file()
    found = json.loads(Path("d/calibration/result.json").read_text())
    assert found["schema_version"] == 2
    assert run("report", "d/calibration")[0] == 0
    assert Path("d/page.html").is_file()
    code, _, err = run("page", "d/calibration", "--leads", "d/new_leads.csv", "-o", "page.html")
    assert (code, Path("page.html").is_file()) == (0, True), err
    deals, mapping, store = "d/closed_deals.csv", "d/mapping.yaml", "d/models_store"
    assert (
        "the learned card is in use"
        not in Path("d/calibration/report.html").read_text() + Path("page.html").read_text()
    )
    run("report", "d/calibration", "--store", store)
    run("page", "d/calibration", "--store", store, "-o", "page.html")
    assert "(the learned card is in use, as demo@1)</h1>" in Path("d/calibration/report.html").read_text()
    assert "(the learned card is in use)" in Path("page.html").read_text()
    code, out, err = run("reproduce", "d/calibration", "--data", deals, "--exit-code")
    assert (code, out) == (0, "the same\n"), err
    code, out, _ = run("reproduce", "d/calibration", "--data", "d/new_leads.csv", "--exit-code")
    assert code in (2, 3, 10)
    code, out, err = run(
        "monitor", deals, "-m", mapping, "--model", "demo", "--store", store, "-o", "w", "--no-track", "--exit-code"
    )
    assert code in (0, 10, 20), err
    assert Path("w/monitor.html").is_file()
    settings = Path("e.yaml")
    settings.write_text("contenders: [cutoff]\n")
    words = ["calibrate", deals, "-m", mapping, "-e", str(settings), "--name", "demo", "--store", store]
    code, out, err = run(*words, "-o", "again", "--as-of", "2026-01-01", "--tracking-uri", "sqlite:///mlflow.db",
                         "--experiment-name", "tests")  # fmt: skip
    assert code == 0, err
    assert "model: demo@2 (not the champion)" in err
    assert (
        f"demo@1 stays in use; to use the learned card: leadml models promote demo@2 --because TEXT --store {store}"
        in err
    )
    assert "MLflow run: " in err
    code, _, err = run("track", "again", "--tracking-uri", "sqlite:///mlflow.db", "--experiment-name", "tests")
    assert (code, "there already" in err) == (0, True)


def test_a_column_is_asked_about_and_taken_out_by_the_command_that_is_printed(run, desk):
    leads = leadml.make_leads(200, all_criteria=False)
    told = np.where(leads.outcome == 1, "proposal", "call")
    told[::6] = "call"
    write_csv(dataclasses.replace(leads, context={"Last activity": pa.array(told)}), "deals.csv")
    Path("m.yaml").write_text(
        MAPPING.replace("Deal\n", "Deal ID\n").replace("Role, levels: {Low: 1, High: 4}", "Authority")
        + "context: [Last activity]\n"
    )
    Path("e.yaml").write_text("frameworks: [bant]\ncontenders: []\n")
    words = ["calibrate", "deals.csv", "--mapping", "m.yaml", "--experiment", "e.yaml", "--out", "found"]
    code, out, err = run(*words, "--no-track")
    assert code == 0, err
    command = next(line.strip() for line in out.splitlines() if "--without" in line)
    assert command == f"leadml {' '.join(words)} --no-track --without 'Last activity'"
    assert all(command in html.unescape(Path(f"found/{page}.html").read_text()) for page in ("report", "page"))
    code, out, err = run(*shlex.split(command)[1:], "--no-track")
    assert code == 0, err
    assert "Without Last activity the wide card wins" in out
    assert (
        "than those of found: its log is kept as log-1.parquet, its card,\npage and report are replaced; -o DIR" in err
    )
    assert run("calibrate", "deals.csv", "-m", "m.yaml", "--without", "Colour", "--no-track")[0] == 2


def test_deals_without_criteria_and_without_a_column_that_tells_are_compared_all_the_same(run, desk):
    rows = [f"D{i},{'Won' if i * i % 7 > 2 else 'Lost'},{'AB'[i % 2]}" for i in range(140)]
    Path("deals.csv").write_text("Deal,Status,Product\n" + "\n".join(rows) + "\n")
    Path("m.yaml").write_text(MAPPING.split("criteria:")[0] + "criteria: {}\ncontext: [Product]\n")
    Path("e.yaml").write_text("contenders: []\nbootstrap: 50\n")
    code, out, err = run("calibrate", "deals.csv", "-m", "m.yaml", "-e", "e.yaml", "-o", "found", "--no-track")
    assert code == 0, err
    assert "No documented rule can be judged" in out
    assert "no model: these deals give no card" in err
    assert Path("found/report.html").is_file()
    found = leadml.calibrate(leadml.read_leads("deals.csv", "m.yaml"), "e.yaml")
    assert (len(found.verdicts), len(found.cutoffs), len(found.weights)) == (0, 0, 0)
