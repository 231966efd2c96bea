"""Scoring: documented rules alone, a stored card, or one lead in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from leadml.card import Card, card_from_policy, load_card
from leadml.exceptions import InputError, UsageError
from leadml.records import nearest

if TYPE_CHECKING:
    from leadml.engines import Totals
    from leadml.leads.mapping import Mapping
    from leadml.store import Model

__all__ = ["check_engine", "explain_lead", "load_model", "open_card", "predict_file", "qualify_file"]

ENGINES = ("local", "spark")
"""Where the work is done: on this machine, or by Spark."""

Source = str | os.PathLike[str]
Say = Callable[[str], None]


def _quiet(message: str) -> None:
    """Say nothing."""


def open_card(ref: Source, store_root: Source | None = None) -> Card:
    """Load the card that a model reference names, wherever it is kept.

    Parameters
    ----------
    ref : str or path
        ``NAME``, ``NAME@VERSION``, the path of a card, or ``models:/...`` and ``runs:/...`` of MLflow.
    store_root : str or path, optional
        Folder of the store.

    Returns
    -------
    Card
        The card, checked.

    Raises
    ------
    ModelRefError
        When the reference names none.
    """
    ref = os.fspath(ref)
    if ref.endswith(".json") and os.path.isfile(ref):  # noqa: PTH113
        return load_card(ref)  # a card of its own needs no store
    from leadml.store import Store, is_tracked

    if is_tracked(ref):
        from leadml.tracking import resolve_model_uri

        return load_card(resolve_model_uri(ref))
    return Store(store_root).load(ref)


def load_model(ref: Source, store_root: Source | None = None) -> Model:
    """Load a model, wherever it is kept.

    Parameters
    ----------
    ref : str or path
        ``NAME``, ``NAME@VERSION``, the path of a card, or ``models:/...`` and ``runs:/...`` of MLflow.
    store_root : str or path, optional
        Folder of the store; ``LEADML_STORE`` or ``models_store`` when not given.

    Returns
    -------
    Model
        Its ``card``, its ``predict(frame)``, and its estimator when it is in the store.

    Raises
    ------
    ModelRefError
        When the reference names none.
    """
    from leadml.store import Model, is_tracked
    from leadml.store import load_model as load_stored

    ref = os.fspath(ref)
    return Model(open_card(ref)) if is_tracked(ref) else load_stored(ref, store_root)


def predict_file(
    source: Source,
    mapping_path: Source,
    ref: Source,
    out: str,
    *,
    store_root: Source | None = None,
    columns: str | Sequence[str] | None = None,
    keep_columns: bool = False,
    query: str | None = None,
    table: str | None = None,
    engine: str = "local",
    say: Say = _quiet,
) -> Totals:
    """Score new leads with a card.

    Parameters
    ----------
    source : str or path
        The leads.
    mapping_path : str or path
        What their columns mean.
    ref : str or path
        The model; see `open_card`.
    out : str
        A file by its ending, or ``-`` for standard output.
    store_root : str or path, optional
        Folder of the store.
    columns : str or sequence of str, optional
        Which columns to write after the lead's identity, a text joined by commas; all of them when absent.
    keep_columns : bool
        Whether the columns of the export come along.
    query : str, optional
        What to ask of a database as source.
    table : str, optional
        The table to make in a database as destination.
    engine : str
        One of `ENGINES`.
    say : callable
        Takes a message for the user.

    Returns
    -------
    Totals
        Rows read, scored and rejected.

    Raises
    ------
    LeadmlError
        Naming what cannot be used.
    """
    from leadml.leads.known import open_mapping

    check_engine(engine)
    score: Callable[..., Totals]
    if engine == "spark":
        from leadml.engines.spark import score_with_spark as score
    else:
        from leadml.engines import score_table as score
        from leadml.engines.writers import check_out

        check_out(out, source, table)
    card = open_card(ref, store_root)
    mapping = open_mapping(mapping_path)
    told = [name.strip() for name in columns.split(",")] if isinstance(columns, str) else columns
    return score(
        source, mapping, [card], out, told=told, keep_columns=keep_columns, query=query, into=table, say=say
    )


def check_engine(engine: str) -> str:
    """Refuse an engine that there is not.

    Parameters
    ----------
    engine : str
        Its name.

    Returns
    -------
    str
        The name.

    Raises
    ------
    UsageError
        Naming the engines.

    Examples
    --------
    >>> check_engine("sparks")
    Traceback (most recent call last):
    leadml.exceptions.UsageError: --engine: got 'sparks', valid are local, spark...
    """
    if engine not in ENGINES:
        raise UsageError(
            f"--engine: got {engine!r}, valid are {', '.join(ENGINES)}{nearest(engine, ENGINES)}"
        )
    return engine


def qualify_file(
    source: Source,
    mapping_path: Source,
    out: str,
    *,
    policies: Sequence[str] | None = None,
    met_level: int = 2,
    keep_columns: bool = False,
    query: str | None = None,
    table: str | None = None,
    say: Say = _quiet,
) -> Totals:
    """Judge leads by documented rules alone; nothing is learned, so there is no probability.

    Parameters
    ----------
    source : str or path
        The leads.
    mapping_path : str or path
        What their columns mean.
    out : str
        A file by its ending, or ``-`` for standard output. One row a lead and policy, named in ``policy``.
    policies : sequence of str, optional
        Ids of documented policies. When absent, all of every framework with at least one mapped criterion,
        and ``contactable`` when that is mapped.
    met_level : int
        The level, 1 to 4, from which a criterion counts as met.
    keep_columns : bool
        Whether the columns of the export come along.
    query : str, optional
        What to ask of a database as source.
    table : str, optional
        The table to make in a database as destination.
    say : callable
        Takes a message for the user.

    Returns
    -------
    Totals
        Rows read, scored and rejected.

    Raises
    ------
    LeadmlError
        Naming what cannot be used.
    """
    from leadml.engines import score_table
    from leadml.engines.writers import check_out
    from leadml.leads.known import open_mapping

    check_out(out, source, table)
    mapping = open_mapping(mapping_path)
    cards = policy_cards(mapping, policies, met_level)
    if policies is None:
        say(f"policies: {', '.join(card.name for card in cards)}")
    return score_table(
        source,
        mapping,
        cards,
        out,
        keep_columns=keep_columns,
        name_policy=True,
        query=query,
        into=table,
        say=say,
    )


def policy_cards(mapping: Mapping, policies: Sequence[str] | None, met_level: int = 2) -> list[Card]:
    """Make the cards of documented policies.

    Parameters
    ----------
    mapping : Mapping
        What is known of a lead.
    policies : sequence of str or None
        Their ids; None for all that the mapping can say something about.
    met_level : int
        The level, 1 to 4, from which a criterion counts as met.

    Returns
    -------
    list of Card
        One a policy.

    Raises
    ------
    UsageError
        When there is no policy of an id, none is left, or `met_level` is no such level.
    """
    from leadml.frameworks import list_policies, load_framework, load_policy

    if not 1 <= met_level <= 4:
        raise UsageError(f"--met-level: got {met_level}, valid is a level from 1 to 4")
    if policies:
        chosen = [load_policy(policy_id) for policy_id in dict.fromkeys(policies)]
    else:
        mapped = {*mapping.mapped, *(["contactable"] if mapping.contactable else [])}
        chosen = [each for each in list_policies() if mapped & {*(each.criteria or [each.unit])}]
        if not chosen:
            raise UsageError(f"mapping {mapping.name!r} maps no criterion; add at least one under criteria")
    return [
        card_from_policy(
            policy, load_framework(policy.framework) if policy.framework else None, met_level=met_level
        )
        for policy in chosen
    ]


def explain_lead(
    source: Source, mapping_path: Source, ref: Source, lead_id: str, *, store_root: Source | None = None
) -> str:
    """Explain one lead in words and points.

    Parameters
    ----------
    source : str or path
        The leads.
    mapping_path : str or path
        What their columns mean.
    ref : str or path
        The model; see `open_card`.
    lead_id : str
        Its identity: what the mapping's column of identities holds, or the row number, from 1.
    store_root : str or path, optional
        Folder of the store.

    Returns
    -------
    str
        Several lines.

    Raises
    ------
    InputError
        When there is no such lead, or it cannot be scored.
    """
    from leadml.engines import Scorer
    from leadml.leads.known import open_mapping
    from leadml.leads.tables import open_table

    card = open_card(ref, store_root)
    mapping = open_mapping(mapping_path)
    table = open_table(source, mapping.read)
    scorer = Scorer(table, mapping, [card])
    first: list[str] = []
    for chunk in table.chunks(scorer.columns):
        ids = scorer.ids(chunk)
        first = first or ids[:3]
        if lead_id not in ids:
            continue
        one = scorer.take(chunk, ids.index(lead_id))
        batch, rejected, _ = scorer.score(one)
        if rejected:
            faults = "; ".join(f"{each.column}: {each.value!r} {each.reason}" for each in rejected)
            raise InputError(f"{table.source}: lead {lead_id!r} (row {rejected[0].row}): {faults}")
        return "\n".join(_explain(card, batch.to_pylist()[0], scorer.levels(one)))
    known = mapping.lead_id or "the row number, from 1"
    raise InputError(
        f"{table.source}: no lead {lead_id!r}; leads are known by {known}, for instance {', '.join(first)}"
    )


def _explain(card: Card, row: dict[str, Any], levels: dict[str, int | None]) -> list[str]:
    """Put one scored lead into lines."""
    band = next(each for each in card.bands if each.id == row["band"])
    lines = [f"Lead {row['lead_id']} by {card.model}: {row['decision']}"]
    score = f"{row['points']} of {row['points_max']} points"
    if row["probability"] is not None:
        total = card.table[row["points"]]
        score += (
            f", {total.probability:.0%} chance of winning (95% interval {total.low:.0%} to {total.high:.0%})"
        )
    lines += [f"  {score}", f"  band: {band.title} (from {band.from_} points); action: {row['action']}"]
    lines += [f"  followed up from {card.cutoff} points", "", "Points"]
    width = max(len(each.title) for each in card.criteria)
    for each in card.criteria:
        level = levels[each.id]
        earned = each.unknown_points if level is None else each.points[level]
        what = "unknown" if level is None else f"level {level}"
        lines.append(f"  {each.title:<{width}}  {what:<8} {earned:>3} of {each.points[4]}")
    lines.append("")
    if not row["unknown"]:
        lines.append("Every criterion is known.")
    elif row["settled"]:
        lines.append(f"Unknown: {row['unknown']}. No answer changes the band, so nothing more need be asked.")
    else:
        lines.append(f"Unknown: {row['unknown']}. The total could be {row['low']} to {row['high']}.")
    if row["ask_next"]:
        title = next(each.title for each in card.criteria if each.id == row["ask_next"])
        lines.append(f"Ask next about: {title}.")
    applies = row["caveats"].split("; ")
    for caveat in card.caveats:
        if caveat.id in applies:
            lines.append(f"Caveat ({caveat.id}): {caveat.text}")
    for gate in card.gates:
        if f"gate failed: {gate.criterion}" in applies:
            lines.append(f"Disqualified: {gate.text}")
        elif f"gate open: {gate.criterion}" in applies:
            lines.append(f"Not known yet, and could disqualify: {gate.criterion}. {gate.text}")
    return lines
