"""Cards in files: card.json, of this version or an earlier one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadml.card.record import Card
from leadml.card.sealed import digest, read_json


def load_card(path: str | os.PathLike[str], *, verify: bool = True) -> Card:
    """Load a card, checking its digest and every value on it. No code is ever run.

    Parameters
    ----------
    path : str or path
        A card file, or a folder that holds ``card.json``.
    verify : bool
        False to accept a card that was changed by hand, so as to seal it again by `Card.save`.

    Returns
    -------
    Card
        The card.

    Raises
    ------
    ModelRefError
        When there is no such file.
    StoreError
        When it is no valid card, or was changed after it was sealed.

    Examples
    --------
    >>> load_card("no/card.json")
    Traceback (most recent call last):
    leadml.exceptions.ModelRefError: no/card.json: there is no such file; give a card.json, ...
    """
    path = Path(path)
    path = path / "card.json" if path.is_dir() else path
    return card_from_dict(read_json(path), str(path), verify=verify)


def save_card(card: Card, path: str | os.PathLike[str]) -> None:
    """Write a card as JSON, whole or not at all."""
    card.save(path)


def card_from_dict(document: Mapping[str, Any], where: str = "card", *, verify: bool = True) -> Card:
    """Make a card of plain JSON values, checking every one of them."""
    return Card.from_dict(document, where, verify=verify)


def card_digest(card: Card) -> str:
    """SHA-256 of everything on a card."""
    return digest(card.to_dict())
