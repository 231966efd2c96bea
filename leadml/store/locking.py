"""One writer at a time, across processes; a writer that dies lets go by itself."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from leadml.exceptions import StoreError

__all__ = ["locked"]

WAIT_SECONDS = 60.0
PAUSE_SECONDS = 0.01


@contextlib.contextmanager
def locked(path: Path, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold a lock file while the block runs.

    Parameters
    ----------
    path : Path
        The lock file; it is made, and never removed.
    wait_seconds : float
        How long to wait for another writer.

    Raises
    ------
    StoreError
        When another writer keeps the lock for longer, or the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(
            f"{path.parent}: cannot be written to ({error.strerror}); give another folder by LEADML_STORE"
        ) from error
    try:
        give_up_at = time.monotonic() + wait_seconds
        while not _take(descriptor):
            if time.monotonic() > give_up_at:
                raise StoreError(
                    f"{path.parent}: another process has been writing for {wait_seconds:.0f} s; let it end"
                )
            time.sleep(PAUSE_SECONDS)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> bool:
        """Try to take the lock."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        """Try to take the lock."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
