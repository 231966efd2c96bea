// Deals counted under three rules at once, with intervals by a thousand bootstrap draws of the counts.
//
// What is drawn again are the counts of patterns (Poisson). Patterns that all three rules treat alike and that
// ended alike add up to one Poisson count, so sixteen cells (called by each of three rules, won or not) are
// drawn in place of thousands of patterns: the same distribution, in a millisecond.

export const DRAWS = 1000;
const CELLS = 16;

/** Seeded uniform numbers (mulberry32): the same page shows the same intervals. */
function uniform(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// One uniform and one normal number a draw and cell, made once: equal counts give equal draws, so figures do
// not flicker while a slider moves.
const random = uniform(20260101);
const U = Float64Array.from({ length: DRAWS * CELLS }, random);
const Z = Float64Array.from(U, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));

/** Poisson quantile: by its sums below a mean of 40, by the normal with a correction for skew above. */
function poisson(mean, at) {
  if (mean <= 0) return 0;
  if (mean > 40) return Math.max(Math.round(mean + Math.sqrt(mean) * Z[at] + (Z[at] ** 2 - 1) / 6), 0);
  let k = 0, term = Math.exp(-mean), sum = term;
  while (U[at] > sum && k < 200) { k++; term *= mean / k; sum += term; }
  return k;
}

/** Deals in sixteen cells: bit k of the cell, called by rule k; bit 3, won. */
export function cellsOf(called, won, lost) {
  const cells = new Float64Array(CELLS);
  for (let i = 0; i < won.length; i++) {
    const cell = called[0][i] | (called[1][i] << 1) | (called[2][i] << 2);
    cells[cell] += lost[i];
    cells[cell | 8] += won[i];
  }
  return cells;
}

/** Draws of the cells, each scaled back to all deals; `spread` deals come and go together. */
export function drawCells(cells, spread = 1) {
  const n = cells.reduce((a, b) => a + b, 0), drawn = new Float64Array(DRAWS * CELLS);
  for (let d = 0; d < DRAWS; d++) {
    let sum = 0;
    for (let c = 0; c < CELLS; c++) sum += drawn[d * CELLS + c] = spread * poisson(cells[c] / spread, d * CELLS + c);
    for (let c = 0; c < CELLS && sum > 0; c++) drawn[d * CELLS + c] *= n / sum;
  }
  return drawn;
}

/** Figures of rule k in one set of cells. */
export function figuresOf(cells, k, stakes, from = 0) {
  let calls = 0, wins = 0, missed = 0;
  for (let c = 0; c < CELLS; c++) {
    const count = cells[from + c];
    if (c & (1 << k)) { calls += count; if (c & 8) wins += count; } else if (c & 8) missed += count;
  }
  const money = stakes ? wins * stakes.value - calls * stakes.cost : NaN;
  return { calls, wins, missed, of100: calls ? (100 * wins) / calls : NaN, money };
}

export const FIGURES = ["calls", "wins", "missed", "of100", "money"];

/** Figures of each rule, and how much more than rule 0: {value, low, high}. */
export function compare(called, deals, stakes, spread) {
  const cells = cellsOf(called, deals.won, deals.lost), drawn = drawCells(cells, spread);
  const rules = [0, 1, 2].map((k) => figuresOf(cells, k, stakes));
  const draws = [0, 1, 2].map((k) => Array.from({ length: DRAWS }, (_, d) => figuresOf(drawn, k, stakes, d * CELLS)));
  const figure = (value, values) => ({ value, ...interval(values) });
  const each = rules.map((own, k) => Object.fromEntries(FIGURES.map((f) => [f, figure(own[f], draws[k].map((row) => row[f]))])));
  const more = rules.map((own, k) => Object.fromEntries(
    FIGURES.map((f) => [f, figure(own[f] - rules[0][f], draws[k].map((row, d) => row[f] - draws[0][d][f]))])));
  return { each, more, cells };
}

export function interval(values) {
  const sorted = Float64Array.from(values.filter((v) => !Number.isNaN(v))).sort();
  const at = (q) => (sorted.length ? sorted[Math.min(Math.floor(q * sorted.length), sorted.length - 1)] : NaN);
  return { low: at(0.025), high: at(0.975) };
}

/** For which worth of a won deal, in calls, a rule earns more than calling nobody and than calling everybody. */
export function breakEven(own, n, nWon) {
  const others = nWon - own.wins;
  return { from: own.wins ? own.calls / own.wins : Infinity, to: others > 0 ? (n - own.calls) / others : Infinity };
}

/** Net wins of 100 leads when a won deal is worth `ratio` calls. */
export const netWins = (own, ratio, n) => (100 * (own.wins - own.calls / ratio)) / n;

/** Deals and wins of every code of a column. */
export function byCode(column, deals, size) {
  const found = Array.from({ length: size }, () => ({ n: 0, won: 0 }));
  for (let i = 0; i < column.length; i++) {
    found[column[i]].n += deals.won[i] + deals.lost[i];
    found[column[i]].won += deals.won[i];
  }
  return found;
}
