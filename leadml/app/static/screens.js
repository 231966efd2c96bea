// The seven screens, from the answer to the monitor; each is given the page's state and what follows from it.
import { answerOf, ifAnswered, reasonsOf, bandOf, totalsOf } from "./card.js";
import { byCode } from "./count.js";
import { draftOf, moveTo, movesOf, setBand, setCutoff, setPoints, startFrom } from "./edits.js";
import { download, toCsv, toXlsx } from "./files.js";
import { Bar, Between, Curve, html, number, NumberBox, percent, plural, Screen, signed, useMemo, useState } from "./parts.js";

export function Answer({ data }) {
  const { answer, report } = data, most = Math.max(...answer.bars.map((bar) => bar.high), 1);
  return html`<section id="answer" aria-labelledby="answer-title">
    <p class="over">${answer.rule}</p><h1 id="answer-title">${answer.headline}</h1>
    <p class="lead">${answer.lead}</p>
    <div class="bars">${answer.bars.map((bar) => html`<${Bar} ...${bar} most=${most} />`)}</div>
    ${answer.more.map((text) => html`<p>${text}</p>`)}
    ${report && html`<p class="quiet"><a href=${report}>Statistics</a></p>`}
  </section>`;
}

/** Values of which fewer win than of one that earns less, beyond chance: the points say the opposite. */
function disagreement(points, counts, labels) {
  for (let a = 0; a < counts.length; a++) for (let b = 0; b < counts.length; b++) {
    const [one, two] = [counts[a], counts[b]];
    if (points[a] <= points[b] || one.n < 10 || two.n < 10) continue;
    const all = (one.won + two.won) / (one.n + two.n), gap = two.won / two.n - one.won / one.n;
    if (gap > 1.96 * Math.sqrt(all * (1 - all) * (1 / one.n + 1 / two.n))) {
      return `${labels[a]} earns more than ${labels[b]}, yet wins less often (${percent(one.won / one.n)} against ${percent(two.won / two.n)}).`;
    }
  }
  return "";
}

