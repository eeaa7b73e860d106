// Choosing a file: by its dialog, or by dropping it here.

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { fault } from "./parts.js";
import { BYTES_MAX, give } from "./import-state.js";

const state = { busy: false, problem: null, isOver: false };

/** The place for a file; `accept` are the endings that its dialog offers, `chosen` gets the id. */
export function chooser({ accept, hint, chosen, redraw }) {
  const take = (file) => file && taken(file, chosen, redraw);
  return h(
    "div",
    {
      key: "choose",
      class: state.isOver ? "drop over" : "drop",
      ondragover: (event) => over(event, true, redraw),
      ondragleave: (event) => over(event, false, redraw),
      ondrop: (event) => {
        over(event, false, redraw);
        take(event.dataTransfer.files[0]);
      },
    },
    h("label", { for: "file" }, t("import.choose")),
    h("input", {
      id: "file",
      type: "file",
      accept,
      "aria-describedby": "file-hint",
      onchange: (event) => take(event.target.files[0]),
    }),
    h("p", { class: "hint", id: "file-hint" }, hint),
    h("div", { role: "status" }, state.busy ? t("import.sending") : null),
    state.problem ? fault(state.problem) : null,
  );
}

function over(event, isOver, redraw) {
  event.preventDefault();
  if (state.isOver === isOver) return;
  state.isOver = isOver;
  redraw();
}

async function taken(file, chosen, redraw) {
  if (state.busy) return;
  Object.assign(state, { busy: true, problem: null });
  redraw();
  try {
    // Else the server would cut the connection in the middle.
    if (file.size > BYTES_MAX) throw Object.assign(new Error(t("import.too_large")), { status: 413 });
    chosen(await give(file));
  } catch (problem) {
    // Who gave up knows it.
    if (problem.status !== undefined) state.problem = problem;
  }
  state.busy = false;
  redraw();
}
