"""How a command speaks and ends: messages on stderr, one line for every fault, and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from leadml.exceptions import LeadmlError

__all__ = ["end_well", "say"]


def say(message: str) -> None:
    """Tell the user something, on stderr.

    Parameters
    ----------
    message : str
        What to say.
    """
    print(message, file=sys.stderr, flush=True)  # noqa: T201


def end_well(command: Callable[[], object], *, debug: bool = False) -> None:
    """Run a command so that every fault ends in one message and an exit code, never in a bare traceback.

    Parameters
    ----------
    command : callable
        What to run.
    debug : bool
        Whether to show where a fault came from.

    Raises
    ------
    SystemExit
        With the exit code, unless the command ends by itself.
    """
    try:
        command()
    except BrokenPipeError:
        # Whatever is still to be flushed at exit has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        say("leadml: interrupted; nothing half-written is left behind")
        sys.exit(130)
    except LeadmlError as error:
        _end(error, f"leadml: {error}", error.exit_code, debug=debug)
    except OSError as error:
        _end(error, f"leadml: the system refused ({error})", 1, debug=debug)
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        _end(error, f"leadml: a fault of ours: {told}; --debug shows where, please report it", 1, debug=debug)


def _end(error: Exception, message: str, code: int, *, debug: bool) -> NoReturn:
    if debug:
        import traceback

        traceback.print_exception(error)
    say(message)
    sys.exit(code)
