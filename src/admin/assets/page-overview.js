// The first page: how everything stands, what is in the way, and when it will be done.

import { resume, suspend } from "./actions.js";
import { address } from "./api.js";
import { chart, legend } from "./chart.js";
import { h } from "./dom.js";
import { age, ahead, duration, instant, number, seconds } from "./format.js";
import { has, t } from "./i18n.js";
import { bar, button, chip, countLink, deciding, facts, heading, laneText, name, nothing, owner, sign, STATES, stateName, table, waiting } from "./parts.js";
import { href } from "./route.js";

const LANES_SHOWN = 25;
const CHARTS_SHOWN = 4;
const BATCHES_SHOWN = 8;

/** What a person has chosen on this page; outlives refreshes, not the tab. */
const chosen = { lanes: LANES_SHOWN, charts: CHARTS_SHOWN, filter: "" };

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
      totals(data.totals, live.data("forecast"), now),
      inTheWay(data, now),
      throughput(live, redraw),
      batches(live, now),
      lanes(data.lanes, now, redraw),
      machinery(data, now),
    ];
  },
};

function section(key, title, ...content) {
  return h("section", { key, "aria-labelledby": `section-${key}` }, h("h2", { id: `section-${key}`, tabindex: "-1" }, title), content);
}

function totals(counts, forecast, now) {
  const tiles = STATES.map((state) => {
    const target = state === "dead" || state === "held" ? href(state) : href("jobs", { state });
    return h("li", { key: state, class: counts[state] ? "" : "zero" }, h("a", { class: `tile ${state}`, href: target },
      h("span", { class: "count" }, number(counts[state] ?? 0)), h("span", { class: "what" }, sign(state), stateName(state))));
  });
  return h("section", { key: "totals", "aria-label": t("overview.totals") },
    h("ul", { class: "tiles" }, tiles),
    h("p", { class: "finish" }, finish(counts, forecast, now)));
}

function finish(counts, forecast, now) {
  const open = ["queued", "running", "uncertain"].reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  if (open === 0) return t("finish.nothing_left");
  if (!forecast) return t("loading");
  if (!forecast.finish_at) return t("finish.unknown");
  return [h("strong", {}, t("finish.in", { duration: duration(seconds(now, forecast.finish_at)) })), " · ", t("finish.at"), " ", instant(forecast.finish_at)];
}

function inTheWay({ suspensions, restraints }, now) {
  if (suspensions.length + restraints.length === 0) return null;
  return section("trouble", t("trouble.title"), h("ul", { class: "troubles" },
    suspensions.map((entry) => trouble(entry, "suspended", now)), restraints.map((entry) => trouble(entry, "restrained", now))));
}

function trouble(entry, kind, now) {
  const label = kind === "suspended" ? t(entry.by_hand ? "trouble.by_hand" : "trouble.suspended") : restraint(entry);
  const what = [kind, entry.kind, entry.scope, entry.app, entry.tenant, entry.method].join(" ");
  return h("li", { key: what, class: `trouble ${kind}` },
    h("div", { class: "line" }, h("span", { class: `badge ${kind}` }, h("span", { "aria-hidden": "true" }, kind === "suspended" ? "■ " : "◐ "), label),
      h("strong", {}, name(laneText(entry) || t("trouble.everything"))),
      button(t(kind === "suspended" ? "resume.button" : "resume.early"), () => resume(kind === "suspended" ? entry : { app: entry.app, cure: entry.cure }), { kind: "small", "aria-label": `${t("resume.button")}: ${laneText(entry)}` })),
    entry.code !== null || entry.detail ? h("p", {}, entry.code !== null && entry.code !== undefined ? [h("code", {}, entry.code), " "] : null, entry.meaning ?? entry.detail) : null,
    entry.cure ? h("p", { class: "cure" }, h("strong", {}, t("cure")), " ", entry.cure) : null,
    h("p", { class: "hint" }, t("trouble.since"), " ", instant(entry.since), " (", age(entry.since, now), ") · ",
      entry.until ? [t("trouble.until"), " ", instant(entry.until), " (", ahead(entry.until, now), ")"] : t(kind === "suspended" ? "trouble.until_resumed" : "trouble.until_well"),
      entry.log_id ? [" · log id ", h("code", {}, name(entry.log_id))] : null));
}

function restraint({ kind }) {
  return has(`trouble.${kind}`) ? t(`trouble.${kind}`) : t("trouble.restrained");
}

function throughput(live, redraw) {
  const data = live.data("throughput");
  if (!data) return section("throughput", t("throughput.title"), waiting(live, "throughput"));
  const sum = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
  const busiest = data.series.filter((series) => sum(series.calls) > 0).map((series) => ({ series, share: use(series) }));
  // The nearest to its quota first; equal ones keep their places, so that the pictures do not dance.
  busiest.sort((a, b) => b.share - a.share || laneText(a.series).localeCompare(laneText(b.series)));
  const shown = busiest.slice(0, chosen.charts);
  const more = busiest.length - shown.length;
  return section("throughput", t("throughput.title"),
    shown.length === 0 ? nothing(t("throughput.none")) : [legend(), h("div", { class: "charts" }, shown.map(({ series }) => chart(series, data)))],
    more > 0 ? button(t("list.show_more", { count: more }), () => { chosen.charts += CHARTS_SHOWN; redraw(); }, { key: "more" }) : null);
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
    { label: t("batch"), look: "head", cell: (row) => h("a", { href: href("jobs", { batch: row.batch }) }, row.batch ? name(row.batch) : t("batch.none")) },
    { label: t("batches.progress"), look: "wide", cell: (row) => progress(row) },
    { label: t("batches.finish"), cell: (row) => left(row, forecast.get(row.batch), now) },
    { label: t("deciding"), cell: (row) => heldBack(forecast.get(row.batch)) },
  ];
  return section("batches", t("batches.title"), table({ label: t("batches.title"), columns, rows: data.batches, keyOf: (row) => row.batch }),
    h("p", { class: "hint" }, h("a", { href: href("batches") }, t("batches.all"))));
}

