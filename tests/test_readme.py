"""What the README shows is what happens."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import leadml
from leadml.cli import app
from leadml.workflows.demo import run_demo


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def block(readme: str, name: str) -> str:
    """The code under the comment that names it."""
    found = re.findall(rf"<!-- {name} -->\n```\w*\n(.*?)```", readme, re.DOTALL)
    assert len(found) == 1, f"{len(found)} blocks are named {name}"
    return str(found[0])


@pytest.mark.slow
def test_readme_card_is_what_its_ten_lines_make(readme: str) -> None:
    code = block(readme, "made by")
    assert len(code.splitlines()) == 10
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(code, "README.md", "exec"), {})
    assert shown.getvalue() == block(readme, "card")


@pytest.mark.slow
def test_readme_demo_prints_what_is_shown_whatever_the_figures(readme: str, tmp_path: Path) -> None:
    lines: list[str] = []
    run_demo(tmp_path, lambda text: lines.extend(text.splitlines()))

    def shape(line: str) -> str:
        return re.sub(r"[\d.,]+", "0", " ".join(line.split()))

    printed = {shape(line) for line in lines}
    shown = [line for line in block(readme, "demo").splitlines() if line.strip() != "..."]
    assert [line for line in shown if shape(line) not in printed] == []


def export(n: int, random_state: int) -> pd.DataFrame:
    """Leads of a made-up firm, in the columns of the README's mapping."""
    leads = leadml.make_leads(n, world="tilted", random_state=random_state)

    def told(name: str, words: list[object], unknown: object) -> list[object]:
        return [unknown if np.isnan(level) else words[int(level)] for level in leads.levels[name]]

    roles: list[object] = ["Assistant", "Assistant", "Team lead", "Board member", "Owner"]
    return pd.DataFrame(
        {
            "Deal ID": leads.lead_id,
            "Status": np.where(leads.outcome == 1, "Won", "Lost"),
            "Created": leads.created_at.dt.strftime("%d-%m-%Y"),
            "Closed": leads.closed_at.dt.strftime("%d-%m-%Y"),
            "Budget EUR": told("budget", [0.5, 4999.5, 12000.5, 25000.5, 60000.5], np.nan),
            "Role": told("authority", roles, ""),
            "Need": told("need", [0, 1, 2, 3, 4], ""),
            "Months": told("timeline", [36, 18, 9, 5, 2], np.nan),
        }
    )


@pytest.mark.slow
def test_readme_five_steps_work_for_a_small_firm(
    readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEADML_STORE", str(tmp_path / "models_store"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    Path("ours.yaml").write_text(block(readme, "mapping"), encoding="utf-8")
    export(120, 5).to_excel("deals.xlsx", sheet_name="Deals", index=False, engine="xlsxwriter")
    new = export(10, 6).drop(columns=["Status", "Created", "Closed"])
    new.to_csv("leads.csv", sep=";", decimal=",", index=False)
    commands = [shlex.split(line, comments=True) for line in block(readme, "steps").splitlines()]
    assert [words[1] for words in commands] == ["check", "calibrate", "report", "predict", "explain"]
    told = {}
    for words in commands:
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, (words, done.output, done.exception)
        told[words[1]] = done.output
    assert "120 rows = 120 leads + 0 rejected" in told["check"]
    assert "Undecided on “BANT: At least 3 of 4 met”" in told["calibrate"]
    assert "MLflow run" in told["calibrate"]
    assert "10 rows = 10 scored + 0 rejected" in told["predict"]
    assert "L000003" in told["explain"]
    assert (tmp_path / "results" / "report.html").stat().st_size > 10_000
    scores = pd.read_csv("scores.csv")
    earned = [sum(map(int, re.findall(r"\+(\d+)", str(reasons)))) for reasons in scores["reasons"].fillna("")]
    assert earned == scores["points"].tolist()


def test_readme_names_what_exists(readme: str, repository: Path) -> None:
    tree = re.search(r"## Map of the tree\n+```\n(.*?)```", readme, re.DOTALL)
    assert tree is not None
    parent = ""
    for line in tree[1].splitlines():
        name = line.split()[0]
        path = f"{parent if line.startswith(' ') else ''}{name}"
        parent = name if not line.startswith(" ") else parent
        assert (repository / path).exists(), path
    commands = {each.name or each.callback.__name__ for each in app.registered_commands if each.callback}
    assert set(re.findall(r"`leadml ([a-z]+)[ `]", readme)) <= commands | {"models"}
    for path in re.findall(r"`((?:configs|notebooks|models_store)/[\w./]*)`", readme):
        assert (repository / path).exists(), path
