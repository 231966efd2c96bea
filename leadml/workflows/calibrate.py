"""Closed deals in, verdicts and a card out: the comparison of documented rules with what the deals teach."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadml.card import Card
from leadml.decisions.cutoff import Consequences
from leadml.evaluation.bootstrap import as_json, draw_clusters, to_figure
from leadml.evaluation.compare import Judged, Replicates, evaluate, figures_of, gains_over, reliability_of
from leadml.evaluation.metrics import HeldOut
from leadml.exceptions import UsageError
from leadml.frameworks import Framework, Policy, contactable_score, list_frameworks, load_policy
from leadml.leads.model import Leads
from leadml.leads.split import LEFT_OUT, Split, make_keys, make_split
from leadml.workflows.cards import CardDraft, Learned, draft_documented_card, draft_learned_card, learn_all
from leadml.workflows.contenders import (
    Arena,
    Contender,
    Frame,
    judge_by_policy,
    judge_by_prior,
    learn_context,
    learn_cutoff,
    learn_scorecards,
    make_arena,
    make_frame,
)
from leadml.workflows.experiment import Experiment, load_experiment
from leadml.workflows.findings import FEW_DEALS, find_drift, find_on_criteria, make_finding
from leadml.workflows.judge import Resampled, judge_policy, resample, say, share_of_weights

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]

MANY_DEALS = 20_000  # from so many on, one repeat of the folds is enough
BUCKETS = 5_000  # keys are drawn again in at most so many pieces
CELL_PRIOR = 10  # deals at the base rate that a small cell's rate is shrunk with
CELL_IDS = 20  # leads named in each cell of the disagreement table


@dataclass
class Calibration:
    """What a calibration found.

    Attributes
    ----------
    result : dict
        Everything, as in result.json.
    card : Card
        The recommended card.
    cards : dict of str to Card
        Every learned card by contender.
    predictions : DataFrame
        Held-out predictions: one row a deal, fold and contender.
    estimators : dict of str to estimator
        Fitted classifiers by contender.
    """

    result: dict[str, Any]
    card: Card
    cards: dict[str, Card]
    predictions: pd.DataFrame
    estimators: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the result as plain data.

        Returns
        -------
        dict
            As in result.json.
        """
        return self.result

    def to_html(self) -> str:
        """Render the report.

        Returns
        -------
        str
            A page that needs nothing else.
        """
        from leadml.report import render_html

        return render_html(self.result)

    def save(self, directory: str | Path) -> Path:
        """Write result.json, card.json, cards/, predictions.parquet and report.html.

        Parameters
        ----------
        directory : str or Path
            Folder, made where it is absent.

        Returns
        -------
        Path
            The folder.
        """
        out = Path(directory)
        (out / "cards").mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.result, indent=2, ensure_ascii=False, allow_nan=False)
        (out / "result.json").write_text(text + "\n", encoding="utf-8")
        for name, card in self.cards.items():
            card.save(out / "cards" / f"{name}.json")
        self.card.save(out / "card.json")
        self.predictions.to_parquet(out / "predictions.parquet", index=False)
        (out / "report.html").write_text(self.to_html(), encoding="utf-8")
        return out


def calibrate(leads: Leads, experiment: Experiment | str | Path | None = None, name: str | None = None) -> Calibration:
    """Learn from closed deals, compare with the documented rules, and say what may be said.

    Parameters
    ----------
    leads : Leads
        Leads with outcomes; open ones are left out.
    experiment : Experiment, path or None
        Settings.
    name : str, optional
        Name of the card; the data's name by default.

    Returns
    -------
    Calibration
        Verdicts, figures, cards and held-out predictions.

    Raises
    ------
    UsageError
        When the leads hold no outcome, or no criterion of any documented rule.
    TooFewDealsError
        When fewer than 20 deals are won or lost.

    Examples
    --------
    >>> import leadml
    >>> found = leadml.calibrate(leadml.make_leads(40), leadml.Experiment(bootstrap=50))
    Traceback (most recent call last):
    leadml.exceptions.TooFewDealsError: ...
    """
    from leadml.leads.outcomes import check_data, check_enough

    settings = experiment if isinstance(experiment, Experiment) else load_experiment(experiment)
    if leads.outcome is None:
        raise UsageError(
            f"{leads.source}: the mapping names no outcome; valid: outcome: {{column: ..., won: [...], lost: [...]}};"
            " add it to the mapping"
        )
    closed = leads.take(np.flatnonzero(np.isfinite(leads.outcome)))
    assert closed.outcome is not None
    check_enough(closed)
    work = _Work(leads, closed, settings, name or _name_of(leads), check_data(closed))
    return work.run()


