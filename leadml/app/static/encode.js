// A CSV file dropped on the page to codes, as leadml/data/encode.py reads it; it stays in the browser.

/** The delimiter that the header has most of. */
function sniffDelimiter(text) {
  const header = text.slice(0, text.search(/\r?\n|$/));
  return [",", ";", "\t", "|"].sort((a, b) => header.split(b).length - header.split(a).length)[0];
}

/** Records of a CSV text. */
export function parseCsv(text, mark) {
  text = text.replace(/^\ufeff/, "");
  const rows = [];
  let row = [], cell = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += c; i++; } else quoted = false;
    } else if (c === '"' && !cell) quoted = true;
    else if (c === mark || c === "\n") {
      row.push(cell.replace(/\r$/, ""));
      cell = "";
      if (c === "\n") { if (row.some(Boolean)) rows.push(row); row = []; }
    } else cell += c;
  }
  if (quoted) throw new Error("A quote is left open, so the file cannot be cut into rows.");
  if (cell || row.length) rows.push([...row, cell.replace(/\r$/, "")]);
  return rows;
}

export const category = (text) => text.trim().replace(/^(-?\d+)\.0+$/, "$1");

/** A number as a CRM writes it: a currency beside it, groups of thousands, this decimal mark. NaN: none. */
export function numberOf(text, decimal = ".") {
  const plain = text.replace(/[€$£¥]|\b(EUR|USD|GBP|CHF)\b|[.,]-{1,2}\s*$/g, "").trim();
  const [mark, group] = decimal === "," ? [",", "\\."] : ["\\.", ","];
  const whole = `(\\d+|\\d{1,3}(${group}\\d{3})+|\\d{1,3}([ \\u00a0\\u202f'’]\\d{3})+)`;
  if (!new RegExp(`^[-+]?(${whole}(${mark}\\d*)?|${mark}\\d+)([eE][-+]?\\d+)?$`).test(plain)) return NaN;
  const bare = plain.replace(new RegExp(`${group}|[ \\u00a0\\u202f'’]`, "g"), "");
  return Number(decimal === "," ? bare.replace(",", ".") : bare);
}

/** The decimal mark of numbers among cells, as leadml/data/sniff.py tells it. */
function sniffDecimal(cells, delimiter) {
  const seen = { ",": 0, ".": 0, either: 0 };
  for (const cell of cells.filter((each) => /[.,]/.test(each))) {
    const read = [",", "."].filter((mark) => !Number.isNaN(numberOf(cell, mark)));
    if (read.length === 1) seen[read[0]]++;
    else if (read.length && cell.includes(".")) seen.either++;
  }
  return seen[","] > seen["."] || (!seen[","] && !seen["."] && seen.either && delimiter === ";") ? "," : ".";
}

const BAD = -1;

function levelOf(rule, text, decimal) {
  const plain = !rule.levels && !rule.edges;
  const key = category(plain && decimal === "," ? text.replace(",", ".") : text);
  if (rule.levels && key in rule.levels) return rule.levels[key];
  if (key === "" || (rule.unknown || []).includes(key)) return 5;
  if (plain && /^[0-4]$/.test(key)) return Number(key);
  const number = rule.edges ? numberOf(text, decimal) : NaN;
  if (!Number.isNaN(number)) return rule.edges.filter((edge) => (rule.descending ? edge >= number : edge <= number)).length;
  return rule.other === undefined ? BAD : rule.other === "unknown" ? 5 : rule.other;
}

function binOf(attribute, text, decimal) {
  const { bins } = attribute, blank = bins.findIndex((b) => b.blank), key = category(text);
  if (!key || key.toLowerCase() === "nan") return blank < 0 ? bins.length + 1 : blank;
  if (attribute.kind === "categories") {
    const at = bins.findIndex((b) => (b.values || []).some((value) => category(value) === key));
    return at < 0 ? bins.length : at;
  }
  const number = numberOf(text, decimal);
  const at = bins.findIndex((b) => !b.blank && number >= (b.from ?? -Infinity) && number < (b.to ?? Infinity));
  return at < 0 ? bins.length : at;
}

