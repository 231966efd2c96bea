"""Cards that the tests of this folder share."""

import numpy as np

from leadml.card.bands import bands_at
from leadml.card.build import LearnedPoints, documented_card, learned_card
from leadml.card.record import CardAttribute, CardBin, CardGate
from leadml.frameworks.catalog import list_policies, load_framework, load_policy
from leadml.levels import CANONICAL


def random_card(seed, k=4, *, is_wide=False, gates=(), falls=False, words=None):
    """A learned card of k criteria with random points, table, bands and cut-off."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 6, (k, 5)) if falls else np.sort(rng.integers(0, 6, (k, 5)), axis=1)
    points -= points.min(axis=1, keepdims=True)
    unknown = [int(rng.integers(0, row.max() + 1)) for row in points]
    attributes = ()
    if is_wide:
        words_of = CardAttribute(
            id="product", title="Product", column="Product", kind="categories", known_when="at creation",
            unknown_points=int(rng.integers(5)), other_points=int(rng.integers(5)),
            bins=(
                CardBin(label="Alpha", values=("Alpha",), points=int(rng.integers(5)), n=30, won=9),
                CardBin(label="Beta, Gamma", values=("Beta", "Gamma"), points=0, n=40, won=3),
            ),
        )  # fmt: skip
        size = CardAttribute(
            id="size", title="Size", column="Staff", kind="edges", unknown_points=2, other_points=0,
            bins=(
                CardBin(label="< 10", to=10.0, points=0, n=30, won=9),
                CardBin(label=">= 10", **{"from": 10.0}, points=int(rng.integers(1, 6)), n=40, won=3),
            ),
        )  # fmt: skip
        attributes = (words_of, size)
    tops = [max(*row, u) for row, u in zip(points.tolist(), unknown, strict=True)]
    tops += [max(*(b.points for b in a.bins), a.unknown_points, a.other_points) for a in attributes]
    total = int(sum(tops))
    probability = np.sort(rng.random(total + 1))
    edges = [0, *sorted(rng.choice(np.arange(1, total + 1), min(3, total), replace=False).tolist())]
    policy = load_policy("bant-points")
    cutoff = edges[min(2, len(edges) - 1)]
    learned = LearnedPoints(
        CANONICAL[:k], np.column_stack([points, unknown]), np.tile(np.arange(5.0), (k, 1)),
        probability, probability * 0.9, np.minimum(1.0, probability * 1.1), -2.0, 0.1, attributes,
    )  # fmt: skip
    card = learned_card(
        f"random-{seed}", None, learned, cutoff=cutoff, words=words, created_at="2026-01-01",
        bands=bands_at(policy.bands[: len(edges)], edges, cutoff, total),
    )  # fmt: skip
    made = tuple(CardGate(criterion=CANONICAL[j], below=below, text="No.") for j, below in gates)
    return type(card).from_dict(card.to_dict() | {"gates": [g.model_dump() for g in made]}, verify=False)


def documented_cards():
    """Every documented rule as a card."""
    return [documented_card(policy) for policy in list_policies()]


CARDS = {
    **{card.name: card for card in documented_cards()},
    **{
        f"{c.name}-champ": c for c in [documented_card(load_policy("champ-half"), load_framework("champ"), met_level=3)]
    },
    **{f"learned-{seed}": random_card(seed) for seed in range(4)},
    "gated": random_card(5, gates=((0, 2), (2, 1))),
    "turning": random_card(6, falls=True, gates=((1, 3),)),
    "wide": random_card(7, k=2, is_wide=True),
    "wide-gated": random_card(8, k=3, is_wide=True, gates=((0, 1),)),
}
