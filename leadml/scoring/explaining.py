"""Explain one lead (score, band, what earned points, what to ask) or describe a card, in words and points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.card.record import Card
from leadml.data.mapping import load_mapping
from leadml.data.sources import open_leads
from leadml.exceptions import InputError, UsageError
from leadml.scoring.face import estimator_of
from leadml.scoring.scorer import Options, Scorer
from leadml.terminal import Table, clean, format_blocks, percent

if TYPE_CHECKING:
    from leadml.data.deals import Leads


def explain(source: Any, mapping: Any, model: Any, lead_id: object, *, query: str | None = None) -> str:
    """Explain one lead in words and points.

    Parameters
    ----------
    source, mapping, model, query
        As in `predict`.
    lead_id : str or int
        What the mapping's column of identities holds; where none does, the number of the row, from 1.

    Returns
    -------
    str
        Several lines.

    Raises
    ------
    InputError
        There is no such lead, or it cannot be scored.

    Examples
    --------
    >>> import pandas as pd
    >>> from leadml.card.build import documented_card
    >>> from leadml.frameworks.catalog import load_policy
    >>> mapping = {"name": "ours", "criteria": {"need": {"column": "Need"}}}
    >>> print(explain(pd.DataFrame({"Need": [4]}), mapping, documented_card(load_policy("bant-points")), 1))
    Lead 1 by bant-points: wait
      4 of 16 points
    ...
    """
    card, lead_id, mapping = estimator_of(model), str(lead_id), load_mapping(mapping)
    if not isinstance(card, Card):
        how = "score it by leadml predict"
        raise UsageError(f"--model: only a card can explain itself, and this is a classifier; {how}")
    opened = open_leads(source, mapping, query)
    scorer = Scorer(opened, mapping, [card], Options(with_closed=True))
    known, first, found = mapping.lead_id or "the row number, from 1", list[str](), None
    for chunk in opened.chunks(scorer.columns):
        leads, usable, faults = scorer.read(chunk)
        ids, rows = leads.ids(), [str(row - opened.format.header_row) for row in chunk.rows.tolist()]
        first = first or ids[:3]
        for names in (rows, ids):
            if lead_id in names:
                at = names.index(lead_id)
                cells = chunk.table.slice(at, 1).to_pylist()[0]
                found = ids[at], chunk.rows[at], leads.take(np.array([at])), usable[at], faults, cells
        if lead_id in ids:  # else an identity further down may read the same
            break
    if found is None:
        also = ", or by their row from 1" if mapping.lead_id else ""
        told = f"leads are known by {known}, for instance {', '.join(first)}{also}"
        raise InputError(f"{opened.name}: no lead {lead_id!r}; {told}")
    name, row, lead, is_usable, faults, cells = found
    if not is_usable:
        why = "; ".join(f"{each.column}: {each.value!r} {each.reason}" for each in faults if each.row == row)
        raise InputError(f"{opened.name}: lead {name!r} (row {row}): {why}")
    head = [] if name == lead_id else [f"No {known} is {lead_id}: this is row {lead_id} below the header."]
    return "\n".join(
        [*head, *_lines(card, lead, name, {each: cells.get(mapping.column_of(each)) for each in lead.criteria})]
    )


def _lines(card: Card, lead: Leads, lead_id: str, held: dict[str, Any]) -> Iterator[str]:
    """What is said of a lead; `held` is what the CRM holds for its criteria."""
    scores = card.score(lead)
    row = scores.rows()[0]
    band = next(each for each in card.bands if each.id == row["band"])
    yield clean(f"Lead {lead_id} by {card.model}: {row['decision']}")
    score = f"  {row['points']} of {row['points_max']} points"
    if card.table:
        total = card.table[row["points"]]
        between = f"95% interval {total.low:.0%} to {total.high:.0%}"
        score += f", {total.probability:.0%} chance of winning ({between})"
    yield score
    yield f"  band: {band.title} (from {band.from_} points); action: {row['action']}"
    yield f"  followed up from {card.cutoff} points"
    yield from ("", "Points", *_point_lines(card, scores.answers.codes[scores.index[0]].tolist(), held), "")
    if not row["unknown"]:
        yield "Every criterion is known."
    elif row["settled"]:
        yield f"Unknown: {row['unknown']}. No answer changes the band, so nothing more need be asked."
    else:
        yield f"Unknown: {row['unknown']}. The total could be {row['low']} to {row['high']}."
    if row["ask_next"]:
        yield f"Ask next: {row['question']}"
        yield from (f"  {answer}" for answer in row["if_answered"].split("; "))
    applies = row["caveats"].split("; ")
    yield from (f"Caveat ({each.id}): {each.text}" for each in card.caveats if each.id in applies)
    for gate in card.gates:
        if f"gate failed: {gate.criterion}" in applies:
            yield f"Disqualified: {gate.text}"
        elif f"gate open: {gate.criterion}" in applies:
            yield f"Not known yet, and could disqualify: {gate.criterion}. {gate.text}"


def _point_lines(card: Card, codes: Sequence[int], held: dict[str, Any]) -> Iterator[str]:
    """What each row of the card earned: criteria by level (a word that is not ranked is shown), attributes by bin."""
    rows, n = [], len(card.criteria)
    for criterion, code in zip(card.criteria, codes, strict=False):
        is_known, cell = code < len(criterion.points), held.get(criterion.id)
        words = ", ".join(criterion.words.get(str(code), ())[:3]) if is_known else str(cell or "").strip()[:40]
        said = f"level {code}" if is_known else "unknown"
        rows.append((clean(criterion.title), clean(f"{said} ({words})" if words else said)))
    for attribute, code in zip(card.attributes, codes[n:], strict=False):
        said = [*(each.label for each in attribute.bins), "other", "unknown"][code]
        rows.append((clean(attribute.title), clean(said)))
    widths = max(len(title) for title, _ in rows), max(8, *(len(said) for _, said in rows))
    for (title, said), points, code in zip(rows, card.lookup.points, codes, strict=False):
        yield f"  {title:<{widths[0]}}  {said:<{widths[1]}} {points[code]:>3} of {points.max()}"


def describe_card(card: Card) -> str:
    """Describe a card: points of each level and value, bands, and who changed it by hand."""
    header = ["", *"01234", "unknown"]
    rows = [[each.title, *map(str, each.points), str(each.unknown_points)] for each in card.criteria]
    blocks: list[str | Table] = [Table("points at level", header, rows)]
    for each in card.attributes:
        rows = [[part.label, str(part.points)] for part in each.bins]
        rows += [["other", str(each.other_points)], ["unknown", str(each.unknown_points)]]
        blocks.append(Table(each.title, ["value", "points"], rows))
    chance = {row.points: f"from {percent(row.probability)}" for row in card.table}
    rows = [[str(b.from_), b.title, b.action, b.decision, chance.get(b.from_, "")] for b in card.bands]
    blocks.append(Table("bands", ["from", "band", "action", "decision", "chance of winning"], rows))
    if made := card.published:
        blocks.append(f"changed from {made.changed_from} by {made.by}, {made.at}: {made.because}")
    return format_blocks(blocks)
