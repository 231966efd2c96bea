"""Scores as lines of CSV, worded once a pattern: a row is its identity and a look-up.

The text is what Arrow's own CSV writer makes of the same table: texts between quotes, numbers as they are,
nothing for a null.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from leadml.card import Card, Scores
from leadml.card.arrow import Column, compose, number_anew, side_by_side, text_array
from leadml.card.lookup import FEW

__all__ = ["CsvRows"]

QUOTE = '"'


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
        self._kept: dict[tuple[int, int, str], pa.StringArray] = {}
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
        return _as_csv([text_array([]) for _ in names], names, self._delimiter, header=True)

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
        # The quotes of the identity stand in the look-ups, from the end of one line into the next.
        quote = "" if lead_id.null_count else QUOTE
        ids = _double_quotes(lead_id) if quote else _cells(lead_id)
        end, row = "\n" + quote, np.arange(n, dtype=np.int32)
        tail = [(_joined(kept, self._delimiter, end), row)] if kept else []
        columns: list[Column] = []
        for at, scores in enumerate(scored):
            after = "" if kept else end
            line = (
                [self._look_up(at, scores, quote, after)]
                if scores.is_complete
                else self._cells(at, scores, quote, after)
            )
            columns += [(ids, row), *line, *tail]
        return side_by_side(columns, quote)

    def _few(
        self, lead_id: pa.StringArray, scored: Sequence[Scores], kept: Sequence[pa.Array]
    ) -> Iterator[bytes]:
        """Join a few rows by hand, without loading what joins many."""
        looked_up = [self._look_up(at, scores, "", "") for at, scores in enumerate(scored)]
        first, *others = [_marked(each, self._delimiter).to_pylist() for each in (lead_id, *kept)]
        for row in range(len(lead_id)):
            for words, index in looked_up:
                cells = [first[row][1:], words[int(index[row])].as_py(), *(each[row] for each in others)]
                yield "".join([*cells, "\n"]).encode()

    def _look_up(self, at: int, scores: Scores, before: str, after: str) -> Column:
        """Give the distinct lines of a card, and each lead's position among them."""
        bits, index = scores.caveat_bits, scores.index
        if (bits == bits[0]).all():
            return self._answers(at, scores, int(bits[0]), before, after), index
        combinations, which = np.unique(bits, return_inverse=True)
        each = [self._answers(at, scores, int(these), before, after) for these in combinations]
        return pa.concat_arrays(each), (index + which * len(each[0])).astype(np.int32)

    def _answers(self, at: int, scores: Scores, bits: int, before: str, after: str) -> pa.StringArray:
        """Word every pattern; where all patterns that there can be are known, once for all leads to come."""
        if not scores.is_complete:
            return self._word(at, scores.answers(bits), before, after)
        with self._lock:
            key = (at, bits, before)
            if key not in self._kept:
                self._kept[key] = self._word(at, scores.answers(bits), before, after)
            return self._kept[key]

    def _word(self, at: int, answers: Scores, before: str, after: str) -> pa.StringArray:
        """Put cells into lines."""
        columns = self._cells(at, answers, before, after)
        if len(answers) <= FEW:
            texts = [[words[int(each)].as_py() for each in index] for words, index in columns]
            return text_array(["".join(cells) for cells in zip(*texts, strict=True)])
        return compose(*number_anew(columns))

    def _cells(self, at: int, answers: Scores, before: str, after: str) -> list[Column]:
        """Put each distinct value of a column into a cell."""
        nothing = np.zeros(len(answers), np.int32)
        policy = [(text_array([self._cards[at].model]), nothing)] if self._names_policy else []
        parts = [*policy, *(answers.parts(name) for name in self._columns)]
        columns = [(text_array([before]), nothing)]
        for values, index in parts:
            if len(values) <= FEW or not pa.types.is_string(values.type):
                columns.append((_marked(values, self._delimiter), index))
            else:  # many texts: their quotes stand beside them
                columns += [(text_array([self._delimiter + QUOTE]), nothing), (_double_quotes(values), index)]
                columns.append((text_array([QUOTE]), nothing))
        columns.append((text_array([after]), nothing))
        return columns


def _as_csv(
    columns: Sequence[pa.Array], names: Sequence[str], delimiter: str, *, header: bool = False
) -> bytes:
    import pyarrow.csv

    sink = pa.BufferOutputStream()
    options = pyarrow.csv.WriteOptions(include_header=header, delimiter=delimiter)
    pyarrow.csv.write_csv(pa.RecordBatch.from_arrays(list(columns), names=list(names)), sink, options)
    return bytes(sink.getvalue().to_pybytes())


def _marked(column: pa.Array, delimiter: str) -> pa.StringArray:
    """Write a column as cells, each with the delimiter before it."""
    written = delimiter.encode() + _as_csv([column], ["cell"], delimiter)
    text = np.frombuffer(bytearray(written), np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    if len(ends) != len(column):  # a line end in a text
        rows = [_as_csv([column.slice(row, 1)], ["cell"], delimiter) for row in range(len(column))]
        return text_array([delimiter + row.decode().removesuffix("\n") for row in rows])
    text[ends] = ord(delimiter)
    starts = np.append(0, ends).astype(np.int32)
    return pa.StringArray.from_buffers(len(column), pa.py_buffer(starts), pa.py_buffer(text))


def _double_quotes(texts: pa.StringArray) -> pa.StringArray:
    content = texts.buffers()[2]
    if content is None or not (np.frombuffer(content, np.uint8) == ord('"')).any():
        return texts
    import pyarrow.compute as pc

    return pc.replace_substring(texts, pattern='"', replacement='""')


def _cells(column: pa.Array) -> pa.StringArray:
    """Write a column as cells; a null as nothing."""
    import pyarrow.compute as pc

    nothing, quote = text_array([""])[0], text_array([QUOTE])[0]
    if pa.types.is_string(column.type):
        cells = pc.binary_join_element_wise(quote, _double_quotes(column), quote, nothing)
    else:
        cells = pc.cast(column, pa.string())
    return pc.fill_null(cells, nothing) if cells.null_count else cells


def _joined(columns: Sequence[pa.Array], delimiter: str, end: str) -> pa.StringArray:
    """Join the cells of columns, the delimiter before each."""
    import pyarrow.compute as pc

    mark = text_array([delimiter])[0]
    cells = [part for each in columns for part in (mark, _cells(each))]
    return pc.binary_join_element_wise(*cells, text_array([end])[0], text_array([""])[0])
