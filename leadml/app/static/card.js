// A card in numbers and words: the arithmetic of leadml/card/patterns.py and questions.py, for one pattern or all.

export const DECISIONS = ["ready", "wait", "no-match"];

/** Rows of a card, with the points of every code; `at` is the row's place among the page's columns. */
export function tableOf(card, columns) {
  const place = (id) => columns.findIndex((column) => column.id === id);
  const rows = card.criteria.map((c) => ({
    id: c.id, name: c.id, at: place(c.id), points: [...c.points, c.unknown_points], answers: [0, 1, 2, 3, 4],
    words: c.words, question: c.question || `What is known of ${c.title.toLowerCase()}?`,
  }));
  for (const a of card.attributes) {
    const n = a.bins.length, bins = [...a.bins.keys()].filter((code) => !a.bins[code].blank);
    rows.push({
      id: a.id, name: a.column, at: place(a.id), bins: a.bins, question: `What is ${a.column}?`,
      points: [...a.bins.map((b) => b.points), a.other_points, a.unknown_points],
      answers: a.kind === "categories" ? [...bins, n] : bins,
    });
  }
  for (const row of rows) {
    const gate = card.gates.find((g) => g.criterion === row.id), unknown = row.points.length - 1;
    const open = row.answers.filter((code) => !gate || code >= gate.below);
    const extreme = (which, codes) => which(...[...codes, unknown].map((code) => row.points[code]));
    Object.assign(row, {
      unknown, below: gate ? gate.below : 0,
      lowest: extreme(Math.min, row.answers), highest: extreme(Math.max, row.answers), reach: extreme(Math.max, open),
    });
  }
  return { card, rows, max: rows.reduce((sum, row) => sum + Math.max(...row.points), 0) };
}

export function bandOf(card, points) {
  let at = card.bands.length - 1;
  while (card.bands[at].from > points) at--;
  return at;
}

const failsGate = (row, code) => code < row.below;

function decide(card, points, reach, failed) {
  if (failed) return "no-match";
  const said = card.bands[bandOf(card, points)].decision;
  return said === "no-match" && reach >= card.cutoff ? "wait" : said;
}

/** What one lead comes to; codes[at] is its code in the page's column `at`. */
export function answerOf(table, codes) {
  const { card, rows } = table;
  let points = 0, low = 0, high = 0, reach = 0, failed = false, best = -1, heaviest = 0, spreads = 0;
  for (const row of rows) {
    const code = codes[row.at], isUnknown = code === row.unknown;
    points += row.points[code];
    low += isUnknown ? row.lowest : row.points[code];
    high += isUnknown ? row.highest : row.points[code];
    reach += isUnknown ? row.reach : row.points[code];
    failed ||= failsGate(row, code);
    spreads += row.highest - row.lowest;
  }
  const decision = decide(card, points, reach, failed), settled = bandOf(card, low) === bandOf(card, high);
  rows.forEach((row, at) => { // the unknown that could change the band by itself, then the one worth most
    if (settled || decision === "no-match" || codes[row.at] !== row.unknown || row.highest === row.lowest) return;
    const rest = points - row.points[row.unknown];
    const alone = bandOf(card, rest + row.lowest) !== bandOf(card, rest + row.highest);
    const weight = row.highest - row.lowest + 1 + (alone ? spreads + 1 : 0);
    if (weight > heaviest) { heaviest = weight; best = at; }
  });
  const band = card.bands[bandOf(card, points)];
  const asked = decision === "wait" && band.decision === "no-match";
  const action = failed ? "disqualify" : asked ? `ask about ${best < 0 ? "" : rows[best].name} first` : band.action;
  const chance = card.table.length && points < card.table.length ? card.table[points].probability : null;
  return { points, low, high, band: band.id, decision, settled, askNext: best, failed, action, chance, reach };
}

/** `criterion +points` joined by `; `, largest first: the column `reasons` of predict. */
export function reasonsOf(table, codes, nameOf = rowText) {
  const earned = table.rows.map((row, at) => [row.points[codes[row.at]], at, nameOf(row, codes[row.at])]);
  earned.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  return earned.filter((each) => each[0]).map(([points, , name]) => `${name} +${points}`).join("; ");
}

