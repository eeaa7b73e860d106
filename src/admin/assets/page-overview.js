// The first page: how everything stands, what is in the way, and when it will be done.

import { address } from "./api.js";
import { batchLink, heldBack, left, progress } from "./batch-parts.js";
import { chart, legend } from "./chart.js";
import { h } from "./dom.js";
import { leftOver, unanswered } from "./facts.js";
import { age, ahead, duration, instant, number, seconds } from "./format.js";
import { t } from "./i18n.js";
import { lanes } from "./lanes.js";
import { told } from "./message.js";
import {
  chip,
  facts,
  heading,
  laneText,
  name,
  nothing,
  section,
  showMore,
  sign,
  STATES,
  stateName,
  table,
  waiting,
  warned,
} from "./parts.js";
import { href } from "./route.js";
import { inTheWay } from "./trouble.js";
import { workers } from "./workers.js";

const CHARTS_SHOWN = 4;
const BATCHES_SHOWN = 8;
const QUOTAS_SHOWN = 12;

/** What a person has chosen on this page; outlives refreshes, not the tab. */
const chosen = { charts: CHARTS_SHOWN, quotas: QUOTAS_SHOWN };

export const overview = {
  title: () => t("overview.title"),
  sources: () => ({
    forecast: { path: "forecast", every_s: 10 },
    throughput: { path: address("throughput", { minutes: 60 }), every_s: 5 },
    recent: { path: address("batches", { limit: BATCHES_SHOWN }), every_s: 5 },
  }),
  view({ live, now, redraw }) {
    const data = live.data("overview");
    if (!data) return [heading(t("overview.title")), waiting(live, "overview")];
    return [
      heading(t("overview.title")),
      totals(data.totals, live, now),
      inTheWay(data, now),
      throughput(live, redraw),
      batches(live, now),
      lanes(data.lanes, now, redraw),
      quotas(data.quotas, now, redraw),
      budgets(data.budgets, now),
      workers(data, now),
      machinery(data, now),
    ];
  },
};

function totals(counts, live, now) {
  const tiles = STATES.map((state) => {
    const target = state === "dead" || state === "held" ? href(state) : href("jobs", { state });
    return h(
      "li",
      { key: state, class: counts[state] ? "" : "zero" },
      h(
        "a",
        { class: `tile ${state}`, href: target },
        h("span", { class: "count" }, number(counts[state])),
        h("span", { class: "what" }, sign(state), stateName(state)),
      ),
    );
  });
  return h(
    "section",
    { key: "totals", "aria-label": t("overview.totals") },
    h("ul", { class: "tiles" }, tiles),
    counts.warnings > 0 ? h("p", { key: "warnings" }, warned(counts.warnings, {}, "warnings.succeeded")) : null,
    h("p", { class: "finish" }, finish(counts, live, now)),
  );
}

function finish(counts, live, now) {
  const forecast = live.data("forecast");
  const open = ["queued", "running", "uncertain"].reduce((sum, state) => sum + counts[state], 0);
  if (open === 0) return t("finish.nothing_left");
  // The worker works the first one out when somebody asks.
  if (!forecast?.as_of) return t("loading");
  if (!forecast.finish_at) return t("finish.unknown");
  const what = forecast.held_back ? "finish.part_in" : "finish.in";
  return [
    h("strong", {}, t(what, { duration: duration(seconds(now, forecast.finish_at)) })),
    " · ",
    t("finish.at"),
    " ",
    instant(forecast.finish_at),
    forecast.held_back ? [" · ", t("finish.left_over"), " ", leftOver(forecast.held_back)] : null,
    h("span", { class: "hint" }, " · ", t("finish.as_of"), " ", instant(forecast.as_of)),
  ];
}

function throughput(live, redraw) {
  const data = live.data("throughput");
  if (!data) return section("throughput", t("throughput.title"), waiting(live, "throughput"));
  const sum = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
  const busiest = data.series
    .filter((series) => sum(series.calls) > 0)
    .map((series) => ({ series, share: use(series) }));
  // The nearest to its quota first; equal ones keep their places, so that the pictures do not dance.
  busiest.sort((a, b) => b.share - a.share || laneText(a.series).localeCompare(laneText(b.series)));
  const shown = busiest.slice(0, chosen.charts);
  const more = busiest.length - shown.length;
  return section(
    "throughput",
    t("throughput.title"),
    shown.length === 0
      ? nothing(t("throughput.none"))
      : [
          legend(),
          h(
            "div",
            { class: "charts" },
            shown.map(({ series }) => chart(series, data)),
          ),
        ],
    showMore(more, () => {
      chosen.charts += CHARTS_SHOWN;
      redraw();
    }),
  );
}

