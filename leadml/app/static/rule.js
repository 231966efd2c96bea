// The rule in the CRM's words: each value as a chip with its deals, in a lane with the points that it earns.
import { byCode } from "./count.js";
import { moveTo, setPoints, startFrom } from "./edits.js";
import { html, number, percent, plural, Screen, useMemo, useState } from "./parts.js";

/** Values of which fewer win than of one that earns less, beyond chance: the points say the opposite. */
function disagreement(points, counts, labels) {
  const rate = (each) => each.won / each.n, enough = [...counts.keys()].filter((at) => counts[at].n >= 10);
  for (const a of enough) for (const b of enough.filter((at) => points[a] > points[at])) {
    const [one, two] = [counts[a], counts[b]], all = (one.won + two.won) / (one.n + two.n);
    if (rate(two) - rate(one) > 1.96 * Math.sqrt(all * (1 - all) * (1 / one.n + 1 / two.n))) {
      return `${labels[a]} earns more than ${labels[b]}, yet wins less often (${percent(rate(one))} against ${percent(rate(two))}).`;
    }
  }
  return "";
}

/** A value of the CRM: drag it, press it, or move it by the arrow keys. */
function Chip({ column, code, count, isPicked, ...handlers }) {
  const name = column.labels[code], share = percent(count.won / count.n), deals = plural(count.n, "deal");
  return html`<button class="chip" data-chip="${column.id} ${code}" draggable="true" aria-pressed=${isPicked} ...${handlers}
      aria-label="${name}, ${deals}, ${number(count.won)} won. Arrow up or down moves it.">
    <b>${name}</b> ${count.n ? html`<span>${deals} · ${number(count.won)} won · ${share}</span><i class="share" style=${{ width: share }}></i>`
      : html`<span>no deals</span>`}</button>`;
}

/** Points of a documented or learned card at a value, with a bar of their share. */
function Ghost({ kind, table, column, code, widest }) {
  const row = table?.rows.find((each) => each.id === column.id);
  return row && html`<span class="ghost ${kind}">${kind === "rule0" ? "rule" : "card"} ${row.points[code]}
    <i style=${{ width: percent(row.points[code] / table.max / widest) }}></i></span>`;
}

function Row({ column, at, state, edit }) {
  const { yours, tables, widest } = state, row = yours.rows[column.id], { labels } = column;
  const [picked, pick] = useState(null), [dragged, drag] = useState(null);
  const counts = useMemo(() => byCode(state.codes[at], state.data.deals, labels.length), [at]);
  const isCriterion = column.kind === "criterion";
  const isMapped = !isCriterion || counts.some((c, code) => c.n > 0 && code !== 5) || column.shown.length < 6;
  const shown = [...labels.keys()].filter((code) => counts[code].n > 0 || (isMapped && isCriterion && column.shown.includes(code)));
  const move = (code, lane) => {
    pick(null);
    drag(null);
    if (lane === undefined || lane === row.lane[code]) return;
    edit(`${column.title}: ${labels[code]} counts as ${labels[lane]}`, `${column.id} lane ${code}`, moveTo(yours, column.id, code, lane));
  };
  const add = (lane, by) => {
    const points = Math.max(row.points[lane] + by, 0);
    edit(`${column.title}: ${labels[lane]} earns ${points}`, `${column.id} points ${lane}`, setPoints(yours, column.id, lane, points));
  };
  const onKeyDown = (code) => (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    move(code, shown[shown.indexOf(row.lane[code]) + by]);
    setTimeout(() => document.querySelector(`[data-chip="${CSS.escape(column.id)} ${code}"]`)?.focus());
  };
  const chip = (code) => html`<${Chip} ...${{ column, code, count: counts[code], isPicked: picked === code }} onKeyDown=${onKeyDown(code)}
    onClick=${() => pick(picked === code ? null : code)} onDragEnd=${() => drag(null)}
    onDragStart=${(event) => { event.dataTransfer.setData("text/plain", String(code)); drag(code); pick(null); }} />`;
  const lane = (code) => html`<div class="lane ${dragged === null ? "" : "open"}"
      onDragOver=${(event) => dragged !== null && event.preventDefault()} onDrop=${(event) => { event.preventDefault(); move(dragged, code); }}>
    <div class="points" role="group" aria-label="Points of ${column.title}, ${labels[code]}">
      <button aria-label="One point less" disabled=${!row.points[code]} onClick=${() => add(code, -1)}>−</button>
      <output>${row.points[code]}</output>
      <button aria-label="One point more" onClick=${() => add(code, 1)}>+</button>
      <i class="mine" style=${{ width: percent(row.points[code] / tables.yours.max / widest) }}></i></div>
    <div class="chips">${shown.filter((each) => row.lane[each] === code).map(chip)}
      ${picked !== null && row.lane[picked] !== code && html`
        <button class="here" onClick=${() => move(picked, code)}>${labels[picked]} here, like ${labels[code]}</button>`}
      ${picked === null && !row.lane.includes(code) && html`<span class="quiet">nothing counts as ${labels[code]}</span>`}</div>
    <div class="ghosts"><${Ghost} kind="rule0" table=${tables.documented} ...${{ column, code, widest }} />
      <${Ghost} kind="rule1" table=${tables.learned} ...${{ column, code, widest }} /></div></div>`;
  const of = (values) => shown.map((code) => values[code]);
  const warning = disagreement(of(row.lane.map((each) => row.points[each])), of(counts), of(labels));
  return html`<article class="row">
    <h3>${column.title} ${column.source !== column.title && html`<small>${column.source}</small>`}</h3><p class="quiet">${column.question}</p>
    ${!isMapped && html`<p class="quiet">No column of your CRM is read for this, so it is not known of any lead.</p>`}
    ${shown.map(lane)}
    ${warning && html`<p class="warning">Your deals disagree: ${warning}</p>`}</article>`;
}

export function Rule({ state, edit, history, send }) {
  const { data, yours, tables } = state, { steps, at } = history;
  const rows = data.columns.map((column, i) => [column, i]).filter(([column]) => yours.rows[column.id]);
  const named = { learned: "learned card", documented: "documented rule" }, sources = Object.keys(named).filter((each) => data[each]);
  const again = (source) => edit(`Start again from the ${named[source]}`, `start ${source}`, startFrom(data[source], source));
  const became = (step, i) => (i >= at ? " (undone)" : step.kept ? " (kept)" : " (not kept yet)");
  const beside = sources.map((each) => `the ${named[each]} (of ${tables[each].max})`).join(" and ");
  return html`<${Screen} id="rule" title="The rule in your words">
    <p>Every value your CRM holds, how many of its deals were won, and the points it earns. Change points by − and +.
      Drag a value (or press it, then choose where) to let it count like another. Beside it, ${beside}; bars show the share of all points.</p>
    <div class="tools">
      ${sources.map((each) => html`<button onClick=${() => again(each)}>Start from the ${named[each]}</button>`)}
      <button disabled=${!at} onClick=${() => send({ type: "undo" })}>Undo</button>
      <button disabled=${at === steps.length - 1} onClick=${() => send({ type: "redo" })}>Redo</button></div>
    <div class="rows">${rows.map(([column, i]) => html`<${Row} key=${column.id} ...${{ column, at: i, state, edit }} />`)}</div>
    ${steps.length > 1 && html`<details><summary>History: ${plural(steps.length - 1, "change")}</summary>
      <ol>${steps.slice(1).map((step, i) => html`<li class=${i >= at ? "undone" : ""}>${step.text}${became(step, i)}</li>`)}</ol></details>`}
  <//>`;
}
