// This week's leads as your card judges them, and what publishing it would change.
import { answerOf, bandOf, ifAnswered, reasonsOf, totalsOf } from "./card.js";
import { draftOf, isChanged, movesOf, setBand } from "./edits.js";
import { download, toCsv } from "./files.js";
import { html, number, percent, plural, Screen, useMemo, useState } from "./parts.js";

const ORDER = { ready: 0, wait: 1, "no-match": 2 };
const SAYS = { ready: "to follow up", wait: "to wait", "no-match": "to leave" };
const SHEET = ["probability", "points", "points_max", "low", "high", "band", "action", "decision", "settled", "ask_next",
  "unknown", "reasons", "model", "question", "if_answered"];
const modelOf = (card) => (card.version ? `${card.name}@${card.version}` : card.name);

/** Leads, the ones to call first. */
function judged({ leads, tables: { yours }, data: { columns } }) {
  const named = (i) => Object.fromEntries(Object.entries(leads.names).map(([name, values]) => [name, values[i]]));
  const inWords = (row, code) => `${columns[row.at].title}: ${columns[row.at].labels[code]}`;
  const rows = leads.ids.map((id, i) => {
    const codes = leads.codes.map((column) => column[i]), answer = answerOf(yours, codes), asked = yours.rows[answer.askNext];
    return {
      id, codes, ...answer, named: named(i), ask_next: asked?.id ?? "", question: asked?.question ?? "",
      reasons: reasonsOf(yours, codes), why: reasonsOf(yours, codes, inWords),
      if_answered: ifAnswered(yours, codes, answer), answers: ifAnswered(yours, codes, answer, (decision) => SAYS[decision]),
      unknown: yours.rows.filter((row) => codes[row.at] === row.unknown).map((row) => row.id).join("; "),
    };
  });
  return rows.sort((a, b) => ORDER[a.decision] - ORDER[b.decision] || b.points - a.points);
}

/** The columns that `leadml predict` writes, names first. */
function sheetOf(rows, { card, max }) {
  const names = Object.keys(rows[0]?.named || {}), shared = { points_max: max, model: modelOf(card) };
  const own = (r) => ({ ...r, ...shared, probability: r.chance, settled: String(r.settled), decision: card.decision_labels[r.decision] || r.decision });
  const cells = (r) => [r.id, ...names.map((name) => r.named[name]), ...SHEET.map((name) => own(r)[name])];
  return [["lead_id", ...names, ...SHEET], ...rows.map(cells)];
}

function Lead({ lead, max }) {
  const name = Object.values(lead.named).filter(Boolean).join(", ") || "";
  return html`<li class=${lead.decision}>
    <p><b>${name || `Lead ${lead.id}`}</b> ${name && html`<span class="quiet">${lead.id}</span>`} <span class="tag">${lead.action}</span> <span class="quiet">${lead.points} of ${max} points${lead.chance === null ? "" : `, ${percent(lead.chance)} chance`}</span></p>
    <p class="why">${lead.why || "nothing known earns points"}</p>
    ${lead.question && html`<p class="ask">Ask: ${lead.question} <span class="quiet">${lead.answers}</span></p>`}</li>`;
}

export function Leads({ state, drop }) {
  const [most, setMost] = useState(25), { leads, leadsFault, tables } = state;
  const rows = useMemo(() => (leads ? judged(state) : []), [leads, state.yours]), sheet = () => sheetOf(rows, tables.yours);
  const counts = Object.keys(ORDER).map((each) => `${rows.filter((row) => row.decision === each).length} ${SAYS[each]}`).join(", ");
  const by = `the ${{ learned: "learned card", documented: "documented rule", champion: `champion, ${modelOf(state.yours.card)}` }[state.yours.source]}${isChanged(state.yours) ? ", as you changed it" : ""}`;
  const onDrop = (event) => { event.preventDefault(); drop(event.dataTransfer.files[0]); };
  return html`<${Screen} id="leads" title="This week’s leads">
    <div class="dropzone" onDragOver=${(event) => event.preventDefault()} onDrop=${onDrop}><label class="field wide">
      <span>Drop an export of open leads here, or choose it (CSV). It stays in this browser.</span>
      <input type="file" accept=".csv,.txt,.tsv" onChange=${(event) => drop(event.target.files[0])} /></label></div>
    ${leadsFault && html`<p class="warning" role="alert">${leadsFault}${leads && " The leads below are those from before."}</p>`}
    ${leads && html`<p class="lead">${plural(rows.length, "lead")} by ${by}: ${counts}.</p>
      ${leads.faults?.length > 0 && html`<details class="warning" open><summary>Not finished: ${plural(leads.faults.length, "row")} could not be read, so the list is not complete.
        Correct the file or the mapping, then drop it again.</summary>
        <ul>${leads.faults.slice(0, 20).map((fault) => html`<li>${fault}</li>`)}
          ${leads.faults.length > 20 && html`<li>and ${number(leads.faults.length - 20)} more</li>`}</ul></details>`}
      ${leads.n_rejected > 0 && html`<p class="warning">${plural(leads.n_rejected, "row")} could not be read; leadml check tells why.</p>`}
      ${leads.n_left_out > 0 && html`<p class="warning">${plural(leads.n_left_out, "lead")} more are in the file than the page holds.</p>`}
      <div class="tools"><button onClick=${() => download("leads.csv", toCsv(sheet(), state.decimal || ".", leads.delimiter), "text/csv")}>Save as CSV</button></div>
      <ol class="leads">${rows.slice(0, most).map((lead) => html`<${Lead} key=${lead.id} lead=${lead} max=${tables.yours.max} />`)}</ol>
      ${rows.length > most && html`<button onClick=${() => setMost(most + 100)}>Show more (${number(rows.length - most)})</button>`}`}
  <//>`;
}