/** What to set where a cell is a number under the other decimal mark. */
function otherMark(cell, decimal) {
  const other = decimal === "," ? "." : ",";
  return Number.isNaN(numberOf(cell, other)) ? "" : ` (decimals are read after “${decimal}”; set read: {decimal: "${other}"} in the mapping, or save it so)`;
}

/** New leads in the page's columns: {ids, codes, names, faults, decimal, delimiter}; a lead whose outcome is known is left out. */
export function encodeLeads(text, data, attributes) {
  const mapping = data.mapping || { criteria: {} }, read = mapping.read || {};
  const delimiter = read.delimiter || sniffDelimiter(text), [header, ...rows] = parseCsv(text, delimiter);
  const decimal = read.decimal || sniffDecimal(rows.slice(0, 200).flat(), delimiter);
  const place = (name) => (name === undefined ? -1 : header.map((h) => h.trim()).indexOf(name));
  const plain = (id) => ({ column: id }); // without a mapping, columns are named like the criteria
  const ruleOf = (id) => mapping.criteria[id] || (data.mapping ? undefined : plain(id));
  const readers = data.columns.map(({ id, kind }) => {
    if (kind === "attribute") {
      const attribute = attributes.find((a) => a.id === id), at = place(attribute.column);
      const absent = attribute.bins.length + 1; // an age needs the date of creation, so it is not known here
      return (row) => (at < 0 || attribute.age_of ? absent : binOf(attribute, row[at] || "", decimal));
    }
    const reach = mapping.contactable;
    if (id === "contactable" && reach) {
      return (row) => (["", ...(reach.unknown || [])].includes(category(row[place(reach.column)] || "")) ? 0 : 4);
    }
    const code = (name, row, faults) => {
      const rule = ruleOf(name), at = rule ? place(rule.column) : -1, cell = row[at] || "";
      let level = at < 0 ? 5 : levelOf(rule, cell, decimal);
      if (level === BAD) { faults.push(`${rule.column}: ${cell.trim()}${rule.edges ? otherMark(cell, decimal) : ""}`); level = 5; }
      const next = (mapping.stand_in || {})[name];
      return level === 5 && next ? code(next, row, faults) : level;
    };
    return (row, faults) => code(id, row, faults);
  });
  if (!data.columns.some((c) => place(ruleOf(c.id)?.column ?? attributes.find((a) => a.id === c.id)?.column) >= 0)) {
    throw new Error(`None of the columns that the rule asks for is in this file; it has ${header.join(", ")}.`);
  }
  const isRead = [mapping.lead_id, ...Object.values(mapping.criteria).map((rule) => rule.column)]; // which name nobody
  const named = header.filter((h) => /\b(name|naam|company|account|organi[sz]ation|customer|contact)\b/i.test(h) && !isRead.includes(h)).slice(0, 3);
  const found = { ids: [], codes: data.columns.map(() => []), names: Object.fromEntries(named.map((n) => [n, []])), faults: [], nClosed: 0, decimal, delimiter };
  const ended = mapping.outcome ? place(mapping.outcome.column) : -1;
  const closed = ended < 0 ? [] : [...mapping.outcome.won, ...mapping.outcome.lost];
  rows.forEach((row, i) => {
    const faults = [], codes = readers.map((reader) => reader(row, faults));
    if (faults.length) found.faults.push(`row ${i + 2}, ${faults.join("; ")}`);
    else if (closed.includes(category(row[ended] || ""))) found.nClosed++;
    else {
      const id = place(mapping.lead_id);
      found.ids.push(id < 0 ? String(i + 1) : row[id].trim());
      codes.forEach((code, at) => found.codes[at].push(code));
      for (const name of named) found.names[name].push(row[header.indexOf(name)]);
    }
  });
  return found;
}
