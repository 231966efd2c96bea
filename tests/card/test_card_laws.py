"""Laws of every card, over random ones."""

import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadml.card import Card, build_card, load_card
from leadml.card.scores import COLUMNS
from leadml.exceptions import InputError, StoreError
from leadml.records import CANONICAL

DECISIONS = ["no-match", "wait", "ready"]
LEVELS = st.sampled_from([None, 0, 1, 2, 3, 4])


@st.composite
def cards(draw: Any, max_criteria: int = 4, gates: bool = True) -> Card:
    """Draw a learned card: any monotone points, bands, cut-off and gates."""
    ids = draw(st.lists(st.sampled_from(CANONICAL), min_size=1, max_size=max_criteria, unique=True))
    points = [
        [0, *np.cumsum(draw(st.lists(st.integers(0, 3), min_size=4, max_size=4))).tolist()] for _ in ids
    ]
    total = sum(row[4] for row in points)
    edges = [0, *sorted(draw(st.sets(st.integers(1, total + 1), max_size=4)))]
    cutoff = draw(st.sampled_from([*edges, total + 1]))
    slope, base = draw(st.floats(0, 1)), draw(st.floats(-4, 1))
    table = []
    for each in range(total + 1):
        probability = float(1 / (1 + np.exp(-(base + slope * each))))
        table.append((each, probability, probability * 0.8, (1 + probability) / 2))
    below = [edge for edge in edges if edge < cutoff]
    n_waits = draw(st.integers(0, len(below)))
    actions = {edge: "nurture" if position >= n_waits else "drop" for position, edge in enumerate(below)}
    return build_card(
        name="drawn",
        criteria=ids,
        points=points,
        unknown_points=[draw(st.integers(0, row[4])) for row in points],
        documented_points=[[0, 1, 2, 3, 4]] * len(ids),
        bands=[
            {
                "id": f"b{edge}",
                "title": f"from {edge}",
                "from": edge,
                "action": actions.get(edge, "follow up"),
            }
            for edge in edges
        ],
        cutoff=cutoff,
        created_at="2026-01-01",
        base=base,
        slope=slope,
        table=table,
        gates=[{"criterion": ids[0], "below": 1, "text": "no pain"}] if gates and draw(st.booleans()) else [],
        caveats=[
            {"id": "always", "text": "Always.", "when": {}},
            {"id": "repeat", "text": "On a repeat purchase.", "when": {"purchase": ["repeat"]}},
        ],
    )


@st.composite
def cards_and_leads(draw: Any, **how: Any) -> tuple[Card, dict[str, int | None]]:
    card = draw(cards(**how))
    return card, {each.id: draw(LEVELS) for each in card.criteria}


def fills(lead: dict[str, int | None]) -> Any:
    """Every way to answer all the unknowns of a lead."""
    unknown = [name for name, level in lead.items() if level is None]
    for answers in itertools.product(range(5), repeat=len(unknown)):
        yield lead | dict(zip(unknown, answers, strict=True))


@given(cards_and_leads())
@settings(deadline=None)
def test_reasons_sum_to_the_points(drawn: tuple[Card, dict[str, int | None]]) -> None:
    card, lead = drawn
    row = card.score_one(lead)
    earned = [int(each) for each in re.findall(r" \+(\d+)(?:;|$)", row["reasons"])]
    assert sum(earned) == row["points"]
    assert earned == sorted(earned, reverse=True)
    assert row["low"] <= row["points"] <= row["high"] <= row["points_max"] == card.total_max
    for name, level in lead.items():
        points = next(each for each in card.criteria if each.id == name).unknown_points
        assert (f"{name} (unknown) +{points}" in row["reasons"]) == (level is None and points > 0)
    assert row["unknown"] == "; ".join(name for name, level in lead.items() if level is None)
    assert row["probability"] == card.table[row["points"]].probability


@given(cards_and_leads())
@settings(deadline=None)
def test_raising_a_level_never_lowers_anything(drawn: tuple[Card, dict[str, int | None]]) -> None:
    card, lead = drawn
    order = [band.id for band in card.bands]
    for name, level in lead.items():
        if level is None or level == 4:
            continue
        before, after = card.score_one(lead), card.score_one(lead | {name: level + 1})
        for column in ("points", "low", "high", "probability"):
            assert before[column] <= after[column]
        assert order.index(before["band"]) <= order.index(after["band"])
        assert DECISIONS.index(before["decision"]) <= DECISIONS.index(after["decision"])


