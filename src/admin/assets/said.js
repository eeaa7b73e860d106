// What the server says in English, in the reader's language: the catalog's meanings and cures, and the program's own.
// Sentences are looked up as they stand; what is not known, such as a platform's own words, stays as it came.

import { current } from "./i18n.js";

const HOLE = /\{[^{}]*\}/;

let plain = new Map();
let patterns = [];

/** Fetches the sentences that the page's language needs; without them they stand in English. */
export async function learn() {
  if (current() !== "zh" || plain.size > 0) return;
  try {
    const [catalog, program] = await Promise.all([import("./catalog-zh.js"), import("./sentences-zh.js")]);
    const sentences = Object.entries(program.default);
    patterns = sentences.filter(([english]) => HOLE.test(english)).map(pattern);
    plain = new Map([...sentences, ...Object.entries(catalog.default)]);
  } catch {
    // Not known then.
  }
}

function pattern([english, chinese]) {
  const pieces = english.split(HOLE).map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return { shape: new RegExp(`^${pieces.join("(.*)")}$`, "s"), pieces: chinese.split(HOLE) };
}

/** A sentence of the server's. Values in it are sentences, too, where they are known. */
export function said(text) {
  if (current() !== "zh" || !text) return text;
  return plain.get(text) ?? filled(text) ?? text;
}

function filled(text) {
  for (const { shape, pieces } of patterns) {
    const values = shape.exec(text)?.slice(1);
    if (values) return pieces.map((piece, index) => piece + (said(values[index]) ?? "")).join("");
  }
  return null;
}
