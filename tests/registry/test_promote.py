"""Promotion compares decisions, asks for a reason, and refuses what is worse beyond noise."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leadml.card.record import Card
from leadml.data.deals import Leads
from leadml.estimators.patterns import PatternCounts
from leadml.evaluation.log import Entries, Log
from leadml.exceptions import StoreError, UsageError
from leadml.registry import promote as gate
from leadml.registry.evidence import DEAL_COUNTS, HELD_OUT, counts_file, held_out_file
from leadml.registry.promote import Comparison, compare, promote
from leadml.registry.versions import champion_of, list_versions, read_history, save_version

from .conftest import AT, make_card


def make_deals(n: int = 400, seed: int = 0, flip: bool = False) -> Leads:
    """Deals that win more the more points they have (or the fewer)."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 5, (n, 2)).astype(np.uint8)
    chance = 0.1 + 0.1 * codes.sum(axis=1)
    won = rng.random(n) < (1 - chance if flip else chance)
    return Leads(("need", "budget"), codes, won.astype(np.int8), source="deals.csv")


def counts_of(deals: Leads, times: int = 1) -> bytes:
    """Content of deal_counts.parquet."""
    counts = PatternCounts.from_codes(deals.codes, deals.outcome)
    return counts_file(dict(zip(deals.criteria, counts.codes.T, strict=True)), counts.won * times, counts.lost * times)


def store_two(root: Path, first: Any, second: Any, **files: Any) -> None:
    save_version("bant", first, at=AT, store_root=root, **files)
    save_version("bant", second, at=AT, store_root=root, **files)


def compared(root: Path, new: Card, old: Card, leads: Leads | None = None, ratio: float | None = None) -> Comparison:
    """Compare new@1 with old@1."""
    versions = [save_version(uuid.uuid4().hex, each, at=AT, store_root=root) for each in (new, old)]
    named = [dataclasses.replace(each, name=name) for each, name in zip(versions, ("new", "old"), strict=True)]
    return compare(*named, leads, ratio)


def with_points(*points: tuple[int, ...]) -> Card:
    """The card with other points at the levels of need and budget."""
    rows = zip(make_card(5).criteria, points, strict=True)
    return make_card(5, criteria=[{**each.model_dump(), "points": own} for each, own in rows])


def weighted(need: int, budget: int) -> Card:
    """All points at level 4."""
    return with_points((0, 0, 0, 0, need), (0, 0, 0, 0, budget))


def upside_down() -> Card:
    return with_points((4, 3, 2, 1, 0), (4, 3, 2, 1, 0))


def test_a_reason_is_always_asked_for(tmp_path: Path) -> None:
    store_two(tmp_path, make_card(5), make_card(4))
    for because in (None, "", "  "):
        with pytest.raises(UsageError, match="--because: no reason was given"):
            promote("bant@2", because=because, at=AT, store_root=tmp_path)


def test_a_cutoff_from_3_to_0_is_not_alike_but_refused(tmp_path: Path) -> None:
    store_two(tmp_path, make_card(3), make_card(0))
    with pytest.raises(
        StoreError, match=r"(?s)bant@2 is not promoted.*move from drop to follow up.*follows up every lead"
    ):
        promote("bant@2", because="more calls", at=AT, store_root=tmp_path)
    with pytest.raises(StoreError, match="50 leads move from drop to follow up"):
        promote("bant@2", because="more calls", at=AT, leads=make_deals(50), store_root=tmp_path)
    done = promote("bant@2", because="more calls", at=AT, force=True, store_root=tmp_path)
    assert (done[0].since.forced, done[0].status) == (True, "champion")
    event = read_history("bant", tmp_path)[-1]
    assert (event.forced, event.because, "move from drop" in str(event.evidence)) == (True, "more calls", True)
    back = promote("bant@1", because="too many calls", at=AT, store_root=tmp_path)  # to roll back is to promote
    assert back[0].status == "champion"


