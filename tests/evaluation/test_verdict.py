"""Verdicts follow the paired gain: change, keep, depends, undecided, cannot-judge."""

import dataclasses

import numpy as np
import pytest

from leadml.evaluation.bootstrap import Z_ONE
from leadml.evaluation.log import Entries, Log
from leadml.evaluation.metrics import HeldOut, captured
from leadml.evaluation.verdict import MIN_DIFFERENT, gain_at_workload, judge, overall, paired_gain, why_no_answer

SMALLEST = 0.01


def gain_between(log):
    return gain_at_workload(HeldOut(log), log.entries["rule"], log.entries["card"])


def bound(paired):
    """One-sided 95% lower bound of one look."""
    return paired.gain.value - Z_ONE * paired.gain.error


def ask(log, p_not_better=None, p_below=None, drifted=False):
    paired = gain_between(log)
    if p_not_better is not None:
        paired = expecting(paired, p_not_better, 0.0 if p_below is None else p_below)
    return judge({"rule": paired}, SMALLEST, drifted=drifted)["rule"]


def expecting(paired, p_not_better, p_below=0.0):
    """Of 1,000 equally likely gains so many are none, and so many below the smallest."""
    below = max(p_below, p_not_better)
    counts = (round(1000 * p_not_better), round(1000 * (below - p_not_better)), round(1000 * (1 - below)))
    return dataclasses.replace(paired, expected=np.repeat([-1.0, SMALLEST / 2, 1.0], counts))


def with_card(log, card):
    return dataclasses.replace(log, entries={**log.entries, "card": card})


def swapped(n_pairs, n=400):
    """The card swaps so many lost leads of the rule for won ones."""
    y = np.arange(n) < 80
    rule, card = np.zeros(n), np.zeros(n)
    rule[20:60] = card[20:60] = 1
    rule[100 : 100 + n_pairs], card[:n_pairs] = 1, 1
    zeros, nothing = np.zeros(n, np.int32), np.full(n, np.nan)
    entries = {"rule": Entries(rule, nothing, rule), "card": Entries(card, nothing, card)}
    return Log(np.arange(n), zeros, zeros, y.astype(np.int8), np.arange(n), np.ones(n), entries=entries)


def test_a_better_card_says_change_and_is_confirmed(make_log):
    log = make_log(3000)
    answer, paired = ask(log), gain_between(log)
    assert (answer.verdict, answer.reason) == ("change", "")
    assert 0 < paired.gain.value - paired.confirmed_error < bound(paired)  # being valid at every look costs something
    assert answer.gain.low <= answer.gain.value <= answer.gain.high


def test_the_gain_is_the_difference_of_what_both_capture_whatever_a_deal_counts_for(make_log):
    log = make_log(500, per_unit=3)
    held, rule = HeldOut(log), log.entries["rule"]
    paired = gain_between(log)
    other = captured(held, log.entries["card"].score, rule.decision) - captured(held, rule.decision, rule.decision)
    thrice = gain_between(dataclasses.replace(log, weight=log.weight * 3))
    for gain in (other, thrice.gain):
        assert gain.value == pytest.approx(paired.gain.value)
        assert gain.error == pytest.approx(paired.gain.error)
    assert thrice.n_different == paired.n_different  # leads of the log, not of the population


def test_keep_asks_that_enough_was_seen(make_log):
    assert ask(make_log(8000, better=0.0)).verdict == "keep"
    for n, verdict in ((200, "undecided"), (4000, "keep")):
        log = make_log(n)
        log = with_card(log, log.entries["rule"])  # a card that judges alike
        answer = ask(log)
        assert answer.verdict == verdict
        assert gain_between(log).n_different == 0
        assert answer.gain.low < 0 < answer.gain.high  # what was unseen may still happen