@given(cards_and_leads())
@settings(max_examples=60, deadline=None)
def test_settled_means_that_no_answers_change_the_band(drawn: tuple[Card, dict[str, int | None]]) -> None:
    card, lead = drawn
    row = card.score_one(lead)
    answered = [card.score_one(each) for each in fills(lead)]
    assert row["settled"] == (len({each["band"] for each in answered}) == 1)
    assert row["low"] == min(each["points"] for each in answered)
    assert row["high"] == max(each["points"] for each in answered)
    failed = "gate failed" in row["caveats"]
    if failed:
        assert (row["decision"], row["action"], row["ask_next"]) == ("no-match", "disqualify", "")
    elif row["points"] >= card.cutoff:
        assert row["decision"] == "ready"
    elif any(each["points"] >= card.cutoff for each in answered):
        assert row["decision"] == "wait"
    else:
        assert row["decision"] == next(band.decision for band in card.bands if band.id == row["band"])


@given(cards_and_leads(gates=False))
@settings(max_examples=60, deadline=None)
def test_ask_next_is_an_unknown_whose_answer_can_change_the_band(
    drawn: tuple[Card, dict[str, int | None]],
) -> None:
    card, lead = drawn
    row = card.score_one(lead)
    assert (row["ask_next"] == "") == row["settled"]
    if row["settled"]:
        return
    assert lead[row["ask_next"]] is None
    most = {each.id: each.points[4] for each in card.criteria}
    alone = [
        name
        for name in lead
        if lead[name] is None
        and len({card.score_one(lead | {name: level})["band"] for level in range(5)} | {row["band"]}) > 1
    ]
    rest = {name: level for name, level in lead.items() if name != row["ask_next"]}
    assert any(
        len({card.score_one(each | {row["ask_next"]: level})["band"] for level in range(5)}) > 1
        for each in fills(rest)
    )
    unknown = [name for name in lead if lead[name] is None]
    assert most[row["ask_next"]] == max(most[name] for name in (alone or unknown))


