// Importing a file: choose it, say what its columns are, see what is wrong and how long it takes, and start.

import { get } from "./api.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { findings, summary } from "./import-check.js";
import { chooser } from "./import-choose.js";
import { dropButton, fileForm, jobForm, mapFile } from "./import-form.js";
import { mapping } from "./import-map.js";
import { changedRows, plan, twins } from "./import-plan.js";
import { startForm, started } from "./import-start.js";
import { ask, during, layoutOf, stateOf } from "./import-state.js";
import { body } from "./import-body.js";
import { button, fault, heading, nothing, section } from "./parts.js";
import { go, href } from "./route.js";

const ENDINGS = ".csv,.tsv,.txt,.xlsx,.xlsm,.xlsb,.xls,.ods,.jsonl,.ndjson,.json";
let methods = null;

export const importPage = {
  title: () => t("import.title"),
  sources: () => ({}),
  view({ route, redraw }) {
    const title = heading(t("import.title"), h("a", { href: href("timetable") }, t("timetable.title")));
    if (!route.id) return [title, lead(), chooser({ accept: ENDINGS, hint: t("import.hint"), chosen: (id) => go(`import/${id}`), redraw })];
    return [title, work(stateOf(route.id), redraw)];
  },
};

function lead() {
  return h("p", { key: "lead", class: "lead" }, t("import.lead"));
}

function work(state, redraw) {
  if (!state.look && !state.busy && !state.problem) queueMicrotask(() => look(state, redraw));
  const { look: seen, checked } = state;
  return [
    status(state),
    state.problem ? h("div", { key: "problem" }, fault(state.problem), again(state, redraw)) : null,
    seen ? fileForm(state, { look: () => look(state, redraw), redraw }) : null,
    seen ? jobForm(state, { methods, look: () => look(state, redraw), changed: () => outdated(state, redraw) }) : null,
    seen?.columns.length > 0 ? columns(state, redraw) : null,
    seen ? h("div", { key: "check", class: "actions" }, checkButton(state, redraw), dropButton(state)) : null,
    state.started ? started(state.started) : checked ? results(state, redraw) : null,
  ];
}

/** What is under way, and what came of it: read aloud. */
function status({ busy, checked, started: done }) {
  const said = busy ? t(`import.busy.${busy}`) : checked && !done ? summary(checked) : null;
  return h("div", { key: "status", role: "status", class: busy ? "nothing" : "sr" }, said);
}

function again(state, redraw) {
  if (state.problem.status === 404) return h("p", {}, h("a", { href: href("import") }, t("import.again")));
  if (state.look) return null;
  return h("div", { class: "actions" }, button(t("import.retry"), () => look(state, redraw)), dropButton(state));
}

async function look(state, redraw) {
  await during(state, "look", redraw, async () => {
    methods ??= (await get("methods")).methods;
    const seen = await ask(state, "look", { ...layoutOf(state), ...(state.method ? { method: state.method } : {}) });
    if (seen.format === "calendar") return go(`timetable/${state.id}`);
    Object.assign(state, { look: seen, looks: state.looks + 1, checked: null, started: null, method: seen.method ?? state.method });
    state.batch ??= seen.batch;
    state.app ||= seen.apps.find(({ serves }) => serves)?.name ?? "";
    state.targets = new Map(seen.columns.map(({ heading: of, column }) => [of, column ?? ""]));
  });
}

function columns(state, redraw) {
  return section("columns", t("import.mapping"), mapping(state, () => outdated(state, redraw)), mapFile(state, () => outdated(state, redraw)));
}

/** What was found holds no more for what is chosen now. */
function outdated(state, redraw) {
  Object.assign(state, { checked: null, started: null, problem: null });
  redraw();
}

function check(state, redraw, more = {}) {
  const work = async () => {
    state.started = null;
    state.checked = await ask(state, "check", { ...body(state), ...more });
  };
  return during(state, "check", redraw, work, "section-result");
}

function checkButton(state, redraw) {
  return button(t("import.check"), () => check(state, redraw), { key: "go", kind: state.checked ? "" : "primary" });
}

/** Names are looked up before the start in any case; now, what is wrong with them is seen before. */
function namesButton(state, redraw) {
  if (state.checked.names === 0) return null;
  return h("div", { key: "names", class: "actions" }, button(t("import.names"), () => check(state, redraw, { resolve: true })));
}

function results(state, redraw) {
  const { checked } = state;
  return [
    section("result", t("import.result"), h("p", { class: "finish" }, summary(checked)), checked.faults === 0 && checked.warnings === 0 ? nothing(t("import.all_well")) : null),
    findings(checked),
    twins(checked),
    changedRows(checked),
    plan(checked),
    namesButton(state, redraw),
    startForm(state, redraw),
  ];
}