def test_few_leads_judged_differently_are_not_enough():
    answer = ask(swapped(MIN_DIFFERENT // 2 - 1))
    assert answer.gain.p_adjusted < 0.05
    assert (answer.verdict, answer.reason) == ("undecided", "few judged differently")


def test_holm_over_all_rules_is_obeyed_by_the_verdict():
    paired = gain_between(swapped(12))
    sure, unsure = expecting(paired, 0.03), expecting(paired, 0.5)
    assert judge({"a": sure}, SMALLEST)["a"].verdict == "change"
    among = judge({"a": sure, "b": unsure, "c": "no contest"}, SMALLEST)
    assert (among["a"].gain.p_adjusted, among["a"].verdict) == (pytest.approx(0.06), "undecided")
    assert among["c"] == ("cannot-judge", "no contest", None, None)


def test_the_outlook_decides_where_there_is_one_but_never_against_the_deals(make_log):
    log, worse = make_log(3000), make_log(120, better=0.0)
    for asked, p_not_better, p_below, verdict in (
        (log, 0.2, None, "undecided"),
        (log, 0.9, 0.99, "undecided"),  # held-out deals say the card gains
        (worse, 0.5, 0.9, "undecided"),
        (worse, 0.5, 0.97, "keep"),
    ):
        assert ask(asked, p_not_better=p_not_better, p_below=p_below).verdict == verdict


def test_weights_that_drift_need_the_last_two_blocks_to_agree(make_log):
    log = make_log(3000)
    assert ask(log, drifted=True).verdict == "change"
    card = log.entries["card"]
    for start, each, together in ((2625, False, True), (2250, False, False)):  # the last half block, or all of it
        score = np.where(np.arange(3000) >= start, -card.score, card.score)
        turned = with_card(log, dataclasses.replace(card, score=score))
        paired = gain_between(turned)
        assert ((paired.by_block[-2:] > 0).all(), paired.by_block[-2:].sum() > 0) == (each, together)
        assert bound(paired) > 0
        answer = ask(turned, drifted=True)
        assert (answer.verdict, answer.reason) == ("undecided", "blocks disagree")
        assert ask(turned).verdict == ("change" if together else "undecided")
        folds = dataclasses.replace(turned, repeat=(turned.block // 2).astype(np.int32))  # no order in time
        assert ask(folds, drifted=True).verdict == "change"


def test_a_card_that_ranks_by_chance_is_no_reason_to_change(make_log):
    """Where nothing matters card and rule are equal, and by luck one of many looks seems to tell them apart."""
    said = []
    for seed in range(60):
        log = make_log(400, seed=seed)
        chance = dataclasses.replace(log, outcome=np.random.default_rng(seed).permutation(log.outcome))
        answer = ask(chance, p_not_better=0.01)
        said.append(answer.verdict)
        assert answer.reason in ("ranks by chance", "blocks disagree", "")
    assert said.count("change") <= 1
    assert ask(make_log(400), p_not_better=0.01).verdict == "change"


def test_at_a_cost_the_gain_is_the_net_of_follow_ups(make_log):
    log = make_log(400)
    held, rule = HeldOut(log), log.entries["rule"].decision
    found = paired_gain(held, rule, np.ones(400), ratio=4.0)
    expected = ((1 - rule) * (log.outcome - 0.25)).sum() / log.outcome.sum()
    assert found.gain.value == pytest.approx(expected)
    assert found.by_block.sum() == pytest.approx(expected * log.outcome.sum())


@pytest.mark.parametrize("reason", ["follows no one", "follows everyone", "constant scores", ""])
def test_what_the_deals_cannot_answer_is_named(make_log, reason):
    log = make_log(100)
    rule, card = log.entries["rule"], log.entries["card"]
    if reason == "constant scores":
        rule, card = (dataclasses.replace(each, score=np.ones(100)) for each in (rule, card))
    elif reason:
        rule = dataclasses.replace(rule, decision=np.full(100, float(reason == "follows everyone")))
    assert why_no_answer(HeldOut(log), rule, card) == reason


def test_where_there_is_no_answer_it_is_cannot_judge(make_log):
    assert judge({"a": "unreachable"}, SMALLEST)["a"] == ("cannot-judge", "unreachable", None, None)
    assert ask(dataclasses.replace(make_log(100), outcome=np.zeros(100, np.int8))).verdict == "cannot-judge"


@pytest.mark.parametrize("one", ["change", "keep", "depends", "undecided", "cannot-judge"])
def test_one_verdict_for_both_questions(one):
    assert overall("change", one) == overall(one, "change") == "change"
    assert overall("undecided", one) == ("change" if one == "change" else "undecided")
    assert overall("keep", one) == ("keep" if one == "cannot-judge" else one)
    assert overall("cannot-judge", one) == (one if one in ("change", "undecided") else "cannot-judge")
