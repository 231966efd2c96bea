"""MLflow in a process of its own, which gets ready while a calibration learns.

Importing MLflow and making a store takes as long as a small calibration. Threads would not help, since both
hold the interpreter; a second process has a core of its own. It calls what it is asked to, in order.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import IO, Final, ParamSpec, TypeVar, cast

from leadml.exceptions import LeadmlError, TrackingError
from leadml.tracking.connection import (
    EXPERIMENT,
    chosen_uri,
    close_stores,
    connect,
    explained,
    make_client,
    sqlite_file,
)

_START: Final = (
    "import gc, signal, sys; gc.disable(); signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "sys.path[:] = {path!r}; from leadml.tracking.aside import serve; serve()"
)
_FAREWELL: Final = 5.0
"""Seconds that what is under way gets to mark its run as failed."""

P = ParamSpec("P")
R = TypeVar("R")
Answer = tuple[object, Exception | None]


class Aside:
    """Calls functions where MLflow is ready: in another process, or here where it is imported already."""

    def __init__(self) -> None:
        self._owed = 0
        self._done: Answer = (None, None)
        self._process: subprocess.Popen[bytes] | None = None
        if "mlflow" in sys.modules or not sys.executable:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _START.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        # However the work here ends, the process ends with it.
        self._end = weakref.finalize(self, _end, self._process)

    def get_ready(self, tracking_uri: str | None = None) -> None:
        """Let it reach the store, and make it where it is a file that is not there; failures come later.

        Parameters
        ----------
        tracking_uri : str, optional
            Where runs are kept.
        """
        if self._process is not None:
            with contextlib.suppress(TrackingError):
                self.begin(reach, tracking_uri)

    def begin(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Let it call a function; `wait` waits for the end.

        Parameters
        ----------
        work : callable
            A function of a module; what it takes and gives can be pickled.
        *args, **kwargs : object
            What it is given.

        Raises
        ------
        TrackingError
            The process has ended.
        """
        if self._process is None:
            self._done = _answer(work, *args, **kwargs)
            return
        try:
            pickle.dump((work, args, kwargs), cast("IO[bytes]", self._process.stdin))
            cast("IO[bytes]", self._process.stdin).flush()
        except OSError:
            raise self._died() from None
        self._owed += 1

    def wait(self) -> object:
        """Wait for everything that was begun.

        Returns
        -------
        object
            What the last of it gave.

        Raises
        ------
        TrackingError
            The last of it raised this, or the process ended before it answered.
        """
        while self._process is not None and self._owed:
            try:
                self._done = pickle.load(cast("IO[bytes]", self._process.stdout))
            except (EOFError, OSError, pickle.UnpicklingError):
                raise self._died() from None
            except KeyboardInterrupt:  # which the other process got as well
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_FAREWELL)
                raise
            self._owed -= 1
        value, error = self._done
        if error is not None:
            raise error
        return value

    def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function and wait for what it gives.

        Parameters
        ----------
        work : callable
            A function of a module; what it takes and gives can be pickled.
        *args, **kwargs : object
            What it is given.

        Returns
        -------
        object
            What it gives.

        Raises
        ------
        TrackingError
            The process ended before it answered.
        """
        self.begin(work, *args, **kwargs)
        return cast("R", self.wait())

    def close(self) -> None:
        """Let the process end, and close its database well."""
        if self._process is not None and self._end.detach():
            _end(self._process, _FAREWELL)

    def _died(self) -> TrackingError:
        self._end()
        code = cast("subprocess.Popen[bytes]", self._process).returncode
        return TrackingError(
            f"tracking: the process that speaks to MLflow ended with {code} before it answered. "
            "What is on disk is complete; `leadml track DIR` sends it later."
        )


def reach(tracking_uri: str | None) -> None:
    """Import what tracking needs; reach a database file, and make it where it is not there.

    Parameters
    ----------
    tracking_uri : str or None
        Where runs are kept.
    """
    uri = chosen_uri(tracking_uri)
    with explained("reaching the store", uri):
        if sqlite_file(uri) is None:
            make_client(uri)
        else:
            connect(uri, EXPERIMENT)


def serve() -> None:
    """Call what is asked for on standard input and answer on standard output, until the input ends."""
    asked, told = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints is no answer
    with contextlib.suppress(Exception):
        _import_all()
    gc.enable()
    while True:
        try:
            work, args, kwargs = pickle.load(asked)
        except EOFError:
            close_stores()
            os._exit(0)  # taking thousands of modules down one by one takes longer than all of the above
        signal.signal(signal.SIGINT, signal.default_int_handler)  # interrupted, a run is marked as failed
        try:
            answer = _answer(work, *args, **kwargs)
        except KeyboardInterrupt:
            return
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        pickle.dump(answer, told)
        told.flush()


def _answer(work: Callable[..., object], *args: object, **kwargs: object) -> Answer:
    """Call a function: what it gives, or what it raises."""
    try:
        return work(*args, **kwargs), None
    except LeadmlError as error:
        return None, error
    except Exception as error:  # a fault of ours: told where it can be seen
        return None, RuntimeError(f"{type(error).__name__}: {error}")


def _import_all() -> None:
    """Import what a calibration is tracked by, and make the models that its own are copies of."""
    from leadml.tracking.model_files import rehearse

    make_client("sqlite://")
    rehearse()


def _end(process: subprocess.Popen[bytes], patience: float = 0.0) -> None:
    """End the process, after at most so many seconds in which it may leave by itself."""
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            cast("IO[bytes]", pipe).close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    process.kill()
    process.wait()
