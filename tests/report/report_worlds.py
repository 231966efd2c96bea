"""Small calibrations: with and without costs and capacity, 90 to 5,000 deals, rolling and k-fold."""

import functools

import leadml

QUICK = {"bootstrap": 100, "frameworks": ["bant"], "contenders": ["cutoff", "integer", "prior"], "wide": False}
COSTS = {"economics": {"follow_up_cost": 150, "won_value": 600, "currency": "EUR"}}
CHEAP = {"economics": {"follow_up_cost": 10, "won_value": 2400, "currency": "EUR"}}
CASES = {
    "right-120": ("rule_right", 120, {}),
    "right-2000": ("met_right", 2000, {}),
    "tilted-1500": ("tilted", 1500, {"frameworks": ["bant", "champ"]}),
    "tilted-costs": ("tilted", 1500, COSTS),
    "tilted-cheap": ("tilted", 1500, CHEAP),
    "tilted-capacity": ("tilted", 1000, {"capacity": {"share": 0.2}}),
    "null-5000": ("null_rule", 5000, {}),
    "null-costs": ("null", 800, CHEAP),
    "right-few-costs": ("rule_right", 90, COSTS),
    "steps-k-fold": ("steps", 600, {"evaluation": {"kind": "k-fold"}}),
    "dud-break-even": ("dud", 500, {"cutoff_basis": "break-even"}),
    "wide": ("rule_right", 400, {"wide": {"attributes": 3}, "contenders": ["cutoff", "weights", "prior"]}),
}


@functools.cache
def calibrated(case):
    world, n, settings = CASES[case]
    return leadml.calibrate(leadml.make_leads(n, world, base_rate=0.4 if n < 100 else 0.3), QUICK | settings, name=case)
