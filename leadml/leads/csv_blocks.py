"""Text cut into blocks of whole records, so that several can be read at a time.

A line end inside a quoted cell ends no record. Where every quote stands around a whole cell, a line end is
outside of all cells exactly when an even number of quotes stands before it; each block is checked for that,
and text that writes quotes otherwise is left to a reader that goes through it from its beginning.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


__all__ = ["Block", "Joined", "cut_blocks", "stand_around_cells"]

LINE_END = b"\n"


class Block(NamedTuple):
    """A piece of text.

    Attributes
    ----------
    content : bytearray
        The piece; all pieces together are the text.
    is_first : bool
        Whether it begins with the header.
    is_whole : bool
        Whether it ends where a record does, as far as its quotes tell.
    """

    content: bytearray
    is_first: bool
    is_whole: bool


def cut_blocks(stream: BinaryIO, quote: int, size: int) -> Iterator[Block]:
    """Cut text into blocks that end where a record does.

    Parameters
    ----------
    stream : binary stream
        The text, as UTF-8.
    quote : int
        The quote character.
    size : int
        About how many bytes a block has.

    Yields
    ------
    Block
        The next piece.
    """
    rest, is_first = b"", True
    while True:
        content = bytearray(len(rest) + size)
        content[: len(rest)] = rest
        n_read = stream.readinto(memoryview(content)[len(rest) :])  # type: ignore[attr-defined]
        del content[len(rest) + n_read :]
        if not n_read:
            break
        end = _last_end(content, quote)
        if not end and len(content) < size:
            rest = bytes(content)  # a pipe may hand out little at a time
            continue
        rest = bytes(content[end:]) if end else b""
        del content[end or len(content) :]
        yield Block(content, is_first, bool(end))
        is_first = False
    if rest:
        yield Block(bytearray(rest), is_first, True)


def stand_around_cells(content: bytes | bytearray, quote: int, delimiter: int) -> bool:
    """Tell whether every quote opens or closes a cell, or is doubled inside one.

    Parameters
    ----------
    content : bytes
        Text that begins outside of all cells.
    quote, delimiter : int
        The characters.

    Returns
    -------
    bool
        Whether it is so; then the text ends outside of all cells as well.
    """
    text = np.frombuffer(content, np.uint8)
    at = np.flatnonzero(text == quote)
    if len(at) % 2:
        return False
    borders = np.zeros(256, bool)
    borders[[quote, delimiter, ord("\n"), ord("\r")]] = True
    before, after = at[0::2] - 1, at[1::2] + 1
    before = before[1:] if len(before) and before[0] < 0 else before
    after = after[:-1] if len(after) and after[-1] == len(text) else after
    return bool(borders[text[before]].all() and borders[text[after]].all())


class Joined(io.RawIOBase):
    """A stream of pieces.

    Parameters
    ----------
    pieces : iterable of bytes-like
        What it consists of.
    """

    def __init__(self, pieces: Iterable[bytes | bytearray]) -> None:
        self._pieces, self._piece = iter(pieces), memoryview(b"")

    def readable(self) -> bool:
        """Tell that it can be read.

        Returns
        -------
        bool
            True.
        """
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on into memory.

        Parameters
        ----------
        buffer : writable bytes-like
            Is filled, as far as there are bytes.

        Returns
        -------
        int
            How many; 0 at the end.
        """
        view = memoryview(buffer).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)

    def read(self, size: int = -1) -> bytes:
        """Read on.

        Parameters
        ----------
        size : int
            So many bytes, as long as there are; one piece when negative.

        Returns
        -------
        bytes
            Empty at the end.
        """
        taken: list[bytes] = []
        left = size
        while left:
            if not self._piece:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._piece = memoryview(piece)
            taken.append(bytes(self._piece[: left if size >= 0 else None]))
            self._piece = self._piece[len(taken[-1]) :]
            left = left - len(taken[-1]) if size >= 0 else 0
        return b"".join(taken)


def _last_end(content: bytearray, quote: int) -> int:
    """Find where the last whole record ends; 0 when there is none."""
    end = content.rfind(LINE_END) + 1
    mark = bytes([quote])
    if not end or mark not in content:
        return end
    is_quote: npt.NDArray[np.bool_] = np.frombuffer(content, np.uint8) == quote
    n_before = int(np.count_nonzero(is_quote[:end]))
    while end and n_before % 2:
        earlier = content.rfind(LINE_END, 0, content.rfind(mark, 0, end)) + 1
        n_before -= int(np.count_nonzero(is_quote[earlier:end]))
        end = earlier
    return end