def test_leads_that_move_are_counted_and_priced(tmp_path: Path) -> None:
    deals, cards = make_deals(), (make_card(3), make_card(5))
    points = deals.codes.sum(axis=1)
    moved = int(((points >= 3) & (points < 5)).sum())
    found = compared(tmp_path, *cards, deals)
    assert found.outcome == "moved"  # without a cost more follow-ups are neither better nor worse
    assert f"{moved} of 400 leads move from nurture to follow up" in found.sentence
    assert f"{moved} follow-ups more" in found.sentence
    assert "the better trade where a won deal is worth more than" in found.sentence
    assert compared(tmp_path, *cards, deals, ratio=50).outcome == "better"
    assert compared(tmp_path, *cards, deals, ratio=1.2).outcome == "worse"
    assert compared(tmp_path, *reversed(cards), deals, ratio=50).outcome == "worse"
    fewer = compared(tmp_path, *reversed(cards), deals).sentence
    assert "follow-ups fewer" in fewer
    assert "worth less than" in fewer
    words = {"drop": "no time", "follow up": "call"}  # for the same decisions
    bands = [each.model_dump(by_alias=True) for each in cards[0].bands]
    other = make_card(3, bands=[{**each, "action": words.get(each["action"], each["action"])} for each in bands])
    assert compared(tmp_path, other, cards[0], deals).outcome == "alike"
    text = compared(tmp_path, other, cards[1], deals).sentence
    assert f":\n  {moved} of 400 leads move from nurture to call.\nIt" in text
    same = compared(tmp_path, make_card(5), make_card(5), make_deals(30))
    assert (same.outcome, "new@1 decides exactly as old@1 does" in same.sentence) == ("alike", True)


def test_more_follow_ups_with_fewer_wins_say_so(tmp_path: Path) -> None:
    codes = np.repeat(np.array([[4, 0], [0, 4]], np.uint8), (6, 8), axis=0)  # need alone, budget alone
    outcome = np.array([1] * 5 + [0] + [1] + [0] * 7, np.int8)
    deals = Leads(("need", "budget"), codes, outcome, source="deals.csv")
    by_need, by_budget = weighted(8, 0), weighted(0, 8)
    found = compared(tmp_path, by_budget, by_need, deals).sentence
    assert "2 follow-ups more, 4 wins fewer" in found
    assert "better trade" not in found
    assert "2 follow-ups fewer, 4 wins more" in compared(tmp_path, by_need, by_budget, deals).sentence


def test_what_moves_in_some_repeats_only_is_no_move_and_no_follow_up(monkeypatch, tmp_path: Path) -> None:
    outcome, score = np.tile(np.array([1, 0], np.int8), 60), np.arange(120.0)
    leave = np.full(120, "leave")
    log = gate.log_of(outcome, [(score, np.where(outcome == 1, low, 0.2)) for low in (0.2, 0.1997)])
    found = gate.Evidence("some", log, [leave, leave])
    monkeypatch.setattr(gate, "gather", lambda *_: found)
    text = compared(tmp_path, make_card(3), make_card(5)).sentence
    assert "leave to leave" not in text
    assert "better trade" not in text
    assert gate._change(-0.2, "follow-up") == "as many follow-ups"


def test_the_ratio_of_the_calibration_is_in_force(tmp_path: Path) -> None:
    store_two(tmp_path, make_card(5), make_card(3), ratio=1.2)
    with pytest.raises(StoreError, match=r"A won deal being worth 1\.2 follow-ups"):
        promote("bant@2", because="x", at=AT, leads=make_deals(), store_root=tmp_path)
    assert promote("bant", because="x", at=AT, leads=make_deals(), ratio=50, store_root=tmp_path)[0].since.because
    again = promote("bant", because="y", at=AT, store_root=tmp_path)
    assert (again[0].since.because, again[1] and "already" in again[1].sentence) == ("x", True)


def test_leads_without_outcomes_tell_no_worth(tmp_path: Path) -> None:
    leads = Leads(("need", "budget"), make_deals(50).codes, source="new.csv")
    found = compared(tmp_path, make_card(3), make_card(5), leads)
    assert found.outcome == "moved"
    assert "What that is worth is not known, as none of these is closed" in found.sentence
    never = make_card(9, bands=[{"id": "drop", "title": "Drop", "from": 0, "action": "drop", "decision": "no-match"}])
    found = compared(tmp_path, never, make_card(5), leads)
    assert (found.outcome, "follows up no lead" in found.sentence) == ("worse", True)


