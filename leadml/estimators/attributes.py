"""Attributes: columns of the CRM cut into bins, chosen where they tell something, merged where they do not.

A column's effect is z_bin ~ N(0, spread^2 C): C = I for categories, a random walk over neighbouring bins for
numbers. Columns enter one by one by a score test of spread = 0 (Lin 1997, Biometrika 84; the null of r'Cr by
Satterthwaite), in which the scores of one unit are added up before they are squared: the first at 3% over all
columns offered together, so that noise stays out whatever its number, each further one more easily.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from leadml.levels import Codes, Floats, Ints, Ints32

if TYPE_CHECKING:
    import pyarrow as pa


FINE_BINS = 20
"""Bins of equal size into which a number is cut before neighbours are merged."""
MIN_BIN = 10
"""Deals below which a category or bin never stands alone: what is stored names no single customer."""
MAX_CATEGORIES = 100
"""Categories above which a text is free text or an identity rather than an answer."""
MAX_BINS, MAX_BINS_MANY = 5, 12
LEAST_COST, SURE_COST = 0.1, 0.3
"""Log-likelihood that two bins cost when merged, from which on they stay apart: up to `MAX_BINS`, and beyond."""
SPREADS = np.array([[0.05], [0.1], [0.2], [0.4], [0.8], [1.6]])
"""Spreads of effects by which the evidence for a column is judged."""
PERSON_NAME = re.compile(
    r"\b(e-?mail|phone|mobile|telefoon|first ?name|last ?name|full ?name|voornaam|achternaam|contact ?name|"
    r"birth|gender|sex|ssn|iban|street|address|adres|zip|postal|postcode|linkedin|url|website)\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """A column of the CRM: (n,) numbers, or places of `words`; NaN for blank."""

    name: str
    values: Floats
    words: tuple[str, ...] | None = None
    age_of: str | None = None

    @classmethod
    def of_arrow(cls, name: str, values: pa.Array, created: Ints32 | None = None) -> Column:
        """Read a column of `Leads.context`: words, numbers, or a date as its age in days at creation."""
        import pyarrow as pa

        if pa.types.is_dictionary(values.type):
            places = values.indices.to_numpy(zero_copy_only=False).astype(np.float64)
            return cls(name, places, tuple(map(str, values.dictionary.to_pylist())))
        is_date = pa.types.is_date(values.type)
        days = values.cast(pa.int32()) if is_date else values
        numbers = days.to_numpy(zero_copy_only=False).astype(np.float64)
        if not is_date or created is None:
            return cls(name, numbers)
        return cls(name, np.where(created == np.iinfo(np.int32).min, np.nan, created - numbers), age_of="created")

    def take(self, rows: npt.NDArray[Any]) -> Column:
        """Pick rows."""
        return dataclasses.replace(self, values=self.values[rows])


@dataclasses.dataclass(frozen=True, eq=False)
class Bins:
    """How a column becomes codes: 0 to n_bins - 1, then other (a word never seen), then unknown (blank).

    `edges` (n_bins - 1, rising) cut numbers as low <= x < high; `groups` are the words of each bin.
    """

    name: str
    edges: Floats | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    age_of: str | None = None

    @property
    def n_bins(self) -> int:
        """Bins, without other and unknown."""
        return len(self.groups) if self.edges is None else len(self.edges) + 1

    def codes(self, column: Column) -> Codes:
        """(n,) uint8 codes of a column."""
        other, unknown, blank, words = self.n_bins, self.n_bins + 1, np.isnan(column.values), column.words
        if self.edges is not None and words is None:
            found = np.searchsorted(self.edges, column.values, side="right")
            return np.where(blank, unknown, found).astype(np.uint8)
        at = np.where(blank, -1, column.values).astype(np.int64)
        if words is None:  # numbers read as categories, written as short as they can be
            known, at = np.unique(column.values, return_inverse=True)
            words = tuple(f"{value:.15g}" for value in known)
        # words where numbers were learned from are in no group: nothing is known of them
        bin_of = {word: bin_ for bin_, group in enumerate(self.groups) for word in group}
        table = np.array([*(bin_of.get(word, other) for word in words), unknown], dtype=np.uint8)
        return np.where(blank, unknown, table[at]).astype(np.uint8)


def offered(columns: Sequence[Column], n: int) -> tuple[list[Column], dict[str, str]]:
    """Split columns into those that may become attributes, and why others may not: persons, free text, identities."""
    refused = {}
    for column in columns:
        if PERSON_NAME.search(column.name.replace("_", " ")):
            refused[column.name] = "its name looks like something about a person"
        elif column.words is not None:
            counts = np.bincount(column.values[~np.isnan(column.values)].astype(np.int64))
            n_words = int((counts > 0).sum())
            if (n_words > MAX_CATEGORIES and n_words > 0.05 * n) or not (counts >= MIN_BIN).any():
                refused[column.name] = f"{n_words:,} different texts in {n:,} deals: free text or an identity"
    return [column for column in columns if column.name not in refused], refused


def fine_bins(column: Column, weight: Floats) -> Bins | None:
    """Cut a column as finely as its deals allow, knowing nothing of outcomes; None where only one bin would be."""
    blank = np.isnan(column.values)
    known = column.values[~blank]
    if column.words is not None:
        counts = np.bincount(known.astype(np.int64), weight[~blank], minlength=len(column.words))
        common = tuple((word,) for word, n in zip(column.words, counts, strict=True) if n >= MIN_BIN)
        n_kinds = len(common) + (weight[blank].sum() >= MIN_BIN) + (counts[counts < MIN_BIN].sum() >= MIN_BIN)
        return Bins(column.name, None, common) if common and n_kinds > 1 else None
    known = np.sort(known)
    if len(known) < 2 * MIN_BIN:
        return None
    n_fine = int(min(FINE_BINS, len(known) // MIN_BIN))
    # a value of many deals (no visits, a round sum) is a bin, and what is left is cut evenly
    value, count = np.unique(known, return_counts=True)
    often = np.flatnonzero(count >= len(known) / n_fine)
    rest = known[~np.isin(known, value[often])]
    even = np.quantile(rest, np.arange(1, n_fine) / n_fine, method="higher") if len(rest) else rest
    edges = np.unique(np.concatenate([even, value[often], value[np.minimum(often + 1, len(value) - 1)]]))
    kept: list[float] = []
    start = 0
    for edge, at in zip(edges, np.searchsorted(known, edges), strict=True):  # few deals join the bin before
        if at - start >= MIN_BIN and len(known) - at >= MIN_BIN:
            kept, start = [*kept, float(edge)], at
    return Bins(column.name, np.array(kept), age_of=column.age_of) if kept or blank.sum() >= MIN_BIN else None


def kernel(bins: Bins) -> Floats:
    """Prior covariance of a column's effects at spread 1: bins, other, unknown."""
    n, out = bins.n_bins, np.eye(bins.n_bins + 2)
    if bins.edges is not None and n >= 3:
        at = np.arange(n) - 0.5 * (n - 1)
        walk = 0.5 * (np.abs(at)[:, None] + np.abs(at) - np.abs(at[:, None] - at))  # Brownian, 0 in the middle
        out[:n, :n] = walk / walk.diagonal().mean() + 0.1 * np.eye(n)
    return out


