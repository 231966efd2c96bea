"""Laws of the repository: what may stand in it, and that its parts name each other truly."""

import re
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from leadml.workflows.experiment import Experiment, load_experiment

REGISTRIES = r"(?:pypi|pythonhosted|npmjs|anaconda|conda-forge)\.(?:org|com|io)\b"
FRAMEWORKS = ("anum", "bant", "champ", "faint", "gpct", "madr")
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
        f"{name}:{number}: {line.strip()}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line)
    ]


def locked(path: Path) -> list[str]:
    """Read the entries of a locked list, one line each, without comments."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not re.match(r" *#", line)]
    return re.sub(r" *\\\n *", " ", "\n".join(lines)).splitlines()


def test_repository_names_no_registry_host(tracked: dict[str, str]) -> None:
    assert places(tracked, REGISTRIES) == []


def test_repository_names_no_place_of_one_machine(tracked: dict[str, str]) -> None:
    assert places(tracked, r"(?<![\w.~-])/(?:root|work|home|Users|opt)/\w") == []


@pytest.mark.parametrize("name", LOCKED)
def test_repository_locked_lists_name_no_host(repository: Path, name: str) -> None:
    text = (repository / name).read_text(encoding="utf-8")
    assert places({name: text}, r"://|^ *-(?!-hash)") == []


@pytest.mark.parametrize("name", LOCKED)
def test_repository_locked_lists_have_a_hash_for_every_release(repository: Path, name: str) -> None:
    entries = locked(repository / name)
    assert len(entries) > 20
    whole = re.compile(r"[a-z0-9.-]+==[^ ]+( ;[^\\]*?)?( --hash=sha256:[0-9a-f]{64})+")
    assert [entry for entry in entries if not whole.fullmatch(entry)] == []


def test_repository_small_list_is_cut_from_the_large_one(repository: Path) -> None:
    run, dev = (
        dict(entry.split(" ", 1)[0].split("==") for entry in locked(repository / name)) for name in LOCKED
    )
    assert run.items() < dev.items()


def test_repository_readme_commands_are_make_targets(repository: Path) -> None:
    readme = (repository / "README.md").read_text(encoding="utf-8")
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", readme, re.DOTALL))
    named = set(re.findall(r"\bmake ([a-z]+)\b", code))
    assert {"demo", "test"} <= named <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_repository_default_experiment_explains_every_key_and_changes_none(repository: Path) -> None:
    path = repository / "configs" / "experiments" / "default.yaml"
    assert load_experiment(path) == Experiment()
    keys = re.findall(r"^(?:# )?([a-z_]+): ", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(keys) == sorted(Experiment.model_fields)


def test_repository_ci_runs_the_checks_and_the_tests(repository: Path) -> None:
    script = (repository / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^make .*$", script, re.MULTILINE) == ["make check", "make test"]


def test_repository_tests_reach_no_network() -> None:
    with socket.socket() as client, pytest.raises(RuntimeError, match="without the network"):
        client.connect(("192.0.2.1", 80))  # an address reserved for documentation


@pytest.mark.slow
def test_repository_wheel_holds_the_library_and_the_templates(repository: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=repository, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("leadml-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = [path for path in (repository / "leadml").rglob("*") if path.is_file()]
    here = {path.relative_to(repository).as_posix() for path in package if path.parent.name != "__pycache__"}
    assert {name for name in held if name.startswith("leadml/")} == here
    assert {f"leadml/frameworks/library/{framework}.yaml" for framework in FRAMEWORKS} <= held
    assert {"leadml/py.typed", "leadml/__init__.pyi"} <= held
    assert any(name.startswith("leadml/report/templates/") for name in held)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)