// In tenths, so that small changes do not reorder anything.
function use({ calls, limit_per_step: limit }) {
  return limit ? Math.round((calls.reduce((sum, count) => sum + count, 0) / (limit * calls.length)) * 10) : 0;
}

function batches(live, now) {
  const data = live.data("recent");
  if (!data) return section("batches", t("batches.title"), waiting(live, "recent"));
  if (data.batches.length === 0) return null;
  const forecast = new Map((live.data("forecast")?.batches ?? []).map((batch) => [batch.batch, batch]));
  const columns = [
    {
      label: t("batch"),
      look: "head",
      cell: (row) => batchLink(row.name),
    },
    { label: t("batches.progress"), look: "wide", cell: (row) => progress(row) },
    { label: t("batches.finish"), cell: (row) => left(row, forecast.get(row.name), now) },
    { label: t("deciding"), cell: (row) => heldBack(forecast.get(row.name)) },
  ];
  return section(
    "batches",
    t("batches.title"),
    table({ label: t("batches.title"), columns, rows: data.batches, keyOf: (row) => row.name }),
    h("p", { class: "hint" }, h("a", { href: href("batches") }, t("batches.all"))),
  );
}

/** The windows that hold calls, as the worker counts them; one line a window. */
function quotas(all, now, redraw) {
  const used = all.filter((window) => window.used > 0);
  if (used.length === 0) return null;
  const shown = used.slice(0, chosen.quotas);
  const columns = [
    { label: t("quotas.quota"), look: "head", cell: (row) => name(row.method) },
    { label: t("quotas.of"), look: "name", cell: (row) => name(`${row.scope} ${row.owner}`) },
    { label: t("quotas.used"), look: "number", cell: (row) => number(row.used) },
    { label: t("quotas.unanswered"), look: "number", cell: (row) => number(row.unanswered) },
    { label: t("quotas.window"), look: "short", cell: (row) => row.window },
    {
      label: t("lanes.next"),
      look: "short",
      cell: (row) => (row.used < row.limit || !row.next_free_at ? t("time.now") : ahead(row.next_free_at, now)),
    },
  ];
  const open = Math.max(...used.map((row) => row.unanswered));
  return section(
    "quotas",
    t("quotas.title"),
    table({ label: t("quotas.title"), columns, rows: shown, keyOf: (row) => `${row.key} ${row.window}` }),
    open > 0 ? h("p", { key: "unanswered" }, unanswered(open)) : null,
    showMore(used.length - shown.length, () => {
      chosen.quotas += 100;
      redraw();
    }),
  );
}

/** Calls of calendar days and months, of whoever has such a budget. */
function budgets(all, now) {
  if (all.length === 0) return null;
  const columns = [
    { label: t("quotas.quota"), look: "head", cell: (row) => (row.method ? name(row.method) : t("budgets.all")) },
    { label: t("quotas.of"), look: "name", cell: (row) => name(row.owner) },
    { label: t("quotas.used"), look: "number", cell: (row) => number(row.used) },
    { label: t("budgets.limit"), look: "number", cell: (row) => number(row.limit) },
    { label: t("budgets.period"), look: "short", cell: (row) => t(`budgets.period.${row.period}`) },
    { label: t("budgets.anew"), look: "short", cell: (row) => ahead(row.ends_at, now) },
  ];
  const keyOf = (row) => `${row.owner} ${row.method} ${row.period}`;
  return section("budgets", t("budgets.title"), table({ label: t("budgets.title"), columns, rows: all, keyOf }));
}

function machinery({ broker, outbox, worker }, now) {
  const link = (side) => {
    const hint = told(side, "error") || told(side, "why");
    return [chip(side.state), hint ? h("span", { class: "hint" }, " ", hint) : null];
  };
  const pairs = broker
    ? [
        [t("broker.consume"), link(broker.consume)],
        [t("broker.publish"), link(broker.publish)],
        [t("broker.intake"), link(broker.intake)],
        [t("broker.relay"), link(broker.relay)],
      ]
    : [[t("broker"), t("broker.none")]];
  const more = [
    [t("outbox"), t("outbox.count", { count: outbox })],
    [t("worker.version"), worker.version],
    [t("worker.since"), [instant(worker.started_at), " (", age(worker.started_at, now), ")"]],
  ];
  return section("machinery", t("machinery.title"), facts([...pairs, ...more]));
}
