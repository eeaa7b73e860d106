// All batches, a page at a time, with how far they are and when they will be done.

import { cancelJobs } from "./actions.js";
import { address } from "./api.js";
import { batchLink, heldBack, left, progress } from "./batch-parts.js";
import { h } from "./dom.js";
import { instant, number } from "./format.js";
import { t } from "./i18n.js";
import { pager } from "./pager.js";
import { button, heading, name, nothing, table, waiting } from "./parts.js";

export const batches = {
  title: () => t("batches.title"),
  sources: ({ parameters }) => ({
    batches: { path: address("batches", { after: parameters.after, limit: 50 }), every_s: 2 },
    forecast: { path: "forecast", every_s: 10 },
  }),
  view({ live, route, now }) {
    const data = live.data("batches");
    if (!data) return [heading(t("batches.title")), waiting(live, "batches")];
    if (data.batches.length === 0)
      return [heading(t("batches.title")), nothing(t("batches.nothing")), pager(route, data)];
    const forecast = new Map((live.data("forecast")?.batches ?? []).map((batch) => [batch.batch, batch]));
    return [
      heading(t("batches.title")),
      table({ label: t("batches.title"), columns: columns(forecast, now), rows: data.batches, keyOf: (row) => row.name }),
      pager(route, data),
    ];
  },
};

function columns(forecast, now) {
  return [
    {
      label: t("batch"),
      look: "head",
      cell: (row) => batchLink(row.name),
    },
    { label: t("jobs.title"), look: "number", cell: (row) => number(row.total) },
    { label: t("batches.progress"), look: "wide", cell: progress },
    { label: t("batches.finish"), cell: (row) => left(row, forecast.get(row.name), now) },
    { label: t("deciding"), cell: (row) => heldBack(forecast.get(row.name)) },
    { label: t("batches.created"), cell: (row) => instant(row.created_at) },
    { label: t("lanes.change"), look: "short", cell: (row) => cancelButton(row) },
  ];
}

function cancelButton(row) {
  if (!row.queued || !row.name) return "–";
  const cancel = () => cancelJobs({ batch: row.name }, h("p", {}, t("batch"), " ", h("strong", {}, name(row.name))));
  return button(t("cancel.button"), cancel, { kind: "small", "aria-label": `${t("cancel.button")}: ${row.name}` });
}
