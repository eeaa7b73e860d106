// The token: asked for when it is first needed, tried before it is kept.

import { keepToken, post, sessionWith, token } from "./api.js";
import { foot, open } from "./dialog.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { fault, nothing } from "./parts.js";

let asking = null;
let afterwards = () => {};
let isOff = false;

/** Tells what the server says of tokens, so that nobody is asked for one in vain. */
export function knowSession(session) {
  isOff = !session.can_change && !session.token_needed;
}

/** Calls this whenever a token was entered or forgotten. */
export function whenTokenChanges(callback) {
  afterwards = callback;
}

/** Forgets the token. */
export function forgetToken() {
  keepToken(null);
  afterwards();
}

/** Asks for the token; true once a right one was entered. Only one such dialog is open at a time. */
export function askForToken({ isWrong = false } = {}) {
  asking ??= ask(isWrong).finally(() => (asking = null));
  return asking;
}

async function ask(isWrong) {
  const state = { problem: null, isWrong, isBusy: false, isOff };
  const dialog = open(t("token.title"), (dialog) => (state.isOff ? switchedOff(dialog) : entry(dialog, state)));
  return (await dialog.closed) === true;
}

function entry(dialog, state) {
  return h(
    "form",
    { key: "form", onsubmit: (event) => tried(event, dialog, state) },
    h("p", {}, t("token.why")),
    h("label", { for: "token" }, t("token.label")),
    h("input", {
      id: "token",
      type: "password",
      autocomplete: "off",
      required: true,
      autofocus: true,
      spellcheck: "false",
      "aria-invalid": state.isWrong ? "true" : null,
      "aria-describedby": state.isWrong ? "token-wrong" : null,
    }),
    h(
      "div",
      { role: "alert", key: "said" },
      state.isWrong ? h("p", { class: "wrong", id: "token-wrong" }, t("token.wrong")) : null,
    ),
    state.problem ? fault(state.problem) : null,
    h("p", { class: "hint" }, t("token.kept")),
    foot(dialog, h("button", { class: "primary", key: "go" }, state.isBusy ? t("token.trying") : t("token.use"))),
  );
}

function switchedOff(dialog) {
  return [
    nothing(t("token.off")),
    h("pre", { tabindex: "0", "aria-label": t("token.example") }, '[admin]\ntoken = { env = "PACELINE_ADMIN_TOKEN" }'),
    foot(dialog),
  ];
}

async function tried(event, dialog, state) {
  event.preventDefault();
  if (state.isBusy) return;
  const candidate = event.target.querySelector("#token").value.trim();
  Object.assign(state, { isBusy: true, isWrong: false, problem: null });
  dialog.update();
  try {
    // What no header can carry is no token.
    if (!/^[\x21-\x7e]+$/.test(candidate)) throw Object.assign(new Error(), { status: 401 });
    const session = await sessionWith(candidate);
    if (session.authenticated) {
      keepToken(candidate);
      dialog.close(true);
      afterwards();
      return;
    }
    if (session.can_change) state.isWrong = true;
    else state.isOff = true;
  } catch (problem) {
    if (problem.status === 401) state.isWrong = true;
    else state.problem = problem;
  }
  state.isBusy = false;
  dialog.update();
  event.target.querySelector?.("#token")?.select();
}

/** Given up by the person; there is nothing to say about it. */
export class GivenUp extends Error {}

/** Changes something; asks for the token if there is none, or if it is not right any more. */
export async function change(path, body, send = post) {
  if (!token() && !(await askForToken())) throw new GivenUp();
  try {
    return await send(path, body);
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    keepToken(null);
    afterwards();
    if (!(await askForToken({ isWrong: true }))) throw new GivenUp();
    return send(path, body);
  }
}