function Row({ column, at, state, edit }) {
  const { yours } = state, row = yours.rows[column.id], [picked, pick] = useState(null), [dragged, drag] = useState(null);
  const counts = useMemo(() => byCode(state.codes[at], state.data.deals, column.labels.length), [at]);
  const points = row.lane.map((lane) => row.points[lane]);
  const isMapped = column.kind === "attribute" || counts.some((c, code) => c.n > 0 && code !== 5) || column.shown.length < 6;
  const shown = column.labels.map((_, code) => code).filter((code) => counts[code].n > 0 || (isMapped && column.kind === "criterion" && column.shown.includes(code)));
  const ghost = (kind, table, code) => {
    const own = table?.rows.find((each) => each.id === column.id);
    return own && html`<span class="ghost ${kind}">${kind === "rule0" ? "rule" : "card"} ${own.points[code]}
      <i style=${{ width: percent(own.points[code] / table.max / state.widest) }}></i></span>`;
  };
  const move = (code, lane) => {
    pick(null);
    if (lane === undefined || lane === row.lane[code]) return;
    edit(`${column.title}: ${column.labels[code]} counts as ${column.labels[lane]}`, `${column.id} lane ${code}`, moveTo(yours, column.id, code, lane));
  };
  const step = (lane, by) => edit(`${column.title}: ${column.labels[lane]} earns ${Math.max(row.points[lane] + by, 0)}`,
    `${column.id} points ${lane}`, setPoints(yours, column.id, lane, row.points[lane] + by));
  const onKey = (code) => (e) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[e.key];
    if (!by) return;
    e.preventDefault();
    move(code, shown[shown.indexOf(row.lane[code]) + by]);
    setTimeout(() => document.querySelector(`[data-chip="${CSS.escape(column.id)} ${code}"]`)?.focus());
  };
  const chip = (code) => html`<button class="chip" data-chip="${column.id} ${code}" draggable="true" aria-pressed=${picked === code}
      aria-label="${column.labels[code]}, ${plural(counts[code].n, "deal")}, ${number(counts[code].won)} won. Arrow up or down moves it."
      onClick=${() => pick(picked === code ? null : code)} onKeyDown=${onKey(code)}
      onDragStart=${(e) => { e.dataTransfer.setData("text/plain", String(code)); drag(code); pick(null); }} onDragEnd=${() => drag(null)}>
    <b>${column.labels[code]}</b> ${counts[code].n ? html`<span>${plural(counts[code].n, "deal")} · ${number(counts[code].won)} won · ${percent(counts[code].won / counts[code].n)}</span>
    <i class="share" style=${{ width: percent(counts[code].won / counts[code].n) }}></i>` : html`<span>no deals</span>`}</button>`;
  const warning = disagreement(shown.map((c) => points[c]), shown.map((c) => counts[c]), shown.map((c) => column.labels[c]));
  return html`<article class="row"><h3>${column.title} ${column.source && column.source !== column.title && html`<small>${column.source}</small>`}</h3><p class="quiet">${column.question}</p>
    ${!isMapped && html`<p class="quiet">No column of your CRM is read for this, so it is not known of any lead.</p>`}
    ${shown.map((lane) => html`
      <div class="lane ${dragged === null ? "" : "open"}" onDragOver=${(e) => dragged !== null && e.preventDefault()} onDrop=${(e) => { e.preventDefault(); move(dragged, lane); drag(null); }}>
        <div class="points" role="group" aria-label="Points of ${column.title}, ${column.labels[lane]}">
          <button aria-label="One point less" disabled=${!row.points[lane]} onClick=${() => step(lane, -1)}>−</button>
          <output>${row.points[lane]}</output>
          <button aria-label="One point more" onClick=${() => step(lane, 1)}>+</button>
          <i class="mine" style=${{ width: percent(row.points[lane] / state.tables.yours.max / state.widest) }}></i></div>
        <div class="chips">${shown.filter((code) => row.lane[code] === lane).map(chip)}
          ${picked !== null && row.lane[picked] !== lane && html`<button class="here" onClick=${() => move(picked, lane)}>
            ${column.labels[picked]} here, like ${column.labels[lane]}</button>`}
          ${!row.lane.includes(lane) && picked === null && html`<span class="quiet">nothing counts as ${column.labels[lane]}</span>`}</div>
        <div class="ghosts">${ghost("rule0", state.tables.documented, lane)}${ghost("rule1", state.tables.learned, lane)}</div></div>`)}
    ${warning && html`<p class="warning">Your deals disagree: ${warning}</p>`}</article>`;
}

export function Rule({ state, edit, history, send }) {
  const { data, yours } = state, { steps, at } = history;
  const rows = data.columns.map((column, i) => [column, i]).filter(([column]) => yours.rows[column.id]);
  const again = (source) => edit(`Start again from the ${source === "learned" ? "learned card" : "documented rule"}`, `start ${source}`, startFrom(data[source], source));
  return html`<${Screen} id="rule" title="The rule in your words">
    <p>Every value your CRM holds, how many of its deals were won, and the points it earns. Change points by − and +. Drag a value
      (or press it, then choose where) to let it count like another. Beside it, the documented rule${data.documented ? ` (of ${state.tables.documented.max})` : ""} and
      the learned card${data.learned ? ` (of ${state.tables.learned.max})` : ""}; bars show the share of all points.</p>
    <div class="tools">
      ${["learned", "documented"].filter((s) => data[s]).map((s) => html`<button onClick=${() => again(s)}>Start from the ${s === "learned" ? "learned card" : "documented rule"}</button>`)}
      <button disabled=${!at} onClick=${() => send({ type: "undo" })}>Undo</button>
      <button disabled=${at === steps.length - 1} onClick=${() => send({ type: "redo" })}>Redo</button></div>
    <div class="rows">${rows.map(([column, i]) => html`<${Row} key=${column.id} ...${{ column, at: i, state, edit }} />`)}</div>
    ${steps.length > 1 && html`<details><summary>History: ${plural(steps.length - 1, "change")}</summary><ol>${steps.slice(1).map((s, i) => html`
      <li class=${i + 1 > at ? "undone" : ""}>${s.text}${i + 1 > at ? " (undone)" : s.kept ? " (kept)" : " (not kept yet)"}</li>`)}</ol></details>`}
  <//>`;
}

