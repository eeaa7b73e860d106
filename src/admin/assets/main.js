// The page's frame: header, banner, the open page, and what keeps them up to date.

import { whenChanged } from "./actions.js";
import { token } from "./api.js";
import { h, render } from "./dom.js";
import { duration, number } from "./format.js";
import { choose, current, t } from "./i18n.js";
import { Follower } from "./live.js";
import { batches } from "./page-batches.js";
import { dead } from "./page-dead.js";
import { held } from "./page-held.js";
import { importPage } from "./page-import.js";
import { input, inputs } from "./page-input.js";
import { job } from "./page-job.js";
import { jobs } from "./page-jobs.js";
import { overview } from "./page-overview.js";
import { timetable } from "./page-timetable.js";
import { button, fault, heading, nothing } from "./parts.js";
import { href, route } from "./route.js";
import { learn } from "./message.js";
import { askForToken, forgetToken, knowSession, whenTokenChanges } from "./token.js";

const PAGES = { "": overview, batches, jobs, dead, held, import: importPage, timetable };
/** Those that are the same page for each of their files. */
const OF_FILES = ["import", "timetable"];
const MENU = [
  ["", "overview.title"],
  ["batches", "batches.title"],
  ["jobs", "jobs.title"],
  ["dead", "dead.title"],
  ["held", "held.title"],
  ["import", "import.title"],
];
const missing = {
  title: () => t("missing.title"),
  sources: () => ({}),
  view: () => [heading(t("missing.title")), nothing(t("missing.text"))],
};

const live = new Follower(() => draw());
const place = { route: route(), page: null };
let wasAsked = false;
let isDrawn = false;

function pageOf({ page, id }) {
  if (page === "jobs" && id) return job;
  if (page === "dead" && id) return id === "inputs" ? inputs : input;
  return (id && !OF_FILES.includes(page) ? null : PAGES[page]) ?? missing;
}

function open() {
  place.route = route();
  place.page = pageOf(place.route);
  const isOverview = place.page === overview;
  live.follow({
    session: { path: "session", every_s: 60 },
    overview: { path: "overview", every_s: isOverview ? 2 : 10 },
    ...place.page.sources(place.route),
  });
  draw();
}

function moved() {
  const before = place.page;
  open();
  window.scrollTo(0, 0);
  document.querySelector("#main h1")?.focus({ preventScroll: true });
  if (before !== place.page) render(document.getElementById("notice"));
}

// The server's clock, so that a reader's wrong one does not spoil "in 3 s".
function now() {
  const overview = live.data("overview");
  if (overview && overview !== place.overview)
    Object.assign(place, { overview, ahead_ms: Date.parse(overview.now) - Date.now() });
  return new Date(Date.now() + (place.ahead_ms || 0)).toISOString();
}

// Several answers may come at once; one drawing serves them all.
function draw() {
  if (isDrawn) return;
  isDrawn = true;
  queueMicrotask(() => {
    isDrawn = false;
    drawNow();
  });
}

function drawNow() {
  const session = live.data("session");
  if (session) knowSession(session);
  document.title = `${place.page.title(place.route)} · Paceline`;
  document.getElementById("skip").textContent = t("skip");
  render(document.getElementById("header"), header(session));
  render(document.getElementById("banner"), banner());
  const content = place.page.view({ live, route: place.route, now: now(), redraw: draw });
  // A page's elements are its own: another page starts from nothing.
  render(
    document.getElementById("main"),
    h("div", { key: `${place.route.page}/${place.route.id ?? ""}`, class: "page" }, content),
  );
  askIfNeeded(session);
}

function askIfNeeded(session) {
  const isLocked = live.complaint()?.status === 401 || (session?.token_needed && !session.authenticated);
  if (!isLocked || wasAsked) return;
  wasAsked = true;
  askForToken({ isWrong: Boolean(token()) });
}

function header(session) {
  const totals = live.data("overview")?.totals ?? {};
  const links = MENU.map(([page, title]) =>
    h(
      "li",
      { key: page },
      h(
        "a",
        { href: href(page), "aria-current": isOpen(page) ? "page" : null },
        t(title),
        (page === "dead" || page === "held") && totals[page] > 0
          ? h("span", { class: "badge" }, number(totals[page]))
          : null,
      ),
    ),
  );
  return [
    h("a", { class: "brand", key: "brand", href: href("") }, "Paceline"),
    reach(),
    h("nav", { key: "nav", "aria-label": t("menu") }, h("ul", {}, links)),
    h("div", { class: "tools", key: "tools" }, languages(), themes(), tokenButton(session)),
  ];
}

function isOpen(page) {
  const open = place.route.page === "timetable" ? "import" : place.route.page;
  return open === page && place.page !== missing;
}

function reach() {
  const isLost = live.lostSince() !== null;
  return h(
    "span",
    { class: isLost ? "reach lost" : "reach", key: "reach" },
    h("span", { "aria-hidden": "true" }, isLost ? "✕ " : "● "),
    t(isLost ? "reach.lost" : "reach.live"),
  );
}

function languages() {
  const change = (event) => {
    choose(event.target.value);
    learn().then(draw);
    place.page = pageOf(place.route);
    draw();
  };
  return h(
    "select",
    { key: "language", id: "language", "aria-label": "Language · 语言", initial: current(), onchange: change },
    h("option", { value: "en", lang: "en" }, "English"),
    h("option", { value: "zh", lang: "zh-CN" }, "中文"),
  );
}

function themes() {
  const change = (event) => {
    const theme = event.target.value;
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("paceline.theme", theme);
    } catch {
      // Not remembered then.
    }
  };
  return h(
    "select",
    {
      key: "theme",
      id: "theme",
      "aria-label": t("theme"),
      initial: document.documentElement.dataset.theme ?? "system",
      onchange: change,
    },
    ["system", "light", "dark"].map((theme) => h("option", { value: theme }, t(`theme.${theme}`))),
  );
}

function tokenButton(session) {
  if (token()) return button(t("token.forget"), forgetToken, { key: "token", kind: "small" });
  if (!session) return null;
  return button(t("token.enter"), () => askForToken(), { key: "token", kind: "small" });
}

function banner() {
  const since = live.lostSince();
  if (since !== null) {
    // The seconds are for the eye alone: read aloud every two seconds they would drown everything else.
    return h(
      "div",
      { class: "lost", key: "lost" },
      h("p", { role: "alert" }, t("banner.lost")),
      h(
        "p",
        { "aria-hidden": "true", class: "for" },
        t("banner.for", { duration: duration((Date.now() - since) / 1000) }),
      ),
    );
  }
  const complaint = live.complaint();
  if (!complaint) return null;
  if (complaint.status !== 401) return h("div", { key: "complaint", class: "lost" }, fault(complaint));
  return h(
    "div",
    { key: "locked", class: "lost" },
    h("p", {}, t(token() ? "token.wrong" : "banner.locked")),
    button(t("token.enter"), () => askForToken()),
  );
}

document.getElementById("skip").addEventListener("click", (event) => {
  // The address after `#` is the open page; this link must not change it.
  event.preventDefault();
  document.getElementById("main").focus();
});
window.addEventListener("hashchange", moved);
whenChanged(() => live.refresh());
whenTokenChanges(() => live.refresh());
setInterval(() => live.lostSince() !== null && draw(), 1000);
open();
learn().then(draw);
