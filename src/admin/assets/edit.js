// Correcting dead letters by a merge patch: written over an example, checked by the server, then applied.

import { get } from "./api.js";
import { foot, notice, open } from "./dialog.js";
import { h } from "./dom.js";
import { letterOf, prefill } from "./edit-prefill.js";
import { t } from "./i18n.js";
import { button, fault, faultList, faultText, nothing } from "./parts.js";
import { change, GivenUp } from "./token.js";

/** The patch before anything is known of the letters. */
const START = '{"body": {}}';

/** Opens the form; fulfilled with true once letters were changed. */
export async function edit(selection, exampleId) {
  const state = {
    example: null,
    places: new Map(),
    wrongFields: [],
    wrong: null,
    problem: null,
    faults: [],
    count: null,
    checked: null,
    changed: false,
    isBusy: false,
  };
  const dialog = open(t("edit.title"), (dialog) => form(dialog, state, selection));
  if (exampleId) showExample(dialog, state, exampleId, "id" in selection);
  return dialog.closed;
}

/** A job, or what an input says that never became one. */
async function saidBy(id) {
  if (!/^#\d+$/.test(id)) return get(`jobs/${encodeURIComponent(id)}`);
  return get(`dead/inputs/${encodeURIComponent(id.slice(1))}`);
}

/** Shows what the letter says, and starts the patch with it, unless somebody has begun to write one. */
async function showExample(dialog, state, id, isWhole) {
  try {
    const letter = letterOf(await saidBy(id));
    const { text, places } = prefill(letter, { isWhole });
    state.example = { id, text: JSON.stringify(letter.document, null, 2) };
    Object.assign(state, { places, wrongFields: letter.faults });
    dialog.update();
    const patch = document.getElementById("patch");
    if (patch?.value !== START) return;
    patch.value = text;
    patch.rows = Math.min(24, Math.max(8, text.split("\n").length));
    choose(letter.faults[0]?.field, places);
  } catch {
    // The form does without.
  }
}

/** Selects a field's value in the patch. */
function choose(field, places) {
  const patch = document.getElementById("patch");
  const [from, to] = places.get(field) ?? places.get(field?.split("[")[0]) ?? [0, 0];
  patch.focus();
  patch.setSelectionRange(from, to);
  const line = patch.value.slice(0, from).split("\n").length;
  patch.scrollTop = (patch.scrollHeight / patch.value.split("\n").length) * Math.max(0, line - 3);
}

/** What is wrong, with a button for each field that leads to it. */
function wrongFields({ wrongFields: faults, places }) {
  if (faults.length === 0) return null;
  return h(
    "div",
    { key: "wrong", id: "patch-wrong" },
    h("p", {}, t("edit.wrong")),
    h(
      "ul",
      { class: "faults" },
      faults.slice(0, 20).map((fault) =>
        h(
          "li",
          { key: fault.field + fault.rule },
          fault.field
            ? [button(fault.field, () => choose(fault.field, places), { kind: "small", key: "field" }), " "]
            : null,
          h("span", { dir: "auto" }, faultText(fault)),
        ),
      ),
    ),
  );
}

function form(dialog, state, selection) {
  const isChecked = state.count !== null && state.count > 0 && state.faults.length === 0;
  return h(
    "form",
    { key: "form", onsubmit: (event) => submitted(event, dialog, state, selection) },
    h("p", {}, t("edit.how")),
    state.example
      ? h(
          "details",
          { key: "example" },
          h("summary", {}, t("edit.example", { id: state.example.id })),
          h("pre", { tabindex: "0", "aria-label": t("edit.example", { id: state.example.id }) }, state.example.text),
        )
      : null,
    wrongFields(state),
    h("label", { for: "patch" }, t("edit.patch")),
    h("textarea", {
      id: "patch",
      rows: "8",
      spellcheck: "false",
      autofocus: true,
      required: true,
      initial: START,
      "aria-invalid": state.wrong ? "true" : null,
      "aria-describedby": "patch-wrong patch-said",
      oninput: () => outdated(dialog, state),
    }),
    h("div", { id: "patch-said", role: "alert" }, state.wrong ? h("p", { class: "wrong" }, state.wrong) : null),
    h("div", { role: "status" }, said(state)),
    state.problem ? fault(state.problem) : null,
    state.faults.length > 0 ? faultList(state.faults) : null,
    foot(dialog, h("button", { key: "go", class: isChecked ? "danger" : "primary" }, label(state, isChecked))),
  );
}

function said(state) {
  if (state.isBusy) return nothing(t("edit.checking"));
  if (state.count === null) return null;
  if (state.faults.length > 0) return h("p", { class: "wrong" }, t("edit.faults", { count: state.faults.length }));
  if (state.count === 0) return h("p", {}, t("confirm.none"));
  return [
    state.changed ? h("p", { class: "changed" }, t("confirm.changed", { count: state.count })) : null,
    h("p", { class: "question" }, t("edit.ask", { count: state.count })),
  ];
}

function label(state, isChecked) {
  return isChecked ? t("edit.act", { count: state.count }) : t("edit.check");
}

function outdated(dialog, state) {
  if (state.count === null && !state.wrong && !state.problem) return;
  Object.assign(state, { count: null, checked: null, wrong: null, problem: null, faults: [], changed: false });
  dialog.update();
}

async function submitted(event, dialog, state, selection) {
  event.preventDefault();
  if (state.isBusy) return;
  const text = event.target.querySelector("#patch").value;
  const patch = parsed(text, state);
  if (patch === null) return dialog.update();
  const isConfirmed = state.checked === text && state.count > 0 && state.faults.length === 0;
  Object.assign(state, { isBusy: true, problem: null, wrong: null, changed: false });
  dialog.update();
  try {
    if (isConfirmed) await apply(dialog, state, { selection, patch });
    else await check(state, { selection, patch, text });
  } catch (problem) {
    failed(state, problem);
  }
  state.isBusy = false;
  dialog.update();
}

function parsed(text, state) {
  try {
    const patch = JSON.parse(text);
    if (typeof patch === "object" && patch !== null && !Array.isArray(patch)) return patch;
    state.wrong = t("edit.no_object", { example: '{"body": {"capacity": 20}}' });
  } catch (error) {
    state.wrong = t("edit.no_json", { error: error.message });
  }
  return null;
}

async function check(state, { selection, patch, text }) {
  const answer = await change("dead/edit", { selection, patch, dry_run: true });
  Object.assign(state, { count: answer.count, faults: answer.faults ?? [], checked: text });
}

async function apply(dialog, state, { selection, patch }) {
  const answer = await change("dead/edit", { selection, patch, expect: state.count });
  if (answer.faults?.length > 0) {
    state.faults = answer.faults;
    return;
  }
  if (answer.skipped?.length > 0) {
    Object.assign(state, { faults: answer.skipped, count: null });
    return;
  }
  dialog.close(true);
  notice(t("redrive.done", { count: answer.moved }));
}

function failed(state, problem) {
  if (problem instanceof GivenUp) return;
  if (problem.status === 409 && typeof problem.body.count === "number") {
    Object.assign(state, { count: problem.body.count, changed: true });
    return;
  }
  state.problem = problem;
  state.count = null;
}
