// What is in the way: suspensions, which wait for a person, and restraints, which end by themselves.

import { resume } from "./actions.js";
import { h } from "./dom.js";
import { age, ahead, instant } from "./format.js";
import { has, t } from "./i18n.js";
import { button, laneText, name, section } from "./parts.js";
import { told, translated } from "./message.js";

/** The section with all of them; nothing if there are none. */
export function inTheWay({ suspensions, restraints }, now) {
  if (suspensions.length + restraints.length === 0) return null;
  return section(
    "trouble",
    t("trouble.title"),
    h(
      "ul",
      { class: "troubles" },
      suspensions.map((entry) => trouble(entry, "suspended", now)),
      restraints.map((entry) => trouble(entry, "restrained", now)),
    ),
  );
}

function trouble(entry, kind, now) {
  const label = kind === "suspended" ? suspension(entry) : restraint(entry);
  const what = [kind, entry.kind, entry.scope, entry.app, entry.tenant, entry.method].join(" ");
  return h(
    "li",
    { key: what, class: `trouble ${kind}` },
    h(
      "div",
      { class: "line" },
      h(
        "span",
        { class: `badge ${kind}` },
        h("span", { "aria-hidden": "true" }, kind === "suspended" ? "■ " : "◐ "),
        label,
      ),
      h("strong", {}, name(laneText(entry) || t("trouble.everything"))),
      button(
        t(kind === "suspended" ? "resume.button" : "resume.early"),
        () => resume(kind === "suspended" ? entry : { app: entry.app, cure: entry.cure, cure_fact: entry.cure_fact }),
        { kind: "small", "aria-label": `${t("resume.button")}: ${laneText(entry)}` },
      ),
    ),
    entry.code !== null || entry.detail
      ? h(
          "p",
          {},
          entry.code !== null && entry.code !== undefined ? [h("code", {}, entry.code), " "] : null,
          translated(entry, "meaning") || told(entry, "detail"),
        )
      : null,
    entry.cure ? h("p", { class: "cure" }, h("strong", {}, t("cure")), " ", told(entry, "cure")) : null,
    h(
      "p",
      { class: "hint" },
      t("trouble.since"),
      " ",
      instant(entry.since),
      " (",
      age(entry.since, now),
      ") · ",
      entry.until
        ? [t("trouble.until"), " ", instant(entry.until), " (", ahead(entry.until, now), ")"]
        : t(kind === "suspended" ? "trouble.until_resumed" : "trouble.until_well"),
      entry.log_id ? [" · log id ", h("code", {}, name(entry.log_id))] : null,
    ),
  );
}

function suspension({ by }) {
  if (by === "person") return t("trouble.by_hand");
  return by === "worker" ? t("trouble.by_worker") : t("trouble.suspended");
}

function restraint({ kind }) {
  return has(`trouble.${kind}`) ? t(`trouble.${kind}`) : t("trouble.restrained");
}
