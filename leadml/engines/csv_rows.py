"""Scores as lines of CSV, worded once a pattern: a row is its identity and a look-up.

The text is what Arrow's own CSV writer makes of the same table: texts between quotes, numbers as they are,
nothing for a null.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from leadml.card import Card, Scores
from leadml.card.arrow import number_array, text_array
from leadml.card.lookup import FEW

if TYPE_CHECKING:
    import numpy.typing as npt


__all__ = ["CsvRows"]

QUOTE = b'"'


class CsvRows:
    """What turns scores into lines.

    Parameters
    ----------
    cards : sequence of Card
        The cards; with several, every lead has one line a card.
    columns : sequence of str
        Columns of `predict` to write, of `leadml.card.scores.COLUMNS`.
    delimiter : str
        One character.
    name_policy : bool
        Whether the name of the card stands before them.
    """

    def __init__(
        self, cards: Sequence[Card], columns: Sequence[str], delimiter: str, *, name_policy: bool
    ) -> None:
        self._cards, self._columns = tuple(cards), tuple(columns)
        self._delimiter, self._names_policy = delimiter, name_policy
        self._kept: dict[tuple[int, int, bytes], pa.StringArray] = {}
        self._lock = threading.Lock()

    def header(self, names: Sequence[str]) -> bytes:
        """Write the first line.

        Parameters
        ----------
        names : sequence of str
            Every column.

        Returns
        -------
        bytes
            UTF-8, with its line end.
        """
        empty = pa.RecordBatch.from_arrays([text_array([]) for _ in names], names=list(names))
        return _as_csv(empty, self._delimiter, header=True)

    def lines(
        self, lead_id: pa.StringArray, scored: Sequence[Scores], kept: Sequence[pa.Array]
    ) -> bytes | memoryview:
        """Write the lines of some leads.

        Parameters
        ----------
        lead_id : StringArray of n identities
            Identity of each lead.
        scored : sequence of Scores of n leads
            What each card says of them.
        kept : sequence of Array of n values
            Columns of the input that come along.

        Returns
        -------
        bytes-like
            UTF-8, lead by lead and then card by card.
        """
        n = len(lead_id)
        if not n:
            return b""
        if n <= FEW:
            return b"".join(self._few(lead_id, scored, kept))
        if not kept and not lead_id.null_count:
            # The quotes of the identity stand in the look-ups: one pass less over the rows.
            ids, parts = _double_quotes(lead_id), []
            for at, scores in enumerate(scored):
                parts += [ids, self._spread(at, scores, b'"' + self._mark, b'\n"')]
            return QUOTE + memoryview(_joined(parts, n))[:-1]
        mark, end = text_array([self._delimiter])[0], text_array(["\n"])[0]
        ids, cells, parts = _cells(lead_id), [part for each in kept for part in (mark, _cells(each))], []
        for at, scores in enumerate(scored):
            parts += [ids, self._spread(at, scores, self._mark, b""), *cells, end]
        return memoryview(_joined(parts, n))

    @property
    def _mark(self) -> bytes:
        return self._delimiter.encode()

    def _few(
        self, lead_id: pa.StringArray, scored: Sequence[Scores], kept: Sequence[pa.Array]
    ) -> Iterator[bytes]:
        """Join a few rows by hand, without loading what joins many."""
        looked_up = [self._look_up(at, scores, self._mark, b"") for at, scores in enumerate(scored)]
        for row in range(len(lead_id)):
            first, *others = [
                _as_csv(_batch([each.slice(row, 1)]), self._delimiter).removesuffix(b"\n")
                for each in (lead_id, *kept)
            ]
            for words, index in looked_up:
                line: str = words[int(index[row])].as_py()
                yield self._mark.join([first + line.encode(), *others]) + b"\n"

    def _spread(self, at: int, scores: Scores, before: bytes, after: bytes) -> pa.StringArray:
        """Give every lead its line."""
        words, index = self._look_up(at, scores, before, after)
        return words.take(number_array(index))

    def _look_up(
        self, at: int, scores: Scores, before: bytes, after: bytes
    ) -> tuple[pa.StringArray, npt.NDArray[np.int32]]:
        """Give the distinct lines of a card, and each lead's position among them."""
        bits, index = scores.caveat_bits, scores.index
        if (bits == bits[0]).all():
            return self._answers(at, scores, int(bits[0]), before, after), index
        combinations, which = np.unique(bits, return_inverse=True)
        each = [self._answers(at, scores, int(these), before, after) for these in combinations]
        return pa.concat_arrays(each), (index + which * len(each[0])).astype(np.int32)

    def _answers(self, at: int, scores: Scores, bits: int, before: bytes, after: bytes) -> pa.StringArray:
        """Word every pattern; where all patterns that there can be are known, once for all leads to come."""
        if not scores.is_complete:
            return self._word(at, scores.answers(bits), before, after)
        with self._lock:
            key = (at, bits, before)
            if key not in self._kept:
                self._kept[key] = self._word(at, scores.answers(bits), before, after)
            return self._kept[key]

    def _word(self, at: int, answers: Scores, before: bytes, after: bytes) -> pa.StringArray:
        columns = {name: answers.column(name) for name in self._columns}
        if self._names_policy:
            columns = {"policy": text_array([self._cards[at].model] * len(answers)), **columns}
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        lines = _as_csv(batch, self._delimiter).split(b"\n")[:-1]
        if len(lines) != len(answers):  # a line end in a text of the card
            rows = range(len(answers))
            lines = [_as_csv(batch.slice(row, 1), self._delimiter).removesuffix(b"\n") for row in rows]
        ends = np.zeros(len(lines) + 1, np.int32)
        np.cumsum([len(line) + len(before) + len(after) for line in lines], out=ends[1:])
        content = b"".join([before + line + after for line in lines])
        return pa.StringArray.from_buffers(len(lines), pa.py_buffer(ends), pa.py_buffer(content))


def _batch(columns: Sequence[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns), names=[str(at) for at in range(len(columns))])


def _as_csv(batch: pa.RecordBatch, delimiter: str, *, header: bool = False) -> bytes:
    import pyarrow.csv

    sink = pa.BufferOutputStream()
    options = pyarrow.csv.WriteOptions(include_header=header, delimiter=delimiter)
    pyarrow.csv.write_csv(batch, sink, options)
    return bytes(sink.getvalue().to_pybytes())


def _double_quotes(texts: pa.StringArray) -> pa.StringArray:
    import pyarrow.compute as pc

    content = texts.buffers()[2]
    if content is None or not (np.frombuffer(content, np.uint8) == ord('"')).any():
        return texts
    return pc.replace_substring(texts, pattern='"', replacement='""')


def _cells(column: pa.Array) -> pa.StringArray:
    """Write a column as cells; a null as nothing."""
    import pyarrow.compute as pc

    nothing, quote = text_array([""])[0], text_array(['"'])[0]
    if pa.types.is_string(column.type):
        cells = pc.binary_join_element_wise(quote, _double_quotes(column), quote, nothing)
    else:
        cells = pc.cast(column, pa.string())
    return pc.fill_null(cells, nothing) if cells.null_count else cells


def _joined(parts: Sequence[pa.Array | pa.Scalar], n: int) -> pa.Buffer:
    """Join texts side by side; the result of n rows lies in memory as the lines do in the file."""
    import pyarrow.compute as pc

    joined = pc.binary_join_element_wise(*parts, text_array([""])[0])
    start, end = np.frombuffer(joined.buffers()[1], np.int32, count=joined.offset + n + 1)[
        [joined.offset, -1]
    ]
    return joined.buffers()[2].slice(int(start), int(end - start))
