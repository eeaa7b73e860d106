// Numbers, instants and durations as the reader's own place writes them; UTC on hover.

import { h } from "./dom.js";
import { t, tag } from "./i18n.js";

const made = new Map();

// Making a formatter is slow, and a page needs the same few a thousand times.
function formatter(kind, options) {
  const name = `${tag()} ${kind.name} ${JSON.stringify(options)}`;
  if (!made.has(name)) made.set(name, new kind(tag(), options));
  return made.get(name);
}

/** `12,345`. */
export function number(value) {
  return value === null || value === undefined
    ? "–"
    : formatter(Intl.NumberFormat, { maximumFractionDigits: 1 }).format(value);
}

function unit(value, name) {
  return formatter(Intl.NumberFormat, {
    style: "unit",
    unit: name,
    unitDisplay: "narrow",
    maximumFractionDigits: 0,
  }).format(value);
}

/** `2h 3m`: the two largest units. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const units = [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const first = units.findIndex(([size]) => whole >= size);
  if (first < 0) return unit(0, "second");
  const [size, name] = units[first];
  const next = units[first + 1];
  const rest = next ? Math.floor((whole % size) / next[0]) : 0;
  const parts = [unit(Math.floor(whole / size), name)];
  if (rest > 0) parts.push(unit(rest, next[1]));
  return parts.join(tag() === "zh-CN" ? "" : " ");
}

/** Seconds from `from` to `to`, both instants as text. */
export function seconds(from, to) {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

function utc(at) {
  return `${at.toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

/** An instant in the local zone: the time of day, and the day where it is not today's. */
export function instant(text, { exact = false } = {}) {
  if (!text) return "–";
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text);
  const isToday = at.toDateString() === new Date().toDateString();
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const day = { year: "numeric", month: "2-digit", day: "2-digit" };
  const options = exact
    ? { ...day, ...clock, fractionalSecondDigits: 3 }
    : isToday
      ? clock
      : { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return h("time", { datetime: text, title: utc(at) }, formatter(Intl.DateTimeFormat, options).format(at));
}

/** An instant inside a sentence, to the second; what is none stays as it came. */
export function instantText(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text);
  const options = { dateStyle: "short", timeStyle: "medium" };
  return formatter(Intl.DateTimeFormat, options).format(at);
}

/** `14:03`. */
export function clock(milliseconds) {
  return formatter(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(
    new Date(milliseconds),
  );
}

/** `for 3 min`: how long ago `text` was at `now`. */
export function age(text, now) {
  return text ? duration(seconds(text, now)) : "–";
}

/** `in 3 min`, or "now" for what is due. */
export function ahead(text, now) {
  const left = seconds(now, text);
  return left < 1 ? t("time.now") : t("time.in", { duration: duration(left) });
}