def test_deals_that_a_version_learned_from_stand_in(tmp_path: Path) -> None:
    for times, n in ((1, "400"), (1000, "100,000")):  # of very many a sample
        root = tmp_path / n
        save_version("bant", make_card(5), at=AT, store_root=root, files={DEAL_COUNTS: counts_of(make_deals(), times)})
        save_version("bant", upside_down(), at=AT, store_root=root)
        worse = rf"(?s)the deals beside bant@1.* of {n} leads.*worse than bant@1 beyond noise"
        with pytest.raises(StoreError, match=worse):
            promote("bant@2", because="x", at=AT, store_root=root)


def test_on_deals_that_the_champion_has_seen_nobody_is_worse_but_a_loss_asks_for_force(tmp_path: Path) -> None:
    deals = make_deals()
    learned = make_card(5, table=True, provenance={"as_of": "2024-11-11"})
    save_version("bant", learned, at=AT, store_root=tmp_path, files={DEAL_COUNTS: counts_of(deals)})
    save_version("bant", upside_down(), at=AT, store_root=tmp_path)
    old = dataclasses.replace(deals, closed=np.full(400, 20_000, np.int32))
    new = dataclasses.replace(deals, closed=np.full(400, 20_100, np.int32))
    with pytest.raises(StoreError, match="worse than bant@1 beyond noise"):  # closed since
        promote("bant@2", because="x", at=AT, leads=new, store_root=tmp_path)
    for leads in (old, None):
        with pytest.raises(StoreError, match=r"(?s)bant@1 has seen these deals.* but it loses on them.*--force"):
            promote("bant@2", because="x", at=AT, leads=leads, store_root=tmp_path)
        done = promote("bant@2", because="x", at=AT, leads=leads, store_root=tmp_path, force=True)
        assert done[1] is not None
        assert (done[1].outcome, done[0].since.forced) == ("loses", True)
        assert max(map(len, done[1].sentence.splitlines())) < 130
        promote("bant@1", because="back", at=AT, store_root=tmp_path, force=True)


def test_a_candidate_that_learned_from_the_deals_is_said_and_is_not_better(tmp_path: Path) -> None:
    learned = make_card(5, table=True, provenance={"as_of": "2024-11-11", "data_digest": "a"})
    beside = {DEAL_COUNTS: counts_of(make_deals(flip=True))}
    rule = save_version(
        "bant", learned.model_copy(update={"kind": "documented", "table": ()}), at=AT, store_root=tmp_path, files=beside
    )
    upside = upside_down().model_copy(
        update={"kind": "learned", "table": learned.table, "provenance": learned.provenance}
    )
    new = save_version("bant", upside, at=AT, store_root=tmp_path, files=beside)
    found = compare(new, rule)
    assert found.outcome == "moved"
    assert "On the deals that bant@2 learned from" in found.sentence
    assert "bant@2 has seen these deals, which favours it.\nThese leads cannot tell" in found.sentence
    both = compare(new, save_version("bant", learned, at=AT, store_root=tmp_path, files=beside))
    assert "bant@3 and bant@2 have seen these deals, which favours them" in both.sentence


def test_more_wins_by_no_more_follow_ups_are_better_without_a_ratio(tmp_path: Path) -> None:
    codes = np.repeat(np.array([[4, 0], [0, 4]], np.uint8), 60, axis=0)
    deals = Leads(("need", "budget"), codes, np.repeat(np.array([0, 1], np.int8), 60), source="deals.csv")
    by_need, by_budget = weighted(8, 0), weighted(0, 8)
    found = compared(tmp_path, by_budget, by_need, deals)
    assert (found.outcome, "as many follow-ups, 60 wins more" in found.sentence) == ("better", True)


def test_deals_that_were_all_known_are_no_open_leads(tmp_path: Path) -> None:
    deals = make_deals(50)
    outcome, closed = np.append(np.asarray(deals.outcome)[:40], np.full(10, -1, np.int8)), np.full(50, 20_000, np.int32)
    known = {"table": True, "provenance": {"as_of": "2099-01-01"}}
    some_open = dataclasses.replace(deals, outcome=outcome, closed=closed)
    text = compared(tmp_path, make_card(3, **known), make_card(5, **known), some_open).sentence
    assert "(all 40 closed deals are ones that a card knew; give an export of a later day)" in text
    assert " of 10 leads move" in text
    assert "as none of these is closed" in text


