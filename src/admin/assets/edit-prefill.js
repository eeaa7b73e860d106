// What the form for corrections starts with: what the letter says now, without what is masked, and where in it the fields
// stand that are wrong.

/** How the server writes a value that nobody may see. As part of a patch it would become the value. */
const MASK = "******";
/** What may be edited: the rest says which job it is. */
const EDITABLE = ["body", "path", "query", "meta", "after", "priority", "not_before", "not_after", "identity", "reply_to"];

/** The patch of a letter, whole or only its wrong fields, as text, with the places of the wrong fields. */
export function prefill(letter, { isWhole }) {
  const fields = letter.faults.map(({ field }) => field).filter((field) => EDITABLE.includes(steps(field)[0]));
  const patch = isWhole ? withoutMasks(editable(letter.document)) : {};
  for (const field of fields) if (find(patch, field) === undefined) put(patch, field, find(letter.document, field));
  if (Object.keys(patch).length === 0) patch.body = {};
  const places = new Map();
  const text = write(patch, "", "", places, "");
  return { text, places };
}

/** A job, or what an input says that never became one, with what is wrong with it. */
export function letterOf(answer) {
  if (answer.content_kind === undefined) {
    return { document: editable(answer), faults: [] };
  }
  const { content, faults } = answer;
  return { document: typeof content === "object" && !Array.isArray(content) ? (content ?? {}) : {}, faults };
}

function editable(document) {
  const given = EDITABLE.filter((part) => document[part] !== null && document[part] !== undefined);
  return Object.fromEntries(given.map((part) => [part, document[part]]));
}

/** `body.devices[2]` as its names; nothing for what is no field. */
function steps(field) {
  return field.includes(" ") ? [] : field.split(".").filter(Boolean);
}

/** Lists are replaced as a whole, so a field in a list is found as its list. */
function find(document, field) {
  let at = document;
  for (const step of steps(field)) {
    const [plain] = step.split("[");
    at = at?.[plain];
    if (plain !== step) break;
  }
  return hasMask(at) ? undefined : at;
}

function put(document, field, value) {
  let at = document;
  const names = steps(field).map((step) => step.split("[")[0]);
  for (const step of names.slice(0, -1)) {
    if (typeof at[step] !== "object" || at[step] === null || Array.isArray(at[step])) at[step] = {};
    at = at[step];
  }
  at[names.at(-1)] = value ?? "";
}

function hasMask(value) {
  return value !== undefined && JSON.stringify(value).includes(JSON.stringify(MASK));
}

function withoutMasks(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== MASK && !(Array.isArray(inner) && hasMask(inner)));
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutMasks(inner)]));
}

/** JSON as JSON.stringify writes it; `places` gets where each value begins and ends. */
function write(value, path, indent, places, before) {
  const isList = Array.isArray(value);
  const inner = `${indent}  `;
  let text = before;
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) {
    text += JSON.stringify(value);
  } else {
    text += isList ? "[" : "{";
    Object.keys(value).forEach((key, index) => {
      text += `${index === 0 ? "" : ","}\n${inner}${isList ? "" : `${JSON.stringify(key)}: `}`;
      const at = isList ? `${path}[${key}]` : [path, key].filter(Boolean).join(".");
      text = write(value[key], at, inner, places, text);
    });
    text += `\n${indent}${isList ? "]" : "}"}`;
  }
  places.set(path, [before.length, text.length]);
  return text;
}
