// What keeps a job waiting or ended it: sentences made of the facts that the server tells, in the reader's language.

import { h } from "./dom.js";
import { instant, number } from "./format.js";
import { has, t } from "./i18n.js";
import { name, reasonName, stateName } from "./parts.js";
import { told, translated } from "./message.js";

/** A fact as a list's entry. What is of a later kind than this page comes in the server's words. */
export function fact(known) {
  const sentence = SENTENCES[known.kind]?.(known.values ?? {}, known) ?? known.text;
  return h(
    "li",
    {},
    h("span", { dir: "auto" }, sentence),
    known.until ? h("span", { class: "hint" }, " ", t("trouble.until"), " ", instant(known.until)) : null,
    known.log_id ? h("span", { class: "hint" }, " log id ", name(known.log_id)) : null,
    known.cure ? h("p", { class: "cure" }, h("strong", {}, t("cure")), " ", told(known, "cure")) : null,
  );
}

const SENTENCES = {
  quota: (values) => [t("fact.quota", values), values.unanswered > 0 ? [" ", unanswered(values.unanswered)] : null],
  budget: ({ method, period, limit }) =>
    t("fact.budget", { limit, what: method || t("budgets.all"), period: t(`budgets.period.${period}`) }),
  ahead: ({ higher, own_batch, others }) => {
    const parts = [
      ["fact.ahead.higher", higher],
      ["fact.ahead.own_batch", own_batch],
      ["fact.ahead.others", others],
    ];
    const told = parts.filter(([, count]) => count > 0).map(([key, count]) => t(key, { count }));
    return t("fact.ahead", { count: higher + own_batch + others, parts: told.join(t("list.comma")) });
  },
  "not-before": ({ after_fault }) => t(after_fault ? "fact.wait_after_fault" : "fact.not_before"),
  suspended: ({ by, what, since, ...failure }, { code }) => [
    t(`fact.suspended.${by}`, { what }),
    failure.detail ? [t("list.colon"), words(failure, code)] : null,
    sinceHint(since),
  ],
  paused: restrained,
  slowed: restrained,
  uncertain: ({ failure, look_up: method }, { code }) => [
    t("fact.uncertain", { method }),
    t("list.colon"),
    words(failure, code),
  ],
  "in-flight": ({ sent_at }) => [t("fact.in_flight"), sinceHint(sent_at)],
  "no-worker": ({ in_flight }) => t(in_flight ? "fact.no_worker_in_flight" : "fact.no_worker"),
  "unknown-app": (values) => t("fact.unknown_app", values),
  expired: ({ not_after }) => [t("fact.expired"), " ", instant(not_after)],
  retried: ({ attempts, failure }, { code }) => [
    t("fact.retried", { count: attempts }),
    t("list.colon"),
    words(failure, code),
  ],
  ready: () => t("fact.ready"),
  expected: ({ has_worker }) => t(has_worker ? "fact.expected" : "fact.expected_without_worker"),
  succeeded: ({ at, attempts, key, looked_up }) => [
    t(looked_up ? "fact.found" : "fact.succeeded", { count: attempts }),
    key ? [t("list.colon"), h("code", {}, name(key))] : null,
    at ? [" ", instant(at)] : null,
  ],
  dead: ({ at, attempts, reason, failure }, { code }) => [
    t("fact.dead", { count: attempts, reason: reasonName(reason) }),
    failure.detail || code ? [t("list.colon"), words(failure, code)] : null,
    at ? [" ", instant(at)] : null,
  ],
  blocked: ({ id, state, more }) =>
    more
      ? t("fact.blocked_more", { count: more })
      : [t("fact.blocked"), " ", h("code", {}, name(id)), t("list.comma"), state ? stateName(state) : t("fact.blocked_absent")],
  name: () => t("fact.name"),
  held: ({ failure }, { code }) => [t("fact.held"), t("list.colon"), words(failure, code)],
  cancelled: ({ at, failure }) => [
    t("fact.cancelled"),
    failure.detail ? [t("list.colon"), told(failure, "detail")] : null,
    at ? [" ", instant(at)] : null,
  ],
};

function restrained({ what, is_lane, hold, since, failure }, { code }) {
  const per_s = hold.per_s === undefined ? null : number(hold.per_s);
  const isFailing = is_lane && hold.kind === "pause";
  const how = isFailing ? t("fact.failing", { what }) : t(`fact.restrained.${hold.kind}`, { ...hold, what, per_s });
  return [how, t("list.colon"), words(failure, code), sinceHint(since)];
}

/** The code, what it means, and what was said beside. */
function words(failure, code) {
  const { meaning, detail } = failure;
  // The platform's own words are often the documented ones.
  const isBoth = meaning && detail && !detail.includes(meaning);
  const [documented, given] = [translated(failure, "meaning"), told(failure, "detail")];
  return [
    code === null || code === undefined ? null : [h("code", {}, code), " "],
    isBoth ? [documented, t("list.colon"), given] : documented || given,
  ];
}

function sinceHint(since) {
  return since ? h("span", { class: "hint" }, " ", t("trouble.since"), " ", instant(since)) : null;
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
