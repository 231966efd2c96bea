"""``python -m leadml`` and the program ``leadml``."""

import atexit
import contextlib
import gc
import os
import sys


def program() -> None:
    """Run the command line as a program of its own."""
    # A score is a look-up: numpy need not start threads, and what is loaded stays, so it is not collected.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(100_000)
    code: object = 0
    try:
        from leadml.cli import main

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
