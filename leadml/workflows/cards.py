"""The cards that a calibration leaves behind: points, probabilities, cut-off and bands, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.card import Card, build_card
from leadml.decisions.cutoff import Consequences, cutoff_at_capacity, cutoff_at_probability
from leadml.estimators.design import points_of
from leadml.estimators.integer_points import (
    IntegerCard,
    count_by_total,
    find_integer_card,
    fit_lines,
    round_points,
    total_points,
)
from leadml.estimators.monotone_fit import Path, cross_validate_strengths, fit_scorecards, make_grid
from leadml.evaluation.bootstrap import Figure, to_figure
from leadml.evaluation.line import probability_figures
from leadml.frameworks import Policy
from leadml.workflows.bands import describe_bands, lay_bands
from leadml.workflows.contenders import INNER_FOLDS, Frame
from leadml.workflows.experiment import Bands
from leadml.workflows.judge import Resampled

Array = NDArray[Any]


@dataclass(frozen=True)
class Learned:
    """What all closed deals teach about a framework.

    Attributes
    ----------
    full : array of shape (1 + 5 * n_criteria,)
        Real-valued coefficients.
    shrink, smooth : float
        Strengths a deal that were chosen.
    path : Path
        Losses along the strengths.
    weights_path : list of arrays of shape (n_criteria,)
        Log-odds of level 4 along the strengths.
    integer : IntegerCard
        Whole points.
    """

    full: Array
    shrink: float
    smooth: float
    path: Path
    weights_path: list[Array]
    integer: IntegerCard


def learn_all(frame: Frame, inner: Array) -> Learned:
    """Learn a framework's card from all closed deals.

    Parameters
    ----------
    frame : Frame
        The deals.
    inner : int array of shape (n_keys,)
        Inner fold of each key, for choosing the strengths.

    Returns
    -------
    Learned
        Coefficients, strengths and whole points.
    """
    table, documented = frame.table, frame.documented_points
    won, total = table.counts()
    folds = [table.weigh((inner == f)[None].astype(float)) for f in range(INNER_FOLDS)]
    inner_won, inner_total = (np.stack(part, axis=1) for part in zip(*folds, strict=True))
    grid = make_grid(steps=True)
    path = cross_validate_strengths(
        table.levels, inner_won, inner_total, documented_points=documented, grid=grid
    )
    chosen = path.choose()[0]
    size = float(total.sum())
    along = [
        fit_scorecards(
            table.levels,
            won,
            total,
            documented_points=documented,
            shrink=shrink * size,
            smooth=smooth * size,
        )[0]
        for shrink, smooth in grid
    ]
    full = along[grid.index((chosen.shrink, chosen.smooth))]
    integer = find_integer_card(
        table.levels,
        won,
        total,
        full,
        documented_points=documented,
    )
    tops = [points_of(each)[0][:, -1] for each in along]
    return Learned(full, chosen.shrink, chosen.smooth, path, tops, integer)


@dataclass(frozen=True)
class CardDraft:
    """A card with the intervals that do not fit on it.

    Attributes
    ----------
    card : Card
        Ready to be stored.
    cutoff : Figure
        Cut-off with its interval over the whole pipeline.
    bands : list of dict
        id, title, from, action, low, high.
    """

    card: Card
    cutoff: Figure
    bands: list[dict[str, Any]]


def draft_learned_card(
    frame: Frame,
    learned: Learned,
    drawn: Resampled,
    consequences: Consequences,
    bands_from: Policy,
    bands: Bands,
    **about: Any,
) -> CardDraft:
    """Make the card of whole points.

    Parameters
    ----------
    frame : Frame
        The deals as the framework sees them.
    learned : Learned
        Its points.
    drawn : Resampled
        The deals, drawn again: points, line and cut-off are made anew in every draw for the intervals.
    consequences : Consequences
        What decides the cut-off.
    bands_from : Policy
        Documented bands, whose shares of leads are kept unless `bands` says otherwise.
    bands : Bands
        Where bands begin.
    **about
        name, created_at, provenance of the card.

    Returns
    -------
    CardDraft
        The card and its intervals.
    """
    table, total_max = frame.table, frame.total_max
    totals = learned.integer.totals(table.levels)
    points, unknown_points = round_points(*points_of(drawn.full), frame.documented_points)
    again = total_points(table.levels, points, unknown_points)
    again[0] = totals
    return _draft(
        frame,
        totals,
        again,
        drawn,
        consequences,
        bands_from,
        bands,
        total_max,
        points=learned.integer.points,
        unknown_points=learned.integer.unknown_points,
        documented_points=frame.documented_points,
        **about,
    )


def draft_documented_card(
    frame: Frame,
    policy: Policy,
    drawn: Resampled,
    consequences: Consequences,
    bands_from: Policy,
    bands: Bands,
    met_level: int,
    floor: int = 0,
    **about: Any,
) -> CardDraft:
    """Make the card of a documented score, calibrated and with a learned cut-off.

    Parameters
    ----------
    frame : Frame
        The deals as the framework sees them.
    policy : Policy
        Gives the unit of the score.
    drawn : Resampled
        The deals, drawn again.
    consequences : Consequences
        What decides the cut-off.
    bands_from : Policy
        Documented bands, whose shares of leads are kept unless `bands` says otherwise.
    bands : Bands
        Where bands begin.
    met_level : int
        Level from which a criterion is met.
    floor : int
        Lowest cut-off that can be judged.
    **about
        name, created_at, provenance of the card.

    Returns
    -------
    CardDraft
        The card and its intervals.
    """
    totals = frame.documented_totals(policy, met_level)
    k = len(frame.framework.criteria)
    steps = np.arange(5) if policy.unit == "points" else (np.arange(5) >= met_level).astype(int)
    points = np.tile(steps, (k, 1))
    return _draft(
        frame,
        totals,
        totals,
        drawn,
        consequences,
        bands_from,
        bands,
        policy.total_max,
        points=points,
        unknown_points=np.zeros(k, dtype=int),
        documented_points=points,
        met_level=met_level,
        floor=floor,
        **about,
    )


def _draft(
    frame: Frame,
    totals: Array,
    again: Array,
    drawn: Resampled,
    consequences: Consequences,
    bands_from: Policy,
    settings: Bands,
    total_max: int,
    *,
    points: Array,
    unknown_points: Array,
    documented_points: Array,
    floor: int = 0,
    **about: Any,
) -> CardDraft:
    line, _ = fit_lines(totals, drawn.won, drawn.total, total_max)
    again_line, _ = fit_lines(again, drawn.won, drawn.total, total_max)
    _, again_by = count_by_total(again, drawn.won, drawn.total, total_max)
    threshold = consequences.threshold(drawn.base_rate)
    if consequences.share is not None:
        cutoffs = cutoff_at_capacity(again_by, consequences.share)
    else:
        cutoffs = cutoff_at_probability(again_line[:, 0], again_line[:, 1], threshold, total_max)
    cutoffs = np.maximum(cutoffs, floor)
    cutoff = int(cutoffs[0])
    documented_by = count_by_total(
        frame.documented_totals(bands_from, about.get("met_level", 2)),
        drawn.won,
        drawn.total,
        bands_from.total_max,
    )[1]
    laid = lay_bands(settings, bands_from, cutoffs, again_line, threshold, again_by, documented_by)
    bands = describe_bands(laid, total_max)
    won_by, total_by = count_by_total(totals, drawn.won[:1], drawn.total[:1], total_max)
    table = [
        {"points": total, "probability": figure.value, "low": figure.low, "high": figure.high}
        for total, figure in enumerate(probability_figures(line, won_by[0], total_by[0]))
    ]
    card = build_card(
        framework=frame.framework,
        kind="learned",
        criteria=frame.framework.criteria,
        points=points.tolist(),
        unknown_points=unknown_points.tolist(),
        documented_points=documented_points.tolist(),
        base=float(line[0, 0]),
        slope=float(line[0, 1]),
        table=table,
        bands=[{k: v for k, v in band.items() if k not in ("low", "high")} for band in bands],
        cutoff=cutoff,
        **about,
    )
    return CardDraft(card, to_figure(cutoffs), bands)
