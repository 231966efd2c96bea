"""Counting closed deals by pattern: ``ours`` for all six frameworks, ``bare`` a read and one group-by."""

from __future__ import annotations

import sys


def ours(source: str) -> None:
    """One streamed pass of leadml."""
    from leadml.leads.counted import count_patterns
    from leadml.leads.mapping import load_mapping

    frameworks = {
        "bant": ("budget", "authority", "need", "timeline"),
        "anum": ("authority", "need", "urgency", "budget"),
        "champ": ("challenges", "authority", "budget", "prioritization"),
        "gpct": ("goals", "plans", "challenges", "timeline"),
        "faint": ("funds", "authority", "interest", "need", "timeline"),
        "madr": ("budget", "authority", "desire", "response"),
    }
    found = count_patterns(source, load_mapping("map.yaml"), frameworks)
    print({name: table.n_patterns for name, table in found.items()})


def bare(source: str) -> None:
    """Read the same columns with pyarrow, and group by the criteria of one framework and the outcome."""
    import pyarrow.parquet as pq

    from leadml.records import CANONICAL

    table = pq.read_table(source, columns=[*CANONICAL, "status"])
    keys = ["budget", "authority", "need", "timeline", "status"]
    print(table.group_by(keys).aggregate([([], "count_all")]).num_rows)


if __name__ == "__main__":
    {"ours": ours, "bare": bare}[sys.argv[1]](sys.argv[2])
