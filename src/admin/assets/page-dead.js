// Dead letters in groups of one cause: what it means, what to do, and the three things that can be done with them.

import { drop, edit, redrive } from "./actions.js";
import { address } from "./api.js";
import { h } from "./dom.js";
import { filters, selection } from "./filters.js";
import { instant, number } from "./format.js";
import { t } from "./i18n.js";
import { button, heading, name, nothing, reasonName, waiting } from "./parts.js";
import { href, inputHref, jobHref } from "./route.js";
import { told, translated } from "./message.js";

const FAULTS_SHOWN = 5;
const FIELDS = ["batch", "app", "tenant", "method", "reason", "code"];

export const dead = {
  title: () => t("dead.title"),
  sources: ({ parameters }) => ({ groups: { path: address("dead/groups", selection(parameters)), every_s: 2 } }),
  view({ live, route }) {
    const data = live.data("groups");
    const top = [heading(t("dead.title")), h("p", { class: "lead" }, t("dead.lead")), filters(route, FIELDS)];
    if (!data) return [top, waiting(live, "groups")];
    if (data.groups.length === 0) return [top, nothing(t("dead.none"))];
    return [
      top,
      h(
        "ul",
        { class: "groups", key: "groups" },
        data.groups.map((group) => card(group, selection(route.parameters))),
      ),
    ];
  },
};

function card(group, filter) {
  const chosen = { ...filter };
  for (const field of ["reason", "code", "method", "app"]) {
    if (group[field] !== null && group[field] !== undefined && group[field] !== "") chosen[field] = group[field];
  }
  const label = [reasonName(group.reason), group.code, group.method, group.app]
    .filter((part) => part !== null && part !== undefined && part !== "")
    .join(" · ");
  const details = h("p", {}, label);
  const act = (text, action, kind = "") => button(text, action, { kind, key: text, "aria-label": `${text}: ${label}` });
  const example = group.example_id;
  return h(
    "li",
    { class: "group", key: JSON.stringify([group.reason, group.code, group.method, group.app]) },
    h(
      "div",
      { class: "line" },
      h(
        "h2",
        { tabindex: "-1" },
        reasonName(group.reason),
        group.code !== null && group.code !== undefined ? [" ", h("code", {}, group.code)] : null,
      ),
      h("span", { class: "count" }, t("dead.count", { count: group.count })),
    ),
    faults(group),
    h("p", { class: "owner" }, group.method ? [name(group.method), " · "] : null, group.app ? name(group.app) : null),
    group.meaning ? h("p", { dir: "auto" }, translated(group, "meaning")) : null,
    group.cure ? h("p", { class: "cure" }, h("strong", {}, t("cure")), " ", told(group, "cure")) : null,
    h(
      "p",
      { class: "hint" },
      t("dead.latest"),
      " ",
      instant(group.latest_at),
      example
        ? [
            " · ",
            t("dead.example"),
            " ",
            h("a", { href: isJob(example) ? jobHref(example) : inputHref(example) }, name(example)),
          ]
        : null,
      " · ",
      h(
        "a",
        { href: isJob(example) ? href("jobs", { ...chosen, state: "dead" }) : href("dead/inputs", chosen), "aria-label": `${t("dead.jobs")}: ${label}` },
        t("dead.jobs"),
      ),
    ),
    h(
      "div",
      { class: "actions" },
      act(t("redrive.button"), () => redrive(chosen, details), "primary"),
      // One alone is edited as a whole; of several only what is wrong with them.
      act(t("edit.button"), () => edit(group.count === 1 ? { id: example } : chosen, example)),
      act(t("drop.button"), () => drop(chosen, details)),
    ),
  );
}

/** What is wrong with inputs, field by field: `12 × body.title expected at most 40 bytes`. */
function faults({ faults: rows, count, looked_at }) {
  if (rows.length === 0) return null;
  return [
    h(
      "ul",
      { class: "faults", key: "faults" },
      rows.slice(0, FAULTS_SHOWN).map((row) =>
        h(
          "li",
          { key: row.field + row.rule },
          `${number(row.count)} × `,
          row.field ? h("code", {}, name(row.field)) : t("dead.all_of_it"),
          t("list.colon"),
          h("span", { dir: "auto" }, told(row, "rule")),
        ),
      ),
    ),
    rows.length > FAULTS_SHOWN ? h("p", { class: "hint" }, t("list.more", { count: rows.length - FAULTS_SHOWN })) : null,
    looked_at < count ? h("p", { class: "hint" }, t("dead.looked_at", { count: looked_at })) : null,
  ];
}

// An input that never became a job has a number instead of an id.
function isJob(id) {
  return Boolean(id) && !/^#\d+$/.test(id);
}