function rowText(row, code) {
  if (!row.bins) return row.name + (code === row.unknown ? " (unknown)" : "");
  if (code < row.bins.length) return `${row.name} = ${row.bins[code].label}`;
  return `${row.name} (${code === row.unknown ? "unknown" : "other"})`;
}

/** What each answer to the next question would make of a lead: `>= 10000: ready; < 10000: wait`. */
export function ifAnswered(table, codes, answer, label = (decision) => table.card.decision_labels[decision] || decision) {
  const { card, rows } = table, row = rows[answer.askNext];
  if (!row) return "";
  const base = answer.points - row.points[row.unknown], reach = answer.reach - row.reach;
  const has = (code) => row.bins || !Object.keys(row.words).length || row.words[code]?.length;
  const answers = row.answers.filter(has);
  const made = answers.map((code) => decide(card, base + row.points[code], reach + row.points[code], failsGate(row, code)));
  const isOne = new Set(made).size === 1; // then bands are named, but for one that drops a lead which waits
  const says = answers.map((code, i) => {
    const band = bandOf(card, base + row.points[code]);
    return isOne ? (card.bands[band].decision === made[i] ? band : -1) : -DECISIONS.indexOf(made[i]);
  });
  if (new Set(says).size === 1) return `any answer: ${label(made[0])}`;
  const parts = [...new Set(says)].sort((a, b) => b - a).map((each) => {
    const at = [...answers.keys()].filter((i) => says[i] === each);
    return `${answersText(row, answers, at)}: ${isOne && each >= 0 ? card.bands[each].id : label(made[at[0]])}`;
  });
  return parts.join("; ");
}

function answersText(row, answers, at) {
  if (row.bins) return some(at.map((i) => row.bins[answers[i]]?.label ?? "any other"));
  const runs = [];
  for (const i of at) runs.at(-1)?.at(-1) === i - 1 ? runs.at(-1).push(i) : runs.push([i]);
  const hasWords = Object.keys(row.words).length > 0;
  return runs.map((run) => (hasWords ? runText(row.words, answers, run) : run.length > 1 ? `${run[0]}-${run.at(-1)}` : `${run[0]}`)).join(", ");
}

const OPPOSITE = { ">=": "<", "<=": ">" };
const isThreshold = (word) => /^(>=|<=|<|>) /.test(word);
const some = (texts) => texts.slice(0, 4).join(", ") + (texts.length > 4 ? ", …" : "");

function runText(words, answers, run) {
  const all = run.flatMap((i) => words[answers[i]]), texts = all.filter((word) => !isThreshold(word));
  const thresholds = all.filter(isThreshold);
  if (thresholds.length) {
    const after = answers.slice(run.at(-1) + 1).flatMap((level) => words[level].filter((w) => w.slice(0, 2) in OPPOSITE));
    const upper = after.length ? OPPOSITE[after[0].slice(0, 2)] + after[0].slice(2) : "";
    const first = thresholds[0].slice(0, 2) in OPPOSITE ? thresholds[0] : "";
    texts.push([first, upper].filter(Boolean).join(" and ") || thresholds[0]);
  }
  return some(texts);
}

/** Totals of all patterns; codes[at] is a column of m codes. */
export function totalsOf(table, codes, m) {
  const totals = new Int32Array(m);
  for (const row of table.rows) {
    const column = codes[row.at], points = Int32Array.from(row.points);
    for (let i = 0; i < m; i++) totals[i] += points[column[i]];
  }
  return totals;
}

/** 1 where a pattern is called: from the cut-off up, unless it fails a gate. */
export function calledOf(table, codes, m, totals = totalsOf(table, codes, m)) {
  const called = Uint8Array.from(totals, (total) => (total >= table.card.cutoff ? 1 : 0));
  for (const row of table.rows.filter((each) => each.below)) {
    for (let i = 0; i < m; i++) if (failsGate(row, codes[row.at][i])) called[i] = 0;
  }
  return called;
}
