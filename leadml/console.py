"""How a command speaks and ends: messages on stderr, one line for every fault, and an exit code.

Beside that, on a terminal, a line that tells how far reading has come; it is gone when the command ends.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn, TextIO

from leadml.exceptions import LeadmlError

__all__ = ["Progress", "end_well", "say", "show_reading"]

BAR = 24
"""So many characters wide is the bar."""

EVERY = 0.1
"""So many seconds pass at least before the line is written again."""

ERASE = "\r\x1b[K"


class Progress:
    """One line of a terminal that tells how far reading has come, and how fast it is.

    Parameters
    ----------
    stream : text stream
        The terminal.
    clock : callable
        Gives seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._begun = self._written = 0.0
        self._n_begun = self._n_last = 0
        self._is_shown = False

    def show(self, n_rows: int, share: float | None) -> None:
        """Tell how far it has come, unless that was told just now.

        Parameters
        ----------
        n_rows : int
            Rows read so far; fewer than before when another table is read.
        share : float or None
            How much of the table that is, 0 to 1; None when it cannot be told.
        """
        now = self._clock()
        if not self._n_begun or n_rows < self._n_last:
            self._begun = self._written = now
            self._n_begun = n_rows
        self._n_last = n_rows
        if now - self._written < EVERY or now == self._begun:
            return
        self._written = now
        speed = (n_rows - self._n_begun) / (now - self._begun)
        bar = ""
        if share is not None:
            done = round(min(share, 1.0) * BAR)
            bar = f"[{'#' * done}{'.' * (BAR - done)}] {min(share, 1.0):4.0%}  "
        self._stream.write(f"{ERASE}{bar}{n_rows:,} rows, {speed:,.0f} rows/s")
        self._stream.flush()
        self._is_shown = True

    def erase(self) -> None:
        """Take the line away."""
        if self._is_shown:
            self._stream.write(ERASE)
            self._stream.flush()
            self._is_shown = False


_progress: Progress | None = None


def show_reading(n_rows: int, share: float | None) -> None:
    """Tell how far reading has come, where a command runs on a terminal.

    Parameters
    ----------
    n_rows : int
        Rows read so far.
    share : float or None
        How much of the table that is, 0 to 1; None when it cannot be told.
    """
    if _progress is not None:
        _progress.show(n_rows, share)


def say(message: str) -> None:
    """Tell the user something, on stderr.

    Parameters
    ----------
    message : str
        What to say.
    """
    if _progress is not None:
        _progress.erase()
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
    global _progress
    _progress = Progress(sys.stderr) if sys.stderr.isatty() else None
    try:
        try:
            command()
        finally:
            if _progress is not None:
                _progress.erase()
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
