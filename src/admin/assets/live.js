// Asks again and again for what a page shows: each source at its own pace, one question at a time, and none while the
// tab is hidden.

import { get } from "./api.js";

const TICK_MS = 500;
/** What the worker is still working out, and says so by an empty `as_of`. */
const UNFINISHED_S = 1;

/** Follows sources, each `{path, every_s}`, and calls `changed` after every answer. */
export class Follower {
  constructor(changed) {
    this.changed = changed;
    this.sources = new Map();
    this.answeredAt = Date.now();
    document.addEventListener("visibilitychange", () => this.tick());
    setInterval(() => this.tick(), TICK_MS);
  }

  /** Follows these from now on. A source that stays, with the same path, keeps its data. */
  follow(wanted) {
    for (const [name, source] of this.sources) {
      if (wanted[name]?.path !== source.path) {
        source.abort.abort();
        this.sources.delete(name);
      }
    }
    for (const [name, { path, every_s }] of Object.entries(wanted)) {
      const known = this.sources.get(name);
      if (known) known.every_s = every_s;
      else this.sources.set(name, { path, every_s, data: null, problem: null, dueAt: 0, abort: new AbortController() });
    }
    this.tick();
  }

  /** What a source last answered, or null. */
  data(name) {
    return this.sources.get(name)?.data ?? null;
  }

  /** Why a source has no answer, or null. */
  problem(name) {
    return this.sources.get(name)?.problem ?? null;
  }

  /** Since when nothing answers, in ms; null while something does. */
  lostSince() {
    const failed = [...this.sources.values()].some(
      (source) => source.problem?.status === 0 && source.endedAt >= this.answeredAt,
    );
    return failed ? this.answeredAt : null;
  }

  /** What the server complains of, unless it is one page's own matter. */
  complaint() {
    const problems = [...this.sources.values()].map((source) => source.problem);
    return problems.find((problem) => problem && ![0, 400, 404].includes(problem.status)) ?? null;
  }

  /** Asks all of them again at once, after a change. */
  refresh() {
    for (const source of this.sources.values()) source.dueAt = 0;
    this.tick();
  }

  tick() {
    if (document.hidden) return;
    for (const source of this.sources.values()) {
      if (!source.busy && performance.now() >= source.dueAt) this.ask(source);
    }
  }

  async ask(source) {
    source.busy = true;
    source.dueAt = Infinity;
    try {
      source.data = await get(source.path, { signal: source.abort.signal });
      source.problem = null;
      this.answeredAt = Date.now();
    } catch (problem) {
      if (source.abort.signal.aborted) return;
      source.problem = problem;
    }
    source.busy = false;
    source.endedAt = Date.now();
    // A refresh that was asked for meanwhile has set it to 0.
    const wait_s = source.data?.as_of === null ? UNFINISHED_S : source.every_s;
    if (source.dueAt === Infinity) source.dueAt = performance.now() + wait_s * 1000;
    this.changed();
  }
}
