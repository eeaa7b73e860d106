// The last step: what is done with rows that are not plain, and the start.

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { body } from "./import-body.js";
import { ask, during } from "./import-state.js";
import { facts, section, stateName } from "./parts.js";
import { href } from "./route.js";

/** The choices that the rows ask for, and the button. */
export function startForm(state, redraw) {
  const { checked, rules } = state;
  const good = checked.rows - checked.bad_rows;
  const questions = [
    checked.faults > 0 && checked.bad_files === 0 ? box("skip_invalid", t("import.rule.skip_invalid", { count: checked.bad_rows })) : null,
    checked.duplicates.count > 0 ? box("allow_duplicates", t("import.rule.allow_duplicates", { count: checked.duplicates.count })) : null,
    checked.changed.count > 0 ? onChange(state, redraw) : null,
  ];
  function box(key, label) {
    const flip = (event) => {
      rules[key] = event.target.checked;
      redraw();
    };
    return h(
      "div",
      { key, class: "way" },
      h("input", { type: "checkbox", id: `rule-${key}`, initial: rules[key], onchange: flip }),
      h("label", { for: `rule-${key}` }, label),
    );
  }
  const why = obstacle(state);
  const begin = () =>
    during(
      state,
      "start",
      redraw,
      async () => {
        state.started = { ...(await ask(state, "start", body(state))), batch: state.batch };
      },
      "section-started",
    );
  return section(
    "start",
    t("import.start"),
    questions,
    why ? h("p", { key: "why", id: "start-why", class: "wrong" }, why) : null,
    h(
      "button",
      { key: "begin", type: "button", class: "primary", disabled: why !== null, "aria-describedby": why ? "start-why" : null, onclick: begin },
      t("import.start.act", { count: good }),
    ),
  );
}

function onChange({ rules }, redraw) {
  const way = (value) =>
    h(
      "div",
      { key: value, class: "way" },
      h("input", {
        type: "radio",
        name: "on_change",
        id: `on-change-${value}`,
        initial: rules.on_change === value,
        onchange: () => {
          rules.on_change = value;
          redraw();
        },
      }),
      h("label", { for: `on-change-${value}` }, t(`import.rule.${value}`)),
    );
  return h("fieldset", { key: "on_change" }, h("legend", {}, t("import.rule.on_change")), way("keep"), way("update"));
}

/** Why it cannot be started as it is; null if it can. */
function obstacle({ checked, rules }) {
  if (checked.bad_files > 0) return t("import.stops.file");
  if (checked.rows === 0) return t("import.stops.empty");
  if (checked.faults > 0 && !rules.skip_invalid) return t("import.stops.faults");
  if (checked.duplicates.count > 0 && !rules.allow_duplicates) return t("import.stops.duplicates");
  if (checked.changed.count > 0 && rules.on_change === "stop") return t("import.stops.changed");
  return null;
}

/** What became of the rows. */
export function started(done) {
  const count = (value) => (value > 0 ? String(value) : null);
  return section(
    "started",
    t("import.started", { count: done.queued + done.blocked }),
    facts([
      [stateName("blocked"), count(done.blocked)],
      [t("import.started.known"), count(done.known)],
      [t("import.started.succeeded"), count(done.succeeded)],
      [t("import.started.rejected"), count(done.rejected)],
    ]),
    h("p", { class: "actions" }, h("a", { class: "button", href: href("jobs", { batch: done.batch }) }, t("import.to_jobs")), h("a", { href: href("import") }, t("import.another"))),
  );
}
