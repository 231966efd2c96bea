"""What must hold of a card's answers: every pattern of documented rules, many of learned cards."""

import itertools
import re
import sys

import numpy as np
import pytest
from card_samples import CARDS, random_card
from hypothesis import given, settings
from hypothesis import strategies as st

from leadml.card.in_words import COLUMNS
from leadml.card.score import DECISIONS, ENUMERATED, NO_MATCH, READY, WAIT
from leadml.exceptions import InputError
from leadml.levels import CANONICAL, unpack

MANY = 6**4


def patterns_of(card):
    """All patterns, or as many as there are of 6^4."""
    sizes = card.lookup.sizes
    total = int(np.prod(sizes))
    keys = np.arange(total) if total <= MANY else np.random.default_rng(0).integers(0, total, MANY)
    return unpack(keys, len(sizes), sizes)


def scores_of(card):
    return card.score(patterns_of(card))


@pytest.fixture(params=CARDS, scope="module")
def card(request):
    return CARDS[request.param]


def test_reasons_sum_to_points_largest_first(card):
    scores = scores_of(card)
    for points, reasons in zip(scores.points.tolist(), scores.reasons, strict=True):
        earned = [int(part.rpartition(" +")[2]) for part in reasons.split("; ") if part]
        assert sum(earned) == points
        assert earned == sorted(earned, reverse=True)
        assert all(earned)


def test_range_holds_points_and_is_what_answers_give(card):
    codes, scores, table = patterns_of(card), scores_of(card), card.lookup
    assert (scores.low <= scores.points).all()
    assert (scores.points <= scores.high).all()
    assert scores.high.max() <= card.total_max
    assert (scores.settled == (table.band_at[scores.low] == table.band_at[scores.high])).all()
    for row in np.random.default_rng(1).integers(0, len(codes), 40).tolist():
        open_rows = [j for j, u in enumerate(table.unknown) if codes[row, j] == u]
        choices = [(*table.answer_codes[j], table.unknown[j]) for j in open_rows]
        filled = np.repeat(codes[row][None], int(np.prod([len(c) for c in choices])), axis=0)
        for at, made in enumerate(itertools.product(*choices)):
            filled[at, open_rows] = made
        totals = table.answers(filled).points
        assert (totals.min(), totals.max()) == (scores.low[row], scores.high[row])
        decisions = table.answers(filled).decision
        could_be_ready = (decisions == READY).any()
        now = table.answers(codes[row][None])
        if not now.gate_failed[0] and table.band_decisions[now.band[0]] == NO_MATCH:
            assert now.decision[0] == (WAIT if could_be_ready else NO_MATCH)


def test_columns_agree(card):
    scores = scores_of(card)
    frame = scores.to_pandas()
    bands = {band.id: band for band in card.bands}
    assert list(frame) == list(COLUMNS)
    for row in frame.itertuples():
        band, asked = bands[row.band], row.ask_next != ""
        is_failed = "gate failed" in row.caveats
        assert asked == (row.question != "") == (row.if_answered != "")
        assert not (row.settled and asked)
        assert not asked or row.ask_next in row.unknown.split("; ")
        if row.decision == "ready":
            assert band.decision == "ready"
            assert row.action == band.action
            assert row.settled or asked
        elif row.decision == "wait":
            assert asked or band.decision == "wait"
            assert row.action == (band.action if band.decision == "wait" else row.action)
            assert band.decision == "wait" or re.fullmatch("ask about .* first", row.action)
        else:
            assert not asked
            assert row.action == ("disqualify" if is_failed else band.action)
            assert is_failed or band.decision == "no-match"


def test_next_question_can_change_the_band_if_any_can(card):
    codes, table = patterns_of(card), card.lookup
    answers = table.answers(codes)
    for row in np.flatnonzero(answers.ask_next >= 0)[:300].tolist():
        could = {}
        for j in [j for j, u in enumerate(table.unknown) if codes[row, j] == u]:
            made = np.repeat(codes[row][None], len(table.answer_codes[j]), axis=0)
            made[:, j] = table.answer_codes[j]
            totals = np.append(table.answers(made).points, answers.points[row])
            could[j] = len(set(table.band_at[totals].tolist())) > 1, np.ptp(totals)
        assert could[int(answers.ask_next[row])] == max(could.values())


