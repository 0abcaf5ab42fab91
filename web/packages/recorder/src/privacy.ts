/**
 * What must not be kept, removed before anything is.
 *
 * rrweb asks `maskInput` for every value it reads from a field. It does not ask for the
 * `value` attribute of a field that is empty now, nor for the text inside an emptied
 * `<textarea>`; `cleanEvent` looks at every serialised node again for those.
 */

import { EventType, IncrementalSource, NodeType } from "@replayport/types";

export const REDACTED = "[redacted]";
/** Of one length, so that not even that is kept. */
const MASKED_SECRET = "********";

/** Parts of a name, without case and punctuation, that tell a secret. */
const SENSITIVE_PARTS: readonly string[] = [
  "password",
  "passwd",
  "passphrase",
  "pwd",
  "secret",
  "token",
  "apikey",
  "authorization",
  "credential",
  "card",
  "cvv",
  "cvc",
  "securitycode",
  "ssn",
  "socialsecurity",
  "onetimecode",
];
/** Names that tell a secret only as a whole: "pin" is part of "shipping". */
const SENSITIVE_NAMES: ReadonlySet<string> = new Set(["pin", "otp", "csc", "pan", "jwt", "auth"]);
/** Deeper data is cut rather than trusted. */
const MAX_DEPTH = 32;
/** Their value is a label of the page's, shown as it is. */
const BUTTON_TYPES: ReadonlySet<string> = new Set(["button", "submit", "reset", "image"]);

/** Says which names tell a secret. */
export class SensitiveNames {
  readonly #parts: readonly string[];

  constructor(own: readonly string[] = []) {
    this.#parts = [...SENSITIVE_PARTS, ...own.map(plain).filter((part) => part !== "")];
  }

  has(name: string): boolean {
    const text = plain(name);
    return SENSITIVE_NAMES.has(text) || this.#parts.some((part) => text.includes(part));
  }
}

/**
 * A copy of form data, or of any JSON value, with the values of sensitive names redacted.
 *
 * Takes a `FormData`, an object or an array; files become their kind. `keys` are names
 * besides the built-in ones (password, card, token, ssn …), compared without case and
 * punctuation, as parts: "iban" finds "customer_IBAN".
 */
export function sanitizeFormData(data: unknown, keys: readonly string[] = []): unknown {
  return clean(data, new SensitiveNames(keys), new Set(), 0);
}

