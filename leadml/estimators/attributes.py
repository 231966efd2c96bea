"""Attributes: columns of the CRM cut into bins, chosen where they tell something, merged where they do not.

A column's effect is z_bin ~ N(0, spread^2 C): C = I for categories, a random walk over neighbouring bins for
numbers. Columns enter one by one by a score test of spread = 0 (Lin 1997, Biometrika 84; the null of r'Cr by
Satterthwaite), in which the scores of one unit are added up before they are squared: the first at 3% over all
columns offered together, so that noise stays out whatever its number, each further one as `allowed` says.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.special import chdtrc

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FINE_BINS = 20
"""Bins of equal size into which a number is cut before neighbours are merged."""
MIN_BIN = 10
"""Deals below which a category or bin never stands alone: what is stored names no single customer."""
MAX_CATEGORIES = 100
"""Categories above which a text is free text or an identity rather than an answer."""
MAX_BINS, MAX_BINS_MANY = 5, 12
LEAST_COST, SURE_COST = 0.1, 0.3
"""Log-likelihood that two bins cost when merged, from which on they stay apart: up to `MAX_BINS`, and beyond."""
FIRST_P = 0.03
"""Chance that a card gets any attribute where none tells anything (Bonferroni)."""
FURTHER_P, FALSE_SHARE = 0.1, 0.5
"""p-value at most of further columns (about where they begin to predict better than they cost), and the share of
them that may be noise (Benjamini, Hochberg 1995)."""
SPREADS = np.array([[0.05], [0.1], [0.2], [0.4], [0.8], [1.6]])
"""Spreads of effects by which the evidence for a column is judged."""
PERSON_NAME = re.compile(
    r"\b(e-?mail|phone|mobile|telefoon|first ?name|last ?name|full ?name|voornaam|achternaam|contact ?name|"
    r"birth|gender|sex|ssn|iban|street|address|adres|zip|postal|postcode|linkedin|url|website)\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """A column of the CRM: numbers with NaN for blank, or words with codes and -1 for blank."""

    name: str
    numbers: Floats | None = None
    codes: Ints | None = None
    words: tuple[str, ...] = ()
    age_of: str | None = None

    def take(self, rows: npt.NDArray[Any]) -> Column:
        """Pick rows."""
        pick = [None if each is None else each[rows] for each in (self.numbers, self.codes)]
        return dataclasses.replace(self, numbers=pick[0], codes=pick[1])


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

    @property
    def is_ordered(self) -> bool:
        """Whether neighbouring bins are alike."""
        return self.edges is not None

    def codes(self, column: Column) -> npt.NDArray[np.uint8]:
        """(n,) uint8 codes of a column."""
        other, unknown = self.n_bins, self.n_bins + 1
        if self.edges is not None:
            if column.numbers is None:  # words where numbers were learned from: nothing is known of them
                blank = np.array([]) if column.codes is None else column.codes < 0
                return np.where(blank, unknown, other).astype(np.uint8)
            found = np.searchsorted(self.edges, column.numbers, side="right")
            return np.where(np.isnan(column.numbers), unknown, found).astype(np.uint8)
        column = as_words(column)
        at = {word: bin_ for bin_, words in enumerate(self.groups) for word in words}
        table = np.array([*(at.get(word, other) for word in column.words), unknown], dtype=np.uint8)
        return np.asarray(table[column.codes])


def as_words(column: Column) -> Column:
    """Numbers read as categories, written as short as they can be."""
    if column.codes is not None or column.numbers is None:
        return column
    known, at = np.unique(column.numbers, return_inverse=True)
    words = tuple(f"{value:.15g}" for value in known[~np.isnan(known)])
    codes = np.where(np.isnan(column.numbers), -1, at).astype(np.int64)
    return Column(column.name, None, codes, words, column.age_of)


def column_of_arrow(name: str, values: pa.Array, created: npt.NDArray[np.int32] | None = None) -> Column:
    """Read a column of `Leads.context`: words, numbers, or a date as its age in days at creation."""
    import pyarrow as pa

    if pa.types.is_date(values.type):
        days = values.cast(pa.int32()).to_numpy(zero_copy_only=False).astype(np.float64)
        if created is None:
            return Column(name, days)
        age = np.where(created == np.iinfo(np.int32).min, np.nan, created - days)
        return Column(name, age, age_of="created")
    if pa.types.is_dictionary(values.type):
        codes = values.indices.to_numpy(zero_copy_only=False).astype(np.float64)
        return Column(
            name,
            codes=np.where(np.isnan(codes), -1, codes).astype(np.int64),
            words=tuple(str(word) for word in values.dictionary.to_pylist()),
        )
    return Column(name, values.to_numpy(zero_copy_only=False).astype(np.float64))


def refusal(column: Column, n: int) -> str | None:
    """Say why a column is not offered as an attribute, or None: persons, free text, identities, constants."""
    if PERSON_NAME.search(column.name.replace("_", " ")):
        return "its name looks like something about a person"
    if column.codes is None:
        return None
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.words))
    n_words = int((counts > 0).sum())
    if (n_words > MAX_CATEGORIES and n_words > 0.05 * n) or (counts >= MIN_BIN).sum() == 0:
        return f"{n_words:,} different texts in {n:,} deals: free text or an identity"
    return None


def fine_bins(column: Column, weight: Floats) -> Bins | None:
    """Cut a column as finely as its deals allow, knowing nothing of outcomes; None where only one bin would be."""
    if column.codes is None and column.numbers is not None:
        known = column.numbers[~np.isnan(column.numbers)]
        if len(known) < 2 * MIN_BIN:
            return None
        n_fine = int(min(FINE_BINS, len(known) // MIN_BIN))
        # a value of many deals (no visits, a round sum) is a bin, and what is left is cut evenly
        value, count = np.unique(known, return_counts=True)
        often = np.flatnonzero(count >= len(known) / n_fine)
        rest = known[~np.isin(known, value[often])]
        even = np.quantile(rest, np.arange(1, n_fine) / n_fine, method="higher") if len(rest) else rest
        edges = np.unique(np.concatenate([even, value[often], value[np.minimum(often + 1, len(value) - 1)]]))
        edges = edges[edges > value[0]]
        kept: list[float] = []
        ordered, start = np.sort(known), 0
        for edge in edges:  # a bin of few deals joins the one before it
            at = int(np.searchsorted(ordered, edge))
            if at - start >= MIN_BIN and len(ordered) - at >= MIN_BIN:
                kept, start = [*kept, float(edge)], at
        bins = Bins(column.name, np.array(kept), age_of=column.age_of)
        has_blank = int(np.isnan(column.numbers).sum()) >= MIN_BIN
        return bins if kept or has_blank else None
    codes = column.codes if column.codes is not None else np.empty(0, dtype=np.int64)
    counts = np.bincount(codes[codes >= 0], weight[codes >= 0], minlength=len(column.words))
    common = tuple((word,) for word, n in zip(column.words, counts, strict=True) if n >= MIN_BIN)
    n_kinds = len(common) + (weight[codes < 0].sum() >= MIN_BIN) + (counts[counts < MIN_BIN].sum() >= MIN_BIN)
    return Bins(column.name, None, common) if common and n_kinds > 1 else None


def kernel(bins: Bins) -> Floats:
    """Prior covariance of a column's effects at spread 1: bins, other, unknown."""
    size = bins.n_bins + 2
    if not bins.is_ordered or bins.n_bins < 3:
        return np.eye(size)
    out = np.eye(size)
    at = np.arange(bins.n_bins) - 0.5 * (bins.n_bins - 1)
    walk = 0.5 * (np.abs(at)[:, None] + np.abs(at) - np.abs(at[:, None] - at))  # Brownian, 0 in the middle
    walk *= 1.0 / walk.diagonal().mean()
    out[: bins.n_bins, : bins.n_bins] = walk + 0.1 * np.eye(bins.n_bins)
    return out