/** Actions that change from one card to another: of the leads, where there are any, else of the closed deals. */
function findMoves({ leads, data: { deals }, codes }, tables) {
  const cards = tables.map((table) => table.card);
  if (leads) {
    const actions = (table) => leads.ids.map((_, i) => answerOf(table, leads.codes.map((column) => column[i])).action);
    return movesOf(cards, tables.map(actions), () => 1);
  }
  const actions = (table) => Array.from(totalsOf(table, codes, deals.won.length), (total) => table.card.bands[bandOf(table.card, total)].action);
  return movesOf(cards, tables.map(actions), (i) => deals.won[i] + deals.lost[i]);
}

/** From how many points what is done; the cut-off has its own slider. */
function Bands({ yours, card, edit }) {
  const isCutoff = (at) => yours.bands[at].decision === "ready" && yours.bands[at - 1]?.decision !== "ready";
  const start = (band) => card.bands.find((each) => each.id === band.id)?.from ?? band.from;
  const begin = (band, at, from) => edit(`${band.title} from ${from}`, `band ${at}`, setBand(yours, at, { from }));
  const call = (band, at, text) => { // a first = + - @ would be a formula in a spreadsheet
    const action = text.replace(/^[=+@-]+/, "") || band.action;
    edit(`${band.title}: ${action}`, `action ${at}`, setBand(yours, at, { action }));
  };
  return html`<details><summary>What is done from how many points</summary>${yours.bands.map((band, at) => html`<div class="band">
    <label class="field"><span>From</span><input type="number" min="0" disabled=${!at || isCutoff(at)} value=${start(band)}
      onChange=${(event) => begin(band, at, Number(event.target.value))} /></label>
    <label class="field wide"><span>${band.title}</span>
      <input value=${band.action} onChange=${(event) => call(band, at, event.target.value)} /></label></div>`)}</details>`;
}

/** Send a draft to the server that this page came from; what it answers, in words. */
async function sendDraft(draft, by, because, in_use) {
  const token = new URLSearchParams(location.search).get("token") || "";
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const reply = await fetch("publish", { method: "POST", headers, body: JSON.stringify({ draft, by, because, in_use }) });
  const said = await reply.json();
  if (!reply.ok) return String(said.detail);
  return `Published as ${said.model}${said.in_use ? ", in use from now on" : ""}. ${said.comparison} ${said.refused}`;
}

const LATER = "Publishing stores a version; “leadml models promote” puts it in use.";

export function Publish({ state, history, edit, send }) {
  const { data, tables, leads, yours } = state, source = data[data.in_use], model = modelOf(source);
  const [by, setBy] = useState(""), [because, setBecause] = useState(""), [atOnce, setAtOnce] = useState(false), [done, setDone] = useState("");
  const moves = useMemo(() => findMoves(state, [tables[data.in_use], tables.yours]), [yours, leads]);
  const n = leads ? leads.ids.length : data.deals.n, what = leads ? "open leads" : "closed deals", all = (some) => some.reduce((sum, move) => sum + move.n, 0), smaller = moves.slice(6);
  const isOpen = !history.steps[history.at].kept, isReady = by.trim() && because.trim();
  const quoted = (text) => `'${text.trim().replaceAll("'", "'\\''")}'`;
  const publish = async () => {
    if (isOpen) send({ type: "keep" });
    const draft = draftOf(tables.yours.card, yours, data.model, by.trim(), because.trim(), model);
    if (data.served) return setDone(await sendDraft(draft, by, because, atOnce));
    download(`${data.model}-draft.json`, JSON.stringify(draft, null, 2));
    return setDone(`Saved. To store it as a new version: leadml publish ${data.model}-draft.json --by ${quoted(by)} --because ${quoted(because)}. ${LATER}`);
  };
  return html`<${Screen} id="publish" title="Publish">
    <p class="lead">${moves.length ? `${number(all(moves))} of ${number(n)} ${what} would be treated otherwise than by` : "Nothing is decided otherwise than by"} ${data.compared}.</p>
    <ul class="moves">${moves.slice(0, 6).map((move) => html`<li><b>${number(move.n)}</b> move from ${move.before} to ${move.after}</li>`)}
      ${smaller.length > 0 && html`<li>and <b>${number(all(smaller))}</b> in ${plural(smaller.length, "smaller move")}</li>`}</ul>
    <${Bands} yours=${yours} card=${tables.yours.card} edit=${edit} />
    <div class="controls">
      <label class="field"><span>Your name (required)</span><input value=${by} required onInput=${(event) => setBy(event.target.value)} /></label>
      <label class="field wide"><span>Why (required; kept in the history)</span>
        <input value=${because} required maxlength="1000" onInput=${(event) => setBecause(event.target.value)} /></label>
      ${data.served && html`<label><input type="checkbox" checked=${atOnce} onChange=${(event) => setAtOnce(event.target.checked)} /> Put it in use at once</label>`}
      <button class="main" disabled=${!isReady} onClick=${publish}>${data.served ? "Publish" : "Save the draft"}</button></div>
    <p class="quiet">${isOpen && "Your last change is kept with it. "}${data.served ? "Without the tick it is stored as a version only. " : ""}${LATER}</p>
    <p role="status">${done}</p>
  <//>`;
}
