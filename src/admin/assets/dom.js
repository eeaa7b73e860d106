// Describes elements as plain objects and brings the page to them. What has not changed is not touched, so that focus,
// scroll, selection and typed text outlive every refresh. Data only ever becomes text nodes and attributes.

const SVG = "http://www.w3.org/2000/svg";
const SPEC = Symbol("spec");
const HANDLERS = Symbol("handlers");

/** Describes an element. `key` tells siblings apart; `initial` is what a form control starts with and is never set again. */
export function h(tag, attributes, ...children) {
  return { tag, attributes: attributes ?? {}, children: flat(children) };
}

/** Brings the children of `container` to `children`. */
export function render(container, ...children) {
  const focused = document.activeElement;
  const had = focused !== null && focused !== document.body && container.contains(focused);
  reconcile(container, flat(children), container.namespaceURI);
  if (!had || document.activeElement === focused) return;
  // It was moved, or what it named is gone.
  const heir = focused.isConnected ? focused : container.querySelector("h1, h2");
  heir?.focus({ preventScroll: true });
}

function flat(children) {
  const given = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  return given.map((child) => (typeof child === "object" ? child : String(child)));
}

function nameOf(spec) {
  return typeof spec === "string" ? "#text" : `${spec.tag} ${spec.attributes.key ?? ""}`;
}

function reconcile(parent, wanted, namespace) {
  const pools = new Map();
  for (const node of parent.childNodes) {
    const name = node[SPEC] === undefined ? "#foreign" : nameOf(node[SPEC]);
    if (!pools.has(name)) pools.set(name, []);
    pools.get(name).push(node);
  }
  const nodes = wanted.map((spec) => pools.get(nameOf(spec))?.shift() ?? create(spec, namespace));
  // First away with what is over, so that what stays need not be moved: moving takes the focus.
  for (const pool of pools.values()) for (const node of pool) node.remove();
  let place = parent.firstChild;
  nodes.forEach((node, index) => {
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
    update(node, wanted[index]);
  });
}

function create(spec, parentNamespace) {
  if (typeof spec === "string") return Object.assign(document.createTextNode(spec), { [SPEC]: spec });
  const namespace = spec.tag === "svg" ? SVG : parentNamespace;
  const node = document.createElementNS(namespace, spec.tag);
  node[SPEC] = { tag: spec.tag, attributes: {}, children: [] };
  return node;
}

function update(node, spec) {
  const before = node[SPEC];
  node[SPEC] = spec;
  if (typeof spec === "string") {
    if (before !== spec) node.nodeValue = spec;
    return;
  }
  for (const name of Object.keys(before.attributes)) {
    if (!(name in spec.attributes)) set(node, name, null);
  }
  for (const [name, value] of Object.entries(spec.attributes)) {
    if (name !== "initial" && before.attributes[name] !== value) set(node, name, value);
  }
  reconcile(node, spec.children, node.namespaceURI);
  // A select can take its value only once its options are there.
  if ("initial" in spec.attributes && !("initial" in before.attributes)) start(node, spec.attributes.initial);
}

function start(node, value) {
  if (typeof value === "boolean") node.checked = value;
  else node.value = value ?? "";
}

function set(node, name, value) {
  if (name === "key" || name === "initial") return;
  if (name.startsWith("on")) {
    handle(node, name.slice(2), value);
  } else if (value === null || value === undefined || value === false) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value === true ? "" : value);
  }
}

// One listener per kind of event for the life of the node; refreshes only exchange what it calls.
function handle(node, kind, handler) {
  node[HANDLERS] ??= new Map();
  if (!node[HANDLERS].has(kind)) node.addEventListener(kind, (event) => node[HANDLERS].get(kind)?.(event));
  node[HANDLERS].set(kind, handler);
}
