// What is known of each file that this tab has given to the server. It is gone when the tab is closed; the server forgets
// the file by itself.

import { upload, work } from "./api.js";
import { t } from "./i18n.js";
import { change, GivenUp } from "./token.js";

/** The most bytes that the server takes; larger files are for `paceline run`. */
export const BYTES_MAX = 16 * 1024 * 1024;

const states = new Map();
let made = 0;

/** The state of a file by the id that the server gave it. */
export function stateOf(id) {
  if (!states.has(id)) states.set(id, fresh(id));
  return states.get(id);
}

function fresh(id) {
  return {
    id,
    look: null,
    looks: 0,
    layout: {},
    method: null,
    app: "",
    batch: null,
    targets: new Map(),
    constants: [],
    mapText: null,
    checked: null,
    started: null,
    rules: { skip_invalid: false, allow_duplicates: false, on_change: "stop" },
    expanded: null,
    problem: null,
    busy: null,
  };
}

/** A number for the next element that has no name of its own. */
export function nextKey() {
  made += 1;
  return made;
}

/** Gives a file to the server; its id. */
export async function give(file) {
  const { id } = await change(`imports?name=${encodeURIComponent(file.name)}`, file, upload);
  return id;
}

/** Does something with the file, and keeps what went wrong; `name` says what is under way, `focus` what is looked at then. */
export async function during(state, name, redraw, doIt, focus = null) {
  if (state.busy) return;
  Object.assign(state, { busy: name, problem: null });
  redraw();
  try {
    await doIt();
  } catch (problem) {
    // Without a token nothing is asked again and again.
    state.problem = problem instanceof GivenUp ? { status: 401, message: t("import.no_token") } : problem;
  }
  state.busy = null;
  redraw();
  // Once it is drawn.
  if (focus) setTimeout(() => document.getElementById(focus)?.focus());
}

/** Asks the server about the file. */
export function ask(state, what, body) {
  return change(`imports/${encodeURIComponent(state.id)}/${what}`, body, work);
}

/** How the file is laid out, as far as somebody said it. */
export function layoutOf({ layout }) {
  return Object.fromEntries(Object.entries(layout).filter(([, value]) => value !== "" && value !== null));
}