def score_test(
    codes: npt.NDArray[np.uint8],
    covariance: Floats,
    residual: Floats,
    variance: Floats,
    nuisance: tuple[csr_array, Floats],
    unit: Ints | None,
) -> tuple[float, float]:
    """Log p-value of "this column adds nothing" (r'Cr, r the residuals added up by bin), and the evidence for it.

    residual, variance : (n,) w (y - p) and w p (1 - p); nuisance : (n, q) columns of the fit so far, and R
    with R R' the inverse of its Hessian.
    The evidence is the log-likelihood that is won when the spread of its effects is the likeliest of `SPREADS`.
    """
    size = len(covariance)
    indicator = csr_array((variance, codes, np.arange(len(codes) + 1)), shape=(len(codes), size))
    projection = (indicator.T @ nuisance[0]).toarray() @ nuisance[1]
    v = np.diag(np.bincount(codes, variance, minlength=size)) - projection @ projection.T
    root = np.linalg.cholesky(covariance)
    known, axes = np.linalg.eigh(root.T @ v @ root)
    known = np.maximum(known, 0.0)
    score = (axes.T @ (root.T @ np.bincount(codes, residual, minlength=size))) ** 2
    times = 1.0 if unit is None else _design_effect(codes, residual, variance, unit, size)
    if known.sum() <= 0:
        return 0.0, 0.0
    scale, freedom = times * (known @ known) / known.sum(), known.sum() ** 2 / (known @ known)
    known, gain = known / times, score / times**2
    evidence = 0.5 * (gain / (known + SPREADS**-2) - np.log1p(known * SPREADS**2)).sum(axis=1)
    with np.errstate(divide="ignore"):
        log_p = float(np.log(chdtrc(freedom, score.sum() / scale)))  # as scipy.stats has it, in a tenth of the time
    return log_p, float(evidence.max())


