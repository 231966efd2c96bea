// Changes by hand: a history with undo, each change to be kept or taken back, and the draft to publish.

/** A card to be changed: points by lane. A lane is a value of the card as it was; lane[code] says where it counts. */
export function startFrom(card, source) {
  const rows = {};
  for (const c of card.criteria) rows[c.id] = lanes([...c.points, c.unknown_points]);
  for (const a of card.attributes) rows[a.id] = lanes([...a.bins.map((b) => b.points), a.other_points, a.unknown_points]);
  return { source, card, rows, cutoff: card.cutoff, bands: card.bands };
}

/** Whether anything was changed since the start. */
export const isChanged = (yours) => JSON.stringify(yours) !== JSON.stringify(startFrom(yours.card, yours.source));

const lanes = (points) => ({ points, lane: points.map((_, code) => code) });

/** The changed card, as card.json has it. */
export function cardOf(yours) {
  const of = (id) => yours.rows[id].lane.map((lane) => yours.rows[id].points[lane]);
  const criteria = yours.card.criteria.map((c) => {
    const points = of(c.id), known = points.slice(0, 5);
    return { ...c, points: known, unknown_points: Math.min(points[5], Math.max(...known)) };
  });
  const attributes = yours.card.attributes.map((a) => {
    const points = of(a.id), n = a.bins.length;
    return { ...a, bins: a.bins.map((b, i) => ({ ...b, points: points[i] })), other_points: points[n], unknown_points: points[n + 1] };
  });
  const rows = [...criteria.map((c) => [...c.points, c.unknown_points]),
    ...attributes.map((a) => [...a.bins.map((b) => b.points), a.other_points, a.unknown_points])];
  const total_max = rows.reduce((sum, points) => sum + Math.max(...points), 0);
  const cutoff = Math.min(yours.cutoff, total_max + 1);
  const same = JSON.stringify([criteria, attributes]) === JSON.stringify([yours.card.criteria, yours.card.attributes]);
  return { ...yours.card, criteria, attributes, total_max, cutoff, bands: bandsAt(yours.bands, cutoff, total_max), table: same ? yours.card.table : [] };
}

/** Bands for a cut-off: `bands_at` of leadml/card/build.py. */
export function bandsAt(bands, cutoff, totalMax) {
  const first = bands.findIndex((band) => band.decision === "ready"), kept = [];
  for (let at = bands.length - 1; at >= 0; at--) {
    const isReady = bands[at].decision === "ready";
    let from = at === first ? cutoff : at ? bands[at].from : 0;
    if (isReady) from = Math.max(from, cutoff);
    else if (from >= cutoff && at) continue;
    if (from > totalMax || (kept.length && from >= kept.at(-1).from) || (!isReady && cutoff === 0)) continue;
    kept.push({ ...bands[at], from });
  }
  return kept.reverse();
}

export const setPoints = (yours, id, lane, points) => {
  const row = yours.rows[id], changed = [...row.points];
  changed[lane] = Math.min(Math.max(points, 0), 999);
  return { ...yours, rows: { ...yours.rows, [id]: { ...row, points: changed } } };
};
export const moveTo = (yours, id, code, lane) => {
  const row = yours.rows[id], changed = [...row.lane];
  changed[code] = lane;
  return { ...yours, rows: { ...yours.rows, [id]: { ...row, lane: changed } } };
};
export const setCutoff = (yours, cutoff) => ({ ...yours, cutoff });
export const setBand = (yours, at, change) => ({ ...yours, bands: yours.bands.map((b, i) => (i === at ? { ...b, ...change } : b)) });

/** History: steps[at] is what is shown; a step is kept once it was confirmed; `tried` are all settings seen. */
export const begin = (yours) => ({ steps: [{ yours, text: "", kept: true }], at: 0, tried: [signature(yours)] });

const signature = (yours) => JSON.stringify([yours.source, yours.rows, yours.cutoff]);

/** Actions on the history; a change of the same thing that is not yet confirmed goes on with that step. */
export function act(history, action) {
  const { steps, at } = history;
  if (action.type === "undo") return { ...history, at: Math.max(at - 1, 0) };
  if (action.type === "redo") return { ...history, at: Math.min(at + 1, steps.length - 1) };
  if (action.type === "keep") return { ...history, steps: steps.map((s, i) => (i <= at ? { ...s, kept: true } : s)) };
  const merges = !steps[at].kept && steps[at].what === action.what;
  const step = { yours: action.yours, text: action.text, what: action.what, kept: false };
  const made = [...steps.slice(0, merges ? at : at + 1), step], seen = signature(action.yours);
  return { steps: made, at: made.length - 1, tried: history.tried.includes(seen) ? history.tried : [...history.tried, seen] };
}

/** What `leadml publish` takes: the changed card under the model's name; its chances are counted anew there. */
export function draftOf(card, yours, model, by, because, changedFrom) {
  const published = { by, because, at: "", changed_from: changedFrom };
  return { ...card, table: yours.card.table, name: model, version: null, published, sha256: null };
}

/** Whether two cards call the same by other words: `other_words` of leadml/registry/promote.py. */
function otherWords(cards) {
  const [old, now] = cards.map((card) => new Map(card.bands.map((band) => [band.action, band.decision])));
  return (a, b) => old.has(a) && old.get(a) === now.get(b) && !old.has(b) && !now.has(a);
}

/** Which actions change from one card to another, the most leads first: [{before, after, n}]. */
export function movesOf(cards, [before, after], weight) {
  const found = new Map(), isSame = otherWords(cards);
  before.forEach((action, i) => {
    if (action === after[i] || isSame(action, after[i])) return;
    const key = `${action}\n${after[i]}`;
    found.set(key, (found.get(key) || 0) + weight(i));
  });
  return [...found].map(([key, n]) => ({ before: key.split("\n")[0], after: key.split("\n")[1], n })).sort((a, b) => b.n - a.n);
}
