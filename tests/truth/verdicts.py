"""False `change` over fourteen looks, power, P(better), the planner."""

import dataclasses

import numpy as np

from tests.truth.firms import RULES, Stream, calibrate, draw, leadml, settings_of, true_gain, truth_of
from tests.truth.rows import mean, share

LOOKS = tuple(int(n) for n in np.linspace(100, 1500, 14).round())
DECIDED = ("change", "keep")

SINCE_HALF_WAY = "right since half-way"
# name -> (world, form, further options of the truth): the documented rule is best in each
BEST = {
    "points right, no unknowns": ("rule_right", "points", {"unknown_share": 0.0}),
    "met right, no unknowns": ("met_right", "met", {"unknown_share": 0.0}),
    "points right, junk unknown": ("rule_right", "points", {}),
    "null": ("null", "met", {}),
    "adversarial null": ("null_rule", "met", {}),
    "adversarial null, pairs": ("null_rule_pairs", "met", {}),
    SINCE_HALF_WAY: ("weights_drifting", "met", {}),
}


def best_truth(name):
    """The truth of a world whose rule is best; in the last one the rule becomes right half-way."""
    world, form, options = BEST[name]
    truth = truth_of(world, form=form, **options)
    if world == "weights_drifting":  # the world goes the other way round
        log_odds, shares = truth.first
        truth = dataclasses.replace(truth, log_odds=log_odds, shares=shares, first=truth.now)
    return truth, form


def look_often(name, seed):
    """Whether `change` is ever said of a rule that is best."""
    truth, form = best_truth(name)
    firm = Stream(draw(LOOKS[-1], truth, seed), form)
    at = LOOKS[-1:] if name == SINCE_HALF_WAY else LOOKS  # just after the turn the old weights are in the log
    return [firm.change(n) for n in at]


def false_change(found):
    """Rows of the worlds."""
    old = {SINCE_HALF_WAY: "15-47%"}
    rows = []
    for name in BEST:
        looks = "after 1,500 deals" if name == SINCE_HALF_WAY else "in 14 looks"
        what, hits = f"`change` {looks}, {name}", [any(each) for each in found[name]]
        rows.append(share(what, hits, high=0.05, old=old.get(name, "")))
    return rows


def power_of(form, seed):
    """Whether `change` is said where weights are tilted, at 1,000 and 2,000 deals in order of a file."""
    firm = Stream(draw(2000, truth_of("tilted", form=form), seed), form)
    return {n: firm.change(n) for n in (1000, 2000)}


def power_dated(form, seed):
    """The same through a CSV file with dates; and whether the short way through the log says the same."""
    leads = draw(1000, truth_of("tilted", form=form), seed, dated=True)
    dated = calibrate(leads, form).result.policies[0]
    firm = draw(600, truth_of("tilted", form=form), seed)
    whole, short = (leadml.calibrate(firm, settings_of(form)).result.policies[0], Stream(firm, form).look(600).policy)
    same = (whole.verdict, whole.gain_weights) == (short.verdict, short.gain_weights)
    return {"dated": dated.verdict_weights == "change", "same": same}


def power(found):
    """Rows by form of the rule and number of deals."""
    rows = []
    for form in RULES:
        for n, low in ((1000, 0.7), (2000, 0.95)):
            hits = [each[n] for each in found[form]]
            rows.append(share(f"power, tilted, {form} rule, n = {n:,}", hits, low=low))
    return rows


def power_with_dates(found):
    """Rows of dated files."""
    rows = [
        share(
            f"power, tilted, {form} rule, n = 1,000 with dates", [f["dated"] for f in found[form]], low=0.7, old="24%"
        )
        for form in RULES
    ]
    same = [each["same"] for form in RULES for each in found[form]]
    return [*rows, share("appended log and whole calibration agree", same, low=1.0)]


WORLDS = ("rule_right", "met_right", "tilted", "dud", "steps", "gate", "inverted_u", "null", "null_rule")


def some_truth(rng):
    """A world and rule at random; a mild tilt, drawn anew, every third time."""
    form = ("met", "points")[rng.integers(2)]
    if rng.integers(3) == 0:
        return truth_of.__wrapped__("tilted", form=form, weights=rng.dirichlet([4.0] * 4) + 1e-9), form
    world = WORLDS[rng.integers(len(WORLDS))]
    truth = truth_of(world, form=form)
    return truth, form


def outlook_of(_, seed):
    """P(better) at one look, and whether the card as deployed wins more by the smallest gain."""
    rng = np.random.default_rng([seed, 7])
    truth, form = some_truth(rng)
    n = int(rng.choice([150, 300, 600, 1000]))
    look = Stream(draw(n, truth, seed), form).look(n)
    gain, ahead = true_gain(truth, look.score(truth), form), look.policy.outlook
    if ahead is None:
        return None
    workload = truth.workload(form, RULES[form][1])
    rule = truth.captured((truth.score(form) >= RULES[form][1]).astype(float), workload)
    per_100 = 100 * truth.base_rate / workload
    wins = {"keep": rule * per_100, "change": (rule + gain) * per_100}
    told = {name: getattr(ahead.wins_per_100, name) for name in wins}
    covered = {name: told[name].low <= wins[name] <= told[name].high for name in wins}
    return {
        "p": ahead.p_better,
        "better": gain > 0.01,
        "covered": covered,
        "error": (ahead.wins_per_100.change.value - ahead.wins_per_100.keep.value) - (wins["change"] - wins["keep"]),
    }


def outlooks(found):
    """Rows by fifth of P(better), and the coverage of the outlook's intervals."""
    firms = [each for each in found[""] if each]
    rows = []
    for k in range(5):
        inside = [f for f in firms if k / 5 <= f["p"] < (k + 1) / 5 or (k == 4 and f["p"] == 1)]
        off = [f["better"] - f["p"] for f in inside]
        rows.append(mean(f"better - P(better), {k * 20} to {k * 20 + 20}%", off, low=-0.1, high=0.1))
    for name in ("keep", "change"):
        hits = [f["covered"][name] for f in firms]
        rows.append(share(f"coverage, wins of 100 if you {name} (outlook)", hits, low=0.92, high=0.98))
    return rows


def planned(_, seed):
    """Undecided at 300 deals with a number promised: is it decided within that many more?"""
    rng = np.random.default_rng([seed, 8])
    truth, form = some_truth(rng)
    first = Stream(draw(1000, truth, seed).take(np.arange(300)), form).look(300).policy
    promised = None if first.outlook is None or first.outlook.more_deals is None else first.outlook.more_deals.value
    if first.verdict_weights != "undecided" or not promised:
        return {"asked": first.verdict_weights == "undecided", "decided": None}
    last = int(300 + promised)
    firm = Stream(draw(1000, truth, seed).take(np.arange(min(last, 1000))), form)
    months = list(range(325, last + 1, 25)) or [last]
    return {"asked": True, "decided": any(firm.look(n).policy.verdict_weights in DECIDED for n in months)}


def planner(found):
    """Rows: kept promises, and how many get one."""
    kept = [each["decided"] for each in found[""] if each["decided"] is not None]
    asked = [each["decided"] is not None for each in found[""] if each["asked"]]
    return [
        share("planner: decided within the number promised", kept, low=0.7, high=0.9, old="73%"),
        share("planner: a number is promised (of those undecided at 300)", asked, low=0.0),
    ]
