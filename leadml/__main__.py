"""``python -m leadml`` and the program ``leadml``."""

import atexit
import contextlib
import gc
import os
import sys
from types import ModuleType


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # looking for them takes as long as a lead
    gc.set_threshold(100_000)  # what is loaded stays: looking through it ten times takes a tenth of a calibration
    if sys.argv[1:2] in (["predict"], ["qualify"], ["explain"]):
        # A score is a look-up: numpy need not start threads for it.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")  # Arrow asks for the same memory again
        # What looks for plugins is loaded by pydantic all the same, with zipfile and email.
        no_plugins = ModuleType("pydantic.plugin._loader")
        no_plugins.__dict__["get_plugins"] = tuple
        sys.modules.setdefault(no_plugins.__name__, no_plugins)
    from leadml.cli import main as run

    run()


def program() -> None:
    """Run the command line as a program of its own."""
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    if not isinstance(code, int):
        sys.exit(str(code))
    # End at once: taking modules down one by one takes as long as scoring a lead.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # whoever read it has gone
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    program()