/** How far a batch is, as a bar and in words. */
export function progress(row) {
  const label = t("batches.done_of", { done: row.succeeded, total: row.total });
  const others = ["uncertain", "held", "dead"].filter((state) => row[state] > 0);
  return [bar(row, label), h("span", { class: "done" }, label, others.map((state) => [" · ", h("span", { class: "short", key: state }, sign(state), countLink(row[state], state, { batch: row.batch }, row.batch), " ", stateName(state))]))];
}

/** When a batch is done. */
export function left(row, forecast, now) {
  const open = (row.queued ?? 0) + (row.running ?? 0) + (row.uncertain ?? 0);
  const at = forecast?.finish_at ?? row.finish_at;
  if (open === 0) return row.held > 0 ? t("finish.waits_for_person") : t("finish.done");
  if (!at) return t("finish.unknown_short");
  return [duration(seconds(now, at)), h("span", { class: "hint" }, " ", instant(at))];
}

/** What decides when a batch is done, and what of it will not be done by then. */
export function heldBack(forecast) {
  if (!forecast) return "–";
  const held = forecast.held_back;
  return [deciding(forecast.deciding), held ? h("span", { class: "hint" }, " ", typeof held === "string" ? held : JSON.stringify(held)) : null];
}

function lanes(all, now, redraw) {
  const words = chosen.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = all.filter((lane) => words.every((word) => laneText(lane).toLowerCase().includes(word)));
  const shown = matching.slice(0, chosen.lanes);
  const more = matching.length - shown.length;
  const filter = h("div", { class: "filter", key: "filter" }, h("label", { for: "lane-filter" }, t("lanes.filter")),
    h("input", { id: "lane-filter", type: "search", initial: chosen.filter, autocomplete: "off", oninput: (event) => { chosen.filter = event.target.value; redraw(); } }),
    h("span", { class: "hint", role: "status" }, t("lanes.count", { count: matching.length })));
  return section("lanes", t("lanes.title"),
    all.length > LANES_SHOWN || chosen.filter ? filter : null,
    shown.length === 0 ? nothing(t("lanes.none")) : table({ label: t("lanes.title"), columns: laneColumns(now), rows: shown, keyOf: (lane) => JSON.stringify([lane.app, lane.tenant, lane.method]) }),
    more > 0 ? button(t("list.show_more", { count: more }), () => { chosen.lanes += 100; redraw(); }, { key: "more" }) : null);
}

function laneColumns(now) {
  const select = ({ app, tenant, method }) => ({ app, tenant, method });
  const count = (state, field = state) => ({ label: stateName(state), look: "number count", cell: (lane) => countLink(lane[field], state, select(lane), laneText(lane)) });
  return [
    { label: t("lane"), look: "head", cell: (lane) => [h("span", { class: "method" }, name(lane.method)), " ", h("span", { class: "owner" }, owner(lane))] },
    count("queued", "waiting"), count("running"), count("uncertain"), count("held"), count("succeeded"), count("dead"),
    { label: t("lanes.oldest"), look: "short", cell: (lane) => age(lane.oldest_waiting_at, now) },
    { label: t("lanes.next"), look: "wide", cell: (lane) => nextPermit(lane, now) },
    { label: t("lanes.change"), look: "short", cell: (lane) => button(t("suspend.button"), () => suspend(lane), { kind: "small", "aria-label": `${t("suspend.button")}: ${laneText(lane)}` }) },
  ];
}

function nextPermit(lane, now) {
  if (!lane.waiting) return "–";
  const when = lane.next_permit_at ? h("span", { title: new Date(lane.next_permit_at).toISOString() }, ahead(lane.next_permit_at, now)) : null;
  const why = lane.why_waiting;
  return [when, when && lane.deciding ? " · " : null, lane.deciding ? deciding(lane.deciding, lane) : null,
    why ? h("span", { class: "hint" }, " ", typeof why === "string" ? why : why.text) : null, !when && !why && !lane.deciding ? "–" : null];
}

function machinery({ broker, outbox, worker }, now) {
  const link = (side) => (side ? [chip(side.state), side.error || side.why ? h("span", { class: "hint" }, " ", side.error || side.why) : null] : "–");
  const pairs = broker ? [[t("broker.consume"), link(broker.consume)], [t("broker.publish"), link(broker.publish)], [t("broker.intake"), link(broker.intake)]] : [[t("broker"), t("broker.none")]];
  const more = [
    [t("outbox"), t("outbox.count", { count: outbox ?? broker?.outbox ?? 0 })],
    [t("worker.version"), worker?.version],
    [t("worker.since"), worker?.started_at ? [instant(worker.started_at), " (", age(worker.started_at, now), ")"] : null],
    [t("worker.in_flight"), worker?.in_flight === undefined ? null : number(worker.in_flight)],
  ];
  return section("machinery", t("machinery.title"), facts([...pairs, ...more]));
}
