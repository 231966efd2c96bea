"""One row of the truth table: what must hold, what was reached, with its Monte Carlo interval."""

import dataclasses
import math
from collections.abc import Sequence

Z = 1.96


@dataclasses.dataclass(frozen=True)
class Row:
    """A figure with its target: `low` <= value <= `high`, either of them None.

    plain: the same of plain logistic regression on the same deals. old: that of version 0.1, as issue 11 and
    the methods tell it (not measured here). n: simulated firms behind it. key: its name in `study.KNOWN`.
    """

    what: str
    value: float
    error: float
    n: int
    low: float | None = None
    high: float | None = None
    plain: float | None = None
    old: str = ""
    interval: tuple[float, float] | None = None

    @property
    def between(self) -> tuple[float, float]:
        """Monte Carlo interval, 95%."""
        return self.interval or (self.value - Z * self.error, self.value + Z * self.error)

    @property
    def status(self) -> str:
        """ "pass"; "within error" where the interval reaches the target; else "missed"."""
        if not math.isfinite(self.value):
            return "missed"
        low, high = ((-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high))
        if low <= self.value <= high:
            return "pass"
        return "within error" if self.between[0] <= high and self.between[1] >= low else "missed"

    @property
    def target(self) -> str:
        """The target in words."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f">= {self.low:g}" if self.low is not None else f"<= {self.high:g}"


def share(what: str, hits: Sequence[object], **target: object) -> Row:
    """Share of firms (a firm may count in part), with the Wilson interval."""
    n, k = len(hits), sum(float(each) for each in hits)
    if not n:
        return Row(what, math.nan, math.nan, 0, **target)  # type: ignore[arg-type]
    p, z2 = k / n, Z * Z
    middle, half = (k + z2 / 2) / (n + z2), Z * math.sqrt(k * (n - k) / n + z2 / 4) / (n + z2)
    error = math.sqrt(p * (1 - p) / n)
    return Row(what, p, error, n, interval=(middle - half, middle + half), **target)  # type: ignore[arg-type]


def mean(what: str, values: Sequence[float], **target: object) -> Row:
    """Mean over firms, with the normal interval."""
    n = len(values)
    value = sum(values) / n if n else math.nan
    spread = math.sqrt(sum((each - value) ** 2 for each in values) / (n - 1)) if n > 1 else math.nan
    return Row(what, value, spread / math.sqrt(n) if n else math.nan, n, **target)  # type: ignore[arg-type]


def table(rows: Sequence[Row], known: dict[str, str]) -> str:
    """All rows as a Markdown table; a miss that is known says so."""
    lines = ["| what | must be | reached | 95% of chance | firms | plain logistic | 0.1 | |", "|" + "---|" * 8]
    for row in rows:
        low, high = row.between
        plain = "" if row.plain is None else f"{row.plain:.3g}"
        status = "missed, known" if row.status == "missed" and row.what in known else row.status
        lines.append(
            f"| {row.what} | {row.target} | **{row.value:.3g}** | {low:.3g} to {high:.3g} | {row.n} | {plain}"
            f" | {row.old} | {status} |"
        )
    return "\n".join(lines)
