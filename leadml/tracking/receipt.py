"""What a folder of results knows of its run in MLflow: where it is, and whether all of it was sent."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from leadml.card.files import write_text

FILE: Final = "tracking.json"


@dataclass(frozen=True)
class Receipt:
    """One line on a run.

    Attributes
    ----------
    run_id, experiment_id : str
        The run.
    tracking_uri : str
        Where it is kept, without a password.
    status : str
        ``started`` until all of it was sent, then ``complete``.
    """

    run_id: str
    experiment_id: str
    tracking_uri: str
    status: str


def without_password(uri: str) -> str:
    """Leave user and password out of an address.

    Parameters
    ----------
    uri : str
        An address.

    Returns
    -------
    str
        What may be shown and written down.

    Examples
    --------
    >>> without_password("https://me:secret@tracking.example/x")
    'https://tracking.example/x'
    """
    return re.sub(r"://[^@/]*@", "://", uri)


def write_receipt(folder: Path, receipt: Receipt) -> None:
    """Write a receipt beside the results.

    Parameters
    ----------
    folder : Path
        Folder of results.
    receipt : Receipt
        What is known.
    """
    write_text(folder / FILE, json.dumps(asdict(receipt), indent=2) + "\n")


def read_receipt(folder: Path) -> Receipt | None:
    """Read the receipt beside some results.

    Parameters
    ----------
    folder : Path
        Folder of results.

    Returns
    -------
    Receipt or None
        None where nothing was ever sent, or the file is none of ours.
    """
    try:
        return Receipt(**json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
