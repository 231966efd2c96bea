"""One calibration, step by step: split, learn, judge, compare, recommend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadml.decisions.cutoff import Consequences
from leadml.estimators.fitted import FittedContender
from leadml.estimators.scorecard import ScorecardClassifier
from leadml.evaluation.bootstrap import draw_clusters
from leadml.evaluation.compare import Judged, Replicates, evaluate, figures_of, gains_over, reliability_of
from leadml.evaluation.metrics import HeldOut
from leadml.exceptions import UsageError
from leadml.frameworks import Framework, Policy, contactable_score, list_frameworks, load_policy
from leadml.leads.model import Leads
from leadml.leads.patterns import PatternTable
from leadml.leads.split import make_keys, make_split
from leadml.workflows.about import (
    describe_data,
    describe_provenance,
    describe_scorecard,
    describe_split,
    last_day,
    order_of,
    top_log_odds,
    version,
)
from leadml.workflows.cards import CardDraft, Learned, draft_documented_card, draft_learned_card, learn_all
from leadml.workflows.contenders import (
    CONTEXT_FOLDS,
    SCORECARDS,
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
    reweigh_freely,
)
from leadml.workflows.experiment import Experiment
from leadml.workflows.findings import find_on_result, make_finding
from leadml.workflows.fitted import WideDeals, fit_all, fit_scorecard, widen
from leadml.workflows.judge import Resampled, judge_policy, resample, say, share_of_weights
from leadml.workflows.recommend import choose_card, find_champion, find_disagreement, recommend
from leadml.workflows.shift import find_shift
from leadml.workflows.stakes import find_stakes
from leadml.workflows.whole import Whole, count_frame, inner_folds, say_sampled
from leadml.workflows.worked import find_all_worked, say_worked

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]

MANY_DEALS = 5_000  # from so many on, one repeat of the folds is enough
FOLDS_OF_MANY = 5
BUCKETS = 5_000  # keys are drawn again in at most so many pieces


@dataclass(frozen=True)
class Compared:
    """What a comparison leaves behind.

    Attributes
    ----------
    result : dict
        As in result.json.
    drafts : dict of str to CardDraft
        Every card by contender.
    fitted : dict of str to FittedContender
        Every contender that tells a probability and is no card.
    predictions : DataFrame
        One row a held-out deal, fold and contender.
    estimator : ScorecardClassifier or None
        The scikit-learn twin of the recommended framework's learned card.
    """

    result: dict[str, Any]
    drafts: dict[str, CardDraft]
    fitted: dict[str, FittedContender]
    predictions: pd.DataFrame
    estimator: ScorecardClassifier | None


class Comparison:
    """Documented rules against what closed deals teach.

    Parameters
    ----------
    leads : Leads
        All leads.
    closed : Leads
        The closed ones among them.
    settings : Experiment
        What to compare and how.
    name : str
        Name of the card.
    findings : list of dict
        Findings on the data so far.
    considered : Leads, optional
        Those leads that had the time to close, open ones among them; all where absent.
    whole : Whole, optional
        Counts of all deals like `closed`, where these are a sample.
    """

    def __init__(
        self,
        leads: Leads,
        closed: Leads,
        settings: Experiment,
        name: str,
        findings: list[dict[str, str]],
        considered: Leads | None = None,
        whole: Whole | None = None,
    ) -> None:
        self.leads, self.closed, self.settings, self.name = leads, closed, settings, name
        self.whole = whole
        self.outcome: Array = np.asarray(closed.outcome)
        self.stakes = find_stakes(settings, leads, closed)
        self.consequences: Consequences = self.stakes.consequences
        self.base_rate = float(self.outcome.mean()) if whole is None else whole.base_rate
        self.threshold = float(self.consequences.threshold(self.base_rate))
        wanted = settings.policies
        mapped = set(closed.levels.columns)
        self.frameworks: list[Framework] = [
            framework
            for framework in list_frameworks()
            if mapped & set(framework.criterion_ids)
            and (wanted is None or any(p.id in wanted for p in framework.policies))
        ]
        if not self.frameworks and (wanted is not None or closed.context.columns.empty):
            asked = f" ({', '.join(wanted)})" if wanted else ""
            raise UsageError(
                f"{closed.source}: no criterion of the rules to judge{asked} is mapped; mapped:"
                f" {', '.join(sorted(mapped)) or 'none'}; map a criterion of a framework (leadml frameworks)"
                + (", or judge another of its rules too" if mapped else "")
            )
        self.policies: list[Policy] = [
            p for f in self.frameworks for p in f.policies if wanted is None or p.id in wanted
        ]
        self.worked = find_all_worked(
            self.frameworks, self.policies, leads if considered is None else considered, settings.met_level
        )
        self.findings = findings + self.stakes.findings() + say_worked(self.worked, self.policies)
        if whole is not None:
            self.findings.append(say_sampled(whole, len(self.outcome)))

    def run(self) -> Compared:
        """Do it all.

        Returns
        -------
        Compared
            Result, cards, predictions and estimator.
        """
        s = self.settings
        key = make_keys(self.closed.row_key, self.closed.group)
        many = len(key) > MANY_DEALS
        split = make_split(
            self.outcome,
            key,
            order=order_of(self.closed),
            kind=s.split.kind,
            test_share=s.split.test_share,
            folds=min(s.split.folds, FOLDS_OF_MANY) if many else s.split.folds,
            repeats=1 if many else s.split.repeats,
            random_state=s.random_state,
        )
        arena = make_arena(split, self.outcome, s.random_state)
        frames = [make_frame(f, self.closed, key, split.n_keys) for f in self.frameworks]
        wide = widen(frames, self.closed.levels, self.closed.context, s.met_level)
        contenders = self._contend(frames, wide, arena)
        baseline = self._baseline(contenders)

        cluster, n_clusters = _buckets(split.n_keys, s.random_state)
        draws = draw_clusters(n_clusters, s.bootstrap, s.random_state)
        held = HeldOut(self.outcome[arena.rows], arena.fold, cluster[key[arena.rows]], draws)
        drawn_stakes = self.stakes.of_sets(draws, cluster[key])
        replicates = self._evaluate(held, contenders, baseline, drawn_stakes)

        all_deals = frames if self.whole is None else [count_frame(f, self.whole) for f in frames]
        inner = arena.inner if self.whole is None else inner_folds(all_deals, s.random_state)
        learned: dict[str, Learned] = {}
        drawn: dict[str, Resampled] = {}
        drafts: dict[str, CardDraft] = {}
        judged: list[dict[str, Any]] = []
        for single, frame in zip(frames, all_deals, strict=True):
            name = frame.framework.id
            learned[name] = fit = learn_all(frame, inner)
            again = self._draw(frame, cluster, draws)
            drafts |= self._draft(frame, fit, again, drawn_stakes)
            judged += self._judge(single, frame, contenders, arena, held, again, fit, drawn_stakes)
            # draws take room: those of a framework go before the next one is drawn
            drawn[name] = replace(again, won=again.won[:1].copy(), total=again.total[:1].copy())
            del again
        figures = self._describe(contenders, held, replicates, baseline, all_deals, learned, drawn)

        own = next((p for p in judged if p["id"] == baseline.id), None)
        must_learn = own is not None and own["verdict_weights"] == "change"
        chosen = choose_card(figures, drafts, replicates, baseline, must_learn)
        for figure in figures:
            figure["recommended"] = figure["id"] == chosen
        # a card without any effect keeps the documented points, and none of them counts
        level_4 = {name: fit.integer.points[:, -1] * (fit.integer.slope > 0) for name, fit in learned.items()}
        found = find_on_result(
            self.closed.levels, self.outcome, frames, level_4, figures, split, self.consequences.basis
        )
        points = drafts[chosen].card.score(self.closed.levels).points if chosen in drafts else None
        moved = find_shift(self.closed.levels, self.outcome, split, figures, points)
        by_id = {c.id: c for c in contenders}
        model = _learned_card(by_id, baseline.framework) or by_id.get(chosen)
        result = {
            "schema_version": 1,
            "leadml_version": version(),
            "data": describe_data(
                self.leads,
                self.closed,
                self.outcome,
                self.frameworks,
                self.stakes.currency,
                self.name,
                self.whole,
            ),
            "split": describe_split(split, self.outcome),
            "settings": {**s.model_dump(mode="json"), "policies": [p.id for p in self.policies]},
            "frameworks": [
                {
                    "id": f.framework.id,
                    "title": f.framework.title,
                    "mapped": list(f.mapped),
                    "unmapped": [c for c in f.framework.criterion_ids if c not in f.mapped],
                }
                for f in frames
            ],
            "consequences": self.stakes.describe(
                drawn_stakes, _base_rates(draws, cluster[key], self.outcome)
            ),
            "contenders": figures,
            "policies": judged,
            "disagreement": []
            if model is None
            else [find_disagreement(baseline, model, arena, self.closed.lead_id)],
            "findings": self.findings + moved + found,
            "champion": find_champion(contenders, replicates),
            "recommended": recommend(chosen, drafts.get(chosen), own, baseline, self.threshold),
        }
        own_fold = arena.inner[key] % CONTEXT_FOLDS
        fitted = fit_all(
            contenders, all_deals, learned, wide, self.outcome, own_fold, self.base_rate, self.consequences
        )
        twin = None
        if chosen in drafts:
            name = str(drafts[chosen].card.framework)
            own_frame = next(f for f in all_deals if f.framework.id == name)
            twin = fit_scorecard(own_frame, learned[name], integer=True)
        return Compared(result, drafts, fitted, self._predictions(contenders, arena), twin)

    def _baseline(self, contenders: list[Contender]) -> Contender:
        documented = [c for c in contenders if c.kind == "documented"]
        if not documented:
            self.findings.append(
                make_finding(
                    "LML305",
                    "warn",
                    "no documented rule can be judged",
                    "No criterion of any framework is mapped. The context columns are compared with the base"
                    " rate alone, and there is no card.",
                    "mapping",
                )
            )
            return next(c for c in contenders if c.kind == "prior")
        for contender in documented:
            if contender.id == self.settings.baseline:
                return contender
        self.findings.append(
            make_finding(
                "LML304",
                "warn",
                f"the baseline {self.settings.baseline} is not judged here",
                "None of its criteria is mapped, or it is not among the policies; everything is compared with"
                f" {documented[0].id} instead.",
                self.settings.baseline,
            )
        )
        return documented[0]

    def _contend(self, frames: list[Frame], wide: WideDeals, arena: Arena) -> list[Contender]:
        s = self.settings
        stakes = self.stakes.of_sets(arena.training, arena.key)
        out: list[Contender] = []
        families = [family for family in ("weights", "steps", "integer") if family in s.contenders]
        for frame in frames:
            policies = [p for p in self.policies if p.framework == frame.framework.id]
            out += [judge_by_policy(frame, p, arena, s.met_level) for p in policies]
            if "cutoff" in s.contenders:
                out += [
                    learn_cutoff(frame, p, arena, stakes, s.met_level, self._shared_floor(p))
                    for p in _one_a_unit(policies)
                ]
            out += learn_scorecards(frame, arena, stakes, families)
        if self.closed.contactable is not None and (s.policies is None or "contactable" in s.policies):
            rule = load_policy("contactable")
            score = contactable_score(self.closed.contactable).score[arena.rows].astype(float)
            out.append(Contender(rule.id, rule.title, "documented", "policy", None, score, score, None, 0))
        kinds = [kind for kind in ("context-logistic", "context-boosting") if kind in s.contenders]
        table = wide.table if kinds else None
        out += [learn_context(kind, table, wide.monotone, arena, stakes) for kind in kinds]
        if "prior" in s.contenders or not out or not frames:
            out.append(judge_by_prior(arena, stakes))
        return out

    def _floor(self, policy: Policy) -> int:
        """Lowest cut-off that can be judged for the policy."""
        return self.worked[str(policy.framework), policy.unit].floor_of(policy.cutoff)

    def _shared_floor(self, policy: Policy) -> int:
        """Lowest cut-off that can be judged for any rule on the policy's score."""
        alike = [p for p in self.policies if (p.framework, p.unit) == (policy.framework, policy.unit)]
        return min((self._floor(p) for p in alike), default=0)

    def _evaluate(
        self, held: HeldOut, contenders: list[Contender], baseline: Contender, stakes: Consequences
    ) -> dict[str, Replicates]:
        value = 1.0 if stakes.value is None else stakes.value
        cost = self.threshold if stakes.cost is None else stakes.cost
        return {c.id: evaluate(held, _judged(c), baseline.decision, value, cost) for c in contenders}

    def _draft(
        self, frame: Frame, learned: Learned, drawn: Resampled, stakes: Consequences
    ) -> dict[str, CardDraft]:
        s, name = self.settings, frame.framework.id
        about: dict[str, Any] = {
            "name": self.name,
            "created_at": s.as_of or last_day(self.leads),
            "provenance": describe_provenance(self.leads, self.outcome, s, self.whole),
            "met_level": s.met_level,
            "bands": s.bands,
        }
        banded = max(frame.framework.policies, key=lambda p: len(p.bands))
        out = {
            f"{name}-{policy.unit}-cutoff": draft_documented_card(
                frame, policy, drawn, stakes, banded, floor=self._shared_floor(policy), **about
            )
            for policy in _one_a_unit(frame.framework.policies)
        }
        out[f"{name}-integer"] = draft_learned_card(frame, learned, drawn, stakes, banded, **about)
        return out

    def _judge(
        self,
        single: Frame,
        frame: Frame,
        contenders: list[Contender],
        arena: Arena,
        held: HeldOut,
        drawn: Resampled,
        learned: Learned,
        stakes: Consequences,
    ) -> list[dict[str, Any]]:
        by_id = {c.id: c for c in contenders}
        name = frame.framework.id
        shares = share_of_weights(frame, top_log_odds(learned.full)[None])[0]
        free = reweigh_freely(single, arena)
        out = []
        for policy in (p for p in self.policies if p.framework == name):
            judged = judge_policy(
                frame,
                policy,
                drawn,
                held=held,
                rule=by_id[policy.id],
                learned=_learned_card(by_id, name),
                cutoff=by_id.get(f"{name}-{policy.unit}-cutoff"),
                consequences=stakes,
                threshold=self.threshold if stakes.value is None else stakes.threshold(held.totals[:, 0]),
                met_level=self.settings.met_level,
                smallest_gain=self.settings.smallest_gain,
                n_deals=len(self.outcome),
                learned_weights=shares,
                free_score=free,
                floor=self._floor(policy),
            )
            n_left = 0 if self.whole is None else self.whole.n_won + self.whole.n_lost - len(self.outcome)
            judged["sentence"] = say(judged, f"{frame.framework.title}: {policy.title}", n_left)
            out.append(judged)
            if judged["verdict_weights"] == "cannot-judge" and not judged["judged_from"]:
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
        return out

    def _describe(
        self,
        contenders: list[Contender],
        held: HeldOut,
        replicates: dict[str, Replicates],
        baseline: Contender,
        frames: list[Frame],
        learned: dict[str, Learned],
        drawn: dict[str, Resampled],
    ) -> list[dict[str, Any]]:
        over_baseline = _gains(replicates, baseline.id, [c.id for c in contenders if c.id != baseline.id])
        told = [c.id for c in contenders if c.probability is not None and c.kind != "prior"]
        over_prior = _gains(replicates, "prior", told, ("log_loss", "auc")) if "prior" in replicates else {}
        frame_of = {f.framework.id: f for f in frames}
        out = []
        for c in contenders:
            about = describe_scorecard(c, frame_of, learned, drawn)
            out.append(
                {
                    "id": c.id,
                    "title": c.title,
                    "kind": c.kind,
                    "family": c.family,
                    "framework": c.framework,
                    **figures_of(replicates[c.id]),
                    "gain": over_baseline.get(c.id),
                    "gain_over_prior": over_prior.get(c.id),
                    **about,
                    "reliability": reliability_of(held, _judged(c)),
                    "recommended": False,
                }
            )
        return out

    def _predictions(self, contenders: list[Contender], arena: Arena) -> pd.DataFrame:
        import pandas as pd

        n, missing = len(arena.rows), np.full(len(arena.rows), np.nan)
        return pd.DataFrame(
            {
                # objects: every text is held once
                "lead_id": np.tile(
                    self.closed.lead_id[arena.rows].astype(str).astype(object), len(contenders)
                ),
                "fold": np.tile(arena.fold, len(contenders)),
                "contender": np.repeat(np.array([c.id for c in contenders], object), n),
                "outcome": np.tile(self.outcome[arena.rows].astype(int), len(contenders)),
                "probability": np.concatenate(
                    [missing if c.probability is None else c.probability for c in contenders]
                ),
                "score": np.concatenate([c.score for c in contenders]),
                "decision": np.concatenate([c.decision.astype(int) for c in contenders]),
            }
        )

    def _draw(self, frame: Frame, cluster: Array, draws: Array) -> Resampled:
        """Draw all deals of a framework again: as single deals where they are that, else in pieces."""
        table, s = frame.table, self.settings
        if self.whole is not None:
            pieces = table.n_keys if self.whole.in_groups else 0
            weights = draw_clusters(pieces, s.bootstrap, s.random_state) if pieces else None
        elif self.closed.group is None and draws.shape[1] < len(cluster):
            weights = None
        else:
            table, weights = _in_buckets(table, cluster, draws.shape[1]), draws
        if weights is None:
            return resample(frame, *table.draw(s.bootstrap, s.random_state))
        return resample(frame, *table.weigh(weights))


