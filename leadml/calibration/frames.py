"""The result as tidy pandas frames, and as a short table in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from leadml.result import Figure, PolicyResult, Result

if TYPE_CHECKING:
    import pandas as pd


def _spread(path: str, name: str) -> dict[str, str]:
    return {f"{path}.value": name, f"{path}.low": f"{name}_low", f"{path}.high": f"{name}_high"}


VERDICTS: Mapping[str, str] = {
    "id": "rule",
    **{name: name for name in ("verdict", "because", "verdict_weights", "verdict_cutoff")},
    **_spread("gain_weights", "gain_weights"),
    **_spread("gain_cutoff", "gain_cutoff"),
    "outlook.p_better": "p_better",
    "outlook.wins_per_100.keep.value": "wins_per_100_keep",
    "outlook.wins_per_100.change.value": "wins_per_100_change",
}
CUTOFFS: Mapping[str, str] = {
    "id": "rule",
    "documented_cutoff": "documented",
    **_spread("learned_cutoff", "learned"),
    "learned_cutoff.basis": "basis",
    "implied_value.low": "value_from",
    "implied_value.high": "value_to",
}
"""Columns of these frames, by the path of their field."""


def of_rules(rules: Iterable[PolicyResult], columns: Mapping[str, str]) -> pd.DataFrame:
    """One row a documented rule."""
    import pandas as pd

    flat = pd.json_normalize([each.model_dump() for each in rules])
    return flat.reindex(columns=list(columns)).rename(columns=columns)


def contenders(result: Result) -> pd.DataFrame:
    """One row a contender and figure."""
    import pandas as pd

    rows = [
        {"contender": each.id, "kind": each.kind, "figure": name, **dict(figure)}
        for each in result.contenders
        for name, figure in [*each, *((f"gain_{name}", gain) for name, gain in each.gain), *each.metrics.items()]
        if isinstance(figure, Figure)
    ]
    return pd.DataFrame(rows, columns=["contender", "kind", "figure", "value", "low", "high", "p_adjusted"])


def weights(result: Result) -> pd.DataFrame:
    """One row a rule and criterion."""
    import pandas as pd

    own = [(rule.id, name, weight) for rule in result.policies for name, weight in rule.weights.items()]
    rows = [{"rule": rule, "criterion": name, **dict(weight)} for rule, name, weight in own]
    return pd.DataFrame(rows, columns=["rule", "criterion", "documented", "learned", "low", "high"])


def short_html(result: Result) -> str:
    """The verdicts, the recommended card and the gravest findings, for a notebook."""
    data, rules = result.data, [(escape(each.id), each.verdict, escape(each.because)) for each in result.policies]
    rows = "".join(f"<tr><td>{rule}</td><td><b>{said}</b></td><td>{why}</td></tr>" for rule, said, why in rules)
    grave = "".join(f"<li>{each.code} {escape(each.title)}</li>" for each in result.findings if each.severity != "note")
    return (
        f"<p><b>{escape(data.name)}</b>: {data.n_won:,.0f} won and {data.n_lost:,.0f} lost deals."
        f" {escape(result.recommended.because)}</p>"
        f"<table><tr><th>rule</th><th>verdict</th><th>because</th></tr>{rows}</table><ul>{grave}</ul>"
    )