const LINES = [["calls", "Leads called"], ["wins", "Wins"], ["missed", "Wins missed"], ["of100", "Wins of 100 calls"], ["money", "Earned"]];

export function WhatIf({ state, edit, history, set }) {
  const { data, yours, found, stakes, perWeek } = state, card = state.tables.yours.card;
  const n = data.deals.n, calls = (cutoff) => state.callsFrom[Math.min(cutoff, state.callsFrom.length - 1)];
  const cut = (points) => edit(`Call from ${points} points`, "cutoff", setCutoff(yours, points));
  const nearest = (wanted) => state.callsFrom.reduce((best, c, at) => (Math.abs(c - wanted) < Math.abs(calls(best) - wanted) ? at : best), 0);
  const own = data.learned?.kind === "wide" ? "Wider card" : "Card";
  const names = [data.documented ? "Rule" : own, data.learned ? own : "Rule", "Yours"], lines = LINES.filter(([f]) => f !== "money" || stakes);
  const more = found.more[2];
  return html`<${Screen} id="what-if" title="What if">
    <div class="controls">
      <label class="field wide"><span>Call from <output>${card.cutoff}</output> points</span>
        <input type="range" min="0" max=${card.total_max + 1} value=${card.cutoff} onInput=${(e) => cut(Number(e.target.value))} /></label>
      <${NumberBox} label="New leads a week" value=${perWeek && Math.round(perWeek)} set=${(v) => set({ perWeek: v })} />
      <${NumberBox} label="Calls a week" value=${perWeek ? Math.round((calls(card.cutoff) / n) * perWeek) : null} disabled=${!perWeek}
        set=${(v) => v !== null && cut(nearest((v / perWeek) * n))} />
      <${NumberBox} label="Cost of a call" value=${state.cost} step="any" set=${(v) => set({ cost: v })} />
      <${NumberBox} label="Value of a win" value=${state.value} step="any" set=${(v) => set({ value: v })} />
      <button onClick=${() => cut(nearest(found.each[0].calls.value))}>As many calls as the rule</button></div>
    <table class="figures"><thead><tr><td></td>${names.map((name, k) => html`<th scope="col" class="rule${k}">${name}</th>`)}</tr></thead>
      <tbody>${lines.map(([f, title]) => html`<tr><th scope="row">${title}${f === "money" && data.economics.currency ? ` (${data.economics.currency})` : ""}</th>
        ${found.each.map((own, k) => html`<td class="rule${k}" data-figure="${f}-${k}"><${Between} figure=${own[f]} digits=${f === "of100" ? 1 : 0} /></td>`)}</tr>`)}</tbody></table>
    <p aria-live="polite" class="lead">Yours against the rule: ${signed(more.calls.value)} calls, ${signed(more.wins.value)} wins
      (${signed(more.wins.low)} to ${signed(more.wins.high)})${stakes ? `, ${signed(more.money.value)} ${data.economics.currency || ""} earned (${signed(more.money.low)} to ${signed(more.money.high)})` : ""}.</p>
    <p>You have tried ${plural(history.tried.length, "setting")}: the more you try, the luckier the best one looks. What you publish is judged on deals that close from now on.</p>
    <${Curve} figures=${found.each.map((own) => ({ calls: own.calls.value, wins: own.wins.value }))} names=${names} n=${n} nWon=${data.deals.n_won} ratio=${stakes && stakes.cost > 0 ? stakes.value / stakes.cost : null} />
    <p class="quiet">Counted on ${number(n)} closed deals${data.deals.n_sampled ? ` (a sample of ${number(data.deals.n_sampled)} stands for all)` : ""}; in small print, where it would lie with other
      deals of your kind (95 of 100). Card and yours have seen these deals, so expect a little less of them; the answer above allows for that.</p>
  <//>`;
}

