// Which language the page speaks, and its texts. Texts stand in text-en.js and text-zh.js under the same keys.

import en from "./text-en.js";
import zh from "./text-zh.js";

const TABLES = { en, zh };
const STORED = "paceline.language";

let language = stored() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
document.documentElement.lang = tag();

function stored() {
  try {
    const found = localStorage.getItem(STORED);
    return found in TABLES ? found : null;
  } catch {
    return null;
  }
}

/** `en` or `zh`. */
export function current() {
  return language;
}

/** For Intl and the lang attribute. */
export function tag() {
  return language === "zh" ? "zh-CN" : navigator.language.startsWith("en") ? navigator.language : "en";
}

/** Switches and remembers. */
export function choose(next) {
  language = next;
  document.documentElement.lang = tag();
  try {
    localStorage.setItem(STORED, next);
  } catch {
    // Not remembered then.
  }
}

/** Whether there is a text under this key. */
export function has(key) {
  return key in TABLES[language];
}

/** The text of `key`. `{name}` is a value; `{name|one|other}` is chosen by the number `name`. */
export function t(key, values = {}) {
  const text = TABLES[language][key] ?? key;
  const parts = text.split(/(\{[^}]*\})/).map((part) => {
    if (!part.startsWith("{")) return part;
    const [name, one, other] = part.slice(1, -1).split("|");
    const value = values[name];
    if (other !== undefined) return new Intl.PluralRules(tag()).select(value) === "one" ? one : other;
    return typeof value === "number" ? new Intl.NumberFormat(tag()).format(value) : (value ?? "");
  });
  return parts.join("");
}
