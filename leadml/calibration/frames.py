"""The result as tidy pandas frames, and as a short table in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from leadml.calibration.figures import MEASURED
from leadml.result import Figure, Result

if TYPE_CHECKING:
    import pandas as pd


def _spread(name: str, figure: Figure | None) -> dict[str, float | None]:
    ends = (None, None, None) if figure is None else (figure.value, figure.low, figure.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def verdicts(result: Result) -> pd.DataFrame:
    """One row a documented rule."""
    import pandas as pd

    rows = []
    for each in result.policies:
        look = each.outlook
        wins = (None, None) if look is None else (look.wins_per_100.keep.value, look.wins_per_100.change.value)
        rows.append(
            {"rule": each.id}
            | each.model_dump(include={"verdict", "because", "verdict_weights", "verdict_cutoff"})
            | _spread("gain_weights", each.gain_weights)
            | _spread("gain_cutoff", each.gain_cutoff)
            | {"p_better": None if look is None else look.p_better}
            | dict(zip(("wins_per_100_keep", "wins_per_100_change"), wins, strict=True))
        )
    return pd.DataFrame(rows)


def contenders(result: Result) -> pd.DataFrame:
    """One row a contender and figure."""
    import pandas as pd

    rows = []
    for each in result.contenders:
        figures = {name: getattr(each, name) for name in MEASURED} | {f"gain_{name}": gain for name, gain in each.gain}
        for name, figure in {**figures, **each.metrics}.items():
            if figure is not None:
                rows.append({"contender": each.id, "kind": each.kind, "figure": name, **dict(figure)})
    return pd.DataFrame(rows, columns=["contender", "kind", "figure", "value", "low", "high", "p_adjusted"])


def cutoffs(result: Result) -> pd.DataFrame:
    """One row a documented rule."""
    import pandas as pd

    rows = []
    for each in result.policies:
        implied, learned = each.implied_value, each.learned_cutoff
        value = (None, None) if implied is None else (implied.low, implied.high)
        rows.append(
            {"rule": each.id, "documented": each.documented_cutoff}
            | _spread("learned", learned)
            | {"basis": None if learned is None else learned.basis, "value_from": value[0], "value_to": value[1]}
        )
    return pd.DataFrame(rows)


def weights(result: Result) -> pd.DataFrame:
    """One row a rule and criterion."""
    import pandas as pd

    rows = [
        {"rule": each.id, "criterion": name, **dict(weight)}
        for each in result.policies
        for name, weight in each.weights.items()
    ]
    return pd.DataFrame(rows, columns=["rule", "criterion", "documented", "learned", "low", "high"])


def short_html(result: Result) -> str:
    """The verdicts, the recommended card and the gravest findings, for a notebook."""
    rules = "".join(
        f"<tr><td>{escape(each.id)}</td><td><b>{each.verdict}</b></td><td>{escape(each.because)}</td></tr>"
        for each in result.policies
    )
    grave = "".join(f"<li>{each.code} {escape(each.title)}</li>" for each in result.findings if each.severity != "note")
    data = result.data
    return (
        f"<p><b>{escape(data.name)}</b>: {data.n_won:,.0f} won and {data.n_lost:,.0f} lost deals."
        f" {escape(result.recommended.because)}</p>"
        "<table><tr><th>rule</th><th>verdict</th><th>because</th></tr>"
        f"{rules}</table><ul>{grave}</ul>"
    )
