// Several workers on one ledger: who is there, how many quota domains each has, and what is wrong between them.

import { h } from "./dom.js";
import { age, duration, number } from "./format.js";
import { t } from "./i18n.js";
import { name, section, table } from "./parts.js";

/** The section with all of them; nothing where one process alone works the ledger. */
export function workers({ replicas, domains }, now) {
  if (!replicas) return null;
  const columns = [
    { label: t("workers.worker"), look: "head", cell: (row) => name(row.name) },
    { label: t("workers.heartbeat"), look: "short", cell: heartbeat },
    { label: t("workers.domains"), look: "number", cell: (row) => number(row.domains) },
    { label: t("worker.version"), look: "short", cell: (row) => row.version },
    { label: t("workers.up"), look: "short", cell: (row) => (row.alive ? age(row.started_at, now) : "–") },
  ];
  return section(
    "workers",
    t("workers.title"),
    table({ label: t("workers.title"), columns, rows: replicas, keyOf: (row) => row.id }),
    faults(replicas, domains).map((fault) => h("p", { key: fault, class: "warned" }, "⚠ ", fault)),
  );
}

function heartbeat(row) {
  const ago = t("workers.ago", { duration: duration(row.heartbeat_age_s) });
  return row.alive ? ago : [h("strong", { class: "warned" }, t("workers.lost")), " ", ago];
}

function faults(replicas, domains) {
  const alive = replicas.filter((row) => row.alive);
  const ownerless = domains.filter((domain) => domain.owner === null).map((domain) => domain.domain);
  const alike = byQuotas(alive);
  return [
    ownerless.length > 0 ? t("workers.ownerless", { domains: ownerless.join(", ") }) : null,
    alike.length > 1 ? t("workers.differ", { groups: alike.map((names) => names.join("; ")).join(" | ") }) : null,
  ].filter(Boolean);
}

/** The names of workers, those together that go by the same quotas; the largest group first. */
function byQuotas(rows) {
  const alike = new Map();
  for (const row of rows) alike.set(row.quotas, [...(alike.get(row.quotas) ?? []), row.name]);
  return [...alike.values()].sort((one, other) => other.length - one.length);
}
