// What the server says as data, a code with its values, as a sentence in the page's language.

import { instantText } from "./format.js";
import { current, t } from "./i18n.js";

const tables = {};

/** Fetches the sentences of the page's language; without them the server's English stands. */
export async function learn() {
  const language = current();
  if (language in tables) return;
  try {
    tables[language] = (await import(`./messages-${language}.js`)).default;
  } catch {
    // Not known then.
  }
}

/** What `key` of an object says; empty for nothing. A message of a later kind than this page comes in English. */
export function told(object, key) {
  return sentence(object?.[`${key}_fact`]) ?? object?.[key] ?? "";
}

/** A text of the catalog's, in the page's language where the catalog has it. */
export function translated(object, key) {
  return (current() === "zh" && object?.[`${key}_zh`]) || object?.[key] || "";
}

/** The sentence of a code and its values; null where the page knows none. */
export function sentence(fact) {
  const text = fact && tables[current()]?.[fact.code];
  if (!text) return null;
  const parts = text.split(/(\{[^{}]*\})/).map((part) => (part.startsWith("{") ? value(part.slice(1, -1), fact.values) : part));
  return parts.join("");
}

/** `name`, or `name:?` in quotes. */
function value(hole, values) {
  const [name, isQuoted] = hole.split(":");
  const text = word(name, values?.[name]);
  return isQuoted ? JSON.stringify(text) : text;
}

function word(name, given) {
  if (Array.isArray(given)) return given.map((one) => word(name, one)).join(typeof given[0] === "object" ? t("list.semicolon") : t("list.comma"));
  if (given === null || given === undefined) return "";
  if (typeof given !== "object") return name.endsWith("_at") ? instantText(given) : String(given);
  return given.code === undefined ? translated({ text: given.en, text_zh: given.zh }, "text") : (sentence(given) ?? "");
}
