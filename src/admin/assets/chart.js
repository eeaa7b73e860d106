// Calls against quota over time: bars, and the quota as a line. Drawn without text, which would shrink with the picture;
// the words stand around it, and a table says the same in numbers.

import { h } from "./dom.js";
import { clock, duration, number } from "./format.js";
import { t } from "./i18n.js";
import { name, owner, table } from "./parts.js";

const HEIGHT = 100;
const WIDTH = 600;

/** One method's calls, oldest first, beside what its quota allows in one step. */
export function chart(series, { from, step_s }) {
  const { calls, refused, limit_per_step: limit } = series;
  const start = Date.parse(from);
  const at = (index) => start + index * step_s * 1000;
  const top = Math.max(limit ?? 0, ...calls, 1) * 1.08;
  const latest = calls.at(-2) || calls.at(-1) || 0;
  const title = t("chart.title", { method: series.method, app: series.app });
  const summary = limit
    ? t("chart.summary", { calls: latest, limit, step: duration(step_s) })
    : t("chart.summary_open", { calls: latest, step: duration(step_s) });
  return h(
    "figure",
    { class: "chart", key: seriesKey(series) },
    h(
      "figcaption",
      {},
      h("span", { class: "method" }, name(series.method)),
      " ",
      h("span", { class: "owner" }, owner(series)),
      h("span", { class: "latest" }, summary),
    ),
    h(
      "div",
      { class: "plot" },
      h("span", { class: "top", "aria-hidden": "true" }, number(limit || Math.max(...calls))),
      h(
        "svg",
        {
          viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
          preserveAspectRatio: "none",
          role: "img",
          "aria-label": `${title}: ${summary}`,
        },
        h("title", {}, title),
        bars({ calls, refused, top, at }),
        limit ? quotaLine(limit, top) : null,
      ),
    ),
    h(
      "div",
      { class: "axis", "aria-hidden": "true" },
      h("span", {}, clock(start)),
      h("span", {}, clock(at(calls.length))),
    ),
    h("details", {}, h("summary", {}, t("chart.as_table")), numbers(series, at, title)),
  );
}

function seriesKey({ app, tenant, method }) {
  return JSON.stringify([app, tenant, method]);
}

function bars({ calls, refused, top, at }) {
  const width = WIDTH / calls.length;
  const rect = (kind, index, from, count) =>
    h(
      "rect",
      {
        key: `${kind}${index}`,
        class: kind,
        x: (index * width + width * 0.1).toFixed(2),
        width: (width * 0.8).toFixed(2),
        y: (HEIGHT - ((from + count) / top) * HEIGHT).toFixed(2),
        height: ((count / top) * HEIGHT).toFixed(2),
      },
      h("title", {}, t("chart.step", { at: clock(at(index)), calls: calls[index], refused: refused[index] })),
    );
  return calls.flatMap((count, index) => {
    const lost = Math.min(refused[index], count);
    return [
      count > lost ? rect("calls", index, lost, count - lost) : null,
      lost > 0 ? rect("refused", index, 0, lost) : null,
    ];
  });
}

function quotaLine(limit, top) {
  const y = (HEIGHT - (limit / top) * HEIGHT).toFixed(2);
  return h("line", { key: "quota", class: "quota", x1: 0, x2: WIDTH, y1: y, y2: y });
}

function numbers({ calls, refused, limit_per_step: limit }, at, label) {
  const rows = calls.map((count, index) => ({ index, count, refused: refused[index] })).reverse();
  return h(
    "div",
    { class: "numbers", tabindex: "0", role: "group", "aria-label": label },
    table({
      label,
      columns: [
        { label: t("chart.from"), look: "head", cell: (row) => clock(at(row.index)) },
        { label: t("chart.calls"), look: "number", cell: (row) => number(row.count) },
        { label: t("chart.quota"), look: "number", cell: () => (limit ? number(limit) : "–") },
        { label: t("chart.refused"), look: "number", cell: (row) => number(row.refused) },
      ],
      rows,
      keyOf: (row) => at(row.index),
    }),
  );
}

/** What the signs in the charts mean. */
export function legend() {
  const swatch = (kind, text) =>
    h("span", { key: kind }, h("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), text);
  return h(
    "p",
    { class: "legend" },
    swatch("calls", t("chart.calls")),
    swatch("quota", t("chart.quota")),
    swatch("refused", t("chart.refused")),
  );
}
