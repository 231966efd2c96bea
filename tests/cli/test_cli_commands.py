"""The commands as a user meets them: exit codes, what goes to stdout and stderr, messages."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leadml import cli
from leadml.card import build_card, load_card
from leadml.exceptions import TooFewDealsError
from leadml.store import Store

COMMANDS = (
    "demo",
    "frameworks",
    "check",
    "qualify",
    "calibrate",
    "predict",
    "explain",
    "models",
    "monitor",
    "reproduce",
    "track",
    "report",
)


class Desk:
    """A folder with a mapping, leads and a store of one model, and a way to run commands in it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command; give its exit code, stdout and stderr."""
        self._monkeypatch.setattr(sys, "argv", ["leadml", *words])
        self._capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err or "--debug" in words
        return code, out, err


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.chdir(tmp_path)
    Path("map.yaml").write_text(
        "name: ours\nlead_id: Deal\ncriteria:\n  need: {column: Need}\n  budget: {column: Money}\n"
        "contactable: {column: Phone}\n"
    )
    Path("leads.csv").write_text("Deal,Need,Money,Phone\na,4,3,06\nb,1,,\nc,8,1,06\n")
    card = build_card(
        name="x",
        criteria=[{"id": "need", "title": "Need"}, {"id": "budget", "title": "Money"}],
        points=[[0, 1, 2, 3, 4]] * 2,
        unknown_points=[0, 1],
        documented_points=[[0, 1, 2, 3, 4]] * 2,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "now", "title": "Now", "from": 5, "action": "follow up"},
        ],
        cutoff=5,
        created_at="2026-01-01",
        base=-2.0,
        slope=0.5,
        table=[(total, total / 10, 0.0, 1.0) for total in range(9)],
        caveats=[{"id": "always", "text": "Ask around.", "when": {}}],
    )
    store = Store("models_store")
    store.save_model("bant", card, metrics={"auc": 0.7})
    store.save_model("bant", card)
    return Desk(capsys, monkeypatch)


def test_every_command_has_an_example(desk: Desk) -> None:
    for command in COMMANDS:
        code, out, _ = desk.run(command, "--help")
        assert code == 0
        assert f"Example: leadml {command}" in out
    for verb in ("list", "show", "promote", "rollback", "retire", "history", "check"):
        assert f"Example: leadml models {verb}" in desk.run("models", verb, "--help")[1]
    code, out, _ = desk.run("--help")
    assert all(command in out for command in COMMANDS)
    assert "Exit codes" in out


def test_predict_writes_scores_and_says_what_became_of_the_rows(desk: Desk) -> None:
    code, out, err = desk.run(
        "predict", "leads.csv", "--mapping", "map.yaml", "--model", "bant", "-o", "s.csv"
    )
    assert (code, out) == (0, "")
    assert "3 rows = 2 scored + 1 rejected (why: s.csv.rejected.csv)" in err
    with Path("s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["lead_id"] for row in rows] == ["a", "b"]
    assert [row["reasons"] for row in rows] == ["need +4; budget +3", "need +1; budget (unknown) +1"]
    assert [row["probability"] for row in rows] == ["0.7", "0.2"]
    assert {row["model"] for row in rows} == {"bant@1"}


def test_data_goes_to_stdout_and_nothing_else_does(desk: Desk) -> None:
    words = ["-m", "leadml", "predict", "leads.csv", "--mapping", "map.yaml", "--model", "bant@2", "-o", "-"]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=True, env=with_path()
    )
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["lead_id"], row["decision"], row["model"]) for row in rows] == [
        ("a", "ready", "bant@2"),
        ("b", "wait", "bant@2"),
    ]
    assert "row 3, Need: '8'" in done.stderr


def test_standard_input_is_a_file_too(desk: Desk) -> None:
    words = ["-m", "leadml", "predict", "-", "--mapping", "map.yaml", "--model", "bant", "-o", "-"]
    done = subprocess.run(
        [sys.executable, *words],
        input=Path("leads.csv").read_bytes(),
        capture_output=True,
        check=True,
        env=with_path(),
    )
    assert done.stdout.count(b"\n") == 3


def with_path() -> dict[str, str]:
    """The environment of a process that finds leadml from any folder."""
    return os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[1])}


def test_qualify_judges_by_every_rule_that_the_mapping_reaches(desk: Desk) -> None:
    code, _, err = desk.run("qualify", "leads.csv", "--mapping", "map.yaml", "-o", "q.csv")
    assert code == 0
    with Path("q.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = [row["policy"] for row in rows if row["lead_id"] == "a"]
    assert first[:4] == ["bant-ibm", "bant-strict", "bant-points", "bant-half"]
    assert "contactable" in first
    assert "gpct-half" not in first  # none of its criteria is mapped
    assert {row["probability"] for row in rows} == {""}
    assert "not mapped, so unknown for every lead: authority, timeline" in err
    reach = {row["lead_id"]: row["decision"] for row in rows if row["policy"] == "contactable"}
    assert reach == {"a": "ready", "b": "no-match"}
    words = ["qualify", "leads.csv", "--mapping", "map.yaml", "-o", "q.csv", "--policy", "bant-half"]
    assert desk.run(*words)[0] == 0
    assert Path("q.csv").read_text().count("\n") == 3
    assert desk.run(*words, "--met-level", "9")[0] == 2
    code, _, err = desk.run(*words, "--policy", "bant-hlaf")
    assert code == 2
    assert "got policy 'bant-hlaf'" in err


def test_explain_tells_one_lead_in_words_and_points(desk: Desk) -> None:
    words = ["explain", "leads.csv", "--mapping", "map.yaml", "--model", "bant", "--lead"]
    code, out, _ = desk.run(*words, "b")
    assert code == 0
    for line in (
        "Lead b by bant@1: wait",
        "2 of 8 points, 20% chance of winning (95% interval 0% to 100%)",
        "band: Drop (from 0 points); action: drop",
        "Need   level 1    1 of 4",
        "Money  unknown    1 of 4",
        "Unknown: budget. The total could be 1 to 5.",
        "Ask next about: Money.",
        "Caveat (always): Ask around.",
    ):
        assert line in out
    code, _, err = desk.run(*words, "zz")
    assert code == 3
    assert "no lead 'zz'; leads are known by Deal, for instance a, b, c" in err
    code, _, err = desk.run(*words, "c")
    assert code == 3
    assert "lead 'c' (row 3): Need: '8' is not a level" in err


def test_models_can_be_listed_promoted_and_retired(desk: Desk) -> None:
    code, out, _ = desk.run("models", "list")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [["bant@1", "champion"], ["bant@2", "version"]]
    _, _, err = desk.run("models", "promote", "bant@2", "--because", "wins more")
    assert err.splitlines()[0].startswith("Not compared: there are no deals that both judged.")
    assert err.splitlines()[1] == "bant@2 is the champion of bant"
    assert "bant@1 is retired; the champion is bant@2" in desk.run("models", "retire", "bant@1")[2]
    _, out, _ = desk.run("models", "history", "bant")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["bant@1", "bant@2"]
    assert lines[1].endswith("(promoted)  because: the first version")
    assert any(line.endswith("promoted     bant@2  because: wins more") for line in lines)
    _, out, _ = desk.run("models", "show", "bant@1")
    assert "bant@1: retired, learned" in out
    assert "auc: 0.7" in out
    shown = json.loads(desk.run("models", "show", "bant@1", "--json")[1])
    assert shown["card"]["sha256"] == load_card(Path("models_store/bant/1")).sha256
    assert [each["version"] for each in json.loads(desk.run("models", "list", "--json")[1])] == [1, 2]
    assert json.loads(desk.run("models", "history", "bant", "--json")[1])[0]["action"] == "saved"
    code, out, err = desk.run("models", "list", "--store", "elsewhere")
    assert (code, out) == (0, "")
    assert "the store at elsewhere is empty" in err


def test_frameworks_in_words_and_as_json(desk: Desk) -> None:
    code, out, _ = desk.run("frameworks")
    assert code == 0
    assert "bant-ibm" in out
    assert desk.run("frameworks", "champ")[1].startswith("CHAMP (champ)")
    assert json.loads(desk.run("frameworks", "bant", "--json")[1])["id"] == "bant"
    assert len(json.loads(desk.run("frameworks", "--json")[1])) == 6


PREDICT = ("predict", "leads.csv", "--mapping", "map.yaml", "--model", "bant", "-o", "s.csv")


def replaced(words: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    return tuple(new if word == old else word for word in words)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nonsense",), 2, "No such command 'nonsense'"),
        (("predict", "leads.csv"), 2, "Missing option '--mapping'"),
        (replaced(PREDICT, "bant", "none"), 2, "no model 'none' in the store at models_store; it has bant"),
        (replaced(PREDICT, "bant", "bant@7"), 2, "has no version 7; it has 1, 2"),
        (replaced(PREDICT, "bant", "../bant/card.json"), 2, "there is no such card"),
        (replaced(PREDICT, "bant", ""), 2, "is no model reference"),
        (replaced(PREDICT, "map.yaml", "none.yaml"), 2, "none.yaml"),
        (replaced(PREDICT, "leads.csv", "none.csv"), 3, "none.csv: no such file"),
        (replaced(PREDICT, "s.csv", "s.doc"), 2, "got 's.doc', valid endings are"),
        (replaced(PREDICT, "s.csv", "leads.csv"), 2, "is the input itself"),
        (("frameworks", "bantt"), 2, "did you mean bant"),
        (("models", "show", "../x"), 2, "is no model reference"),
        (("models", "promote", "bant@3"), 2, "has no version 3"),
        (("models", "history", "none"), 2, "no model 'none'"),
        (("report", "nowhere"), 2, "give the folder that `leadml calibrate -o DIR` wrote"),
    ],
)
def test_faults_of_the_user_have_a_message_and_a_code(
    desk: Desk, words: tuple[str, ...], code: int, says: str
) -> None:
    found, out, err = desk.run(*words)
    assert (found, out) == (code, "")
    assert says in err


def test_a_fault_of_ours_is_one_line_unless_debug_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("what\nhappened")

    monkeypatch.setattr("leadml.workflows.score.predict_file", fail)
    code, _, err = desk.run(*PREDICT)
    assert code == 1
    assert err.count("\n") == 1
    assert err.startswith("leadml: a fault of ours: ZeroDivisionError: what happened; --debug shows where")
    code, _, err = desk.run(*PREDICT, "--debug")
    assert code == 1
    assert "Traceback" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [(TooFewDealsError("12 won"), 4), (KeyboardInterrupt(), 130), (OSError(28, "disk full"), 1)],
)
def test_other_endings_have_their_codes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("leadml.workflows.score.predict_file", fail)
    assert desk.run(*PREDICT)[0] == code


def test_a_reader_that_leaves_is_no_fault(desk: Desk) -> None:
    rows = "".join(f"{row},3,2,1\n" for row in range(200_000))
    Path("many.csv").write_text(f"Deal,Need,Money,Phone\n{rows}")
    words = ["-m", "leadml", "predict", "many.csv", "--mapping", "map.yaml", "--model", "bant", "-o", "-"]
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=with_path()
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        err = running.stderr.read().decode()
        assert "Traceback" not in err
        assert "fault" not in err
        assert running.wait() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_an_interrupted_run_leaves_nothing_half_written(desk: Desk, tmp_path: Path) -> None:
    words = ["-m", "leadml", "predict", "-", "--mapping", "map.yaml", "--model", "bant", "-o", "s.csv"]
    with subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=with_path(),
        # a shell that runs the tests in the background ignores the signal, and so would what it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        assert running.stdin is not None
        running.stdin.write(b"Deal,Need,Money,Phone\n")
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".s.csv.*.tmp")) and time.monotonic() < deadline:
            running.stdin.write(b"a,1,2,3\n" * 200_000)
            running.stdin.flush()
        running.send_signal(signal.SIGINT)
        err = running.communicate(timeout=20)[1].decode()
        code = running.returncode
    assert "Traceback" not in err
    assert "interrupted" in err
    assert code == 130
    assert not [entry.name for entry in tmp_path.iterdir() if entry.name.startswith((".s.csv", "s.csv"))]
