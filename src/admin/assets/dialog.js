// Modal dialogs: the browser's own, so that Escape, the focus inside and its return are the browser's too.

import { h, render } from "./dom.js";
import { t } from "./i18n.js";
import { button } from "./parts.js";

let opened = 0;

/**
 * Opens a dialog. `view(dialog)` describes what stands in it and is asked again at `dialog.update()`.
 * `dialog.closed` is fulfilled with what `dialog.close(value)` was given; Escape gives undefined.
 */
export function open(title, view) {
  opened += 1;
  const id = `dialog-${opened}`;
  const opener = document.activeElement;
  const element = document.createElement("dialog");
  element.setAttribute("aria-labelledby", id);
  document.body.append(element);
  const dialog = {
    update() {
      if (element.isConnected) render(element, h("h2", { id, tabindex: "-1" }, title), view(dialog));
    },
    close(value) {
      dialog.value = value;
      element.close();
    },
    get isOpen() {
      return element.open;
    },
  };
  dialog.closed = new Promise((resolve) => {
    element.addEventListener("close", () => {
      element.remove();
      if (!opener?.isConnected) document.querySelector("#main h1")?.focus({ preventScroll: true });
      resolve(dialog.value);
    });
  });
  dialog.update();
  element.showModal();
  return dialog;
}

/** The row of buttons at a dialog's foot: to leave, and what it is for. */
export function foot(dialog, ...actions) {
  return h(
    "div",
    { class: "foot", key: "foot" },
    button(actions.length > 0 ? t("cancel") : t("close"), () => dialog.close(), { key: "leave" }),
    actions,
  );
}

let notices = 0;

/** Says in a corner, and to screen readers, what was done. */
export function notice(text) {
  notices += 1;
  const region = document.getElementById("notice");
  render(
    region,
    h(
      "div",
      { class: "notice", key: notices },
      h("p", {}, text),
      button("×", () => render(region), { kind: "plain", "aria-label": t("notice.dismiss") }),
    ),
  );
}