def _design_effect(codes: npt.NDArray[np.uint8], residual: Floats, variance: Floats, unit: Ints, size: int) -> float:
    """How much more the scores of whole units vary than those of single deals would; at least 1."""
    key, at = np.unique(unit * size + codes, return_inverse=True)
    by_unit = np.bincount(at, residual, minlength=len(key))
    return max(1.0, float(by_unit @ by_unit) / max(float(variance.sum()), 1e-12))


def allowed(n_chosen: int, n_offered: int) -> float:
    """p-value up to which the next column is let in."""
    return min(FURTHER_P, FALSE_SHARE * (n_chosen + 1) / n_offered) if n_chosen else FIRST_P / n_offered


def merge(
    bins: Bins, effects: Floats, information: Floats, n_deals: Floats, most: int = MAX_BINS_MANY
) -> tuple[Bins, Ints]:
    """Merge the bins that the data cannot tell apart, until at most `most` are left.

    Two bins cost w1 w2 / (w1 + w2) (z1 - z2)^2 / 2 in log-likelihood; neighbours by number, or by effect for words.
    Returns the coarser bins and, for each fine bin, the coarse one.
    """
    order = np.arange(bins.n_bins) if bins.is_ordered else np.argsort(effects[: bins.n_bins], kind="stable")
    groups = [[int(b)] for b in order]
    weight = [max(float(information[b]), 1e-9) for b in order]
    level = [float(effects[b]) for b in order]
    size = [float(n_deals[b]) for b in order]
    while len(groups) > 1:
        w, z, n = np.array(weight), np.array(level), np.array(size)
        cost = 0.5 * w[1:] * w[:-1] / (w[1:] + w[:-1]) * np.diff(z) ** 2
        cost = np.where((n[1:] < MIN_BIN) | (n[:-1] < MIN_BIN), -1.0, cost)
        i = int(np.argmin(cost))
        if len(groups) <= most and cost[i] >= (LEAST_COST if len(groups) <= MAX_BINS else SURE_COST):
            break
        level[i] = (weight[i] * level[i] + weight[i + 1] * level[i + 1]) / (weight[i] + weight[i + 1])
        weight[i] += weight.pop(i + 1)
        size[i] += size.pop(i + 1)
        groups[i] += groups.pop(i + 1)
        level.pop(i + 1)
    coarse = np.empty(bins.n_bins, dtype=np.int64)
    for at, members in enumerate(groups):
        coarse[members] = at
    if bins.edges is not None:
        return dataclasses.replace(bins, edges=bins.edges[np.flatnonzero(np.diff(coarse))]), coarse
    words = tuple(tuple(word for b in sorted(members) for word in bins.groups[b]) for members in groups)
    return dataclasses.replace(bins, groups=words), coarse


def offered(
    columns: Sequence[Column], n: int, forbidden: Mapping[str, str] = {}
) -> tuple[list[Column], dict[str, str]]:
    """Split columns into those that may become attributes and those that may not, with the reason."""
    refused = {c.name: forbidden.get(c.name) or refusal(c, n) for c in columns}
    return [c for c in columns if not refused[c.name]], {k: v for k, v in refused.items() if v}
