// Small parts of the screens: numbers in words, bars, a figure with its interval, the decision curve.
import { breakEven, netWins } from "./count.js";
import { numberOf } from "./encode.js";

export const { html, render, useState, useReducer, useMemo } = htmPreact;

export const number = (x, digits = 0, most = digits) => (Number.isFinite(x) ? x.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: most }).replace(/^-(0(\.0*)?)$/, "$1") : "–");
export const signed = (x, digits = 0) => (x > 0 && number(x, digits) !== number(0, digits) ? "+" : "") + number(x, digits).replace("-", "−");
export const percent = (x) => `${number(100 * x)}%`;
export const plural = (n, one, write = number) => `${write(n)} ${one}${Math.abs(Math.round(n)) === 1 ? "" : "s"}`;

export const Screen = ({ id, title, children }) => html`
  <section id=${id} aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${children}</section>`;

/** A number and, below it, where it may lie. */
export const Between = ({ figure, show = number, digits = 0 }) => html`
  <span class="value">${show(figure.value, digits)}</span>
  ${Number.isFinite(figure.low) && html`<small>${show(figure.low, digits)} to ${show(figure.high, digits)}</small>`}`;

/** A bar with its interval as a line. */
export const Bar = ({ label, value, low, high, most, kind }) => html`
  <div class="bar ${kind}"><span>${label}</span>
    <div class="track"><div class="fill" style=${{ width: `${(100 * value) / most}%` }}></div>
      <div class="whisker" style=${{ left: `${(100 * low) / most}%`, width: `${(100 * (high - low)) / most}%` }}></div></div>
    <b>${number(value)}</b></div>`;

/**
 * A number as the export writes it (1.500 with a decimal comma is 1500), and below it what was understood. Where no
 * decimal mark is known, either is taken, but not a number that differs by it.
 */
export function NumberBox({ label, value, set, decimal, ...more }) {
  const [fault, tell] = useState(""), mark = decimal || ".", written = (x) => (x == null ? "" : String(x).replace(".", mark)), own = written(value);
  const take = (event) => {
    const text = event.target.value.trim(), found = (decimal ? [decimal] : [".", ","]).map((each) => numberOf(text, each)).filter((x) => x >= 0);
    const said = new Set(text === "" ? [null] : found), [read] = said;
    if (said.size > 1) return tell(`“${text}” may be ${[...said].sort((a, b) => b - a).join(" or ")}: write it without the mark`);
    if (!said.size) return tell(`“${text}” is not a number${decimal ? `; decimals after “${decimal}”` : ""}`);
    tell("");
    event.target.value = written(read);
    return set(read);
  };
  const cents = value % 1 || value >= 1000 ? 2 : 0; // which tell 2,500.00 from 2.5, whatever the mark of the reader
  return html`<div class="field"><label><span>${label}</span>
    <input inputmode="decimal" value=${own} ...${more} onChange=${take} /></label>
    <small role="status">${fault || (own && `read as ${number(value, cents, 9)}`)}</small></div>`;
}

/** Which columns may tell how a deal went, wherever a card that holds them is named. */
export const Doubt = ({ answer: { doubt, command } }) => doubt && html`
  <p class="warning" data-doubt>${doubt} ${command && html`If not, learn without them and see the fall: <code>${command}</code>`}</p>`;

const TICKS = [0.3, 0.5, 1, 2, 3, 5, 8, ...[10, 100, 1e3, 1e4, 1e5].flatMap((ten) => [1.2, 2, 3, 5, 8].map((r) => Math.round(r * ten)))];
const worth = (r) => number(r, r < 100 ? 1 : 0);

const WIDE = 640, HIGH = 290, LEFT = 44, TOP = 18, BELOW = 58; // room for the larger letters of a phone

/** Net wins of 100 leads by what a won deal is worth; dashed: from where to where your rule pays. */
export function Curve({ figures, names, n, nWon, ratio }) {
  const own = figures.map((each) => breakEven(each, n, nWon));
  const ends = own.flatMap((each) => [each.from, each.to]).filter(Number.isFinite);
  if (!ends.length) return null;
  const lowest = Math.max(Math.min(...ends, ratio || Infinity) * 0.6, 0.2), highest = Math.max(...ends, ratio || 0) * 1.7;
  const at = Array.from({ length: 61 }, (_, i) => lowest * (highest / lowest) ** (i / 60));
  const everybody = { wins: nWon, calls: n };
  const top = Math.max(...at.flatMap((r) => [...figures, everybody].map((f) => netWins(f, r, n))), 1), bottom = -0.35 * top;
  const x = (r) => LEFT + ((WIDE - LEFT - 8) * Math.log(r / lowest)) / Math.log(highest / lowest);
  const y = (v) => TOP + ((HIGH - BELOW - TOP) * (top - v)) / (top - bottom);
  const line = (f) => at.map((r, i) => `${i ? "L" : "M"}${x(r).toFixed(1)} ${y(netWins(f, r, n)).toFixed(1)}`).join("");
  const within = TICKS.filter((r) => r > lowest && r < highest), step = Math.ceil(within.length / 9);
  const ticks = within.filter((_, i) => i % step === 0);
  const mine = own[own.length - 1];
  const says = `Yours pays more than calling nobody or everybody where a win is worth ${worth(mine.from)} to ${Number.isFinite(mine.to) ? worth(mine.to) : "any number of"} calls.`;
  return html`<figure class="curve"><svg viewBox="0 0 ${WIDE} ${HIGH}" role="img" aria-label=${`Net wins by what a win is worth. ${says}`}>
    <line class="axis" x1=${LEFT} x2=${WIDE} y1=${y(0)} y2=${y(0)} />
    ${ticks.map((r) => html`<text class="tick" x=${x(r)} y=${HIGH - 34} text-anchor="middle">${number(r, r < 1 ? 1 : 0)}</text>`)}
    <text class="tick" x=${(WIDE + LEFT) / 2} y=${HIGH - 6} text-anchor="middle">a win is worth so many calls</text>
    ${[0, top / 2, top].map((v) => html`<text class="tick" x=${LEFT - 6} y=${y(v) + 4} text-anchor="end">${number(v)}</text>`)}
    ${[mine.from, mine.to].filter(Number.isFinite).map((r) => html`<line class="even" x1=${x(r)} x2=${x(r)} y1=${TOP} y2=${HIGH - BELOW} />`)}
    ${ratio && html`<line class="now" x1=${x(ratio)} x2=${x(ratio)} y1=${TOP} y2=${HIGH - BELOW} />`}
    <clipPath id="plot"><rect x=${LEFT} y=${TOP} width=${WIDE - LEFT} height=${HIGH - BELOW - TOP} /></clipPath>
    <g clip-path="url(#plot)"><path class="line everybody" d=${line(everybody)} />
      ${figures.map((f, k) => html`<path class="line rule${k}" d=${line(f)} />`)}</g>
  </svg><figcaption>Wins of 100 leads, less the calls they took.
    ${names.map((name, k) => html` <span class="key rule${k}">${name}</span>`)} <span class="key everybody">call everybody</span>.
    Dashed: ${says} In part of that range another cut-off may pay still more. ${ratio ? `Thick: your figures, a win worth ${worth(ratio)} calls.` : ""}</figcaption></figure>`;
}