export function Segments({ data }) {
  const columns = [...new Set(data.segments.map((s) => s.column))];
  return html`<${Screen} id="segments" title="Segments">
    ${columns.length ? html`<p>What the card wins more than the rule with as many calls, on deals it had not seen, by part of your business.</p>` : html`<p>Name columns under “segments” in the mapping (team, region, product, source) to compare them here.</p>`}
    ${columns.map((column) => html`<table class="figures"><caption>${column}</caption><thead><tr><th scope="col">Value</th><th scope="col">Deals</th><th scope="col">Called</th><th scope="col">Won</th><th scope="col">More wins</th></tr></thead><tbody>
      ${data.segments.filter((s) => s.column === column).map((s) => html`<tr class=${s.verdict === "too-few" ? "few" : ""}><th scope="row">${s.value || "(empty)"}</th>
        <td>${number(s.n)}</td><td>${number(s.followed_up)}</td><td>${number(s.won)}</td>
        <td>${s.verdict === "too-few" ? "too few" : html`<${Between} show=${signed} digits=${1} figure=${{ value: s.gain.value * s.won, low: s.gain.low * s.won, high: s.gain.high * s.won }} />`}</td></tr>`)}</tbody></table>`)}
  <//>`;
}

const ORDER = { ready: 0, wait: 1, "no-match": 2 };
const SAYS = { ready: "to follow up", wait: "to wait", "no-match": "to leave" };

/** Leads as your card judges them, the ones to call first. */
export function judged(state) {
  const { leads, tables: { yours }, data } = state;
  return leads.ids.map((id, i) => {
    const codes = leads.codes.map((column) => column[i]), answer = answerOf(yours, codes), asked = yours.rows[answer.askNext];
    const unknown = yours.rows.filter((row) => codes[row.at] === row.unknown).map((row) => row.id).join("; ");
    const named = Object.fromEntries(Object.entries(leads.names).map(([name, values]) => [name, values[i]]));
    const why = reasonsOf(yours, codes, (row, code) => `${data.columns[row.at].title}: ${data.columns[row.at].labels[code]}`);
    return { id, named, codes, ...answer, unknown, why, question: asked ? asked.question : "", if_answered: ifAnswered(yours, codes, answer), answers: ifAnswered(yours, codes, answer, (d) => SAYS[d]), reasons: reasonsOf(yours, codes) };
  }).sort((a, b) => ORDER[a.decision] - ORDER[b.decision] || b.points - a.points);
}

/** The columns that `leadml predict` writes, names first. */
export function sheetOf(rows, table) {
  const names = Object.keys(rows[0]?.named || {}), { card } = table, label = (d) => card.decision_labels[d] || d;
  const header = ["lead_id", ...names, "probability", "points", "points_max", "low", "high", "band", "action", "decision", "settled", "ask_next", "unknown", "reasons", "model", "question", "if_answered"];
  const model = card.version ? `${card.name}@${card.version}` : card.name;
  return [header, ...rows.map((r) => [r.id, ...names.map((name) => r.named[name]), r.chance, r.points, table.max, r.low, r.high, r.band, r.action, label(r.decision),
    r.settled ? "true" : "false", r.askNext < 0 ? "" : table.rows[r.askNext].id, r.unknown, r.reasons, model, r.question, r.if_answered])];
}

