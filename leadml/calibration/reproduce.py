"""Reproduce a calibration from what its folder kept, and compare the results value by value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leadml.result import load_result

BESIDE = ("leadml_version", "data.source")
"""What may differ: where the deals lie, and who calibrates."""
SHOWN = 20


def reproduce(directory: Path, source: Any) -> list[str]:
    """Calibrate again on the same deals; what came out otherwise, a line a value, empty for the same."""
    from leadml.calibration.run import calibrate
    from leadml.data.read import read_leads

    before = load_result(directory)
    leads = read_leads(source, directory / "mapping.yaml")
    if leads.digest != before.data.digest:
        return [f"data: other deals than those of {before.data.source} (their digests differ)"]
    after = calibrate(leads, directory / "experiment.yaml", name=before.data.name).result
    old, new = (dict(_leaves(each.model_dump(mode="json"), "")) for each in (before, after))
    lines = [
        f"{path}: {old.get(path)!r} before, {new.get(path)!r} now"
        for path in {**old, **new}
        if path not in BESIDE and not _same(old.get(path), new.get(path))
    ]
    return lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=1e-6, abs_tol=1e-9)
    return bool(old == new)
