// State of the page: your card and its history, what-if figures, leads; everything else follows from these.
import { answerOf, calledOf, ifAnswered, reasonsOf, tableOf, totalsOf } from "./card.js";
import { compare } from "./count.js";
import { act, begin, cardOf, startFrom } from "./edits.js";
import { encodeLeads } from "./encode.js";
import { textOf } from "./files.js";
import { html, plural, render, useMemo, useReducer, useState } from "./parts.js";
import { Leads, Publish } from "./leads.js";
import { Rule } from "./rule.js";
import { Answer, Segments, WhatIf } from "./screens.js";

const data = JSON.parse(document.getElementById("data").textContent);

/** Codes as they lie in the page: one column after the other, a byte each. */
function columnsOf(base64, n) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return data.columns.map((_, at) => bytes.subarray(at * n, (at + 1) * n));
}

const m = data.deals.won.length, codes = columnsOf(data.deals.codes, m);
const fixed = Object.fromEntries(["documented", "learned", "champion"].map((k) => [k, data[k] && tableOf(data[k], data.columns)]));
const others = [fixed.documented || fixed.learned, fixed.learned || fixed.documented];
const othersCalled = others.map((table) => calledOf(table, codes, m));

/** Leads called from each cut-off, 0 to beyond the highest total. */
function callsFromEach({ card, rows, max }, totals) {
  const from = new Array(max + 2).fill(0), passes = calledOf({ rows, card: { ...card, cutoff: 0 } }, codes, m, totals);
  totals.forEach((total, i) => { from[total] += passes[i] * (data.deals.won[i] + data.deals.lost[i]); });
  for (let at = max; at >= 0; at--) from[at] += from[at + 1];
  return from;
}

/** What was asked of the page besides the card: costs, leads a week, leads. */
const asked = {
  perWeek: data.leads_per_week, cost: data.economics.cost ?? null, value: data.economics.value ?? null, leadsFault: "",
  leads: data.leads && { ...data.leads, codes: columnsOf(data.leads.codes, data.leads.ids.length) },
};

/** The largest share of all points that one value earns on any card: where bars of points end. */
function widestOf(tables) {
  const share = (table) => Math.max(...table.rows.flatMap((row) => row.points)) / Math.max(table.max, 1);
  return Math.max(...Object.values(tables).filter(Boolean).map(share), 0.01);
}

function readDropped(bytes) {
  const text = textOf(new Uint8Array(bytes), data.mapping?.read?.encoding);
  const leads = encodeLeads(text, data, data.learned?.attributes || []), has = leads.ids.length > 0;
  return has ? { leads, leadsFault: "" } : { leadsFault: `No open lead could be read. ${leads.faults[0] || ""}` };
}

/** The last change, until it is kept or taken back. */
const Pending = ({ step, found: { calls, wins }, send }) => html`<aside class="pending" aria-label="Change to confirm">
  <p role="status">${step.text}: ${plural(wins.value, "win")} from ${plural(calls.value, "call")}.</p>
  <button class="main" onClick=${() => send({ type: "keep" })}>Keep</button><button onClick=${() => send({ type: "undo" })}>Undo</button></aside>`;

const SCREENS = [Answer, Rule, WhatIf, Segments, Leads, Publish];
const LINKS = { rule: "Rule", "what-if": "What if", segments: "Segments", leads: "Leads", publish: "Publish" };

function Page() {
  const [history, send] = useReducer(act, null, () => begin(startFrom(data[data.in_use], data.in_use)));
  const [own, setOwn] = useState(asked), set = (change) => setOwn((before) => ({ ...before, ...change }));
  const step = history.steps[history.at], { yours } = step;
  const edit = (text, what, changed) => send({ type: "edit", text, what, yours: changed });
  const stakes = own.cost !== null && own.value !== null ? { cost: own.cost, value: own.value } : null;
  const counted = useMemo(() => {
    const table = tableOf(cardOf(yours), data.columns), totals = totalsOf(table, codes, m);
    return { table, callsFrom: callsFromEach(table, totals), called: calledOf(table, codes, m, totals) };
  }, [yours]);
  const called = [...othersCalled, counted.called];
  const found = useMemo(() => compare(called, data.deals, stakes, data.spread), [counted, own.cost, own.value]);
  const drop = (file) => file?.arrayBuffer().then(readDropped).catch((error) => ({ leadsFault: error.message })).then(set);
  const tables = { ...fixed, yours: counted.table };
  const decimal = data.mapping?.read?.decimal || data.mapping?.read?.sniffed_decimal || (own.leads?.decimal === "," ? "," : ""); // "": not known
  const state = { data, yours, codes, found, stakes, ...own, decimal, callsFrom: counted.callsFrom, tables, widest: widestOf(tables) };
  return html`<header><nav aria-label="Screens">${Object.entries(LINKS).map(([id, title]) => html`<a href="#${id}">${title}</a>`)}</nav></header>
    <main>${SCREENS.map((screen) => html`<${screen} ...${{ state, data, edit, history, send, set, drop }} />`)}</main>
    <footer class="quiet">Learned from ${data.made}.</footer>
    ${!step.kept && html`<${Pending} step=${step} found=${found.each[2]} send=${send} />`}`;
}

/** For the console and the tests: what the page counts with. */
window.leadml = { data, codes, tableOf, answerOf, reasonsOf, ifAnswered, calledOf, compare, encodeLeads };
document.getElementById("page").textContent = "";
render(html`<${Page} />`, document.getElementById("page"));
