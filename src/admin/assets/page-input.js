// Inputs that never became jobs: a list of them, and one with its faults and its content.

import { drop, edit, redrive } from "./actions.js";
import { address } from "./api.js";
import { h } from "./dom.js";
import { origin } from "./facts.js";
import { filters } from "./filters.js";
import { instant, number } from "./format.js";
import { t } from "./i18n.js";
import { pager } from "./pager.js";
import { button, facts, faultText, heading, name, nothing, reasonName, table, waiting } from "./parts.js";
import { inputHref } from "./route.js";
import { told } from "./message.js";

const FIELDS = ["batch", "app", "method", "reason"];

export const inputs = {
  title: () => t("inputs.title"),
  sources: ({ parameters }) => ({ inputs: { path: address("dead/inputs", { ...parameters, limit: 50 }), every_s: 5 } }),
  view({ live, route }) {
    const data = live.data("inputs");
    const place = { ...route, page: "dead/inputs" };
    const top = [heading(t("inputs.title")), filters(place, FIELDS)];
    if (!data) return [top, waiting(live, "inputs")];
    if (data.inputs.length === 0) return [top, nothing(t("inputs.none")), pager(place, data)];
    const columns = [
      { label: t("job.id"), look: "head", cell: (row) => h("a", { href: inputHref(row.handle) }, name(row.handle)) },
      { label: t("job.reason"), cell: (row) => reasonName(row.reason) },
      { label: t("job.method"), cell: (row) => (row.method ? name(row.method) : "–") },
      { label: t("job.place"), look: "name", cell: origin },
      { label: t("input.fault"), look: "wide", cell: wrong },
    ];
    return [
      top,
      table({ label: t("inputs.title"), columns, rows: data.inputs, keyOf: (row) => row.handle }),
      pager(place, data),
    ];
  },
};

export const input = {
  title: ({ id }) => t("input.title", { id: `#${id}` }),
  sources: ({ id }) => ({ input: { path: `dead/inputs/${encodeURIComponent(id)}`, every_s: 5 } }),
  view({ live, route }) {
    const data = live.data("input");
    const title = heading(t("input.title", { id: `#${route.id}` }));
    if (!data) return [title, waiting(live, "input")];
    return [title, actions(data), what(data), faults(data), content(data)];
  },
};

function actions({ handle }) {
  const which = h("p", {}, h("strong", {}, name(handle)));
  return h(
    "div",
    { class: "actions", key: "actions" },
    button(t("redrive.button"), () => redrive({ id: handle }, which), { key: "redrive", kind: "primary" }),
    button(t("edit.button"), () => edit({ id: handle }, handle), { key: "edit" }),
    button(t("drop.button"), () => drop({ id: handle }, which), { key: "drop" }),
  );
}

function what(data) {
  return h(
    "section",
    { key: "what", "aria-label": t("job.reason") },
    facts([
      [t("job.reason"), reasonName(data.reason)],
      [t("job.detail"), data.faults.length === 0 ? h("span", { dir: "auto" }, told(data, "detail")) : null],
      [t("job.cure"), told(data, "cure")],
      [t("job.id"), data.id ? name(data.id) : null],
      [t("job.method"), data.method ? name(data.method) : null],
      [t("job.app"), data.app ? name(data.app) : null],
      [t("batch"), data.batch ? name(data.batch) : null],
      [t("job.place"), origin(data)],
      [t("input.at"), data.finished_at ? instant(data.finished_at, { exact: true }) : null],
      [t("input.bytes"), number(data.bytes)],
    ]),
  );
}

function faults({ faults: rows }) {
  if (rows.length === 0) return null;
  const columns = [
    { label: t("input.field"), look: "head", cell: (row) => row.field ? h("code", {}, name(row.field)) : t("dead.all_of_it") },
    { label: t("input.fault"), cell: (row) => h("span", { dir: "auto" }, faultText(row)) },
  ];
  return h(
    "section",
    { key: "faults", "aria-labelledby": "section-faults" },
    h("h2", { id: "section-faults" }, t("input.faults")),
    table({ label: t("input.faults"), columns, rows, keyOf: (row) => row.field + row.message }),
  );
}

/** What is wrong with one of a list. */
function wrong(input) {
  const { faults: rows } = input;
  if (rows.length === 0) return h("span", { dir: "auto" }, told(input, "detail"));
  return rows.map((row) =>
    h("div", { dir: "auto" }, row.field ? [h("code", {}, name(row.field)), " "] : null, faultText(row)),
  );
}

function content({ content: given, content_kind: kind, content_hidden: hidden }) {
  const text = typeof given === "string" ? given : JSON.stringify(given, null, 2);
  return h(
    "section",
    { key: "content", "aria-labelledby": "section-content" },
    h("h2", { id: "section-content" }, t("job.content")),
    kind === "escaped" ? h("p", { class: "hint" }, t("input.escaped")) : null,
    hidden
      ? nothing(t(`input.hidden.${hidden}`))
      : h("pre", { tabindex: "0", role: "group", "aria-label": t("job.content") }, text),
  );
}
