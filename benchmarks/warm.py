"""leadml in a warm process: prints the median seconds of scoring n leads."""

from __future__ import annotations

import sys
import time

import numpy as np

from leadml import load_card


def main(path: str, n: int) -> None:
    """Probability, points, band and reasons of n leads; of one, all columns."""
    card = load_card(path)
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 5, (n, 4)).astype(float)
    levels[rng.random((n, 4)) < 0.1] = np.nan
    times = []
    for _ in range(9 if n > 1000 else 2000):
        begun = time.perf_counter()
        scores = card.score(levels)
        _ = scores.probability, scores.points, scores.band, scores.reasons
        times.append(time.perf_counter() - begun)
    print(sorted(times)[len(times) // 2])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
