// The rule of a timetable: the main fields as a form, and the whole of it as the text that `--rule` takes.

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { button, section } from "./parts.js";

/** What the text starts with: a term that somebody has to make their own. */
const START = `[term]
time_zone = "Asia/Shanghai"
first_day = 2031-02-24
weeks = 16
holidays = ["2031-04-05", "2031-05-01..2031-05-05"]
make_up = [{ day = 2031-05-10, takes = 2031-05-01 }]

[sections]
1 = "08:00-08:45"
2 = "08:55-09:40"
3 = "10:00-10:45"
4 = "10:55-11:40"
5 = "14:00-14:45"
6 = "14:55-15:40"

[job]
method = "feishu.calendar.event.create"

[job.parameters]
"path.calendar_id" = "feishu.cn_term@group.calendar.feishu.cn"
summary = "{course} ({teacher})"
"location.name" = "{room}"
"start_time.timestamp" = "{start}"
"start_time.timezone" = "{time_zone}"
"end_time.timestamp" = "{end}"
"end_time.timezone" = "{time_zone}"
`;
/** The main fields: where each stands in the text, and how it is typed. */
const FIELDS = [
  { key: "time_zone", pattern: /^time_zone *=.*$/m, line: (value) => `time_zone = ${JSON.stringify(value)}`, type: "text", value: "Asia/Shanghai" },
  { key: "first_day", pattern: /^first_day *=.*$/m, line: (value) => `first_day = ${value}`, type: "date", value: "2031-02-24" },
  { key: "weeks", pattern: /^weeks *=.*$/m, line: (value) => `weeks = ${value}`, type: "number", value: "16" },
  { key: "app", pattern: /^app *=.*$|\n(?=\n*\[job\.parameters\])/m, line: (value) => `app = ${JSON.stringify(value)}`, type: "text", value: "" },
];

/** The rule as it is written now. */
export function ruleText(state) {
  return state.rule ?? START;
}

/** The form. What is typed into a field goes into the text at once. */
export function ruleForm(state, changed) {
  return section(
    "rule",
    t("timetable.rule"),
    h("p", { class: "hint" }, t("timetable.rule.hint")),
    h(
      "div",
      { class: "filters" },
      FIELDS.map((field) => input(field, state, changed)),
    ),
    h("label", { for: "rule" }, t("timetable.rule.text")),
    h("textarea", {
      id: "rule",
      key: "rule",
      rows: "16",
      spellcheck: "false",
      initial: ruleText(state),
      oninput: (event) => {
        state.rule = event.target.value;
        if (state.expanded) changed();
      },
    }),
    h(
      "div",
      { class: "actions", key: "load" },
      h("label", { for: "rule-file", class: "button" }, t("timetable.rule.load")),
      h("input", { id: "rule-file", class: "file-input", type: "file", accept: ".toml", onchange: (event) => load(event.target.files[0], state, changed) }),
      state.rule ? button(t("timetable.rule.reset"), () => put(START, state, changed), { kind: "small" }) : null,
    ),
  );
}

function input({ key, pattern, line, type, value }, state, changed) {
  const write = (event) => {
    const typed = event.target.value;
    if (typed === "") return;
    const text = ruleText(state);
    const now = line(typed);
    // Where a line was not there yet, it gets one of its own.
    put(text.replace(pattern, (before) => (before === "\n" ? `\n${now}\n` : now)), state, changed);
  };
  return h(
    "div",
    { key },
    h("label", { for: `rule-${key}` }, t(`timetable.rule.${key}`)),
    h("input", { id: `rule-${key}`, type, min: type === "number" ? "1" : null, initial: value, autocomplete: "off", onchange: write }),
  );
}

function put(text, state, changed) {
  state.rule = text;
  Object.assign(document.getElementById("rule"), { value: text, scrollTop: 0 });
  changed();
}

async function load(file, state, changed) {
  if (file) put(await file.text(), state, changed);
}
