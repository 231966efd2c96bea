"""The page for sales ops: one HTML file that needs no network; counts of deals by pattern, no lead's data.

result, cards, deal_counts.parquet (and new leads, where asked) -> PageData -> JSON in the page, which
static/*.js turn into screens and recompute in the browser.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leadml.app.words import Answer, Column, answer_of_page, columns_of
from leadml.card.codes import codes_of_leads
from leadml.card.files import write_text
from leadml.card.record import Card, load_card
from leadml.data.cells import text_of
from leadml.data.duplicates import number_patterns
from leadml.data.mapping import Mapping, load_mapping
from leadml.data.sources import open_leads
from leadml.exceptions import InputError, ModelRefError, UsageError
from leadml.levels import UNKNOWN, Codes
from leadml.registry import evidence, versions
from leadml.report.answer import economics_of, headline_in_use
from leadml.result import Segment, load_result
from leadml.scoring.predicting import names_among
from leadml.scoring.scorer import Options, Scorer

STATIC = Path(__file__).parent / "static"
VENDOR = "vendor/htm-preact.js"
MODULES = (
    "card.js", "count.js", "edits.js", "encode.js", "files.js",
    "parts.js", "rule.js", "screens.js", "leads.js", "main.js",
)  # fmt: skip
"""Scripts of the page, each after those that it imports."""
ECONOMICS = {"follow_up_cost": "cost", "won_value": "value", "currency": "currency"}
FOR_FILES = {"read", "lead_id", "outcome", "amount", "criteria", "stand_in", "contactable"}
"""What the browser needs of a mapping to read a CSV file."""
MOST_PATTERNS = 20_000
"""Of more patterns a fixed sample of deals stands for all."""
MOST_LEADS = 5_000


@dataclasses.dataclass(frozen=True)
class DealCounts:
    """codes: (r, m) uint8, column by column. won, lost: of each of m patterns. n_sampled: None for all deals."""

    codes: bytes
    won: list[float]
    lost: list[float]
    n: float
    n_won: float
    n_sampled: int | None = None


@dataclasses.dataclass(frozen=True)
class NewLeads:
    """codes: (r, n) uint8, column by column. names: columns that name a lead. decimal, delimiter: as in their file."""

    ids: list[str]
    codes: bytes
    names: dict[str, list[str | None]]
    amount: list[float | None] | None
    n_rejected: int
    n_left_out: int  # beyond MOST_LEADS
    decimal: str
    delimiter: str


@dataclasses.dataclass(frozen=True)
class PageData:
    """What the scripts read: the contract between Python and the browser."""

    model: str  # name in the store, that a draft is published under
    made: str  # which deals, in words
    answer: Answer
    columns: tuple[Column, ...]
    documented: Card | None
    learned: Card | None
    champion: Card | None  # of the store, where it asks for what is on the page
    in_use: str  # documented, learned or champion: what your card begins from and is compared with
    compared: str  # the same in words
    deals: DealCounts
    spread: float  # deals that come and go together: of one account, or that one of a sample stands for
    leads_per_week: float | None
    economics: dict[str, float | str]
    segments: tuple[Segment, ...]
    mapping: dict[str, Any] | None  # for a file dropped on the page
    leads: NewLeads | None
    report: str | None
    served: bool = False

    def to_json(self) -> str:
        """JSON that can stand inside a script element."""

        def plain(value: Any) -> Any:
            if isinstance(value, bytes):
                return base64.b64encode(value).decode("ascii")
            if dataclasses.is_dataclass(value):
                return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
            return value.to_dict() if isinstance(value, Card) else value.model_dump(mode="json")

        text = json.dumps(self, default=plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def write_page(
    directory: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, leads: Any = None,
    store_root: str | os.PathLike[str] | None = None,
) -> Path:  # fmt: skip
    """Write the page of a folder that `calibrate` wrote (page.html in it by default); `leads` to show on it."""
    folder = Path(directory)
    target = folder / "page.html" if out is None else Path(out)
    data = page_data(folder, leads=leads, store_root=store_root)
    if (folder / "report.html").is_file():
        link = Path(os.path.relpath(folder / "report.html", target.parent)).as_posix()
        data = dataclasses.replace(data, report=link)
    write_text(target, render_page(data))
    return target


def page_data(
    folder: Path, *, leads: Any = None, name: str | None = None,
    store_root: str | os.PathLike[str] | None = None, served: bool = False,
) -> PageData:  # fmt: skip
    """Gather what the page shows; `name` is that of the model in the store, as the calibration has it by default."""
    from leadml.calibration.file import RULE_CARD  # which loads all that learns

    result = load_result(folder)
    learned = load_card(folder) if (folder / "card.json").is_file() else None
    rule = result.policies[0] if result.policies else None
    places = (folder / "cards" / f"{rule.id}.json", folder / RULE_CARD) if rule else ()  # of a folder, of the store
    documented = next((load_card(each) for each in places if each.is_file()), None)
    if learned is None and documented is None:
        raise UsageError(f"{folder}: holds no card, so there is nothing to change; see report.html")
    known = load_mapping(folder / "mapping.yaml") if (folder / "mapping.yaml").is_file() else None
    columns = columns_of(learned, documented, known, result)
    if leads is not None and known is None:
        raise UsageError("--leads: no mapping lies in the folder that says what the columns mean; calibrate again")
    cards = [each for each in (learned, documented) if each is not None]
    if (counts := evidence.read_counts(folder)) is None:
        why = "no such file; the page needs it, and `leadml calibrate` writes it"
        raise InputError(f"{folder / evidence.DEAL_COUNTS}: {why}")
    nothing = np.full(len(counts[1]), UNKNOWN, np.uint8)  # a criterion that no column is read for
    deals = counts_of(np.stack([counts[0].get(each.id, nothing) for each in columns], axis=1), *counts[1:])
    rate, economics = result.data.deals_per_month, economics_of(result)
    name = name or result.data.name
    champion, compared = champion_for(name, store_root, learned, columns)
    keeps_rule = documented is not None and rule is not None and result.recommended.in_use == rule.id
    in_use = "documented" if keeps_rule or learned is None else "learned"
    answer = answer_of_page(result)
    if learned is not None and versions.in_use_as(learned, name, store_root):
        headline = headline_in_use(answer.headline, "the learned card is in use")
        answer = dataclasses.replace(answer, headline=headline)
    if champion is None:
        compared = f"the {'documented rule' if in_use == 'documented' else 'learned card'}, as {compared}"
    return PageData(
        model=name,
        made=f"{result.data.n_won + result.data.n_lost:,.0f} closed deals of {Path(result.data.source).name}",
        answer=answer,
        columns=columns,
        documented=documented,
        learned=learned,
        champion=champion,
        in_use=in_use if champion is None else "champion",
        compared=compared,
        deals=deals,
        spread=max(deals.n / max(result.data.n_units, 1), deals.n / (deals.n_sampled or deals.n), 1.0),
        leads_per_week=None if rate is None else rate * 12 / 52,
        economics={short: economics[name] for name, short in ECONOMICS.items() if economics.get(name) is not None},
        segments=result.segments,
        mapping=None if known is None else known.model_dump(mode="json", include=FOR_FILES, exclude_none=True),
        leads=None if leads is None or known is None else read_new_leads(leads, known, cards, columns),
        report=None,
        served=served,
    )


def champion_for(
    name: str, store_root: str | os.PathLike[str] | None, learned: Card | None, columns: Sequence[Column]
) -> tuple[Card | None, str]:
    """The champion of a model where it asks for columns of the page, and its name; else why it is not on it."""
    try:
        version = versions.champion_of(name, store_root)
    except ModelRefError:  # a name that no model can have
        version = None
    if version is None:
        return None, "no champion of this name is in the store"
    card = versions.load_stored(version)
    strangers = set() if learned is None else evidence.rebinned(learned, card)
    if not {*card.lookup.code_columns} <= {each.id for each in columns} - strangers:
        return None, f"the champion, {version.ref}, asks for other columns"
    return card, f"the champion, {version.ref}"


def counts_of(codes: Codes, won: Any, lost: Any, most: int = MOST_PATTERNS) -> DealCounts:
    """Counts by distinct pattern; a sample of `most` deals, weighted up, where there are more patterns."""
    n, n_won, n_sampled = float(won.sum() + lost.sum()), float(won.sum()), None
    at, first = number_patterns(codes.T)
    patterns = codes[first]
    won, lost = np.bincount(at, won, len(patterns)), np.bincount(at, lost, len(patterns))
    if len(patterns) > most:
        n_sampled, draw = most, np.random.default_rng(0)
        won, lost = np.split(draw.multinomial(most, np.r_[won, lost] / n) * (n / most), 2)
        kept = won + lost > 0
        patterns, won, lost = patterns[kept], won[kept], lost[kept]
    won, lost = (np.round(each, 6).tolist() for each in (won, lost))
    return DealCounts(patterns.T.tobytes(), won, lost, n, n_won, n_sampled)


def read_new_leads(source: Any, mapping: Mapping, cards: Sequence[Card], columns: Sequence[Column]) -> NewLeads:
    """Read leads without an outcome, by the same code as `leadml predict`."""
    opened, n = open_leads(source, mapping), len(cards)
    first = names_among(opened.columns, mapping)
    scorer = Scorer(opened, mapping, cards, Options(sort=True), first=first)
    criteria = [each.id for each in columns if each.kind == "criterion"]
    parts = [each for each, _ in scorer.scored(lambda _: None)]
    ids = [name for each in parts for name in each.leads.ids()]
    nothing = np.zeros((0, len(columns)), np.uint8)
    codes = np.concatenate([nothing, *(codes_of_leads(p.leads, criteria, cards[0].attributes) for p in parts)])
    names = {  # a row each lead and card
        title: [name for each in parts for name in text_of(each.own.column(title)).to_pylist()[::n]]
        for title in scorer.layout.kept
    }
    amounts = [amount for each in parts if each.amount is not None for amount in each.amount.tolist()]
    most = slice(MOST_LEADS)
    return NewLeads(
        ids=ids[most],
        codes=np.ascontiguousarray(codes[most].T).tobytes(),
        names={name: values[most] for name, values in names.items()},
        amount=[None if np.isnan(each) else each for each in amounts[most]] or None,
        n_rejected=opened.rejections.n_rows,
        n_left_out=max(len(ids) - MOST_LEADS, 0),
        decimal=opened.format.decimal,
        delimiter=opened.format.delimiter,
    )


def render_page(data: PageData) -> str:
    """One file: styles and scripts inside, by digest the only ones that a browser runs; no network."""
    style = (STATIC / "page.css").read_text(encoding="utf-8")
    vendor = (STATIC / VENDOR).read_text(encoding="utf-8").rstrip()
    lines = [line for name in MODULES for line in (STATIC / name).read_text(encoding="utf-8").splitlines()]
    # Modules as one script: what one imports stands above it, and nothing need be exported.
    script = "\n".join(line.removeprefix("export ") for line in lines if not line.startswith("import "))
    hashes = " ".join(f"'sha256-{_digest(each)}'" for each in (vendor, script))
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'sha256-{_digest(style)}'; img-src data:; "
        f"connect-src '{'self' if data.served else 'none'}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(data.model)}: the rule and your deals</title>\n<style>{style}</style>\n</head>\n"
        '<body>\n<div id="page"><noscript>This page needs scripts, which it carries itself.</noscript></div>\n'
        f'<script type="application/json" id="data">{data.to_json()}</script>\n'
        f'<script>{vendor}</script>\n<script type="module">{script}</script>\n</body>\n</html>\n'
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
