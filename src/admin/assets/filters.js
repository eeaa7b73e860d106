// The form that selects jobs. What it selects stands in the address; typing changes nothing until it is sent.

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { reasonName, STATES, stateName } from "./parts.js";
import { go } from "./route.js";

/** The reasons of dead letters, in the order of the manual. */
const REASONS = [
  "malformed",
  "unknown-method",
  "unknown-app",
  "invalid",
  "id-conflict",
  "rejected",
  "exhausted",
  "expired",
  "uncertain",
  "cancelled",
];

/** The fields of a selection that are in use, without paging. */
export function selection(parameters) {
  const { after: _after, prefix: _prefix, ...rest } = parameters;
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== ""));
}

/** A form with these fields, filled from the address. */
export function filters({ page, parameters }, fields) {
  const set = fields.filter((field) => parameters[field]).length;
  // Another address, another form: what it starts with is set only once.
  const key = `filters ${page} ${JSON.stringify(parameters)}`;
  // On a phone it would fill the first screen; there it opens when it is wanted.
  const isOpen = set > 0 || window.matchMedia("(min-width: 48rem)").matches;
  return h(
    "details",
    { key, class: "select", open: isOpen },
    h("summary", {}, t("filter")),
    h(
      "form",
      {
        class: "filters",
        role: "search",
        "aria-label": t("filter"),
        onsubmit: (event) => submitted(event, page, fields),
      },
      fields.map((field) =>
        h(
          "div",
          { key: field },
          h("label", { for: `filter-${field}` }, t(`filter.${field}`)),
          control(field, parameters[field] ?? ""),
        ),
      ),
      h(
        "div",
        { class: "act" },
        h("button", { class: "primary" }, t("filter.apply")),
        set > 0 ? h("button", { type: "button", onclick: () => go(page) }, t("filter.clear")) : null,
      ),
    ),
  );
}

function control(field, value) {
  const id = `filter-${field}`;
  if (field === "state")
    return select(
      id,
      value,
      STATES.map((state) => [state, stateName(state)]),
    );
  if (field === "warnings") return select(id, value, [["true", t("filter.with")]]);
  if (field === "reason")
    return select(
      id,
      value,
      REASONS.map((reason) => [reason, reasonName(reason)]),
    );
  const more = field === "code" ? { inputmode: "numeric", pattern: "-?[0-9]+" } : {};
  return h("input", { id, type: "search", autocomplete: "off", spellcheck: "false", initial: value, ...more });
}

function select(id, value, options) {
  return h(
    "select",
    { id, initial: value },
    h("option", { value: "" }, t("filter.any")),
    options.map(([option, label]) => h("option", { value: option }, label)),
  );
}

function submitted(event, page, fields) {
  event.preventDefault();
  const entries = fields.map((field) => [field, event.target.querySelector(`#filter-${field}`).value.trim()]);
  go(page, Object.fromEntries(entries.filter(([, value]) => value !== "")));
}
