// What the server is asked to do with the rows.

import { mapText } from "./import-map.js";
import { layoutOf } from "./import-state.js";

/** Method, app, batch, map and rules, as they are chosen now. */
export function body(state) {
  const given = { method: state.method, app: state.app, batch: state.batch, ...layoutOf(state), ...state.rules };
  if (state.look.columns.length > 0) given.map = mapText(state);
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null && value !== ""));
}
