// What tables of batches are made of.

import { h } from "./dom.js";
import { leftOver } from "./facts.js";
import { duration, instant, seconds } from "./format.js";
import { t } from "./i18n.js";
import { bar, countLink, deciding, name, sign, stateName, warned } from "./parts.js";
import { href } from "./route.js";

/** A batch's name, leading to its jobs. */
export function batchLink(batch) {
  return h("a", { href: href("jobs", { batch }) }, batch ? name(batch) : t("batch.none"));
}

/** How far a batch is, as a bar and in words. */
export function progress(row) {
  const label = t("batches.done_of", { done: row.succeeded, total: row.total });
  const others = ["uncertain", "held", "dead"].filter((state) => row[state] > 0);
  return [
    bar(row, label),
    h(
      "span",
      { class: "done" },
      label,
      row.warnings > 0 ? [" · ", warned(row.warnings, { batch: row.name })] : null,
      others.map((state) => [
        " · ",
        h(
          "span",
          { class: "short", key: state },
          sign(state),
          countLink(row[state], state, { batch: row.name }, row.name),
          " ",
          stateName(state),
        ),
      ]),
    ),
  ];
}

/** When a batch is done. */
export function left(row, forecast, now) {
  const open = row.queued + row.uncertain;
  const at = forecast?.finish_at ?? row.finish_at;
  if (open === 0) return row.held > 0 ? t("finish.waits_for_person") : t("finish.done");
  if (!at) return t("finish.unknown_short");
  return [duration(seconds(now, at)), h("span", { class: "hint" }, " ", instant(at))];
}

/** What decides when a batch is done, and what of it will not be done by then. */
export function heldBack(forecast) {
  if (!forecast) return "–";
  return [
    deciding(forecast.deciding),
    forecast.held_back ? h("span", { class: "hint" }, " ", leftOver(forecast.held_back)) : null,
  ];
}
