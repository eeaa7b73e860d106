// The table of lanes: what waits in each, what it waits for, and when the next call may go.

import { suspend } from "./actions.js";
import { h } from "./dom.js";
import { laneWaits } from "./facts.js";
import { age, ahead } from "./format.js";
import { t } from "./i18n.js";
import {
  button,
  countLink,
  deciding,
  laneText,
  name,
  nothing,
  owner,
  section,
  showMore,
  STATES,
  stateName,
  table,
} from "./parts.js";

const SHOWN = 25;

/** What a person has chosen; outlives refreshes, not the tab. */
const chosen = { shown: SHOWN, filter: "" };

/** The section with all lanes; a part of them at a time. */
export function lanes(all, now, redraw) {
  const words = chosen.filter.toLowerCase().split(/\s+/).filter(Boolean);
  // Lanes without jobs are the program's own calls, for access tokens and look-ups.
  const known = all.filter((lane) => STATES.some((state) => lane[state] > 0));
  const matching = known.filter((lane) => words.every((word) => laneText(lane).toLowerCase().includes(word)));
  const shown = matching.slice(0, chosen.shown);
  const more = matching.length - shown.length;
  const filter = h(
    "div",
    { class: "filter", key: "filter" },
    h("label", { for: "lane-filter" }, t("lanes.filter")),
    h("input", {
      id: "lane-filter",
      type: "search",
      initial: chosen.filter,
      autocomplete: "off",
      oninput: (event) => {
        chosen.filter = event.target.value;
        redraw();
      },
    }),
    h("span", { class: "hint", role: "status" }, t("lanes.count", { count: matching.length })),
  );
  return section(
    "lanes",
    t("lanes.title"),
    known.length > SHOWN || chosen.filter ? filter : null,
    shown.length === 0
      ? nothing(t("lanes.none"))
      : table({
          label: t("lanes.title"),
          columns: laneColumns(now),
          rows: shown,
          keyOf: (lane) => JSON.stringify([lane.app, lane.tenant, lane.method]),
        }),
    showMore(more, () => {
      chosen.shown += 100;
      redraw();
    }),
  );
}

function laneColumns(now) {
  const select = ({ app, tenant, method }) => ({ app, tenant, method });
  const count = (state) => ({
    label: stateName(state),
    look: "number count",
    cell: (lane) => countLink(lane[state], state, select(lane), laneText(lane)),
  });
  return [
    {
      label: t("lane"),
      look: "head",
      cell: (lane) => [
        h("span", { class: "method" }, name(lane.method)),
        " ",
        h("span", { class: "owner" }, owner(lane)),
      ],
    },
    count("queued"),
    count("running"),
    count("uncertain"),
    count("held"),
    count("succeeded"),
    count("dead"),
    { label: t("lanes.oldest"), look: "short", cell: (lane) => age(lane.oldest_waiting_at, now) },
    { label: t("lanes.next"), look: "wide", cell: (lane) => nextPermit(lane, now) },
    {
      label: t("lanes.change"),
      look: "short",
      cell: (lane) =>
        button(t("suspend.button"), () => suspend(lane), {
          kind: "small",
          "aria-label": `${t("suspend.button")}: ${laneText(lane)}`,
        }),
    },
  ];
}

function nextPermit(lane, now) {
  if (!lane.queued) return "–";
  const when = lane.next_permit_at
    ? h("span", { title: new Date(lane.next_permit_at).toISOString() }, ahead(lane.next_permit_at, now))
    : null;
  const why = lane.why_waiting ? laneWaits(lane.why_waiting) : null;
  return [
    when,
    when && lane.deciding ? " · " : null,
    lane.deciding ? deciding(lane.deciding, lane) : null,
    why ? h("span", { class: "hint" }, " ", why) : null,
    !when && !why && !lane.deciding ? "–" : null,
  ];
}
