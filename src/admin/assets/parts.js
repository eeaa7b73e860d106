// The pieces that pages are made of.

import { h } from "./dom.js";
import { instant, number } from "./format.js";
import { has, t } from "./i18n.js";
import { sentence, told } from "./message.js";
import { href } from "./route.js";

/** States in the order of a job's life, each with its own sign: colour is never the only one. */
export const STATES = ["blocked", "queued", "running", "uncertain", "held", "succeeded", "dead", "cancelled"];
const SIGNS = { blocked: "⋯", queued: "○", running: "▶", uncertain: "?", held: "❚❚", succeeded: "✓", dead: "✕", cancelled: "–" };

/** A state in words and colour, with its sign. */
export function chip(state) {
  return h("span", { class: `chip ${STATES.includes(state) ? state : ""}` }, sign(state), stateName(state));
}

/** A job's state; that it runs stands beside. */
export function stateOf({ status, running }) {
  return running ? "running" : status;
}

/** That a success has warnings: so many jobs of a selection, leading to them, or one job. */
export function warned(count, selection = null, text = "warnings.count") {
  const label = selection ? t(text, { count }) : t("warnings");
  const target = selection ? href("jobs", { ...selection, warnings: "true" }) : null;
  return h(
    "span",
    { class: "warned", key: "warned" },
    h("span", { class: "sign", "aria-hidden": "true" }, "⚠"),
    target ? h("a", { href: target }, label) : label,
  );
}

/** A state's sign; not read aloud. */
export function sign(state) {
  return h("span", { class: `sign ${state}`, "aria-hidden": "true" }, SIGNS[state] ?? "·");
}

/** A state's name, of a job or of a part of the worker; what is not known stands as it came. */
export function stateName(state) {
  return sentence({ code: `state-${state}` }) ?? (has(`state.${state}`) ? t(`state.${state}`) : String(state ?? "–"));
}

/** A dead letter's reason in the reader's language, beside the word that commands and files use. */
export function reasonName(reason) {
  return has(`reason.${reason}`) ? t(`reason.${reason}`) : String(reason ?? "–");
}

/** A name from outside: any script, any direction, any length; may break after its separators. */
export function name(text) {
  if (text === null || text === undefined || text === "") return "–";
  const parts = String(text).split(/(?<=[._/:-])/);
  return h(
    "bdi",
    {},
    parts.flatMap((part, index) => (index === 0 ? [part] : [h("wbr"), part])),
  );
}

/** `app`, or `app / tenant`. */
export function owner(line) {
  return [name(line.app), line.tenant ? [" / ", name(line.tenant)] : null];
}

/** A lane in one plain line, for titles and attributes. */
export function laneText({ app, tenant, method }) {
  return [app, tenant, method].filter(Boolean).join(" / ");
}

/** What decides: a window of a method's quota. The method is left out where it is known anyway. */
export function deciding(value, { method = null } = {}) {
  if (!value) return "–";
  return h(
    "span",
    { title: `${value.scope} ${value.owner}` },
    name([value.window, value.method === method ? null : value.method].filter(Boolean).join(" · ")),
  );
}

/** A button. */
export function button(label, onclick, { kind = "", ...more } = {}) {
  return h("button", { type: "button", class: kind, onclick, ...more }, label);
}

/**
 * A table that becomes cards where it is narrow; rows have `keyOf`. A column is `{label, cell, look}`; `look` says in
 * words how it is set: `head`, `number`, `count` (three abreast in a card), `wide`, `short`, `name`.
 */
export function table({ label, columns, rows, keyOf }) {
  const heads = columns.map(({ label, look = "" }) =>
    h("th", { role: "columnheader", scope: "col", class: look.includes("number") ? "number" : null }, label),
  );
  const lines = rows.map((row) =>
    h(
      "tr",
      { role: "row", key: keyOf(row) },
      columns.map((column) => cell(column, row)),
    ),
  );
  return h(
    "table",
    { role: "table", "aria-label": label, class: "cards" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
    h("tbody", { role: "rowgroup" }, lines),
  );
}

function cell({ label, cell, look = "" }, row) {
  const given = cell(row);
  // In a card an empty cell is not worth its line.
  const attributes = { "data-label": label, class: given === "–" ? `${look} empty` : look || null };
  const content = h("span", { class: "content" }, given);
  return look === "head"
    ? h("th", { role: "rowheader", scope: "row", ...attributes }, content)
    : h("td", { role: "cell", ...attributes }, content);
}

/** Names with their values. Empty ones are left out; nothing if all are. */
export function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  if (given.length === 0) return null;
  return h(
    "dl",
    { class: "facts" },
    given.map(([label, value]) => h("div", { key: label }, h("dt", {}, label), h("dd", {}, value))),
  );
}

