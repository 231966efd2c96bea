"""How results.json.xz and cards/ were made, once, by version 0.1. Not run again: what it wrote is frozen."""

import json
import lzma
import sys
from pathlib import Path

import yaml

import leadml
from leadml.card import build_card, card_from_policy

HERE = Path(__file__).parent
FRAMEWORKS = {  # of each, the documented policy that its learned card was compared with, and a world for it
    "bant": ("bant-points", "tilted"),
    "anum": ("anum-half", "steps"),
    "champ": ("champ-half", "rule_right"),
    "gpct": ("gpct-half", "dud"),
    "faint": ("faint-half", "tilted"),
    "madr": ("madr-half", "steps"),
}
DUTCH = {"ready": "opvolgen", "wait": "wachten", "no-match": "geen match"}


def rounded(value):
    """Keep nine decimals of every float."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 9) if isinstance(value, float) else value


def freeze_results():
    worlds = ["rule_right", "tilted", "dud", "steps", "null", "drifting", "grouped", "immature", "selected"]
    settings = leadml.Experiment(bootstrap=100)
    made = {world: rounded(leadml.calibrate(leadml.make_leads(300, world), settings).result) for world in worlds}
    text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
    (HERE / "results.json.xz").write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def freeze_cards():
    cards = {}
    for framework, (policy, world) in FRAMEWORKS.items():
        unknown = {"unknown_share": 0.15, "unknown_level": 1}
        deals = leadml.make_leads(300, world, framework=framework, random_state=1, **unknown)
        settings = leadml.Experiment(policies=(policy,), baseline=policy, bootstrap=100)
        found = leadml.calibrate(deals, settings, f"{framework}-learned")
        # Of ANUM the documented score with learned chances and cut-off, of the others whole points.
        contender = "anum-met-cutoff" if framework == "anum" else f"{framework}-integer"
        cards[f"{framework}-learned"] = found.cards[contender]
    documented = ("bant-points", 2, DUTCH), ("bant-ibm", 3, None), ("madr-immediate", 2, None)
    for name, met_level, labels in documented:
        policy = leadml.load_policy(name)
        framework = leadml.load_framework(policy.framework)
        cards[name] = card_from_policy(policy, framework, met_level=met_level, decision_labels=labels)
    about = yaml.safe_load((HERE / "cards" / "gates-37.yaml").read_text(encoding="utf-8"))
    table = [(total, (total + 1) / 40, total / 45, (total + 3) / 41) for total in range(38)]
    cards["gates-37"] = build_card(**about, table=table)
    for name, card in cards.items():
        card.save(HERE / "cards" / f"{name}.json")


if __name__ == "__main__":
    {"results": freeze_results, "cards": freeze_cards}[sys.argv[1]]()
