// One shape for what the server tells under the names of the program's other JSON documents.

/** A job: `state` says that it runs, too, and `ended_at` when it ended. */
export function jobOf(line) {
  const state = line.running === true ? "running" : (line.state ?? line.status ?? "queued");
  return { ...line, state, ended_at: line.ended_at ?? line.finished_at };
}

/** A batch, with its name under `batch`. */
export function batchOf(line) {
  return { ...line, batch: line.batch ?? line.name ?? "" };
}

/** A lane, with what waits in it under `waiting`. */
export function laneOf(line) {
  return { ...line, waiting: line.waiting ?? line.queued ?? 0 };
}
