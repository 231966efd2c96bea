"""A framework in words, for a terminal, with the source of each statement and a mark on our reading."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from leadml.frameworks.model import Basis, Caveat, Framework, Gate, Policy

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
        yield f"  {criterion.title}{f' (reads the canonical criterion {criterion.id})' if is_renamed else ''}"
        yield _said(criterion.question, criterion.source, criterion.question_from, 4)
        yield f"    levels{_mark(criterion.rubric_from)}"
        yield from (_wrapped(f"{level}  {meaning}", 6) for level, meaning in enumerate(criterion.rubric))
    yield "\nRules"
    for policy in framework.policies:
        yield from _policy_lines(policy)
    claims = tuple(claim for claim in (framework.judging_order, framework.order_claim) if claim)
    parts = {"Gates": framework.gates, "Order": claims, "Caveats": framework.caveats, "Fit": framework.fit}
    for title, notes in (parts | {"Notes": framework.notes}).items():
        yield from [f"\n{title}"] * bool(notes)
        for note in notes:
            by = getattr(note, "attributed_to", None) or ""
            source = note.source if by in note.source else f"{note.source}, {by}"
            yield _said(note.text, source, note.basis, 2)
            if isinstance(note, Gate):
                what = f"fails when {note.criterion} is known and below {note.below}{_mark(note.below_from)}"
                yield _wrapped(what, 4)
            elif isinstance(note, Caveat) and note.when:
                facts = "; ".join(f"{fact} is {' or '.join(values)}" for fact, values in note.when.items())
                yield _wrapped(f"shown when {facts}{_mark(note.when_from)}", 4)


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