def test_if_answered_is_true(card):
    codes, table, scores = patterns_of(card), card.lookup, scores_of(card)
    answers = table.answers(codes)
    distinct, at = table.outcomes(answers)
    for row in np.flatnonzero(at >= 0).tolist():
        j, made = distinct[at[row]]
        assert j == answers.ask_next[row]
        filled = np.repeat(codes[row][None], len(table.answer_codes[j]), axis=0)
        filled[:, j] = table.answer_codes[j]
        then = table.answers(filled)
        assert np.stack([then.decision, then.band], axis=1).tolist() == made
        if j < len(card.criteria):
            told = [card.labels[decision] for decision, _ in made]
            if len({*told}) == 1 and scores.if_answered[row] != f"any answer: {told[0]}":
                own = [card.bands[band] for _, band in made]
                told = [each.id if each.decision == DECISIONS[made[0][0]] else told[0] for each in own]
                assert len({*told}) > 1
            assert levels_said(scores.if_answered[row]) == dict(enumerate(told))


def test_answers_that_change_the_band_alone_are_told_by_band():
    card = CARDS["learned-1"]
    asked = [row for row in scores_of(card).rows() if row["decision"] == "ready" and row["ask_next"]]
    assert any(text.count(": ") > 1 and ": ready" not in text for text in {row["if_answered"] for row in asked})


def levels_said(text):
    """Read ``3-4: ready; 0-2: wait`` back."""
    said = {}
    for part in text.split("; "):
        levels, _, decision = part.partition(": ")
        if levels == "any answer":
            return dict.fromkeys(range(5), decision)
        for run in levels.split(", "):
            first, _, last = run.partition("-")
            said |= dict.fromkeys(range(int(first), int(last or first) + 1), decision)
    return said


def test_one_lead_is_as_many(card):
    codes, scores = patterns_of(card), scores_of(card)
    rows = scores.rows()
    for at in np.random.default_rng(2).integers(0, len(codes), 25).tolist():
        assert card.score(codes[at][None]).rows() == [rows[at]]
    assert scores.to_arrow().to_pylist() == rows
    patterns = scores.to_arrow(by_pattern=True).to_pylist()
    assert [patterns[at] for at in scores.index[:50]] == rows[:50]


def test_probabilities_are_the_tables():
    card = CARDS["learned-1"]
    answers = card.lookup.answers(patterns_of(card))
    assert (answers.probability == np.array([t.probability for t in card.table])[answers.points]).all()
    assert len(answers.points) == MANY
    documented = CARDS["bant-ibm"].score({"need": [3]})
    assert np.isnan(documented.probability).all()
    assert documented.to_arrow().column("probability").null_count == 1


def test_order_of_work_changes_nothing():
    """Enumerated and distinct patterns give the same, in whatever order."""
    card = random_card(3, k=8)
    assert np.prod(card.lookup.sizes) > ENUMERATED
    rng = np.random.default_rng(3)
    varied = rng.integers(0, 6, (300, 8)).astype(np.uint8)
    repeated = np.repeat(varied[:50], 40, axis=0)
    direct, distinct = card.score(varied), card.score(repeated)
    assert len(direct.answers.points) == 300
    assert len(distinct.answers.points) == 50
    assert direct.rows()[:50] == distinct.rows()[::40]
    assert direct.rows() == [card.score(each[None]).rows()[0] for each in varied]
    for each in (direct, distinct):
        assert each.to_arrow().column("reasons").to_pylist() == each.reasons.tolist()


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(CANONICAL[:4]), st.sampled_from([0, 1, 2, 3, 4, None, 2.0, float("nan")])))
def test_score_one_of_any_lead(lead):
    card = CARDS["learned-0"]
    if not lead:
        with pytest.raises(InputError, match="none of the criteria"):
            card.score_one(lead)
        return
    one = card.score_one(lead)
    known = {name: [np.nan if level is None else level] for name, level in lead.items()}
    assert one == card.score(known).rows()[0]
    assert one["reasons"] == "; ".join(
        sorted(one["reasons"].split("; "), key=lambda p: -int(p.split("+")[1] if p else 0))
    )


