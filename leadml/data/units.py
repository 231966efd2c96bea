"""Who is one unit? Deals of a group (account), of one lead id, and copies of rows beyond what chance makes
equal.

Discrete answers repeat by nature, so equal rows are copies only where more rows have an equal one than a
model of independent deals predicts. The model is a tree of pairwise dependence (Chow and Liu 1968) of the
columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.cells import Floats, relabel, valid_of, values_of
from leadml.data.deals import Leads

Ints = npt.NDArray[np.int64]

EXCESS_TIMES = 3.0
EXCESS_ROWS = 10
"""Twins are one unit when rows with a twin are at least 3 times, and at least 10 more than, what chance
predicts."""
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
        more = self.n_rows >= self.expected + EXCESS_ROWS
        return more and self.n_rows >= EXCESS_TIMES * self.expected


Notes = list[tuple[str, dict[str, Any]]]


def find_units(
    leads: Leads, carried: Mapping[str, pa.Array], raw: Mapping[str, pa.Array]
) -> tuple[npt.NDArray[np.int32] | None, Notes]:
    """Unit of each lead (None: every deal is its own), and notes.

    `carried`: the mapped columns by name; `raw`: the criteria's before they were levels.
    """
    mapping, n = leads.mapping, len(leads)
    links: list[Ints] = []
    notes: Notes = []
    group = mapping.group if mapping is not None else ()
    duplicates = mapping.duplicates if mapping is not None else "off"
    for columns in (group, duplicates if isinstance(duplicates, tuple) else ()):
        there = [codes_of(carried[name]) for name in columns if name in carried]
        if there:
            # A blank account is not one large account: such a lead stands alone.
            filled = np.any([codes > 0 for codes in there], axis=0)
            links.append(np.where(filled, number_patterns(there), -1))
    if leads.lead_id is not None:
        ids = codes_of(relabel(leads.lead_id, str.strip))
        if int(ids.max(initial=0)) < n:
            links.append(np.where(ids > 0, ids, -1))
    if duplicates == "auto":
        compared = [codes_of(column) for column in (*raw.values(), *leads.facts.values())]
        compared += [codes_of(carried[name]) for name in (*leads.context, *leads.segments)]
        compared += [] if raw else list(leads.codes.T)
        compared += [] if leads.amount is None else [codes_of(leads.amount)]
        twins = find_twins(compared)
        if twins is not None and twins.beyond_chance:
            links.append(twins.pattern)
            notes.append(("LML114", {"n": twins.n_rows, "expected": round(twins.expected)}))
        levels_alone = len(compared) <= len(leads.criteria) and all(c.max(initial=0) <= 6 for c in compared)
        if levels_alone and not links and not group and leads.lead_id is None:
            notes.append(("LML115", {}))
    return join_links(links, n), notes


def find_twins(columns: Sequence[Ints]) -> Twins | None:
    """Count the rows that have a twin, and how many would if deals were independent; None where it cannot be
    seen."""
    columns = [column for column in columns if len(column) and column.min() < column.max()]
    sizes = np.array([int(column.max()) + 1 for column in columns], dtype=np.float64)
    # With half as many possible patterns as rows nearly every row has a twin anyway.
    if not columns or np.log(sizes).sum() < np.log(max(len(columns[0]) / 2, 1)):
        return None
    pattern = number_patterns(columns)
    count = np.bincount(pattern)
    n_rows = int(count[count > 1].sum())
    if n_rows < EXCESS_ROWS:
        return Twins(pattern, n_rows, 0.0)
    _, first = np.unique(pattern, return_index=True)
    log_p = _tree_log_probability(columns, first)
    n = len(pattern)
    has_twin = -np.expm1((n - 1) * np.log1p(-np.minimum(np.exp(log_p), 1 - 1e-12)))
    return Twins(pattern, n_rows, float(count @ has_twin))


def codes_of(column: pa.Array | Floats) -> Ints:
    """Number the distinct values of a column from 1; 0 where blank."""
    if not isinstance(column, pa.Array):
        known, values = ~np.isnan(column), column
    elif pa.types.is_dictionary(column.type):
        return np.where(valid_of(column.indices), values_of(column.indices).astype(np.int64) + 1, 0)
    else:
        known, values = valid_of(column), values_of(column)
    codes = np.zeros(len(known), np.int64)
    codes[known] = np.unique(values[known], return_inverse=True)[1] + 1
    return codes


def number_patterns(columns: Sequence[Ints]) -> Ints:
    """Number rows so that two have the same number exactly when they agree in every column."""
    together, size = columns[0].astype(np.int64), int(columns[0].max(initial=0)) + 1
    for column in columns[1:]:
        width = int(column.max(initial=0)) + 1
        if size > (1 << 62) // width:
            together = np.unique(together, return_inverse=True)[1]
            size = int(together.max()) + 1
        together, size = together * width + column, size * width
    return np.unique(together, return_inverse=True)[1].astype(np.int64)


def join_links(links: Sequence[Ints], n: int) -> npt.NDArray[np.int32] | None:
    """Join rows that share a number in any of the links (-1: none), through any chain; None where no two
    do."""
    links = [np.where(link < 0, int(link.max(initial=0)) + 1 + np.arange(n), link) for link in links]
    if not links:
        return None
    unit = np.unique(links[0], return_inverse=True)[1]
    for link in links[1:]:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        other = np.unique(link, return_inverse=True)[1] + int(unit.max()) + 1
        size = int(other.max()) + 1
        graph = coo_array((np.ones(n, np.int8), (unit, other)), shape=(size, size))
        unit = np.unique(connected_components(graph, directed=False)[1][unit], return_inverse=True)[1]
    return unit.astype(np.int32) if int(unit.max()) + 1 < n else None


def _tree_log_probability(columns: Sequence[Ints], at: Ints) -> Floats:
    """Log probability of the rows `at` under the tree, each from the counts of all other rows
    (leave-one-out)."""
    n, step = len(columns[0]), max(1, len(columns[0]) // TREE_ROWS)
    parents = _tree([np.unique(column[::step], return_inverse=True)[1] for column in columns])
    log_p = np.zeros(len(at))
    with np.errstate(divide="ignore", invalid="ignore"):
        for child, parent in enumerate(parents):
            alone = np.bincount(columns[child])[columns[child][at]]
            if parent < 0:
                log_p += np.log((alone - 1) / (n - 1))
                continue
            pair = number_patterns([columns[parent], columns[child]])
            above = np.bincount(columns[parent])[columns[parent][at]]
            both = (np.bincount(pair)[pair[at]] - 1) / np.maximum(above - 1, 1)
            # Nobody else has the parent's value: no twin is possible.
            log_p += np.where(above > 1, np.log(both), -np.inf)
    return log_p


def _tree(columns: Sequence[Ints]) -> list[int]:
    """Find the parent of each column (-1: none) in the forest of most mutual information.

    The plug-in estimate is too high by about (a - 1)(b - 1) / 2n; without that correction columns of many
    values would be everyone's parent, and copies would be predicted by themselves.
    """
    k, n = len(columns), len(columns[0])
    sizes = [int(column.max()) + 1 for column in columns]
    gain = np.full((k, k), -np.inf)
    for i in range(k):
        for j in range(i):
            pair = np.unique(columns[i] * sizes[j] + columns[j], return_counts=True)
            a, b = np.divmod(pair[0], sizes[j])
            expected = np.bincount(columns[i])[a] * np.bincount(columns[j])[b] / n
            information = float((pair[1] * np.log(pair[1] / expected)).sum()) / n
            gain[i, j] = gain[j, i] = information - (sizes[i] - 1) * (sizes[j] - 1) / (2 * n)
    parents, inside = [-1] * k, {0}
    while len(inside) < k:  # Prim: the best edge that reaches a new column, or a new root
        rest = [j for j in range(k) if j not in inside]
        value, parent, child = max((gain[i, j], i, j) for i in inside for j in rest)
        parents[child] = parent if value > 0 else -1
        inside.add(child)
    return parents
