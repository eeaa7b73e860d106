// What a person can change: each opens its dialog, and the page is asked anew when it was done.

import { confirmCount } from "./confirm.js";
import { foot, notice, open } from "./dialog.js";
import { h } from "./dom.js";
import { edit as editLetters } from "./edit.js";
import { t } from "./i18n.js";
import { button, fault, laneText, name } from "./parts.js";
import { told } from "./message.js";
import { change, GivenUp } from "./token.js";

let refresh = () => {};

/** Calls this after every change. */
export function whenChanged(callback) {
  refresh = callback;
}

/** Puts dead letters back to work. */
export async function redrive(selection, details) {
  const words = { title: "redrive.title", ask: "redrive.ask", act: "redrive.act", done: "redrive.done" };
  await confirmCount({ path: "dead/redrive", body: { selection }, words, moved: (answer) => answer.moved, details });
  refresh();
}

/** Forgets dead letters. */
export async function drop(selection, details) {
  const words = { title: "drop.title", ask: "drop.ask", act: "drop.act", done: "drop.done" };
  await confirmCount({
    path: "dead/drop",
    body: { selection },
    words,
    moved: (answer) => answer.dropped,
    details,
    isDanger: true,
  });
  refresh();
}

/** Corrects dead letters. */
export async function edit(selection, exampleId) {
  await editLetters(selection, exampleId);
  refresh();
}

/** Cancels queued jobs. */
export async function cancelJobs(selection, details) {
  const words = { title: "cancel.title", ask: "cancel.ask", act: "cancel.act", done: "cancel.done" };
  await confirmCount({
    path: "jobs/cancel",
    body: { selection },
    words,
    moved: (answer) => answer.cancelled,
    details,
    isDanger: true,
  });
  refresh();
}

/** Settles a held job, in one of four ways. */
export async function resolve(job, { canLookUp }) {
  const state = { way: "succeeded", problem: null, isBusy: false };
  const ways = ["succeeded", "retry", "dead", ...(canLookUp ? ["look_up"] : [])];
  const dialog = open(t("resolve.title"), (dialog) => resolveForm(dialog, state, job, ways));
  if (await dialog.closed) notice(t("resolve.done", { id: job.id }));
  refresh();
}

function resolveForm(dialog, state, job, ways) {
  const pick = (way) => () => {
    state.way = way;
    dialog.update();
  };
  const radios = ways.map((way) =>
    h(
      "div",
      { class: "way", key: way },
      h("input", {
        type: "radio",
        name: "way",
        id: `way-${way}`,
        value: way,
        initial: way === state.way,
        onchange: pick(way),
        "aria-describedby": `hint-${way}`,
      }),
      h("label", { for: `way-${way}` }, t(`resolve.${way}`)),
      h("p", { class: "hint", id: `hint-${way}` }, t(`resolve.${way}.hint`)),
      way === "succeeded" && state.way === "succeeded" ? keyField(job) : null,
    ),
  );
  return h(
    "form",
    { key: "form", onsubmit: (event) => resolved(event, dialog, state, job) },
    h("p", {}, t("resolve.which"), " ", h("strong", {}, name(job.id))),
    job.evidence.detail ? h("p", {}, told(job.evidence, "detail")) : null,
    h("fieldset", {}, h("legend", {}, t("resolve.ways")), radios),
    state.problem ? fault(state.problem) : null,
    foot(
      dialog,
      h("button", { class: state.way === "dead" ? "danger" : "primary", key: "go" }, t(`resolve.${state.way}.act`)),
    ),
  );
}

function keyField(job) {
  const { candidates } = job.evidence;
  return h(
    "div",
    { class: "key", key: "key" },
    h("label", { for: "resolve-key" }, t("resolve.key")),
    h("input", {
      id: "resolve-key",
      required: true,
      autocomplete: "off",
      spellcheck: "false",
      initial: candidates.length === 1 ? candidates[0] : "",
    }),
    candidates.length > 0
      ? h(
          "p",
          { class: "candidates" },
          t("resolve.found"),
          " ",
          candidates.map((key) => [
            button(key, () => (document.getElementById("resolve-key").value = key), { kind: "small", key }),
            " ",
          ]),
        )
      : null,
  );
}

async function resolved(event, dialog, state, job) {
  event.preventDefault();
  if (state.isBusy) return;
  const way = state.way;
  const body =
    way === "succeeded" ? { succeeded: event.target.querySelector("#resolve-key").value.trim() } : { [way]: true };
  await attempt(dialog, state, () => change(`jobs/${encodeURIComponent(job.id)}/resolve`, body));
}

/** Carries out what a dialog is for and closes it, or says in it why not. */
async function attempt(dialog, state, work) {
  Object.assign(state, { isBusy: true, problem: null });
  dialog.update();
  try {
    await work();
    dialog.close(true);
  } catch (problem) {
    if (!(problem instanceof GivenUp)) state.problem = problem;
  }
  state.isBusy = false;
  dialog.update();
}

/** Stops a lane, or its whole app. */
export async function suspend(lane) {
  const state = { problem: null, isBusy: false };
  const dialog = open(t("suspend.title"), (dialog) =>
    h(
      "form",
      { key: "form", onsubmit: (event) => suspended(event, dialog, state, lane) },
      h("p", {}, t("suspend.what")),
      h(
        "fieldset",
        {},
        h("legend", {}, t("suspend.scope")),
        scope("lane", true, t("suspend.lane", { lane: laneText(lane) })),
        scope("app", false, t("suspend.app", { app: lane.app })),
      ),
      h("label", { for: "suspend-reason" }, t("suspend.reason")),
      h("input", { id: "suspend-reason", autocomplete: "off" }),
      state.problem ? fault(state.problem) : null,
      foot(dialog, h("button", { class: "danger", key: "go" }, t("suspend.act"))),
    ),
  );
  if (await dialog.closed) notice(t("suspend.done", { what: laneText(lane) }));
  refresh();
}

function scope(value, isFirst, label) {
  return h(
    "div",
    { class: "way", key: value },
    h("input", { type: "radio", name: "scope", id: `scope-${value}`, value, initial: isFirst }),
    h("label", { for: `scope-${value}` }, label),
  );
}

async function suspended(event, dialog, state, lane) {
  event.preventDefault();
  if (state.isBusy) return;
  const isLane = event.target.querySelector("#scope-lane").checked;
  const reason = event.target.querySelector("#suspend-reason").value.trim();
  const body = { app: lane.app, ...(isLane ? scopeOf(lane) : {}), ...(reason === "" ? {} : { reason }) };
  await attempt(dialog, state, () => change("suspend", body));
}

function scopeOf({ tenant, method }) {
  return { ...(tenant ? { tenant } : {}), ...(method ? { method } : {}) };
}

/** Reopens what is suspended or held back. */
export async function resume(what) {
  const state = { problem: null, isBusy: false };
  const body = { app: what.app, ...scopeOf(what) };
  const dialog = open(t("resume.title"), (dialog) => [
    h("p", { key: "ask" }, t("resume.ask", { what: laneText(what) })),
    what.cure ? h("p", { key: "cure" }, h("strong", {}, t("cure")), " ", told(what, "cure")) : null,
    state.problem ? fault(state.problem) : null,
    foot(
      dialog,
      button(t("resume.act"), () => state.isBusy || attempt(dialog, state, () => change("resume", body)), {
        kind: "primary",
        key: "go",
      }),
    ),
  ]);
  if (await dialog.closed) notice(t("resume.done", { what: laneText(what) }));
  refresh();
}
