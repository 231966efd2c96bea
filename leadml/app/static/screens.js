// The answer, what if and segments; the rule and the leads have files of their own.
import { setCutoff } from "./edits.js";
import { Bar, Between, Curve, Doubt, html, number, NumberBox, plural, Screen, signed } from "./parts.js";

export function Answer({ data: { answer, report, champion, compared } }) {
  const most = Math.max(...answer.bars.map((bar) => bar.high), 1);
  return html`<section id="answer" aria-labelledby="answer-title">
    <p class="over">${answer.rule}${champion && `; in use now: ${compared}`}</p><h1 id="answer-title">${answer.headline}</h1>
    <p class="lead">${answer.lead}</p>
    <div class="bars">${answer.bars.map((bar) => html`<${Bar} ...${bar} most=${most} />`)}</div>
    ${answer.more.map((text) => html`<p>${text}</p>`)}
    <${Doubt} answer=${answer} />
    ${report && html`<p class="quiet"><a href=${report}>Statistics</a></p>`}
  </section>`;
}

const LINES = [["calls", "Leads called"], ["wins", "Wins"], ["missed", "Wins missed"], ["of100", "Wins of 100 calls"], ["money", "Earned"]];

/** Cut-off, calls, cost and value; `cut` sets the cut-off, by calls too. */
function Controls({ state, set, cut, nearest }) {
  const { perWeek, callsFrom, tables, found, data, decimal } = state, { card } = tables.yours;
  const now = callsFrom[card.cutoff], wanted = found.each[0].calls.value, fewer = callsFrom.findIndex((calls) => calls < wanted - 0.5), around = [fewer, fewer - 1].filter((at) => at >= 0);
  const weekly = perWeek ? Math.round((now / data.deals.n) * perWeek) : null;
  return html`<div class="controls">
    <label class="field wide"><span>Call from <output>${card.cutoff}</output> points</span>
      <input type="range" min="0" max=${card.total_max + 1} value=${card.cutoff} onInput=${(event) => cut(Number(event.target.value))} /></label>
    <${NumberBox} decimal=${decimal} label="New leads a week" value=${perWeek && Math.round(perWeek)} set=${(value) => set({ perWeek: value })} />
    <${NumberBox} decimal=${decimal} label="Calls a week" value=${weekly} disabled=${!perWeek}
      set=${(value) => value !== null && cut(nearest((value / perWeek) * data.deals.n))} />
    <${NumberBox} decimal=${decimal} label="Cost of a call" value=${state.cost} set=${(value) => set({ cost: value })} />
    <${NumberBox} decimal=${decimal} label="Value of a win" value=${state.value} set=${(value) => set({ value })} />
    <button onClick=${() => cut(nearest(wanted))}>As many calls as the rule</button></div>
    ${now === callsFrom[nearest(wanted)] && Math.abs(now - wanted) >= 0.5 && html`<p class="quiet" role="status">
      No cut-off comes closer to the ${number(wanted)} calls of the rule: ${around.map((at) => `from ${at} points ${number(callsFrom[at])}`).join(", ")}.</p>`}`;
}

