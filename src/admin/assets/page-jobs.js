// Jobs: found by the beginning of their id or by what they have in common, a page at a time.

import { cancelJobs } from "./actions.js";
import { address } from "./api.js";
import { h } from "./dom.js";
import { filters, selection } from "./filters.js";
import { instant, number } from "./format.js";
import { t } from "./i18n.js";
import { pager } from "./pager.js";
import { button, chip, heading, name, nothing, owner, reasonName, stateOf, table, waiting, warned } from "./parts.js";
import { href, jobHref } from "./route.js";
import { told, translated } from "./message.js";

const FIELDS = ["prefix", "state", "warnings", "batch", "app", "tenant", "method", "reason", "code"];

export const jobs = {
  title: () => t("jobs.title"),
  sources: ({ parameters }) => ({ jobs: { path: address("jobs", { ...parameters, limit: 50 }), every_s: 2 } }),
  view({ live, route }) {
    const data = live.data("jobs");
    const top = [heading(t("jobs.title"), cancelSelected(route)), filters(route, FIELDS)];
    if (!data) return [top, waiting(live, "jobs")];
    if (data.jobs.length === 0) return [top, nothing(t("jobs.none")), pager(route, data)];
    return [
      top,
      table({ label: t("jobs.title"), columns: columns(), rows: data.jobs, keyOf: (job) => job.id }),
      pager(route, data),
    ];
  },
};

function columns() {
  return [
    { label: t("job.id"), look: "head", cell: (job) => h("a", { href: jobHref(job.id) }, name(job.id)) },
    { label: t("job.state"), cell: (job) => [chip(stateOf(job)), job.warnings ? [" ", warned(1)] : null] },
    {
      label: t("job.method"),
      cell: (job) => [h("span", { class: "method" }, name(job.method)), " ", h("span", { class: "owner" }, owner(job))],
    },
    {
      label: t("batch"),
      look: "name",
      cell: (job) => (job.batch ? h("a", { href: href("jobs", { batch: job.batch }) }, name(job.batch)) : "–"),
    },
    { label: t("job.attempts"), look: "number", cell: (job) => number(job.attempts) },
    { label: t("job.created_at"), cell: (job) => instant(job.created_at) },
    { label: t("job.ended_at"), cell: (job) => instant(job.finished_at) },
    { label: t("job.ending"), look: "wide", cell: ending },
  ];
}

/** The key of what was created and what was left out, or why it was not created. */
function ending(job) {
  const left = (job.warnings ?? []).map((warning) => h("span", { class: "hint" }, " ", translated(warning, "message")));
  if (job.key) return [h("code", {}, name(job.key)), left];
  if (left.length > 0) return left;
  if (!job.reason && !job.detail) return "–";
  return [
    job.reason ? reasonName(job.reason) : null,
    job.code === undefined ? null : [" ", h("code", {}, job.code)],
    job.detail ? h("span", { class: "hint" }, " ", told(job, "detail")) : null,
  ];
}

function cancelSelected({ parameters }) {
  const chosen = selection(parameters);
  if (Object.keys(chosen).length === 0 || parameters.prefix || parameters.warnings || (chosen.state && chosen.state !== "queued")) return null;
  const words = Object.entries(chosen)
    .map(([field, value]) => `${t(`filter.${field}`)}: ${value}`)
    .join(" · ");
  return button(t("cancel.selected"), () => cancelJobs(chosen, h("p", {}, words)), { key: "cancel" });
}
