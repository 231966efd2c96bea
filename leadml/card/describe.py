"""A card in words, for a terminal: points of each level and value, bands, and who changed it by hand."""

from __future__ import annotations

from leadml.card.record import Card
from leadml.terminal import Table, format_blocks, percent


def describe_card(card: Card) -> str:
    """Describe a card in plain text or, on a terminal, in tables."""
    header = ["", *"01234", "unknown"]
    rows = [[each.title, *map(str, each.points), str(each.unknown_points)] for each in card.criteria]
    blocks: list[str | Table] = [Table("points at level", header, rows)]
    for each in card.attributes:
        rows = [[part.label, str(part.points)] for part in each.bins]
        rows += [["other", str(each.other_points)], ["unknown", str(each.unknown_points)]]
        blocks.append(Table(each.title, ["value", "points"], rows))
    chance = {row.points: percent(row.probability) for row in card.table}
    rows = [[str(b.from_), b.title, b.action, b.decision, chance.get(b.from_, "")] for b in card.bands]
    blocks.append(Table("bands", ["from", "band", "action", "decision", "chance there"], rows))
    if card.published is not None:
        made = card.published
        blocks.append(f"changed from {made.changed_from} by {made.by}, {made.at}: {made.because}")
    return format_blocks(blocks)
