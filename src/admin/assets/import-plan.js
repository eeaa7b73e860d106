// What will happen: calls by quota, when they are done, and the rows that repeat or change what is there.

import { h } from "./dom.js";
import { duration, instant, number } from "./format.js";
import { t } from "./i18n.js";
import { deciding, facts, name, nothing, section, stateName, table } from "./parts.js";
import { jobHref } from "./route.js";

/** The plan of rows that could be started. */
export function plan({ plan: given, names, repeats }) {
  if (!given) return null;
  return section(
    "plan",
    t("import.plan"),
    given.calls > 0
      ? h("p", { class: "finish" }, h("strong", {}, t("import.plan.time", { count: given.calls, duration: duration(given.time_s) })), " ", instant(given.finish_at))
      : nothing(t("import.plan.nothing")),
    facts([
      [t("deciding"), given.deciding ? deciding(given.deciding) : null],
      [t("import.plan.backlog"), given.backlog ? t("import.plan.with_backlog", { count: given.backlog.jobs, duration: duration(given.backlog.time_s) }) : null],
      [t("import.plan.known"), repeats.known > 0 ? number(repeats.known) : null],
      [t("import.plan.late"), given.late_count + given.expiring_count > 0 ? number(given.late_count + given.expiring_count) : null],
      [t("import.plan.suspended"), given.suspended > 0 ? number(given.suspended) : null],
      [t("import.plan.names"), names > 0 ? number(names) : null],
    ]),
    quotas(given.quotas),
  );
}

function quotas(rows) {
  if (rows.length === 0) return null;
  const columns = [
    { label: t("job.method"), look: "head", cell: (row) => name(row.method) },
    { label: t("quotas.quota"), cell: (row) => row.quota },
    { label: t("quotas.of"), cell: (row) => name(`${row.scope} ${row.owner}`) },
    { label: t("import.plan.calls"), look: "number", cell: (row) => number(row.calls) },
    { label: t("import.plan.least"), look: "number", cell: (row) => duration(row.least_time_s) },
  ];
  return table({ label: t("import.plan.quotas"), columns, rows, keyOf: (row) => `${row.method} ${row.scope} ${row.owner}` });
}

/** Rows whose jobs have succeeded with something else. */
export function changedRows({ changed }) {
  if (changed.count === 0) return null;
  const columns = [
    { label: t("import.line_short"), look: "head", cell: (row) => number(row.line) },
    { label: t("job.id"), cell: (row) => h("a", { href: jobHref(row.id) }, name(row.id)) },
    { label: t("import.changes"), look: "wide", cell: differences },
  ];
  return section(
    "changed",
    t("import.changed", { count: changed.count }),
    table({ label: t("import.changed", { count: changed.count }), columns, rows: changed.rows, keyOf: (row) => row.id }),
    more(changed),
  );
}

function differences({ changes, why }) {
  const word = (value) => (value === null ? t("import.absent") : typeof value === "string" ? value : JSON.stringify(value));
  return [
    changes.map(({ field, before, now }) =>
      h("div", { key: field }, h("code", {}, name(field)), " ", h("bdi", {}, word(before)), " → ", h("bdi", {}, word(now))),
    ),
    why ? h("div", { key: "why", class: "wrong", lang: "en" }, why) : null,
  ];
}

/** Rows that would create again what is there. */
export function twins({ duplicates }) {
  if (duplicates.count === 0) return null;
  const columns = [
    { label: t("import.line_short"), look: "head", cell: (row) => number(row.line) },
    { label: t("import.earlier"), cell: (row) => h("a", { href: jobHref(row.earlier_id) }, name(row.earlier_id)) },
    { label: t("batch"), cell: (row) => (row.earlier_batch ? name(row.earlier_batch) : "–") },
    { label: t("job.state"), cell: (row) => (row.earlier_status ? stateName(row.earlier_status) : "–") },
    { label: t("job.key"), cell: (row) => (row.earlier_key ? name(row.earlier_key) : "–") },
  ];
  return section(
    "twins",
    t("import.twins", { count: duplicates.count }),
    table({ label: t("import.twins", { count: duplicates.count }), columns, rows: duplicates.rows, keyOf: (row) => row.line }),
    more(duplicates),
  );
}

function more({ count, rows }) {
  return count > rows.length ? nothing(t("list.more", { count: count - rows.length })) : null;
}
