// A change of many jobs: counted first, confirmed with the count in the words, carried out only if it is still true.

import { foot, notice, open } from "./dialog.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { fault, faultList, nothing } from "./parts.js";
import { change, GivenUp } from "./token.js";

/**
 * Counts with `dry_run`, asks, and carries out with `expect`. `words` are keys of texts that take `count`: `title`,
 * `ask`, `act`, `done`. `moved` reads from the answer how many it were. Fulfilled with that number, or undefined.
 */
export async function confirmCount({ path, body, words, moved, isDanger = false, details = null }) {
  // `count` is how many are selected, `able` how many of them it would change.
  const state = { step: "counting", count: null, able: 0, changed: false, problem: null, skipped: [] };
  const act = () => carryOut(dialog, state, { path, body, words, moved });
  const dialog = open(t(words.title), (dialog) => [
    details ? h("div", { key: "details" }, details) : null,
    h("div", { role: "status", key: "said" }, said(state, words)),
    state.problem ? fault(state.problem) : null,
    skippedList(state.skipped),
    buttons(dialog, state, words, isDanger, act),
  ]);
  count(dialog, state, { path, body, moved });
  return dialog.closed;
}

function said(state, words) {
  if (state.step === "counting") return nothing(t("confirm.counting"));
  if (state.step === "done") return h("p", {}, t(words.done, { count: state.count }));
  if (state.count === null) return null;
  if (state.count === 0) return h("p", {}, t("confirm.none"));
  return [
    state.changed ? h("p", { class: "changed" }, t("confirm.changed", { count: state.count })) : null,
    state.able > 0 ? h("p", { class: "question" }, t(words.ask, { count: state.able })) : null,
  ];
}

function buttons(dialog, state, words, isDanger, act) {
  if (state.step === "done" || state.step === "counting" || !state.able) return foot(dialog);
  const label = state.step === "working" ? t("confirm.working") : t(words.act, { count: state.able });
  return foot(
    dialog,
    h("button", { type: "button", key: "act", class: isDanger ? "danger" : "primary", onclick: act }, label),
  );
}

async function count(dialog, state, { path, body, moved }) {
  try {
    const answer = await change(path, { ...body, dry_run: true });
    const able = moved(answer) ?? answer.count;
    Object.assign(state, { step: "ready", count: answer.count, able, skipped: answer.skipped ?? [] });
  } catch (problem) {
    if (problem instanceof GivenUp) return dialog.close();
    Object.assign(state, { step: "ready", problem });
  }
  dialog.update();
}

async function carryOut(dialog, state, { path, body, words, moved }) {
  if (state.step !== "ready") return;
  Object.assign(state, { step: "working", problem: null, changed: false, skipped: [] });
  dialog.update();
  try {
    const answer = await change(path, { ...body, expect: state.count });
    finish(dialog, state, { words, count: moved(answer), skipped: answer.skipped ?? [] });
  } catch (problem) {
    if (problem instanceof GivenUp) return dialog.close();
    const isChanged = problem.status === 409 && typeof problem.body.count === "number";
    Object.assign(state, { step: "ready", changed: isChanged, problem: isChanged ? null : problem });
    if (isChanged) await count(dialog, state, { path, body, moved });
    dialog.update();
  }
}

function finish(dialog, state, { words, count, skipped }) {
  Object.assign(state, { step: "done", count, skipped });
  if (skipped.length > 0) {
    dialog.update();
    return;
  }
  dialog.close(count);
  notice(t(words.done, { count }));
}

function skippedList(skipped) {
  if (skipped.length === 0) return null;
  return h("div", { key: "skipped" }, h("p", {}, t("confirm.skipped", { count: skipped.length })), faultList(skipped));
}
