"""Files that appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replacing", "sync_folder", "write_text"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, lasting: bool = True) -> Iterator[Path]:
    """Give a temporary file that takes the place of `path` when the block ends well.

    A reader sees the old file or the new one, never half of either. When the block fails, the old file stays
    and the temporary one is removed. A device or pipe is written to directly, as it cannot be replaced.

    Parameters
    ----------
    path : str or path
        The file to be written; a link is followed.
    lasting : bool
        Whether to wait until the disk holds it, so that it outlives a power cut, and to keep the old file to
        the last; not needed for what can be made again at any time, where for a moment there may be neither.

    Yields
    ------
    Path
        Where to write: in the folder of `path`, so that the rename stays on one disk.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield target
        return
    temporary = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")
    try:
        yield temporary
        if lasting:
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
        else:
            # Putting a file in the place of another makes some systems write all of it to the disk at once.
            target.unlink(missing_ok=True)
        temporary.replace(target)
        if lasting:
            sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename inside a folder last through a power cut, where the system can.

    Parameters
    ----------
    folder : Path
        The folder whose entries changed.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file (UTF-8) whole or not at all.

    Parameters
    ----------
    path : str or path
        The file.
    text : str
        All of its content.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
