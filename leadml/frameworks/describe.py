"""A framework in words, for a terminal."""

from collections.abc import Iterator
from textwrap import fill

from leadml.frameworks.model import Framework, Policy
from leadml.frameworks.statements import Basis, OrderClaim

WIDTH = 100


def describe(framework: Framework) -> str:
    """Describe a framework in plain text, with the source of each statement and a mark on our reading.

    Parameters
    ----------
    framework : Framework
        The framework.

    Returns
    -------
    str
        Several paragraphs, at most 100 characters wide.

    Examples
    --------
    >>> from leadml.frameworks import load_framework
    >>> print(describe(load_framework("champ")))
    CHAMP (champ)
    Puts the organisation's pain first; priority follows from pain. [000, CHAMP]
    ...
    """
    return "\n".join(_lines(framework))


def _lines(framework: Framework) -> Iterator[str]:
    yield f"{framework.title} ({framework.id})"
    yield _said(framework.summary, framework.source, framework.summary_from, indent=0)
    yield ""
    yield "Criteria"
    for criterion in framework.criteria:
        reads = (
            ""
            if criterion.title.lower() == criterion.id
            else f" (reads the canonical criterion {criterion.id})"
        )
        yield f"  {criterion.title}{reads}"
        yield _said(criterion.question, criterion.source, criterion.question_from, indent=4)
        yield f"    levels{_mark(criterion.rubric_from)}"
        for level, meaning in enumerate(criterion.rubric):
            yield _wrapped(f"{level}  {meaning}", indent=6)
    yield ""
    yield "Rules"
    for policy in framework.policies:
        yield from _policy_lines(policy)
    claims = [claim for claim in (framework.judging_order, framework.order_claim) if claim]
    if framework.gates:
        yield ""
        yield "Gates"
        for gate in framework.gates:
            yield _said(gate.text, gate.source, gate.basis, indent=2)
            yield _wrapped(
                f"fails when {gate.criterion} is known and below {gate.below}{_mark(gate.below_from)}", 4
            )
    if claims:
        yield ""
        yield "Order"
        for claim in claims:
            yield _claim_line(claim)
    if framework.caveats:
        yield ""
        yield "Caveats"
        for caveat in framework.caveats:
            yield _said(caveat.text, caveat.source, caveat.basis, indent=2)
            facts = "; ".join(f"{fact} is {' or '.join(values)}" for fact, values in caveat.when.items())
            if facts:
                yield _wrapped(f"shown when {facts}{_mark(caveat.when_from)}", 4)
    for title, notes in (("Fit", framework.fit), ("Notes", framework.notes)):
        if notes:
            yield ""
            yield title
            for note in notes:
                yield _said(note.text, note.source, note.basis, indent=2)


def _policy_lines(policy: Policy) -> Iterator[str]:
    by = f", attributed to {policy.attributed_to}" if policy.attributed_to else ""
    yield _wrapped(f"{policy.id}: {policy.title} [{policy.source}{by}]", 2)
    ends = [start - 1 for start in policy.band_starts[1:]] + [policy.total_max]
    for band, end in zip(policy.bands, ends, strict=True):
        scores = f"{band.from_}" if band.from_ == end else f"{band.from_}-{end}"
        yield _wrapped(f"{scores:>5}  {band.title}: {band.action}{_mark(band.basis)}", 4)
    for reading in policy.reading:
        yield _wrapped(f"our reading: {reading}", 4)


def _claim_line(claim: OrderClaim) -> str:
    by = f", {claim.attributed_to}" if claim.attributed_to and claim.attributed_to not in claim.source else ""
    return _said(claim.text, claim.source + by, claim.basis, indent=2)


def _said(text: str, source: str, basis: Basis, indent: int) -> str:
    return _wrapped(f"{text}{_mark(basis)} [{source}]", indent)


def _mark(basis: Basis) -> str:
    return " (our reading)" if basis == "our reading" else ""


def _wrapped(text: str, indent: int) -> str:
    return fill(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))
