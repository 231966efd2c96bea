"""Laws of start-up: what is heavy is imported by what needs it, not by what might."""

import subprocess
import sys

import pytest

HEAVY = ("altair", "mlflow", "pandas", "scipy", "sklearn")

REPORT = f"""
import atexit, json, sys
heavy = lambda: json.dumps([name for name in {HEAVY!r} if name in sys.modules])
atexit.register(lambda: print("LOADED", heavy(), file=sys.stderr))
"""


def loaded_after(code: str) -> str:
    """Run code in a fresh interpreter; return which heavy packages it had loaded when it ended, as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", REPORT + code], capture_output=True, text=True, check=False
    )
    assert "LOADED" in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    return done.stderr.rpartition("LOADED ")[2].strip()


@pytest.mark.parametrize(
    "code",
    [
        "import leadml; leadml.__version__, dir(leadml)",
        "import leadml; leadml.load_framework('bant'), leadml.list_policies()",
        "import leadml; leadml.load_card",
        "import leadml.cli",
        "import sys; sys.argv = ['leadml', '--help']; from leadml.__main__ import main; main()",
        "import sys; sys.argv = ['leadml', 'frameworks', 'bant']; from leadml.__main__ import main; main()",
        *(
            f"import sys; sys.argv = ['leadml', {command!r}, '-h']; from leadml.__main__ import main; main()"
            for command in ("demo", "check", "qualify", "calibrate", "predict", "explain", "models", "report")
        ),
    ],
)
def test_imports_nothing_heavy(code: str) -> None:
    assert loaded_after(code) == "[]"
