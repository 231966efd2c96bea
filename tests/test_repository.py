"""Laws of the repository: what may stand in it, and that its parts name each other truly."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import get_args

import pytest

import leadml
from leadml.calibration.experiment import Experiment, load_experiment
from leadml.data.mapping import Mapping
from leadml.records import Record

REGISTRIES = r"(?:pypi|pythonhosted|npmjs|anaconda|conda-forge|jsdelivr|unpkg)\.(?:org|com|io|net)\b"
MADE = {"benchmarks/RESULTS.md", "docs/truth.md"}
"""What make bench and make truth write."""
LOCKED = ("requirements/run.txt", "requirements/dev.txt")


@pytest.fixture(scope="module")
def tracked(repository: Path) -> dict[str, str]:
    """Every tracked file that is text, by its path."""
    if not (repository / ".git").exists():
        pytest.skip("needs a git checkout: an unpacked source archive does not know which files are tracked")
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    files = [repository / name for name in listed.split("\0") if (repository / name).is_file()]
    contents = {path.relative_to(repository).as_posix(): path.read_bytes() for path in files}
    return {name: content.decode("utf-8") for name, content in contents.items() if b"\0" not in content}


def places(texts: dict[str, str], pattern: str) -> list[str]:
    """Say where a pattern is found, as FILE:LINE: TEXT."""
    return [
        f"{name}:{number}: {line.strip()[:200]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line)
    ]


def locked(path: Path) -> list[str]:
    """Read the entries of a locked list, one line each, without comments."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not re.match(r" *#", line)]
    return re.sub(r" *\\\n *", " ", "\n".join(lines)).splitlines()


def keys_of(record: type[Record]) -> set[str]:
    """Every key of a record and of the records inside it."""
    found = set(record.model_fields)
    for field in record.model_fields.values():
        kinds = [field.annotation]
        while kinds:
            kind = kinds.pop()
            kinds += get_args(kind)
            if isinstance(kind, type) and issubclass(kind, Record):
                found |= keys_of(kind)
    return found


def test_no_registry_host_and_no_place_of_one_machine_is_named(tracked: dict[str, str]) -> None:
    assert places(tracked, REGISTRIES) == []
    assert places(tracked, r"(?<![\w.~-])/(?:root|work|home|Users|opt)/\w") == []


@pytest.mark.parametrize("name", LOCKED)
def test_locked_lists_name_no_host_and_have_a_hash_for_every_release(repository: Path, name: str) -> None:
    assert places({name: (repository / name).read_text(encoding="utf-8")}, r"://|^ *-(?!-hash)") == []
    entries = locked(repository / name)
    assert len(entries) > 20
    whole = re.compile(r"[a-z0-9.-]+==[^ ]+( ;[^\\]*?)?( --hash=sha256:[0-9a-f]{64})+")
    assert [entry for entry in entries if not whole.fullmatch(entry)] == []


def test_small_list_is_cut_from_the_large_one(repository: Path) -> None:
    run, dev = (dict(entry.split(" ", 1)[0].split("==") for entry in locked(repository / name)) for name in LOCKED)
    assert run.items() < dev.items()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_documents_name_make_targets_files_and_settings_that_exist(repository: Path, name: str) -> None:
    text = (repository / name).read_text(encoding="utf-8")
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    assert set(re.findall(r"\bmake ([a-z]+)\b", code)) <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = re.findall(r"[`(]((?:\.ci|benchmarks|configs|docs|leadml|models_store|notebooks|tests)/[\w./-]*)", text)
    assert [path for path in named if path not in MADE and not (repository / path).exists()] == []


def test_default_experiment_explains_every_key_and_changes_none(repository: Path) -> None:
    path = repository / "configs" / "experiments" / "default.yaml"
    assert load_experiment(path) == Experiment()
    keys = re.findall(r"^(?:# )?([a-z_]+): ", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(keys) == sorted(Experiment.model_fields)


@pytest.mark.parametrize("name", ["b2b_deals", "bank_marketing", "crm_pipeline", "example_all_keys", "leads_0_4"])
def test_mappings_load(repository: Path, name: str) -> None:
    assert leadml.load_mapping(repository / "configs" / "mappings" / f"{name}.yaml").name


def test_example_mapping_shows_every_key_and_reads_a_file(repository: Path, tmp_path: Path) -> None:
    text = (repository / "configs" / "mappings" / "example_all_keys.yaml").read_text(encoding="utf-8")
    plain = re.sub(r" #.*|^#.*", "", text, flags=re.MULTILINE)
    assert keys_of(Mapping) - set(re.findall(r"\b([a-z_]+):", plain)) == set()
    (tmp_path / "example.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "contacts.csv").write_text("Record ID;Role\nC1;Owner\nC2;Chief\n")
    (tmp_path / "deals.csv").write_text(
        "Deal ID;Contact ID;Status;Created on;Closed on;Budget EUR;Months to purchase;Need;Phone\n"
        "D1;C1;Won;03-04-2025;01-06-2025;12.500,00;3;4;0612345678\n"
        "D2;C2;Lost;05-04-2025;17-06-2025;none;30;;\n"
        "D3;C1;Lost;05-04-2025;17-06-2025;a lot;30;1;\n"
    )
    leads = leadml.read_leads(tmp_path / "deals.csv", tmp_path / "example.yaml")
    assert leads.rejected["value"].tolist() == ["a lot"]
    assert str(leads.created_at[0]) == "2025-04-03"
    assert dict(zip(leads.criteria, leads.codes[0].tolist(), strict=True)) == {
        "budget": 2, "funds": 2, "authority": 4, "need": 4, "timeline": 4,
    }  # fmt: skip
    assert dict(zip(leads.criteria, leads.codes[1].tolist(), strict=True)) == {
        "budget": 0, "funds": 0, "authority": 5, "need": 5, "timeline": 0,
    }  # fmt: skip


def test_ci_runs_the_checks_the_study_and_the_tests(repository: Path) -> None:
    script = (repository / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^make .*$", script, re.MULTILINE) == ["make check", "make truth", "make test"]


@pytest.mark.slow
def test_benchmarks_run_on_few_rows(repository: Path, tmp_path: Path) -> None:
    few = ["--rows", "300", "--pairs", "1", "--parts", "files", "--folder", str(tmp_path)]
    command = [sys.executable, str(repository / "benchmarks" / "run.py"), *few]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the same join in polars" in done.stdout


def test_tests_reach_no_network() -> None:
    with socket.socket() as client, pytest.raises(RuntimeError, match="without the network"):
        client.connect(("192.0.2.1", 80))  # an address reserved for documentation


def test_wheel_holds_the_whole_package_and_nothing_else(repository: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=repository, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("leadml-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())
    package = [path for path in (repository / "leadml").rglob("*") if path.is_file()]
    assert held == {p.relative_to(repository).as_posix() for p in package if p.parent.name != "__pycache__"}
    assert {"leadml/py.typed", "leadml/__init__.pyi", "leadml/frameworks/library/bant.yaml"} <= held
    assert any(name.startswith("leadml/report/templates/") for name in held)
    assert any(name.startswith("leadml/app/static/") for name in held)
