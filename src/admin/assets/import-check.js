// What is wrong with the rows: faults of one cause together, and each in its cell.

import { h } from "./dom.js";
import { number } from "./format.js";
import { t } from "./i18n.js";
import { told } from "./message.js";
import { button, name, nothing, section } from "./parts.js";

/** How many rows and faults there are, in one sentence. */
export function summary({ rows, bad_rows, faults, warnings }) {
  const parts = [t("import.rows", { count: rows })];
  parts.push(faults === 0 ? t("import.no_faults") : t("import.faults", { faults, count: bad_rows }));
  if (warnings > 0) parts.push(t("import.warnings", { count: warnings }));
  return parts.join(t("list.comma"));
}

/** The findings by cause, and the rows in which they are. */
export function findings(checked) {
  if (checked.groups.length === 0) return null;
  const shown = new Set(checked.lines.map(({ line }) => line));
  return section(
    "findings",
    t("import.findings"),
    h(
      "ul",
      { class: "groups" },
      checked.groups.map((group, index) => cause(group, index, shown)),
    ),
    checked.left_out > 0 ? nothing(t("list.more", { count: checked.left_out })) : null,
    cells(checked),
  );
}

function cause(group, index, shown) {
  const isFault = group.severity === "fault";
  const sentence = group.uniform ? told(group, "message") : told(group, "rule");
  return h(
    "li",
    { key: index, class: isFault ? "group isfault" : "group iswarning" },
    h(
      "div",
      { class: "line" },
      h("strong", {}, h("span", { class: "sign", "aria-hidden": "true" }, isFault ? "✕ " : "⚠ "), spot(group)),
      h("span", { class: "count" }, t(isFault ? "import.group.faults" : "import.group.warnings", { count: group.count })),
    ),
    h("p", { dir: "auto" }, sentence),
    h(
      "p",
      { class: "jumps" },
      group.lines.map((line) =>
        shown.has(line)
          ? button(t("import.line", { line }), () => jump(line, group.column), { kind: "small", key: line })
          : h("span", { key: line, class: "hint" }, t("import.line", { line })),
      ),
      group.rows > group.lines.length ? h("span", { class: "hint" }, t("list.more", { count: group.rows - group.lines.length })) : null,
    ),
  );
}

function spot({ column, heading, field }) {
  if (column) return [t("import.column_number", { column }), " ", name(heading || field)];
  return field ? h("code", {}, name(field)) : t("import.whole_row");
}

function cellId(line, column) {
  return `cell-${line}-${column ?? 0}`;
}

function jump(line, column) {
  const cell = document.getElementById(cellId(line, column)) ?? document.getElementById(cellId(line, null));
  cell?.scrollIntoView({ block: "center", inline: "center" });
  cell?.focus({ preventScroll: true });
}

function cells({ header, lines, findings: all }) {
  if (lines.length === 0) return null;
  const of = new Map();
  for (const finding of all) {
    const id = cellId(finding.line, finding.column);
    of.set(id, [...(of.get(id) ?? []), finding]);
  }
  const heads = [t("import.line_short"), ...header].map((label) => h("th", { role: "columnheader", scope: "col" }, label));
  return h(
    "div",
    { key: "cells", class: "grid", tabindex: "0", role: "group", "aria-label": t("import.cells") },
    h(
      "table",
      { role: "table", "aria-label": t("import.cells"), class: "cards" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
      h(
        "tbody",
        { role: "rowgroup" },
        lines.map((row) => line(row, header, of)),
      ),
    ),
  );
}

function line(row, header, of) {
  const own = of.get(cellId(row.line, null)) ?? [];
  return h(
    "tr",
    { role: "row", key: row.line },
    h(
      "th",
      { role: "rowheader", scope: "row", class: "head", id: cellId(row.line, null), tabindex: "-1" },
      h("span", { class: "content" }, number(row.line), own.map(said)),
    ),
    header.map((label, index) => cell(row, label, index + 1, of)),
  );
}

function cell({ line: at, cells: values }, label, column, of) {
  const own = of.get(cellId(at, column)) ?? [];
  const isFault = own.some(({ severity }) => severity === "fault");
  const look = own.length === 0 ? null : isFault ? "isfault" : "iswarning";
  const text = values[column - 1] ?? "";
  return h(
    "td",
    {
      role: "cell",
      key: column,
      "data-label": label || t("import.column_number", { column }),
      class: text === "" && !look ? "empty" : look,
      id: look ? cellId(at, column) : null,
      tabindex: look ? "-1" : null,
    },
    h("span", { class: "content" }, h("bdi", {}, text), own.map(said)),
  );
}

function said(finding, index) {
  const isFault = finding.severity === "fault";
  return h(
    "span",
    { key: `${index}`, class: isFault ? "said wrong" : "said warned", dir: "auto" },
    h("span", { "aria-hidden": "true" }, isFault ? "✕ " : "⚠ "),
    told(finding, "message"),
  );
}
