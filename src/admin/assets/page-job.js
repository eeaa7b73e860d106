// One job: all of its fields, why it stands where it stands, and every call that was made for it.

import { cancelJobs, drop, edit, redrive, resolve } from "./actions.js";
import { h } from "./dom.js";
import { duration, instant, number, seconds } from "./format.js";
import { fact, word } from "./facts.js";
import { t } from "./i18n.js";
import { button, chip, facts, heading, name, nothing, reasonName, section, stateOf, table, waiting } from "./parts.js";
import { href } from "./route.js";
import { told, translated } from "./message.js";

export const job = {
  title: ({ id }) => t("job.title", { id }),
  sources: ({ id }) => ({
    job: { path: `jobs/${encodeURIComponent(id)}`, every_s: 2 },
    methods: { path: "methods", every_s: 300 },
  }),
  view({ live, route }) {
    const data = live.data("job");
    const title = heading([t("job"), " ", name(route.id)]);
    if (!data) return [title, waiting(live, "job")];
    return [
      title,
      h("div", { class: "actions", key: "actions" }, chip(stateOf(data)), buttons(data, live)),
      why(data),
      warnings(data),
      fields(data),
      documents(data),
      history(data),
    ];
  },
};

/** Whether what a method creates can be looked up. */
export function canLookUp(live, method) {
  const known = live.data("methods")?.methods.find((entry) => entry.method === method);
  return known ? known.look_up : true;
}

function buttons(data, live) {
  const one = { id: data.id };
  const which = h("p", {}, t("job"), " ", h("strong", {}, name(data.id)));
  const state = stateOf(data);
  if (state === "held") {
    const job = { ...data, evidence: { detail: data.detail, candidates: [] } };
    return button(t("resolve.button"), () => resolve(job, { canLookUp: canLookUp(live, data.method) }), {
      kind: "primary",
    });
  }
  if (state === "queued") return button(t("cancel.button"), () => cancelJobs(one, which));
  if (state !== "dead") return null;
  return [
    button(t("redrive.button"), () => redrive(one, which), { key: "redrive", kind: "primary" }),
    button(t("edit.button"), () => edit(one, data.id), { key: "edit" }),
    button(t("drop.button"), () => drop(one, which), { key: "drop" }),
  ];
}

function why(data) {
  const { why: { facts: known }, reason, code, log_id } = data;
  // What a fact says already need not be said again.
  const all = JSON.stringify(known);
  const isNew = (fact) => Boolean(fact) && !all.includes(JSON.stringify(fact));
  const named = reasonName(reason) === reason ? null : [" ", h("code", {}, reason)];
  return h(
    "section",
    { key: "why", class: "why", "aria-labelledby": "section-why" },
    h("h2", { id: "section-why" }, t("job.why")),
    // Warnings have a section of their own.
    h("ul", {}, known.filter(({ kind }) => kind !== "warning").map(fact)),
    facts([
      [t("job.reason"), reason ? [reasonName(reason), named] : null],
      [t("job.code"), code === null || code === undefined ? null : h("code", {}, code)],
      [t("job.detail"), isNew(data.detail_fact) ? h("span", { dir: "auto" }, told(data, "detail")) : null],
      [t("job.cure"), isNew(data.cure_fact) ? told(data, "cure") : null],
      ["log id", log_id ? h("code", {}, name(log_id)) : null],
    ]),
  );
}

/** What the platform left out of a success. */
function warnings({ warnings: left }) {
  if (!left) return null;
  return section(
    "warnings",
    [h("span", { class: "sign warned", "aria-hidden": "true" }, "⚠"), t("warnings.title")],
    left.map((warning) =>
      h(
        "div",
        { key: warning.field },
        h("p", {}, translated(warning, "message"), " ", h("code", {}, name(warning.field))),
        h(
          "ul",
          { class: "values" },
          warning.values.map((value) => h("li", {}, name(typeof value === "object" ? JSON.stringify(value) : String(value)))),
        ),
      ),
    ),
  );
}

function fields(data) {
  const exact = (text) => (text ? instant(text, { exact: true }) : null);
  return h(
    "section",
    { key: "fields", "aria-labelledby": "section-fields" },
    h("h2", { id: "section-fields" }, t("job.fields")),
    facts([
      [t("job.method"), name(data.method)],
      [t("job.app"), name(data.app)],
      [t("job.tenant"), data.tenant ? name(data.tenant) : null],
      [t("batch"), data.batch ? h("a", { href: href("jobs", { batch: data.batch }) }, name(data.batch)) : null],
      [t("job.key"), data.key ? h("code", {}, name(data.key)) : null],
      [t("job.priority"), number(data.priority)],
      [t("job.attempts"), number(data.attempts)],
      [t("job.created_at"), exact(data.created_at)],
      [t("job.not_before"), exact(data.not_before)],
      [t("job.not_after"), exact(data.not_after)],
      [t("job.edited_at"), exact(data.edited_at)],
      [t("job.ended_at"), exact(data.finished_at)],
      [t("job.place"), data.place ? name(data.place) : null],
    ]),
  );
}

function documents(data) {
  const given = ["path", "query", "body", "meta", "result"].filter(
    (part) => data[part] !== null && data[part] !== undefined && JSON.stringify(data[part]) !== "{}",
  );
  if (given.length === 0 && !data.parameters_hidden) return null;
  return h(
    "section",
    { key: "documents", "aria-labelledby": "section-documents" },
    h("h2", { id: "section-documents" }, t("job.content")),
    data.parameters_hidden ? nothing(t("job.hidden")) : null,
    given.map((part) =>
      h(
        "div",
        { key: part },
        h("h3", {}, t(`job.${part}`)),
        h("pre", { tabindex: "0", role: "group", "aria-label": t(`job.${part}`) }, JSON.stringify(data[part], null, 2)),
      ),
    ),
  );
}

function history({ history: rows }) {
  const columns = [
    { label: t("attempt.sent_at"), look: "head", cell: (row) => instant(row.sent_at, { exact: true }) },
    { label: t("attempt.took"), look: "short", cell: (row) => (row.ended_at ? took(row) : t("attempt.in_flight")) },
    { label: t("attempt.purpose"), look: "short", cell: (row) => word("purpose", row.purpose) },
    { label: t("attempt.outcome"), look: "short", cell: (row) => word("outcome", row.outcome) ?? "–" },
    { label: "HTTP", look: "number", cell: (row) => row.http_status ?? "–" },
    { label: t("job.code"), look: "number", cell: (row) => row.code ?? "–" },
    {
      label: t("job.detail"),
      look: "wide",
      cell: (row) => [
        h("span", { dir: "auto" }, told(row, "detail") || "–"),
        row.log_id ? h("span", { class: "hint" }, " log id ", name(row.log_id)) : null,
      ],
    },
  ];
  const list = table({ label: t("job.history"), columns, rows, keyOf: (row) => row.sent_at + row.purpose });
  return h(
    "section",
    { key: "history", "aria-labelledby": "section-history" },
    h("h2", { id: "section-history" }, t("job.history")),
    rows.length === 0 ? nothing(t("job.no_calls")) : list,
  );
}

function took({ sent_at, ended_at }) {
  const spent = seconds(sent_at, ended_at);
  return spent < 10 ? `${number(Math.round(spent * 1000))} ms` : duration(spent);
}