export function Leads({ state, drop }) {
  const [most, setMost] = useState(25), { leads, leadsFault } = state;
  const rows = useMemo(() => (leads ? judged(state) : []), [leads, state.yours]);
  const count = (d) => rows.filter((r) => r.decision === d).length, sheet = () => sheetOf(rows, state.tables.yours);
  return html`<${Screen} id="leads" title="This week’s leads">
    <div class="dropzone" onDragOver=${(e) => e.preventDefault()} onDrop=${(e) => { e.preventDefault(); drop(e.dataTransfer.files[0]); }}>
      <label class="field wide"><span>Drop an export of open leads here, or choose it (CSV). It stays in this browser.</span><input type="file" accept=".csv,.txt,.tsv" onChange=${(e) => drop(e.target.files[0])} /></label></div>
    ${leadsFault && html`<p class="warning" role="alert">${leadsFault}</p>`}
    ${leads && html`<p class="lead">${plural(rows.length, "lead")} by your rule: ${["ready", "wait", "no-match"].map((d) => `${count(d)} ${SAYS[d]}`).join(", ")}.</p>
      ${leads.faults?.length > 0 && html`<details class="warning"><summary>${plural(leads.faults.length, "row")} could not be read</summary><ul>${leads.faults.slice(0, 20).map((f) => html`<li>${f}</li>`)}</ul></details>`}
      ${leads.n_rejected > 0 && html`<p class="warning">${plural(leads.n_rejected, "row")} could not be read; leadml check tells why.</p>`}
      ${leads.n_left_out > 0 && html`<p class="warning">${plural(leads.n_left_out, "lead")} more are in the file than the page holds.</p>`}
      <div class="tools"><button onClick=${() => download("leads.csv", toCsv(sheet()), "text/csv")}>Save as CSV</button><button onClick=${() => download("leads.xlsx", toXlsx(sheet()))}>Save for Excel</button></div>
      <ol class="leads">${rows.slice(0, most).map((r) => html`<li key=${r.id} class=${r.decision}><p><b>${Object.values(r.named).filter(Boolean).join(", ") || `Lead ${r.id}`}</b> <span class="tag">${r.action}</span>
          <span class="quiet">${r.points} of ${state.tables.yours.max} points${r.chance === null ? "" : `, ${percent(r.chance)} chance`}</span></p>
        <p class="why">${r.why || "nothing known earns points"}</p>
        ${r.question && html`<p class="ask">Ask: ${r.question} <span class="quiet">${r.answers}</span></p>`}</li>`)}</ol>
      ${rows.length > most && html`<button onClick=${() => setMost(most + 100)}>Show more (${number(rows.length - most)})</button>`}`}
  <//>`;
}

