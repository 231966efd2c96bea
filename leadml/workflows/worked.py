"""Which cut-offs the closed deals can judge: below a score that hardly anyone worked they show nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leadml.frameworks import Framework, Policy, documented_score
from leadml.leads.model import Leads
from leadml.leads.selection import Worked, find_worked
from leadml.workflows.findings import make_finding


def find_all_worked(
    frameworks: Sequence[Framework], policies: Sequence[Policy], leads: Leads, met_level: int
) -> dict[tuple[str, str], Worked]:
    """Find the lowest cut-off that can be judged, for every documented score.

    Parameters
    ----------
    frameworks : sequence of Framework
        Those that are judged.
    policies : sequence of Policy
        Their rules.
    leads : Leads
        Leads that had the time to close, open ones among them.
    met_level : int
        Level from which a criterion is met.

    Returns
    -------
    dict of (framework, unit) to Worked
        Lowest cut-off and counts by score.
    """
    out: dict[tuple[str, str], Worked] = {}
    closed = np.isfinite(np.asarray(leads.outcome))
    for framework in frameworks:
        levels = np.full((len(leads), len(framework.criteria)), np.nan)
        for at, name in enumerate(framework.criterion_ids):
            if name in leads.levels.columns:
                levels[:, at] = leads.levels[name].to_numpy(dtype=float)
        codes = np.where(np.isnan(levels), 5, levels).astype(np.uint8)
        for unit in sorted({p.unit for p in framework.policies}):
            own = [p for p in framework.policies if p.unit == unit]
            score = documented_score(codes, own[0], framework.criterion_ids, met_level).score.astype(np.int64)
            judged = [p.cutoff for p in policies if p.framework == framework.id and p.unit == unit]
            out[framework.id, unit] = find_worked(score, closed, judged, own[0].total_max)
    return out


def say_worked(worked: dict[tuple[str, str], Worked], policies: Sequence[Policy]) -> list[dict[str, str]]:
    """Say below which cut-off nothing can be judged.

    Parameters
    ----------
    worked : dict of (framework, unit) to Worked
        What was found.
    policies : sequence of Policy
        The rules that are judged.

    Returns
    -------
    list of dict
        LML603, one for each score.
    """
    found = []
    for (framework, unit), own in worked.items():
        rules = [p for p in policies if (p.framework, p.unit) == (framework, unit) and own.floor_of(p.cutoff)]
        if not rules:
            continue
        k = own.floor
        leads, closed = int(own.n_leads[:k].sum()), int(own.n_closed[:k].sum())
        above, closed_above = int(own.n_leads[k:].sum()), int(own.n_closed[k:].sum())
        named = ", ".join(p.id for p in rules)
        if leads > closed:
            said = (
                f"{closed:,} of the {leads:,} leads below {k} were worked to an end ({closed / leads:.1%}),"
                f" and {closed_above:,} of the {above:,} from {k} on ({closed_above / max(above, 1):.0%})."
                " What the others would have become is not in the data, and it is not made up"
            )
        else:
            said = (
                f"{closed:,} of {closed + closed_above:,} closed deals lie below {k}: too few to say what"
                " lower cut-offs would bring, whether such leads do not come or are not worked"
            )
        scale = "points" if unit == "points" else "criteria met"
        found.append(
            make_finding(
                "LML603",
                "warn",
                f"{framework}: cannot judge below {k} {scale}",
                f"{said}. No cut-off below {k} is considered for {named}, and weights are compared among"
                " worked leads only. Base rate, workload and probabilities are those of worked leads. To find"
                f" out, work a few leads below {k}, picked at random.",
                rules[0].id,
            )
        )
    return found
