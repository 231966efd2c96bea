"""Leads of arrays: what is taken, what is refused, and picking rows."""

import datetime

import numpy as np
import pandas as pd
import pytest

import leadml
from leadml import Leads
from leadml.exceptions import InputError

NAN = float("nan")


def test_leads_of_arrays_have_every_column_in_canonical_order():
    levels = pd.DataFrame({"need": [1, 2, NAN], "budget": [4, NAN, 0]})
    leads = Leads.from_arrays(
        levels,
        [True, None, 0],
        created_at=[datetime.date(2026, 1, 1), datetime.date(2026, 1, 2), None],
        closed_at=pd.Series(["2026-02-01", None, "2026-03-01"], dtype="datetime64[ns]"),
        snapshot=np.array([1, 2, 3]),
        group=["a", "b", "a"],
        amount=[1, NAN, 3],
        weight=[1, 2, 3],
        propensity=None,
        followed_up=[1, 0, 1],
        contactable=[True, False, True],
        lead_id=[7, 8, 9],
        context=pd.DataFrame({"Source": ["web", None, " web "], "Size": [1.0, NAN, 3.0], "Cold": [True, False, None]}),
        segments={"Team": ["x", "y", "x"]},
        in_time_order=True,
        source="here",
    )
    assert leads.criteria == ("budget", "need")
    assert leads.codes.tolist() == [[4, 1], [5, 2], [0, 5]]
    assert leads.codes.flags.f_contiguous
    assert leads.outcome.tolist() == [1, -1, 0]
    assert leads.created.tolist()[:2] == [20454, 20455]
    assert np.isnat(leads.closed_at).tolist() == [False, True, False]
    assert leads.group.tolist() == [0, 1, 0]
    assert leads.ids() == ["7", "8", "9"]
    assert leads.context["Source"].to_pylist() == ["web", None, "web"]
    assert leads.context["Cold"].to_pylist() == ["true", "false", None]
    some = leads.take(np.array([2, 0, 0]))
    assert (some.ids(), some.amount.tolist(), some.segments["Team"].to_pylist()) == (
        ["9", "7", "7"],
        [3, 1, 1],
        ["x"] * 3,
    )
    assert some.codes.flags.f_contiguous
    assert leads.to_pandas()["group"].tolist() == [0, 1, 0]
    assert len(leads.rejected) == 0


def test_without_ids_leads_are_numbered():
    leads = Leads.from_arrays([[1], [2]], criteria=["need"])
    assert leads.ids() == ["1", "2"]
    assert leads.take(np.array([1])).ids() == ["2"]
    assert (leads.outcome, leads.created_at, leads.group) == (None, None, None)


@pytest.mark.parametrize(
    ("levels", "keys", "said"),
    [
        ([[7]], {"criteria": ["need"]}, "levels holds 7; valid: 0 to 4"),
        ([[2.5]], {"criteria": ["need"]}, "levels holds 2.5"),
        ([[1]], {"criteria": ["needs"]}, "criteria are ['needs']; valid: each once of budget"),
        ([[1]], {}, "criteria are not named"),
        ([[1, 2]], {"criteria": ["need"]}, "levels has shape (1, 2); valid: (leads, 1)"),
        ([[1]], {"criteria": ["need"], "outcome": [2]}, "outcome holds 2; valid: 1 won, 0 lost, NaN open"),
        ([[1]], {"criteria": ["need"], "outcome": ["Won"]}, "outcome: could not convert string to float: 'Won'"),
        ([[1]], {"criteria": ["need"], "created_at": ["x"]}, "created_at: Error parsing datetime string"),
        ([["x"]], {"criteria": ["need"]}, "levels: could not convert string to float: 'x'"),
        ([[1]], {"criteria": ["need"], "ammount": [2]}, "ammount is no column of leads"),
        ([[1]], {"criteria": ["need"], "amount": [2, 3]}, "amount has 2 rows; valid: 1"),
        ([[1]], {"criteria": ["need"], "context": {"a": [2, 3]}}, "context has 2 rows; valid: 1"),
    ],
)
def test_what_is_no_column_of_leads_is_refused(levels, keys, said):
    with pytest.raises(InputError) as caught:
        Leads.from_arrays(levels, **keys)
    assert said in str(caught.value)


def test_a_console_shows_leads_in_a_line() -> None:
    leads = leadml.make_leads(40, world="tilted")
    assert "40 leads (" in repr(leads)
    assert "\n" not in repr(leads)
    assert len(repr(leads.truth)) < 100
    assert "no outcome" in repr(leadml.Leads.from_arrays([[1]], criteria=["need"]))


def test_equal_arrays_have_one_digest_and_others_another():
    def digest(levels=(1, 4), **columns):
        return Leads.from_arrays([[level] for level in levels], criteria=["need"], **columns).digest

    context = {"Source": ["web", None]}
    assert digest(context=context) == digest(context=context)
    assert len({digest(), digest((1, 3)), digest(context=context), digest(amount=[1, 2]), digest(lead_id=[1, 2])}) == 5
    assert len(digest()) == 64