@pytest.mark.parametrize(("lost", "outcome"), [(1, "moved"), (4, "loses"), (30, "worse")])
def test_a_loss_within_noise_asks_for_force_unless_it_is_too_small_to_matter(
    tmp_path: Path, lost: int, outcome: str
) -> None:
    kinds = np.array([[4, 0], [0, 4], [4, 4]], np.uint8)  # need alone, budget alone, both
    codes, wins = np.repeat(kinds, (60, 60, 170), axis=0), np.zeros(290, np.int8)
    wins[:30], wins[60 : 60 + 30 - lost], wins[120:] = 1, 1, 1
    deals = Leads(("need", "budget"), codes, wins, source="deals.csv")
    store_two(tmp_path, weighted(5, 3), weighted(3, 5))
    found = compare(*reversed(list_versions("bant", tmp_path)), deals)
    assert (found.outcome, found.needs_force) == (outcome, outcome != "moved")
    if outcome == "loses":
        assert "cannot tell which of bant@2 and bant@1 is better, but it loses on them." in found.sentence
        with pytest.raises(StoreError, match="--force"):
            promote("bant@2", because="x", at=AT, leads=deals, store_root=tmp_path)
        result = b'{"settings": {"smallest_gain": 0.1}}'  # to some firms so little does not matter
        save_version("bant", weighted(3, 5), at=AT, files={"result.json": result}, store_root=tmp_path)
        first, *_, last = list_versions("bant", tmp_path)
        assert compare(last, first, deals).outcome == "moved"


def make_log(deals: Leads, score: Any, decision: Any, ids: list[str] | None = None) -> Log:
    import pyarrow as pa

    n = len(deals)
    zeros = np.zeros(n, np.int32)
    said = Entries(np.asarray(score, float), np.full(n, np.nan), np.asarray(decision, float))
    outcome: Any = deals.outcome
    names = pa.array(ids or [str(i) for i in range(n)])
    return Log(np.arange(n), zeros, zeros, outcome, np.arange(n), np.ones(n), lead_id=names, entries={"card": said})


def test_the_held_out_log_that_both_share_comes_first(tmp_path: Path) -> None:
    deals = make_deals()
    points = deals.codes.sum(axis=1)
    good = held_out_file(make_log(deals, points, points >= 5), "card")
    bad = held_out_file(make_log(deals, -points, points < 4), "card")
    save_version("bant", make_card(5), at=AT, store_root=tmp_path, files={HELD_OUT: good})
    save_version("bant", make_card(4), at=AT, store_root=tmp_path, files={HELD_OUT: bad})
    with pytest.raises(StoreError, match=r"(?s)400 deals that both calibrations held out.*worse"):
        promote("bant@2", because="x", at=AT, store_root=tmp_path)
    # Row numbers of another file mean nothing.
    other = held_out_file(make_log(make_deals(seed=1), points, points >= 5), "card")
    save_version("bant", make_card(3), at=AT, store_root=tmp_path, files={HELD_OUT: other})
    done = promote("bant@3", because="x", at=AT, store_root=tmp_path)
    assert done[1] is not None
    assert "On all possible answers" in done[1].sentence
    now = champion_of("bant", tmp_path)
    assert now is not None
    assert now.version == 3


def test_deals_that_a_card_learned_from_do_not_count(tmp_path: Path) -> None:
    deals = make_deals(60)
    dated = dataclasses.replace(deals, closed=np.arange(20_000, 20_060, dtype=np.int32))
    for as_of, leads, n in (("2024-11-11", dated, 21), ("2099-01-01", dated, 60), ("soon", dated, 60),
                            ("2024-11-11", deals, 60)):  # fmt: skip
        known = {"table": True, "provenance": {"as_of": as_of}}
        found = compared(tmp_path, make_card(3, **known), make_card(5, **known), leads)
        assert f" of {n} leads move" in found.sentence
        assert "It ranks them alike" in found.sentence
