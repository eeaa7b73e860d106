// Held jobs: nobody can tell whether they were done. The evidence, and the ways to settle each.

import { resolve } from "./actions.js";
import { address } from "./api.js";
import { h } from "./dom.js";
import { filters, selection } from "./filters.js";
import { word } from "./facts.js";
import { instant } from "./format.js";
import { t } from "./i18n.js";
import { canLookUp } from "./page-job.js";
import { pager } from "./pager.js";
import { button, facts, heading, name, nothing, owner, waiting } from "./parts.js";
import { href, jobHref } from "./route.js";
import { told } from "./message.js";

const FIELDS = ["batch", "app", "tenant", "method"];

export const held = {
  title: () => t("held.title"),
  sources: ({ parameters }) => ({
    held: { path: address("held", { ...selection(parameters), after: parameters.after, limit: 50 }), every_s: 2 },
    methods: { path: "methods", every_s: 300 },
  }),
  view({ live, route }) {
    const data = live.data("held");
    const top = [heading(t("held.title")), h("p", { class: "lead" }, t("held.lead")), filters(route, FIELDS)];
    if (!data) return [top, waiting(live, "held")];
    if (data.jobs.length === 0) return [top, nothing(t("held.none")), pager(route, data)];
    return [
      top,
      h(
        "ul",
        { class: "groups", key: "groups" },
        data.jobs.map((job) => card(job, live)),
      ),
      pager(route, data),
    ];
  },
};

function card(job, live) {
  const { detail, candidates, last_attempt: last } = job.evidence;
  const settle = () => resolve(job, { canLookUp: canLookUp(live, job.method) });
  return h(
    "li",
    { class: "group", key: job.id },
    h(
      "div",
      { class: "line" },
      h("h2", { tabindex: "-1" }, h("a", { href: jobHref(job.id) }, name(job.id))),
      button(t("resolve.button"), settle, { kind: "primary", "aria-label": `${t("resolve.button")}: ${job.id}` }),
    ),
    h(
      "p",
      { class: "owner" },
      name(job.method),
      " · ",
      owner(job),
      job.batch ? [" · ", h("a", { href: href("jobs", { batch: job.batch }) }, name(job.batch))] : null,
    ),
    detail ? h("p", { dir: "auto" }, told(job.evidence, "detail")) : null,
    candidates.length > 0
      ? h(
          "p",
          {},
          t("resolve.found"),
          " ",
          candidates.map((key) => [h("code", { key }, name(key)), " "]),
        )
      : null,
    last
      ? facts([
          [t("held.last"), [word("purpose", last.purpose), " · ", instant(last.sent_at)]],
          [
            t("attempt.outcome"),
            [
              word("outcome", last.outcome) ?? t("attempt.in_flight"),
              last.http_status ? ` · HTTP ${last.http_status}` : null,
              last.code !== null ? ` · ${last.code}` : null,
            ],
          ],
          [t("job.detail"), isNew(last, job.evidence) ? told(last, "detail") : null],
          ["log id", last.log_id ? h("code", {}, name(last.log_id)) : null],
        ])
      : null,
  );
}

/** Whether what the last call met is not part of what is known already. */
function isNew({ detail_fact: last }, { detail_fact: known }) {
  return Boolean(last) && !JSON.stringify(known ?? null).includes(JSON.stringify(last));
}
