"""Reading and counting closed deals: ``ours`` for all six frameworks, ``bare`` a read and one group-by."""

from __future__ import annotations

import sys


def ours(source: str) -> None:
    """One streamed pass of leadml, as `leadml calibrate` begins: counts, sample, digest, rejected rows."""
    from leadml.frameworks import list_frameworks
    from leadml.leads.gather import count_leads

    frameworks = {framework.id: framework.criterion_ids for framework in list_frameworks()}
    found = count_leads(source, "map.yaml", frameworks, most=50_000)
    print({name: len(cells.key) for name, cells in found.by_month.items()}, len(found.leads))


def bare(source: str) -> None:
    """Read the same columns with pyarrow, and group by the criteria of one framework and the outcome."""
    import pyarrow.parquet as pq

    from leadml.records import CANONICAL

    table = pq.read_table(source, columns=[*CANONICAL, "status"])
    keys = ["budget", "authority", "need", "timeline", "status"]
    print(table.group_by(keys).aggregate([([], "count_all")]).num_rows)


if __name__ == "__main__":
    {"ours": ours, "bare": bare}[sys.argv[1]](sys.argv[2])
