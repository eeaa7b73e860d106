// Paging by cursor. The cursor stands in the address, so the browser's Back is the way back, too.

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { href } from "./route.js";

/** Links to the first and to the next page. */
export function pager({ page, parameters }, { next }) {
  const { after, ...rest } = parameters;
  if (!after && !next) return null;
  return h(
    "nav",
    { class: "pager", key: "pager", "aria-label": t("pager") },
    after ? h("a", { key: "first", class: "button", href: href(page, rest) }, t("pager.first")) : null,
    after ? h("button", { key: "back", type: "button", onclick: () => history.back() }, t("pager.back")) : null,
    next
      ? h("a", { key: "next", class: "button", href: href(page, { ...rest, after: next }) }, t("pager.next"))
      : h("span", { class: "hint" }, t("pager.end")),
  );
}