class _Work:
    """One calibration, step by step."""

    def __init__(
        self, leads: Leads, closed: Leads, settings: Experiment, name: str, findings: list[dict[str, str]]
    ) -> None:
        assert closed.outcome is not None
        self.leads, self.closed, self.settings, self.name = leads, closed, settings, name
        self.findings = list(findings)
        self.outcome = closed.outcome
        self.consequences: Consequences = settings.consequences()
        self.base_rate = float(self.outcome.mean())
        self.threshold = float(self.consequences.threshold(self.base_rate))
        self.frameworks = self._frameworks()
        self.policies = self._policies()

    def run(self) -> Calibration:
        """Split, learn, judge, compare, recommend."""
        s = self.settings
        key = make_keys(self.closed.row_key, self.closed.group)
        many = len(key) > MANY_DEALS
        split = make_split(
            self.outcome,
            key,
            order=_order_of(self.closed),
            kind=s.split.kind,
            test_share=s.split.test_share,
            folds=min(s.split.folds, 5) if many else s.split.folds,
            repeats=1 if many else s.split.repeats,
            random_state=s.random_state,
        )
        arena = make_arena(split, self.outcome, s.random_state)
        frames = [make_frame(f, self.closed, key, split.n_keys) for f in self.frameworks]
        contenders = self._contend(frames, arena)

        cluster, n_clusters = _buckets(key, split.n_keys, s.random_state)
        draws = draw_clusters(n_clusters, s.bootstrap, s.random_state)
        held = HeldOut(self.outcome[arena.rows], arena.fold, cluster[key[arena.rows]], draws)
        baseline = self._baseline(contenders)
        replicates = self._evaluate(held, contenders, baseline)

        drawn = {f.framework.id: resample(_bucketed(f, cluster, n_clusters), draws) for f in frames}
        learned = {f.framework.id: learn_all(f, arena.inner) for f in frames}
        drafts = self._draft(frames, learned, drawn)
        judged = self._judge(frames, contenders, held, replicates, drawn, learned)
        figures = self._describe(contenders, held, replicates, baseline, learned, drawn, frames)
        self._find(split, figures, frames, learned)
        recommended = self._recommend(figures, judged, drafts, replicates, baseline)
        card = drafts[recommended["contender"]].card
        result = {
            "schema_version": 1,
            "leadml_version": _version(),
            "data": self._data(),
            "split": self._split(split),
            "settings": self._settings(),
            "frameworks": [
                {
                    "id": f.framework.id,
                    "title": f.framework.title,
                    "mapped": list(f.mapped),
                    "unmapped": [c for c in f.framework.criterion_ids if c not in f.mapped],
                }
                for f in frames
            ],
            "contenders": figures,
            "policies": judged,
            "disagreement": self._disagreement(contenders, baseline, arena, recommended["contender"]),
            "findings": self.findings,
            "recommended": recommended,
        }
        return Calibration(
            result=result,
            card=card,
            cards={name: draft.card for name, draft in drafts.items()},
            predictions=self._predictions(contenders, arena),
            estimators=self._estimators(frames, learned, recommended),
        )

    # what is compared

    def _frameworks(self) -> list[Framework]:
        mapped = set(self.closed.levels.columns)
        wanted = self.settings.policies
        out = []
        for framework in list_frameworks():
            named = wanted is None or any(p.id in wanted for p in framework.policies)
            if named and mapped & set(framework.criterion_ids):
                out.append(framework)
        if not out:
            raise UsageError(
                f"{self.closed.source}: no criterion of the documented rules is mapped; mapped:"
                f" {', '.join(mapped) or 'none'}; map at least one criterion of a framework (leadml frameworks)"
            )
        return out

    def _policies(self) -> list[Policy]:
        wanted = self.settings.policies
        out = [p for f in self.frameworks for p in f.policies if wanted is None or p.id in wanted]
        return out

    def _baseline(self, contenders: list[Contender]) -> Contender:
        documented = [c for c in contenders if c.kind == "documented"]
        named = [c for c in documented if c.id == self.settings.baseline]
        if not named:
            self.findings.append(
                make_finding(
                    "LML201",
                    "warn",
                    f"the baseline {self.settings.baseline} is not judged here",
                    f"None of its criteria is mapped, or it is not among the policies; {documented[0].id} is taken"
                    " instead.",
                    self.settings.baseline,
                )
            )
        return named[0] if named else documented[0]

    def _contend(self, frames: list[Frame], arena: Arena) -> list[Contender]:
        s, out = self.settings, []
        scorecards = [f for f in ("weights", "steps", "integer") if f in s.contenders]
        for frame in frames:
            policies = [p for p in self.policies if p.framework == frame.framework.id]
            out += [judge_by_policy(frame, p, arena, s.met_level) for p in policies]
            if "cutoff" in s.contenders:
                one_a_unit = {p.unit: p for p in policies}
                out += [
                    learn_cutoff(frame, p, arena, self.consequences, s.met_level)
                    for p in one_a_unit.values()
                ]
            out += learn_scorecards(frame, arena, self.consequences, scorecards)
        if self.closed.contactable is not None and (
            s.policies is None or "contactable" in s.policies
        ):
            policy = load_policy("contactable")
            score = contactable_score(self.closed.contactable).score[arena.rows].astype(float)
            out.append(
                Contender(
                    policy.id, policy.title, "documented", "policy", None, score, score.copy(), None, 0
                )
            )
        table, monotone = self._wide_table(frames)
        for kind in ("context-logistic", "context-boosting"):
            if kind in s.contenders:
                out.append(learn_context(kind, table, monotone, arena, self.consequences))
        if "prior" in s.contenders:
            out.append(judge_by_prior(arena, self.consequences))
        return out

    def _wide_table(self, frames: list[Frame]) -> tuple[pd.DataFrame, list[str]]:
        """Rule scores, levels and context columns of every closed deal."""
        import pandas as pd

        columns: dict[str, Any] = {}
        for frame in frames:
            for policy in {p.unit: p for p in frame.framework.policies}.values():
                totals = frame.documented_totals(policy, self.settings.met_level)
                columns[f"{frame.framework.id} {policy.unit}"] = totals[frame.table.of_deal].astype(float)
        for name in self.closed.levels.columns:
            columns[f"level of {name}"] = self.closed.levels[name].to_numpy(dtype=float)
        monotone = list(columns)
        for name in self.closed.context.columns:
            values = self.closed.context[name]
            number = pd.api.types.is_numeric_dtype(values)
            columns[f"context {name}"] = (
                values.to_numpy(dtype=float) if number else values.astype(object).where(values.notna(), None)
            )
        return pd.DataFrame(columns), monotone

    def _evaluate(
        self, held: HeldOut, contenders: list[Contender], baseline: Contender
    ) -> dict[str, Replicates]:
        e = self.settings.economics
        value, cost = (e.won_value, e.follow_up_cost) if e is not None else (1.0, self.threshold)
        return {
            c.id: evaluate(
                held, Judged(c.id, c.score, c.decision, c.probability), baseline.decision, value, cost
            )
            for c in contenders
        }

    def _draft(
        self, frames: list[Frame], learned: dict[str, Learned], drawn: dict[str, Resampled]
    ) -> dict[str, CardDraft]:
        s, out = self.settings, {}
        about = {"name": self.name, "created_at": s.as_of or _last_day(self.leads), "provenance": self._provenance()}
        for frame in frames:
            fid = frame.framework.id
            own = [p for p in frame.framework.policies if p.unit != "contactable"]
            banded = max(own, key=lambda p: len(p.bands))
            for policy in {p.unit: p for p in own}.values():
                out[f"{fid}-{policy.unit}-cutoff"] = draft_documented_card(
                    frame, policy, drawn[fid], self.consequences, banded, s.met_level, **about
                )
            out[f"{fid}-integer"] = draft_learned_card(
                frame, learned[fid], drawn[fid], self.consequences, banded, met_level=s.met_level, **about
            )
        return out

    def _judge(
        self,
        frames: list[Frame],
        contenders: list[Contender],
        held: HeldOut,
        replicates: dict[str, Replicates],
        drawn: dict[str, Resampled],
        learned: dict[str, Learned],
    ) -> list[dict[str, Any]]:
        by_id = {c.id: c for c in contenders}
        out = []
        for frame in frames:
            fid = frame.framework.id
            card = next(
                (by_id[f"{fid}-{f}"] for f in ("integer", "steps", "weights") if f"{fid}-{f}" in by_id), None
            )
            shares = share_of_weights(frame, _tops(learned[fid].full)[None])[0]
            for policy in (p for p in self.policies if p.framework == fid):
                judged = judge_policy(
                    frame,
                    policy,
                    drawn[fid],
                    held=held,
                    rule=by_id[policy.id],
                    learned=card,
                    cutoff=by_id.get(f"{fid}-{policy.unit}-cutoff"),
                    consequences=self.consequences,
                    threshold=self.threshold,
                    met_level=self.settings.met_level,
                    smallest_gain=self.settings.smallest_gain,
                    n_deals=len(self.outcome),
                    learned_weights=shares,
                )
                judged["sentence"] = say(judged, f"{frame.framework.title}: {policy.title}")
                if judged["verdict_weights"] == "cannot-judge":
                    self.findings.append(
                        make_finding(
                            "LML303",
                            "warn",
                            f"{policy.id} follows up everyone or no one",
                            "On these deals the rule does not tell leads apart, so no weights could pick"
                            " differently at its workload.",
                            policy.id,
                        )
                    )
                out.append(judged)
        return out

    # what is told

    def _describe(
        self,
        contenders: list[Contender],
        held: HeldOut,
        replicates: dict[str, Replicates],
        baseline: Contender,
        learned: dict[str, Learned],
        drawn: dict[str, Resampled],
        frames: list[Frame],
    ) -> list[dict[str, Any]]:
        others = [c for c in contenders if c.id != baseline.id]
        gains = gains_over(
            replicates[baseline.id],
            [replicates[c.id] for c in others],
            ("wins_captured", "net_value_per_lead", "auc"),
        )
        gain_of = {c.id: g for c, g in zip(others, gains, strict=True)}
        told = [c for c in contenders if c.probability is not None and c.kind != "prior"]
        over_prior: dict[str, Any] = {}
        if "prior" in replicates:
            found = gains_over(replicates["prior"], [replicates[c.id] for c in told], ("log_loss", "auc"))
            over_prior = {c.id: g for c, g in zip(told, found, strict=True)}
        frame_of = {f.framework.id: f for f in frames}
        out = []
        for c in contenders:
            weights, path = None, None
            if c.family in ("weights", "steps", "integer") and c.framework is not None:
                weights, path = _weights(frame_of[c.framework], learned[c.framework], drawn[c.framework])
            fit = learned[c.framework] if weights is not None and c.framework is not None else None
            out.append(
                {
                    "id": c.id,
                    "title": c.title,
                    "kind": c.kind,
                    "family": c.family,
                    "framework": c.framework,
                    **figures_of(replicates[c.id]),
                    "gain": gain_of.get(c.id),
                    "gain_over_prior": over_prior.get(c.id),
                    "shrink": None if fit is None else as_json(fit.shrink),
                    "smooth": None if fit is None else as_json(fit.smooth),
                    "n_points_steps": None
                    if fit is None
                    else int((np.diff(fit.integer.points, axis=1) > 0).sum()),
                    "weights": weights,
                    "path": path,
                    "reliability": reliability_of(
                        held, Judged(c.id, c.score, c.decision, c.probability)
                    ),
                    "recommended": False,
                }
            )
        return out

    def _find(
        self, split: Split, figures: list[dict[str, Any]], frames: list[Frame], learned: dict[str, Learned]
    ) -> None:
        add = self.findings.append
        views = [
            {
                "id": f.framework.id,
                "title": f.framework.title,
                "mapped": f.mapped,
                "unmapped": [c for c in f.framework.criterion_ids if c not in f.mapped],
            }
            for f in frames
        ]
        self.findings += find_on_criteria(self.closed.levels, views)
        for frame in frames:
            points = learned[frame.framework.id].integer.points[:, -1]
            silent = [
                c
                for c, p in zip(frame.framework.criterion_ids, points, strict=True)
                if p == 0 and c in frame.mapped
            ]
            if silent:
                add(
                    make_finding(
                        "LML202",
                        "warn",
                        f"{frame.framework.title}: no points for {', '.join(silent)}",
                        "In these deals a higher level does not go with more wins (no effect, or the wrong sign). A"
                        " learned card never gives negative points; it gives none.",
                        frame.framework.id,
                    )
                )
        if len(self.outcome) < FEW_DEALS:
            add(
                make_finding(
                    "LML204",
                    "note",
                    f"{len(self.outcome)} closed deals are few",
                    "Intervals are wide and “undecided” is the likely answer; it is a good answer.",
                    "data",
                )
            )
        beats = [
            f["id"]
            for f in figures
            if (g := f["gain_over_prior"]) is not None
            and (g["log_loss"]["low"] or 0) > 0
            and (g["log_loss"]["p_adjusted"] if g["log_loss"]["p_adjusted"] is not None else 1) < 0.05
        ]
        if "prior" in self.settings.contenders and not beats:
            add(
                make_finding(
                    "LML301",
                    "warn",
                    "nothing beats the base rate",
                    "No rule, learned card or wide classifier tells won from lost deals better than giving every"
                    " lead the same probability. These columns hold no answer; do not act on differences"
                    " between contenders.",
                    "contenders",
                )
            )
        cards = [f for f in figures if f["kind"] == "learned"]
        wide = [f for f in figures if f["kind"] == "context" and f["id"] in beats]
        if cards and wide:
            best_card = min(cards, key=lambda f: f["log_loss"]["value"])
            best_wide = min(wide, key=lambda f: f["log_loss"]["value"])
            if best_wide["auc"]["low"] > best_card["auc"]["high"]:
                add(
                    make_finding(
                        "LML302",
                        "note",
                        "the context columns know more than the rules",
                        f"{best_wide['title']} ranks held-out deals at AUC {best_wide['auc']['value']:.2f}, the best"
                        f" card at {best_card['auc']['value']:.2f}. What tells wins from losses here is only"
                        " in part what the rules ask.",
                        best_wide["id"],
                    )
                )
        if split.kind == "out-of-time":
            test, train = split.fold[0] == 0, split.fold[0] == -1
            self.findings += find_drift(self.closed.levels, self.outcome, train, test)
            left = int((split.fold[0] == LEFT_OUT).sum())
            if left:
                add(make_finding("LML403", "note", f"{left} deals are left out of training", split.reason, "split"))
        if self.consequences.basis == "break-even":
            add(
                make_finding(
                    "LML501",
                    "note",
                    "break-even is assumed",
                    "No economics and no capacity were given, so a lead is worth following up when it is likelier to"
                    f" be won than the average lead ({self.base_rate:.0%}). Each documented cut-off's implied value"
                    " is shown beside it.",
                    "experiment",
                )
            )
        order = {"stop": 0, "warn": 1, "note": 2}
        self.findings.sort(key=lambda f: order[f["severity"]])

    def _recommend(
        self,
        figures: list[dict[str, Any]],
        judged: list[dict[str, Any]],
        drafts: dict[str, CardDraft],
        replicates: dict[str, Replicates],
        baseline: Contender,
    ) -> dict[str, Any]:
        """The simplest card within one standard error of the best; learned points where the baseline's must change."""
        own = next((p for p in judged if p["id"] == baseline.id), None)
        cards = [f for f in figures if f["id"] in drafts]
        if not cards:
            cards = [{"id": f"{baseline.framework}-points-cutoff"}]
            cards = [c for c in cards if c["id"] in drafts] or [{"id": next(iter(drafts))}]
            chosen = cards[0]["id"]
        else:
            if own is not None and own["verdict_weights"] == "change":
                cards = [f for f in cards if f["family"] == "integer"] or cards
            losses = {f["id"]: replicates[f["id"]].log_loss for f in cards}
            best = min(losses, key=lambda name: float(losses[name][0]))

            def near(name: str) -> bool:
                difference = losses[name] - losses[best]
                return bool(difference[0] <= np.nanstd(difference[1:]))

            def simplicity(f: dict[str, Any]) -> tuple[Any, ...]:
                return (f["family"] == "integer", f["framework"] != baseline.framework, f["log_loss"]["value"])

            chosen = min((f for f in cards if near(f["id"])), key=simplicity)["id"]
        for f in figures:
            f["recommended"] = f["id"] == chosen
        draft = drafts[chosen]
        return {
            "contender": chosen,
            "framework": draft.card.framework,
            "kind": "learned",
            "verdict": "cannot-judge" if own is None else own["verdict"],
            "sentence": "" if own is None else own["sentence"],
            "card": "card.json",
            "cutoff": draft.cutoff.to_dict(),
            "threshold_probability": self.threshold,
            "bands": [
                {
                    **{k: band[k] for k in ("id", "title", "from", "action")},
                    "low": as_json(band["low"]),
                    "high": as_json(band["high"]),
                }
                for band in draft.bands
            ],
            "versus": baseline.id,
        }

    def _disagreement(
        self, contenders: list[Contender], baseline: Contender, arena: Arena, recommended: str
    ) -> list[dict[str, Any]]:
        from leadml.evaluation.metrics import shrunk_rate

        by_id = {c.id: c for c in contenders}
        integer = by_id.get(f"{baseline.framework}-integer", by_id.get(recommended))
        if integer is None:
            return []
        # every deal once: the first repeat
        _, first = np.unique(arena.rows, return_index=True)
        rule, model = baseline.decision[first] > 0, integer.decision[first] > 0
        outcome, ids = self.outcome[arena.rows[first]], self.closed.lead_id[arena.rows[first]]
        cells = []
        for by_rule in (True, False):
            for by_model in (True, False):
                at = (rule == by_rule) & (model == by_model)
                cells.append(
                    {
                        "rule": by_rule,
                        "model": by_model,
                        "n": int(at.sum()),
                        "won": int(outcome[at].sum()),
                        "rate": shrunk_rate(float(outcome[at].sum()), int(at.sum()), self.base_rate, CELL_PRIOR),
                        "ids": [str(i) for i in ids[at][:CELL_IDS]],
                    }
                )
        return [{"policy": baseline.id, "contender": integer.id, "cells": cells}]

    def _predictions(self, contenders: list[Contender], arena: Arena) -> pd.DataFrame:
        import pandas as pd

        n = len(arena.rows)
        missing = np.full(n, np.nan)
        return pd.DataFrame(
            {
                "lead_id": np.tile(self.closed.lead_id[arena.rows].astype(str), len(contenders)),
                "fold": np.tile(arena.fold, len(contenders)),
                "contender": np.repeat([c.id for c in contenders], n),
                "outcome": np.tile(self.outcome[arena.rows].astype(int), len(contenders)),
                "probability": np.concatenate(
                    [missing if c.probability is None else c.probability for c in contenders]
                ),
                "score": np.concatenate([c.score for c in contenders]),
                "decision": np.concatenate([c.decision.astype(int) for c in contenders]),
            }
        )

    def _estimators(
        self, frames: list[Frame], learned: dict[str, Learned], recommended: dict[str, Any]
    ) -> dict[str, Any]:
        """The scikit-learn twin of the learned card of the recommended framework."""
        from leadml.estimators.scorecard import ScorecardClassifier

        frame = next(f for f in frames if f.framework.id == recommended["framework"])
        fit = learned[frame.framework.id]
        n = len(self.outcome)
        model = ScorecardClassifier(
            frame.documented_points, shrink=fit.shrink * n, smooth=fit.smooth * n, integer=True
        )
        return {f"{frame.framework.id}-integer": model.fit(frame.levels, self.outcome)}

    # what the result says of itself

    def _data(self) -> dict[str, Any]:
        leads, closed = self.leads, self.closed
        assert leads.outcome is not None
        levels = closed.levels
        mapped = [
            {
                "id": name,
                "mapped": True,
                "unknown_share": float(levels[name].isna().mean()),
                "levels": {str(v): int((levels[name] == v).sum()) for v in range(5)},
            }
            for name in levels.columns
        ]
        asked = {c for f in self.frameworks for c in f.criterion_ids} - set(levels.columns)
        silent = [{"id": c, "mapped": False, "unknown_share": 1.0, "levels": {}} for c in sorted(asked)]
        n, won = len(self.outcome), float(self.outcome.sum())
        from leadml.evaluation.metrics import rate_figure

        mapping = leads.mapping
        return {
            "name": self.name,
            "source": Path(leads.source).name if leads.source else "",
            "n_rows": int(leads.n_rows),
            "n_leads": len(leads.lead_id),
            "n_won": int(won),
            "n_lost": int(n - won),
            "n_open": int(np.isnan(leads.outcome).sum()),
            "n_rejected": int(leads.n_rows - len(leads.lead_id)),
            "base_rate": rate_figure(won, n),
            "digest": leads.digest,
            "mapping_name": None if mapping is None else mapping.name,
            "mapping_digest": self._mapping_digest(),
            "criteria": mapped + silent,
            "context": [str(c) for c in closed.context.columns],
            "currency": self.settings.economics.currency if self.settings.economics else None,
        }

    def _split(self, split: Split) -> dict[str, Any]:
        test = (split.fold >= 0).any(axis=0) if split.kind == "grouped-kfold" else split.fold[0] == 0
        train = test if split.kind == "grouped-kfold" else split.fold[0] == -1
        return {
            "kind": split.kind,
            "folds": split.n_folds,
            "repeats": len(split.fold),
            "test_share": float(test.mean()) if split.kind == "out-of-time" else 1 / split.n_folds,
            "n_groups": split.n_keys,
            "n_train": int(train.sum()),
            "n_test": int(test.sum()),
            "train_base_rate": float(self.outcome[train].mean()),
            "test_base_rate": float(self.outcome[test].mean()),
            "reason": split.reason,
        }

    def _settings(self) -> dict[str, Any]:
        settings = self.settings.model_dump(mode="json")
        settings["policies"] = [p.id for p in self.policies]
        return settings

    def _mapping_digest(self) -> str | None:
        from leadml.records import digest_record

        return None if self.leads.mapping is None else digest_record(self.leads.mapping)

    def _provenance(self) -> dict[str, Any]:
        won = int(self.outcome.sum())
        return {
            "data_digest": self.leads.digest,
            "mapping_digest": self._mapping_digest(),
            "n_won": won,
            "n_lost": len(self.outcome) - won,
            "as_of": self.settings.as_of or _last_day(self.leads),
            "mlflow_run_id": None,
            "leadml_version": _version(),
        }