export function WhatIf({ state, edit, history, set }) {
  const { data, yours, found, stakes, callsFrom } = state, { deals } = data, currency = data.economics.currency || "";
  const cut = (points) => edit(`Call from ${points} points`, "cutoff", setCutoff(yours, points));
  const nearest = (wanted) => callsFrom.reduce((best, calls, at) => (Math.abs(calls - wanted) < Math.abs(callsFrom[best] - wanted) ? at : best), 0);
  const own = data.learned?.kind === "wide" ? "Wider card" : "Card", names = [data.documented ? "Rule" : own, data.learned ? own : "Rule", "Yours"];
  const lines = LINES.filter(([name]) => name !== "money" || stakes), { calls, wins, money } = found.more[2];
  const all = found.each[0].wins.value + found.each[0].missed.value, everybody = stakes ? all * stakes.value - deals.n * stakes.cost : 0;
  const simplest = Math.max(everybody, 0), most = Math.max(...found.each.map((each) => each.money.value));
  const isSeen = [!data.documented, data.learned, yours.card.kind !== "documented"];
  const from = (figure) => `(${signed(figure.low)} to ${signed(figure.high)})`;
  const figures = found.each.map((each) => ({ calls: each.calls.value, wins: each.wins.value }));
  return html`<${Screen} id="what-if" title="What if">
    <${Controls} ...${{ state, set, cut, nearest }} />
    <table class="figures"><caption>Counted on the ${number(deals.n)} closed deals learned from${deals.n_sampled ? ` (a sample of ${number(deals.n_sampled)} stands for all)` : ""}<small>
      The answer above and the report say what to expect of deals that no card learned from:
      the rule's wins differ a little from these, and a card's are fewer, as they will be on new deals.</small></caption><thead><tr><td></td>${names.map((name, k) => html`<th scope="col" class="rule${k}">${name}${isSeen[k] && html`<small>on the deals it learned from</small>`}</th>`)}</tr></thead>
      <tbody>${lines.map(([name, title]) => html`<tr><th scope="row">${title} ${name === "money" && currency && `(${currency})`}</th>
        ${found.each.map((each, k) => html`<td class="rule${k}" data-figure="${name}-${k}">
          <${Between} figure=${each[name]} digits=${name === "of100" ? 1 : 0} /></td>`)}</tr>`)}</tbody></table>
    <${Doubt} answer=${data.answer} />
    <p aria-live="polite" class="lead">Yours against the rule: ${plural(calls.value, "call", signed)}, ${plural(wins.value, "win", signed)} ${from(wins)}${stakes && `, ${signed(money.value)} ${currency} earned ${from(money)}`}.</p>
    ${stakes && Math.round(simplest) > Math.round(most) && html`<p class="warning">Calling ${everybody > 0 ? "everybody" : "nobody"} earns more than each of these: ${`${number(simplest)} ${currency}`.trim()}.</p>`}
    <p>You have tried ${plural(history.tried.length, "setting")}: the more you try, the luckier the best one looks.
      What you publish is judged on deals that close from now on.</p>
    <${Curve} ...${{ figures, names }} n=${deals.n} nWon=${deals.n_won} ratio=${stakes?.cost > 0 ? stakes.value / stakes.cost : null} />
    <p class="quiet">In small print, where it would lie with other deals of your kind (95 of 100).</p>
  <//>`;
}

function Segment({ segment }) {
  const { gain, won } = segment, more = { value: gain.value * won, low: gain.low * won, high: gain.high * won };
  const isFew = segment.verdict === "too-few";
  return html`<tr class=${isFew ? "few" : ""}><th scope="row">${segment.value || "(empty)"}</th>
    <td>${number(segment.n)}</td><td>${number(segment.followed_up)}</td><td>${number(won)}</td>
    <td>${isFew ? "too few" : html`<${Between} show=${signed} digits=${1} figure=${more} />`}</td></tr>`;
}

export function Segments({ data: { segments } }) {
  const columns = [...new Set(segments.map((each) => each.column))], titles = ["Value", "Deals", "Called", "Won in all", "More wins"];
  const n = segments.filter((each) => each.column === columns[0]).reduce((sum, each) => sum + each.n, 0);
  const about = columns.length ? `What the card wins more than the rule with as many calls, by part of your business: on the ${number(n)} deals that it had not seen when it judged them.`
    : "Name columns under “segments” in the mapping (team, region, product, source) to compare them here.";
  const few = segments.some((each) => each.verdict === "too-few") ? " Too few: card and rule disagree on fewer than 10 deals there." : "";
  return html`<${Screen} id="segments" title="Segments"><p>${about}${few}</p>
    ${columns.map((column) => {
      const own = segments.filter((each) => each.column === column);
      const table = html`<table class="figures"><caption>${column}</caption>
        <thead><tr>${titles.map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>
        <tbody>${own.map((segment) => html`<${Segment} segment=${segment} />`)}</tbody></table>`;
      const isFew = own.every((each) => each.verdict === "too-few");
      return isFew ? html`<details><summary>${column}: too few deals in every part to compare</summary>${table}</details>` : table;
    })}
  <//>`;
}