def _base_rates(draws: Array, key: Array, outcome: Array) -> Array:
    """Share of won deals in every draw."""
    n_keys = draws.shape[1]
    won = draws @ np.bincount(key, outcome, minlength=n_keys)
    return np.asarray(won / (draws @ np.bincount(key, minlength=n_keys)))


def _judged(contender: Contender) -> Judged:
    return Judged(contender.id, contender.score, contender.decision, contender.probability)


def _gains(
    replicates: dict[str, Replicates],
    baseline: str,
    others: list[str],
    names: tuple[str, ...] = ("wins_captured", "net_value_per_lead", "auc"),
) -> dict[str, Any]:
    found = gains_over(replicates[baseline], [replicates[name] for name in others], names)
    return dict(zip(others, found, strict=True))


def _learned_card(by_id: dict[str, Contender], framework: str | None) -> Contender | None:
    names = [f"{framework}-{family}" for family in SCORECARDS]
    return next((by_id[name] for name in names if name in by_id), None)


def _one_a_unit(policies: Any) -> list[Policy]:
    """One policy for each way of counting: met criteria, points."""
    return list({p.unit: p for p in policies}.values())


def _buckets(n_keys: int, random_state: int) -> tuple[Array, int]:
    """Piece that each key is drawn with; every key is its own piece while there are not too many."""
    if n_keys <= BUCKETS:
        return np.arange(n_keys), n_keys
    rng = np.random.default_rng([random_state, 11])
    return rng.permutation(n_keys) % BUCKETS, BUCKETS


def _in_buckets(table: PatternTable, cluster: Array, n_clusters: int) -> PatternTable:
    return replace(table, key=cluster[table.key], n_keys=n_clusters)
