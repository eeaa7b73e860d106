// Which column of a file is which parameter: the server's guess, for a person to change.

import { h } from "./dom.js";
import { current, t } from "./i18n.js";
import { nextKey } from "./import-state.js";
import { button, name, table } from "./parts.js";

/** What the guess and the person say together, as the map file that `--map` takes. A JSON text is one in TOML. */
export function mapText(state) {
  if (state.mapText !== null) return state.mapText;
  const pairs = state.look.columns.map(({ heading }) => [heading, state.targets.get(heading)]);
  const ignored = pairs.filter(([heading, target]) => heading && !target).map(([heading]) => JSON.stringify(heading));
  const entry = ([key, value]) => `${JSON.stringify(key)} = ${JSON.stringify(value)}`;
  const constants = state.constants.filter(({ column, value }) => column && value !== "");
  return [
    `ignored = [${ignored.join(", ")}]`,
    "",
    "[columns]",
    ...pairs.filter(([heading, target]) => heading && target).map(entry),
    "",
    "[constants]",
    ...constants.map(({ column, value }) => entry([column, value])),
    "",
  ].join("\n");
}

/** Required parameters that nothing gives. */
export function missing(state) {
  const given = new Set([...state.targets.values(), ...state.constants.map(({ column }) => column)]);
  return state.look.parameters.filter(({ column, required }) => required && !given.has(column));
}

/** The mapping as a table. */
export function mapping(state, changed) {
  if (state.mapText !== null) return null;
  const { columns: rows } = state.look;
  const columns = [
    { label: t("import.column"), look: "head", cell: (row) => (row.heading ? name(row.heading) : t("import.no_heading")) },
    { label: t("import.samples"), look: "wide", cell: samples },
    { label: t("import.parameter"), cell: (row) => select(state, row, changed) },
    { label: t("import.by"), cell: (row) => (state.targets.get(row.heading) === (row.column ?? "") ? t(`import.how.${row.how}`) : t("import.how.you")) },
  ];
  return [
    table({ label: t("import.mapping"), columns, rows, keyOf: (row) => `${state.looks} ${row.number}` }),
    constants(state, changed),
    missingText(state),
  ];
}

function samples({ samples: values }) {
  if (values.length === 0) return "–";
  return values.map((value, index) => [index > 0 ? " · " : null, h("bdi", {}, value)]);
}

function select(state, { heading, number }, changed) {
  if (!heading) return t("import.ignored");
  const taken = new Set([...state.targets].filter(([other]) => other !== heading).map(([, target]) => target));
  const choose = (event) => {
    state.targets.set(heading, event.target.value);
    changed();
  };
  return h(
    "select",
    {
      id: `target-${number}`,
      key: `${state.looks} ${number}`,
      "aria-label": t("import.parameter_of", { column: heading }),
      initial: state.targets.get(heading) ?? "",
      onchange: choose,
    },
    h("option", { value: "" }, t("import.ignored")),
    options(state, taken),
  );
}

function options({ look }, taken) {
  const group = (label, list) =>
    h(
      "optgroup",
      { label, key: label },
      list.map((one) => h("option", { key: one.column, value: one.column, disabled: taken.has(one.column) }, titleOf(one))),
    );
  const parameters = look.parameters.filter(({ is_field }) => !is_field);
  const fields = look.parameters.filter(({ is_field }) => is_field);
  return [group(t("import.parameters"), parameters), group(t("import.fields"), fields)];
}

/** What a parameter is called, beside the name that files use. */
export function titleOf({ column, title_zh, required }) {
  const called = current() === "zh" && title_zh && title_zh !== column ? `${title_zh} (${column})` : column;
  return required ? `${called} *` : called;
}

function constants(state, changed) {
  const rows = state.constants.map((constant) => constantRow(state, constant, changed));
  const add = () => {
    state.constants.push({ key: nextKey(), column: missing(state)[0]?.column ?? "", value: "" });
    changed();
  };
  return h(
    "div",
    { key: "constants", class: "constants" },
    rows,
    button(t("import.constant.add"), add, { key: "add", kind: "small" }),
  );
}

function constantRow(state, constant, changed) {
  const id = `constant-${constant.key}`;
  const drop = () => {
    state.constants = state.constants.filter((other) => other !== constant);
    changed();
  };
  return h(
    "div",
    { key: constant.key, class: "constant" },
    h(
      "select",
      {
        id,
        "aria-label": t("import.constant.of"),
        initial: constant.column,
        onchange: (event) => {
          constant.column = event.target.value;
          changed();
        },
      },
      h("option", { value: "" }, t("import.constant.choose")),
      options(state, new Set()),
    ),
    h("input", {
      id: `${id}-value`,
      "aria-label": t("import.constant.value"),
      initial: constant.value,
      autocomplete: "off",
      oninput: (event) => {
        constant.value = event.target.value;
        changed();
      },
    }),
    button(t("import.constant.drop"), drop, { kind: "small" }),
  );
}

function missingText(state) {
  const left = missing(state);
  if (left.length === 0) return null;
  const names = left.map(titleOf).join(t("list.comma"));
  return h("p", { key: "missing", class: "wrong", role: "status" }, t("import.missing", { names }));
}