def test_what_comes_in():
    card = CARDS["learned-0"]
    levels = np.array([[0, 1, 2, np.nan], [4, 4, 4, 4]])
    rows = card.score(levels).rows()
    assert rows == card.score(np.where(np.isnan(levels), 5, levels).astype(np.uint8)).rows()
    assert rows == card.score({n: c.tolist() for n, c in zip(CANONICAL, levels.T, strict=False)}).rows()
    assert rows[1:] == card.score(levels[1:].astype(int)).rows()
    assert rows == card.score(np.where(np.isnan(levels), None, levels)).rows()
    assert len(card.score(np.zeros((0, 4)))) == 0
    assert card.score(np.zeros((0, 4))).to_arrow().num_rows == 0
    for given_, said in [
        (levels[:, :2], "array of shape"),
        (np.full((1, 4), 7.0), r"budget\[0\]: got 7.0"),
        (np.full((1, 4), 6, np.uint8), r"budget\[0\]: got 6"),
        (np.array([[0, 1, 2, "a"]], object), "need: .*'a'; valid is a level"),
        ({"budget": [1], "need": [1, 2]}, "unequal length"),
        ({"other": [1]}, "none of the criteria"),
    ]:
        with pytest.raises(InputError, match=said):
            card.score(given_)
    with pytest.raises(AttributeError, match="no column 'chance'"):
        _ = card.score(levels).chance


def test_caveats_by_facts():
    import pyarrow as pa

    from leadml.card.build import documented_card
    from leadml.data.deals import Leads
    from leadml.frameworks.catalog import load_policy

    card = documented_card(load_policy("faint-half"))
    (caveat,) = [each for each in card.caveats if each.when]
    fact, values = next(iter(caveat.when.items()))
    codes, column = np.ones((3, 1), np.uint8), pa.array([values[0], "no such", None]).dictionary_encode()
    said = card.score(Leads(("need",), codes, facts={fact: column})).caveats.tolist()
    assert [caveat.id in each for each in said] == [True, False, False]
    other = card.score(Leads(("need",), codes, facts={"other": column}))
    assert other.rows() == card.score(Leads(("need",), codes)).rows() == 3 * [card.score_one({"need": 1})]
    assert caveat.id not in other.caveats[0]


def test_attributes_are_read_from_columns():
    import pandas as pd
    import pyarrow as pa

    from leadml.data.deals import Leads

    card = CARDS["wide"]
    frame = pd.DataFrame({
        "budget": [1.0, 2.0, np.nan, 0.0],
        "Product": ["Alpha", "Gamma", "Delta", None],
        "Staff": [9.0, 10.0, np.nan, 1e9],
    })  # fmt: skip
    scores = card.score(frame)
    assert "Product = Beta, Gamma" not in scores.reasons[1]  # 0 points are no reason
    context = {name: pa.Array.from_pandas(frame[name]) for name in ("Product", "Staff")}
    codes = np.where(frame["budget"].isna(), 5, frame["budget"]).astype(np.uint8)[:, None]
    leads = Leads(("budget",), codes, context=context)
    assert card.score(leads).rows() == scores.rows()
    one = card.score_one({"budget": 1, "Product": "Alpha", "Staff": 9})
    assert one == scores.rows()[0]
    assert card.score_one({"Staff": "9"})["points"] == card.score_one({"Staff": 9})["points"]
    missing = card.score_one({"budget": 1})
    assert "product" in missing["unknown"]
    assert {"What is Product?", "What is Staff?"} <= {*scores_of(card).question}
    with pytest.raises(InputError, match="code that is too high"):
        card.score(np.full((1, 4), 9, np.uint8))


def test_age_of_a_date_is_its_attribute():
    import pyarrow as pa

    from leadml.card.codes import attribute_codes

    size = CARDS["wide"].attributes[1]
    age = size.model_copy(update={"age_of": "created"})
    days = pa.array([100, 95, None, 100], pa.int32()).cast(pa.date32())
    created = np.array([105, 105, 105, np.iinfo(np.int32).min], np.int32)
    assert attribute_codes(age, days, created).tolist() == [0, 1, 3, 3]
    assert attribute_codes(age, days).tolist() == [3] * 4
    assert attribute_codes(size, days).tolist() == [1, 1, 3, 1]


def test_scoring_imports_no_pandas():
    import subprocess

    program = (
        "import sys, numpy as np\nfrom leadml.card.build import documented_card\n"
        "from leadml.frameworks.catalog import load_policy\ncard = documented_card(load_policy('bant-points'))\n"
        "card.score_one({'need': 2})\ncard.score(np.ones((900, 4))).to_arrow()\n"
        "print([m for m in ('pandas', 'scipy', 'sklearn', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
