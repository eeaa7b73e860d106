// A timetable and a term's calendar as rows of jobs, to be kept as a file or imported.

import { h } from "./dom.js";
import { number } from "./format.js";
import { t } from "./i18n.js";
import { chooser } from "./import-choose.js";
import { dropButton, save } from "./import-form.js";
import { ask, during, stateOf } from "./import-state.js";
import { told } from "./message.js";
import { button, fault as problemOf, heading, name, nothing, section, table } from "./parts.js";
import { go, href } from "./route.js";
import { ruleForm, ruleText } from "./timetable-rule.js";

const ENDINGS = ".csv,.tsv,.txt,.xlsx,.xlsm,.xlsb,.xls,.ods,.ics,.ical";

export const timetable = {
  title: () => t("timetable.title"),
  sources: () => ({}),
  view({ route, redraw }) {
    const title = heading(t("timetable.title"), h("a", { href: href("import") }, t("import.title")));
    const lead = h("p", { key: "lead", class: "lead" }, t("timetable.lead"));
    if (!route.id) return [title, lead, chooser({ accept: ENDINGS, hint: t("timetable.hint"), chosen: (id) => go(`timetable/${id}`), redraw })];
    return [title, work(stateOf(route.id), redraw)];
  },
};

function work(state, redraw) {
  const changed = () => {
    Object.assign(state, { expanded: null, problem: null });
    redraw();
  };
  return [
    h("div", { key: "status", role: "status", class: state.busy ? "nothing" : "sr" }, state.busy ? t("import.busy.expand") : said(state.expanded)),
    state.problem ? h("div", { key: "problem" }, problemOf(state.problem)) : null,
    ruleForm(state, changed),
    h(
      "div",
      { key: "go", class: "actions" },
      button(t("timetable.expand"), () => expand(state, redraw), { key: "go", kind: "primary" }),
      dropButton(state),
    ),
    state.expanded ? results(state.expanded) : null,
  ];
}

async function expand(state, redraw) {
  const work = async () => {
    state.expanded = await ask(state, "expand", { rule: ruleText(state) });
  };
  await during(state, "expand", redraw, work, "section-expanded");
}

function said(expanded) {
  if (!expanded) return null;
  if (expanded.faults.length > 0) return t("timetable.faults", { count: expanded.faults.length });
  return t("timetable.found", { lessons: expanded.lessons, count: expanded.meetings });
}

function results(expanded) {
  const { faults, warnings, import: made } = expanded;
  return [
    section("expanded", t("import.result"), h("p", { class: "finish" }, said(expanded)), left(expanded.left)),
    faults.length > 0 ? list("faults", t("import.findings"), faults) : null,
    warnings.length > 0 ? list("warnings", t("timetable.warnings"), warnings) : null,
    made ? rows(expanded) : null,
  ];
}

function left({ holidays, displaced, outside }) {
  const parts = [
    holidays > 0 ? t("timetable.left.holidays", { count: holidays }) : null,
    displaced > 0 ? t("timetable.left.displaced", { count: displaced }) : null,
    outside > 0 ? t("timetable.left.outside", { count: outside }) : null,
  ].filter(Boolean);
  return parts.length > 0 ? nothing(parts.join(t("list.semicolon"))) : null;
}

function list(key, title, all) {
  return section(
    key,
    title,
    h(
      "ul",
      { class: "faults" },
      all.map((fault, index) =>
        h(
          "li",
          { key: index },
          h("code", {}, name(`${fault.file}:${fault.line}`)),
          fault.column ? [" ", h("bdi", {}, told(fault, "column"))] : null,
          " ",
          h("span", { dir: "auto" }, told(fault, "message")),
        ),
      ),
    ),
  );
}

function rows({ header, rows: all, count, import: made }) {
  const columns = header.map((label, index) => ({ label, look: index === 0 ? "head" : "", cell: (row) => row.cells[index] || "–" }));
  const keep = async () => {
    const { text } = await ask({ id: made.id }, "text", {});
    save(made.name, text, "text/csv");
  };
  return section(
    "rows",
    t("timetable.rows", { count }),
    h(
      "div",
      { key: "actions", class: "actions" },
      h("a", { class: "button primary", href: href(`import/${made.id}`) }, t("timetable.import")),
      button(t("timetable.save"), keep),
    ),
    h("div", { key: "grid", class: "grid", tabindex: "0", role: "group", "aria-label": t("timetable.rows", { count }) }, table({ label: t("timetable.rows", { count }), columns, rows: all.map((cells, number) => ({ cells, number })), keyOf: (row) => row.number })),
    count > all.length ? nothing(t("list.more", { count: number(count - all.length) })) : null,
  );
}
