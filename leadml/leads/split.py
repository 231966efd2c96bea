"""Which deals are held out together: by group and by equal rows always, out of time where there is time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from leadml.exceptions import TooFewDealsError

Array = NDArray[Any]

TRAIN_ONLY = -1
LEFT_OUT = -2
LEAST_TRAIN_SHARE = 0.5  # of the training rows that must remain once straddling ones are left out


@dataclass(frozen=True)
class Split:
    """Held-out folds of closed deals.

    Attributes
    ----------
    kind : {"out-of-time", "grouped-kfold"}
        How the folds were made.
    fold : int array of shape (n_repeats, n)
        Fold in which a deal is held out; -1 = it only trains, -2 = it is left out since its group or its
        twin is held out.
    key : int array of shape (n,)
        What never straddles folds: deals of a group, and equal rows.
    n_folds : int
        Folds of a repeat.
    reason : str
        Why this kind, in a sentence.
    """

    kind: Literal["out-of-time", "grouped-kfold"]
    fold: Array
    key: Array
    n_folds: int
    reason: str

    @property
    def n_keys(self) -> int:
        """Number of keys."""
        return int(self.key.max()) + 1

    def training_keys(self) -> Array:
        """Which keys train, for each repeat and fold.

        Returns
        -------
        array of shape (n_repeats * n_folds, n_keys)
            1 where a key trains, 0 elsewhere.
        """
        out = np.zeros((len(self.fold) * self.n_folds, self.n_keys))
        for repeat, fold in enumerate(self.fold):
            by_key = np.full(self.n_keys, LEFT_OUT)
            by_key[self.key] = fold
            for f in range(self.n_folds):
                out[repeat * self.n_folds + f] = (by_key != f) & (by_key != LEFT_OUT)
        return out

    def held_out(self) -> list[tuple[int, Array]]:
        """Rows held out, by overall number of the fold.

        Returns
        -------
        list of (fold, rows)
            fold counts through all repeats; rows are positions of deals.
        """
        return [
            (repeat * self.n_folds + f, np.flatnonzero(fold == f))
            for repeat, fold in enumerate(self.fold)
            for f in range(self.n_folds)
        ]


def make_keys(row_key: Array, group: Array | None = None) -> Array:
    """Join deals that share a group or are equal rows, through any chain of both.

    Parameters
    ----------
    row_key : int array of shape (n,)
        Equal for equal rows.
    group : int array of shape (n,), optional
        Equal for deals of one group (account).

    Returns
    -------
    int array of shape (n,)
        Keys 0, 1, ... in order of first appearance.
    """
    label = np.unique(row_key, return_inverse=True)[1]
    if group is not None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        other = np.unique(group, return_inverse=True)[1] + label.max() + 1
        size = int(other.max()) + 1
        links = coo_array((np.ones(len(label)), (label, other)), shape=(size, size))
        label = connected_components(links, directed=False)[1][label]
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]


def make_split(
    outcome: Array,
    key: Array,
    *,
    order: Array | None = None,
    kind: str = "auto",
    test_share: float = 0.25,
    folds: int = 10,
    repeats: int = 3,
    random_state: int = 0,
) -> Split:
    """Choose and make the split.

    Parameters
    ----------
    outcome : array of shape (n,)
        1 won, 0 lost.
    key : int array of shape (n,)
        What may not straddle folds, as made by `make_keys`.
    order : array of shape (n,), optional
        Time of each deal: anything that sorts, NaN where it is missing.
    kind : {"auto", "out-of-time", "grouped-kfold"}
        auto: out of time where there is an order, unless so many groups straddle the date that too few
        deals would be left to train on.
    test_share : float
        Share of the latest deals that are held out, between 0 and 1.
    folds, repeats : int
        Of the k-fold split.
    random_state : int
        Seed.

    Returns
    -------
    Split
        The folds.

    Raises
    ------
    TooFewDealsError
        When all deals have one key, or all won or all lost deals are held out together.
    """
    if len(np.unique(key)) < 2:
        raise TooFewDealsError(
            f"all {len(key)} closed deals are one group or equal rows, so that none can be held out; valid:"
            " two or more groups; look at group in the mapping"
        )
    no_time = "no dates and no order were mapped" if order is None else "folds were asked for"
    if kind != "grouped-kfold" and order is not None:
        split = _out_of_time(key, order, test_share)
        train = split.fold[0] == TRAIN_ONLY
        test = split.fold[0] == 0
        share = train.sum() / max(1, (split.fold[0] != 0).sum())
        both = all(len(np.unique(outcome[rows])) == 2 for rows in (train, test))
        if both and (kind == "out-of-time" or share >= LEAST_TRAIN_SHARE):
            return split
        no_time = (
            f"out of time would leave {share:.0%} of the earlier deals to train on, since groups or"
            " equal rows stand on both sides of the date"
            if share < LEAST_TRAIN_SHARE
            else "out of time would leave a side without won or without lost deals"
        )
    return _grouped_folds(outcome, key, folds, repeats, random_state, no_time)


def _out_of_time(key: Array, order: Array, test_share: float) -> Split:
    missing = np.isnan(order)
    ranked = np.argsort(np.where(missing, -np.inf, order), kind="stable")
    n_test = max(1, round(test_share * len(key)))
    cut = order[ranked[-n_test]]
    test = ~missing & (order >= cut)  # deals of one day stay on one side
    fold = np.where(test, 0, TRAIN_ONLY)
    straddles = np.isin(key, key[test]) & ~test
    fold[straddles] = LEFT_OUT
    reason = f"the latest {test.mean():.0%} of the deals are held out"
    if straddles.any():
        reason += (
            f"; {int(straddles.sum())} earlier deals are left out, as their group or an equal row is held out"
        )
    # a key on both sides would train through its held-out half: it counts as held out
    return Split("out-of-time", fold[None], key, 1, reason)


def _grouped_folds(outcome: Array, key: Array, folds: int, repeats: int, seed: int, reason: str) -> Split:
    n_keys = int(key.max()) + 1
    size = np.bincount(key, minlength=n_keys)
    rate = np.bincount(key, outcome, minlength=n_keys) / np.maximum(size, 1)
    n_folds = int(min(folds, n_keys))
    out = np.empty((repeats, len(key)), dtype=np.int64)
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        # big groups first, then alike outcomes side by side: dealt round, folds come out alike
        ranked = np.lexsort((rng.random(n_keys), rate, -size))
        turn = np.arange(n_keys)
        lap = turn // n_folds
        position = np.where(lap % 2 == 0, turn % n_folds, n_folds - 1 - turn % n_folds)
        by_key = np.empty(n_keys, dtype=np.int64)
        by_key[ranked] = rng.permutation(n_folds)[position]
        out[repeat] = by_key[key]
        for kind, counted in (("won", outcome), ("lost", 1.0 - outcome)):
            by_fold = np.bincount(out[repeat], counted, minlength=n_folds)
            if by_fold.max() >= by_fold.sum():
                raise TooFewDealsError(
                    f"all {kind} deals are in the same few of {n_keys} groups: held out together they leave"
                    " none to learn from; valid: won and lost deals in several groups; look at group in the"
                    " mapping"
                )
    times = "once" if repeats == 1 else f"{repeats} times"
    text = f"{n_folds} folds, {times}, each group and all equal rows together: {reason}"
    return Split("grouped-kfold", out, key, n_folds, text)