@given(cards(max_criteria=4), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_every_way_in_and_out_says_the_same(card: Card, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = [each.id for each in card.criteria]
    codes = rng.integers(0, 6, (12, len(ids))).astype(np.uint8)
    floats = np.where(codes == 5, np.nan, codes.astype(float))
    one_by_one = [
        card.score_one({name: None if code == 5 else code for name, code in zip(ids, row, strict=True)})
        for row in codes.tolist()
    ]
    for levels in (
        codes,
        floats,
        dict(zip(ids, floats.T, strict=True)),
        dict(zip(ids, codes.T, strict=True)),
    ):
        assert card.score(levels).rows() == one_by_one
    scores = card.score(codes)
    assert scores.to_arrow().to_pylist() == one_by_one
    assert scores.to_pandas().to_dict("records") == one_by_one
    assert list(scores.to_pandas()) == list(COLUMNS) == scores.to_arrow().schema.names


def test_more_criteria_than_are_counted_are_sorted_instead() -> None:
    ids = list(CANONICAL)
    card = build_card(
        name="wide",
        criteria=ids,
        points=[[0, 1, 2, 3, 4]] * 13,
        unknown_points=[0] * 13,
        documented_points=[[0, 1, 2, 3, 4]] * 13,
        bands=[
            {"id": "low", "title": "Low", "from": 0, "action": "drop"},
            {"id": "high", "title": "High", "from": 26, "action": "follow up"},
        ],
        cutoff=26,
        created_at="2026-01-01",
        kind="documented",
    )
    codes = np.random.default_rng(0).integers(0, 6, (500, 13)).astype(np.uint8)
    scores = card.score(codes)
    assert scores.points.tolist() == np.where(codes == 5, 0, codes).sum(axis=1).tolist()
    assert scores.high.tolist() == np.where(codes == 5, 4, codes).sum(axis=1).tolist()
    assert np.isnan(scores.probability).all()
    assert scores.to_arrow()["probability"].null_count == 500


@given(card=cards())
@settings(max_examples=30, deadline=None)
def test_a_saved_card_comes_back_the_same(card: Card, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("card") / "card.json"
    card.save(path)
    again = load_card(path)
    assert again == card
    assert again.sha256 == card.sha256
    assert load_card(path.parent) == card
    assert list(path.parent.iterdir()) == [path]


def test_a_card_without_leads_gives_empty_columns() -> None:
    card = small_card()
    scores = card.score(np.empty((0, 2)))
    assert len(scores) == 0
    assert scores.to_arrow().num_rows == 0
    assert scores.reasons.tolist() == []


def small_card() -> Card:
    """Two criteria: need counts 0 2 4 6 8, budget is met or not."""
    return build_card(
        name="small",
        criteria=[{"id": "need", "title": "Need"}, {"id": "budget", "title": "Money"}],
        points=[[0, 2, 4, 6, 8], [0, 0, 1, 1, 1]],
        unknown_points=[1, 0],
        documented_points=[[0, 1, 2, 3, 4]] * 2,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "keep", "title": "Keep", "from": 3, "action": "nurture"},
            {"id": "now", "title": "Now", "from": 7, "action": "follow up"},
        ],
        cutoff=7,
        created_at="2026-01-01",
        kind="documented",
        caveats=[{"id": "repeat", "text": "Less fit.", "when": {"purchase": ["repeat", "replacement"]}}],
        decision_labels={"ready": "SQL"},
    )


def test_one_lead_by_hand() -> None:
    # need 3 earns 6, budget is unknown and earns 0: 6 of 9, from 6 to 7, and 7 is followed up.
    row = small_card().score_one({"need": 3}, {"purchase": "repeat"})
    assert row == {
        "probability": None,
        "points": 6,
        "points_max": 9,
        "low": 6,
        "high": 7,
        "band": "keep",
        "action": "nurture",
        "decision": "wait",
        "settled": False,
        "ask_next": "budget",
        "unknown": "budget",
        "reasons": "need +6",
        "caveats": "repeat",
        "model": "small",
    }
    assert small_card().score_one({"need": 3, "budget": 2})["decision"] == "SQL"
    assert small_card().score_one({"budget": 1})["reasons"] == "need (unknown) +1"


@pytest.mark.parametrize(
    ("levels", "says"),
    [
        ([[5.0, 1.0]], r"need\[0\]: got 5.0, valid is a level 0 to 4"),
        ([[1.5, 1.0]], r"need\[0\]: got 1.5"),
        ([[-1.0, 1.0]], r"need\[0\]: got -1.0"),
        ([[1.0, np.inf]], r"budget\[0\]: got inf"),
        ([[1.0]], r"shape \(1, 1\), valid is \(n, 2\)"),
        ({"goals": [1]}, "none of the criteria need, budget is there"),
        ({"need": [1, 2], "budget": [1]}, "unequal length"),
        ({"need": "high"}, "valid"),
        (np.array([[6, 0]], np.uint8), r"need\[0\]: got 6"),
    ],
)
def test_what_is_no_level_is_refused(levels: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        small_card().score(levels)


def test_one_lead_that_is_no_lead_is_refused() -> None:
    with pytest.raises(InputError, match="need: got 7, valid is a level 0 to 4"):
        small_card().score_one({"need": 7})
    with pytest.raises(InputError, match="none of the criteria need, budget"):
        small_card().score_one({"goals": 1})
    with pytest.raises(InputError, match="has 2 values for 1 leads"):
        small_card().score({"need": [1]}, {"purchase": ["repeat", "new"]})


def test_bands_that_contradict_the_cutoff_are_refused() -> None:
    document = small_card().to_dict()
    document["cutoff"] = 3
    with pytest.raises(StoreError, match=r"bands\[1\].decision: got 'wait' from 3"):
        Card.from_dict(document, verify=False)


@given(cards(max_criteria=3), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_many_leads_say_what_each_says_alone(card: Card, seed: int) -> None:
    # More leads than are put into words one by one, and every pattern among them.
    ids = [each.id for each in card.criteria]
    every = np.array(list(itertools.product(range(6), repeat=len(ids))), np.uint8)
    codes = np.random.default_rng(seed).permutation(np.concatenate([every] * (1 + 200 // len(every))))
    facts = {"purchase": np.array(["repeat", "new", None], object)[np.arange(len(codes)) % 3]}
    levels = np.where(codes == 5, None, codes.astype(object)).tolist()
    leads = [dict(zip(ids, row, strict=True)) for row in levels]
    purchase = facts["purchase"].tolist()
    alone = [card.score_one(lead, {"purchase": fact}) for lead, fact in zip(leads, purchase, strict=True)]
    scores = card.score(codes, facts)
    assert scores.rows() == alone
    assert scores.to_arrow().to_pylist() == scores.to_arrow(plain=False).to_pylist() == alone
    for row, lead in zip(codes[:5], alone[:5], strict=True):
        single = card.score(row[None].astype(float) * np.where(row == 5, np.nan, 1)).rows()[0]
        assert single | {"caveats": lead["caveats"]} == lead
    for bits in np.unique(scores.caveat_bits):
        here = scores.caveat_bits == bits
        answers = scores.answers(int(bits)).rows()
        assert [answers[at] for at in scores.index[here]] == [
            each for each, is_here in zip(alone, here, strict=True) if is_here
        ]
