"""The card: build, write, read, apply to a batch. numpy and Arrow only."""

from leadml.card.build import build_card, card_from_policy
from leadml.card.model import Card, load_card
from leadml.card.scores import Scores

__all__ = ["Card", "Scores", "build_card", "card_from_policy", "load_card"]
