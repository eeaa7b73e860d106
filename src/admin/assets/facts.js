// What keeps jobs and lanes waiting, in the reader's language.

import { h } from "./dom.js";
import { has, t } from "./i18n.js";
import { name } from "./parts.js";
import { told } from "./message.js";

/** A fact as a list's entry; its sentence says until when. */
export function fact(known) {
  const kept = known.values?.unanswered;
  return h(
    "li",
    {},
    h("span", { dir: "auto" }, told(known, "text")),
    kept > 0 ? [" ", unanswered(kept)] : null,
    known.log_id ? h("span", { class: "hint" }, " log id ", name(known.log_id)) : null,
    known.cure ? h("p", { class: "cure" }, h("strong", {}, t("cure")), " ", told(known, "cure")) : null,
  );
}

/** That calls without a reply keep permits of a quota. */
export function unanswered(count) {
  return h("span", { class: "hint" }, t("quota.unanswered", { count }));
}

/** Why a lane waits: what its deciding quota does not say. */
export function laneWaits(why) {
  const { kind, detail, until } = why;
  if (kind === "suspended") return [t("lane.suspended"), detail ? [t("list.colon"), told(why, "detail")] : null];
  if (kind === "paused") return [t("lane.paused"), t("list.colon"), told(why, "detail")];
  if (kind === "budget") return t("lane.budget");
  if (!until) return t("lane.until_reply");
  return kind === "spread" ? t("lane.spread") : null;
}

/** Jobs that will not be done by themselves. */
export function leftOver({ suspended, unknown, expired, blocked }) {
  const parts = [
    ["left_over.suspended", suspended],
    ["left_over.unknown", unknown],
    ["left_over.expired", expired],
    ["left_over.blocked", blocked],
  ];
  const told = parts.filter(([, count]) => count > 0).map(([key, count]) => t(key, { count }));
  return told.join(t("list.comma"));
}

/** Where an input came from: a file's line, or the way of a message. */
export function origin({ place, delivered }) {
  if (place) return name(place);
  if (!delivered) return "AMQP";
  const { queue, exchange, routing_key } = delivered;
  return [
    t("origin.queue"),
    " ",
    name(queue),
    exchange ? [" · ", t("origin.exchange"), " ", name(exchange), " · ", t("origin.key"), " ", name(routing_key)] : null,
  ];
}

/** A word of the program's, such as what a call was for, in the reader's language. */
export function word(family, value) {
  if (value === null || value === undefined) return null;
  if (family === "purpose") return has(`purpose.${value}`) ? t(`purpose.${value}`) : value;
  return has(`outcome.${value}`) ? t(`outcome.${value}`) : value;
}