/** Only the query values and the fragment of a URL can hold secrets by name. */
export function sanitizeUrl(href: string, names: SensitiveNames): string {
  const parameters = /([?&#;]|^)([^?&#;=]+)=([^&#;]*)/g;
  const start = href.search(/[?#]/);
  if (start < 0) {
    return href;
  }
  return (
    href.slice(0, start) +
    href.slice(start).replace(parameters, (whole, lead: string, name: string) => {
      return names.has(decoded(name)) ? `${lead}${name}=redacted` : whole;
    })
  );
}

export interface MaskRules {
  readonly maskAllInputs: boolean;
  readonly names: SensitiveNames;
  /** A field that matches is masked also when `maskAllInputs` is off. */
  readonly maskSelector: string;
}

/** The text to keep of a field's value. */
export function maskInput(text: string, element: Element | null, rules: MaskRules): string {
  if (text === "") {
    return text;
  }
  if (element === null || isSecret(attributesOf(element), rules.names)) {
    return MASKED_SECRET;
  }
  if (BUTTON_TYPES.has(typeOf(attributesOf(element)))) {
    return text;
  }
  return rules.maskAllInputs || element.closest(rules.maskSelector) !== null ? stars(text) : text;
}

/** Clean an event in place; it is ours alone by then. */
export function cleanEvent(event: { type: number; data: unknown }, rules: MaskRules): void {
  const data = recordOf(event.data);
  if (event.type === EventType.FullSnapshot) {
    cleanNode(data["node"], rules);
  } else if (event.type === EventType.Meta && typeof data["href"] === "string") {
    data["href"] = sanitizeUrl(data["href"], rules.names);
  } else if (
    event.type === EventType.IncrementalSnapshot &&
    data["source"] === IncrementalSource.Mutation &&
    Array.isArray(data["adds"])
  ) {
    for (const add of data["adds"]) {
      cleanNode(recordOf(add)["node"], rules);
    }
  }
}

function cleanNode(root: unknown, rules: MaskRules): void {
  const open = [root];
  while (open.length > 0) {
    const node = recordOf(open.pop());
    const children: unknown[] = Array.isArray(node["childNodes"]) ? node["childNodes"] : [];
    for (const child of children) {
      open.push(child); // one by one: a hundred thousand arguments overflow the stack
    }
    if (node["type"] === NodeType.Element) {
      cleanField(node, children, rules);
    }
  }
}

function cleanField(
  node: Record<string, unknown>,
  children: readonly unknown[],
  rules: MaskRules,
): void {
  const tag = node["tagName"];
  if (tag !== "input" && tag !== "textarea") {
    return;
  }
  const attributes = recordOf(node["attributes"]);
  const type = typeOf(attributes);
  const secret = isSecret(attributes, rules.names);
  if (!secret && (!rules.maskAllInputs || BUTTON_TYPES.has(type))) {
    return;
  }
  const value = attributes["value"];
  // The value of a box is the page's own; whether it is ticked is kept as `checked`.
  const isBox = type === "checkbox" || type === "radio";
  if (typeof value === "string" && !isBox && /[^*]/.test(value)) {
    attributes["value"] = secret ? MASKED_SECRET : stars(value);
  }
  for (const child of children) {
    const text = recordOf(child);
    if (typeof text["textContent"] === "string") {
      text["textContent"] = stars(text["textContent"]);
    }
  }
}

/** Whether a field is a password, card, token or the like by its type or names. */
function isSecret(attributes: Record<string, unknown>, names: SensitiveNames): boolean {
  const type = typeOf(attributes);
  if (type === "password" || "data-rr-is-password" in attributes) {
    return true;
  }
  if (BUTTON_TYPES.has(type) || type === "checkbox" || type === "radio") {
    return false;
  }
  const autocomplete = attributes["autocomplete"];
  if (typeof autocomplete === "string" && /(^|\s)(cc-|one-time-code)/i.test(autocomplete)) {
    return true;
  }
  return ["name", "id", "autocomplete", "placeholder", "aria-label"].some((key) => {
    const value = attributes[key];
    return typeof value === "string" && names.has(value);
  });
}

function typeOf(attributes: Record<string, unknown>): string {
  const type = attributes["type"];
  return typeof type === "string" ? type.toLowerCase() : "";
}

function attributesOf(element: Element): Record<string, unknown> {
  return Object.fromEntries(
    Array.from(element.attributes, (attribute) => [attribute.name, attribute.value]),
  );
}

function clean(value: unknown, names: SensitiveNames, above: Set<object>, depth: number): unknown {
  if (typeof value === "bigint") {
    return value.toString();
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if (above.has(value)) {
    return "[circular]";
  }
  if (depth > MAX_DEPTH) {
    return "[too deep]";
  }
  if (typeof Blob !== "undefined" && value instanceof Blob) {
    return `[file ${value.type || "of unknown type"}]`;
  }
  above.add(value);
  const inside = (item: unknown): unknown => clean(item, names, above, depth + 1);
  let result: unknown;
  if (Array.isArray(value)) {
    result = value.map(inside);
  } else if (typeof (value as { toJSON?: unknown }).toJSON === "function") {
    result = inside((value as { toJSON: () => unknown }).toJSON());
  } else {
    const copy: [string, unknown][] = [];
    for (const [key, item] of membersOf(value)) {
      copy.push([key, names.has(key) ? REDACTED : inside(item)]);
    }
    result = Object.fromEntries(copy);
  }
  above.delete(value);
  return result;
}

/** Members of an object; of form data and maps their entries, a repeated name as a list. */
function membersOf(value: object): Iterable<[string, unknown]> {
  if (!(value instanceof Map) && !(typeof FormData !== "undefined" && value instanceof FormData)) {
    return Object.entries(value);
  }
  const members = new Map<string, unknown>();
  for (const [key, item] of value.entries() as Iterable<[unknown, unknown]>) {
    const name = String(key);
    const before = members.get(name);
    members.set(
      name,
      !members.has(name)
        ? item
        : Array.isArray(before)
          ? [...(before as unknown[]), item]
          : [before, item],
    );
  }
  return members;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

function stars(text: string): string {
  return "*".repeat(text.length);
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
