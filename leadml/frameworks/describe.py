"""A framework in words, for a terminal, with the source of each statement and a mark on our reading."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from leadml.frameworks.model import Basis, Framework, Policy

WIDTH = 100


def describe(framework: Framework) -> str:
    """Describe a framework in plain text, at most 100 characters wide."""
    return "\n".join(_lines(framework))


def _lines(framework: Framework) -> Iterator[str]:
    yield f"{framework.title} ({framework.id})"
    if framework.summary:
        yield _said(framework.summary, framework.source, framework.summary_from, 0)
    yield "\nCriteria"
    for criterion in framework.criteria:
        is_renamed = criterion.title.lower() != criterion.id
        reads = f" (reads the canonical criterion {criterion.id})" if is_renamed else ""
        yield f"  {criterion.title}{reads}"
        yield _said(criterion.question, criterion.source, criterion.question_from, 4)
        yield f"    levels{_mark(criterion.rubric_from)}"
        yield from (_wrapped(f"{level}  {meaning}", 6) for level, meaning in enumerate(criterion.rubric))
    yield "\nRules"
    for policy in framework.policies:
        yield from _policy_lines(policy)
    if framework.gates:
        yield "\nGates"
    for gate in framework.gates:
        yield _said(gate.text, gate.source, gate.basis, 2)
        yield _wrapped(f"fails when {gate.criterion} is known and below {gate.below}{_mark(gate.below_from)}", 4)
    claims = [claim for claim in (framework.judging_order, framework.order_claim) if claim]
    if claims:
        yield "\nOrder"
    for claim in claims:
        is_named = claim.attributed_to and claim.attributed_to not in claim.source
        yield _said(claim.text, claim.source + (f", {claim.attributed_to}" if is_named else ""), claim.basis, 2)
    if framework.caveats:
        yield "\nCaveats"
    for caveat in framework.caveats:
        yield _said(caveat.text, caveat.source, caveat.basis, 2)
        facts = "; ".join(f"{fact} is {' or '.join(values)}" for fact, values in caveat.when.items())
        if facts:
            yield _wrapped(f"shown when {facts}{_mark(caveat.when_from)}", 4)
    for title, notes in (("Fit", framework.fit), ("Notes", framework.notes)):
        if notes:
            yield f"\n{title}"
        yield from (_said(note.text, note.source, note.basis, 2) for note in notes)


def _policy_lines(policy: Policy) -> Iterator[str]:
    by = f", attributed to {policy.attributed_to}" if policy.attributed_to else ""
    yield _wrapped(f"{policy.id}: {policy.title} [{policy.source}{by}]", 2)
    ends = [start - 1 for start in policy.band_starts[1:]] + [policy.total_max]
    for band, end in zip(policy.bands, ends, strict=True):
        scores = f"{band.from_}" if band.from_ == end else f"{band.from_}-{end}"
        yield _wrapped(f"{scores:>5}  {band.title}: {band.action}{_mark(band.basis)}", 4)
    if policy.weights:
        yield _wrapped("weights: " + ", ".join(f"{name} {times}x" for name, times in policy.weights.items()), 4)
    yield from (_wrapped(f"our reading: {reading}", 4) for reading in policy.reading)


def _said(text: str, source: str, basis: Basis, indent: int) -> str:
    return _wrapped(f"{text}{_mark(basis)} [{source}]" if source != "own" else text, indent)


def _mark(basis: Basis) -> str:
    return " (our reading)" if basis == "our reading" else ""


def _wrapped(text: str, indent: int) -> str:
    return fill(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))