/** A number that leads to what it counts; a plain 0 leads nowhere. */
export function countLink(count, state, selection, label) {
  if (!count) return h("span", { class: "zero" }, number(count ?? 0));
  const target = state === "dead" || state === "held" ? href(state, selection) : href("jobs", { ...selection, state });
  return h(
    "a",
    { href: target, "aria-label": label ? `${number(count)} ${stateName(state)}: ${label}` : null },
    number(count),
  );
}

/** How a number of jobs stands, as one bar. */
export function bar(counts, label) {
  const total = STATES.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const order = ["succeeded", "running", "uncertain", "held", "dead", "cancelled", "queued", "blocked"];
  let at = 0;
  const rects = order.map((state) => {
    const width = total > 0 ? ((counts[state] ?? 0) / total) * 100 : 0;
    const rect =
      width > 0
        ? h("rect", { key: state, class: `fill ${state}`, x: at.toFixed(3), y: 0, width: width.toFixed(3), height: 8 })
        : null;
    at += width;
    return rect;
  });
  return h(
    "svg",
    { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": label },
    h("rect", { key: "all", class: "ground", x: 0, y: 0, width: 100, height: 8 }),
    rects,
  );
}

/** Says that nothing is there, or that it is still being asked for. */
export function nothing(text) {
  return h("p", { class: "nothing" }, text);
}

/** The server's own words on what went wrong, and what to do. */
export function fault(problem) {
  const words = problem.status === 0 ? t("problem.unreachable") : told(problem.body, "error") || problem.message || t("problem.unknown");
  return h(
    "div",
    { class: "fault", role: "alert" },
    h("p", {}, h("strong", {}, words)),
    problem.cure ? h("p", {}, told(problem.body, "cure") || problem.cure) : null,
    problem.faults?.length ? faultList(problem.faults) : null,
  );
}

/** Faults by field or by job. */
export function faultList(faults) {
  const shown = faults.slice(0, 20);
  const place = (fault) => [fault.id, fault.field].filter(Boolean).join(": ");
  return [
    h(
      "ul",
      { class: "faults" },
      shown.map((fault) => h("li", {}, h("code", {}, name(place(fault))), " ", wrong(fault))),
    ),
    faults.length > shown.length ? h("p", {}, t("list.more", { count: faults.length - shown.length })) : null,
  ];
}

/** What is wrong with a field: what was expected, and what is there. */
export function faultText(fault) {
  return told(fault, "message");
}

/** What is wrong with one: why a letter stays dead, or what the server says. */
function wrong(fault) {
  const { why, faults = [], not_after, reason } = fault;
  if (!why) return told(fault, "error") || reason || "";
  if (faults.length === 0) return [t(`still_dead.${why}`), not_after ? [" (", instant(not_after), ")"] : null];
  return faults.map((fault, index) => [index > 0 ? "; " : null, name(fault.field), fault.field ? ": " : null, faultText(fault)]);
}

/** What a page shows before its first answer. */
export function waiting(live, source) {
  const problem = live.problem(source);
  if (problem?.status === 401) return null;
  return problem ? fault(problem) : nothing(t("loading"));
}

/** A page's heading; it takes the focus when the page is opened. */
export function heading(text, ...more) {
  return h("div", { class: "heading", key: "heading" }, h("h1", { tabindex: "-1" }, text), more);
}

/** A section under a heading of its own. */
export function section(key, title, ...content) {
  return h(
    "section",
    { key, "aria-labelledby": `section-${key}` },
    h("h2", { id: `section-${key}`, tabindex: "-1" }, title),
    content,
  );
}

/** The button that shows more of a list. */
export function showMore(count, onclick) {
  return count > 0 ? button(t("list.show_more", { count }), onclick, { key: "more" }) : null;
}
