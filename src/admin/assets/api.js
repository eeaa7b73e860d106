// The admin server's HTTP API. Errors are `Problem`s with the server's words; the token lives as long as the tab.

const BASE = "api/v1/";
const TOKEN = "paceline.token";
const TIMEOUT_MS = 20_000;
/** A file takes its time: on its way, and to be read. */
const FILE_TIMEOUT_MS = 300_000;

/** What went wrong. `status` 0: there was no answer at all. */
class Problem extends Error {
  constructor(status, body) {
    super(body.error ?? "");
    this.status = status;
    this.body = body;
    this.cure = body.cure ?? "";
    this.faults = Array.isArray(body.faults) ? body.faults : [];
  }
}

/** The token that was entered, if any. */
export function token() {
  return sessionStorage.getItem(TOKEN);
}

/** Keeps the token until the tab is closed; `null` forgets it. */
export function keepToken(value) {
  if (value === null) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, value);
}

/** `path?name=value`, without what is empty. */
export function address(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given).toString();
  return query === "" ? path : `${path}?${query}`;
}

/** Reads. */
export function get(path, { signal } = {}) {
  return send(path, { method: "GET", signal }, token());
}

/** Changes. */
export function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return send(path, { method: "POST", headers, body: JSON.stringify(body) }, token());
}

/** Sends a file as it is. */
export function upload(path, file) {
  const headers = { "Content-Type": "application/octet-stream" };
  return send(path, { method: "POST", headers, body: file, timeout_ms: FILE_TIMEOUT_MS }, token());
}

/** Asks for work on a file. */
export function work(path, body) {
  const headers = { "Content-Type": "application/json" };
  return send(path, { method: "POST", headers, body: JSON.stringify(body), timeout_ms: FILE_TIMEOUT_MS }, token());
}

/** The session as `candidate` would have it. */
export function sessionWith(candidate) {
  return send("session", { method: "GET" }, candidate);
}

async function send(path, options, bearer) {
  const headers = { Accept: "application/json", ...options.headers };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  const limit = AbortSignal.timeout(options.timeout_ms ?? TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  let response;
  let text;
  try {
    response = await fetch(BASE + path, {
      ...options,
      headers,
      signal,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, {});
  }
  const body = parsed(text);
  if (!response.ok) throw new Problem(response.status, body ?? { error: `HTTP ${response.status}` });
  if (body === null) throw new Problem(response.status, { error: "The answer is not valid JSON." });
  return body;
}

function parsed(text) {
  try {
    const body = JSON.parse(text);
    return typeof body === "object" ? body : null;
  } catch {
    return null;
  }
}
