// Files that the page takes and gives: text of an export; CSV, and a sheet of Excel (a zip without compression).

/** Text of a file: in the mapping's encoding, else UTF-8, else (what is not UTF-8) Windows-1252. */
export function textOf(bytes, encoding) {
  const begins = (...marks) => marks.every((mark, i) => bytes[i] === mark);
  if (begins(0x50, 0x4b, 3, 4) || begins(0xd0, 0xcf, 0x11, 0xe0)) throw new Error("This is an Excel file: save it as CSV, then drop that.");
  for (const each of [encoding, begins(0xff, 0xfe) ? "utf-16le" : "utf-8"].filter(Boolean)) {
    try {
      return new TextDecoder(each, { fatal: true }).decode(bytes);
    } catch { /* the next one */ }
  }
  return new TextDecoder("windows-1252").decode(bytes);
}

const FORMULA = /^[\s\u00a0\u3000\ufeff\u200b]*[=+\-@＝＋－＠]|^[\t\r\n]/;
const NUMBER = /^ ?[-+]?(\d+([ .,'’]\d+)*|\d*[.,]\d+)([eE][-+]?\d+)?%?$/;
/** A text that a spreadsheet would run as a formula gets an apostrophe, as in leadml/data/rejections.py. */
const guarded = (text) => (FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text);

export function toCsv(rows) {
  const cell = (value) => {
    const text = typeof value === "string" ? guarded(value) : value == null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return "\ufeff" + rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g; // what XML cannot hold
const escape = (text) => String(text).replace(CONTROL, "").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
const NS = "http://schemas.openxmlformats.org/";

/** One sheet with a frozen header and a filter; texts are texts, whatever they begin with. */
export function toXlsx(rows) {
  const letter = (i) => (i >= 26 ? letter(Math.floor(i / 26) - 1) : "") + String.fromCharCode(65 + (i % 26));
  const cell = (value, at) => {
    if (value == null || value === "") return "";
    if (typeof value === "number") return `<c r="${at}"><v>${value}</v></c>`;
    return `<c r="${at}" t="inlineStr"><is><t xml:space="preserve">${escape(value).slice(0, 32767)}</t></is></c>`;
  };
  const lines = rows.map((row, r) => `<row r="${r + 1}">${row.map((v, c) => cell(v, letter(c) + (r + 1))).join("")}</row>`);
  const range = `A1:${letter(rows[0].length - 1)}${rows.length}`;
  const frozen = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>';
  const views = `<sheetViews><sheetView workbookViewId="0">${frozen}</sheetView></sheetViews>`;
  const content = `${views}<sheetData>${lines.join("")}</sheetData><autoFilter ref="${range}"/>`;
  const type = "application/vnd.openxmlformats-officedocument.spreadsheetml.", office = `${NS}officeDocument/2006/relationships`;
  const part = (name, kind) => `<Override PartName="/xl/${name}.xml" ContentType="${type}${kind}+xml"/>`;
  const rels = "application/vnd.openxmlformats-package.relationships+xml";
  const link = (kind, target) => `<Relationship Id="r1" Type="${office}/${kind}" Target="${target}"/>`;
  const links = (text) => `${XML}<Relationships xmlns="${NS}package/2006/relationships">${text}</Relationships>`;
  const main = `xmlns="${NS}spreadsheetml/2006/main"`, sheets = '<sheets><sheet name="leads" sheetId="1" r:id="r1"/></sheets>';
  const types = `<Default Extension="rels" ContentType="${rels}"/>${part("workbook", "sheet.main")}${part("worksheets/sheet1", "worksheet")}`;
  return zip({
    "[Content_Types].xml": `${XML}<Types xmlns="${NS}package/2006/content-types">${types}</Types>`,
    "_rels/.rels": links(link("officeDocument", "xl/workbook.xml")),
    "xl/workbook.xml": `${XML}<workbook ${main} xmlns:r="${office}">${sheets}</workbook>`,
    "xl/_rels/workbook.xml.rels": links(link("worksheet", "worksheets/sheet1.xml")),
    "xl/worksheets/sheet1.xml": `${XML}<worksheet ${main}>${content}</worksheet>`,
  });
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** A zip archive whose parts are stored as they are (method 0). */
function zip(parts) {
  const encoder = new TextEncoder(), body = [], directory = [];
  let offset = 0;
  const numbers = (...pairs) => Uint8Array.from(pairs.flatMap(([value, size]) => Array.from({ length: size }, (_, i) => (value >>> (8 * i)) & 255)));
  for (const [name, text] of Object.entries(parts)) {
    const path = encoder.encode(name), content = encoder.encode(text);
    const crc = ~content.reduce((c, byte) => CRC[(c ^ byte) & 255] ^ (c >>> 8), -1) >>> 0;
    const about = [[20, 2], [0, 2], [0, 2], [0, 2], [33, 2], [crc, 4], [content.length, 4], [content.length, 4], [path.length, 2], [0, 2]];
    body.push(numbers([0x04034b50, 4], ...about), path, content);
    directory.push(numbers([0x02014b50, 4], [20, 2], ...about, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), path);
    offset += 30 + path.length + content.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0), n = directory.length / 2;
  const end = numbers([0x06054b50, 4], [0, 4], [n, 2], [n, 2], [size, 4], [offset, 4], [0, 2]);
  return new Blob([...body, ...directory, end], { type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" });
}

export function download(name, content, type = "application/json") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
