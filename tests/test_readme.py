"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import leadml
from leadml.cli import app
from leadml.demo import run_demo


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def block(readme: str, name: str) -> str:
    """The code under the comment that names it."""
    found = re.findall(rf"<!-- {name} -->\n```\w*\n(.*?)```", readme, re.DOTALL)
    assert len(found) == 1, f"{len(found)} blocks are named {name}"
    return str(found[0])


def printed(code: str, names: dict[str, Any]) -> str:
    """What code prints."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(code, "README.md", "exec"), names)
    return shown.getvalue()


def test_readme_code_prints_what_is_shown(readme: str) -> None:
    code = block(readme, "made by")
    assert readme.index("<!-- card -->") < readme.index("\n## ")  # it opens with the card
    assert len(code.splitlines()) == 10
    names: dict[str, Any] = {}
    assert printed(code, names) == block(readme, "card")
    assert printed(block(readme, "python"), names) == block(readme, "python prints")


def test_readme_demo_prints_what_is_shown(readme: str, tmp_path: Path) -> None:
    lines: list[str] = []
    run_demo(tmp_path, at="2026-01-01T00:00:00+00:00", show=lambda text: lines.extend(text.splitlines()), say=str)

    def words(line: str) -> str:
        return " ".join(line.split())

    seen = {words(line) for line in lines}
    shown = [line for line in block(readme, "demo").splitlines() if line.strip() != "..."]
    assert [line for line in shown if words(line) not in seen] == [], "\n".join(lines)


def export(n: int, random_state: int) -> pd.DataFrame:
    """Leads of an imagined firm, in the columns of the README's mapping."""
    leads = leadml.make_leads(n, world="tilted", random_state=random_state, all_criteria=False)
    level = dict(zip(leads.criteria, leads.levels.T, strict=True))

    def told(name: str, words: list[object], unknown: object) -> list[object]:
        return [unknown if np.isnan(each) else words[int(each)] for each in level[name]]

    return pd.DataFrame(
        {
            "Deal ID": leads.ids(),
            "Status": np.where(leads.outcome == 1, "Won", "Lost"),
            "Created": pd.Series(leads.created_at).dt.strftime("%d-%m-%Y"),
            "Closed": pd.Series(leads.closed_at).dt.strftime("%d-%m-%Y"),
            "Budget EUR": told("budget", [0.5, 4999.5, 12000.5, 25000.5, 60000.5], np.nan),
            "Role": told("authority", ["Assistant", "Assistant", "Team lead", "Board member", "Owner"], ""),
            "Need": told("need", [0, 1, 2, 3, 4], ""),
            "Months": told("timeline", [36, 18, 9, 5, 2], np.nan),
            "Product": np.where(np.arange(n) % 3 == 0, "Alpha", "Beta"),
            "Source": np.where(np.arange(n) % 2 == 0, "web", "fair"),
        }
    )


@pytest.mark.filterwarnings("ignore")  # of MLflow and its database layer among themselves
def test_readme_five_steps_work_for_a_small_firm(readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEADML_STORE", str(tmp_path / "models_store"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    Path("ours.yaml").write_text(block(readme, "mapping"), encoding="utf-8")
    export(120, 5).to_excel("deals.xlsx", sheet_name="Deals", index=False, engine="xlsxwriter")
    new = export(10, 6).drop(columns=["Status", "Created", "Closed"])
    new.to_csv("leads.csv", sep=";", decimal=",", index=False)
    told = {}
    for line in block(readme, "steps").splitlines():
        words = shlex.split(line, comments=True)
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, (words, done.output, done.exception)
        told[words[1]] = done.output
    assert "120 rows = 120 leads + 0 rejected" in told["check"]
    assert told["calibrate"].startswith("120 rows: 120 leads, 0 rejected")
    assert "Undecided" in told["calibrate"]
    assert "MLflow run" in told["calibrate"]
    assert "10 rows = 10 scored + 0 rejected" in told["predict"]
    assert "L0000003" in told["explain"]
    assert min(Path(each).stat().st_size for each in ("results/report.html", "page.html")) > 10_000
    scores = pd.read_excel("scores.xlsx", engine="calamine")
    earned = [sum(map(int, re.findall(r"\+(\d+)", str(reasons)))) for reasons in scores["Reasons"].fillna("")]
    assert len(earned) == 10
    assert earned == scores["Points"].tolist()


def test_readme_names_what_exists(readme: str, repository: Path) -> None:
    tree = re.search(r"## Map of the tree\n+```\n(.*?)```", readme, re.DOTALL)
    assert tree is not None
    parent, named = "", set()
    for line in tree[1].splitlines():
        name = line.split()[0]
        path = f"{parent if line.startswith(' ') else ''}{name}"
        parent = name if not line.startswith(" ") else parent
        named.add(path.rstrip("/"))
        assert (repository / path).exists(), path
    packages = {f"leadml/{each.parent.name}" for each in (repository / "leadml").glob("*/__init__.py")}
    assert packages <= named
    commands = {each.name or each.callback.__name__ for each in app.registered_commands if each.callback}
    commands |= {each.name for each in app.registered_groups if each.name}
    assert set(re.findall(r"`leadml ([a-z]+)[ `]", readme)) <= commands
    assert len(readme.splitlines()) <= 230
