"""Who is one unit? Deals of a group (account), of one lead id, and copies of rows beyond what chance makes equal.

Discrete answers repeat by nature, so equal rows are copies only where more rows have an equal one than a model of
independent deals predicts. The model is a tree of pairwise dependence (Chow and Liu 1968) of the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.cells import number_array, pc, valid_of, values_of
from leadml.data.deals import Leads, Note
from leadml.data.mapping import Mapping
from leadml.levels import UNKNOWN, Floats, Ints, Ints32

EXCESS_TIMES = 3.0
EXCESS_ROWS = 10
"""Twins are one unit when rows with a twin are at least 3 times, and at least 10 more than, what chance predicts."""
MOST_ROWS = 200_000
"""Of more deals, copies without a name (lead id, group, columns under duplicates) are not looked for."""
AT_ONCE = 1 << 17  # ids; what they need lies in the processor's cache
TREE_ROWS = 20_000
"""The tree is drawn from so many rows; its probabilities are those of all rows."""


class Twins(NamedTuple):
    """Rows that are equal in every column."""

    pattern: Ints  # of each row, (n,)
    n_rows: int  # that have a twin
    expected: float  # how many would by chance

    @property
    def beyond_chance(self) -> bool:
        """Whether they are copies."""
        return self.n_rows >= max(self.expected + EXCESS_ROWS, EXCESS_TIMES * self.expected)


def find_units(leads: Leads, mapping: Mapping) -> tuple[Ints32 | None, list[Note]]:
    """Unit of each lead (None: every deal is its own), and notes, from all columns carried (as context)."""
    carried, n, named, notes = leads.context, len(leads), mapping.duplicates, list[Note]()
    columns = (mapping.group, named if isinstance(named, tuple) else ())
    codes = [[codes_of(carried[name]) for name in names if name in carried] for names in columns]
    # A blank account is not one large account: such a lead stands alone.
    links = [np.where(np.any(each, axis=0), number_patterns(each)[0], -1) for each in codes if each]
    same, again = (None, {}) if leads.lead_id is None else same_ids(leads.lead_id)
    if same is not None:
        links.append(same)
        examples = ", ".join([*again][:3])
        notes.append(("LML103", {"n": sum(again.values()), "column": mapping.lead_id, "examples": examples}))
    if named == "auto" and n <= MOST_ROWS:
        more = [carried[name] for name in (*mapping.context, *mapping.segments) if name in carried]
        if leads.amount is not None:
            more.append(number_array(leads.amount, valid=~np.isnan(leads.amount)))
        compared = [codes_of(column) for column in (*leads.raw.values(), *leads.facts.values(), *more)]
        compared += [] if leads.raw else list(leads.codes.T)
        says_more = len(compared) > len(leads.criteria) or any(codes.max(initial=0) > UNKNOWN + 1 for codes in compared)
        twins = find_twins(compared)
        if twins is not None and twins.beyond_chance:
            links.append(twins.pattern)
            notes.append(("LML114", {"n": twins.n_rows, "expected": round(twins.expected)}))
        elif leads.lead_id is None and not (links or mapping.group or says_more):
            notes.append(("LML115", {}))
    return join_links(links, n), notes


def same_ids(ids: pa.StringArray) -> tuple[Ints | None, dict[str, int]]:
    """Number the ids that are met again (-1: all others, and blank ones), and say how often; None where none is."""
    if _are_in_order(ids):
        return None, {}
    hashes = np.concatenate([_hashes(ids[start : start + AT_ONCE]) for start in range(0, len(ids), AT_ONCE)])
    ordered = np.sort(hashes)
    rows = np.flatnonzero(np.isin(hashes, ordered[1:][ordered[1:] == ordered[:-1]]))
    found = pc.utf8_trim_whitespace(ids.take(number_array(rows))).dictionary_encode()
    codes, blank = codes_of(found) - 1, found.dictionary.index("").as_py()
    codes[codes == blank] = -1
    count = np.bincount(codes[codes >= 0], minlength=len(found.dictionary))
    met = np.flatnonzero(count > 1)
    if not len(met):
        return None, {}
    same = np.full(len(ids), -1)
    same[rows] = codes
    return same, dict(zip(found.dictionary.take(number_array(met)).to_pylist(), (count[met] - 1).tolist(), strict=True))


def _are_in_order(ids: pa.StringArray) -> bool:
    """Whether trimmed texts rise, or fall, from row to row, as they often do in exports: none is met again."""

    def follow(is_before: Callable[[pa.Array, pa.Array], pa.Array], start: int) -> bool:
        some = pc.utf8_trim_whitespace(ids[start : start + AT_ONCE + 1])
        return bool(pc.all(is_before(some[:-1], some[1:]), skip_nulls=False).as_py())

    return any(all(follow(each, start) for start in range(0, len(ids), AT_ONCE)) for each in (pc.less, pc.greater))


def _hashes(ids: pa.StringArray) -> npt.NDArray[np.uint64]:
    """Hash trimmed texts by their length and first 128 letters, in words of 8 bytes: equal ones have an equal hash."""
    texts = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(pc.fill_null(ids, "")), 0, 128)
    lengths = values_of(pc.binary_length(texts))
    n_words = int(lengths.max(initial=0)) // 8 + 1
    words = np.frombuffer(pc.ascii_rpad(texts, 8 * n_words).buffers()[2], "<u8").reshape(-1, n_words)
    mixed = lengths.astype(np.uint64)
    for word in words.T:
        mixed ^= word
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    return mixed


def find_twins(columns: Sequence[Ints]) -> Twins | None:
    """Count the rows that have a twin, and how many would if deals were independent; None where it cannot be seen."""
    columns = [column for column in columns if len(column) and column.min() < column.max()]
    sizes = np.array([int(column.max()) + 1 for column in columns], dtype=np.float64)
    # With half as many possible patterns as rows nearly every row has a twin anyway.
    if not columns or np.log(sizes).sum() < np.log(max(len(columns[0]) / 2, 1)):
        return None
    pattern, first = number_patterns(columns)
    count = np.bincount(pattern)
    n, n_rows = len(pattern), int(count[count > 1].sum())
    if n_rows < EXCESS_ROWS:
        return Twins(pattern, n_rows, 0.0)
    p = np.exp(_tree_log_probability(columns, first))
    return Twins(pattern, n_rows, float(count @ -np.expm1((n - 1) * np.log1p(-np.minimum(p, 1 - 1e-12)))))


def codes_of(column: pa.Array) -> Ints:
    """Number the distinct values of a column from 1; 0 where blank."""
    is_category = isinstance(column, pa.DictionaryArray)
    numbers = column.indices if is_category else column
    values, known = values_of(numbers), valid_of(numbers)
    return np.where(known, (values if is_category else np.unique(values, return_inverse=True)[1]) + np.int64(1), 0)


def number_patterns(columns: Iterable[npt.NDArray[np.integer]]) -> tuple[Ints, Ints]:
    """Number rows so that two have the same number exactly when they agree in every column; first row of each."""
    together, size = np.zeros(1, np.int64), 1
    for column in columns:
        width = int(column.max(initial=0)) + 1
        if size > (1 << 62) // width:
            together = np.unique(together, return_inverse=True)[1]
            size = int(together.max()) + 1
        together, size = together * width + column, size * width
    _, first, at = np.unique(together, return_index=True, return_inverse=True)
    return at, first


def join_links(links: Sequence[Ints], n: int) -> Ints32 | None:
    """Join rows that share a number in any of the links (-1: none), through any chain; None where no two do."""
    unit = np.zeros(0, np.int64)
    for at, link in enumerate(links):
        own = np.unique(np.where(link < 0, int(link.max(initial=0)) + 1 + np.arange(n), link), return_inverse=True)[1]
        if at:
            from scipy.sparse import coo_array
            from scipy.sparse.csgraph import connected_components

            # units and the numbers of this link are the nodes of a graph, rows its edges
            graph = coo_array((np.ones(n, np.int8), (unit, own + n)), shape=(2 * n, 2 * n))
            own = np.unique(connected_components(graph, directed=False)[1][unit], return_inverse=True)[1]
        unit = own
    return unit.astype(np.int32) if links and int(unit.max()) + 1 < n else None


def _tree_log_probability(columns: Sequence[Ints], at: Ints) -> Floats:
    """Log probability of the rows `at` under the tree, each from the counts of all other rows (leave-one-out).

    P(row) = product of P(pair) over the edges / product of P(value) over the columns, each to the power of its
    edges less one.
    """
    n, step = len(columns[0]), max(1, len(columns[0]) // TREE_ROWS)
    edges = _tree([np.unique(column[::step], return_inverse=True)[1] for column in columns])
    degree = np.bincount(edges.ravel(), minlength=len(columns))

    def log_share(codes: Ints) -> Floats:
        return np.log((np.bincount(codes)[codes[at]] - 1) / (n - 1))

    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = sum((1 - d) * log_share(c) for c, d in zip(columns, degree, strict=True) if d != 1)
        log_p = log_p + sum(log_share(number_patterns([columns[i], columns[j]])[0]) for i, j in edges)
    return np.where(np.isnan(log_p), -np.inf, log_p)  # nobody else has that value: no twin is possible


def _tree(columns: Sequence[Ints]) -> Ints:
    """Find the edges, (e, 2), of the forest of most mutual information.

    Less the bias of its plug-in estimate, (a - 1)(b - 1) / 2n: columns of many values would be everyone's neighbour.
    """
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.special import entr

    n, sizes = len(columns[0]), [int(column.max()) + 1 for column in columns]
    alone, gain = [entr(np.bincount(column) / n).sum() for column in columns], np.zeros((len(columns), len(columns)))
    for i, j in combinations(range(len(columns)), 2):
        _, count = np.unique(columns[i] * sizes[j] + columns[j], return_counts=True)
        gain[i, j] = alone[i] + alone[j] - entr(count / n).sum() - (sizes[i] - 1) * (sizes[j] - 1) / (2 * n)
    cost = np.where(gain > 0, gain.max() + 1 - gain, 0)  # of what is 0 there is no edge
    return np.argwhere(minimum_spanning_tree(cost).toarray() > 0)