def _weights(
    frame: Frame, learned: Learned, drawn: Resampled
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Weights in documented points with intervals, and along the strengths."""
    ids, scale = frame.framework.criterion_ids, 4.0 * len(frame.mapped)
    shares = share_of_weights(frame, _tops(learned.full)[None])[0]
    weights = {}
    for at, name in enumerate(ids):
        if name in frame.mapped:
            interval = to_figure(drawn.weights[:, at] * scale)
            weights[name] = {
                "documented": 4.0,
                "learned": as_json(shares[at] * scale),
                "low": as_json(interval.low),
                "high": as_json(interval.high),
            }
    mean = learned.path.losses[0].sum(axis=0) / learned.path.sizes[0].sum()
    path = []
    for at, (shrink, smooth) in enumerate(learned.path.grid):
        share = share_of_weights(frame, learned.weights_path[at][None])[0]
        path.append(
            {
                "shrink": as_json(shrink),
                "smooth": as_json(smooth),
                "log_loss": float(mean[at]),
                "weights": {
                    name: as_json(share[j] * scale) for j, name in enumerate(ids) if name in frame.mapped
                },
            }
        )
    return weights, path


def _tops(full: Array) -> Array:
    from leadml.estimators.design import points_of

    return points_of(full)[0][..., -1]


def _order_of(leads: Leads) -> Array | None:
    """Time of each deal: when it was created, else closed, else its row."""
    for dates in (leads.created_at, leads.closed_at):
        if dates is not None and dates.notna().any():
            return np.where(dates.isna(), np.nan, dates.astype("int64").to_numpy(dtype=float))
    return np.arange(len(leads.lead_id), dtype=float) if leads.in_time_order else None


def _buckets(key: Array, n_keys: int, random_state: int) -> tuple[Array, int]:
    """Piece that each key is drawn with; every key is its own piece while there are not too many."""
    if n_keys <= BUCKETS:
        return np.arange(n_keys), n_keys
    rng = np.random.default_rng([random_state, 11])
    return rng.permutation(n_keys) % BUCKETS, BUCKETS


def _bucketed(frame: Frame, cluster: Array, n_clusters: int) -> Frame:
    from dataclasses import replace

    table = replace(frame.table, key=cluster[frame.table.key], n_keys=n_clusters)
    return replace(frame, table=table)


def _name_of(leads: Leads) -> str:
    """Name that the store accepts, out of the mapping's or the file's."""
    text = leads.mapping.name if leads.mapping is not None else Path(leads.source).stem
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", text.encode("ascii", "ignore").decode()).strip("_-")
    return plain[:64] or "leads"


def _last_day(leads: Leads) -> str:
    """Last date in the data, which dates the result without a clock."""
    for dates in (leads.closed_at, leads.created_at):
        if dates is not None and dates.notna().any():
            return str(dates.max().date())
    return "undated"


def _version() -> str:
    from leadml import __version__

    return __version__