export function Publish({ state, history }) {
  const { data, tables, leads, codes } = state, [by, setBy] = useState(""), [because, setBecause] = useState(""), [atOnce, setAtOnce] = useState(false), [done, setDone] = useState("");
  const inUse = tables[data.in_use], yours = tables.yours, source = data[data.in_use];
  const moves = useMemo(() => {
    if (leads) {
      const actions = (table) => leads.ids.map((_, i) => answerOf(table, leads.codes.map((column) => column[i])).action);
      return movesOf(actions(inUse), actions(yours), () => 1);
    }
    const { won, lost } = data.deals, actions = (table) => Array.from(totalsOf(table, codes, won.length), (t) => table.card.bands[bandOf(table.card, t)].action);
    return movesOf(actions(inUse), actions(yours), (i) => won[i] + lost[i]);
  }, [state.yours, leads]);
  const n = leads ? leads.ids.length : data.deals.n, what = leads ? "open leads" : "closed deals", open = !history.steps[history.at].kept;
  const model = source.version ? `${source.name}@${source.version}` : source.name, ready = by.trim() && because.trim() && !open;
  const quoted = (text) => `'${text.trim().replaceAll("'", "'\\''")}'`;
  const publish = async () => {
    const draft = draftOf(yours.card, state.yours, data.model, by.trim(), because.trim(), model);
    if (!data.served) {
      download(`${data.model}-draft.json`, JSON.stringify(draft, null, 2));
      setDone(`Saved. To put it in the store: leadml publish ${data.model}-draft.json --by ${quoted(by)} --because ${quoted(because)}`);
      return;
    }
    const headers = { "content-type": "application/json", authorization: `Bearer ${new URLSearchParams(location.search).get("token") || ""}` };
    const reply = await fetch("publish", { method: "POST", headers, body: JSON.stringify({ draft, by, because, in_use: atOnce }) }), said = await reply.json();
    setDone(reply.ok ? `Published as ${said.model}${said.in_use ? ", in use from now on" : ""}. ${said.comparison} ${said.refused}` : String(said.detail));
  };
  return html`<${Screen} id="publish" title="Publish">
    <p class="lead">${moves.length ? `${number(moves.reduce((sum, move) => sum + move.n, 0))} of ${number(n)} ${what} would be treated otherwise than by` : "No decision differs from"} the
      ${data.in_use === "documented" ? "documented rule" : "card"} in use (${model}).</p>
    <ul class="moves">${moves.slice(0, 6).map((m) => html`<li><b>${number(m.n)}</b> move from ${m.before} to ${m.after}</li>`)}</ul>
    <details><summary>What is done from how many points</summary>${state.yours.bands.map((band, at) => html`<div class="band"><label class="field"><span>From</span>
      <input type="number" min="0" disabled=${!at || band.decision === "ready" && state.yours.bands[at - 1].decision !== "ready"} value=${tables.yours.card.bands.find((b) => b.id === band.id)?.from ?? band.from}
        onChange=${(e) => state.edit(`${band.title} from ${e.target.value}`, `band ${at}`, setBand(state.yours, at, { from: Number(e.target.value) }))} /></label>
      <label class="field wide"><span>${band.title}</span><input value=${band.action} onChange=${(e) => state.edit(`${band.title}: ${e.target.value}`, `action ${at}`, setBand(state.yours, at, { action: e.target.value.replace(/^[=+@-]+/, "") || band.action }))} /></label></div>`)}</details>
    <div class="controls"><label class="field"><span>Your name (required)</span><input value=${by} required onInput=${(e) => setBy(e.target.value)} /></label>
      <label class="field wide"><span>Why (required; kept in the history)</span><input value=${because} required maxlength="1000" onInput=${(e) => setBecause(e.target.value)} /></label>
      ${data.served && html`<label><input type="checkbox" checked=${atOnce} onChange=${(e) => setAtOnce(e.target.checked)} /> Put it in use at once</label>`}
      <button class="main" disabled=${!ready} onClick=${publish}>${data.served ? "Publish" : "Save the draft"}</button></div>
    ${open && html`<p class="warning">Keep or take back your last change first.</p>`}
    <p role="status">${done}</p>
  <//>`;
}

const MARKS = { "as predicted": "✓", "more wins": "▲", "fewer wins": "▼", "too early to tell": "…" };

export function Health({ data: { health } }) {
  return html`<${Screen} id="health" title="Health"><p class="lead state ${health.state.replaceAll(" ", "-")}">${health.state}</p>
    <ul>${health.reasons.map((text) => html`<li>${text}</li>`)}</ul>
    ${health.weeks.length > 0 && html`<p>Deals closed by week: won, and how many were predicted.</p><ol class="weeks">${health.weeks.map((w) => html`
      <li class=${w.state.replaceAll(" ", "-")} title="${w.monday}: ${w.state}"><b>${MARKS[w.state]}</b><span>${w.won} of ${w.n}</span><small>${number(w.predicted, 1)} predicted</small><small>${w.monday.slice(5)}</small></li>`)}</ol>
    <p class="quiet">✓ as predicted, ▲ more wins, ▼ fewer, … too early to tell (fewer than 10 deals). One odd week says little; the state above counts all of them.</p>`}
  <//>`;
}
