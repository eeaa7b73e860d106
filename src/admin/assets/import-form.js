// What a person says of a file: how it is laid out, what its rows are for, and a map file in the place of the table.

import { notice } from "./dialog.js";
import { h } from "./dom.js";
import { number } from "./format.js";
import { current, t } from "./i18n.js";
import { mapText } from "./import-map.js";
import { ask } from "./import-state.js";
import { told } from "./message.js";
import { button, name, section } from "./parts.js";
import { go } from "./route.js";

/** The file's name and how it is read; what is not as wanted can be said. */
export function fileForm(state, { look }) {
  const { look: seen } = state;
  return section(
    "file",
    name(seen.name),
    h("p", { class: "hint" }, way(seen)),
    seen.notes.map((note, index) => h("p", { key: index, class: "warned" }, "⚠ ", told(note, "note"))),
    seen.format === "jsonl" ? null : layout(state, look),
  );
}

function way({ bytes, format, encoding, separator, sheet }) {
  const parts = [t("import.bytes", { size: number(Math.ceil(bytes / 1024)) }), t(`import.format.${format}`)];
  if (encoding) parts.push(encoding);
  if (separator) parts.push(t("import.separator", { separator: separator === "\t" ? t("import.tab") : separator }));
  if (sheet) parts.push(t("import.sheet_read", { sheet }));
  return parts.join(" · ");
}

function layout(state, look) {
  const { look: seen } = state;
  const change = (key, value) => {
    state.layout[key] = value;
    look();
  };
  const sheets = seen.sheets.length > 1;
  return h(
    "div",
    { class: "filters", key: "layout" },
    sheets ? labelled("sheet", t("import.sheet"), h("select", { id: "import-sheet", initial: seen.sheet, onchange: (event) => change("sheet", event.target.value) }, seen.sheets.map((sheet) => h("option", { key: sheet, value: sheet }, sheet)))) : null,
    labelled(
      "header_row",
      t("import.header_row"),
      h("input", { id: "import-header_row", type: "number", min: "1", max: "1000000", initial: seen.line, onchange: (event) => change("header_row", Number(event.target.value) || null) }),
    ),
  );
}

function labelled(key, text, control) {
  return h("div", { key }, h("label", { for: `import-${key}` }, text), control);
}

/** Method, app and batch of the rows. */
export function jobForm(state, { methods, look, changed }) {
  const choose = (event) => {
    state.method = event.target.value;
    state.app = "";
    look();
  };
  const keep = (key) => (event) => {
    state[key] = event.target.value;
    changed();
  };
  const isKnown = state.look.apps.length > 0;
  const apps = state.look.apps.filter(({ serves }) => serves || !state.method);
  const app = isKnown
    ? h("select", { id: "import-app", key: `apps ${state.method}`, initial: state.app, onchange: keep("app") }, h("option", { value: "" }, t("import.from_rows")), apps.map((one) => h("option", { key: one.name, value: one.name }, one.name)))
    : h("input", { id: "import-app", initial: state.app, autocomplete: "off", onchange: keep("app") });
  return section(
    "job",
    t("import.what"),
    h(
      "div",
      { class: "filters wide" },
      labelled("method", t("job.method"), methodSelect(state, methods ?? [], choose)),
      labelled("app", t("job.app"), app),
      labelled("batch", t("batch"), h("input", { id: "import-batch", initial: state.batch, autocomplete: "off", spellcheck: "false", onchange: keep("batch") })),
    ),
  );
}

function methodSelect(state, methods, choose) {
  const platforms = [...new Set(methods.map(({ platform }) => platform))];
  const called = ({ method, title, title_zh }) => `${(current() === "zh" && title_zh) || title} · ${method}`;
  return h(
    "select",
    { id: "import-method", initial: state.method ?? "", onchange: choose },
    h("option", { value: "" }, t("import.from_rows")),
    platforms.map((platform) =>
      h(
        "optgroup",
        { key: platform, label: t(`platform.${platform}`) },
        methods.filter((one) => one.platform === platform).map((one) => h("option", { key: one.method, value: one.method }, called(one))),
      ),
    ),
  );
}

/** Keeps the map, or takes one that is there. */
export function mapFile(state, changed) {
  const own = state.mapText !== null;
  return h(
    "div",
    { key: "map", class: "actions" },
    own ? h("p", {}, t("import.map.own"), " ", button(t("import.map.leave"), () => leave(state, changed), { kind: "small" })) : null,
    button(t("import.map.save"), () => save(`${state.look.batch}.map.toml`, mapText(state), "application/toml"), { kind: "small", key: "save" }),
    h("label", { for: "map-file", class: "button" }, t("import.map.load")),
    h("input", { id: "map-file", class: "file-input", type: "file", accept: ".toml", onchange: (event) => load(event.target.files[0], state, changed) }),
  );
}

async function load(file, state, changed) {
  if (!file) return;
  state.mapText = await file.text();
  changed();
}

function leave(state, changed) {
  state.mapText = null;
  changed();
}

/** Lets the browser keep a text as a file. */
export function save(called, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = called;
  link.click();
  URL.revokeObjectURL(link.href);
  notice(t("import.saved", { name: called }));
}

/** Lets the server forget the file at once. */
export function dropButton(state) {
  const drop = async () => {
    await ask(state, "drop", {}).catch(() => {});
    go("import");
  };
  return button(t("import.drop"), drop, { key: "drop" });
}
