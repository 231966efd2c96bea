"""Leaks: a column that knows the outcome is told, one that merely repeats or ranks is not."""

import numpy as np
import pytest

from leadml.data import Leads, read_leads
from leadml.data.deals import NO_DAY
from leadml.data.leaks import find_leak_signs

N = 400


def signs(rng=None, **columns):
    rng = np.random.default_rng(0) if rng is None else rng
    outcome = columns.pop("outcome")
    leads = Leads.from_arrays(rng.integers(0, 5, (len(outcome), 1)), outcome, ["need"], **columns)
    return {(sign.column, sign.kind): sign for sign in find_leak_signs(leads)}


@pytest.fixture
def won():
    return (np.random.default_rng(1).random(N) < 0.4).astype(int)


def test_a_column_that_ranks_almost_perfectly_and_a_category_that_gives_the_end_away(won):
    rng = np.random.default_rng(2)
    context = {
        "revenue": won * 100 + rng.normal(size=N),
        "phase": np.where(won == 1, "signed", np.where(rng.random(N) < 0.9, "dead", "signed")),
        "name": [f"firm {i}" for i in range(N)],
        "noise": rng.normal(size=N),
    }
    found = signs(outcome=won, context=context, amount=won * 10.0)
    assert found["revenue", "alone"].value > 0.99
    assert found["revenue", "alone"].note()[0] == "LML101"
    assert ("phase", "alone") in found
    assert found["amount", "alone"].place == "amount"
    assert not {column for column, _ in found} & {"name", "noise", "need"}


def test_copies_of_a_deal_do_not_make_a_name_a_leak(won):
    names = [f"firm {i // 4}" for i in range(N)]
    same = np.repeat(won[: N // 4], 4)
    assert ("name", "alone") in signs(outcome=same, context={"name": names})
    assert signs(outcome=same, context={"name": names}, group=names) == {}


def test_cells_that_are_filled_only_for_one_outcome_or_by_the_close(won):
    rng = np.random.default_rng(3)
    outcome = np.concatenate([won, np.full(100, -1)])
    lost = outcome == 0
    context = {
        "why": np.where(lost & (rng.random(500) < 0.9), "price", None),
        "score": np.where(outcome >= 0, rng.normal(size=500), np.nan),
        "visits": np.where(rng.random(500) < np.where(outcome == 1, 0.9, 0.3), 1.0, np.nan),
        "half": np.where(rng.random(500) < 0.5, "x", None),
    }
    found = signs(outcome=outcome, context=context)
    assert found["why", "filled"].note() == ("LML102", {"column": "why", "detail": found["why", "filled"].detail})
    assert "of the" in found["why", "filled"].detail
    assert {column for column, _ in found} == {"why", "score"}


def test_a_stretch_in_which_all_ended_alike(won):
    rng = np.random.default_rng(4)
    won = np.tile(won, 5)
    seconds = np.where(won == 1, 60 + rng.exponential(300, len(won)), rng.exponential(150, len(won)))
    found = signs(outcome=won, context={"seconds": seconds})
    assert found["seconds", "stretch"].note()[0] == "LML111"
    assert ("seconds", "alone") not in found


def test_dates_after_the_close_and_closing_dates_of_won_deals_only(won, tmp_path):
    day = np.arange(N) + 20_000
    context = {
        "Signed": [str(d) for d in (day + 3).astype("datetime64[D]")],
        "Called": (day - 9).astype("datetime64[D]"),
    }
    found = signs(outcome=won, closed_at=np.where(won == 1, day, NO_DAY), context=context)
    assert found["Signed", "date-after"].value == 1
    assert found["Signed", "date-after"].note()[0] == "LML113"
    assert ("Called", "date-after") not in found
    assert found["closed", "closed-blank"].note() == ("LML117", {"share": 1.0, "which": "lost"})


def test_a_name_or_being_filled_more_often_is_no_evidence(won):
    rng = np.random.default_rng(5)
    names = ["Deal Stage", "Closed Lost Reason", "Last Activity Date", "Days in stage"]
    assert signs(outcome=won, context={name: rng.normal(size=N) for name in names}) == {}


def test_too_few_deals_or_no_outcome_show_nothing_and_columns_have_the_names_of_the_file():
    assert find_leak_signs(Leads.from_arrays([[1]], [1], ["need"])) == []
    assert find_leak_signs(Leads.from_arrays([[1]], criteria=["need"])) == []
    import pandas as pd

    won = np.arange(200) % 2
    frame = pd.DataFrame({"Wants it": won * 4, "Team": "x", "Status": np.where(won, "Won", "Lost")})
    mapping = {
        "name": "m",
        "criteria": {"need": {"column": "Wants it"}},
        "stand_in": {"desire": "need"},
        "segments": ["Team"],
        "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"]},
    }
    (sign,) = find_leak_signs(read_leads(frame, mapping))
    assert (sign.column, sign.place, sign.value) == ("Wants it", "criteria.need", 1.0)
