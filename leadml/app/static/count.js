// Deals counted under three rules at once, with intervals as other deals of the same kind would spread.
//
// Deals that all three rules treat alike and that ended alike are one cell: bit k, called by rule k; bit 3, won. The
// cells are multinomial, and every figure is a sum over them or (wins of 100 calls) the ratio of two, so that its
// variance follows from what one deal more in each cell adds to it.

const CELLS = 16;
const sumOf = (cells, adds) => cells.reduce((sum, n, c) => sum + n * adds[c], 0);

function cellsOf(called, won, lost) {
  const cells = new Float64Array(CELLS);
  for (let i = 0; i < won.length; i++) {
    const cell = called[0][i] | (called[1][i] << 1) | (called[2][i] << 2);
    cells[cell] += lost[i];
    cells[cell | 8] += won[i];
  }
  return cells;
}

/** Figures of rule k: what one deal of each cell adds, and the value. */
function figuresOf(cells, k, stakes) {
  const adding = (add) => Float64Array.from({ length: CELLS }, (_, c) => add((c >> k) & 1, c >> 3));
  const sum = (add) => ({ adds: adding(add), value: sumOf(cells, adding(add)) });
  const calls = sum((called) => called), wins = sum((called, won) => called * won), rate = (100 * wins.value) / calls.value;
  const money = stakes ? sum((called, won) => called * (won * stakes.value - stakes.cost)) : { adds: adding(() => 0), value: NaN };
  const of100 = { adds: adding((called, won) => (called * (100 * won - rate)) / calls.value), value: rate };
  return { calls, wins, missed: sum((called, won) => (1 - called) * won), of100, money };
}

/** Figures of each rule, and how much more than rule 0: {value, low, high}; `spread` deals come and go together. */
export function compare(called, deals, stakes, spread) {
  const cells = cellsOf(called, deals.won, deals.lost), n = sumOf(cells, new Float64Array(CELLS).fill(1));
  const interval = (value, adds, least) => {
    const variance = sumOf(cells, adds.map((a) => a * a)) - sumOf(cells, adds) ** 2 / n, half = 1.96 * Math.sqrt(spread * Math.max(variance, 0));
    return { value, low: Math.max(value - half, least), high: value + half };
  };
  const rules = [0, 1, 2].map((k) => figuresOf(cells, k, stakes)), byFigure = (made) => Object.fromEntries(Object.keys(rules[0]).map((f) => [f, made(f)]));
  const each = rules.map((own) => byFigure((f) => interval(own[f].value, own[f].adds, f === "money" ? -Infinity : 0)));
  const more = rules.map((own) => byFigure((f) =>
    interval(own[f].value - rules[0][f].value, own[f].adds.map((a, c) => a - rules[0][f].adds[c]), -Infinity)));
  return { each, more };
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