def score_test(
    codes: Codes, covariance: Floats, residual: Floats, variance: Floats, projection: Floats, unit: Ints | None
) -> tuple[float, float]:  # fmt: skip
    """Log p-value of "this column adds nothing" (r'Cr, r the residuals added up by bin), and the evidence for it.

    residual, variance : (n,) w (y - p) and w p (1 - p); projection : (size, p) sums by bin of `variance` times
    the columns of the fit so far, times R with R R' the inverse of its Hessian.
    The evidence is the log-likelihood that is won when the spread of its effects is the likeliest of `SPREADS`.
    """
    size = len(covariance)
    v = np.diag(np.bincount(codes, variance, minlength=size)) - projection @ projection.T
    root = np.linalg.cholesky(covariance)
    known, axes = np.linalg.eigh(root.T @ v @ root)
    known = np.maximum(known, 0.0)
    score = (axes.T @ (root.T @ np.bincount(codes, residual, minlength=size))) ** 2
    if known.sum() <= 0:
        return 0.0, 0.0
    times = 1.0
    if unit is not None:  # how much more the scores of whole units vary than those of single deals would
        by_unit = np.bincount(unit * size + codes, residual)
        times = max(1.0, float(by_unit @ by_unit) / max(float(variance.sum()), 1e-12))
    scale, freedom = times * (known @ known) / known.sum(), known.sum() ** 2 / (known @ known)
    known, gain = known / times, score / times**2
    evidence = 0.5 * (gain / (known + SPREADS**-2) - np.log1p(known * SPREADS**2)).sum(axis=1)
    with np.errstate(divide="ignore"):
        log_p = float(np.log(chdtrc(freedom, score.sum() / scale)))  # as scipy.stats has it, in a tenth of the time
    return log_p, float(evidence.max())


def merge(bins: Bins, effects: Floats, information: Floats, n_deals: Floats) -> tuple[Bins, Ints]:
    """Merge the bins that the data cannot tell apart, until at most `MAX_BINS_MANY` are left.

    Two bins cost w1 w2 / (w1 + w2) (z1 - z2)^2 / 2 in log-likelihood; neighbours by number, or by effect for words.
    Returns the coarser bins and, for each fine bin, the coarse one.
    """
    size = bins.n_bins
    order = np.argsort(effects[:size], kind="stable") if bins.edges is None else np.arange(size)
    weight = np.maximum(information, 1e-9)
    fine, starts = np.stack([weight, weight * effects, n_deals])[:, order], np.arange(size)
    while len(starts) > 1:
        w, wz, n = np.add.reduceat(fine, starts, axis=1)
        cost = 0.5 * w[1:] * w[:-1] / (w[1:] + w[:-1]) * np.diff(wz / w) ** 2
        cost[np.minimum(n[1:], n[:-1]) < MIN_BIN] = -1.0
        i = int(np.argmin(cost))
        if len(starts) <= MAX_BINS_MANY and cost[i] >= (LEAST_COST if len(starts) <= MAX_BINS else SURE_COST):
            break
        starts = np.delete(starts, i + 1)
    coarse = np.empty(size, dtype=np.int64)
    coarse[order] = np.searchsorted(starts, np.arange(size), side="right") - 1
    if bins.edges is not None:
        return dataclasses.replace(bins, edges=bins.edges[starts[1:] - 1]), coarse
    members = (np.flatnonzero(coarse == at) for at in range(len(starts)))
    words = tuple(tuple(word for b in own for word in bins.groups[b]) for own in members)
    return dataclasses.replace(bins, groups=words), coarse
