// Which page is open: it stands in the address after `#`, so that it can be linked to and Back works.

import { address } from "./api.js";

/** The open page: `{page, id, parameters}`. */
export function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [page, ...rest] = path.split("/");
  return {
    page,
    id: rest.length > 0 ? decoded(rest.join("/")) : null,
    parameters: Object.fromEntries(new URLSearchParams(query ?? "")),
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a page. */
export function href(page, parameters = {}) {
  return `#/${address(page, parameters)}`;
}

/** The address of a job. */
export function jobHref(id) {
  return `#/jobs/${encodeURIComponent(id)}`;
}

/** The address of an input that never became a job, by what names it: `#12`. */
export function inputHref(handle) {
  return `#/dead/${encodeURIComponent(handle.replace(/^#/, ""))}`;
}

/** Opens a page. */
export function go(page, parameters = {}) {
  location.hash = href(page, parameters);
}
