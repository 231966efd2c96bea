// Files that the page takes and gives: text of an export, and CSV.

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

/** Numbers with this decimal mark; ; between cells where the export has it, or decimal commas, as Excel expects there. */
export function toCsv(rows, decimal, delimiter) {
  const mark = decimal === "," || delimiter === ";" ? ";" : ",";
  const cell = (value) => {
    const text = typeof value === "string" ? guarded(value) : value == null ? "" : String(value).replace(".", decimal);
    return /[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return "\ufeff" + rows.map((row) => row.map(cell).join(mark)).join("\r\n") + "\r\n";
}

export function download(name, content, type = "application/json") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
