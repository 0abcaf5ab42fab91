/**
 * Blocking and masking that reach into shadow trees and frames.
 *
 * rrweb looks for a blocked or masked ancestor with `closest`, which ends at the root of a
 * shadow tree or a frame's document. What changes later inside a custom element that is
 * blocked as a whole would be recorded; `clean` takes it out again.
 */

import { EventType, IncrementalSource } from "@replayport/types";

type Treatment = "shown" | "masked" | "blocked";

interface SerializedNode {
  readonly id?: number;
  textContent?: unknown;
  readonly childNodes?: readonly SerializedNode[];
}

interface Change {
  readonly id?: number;
  value?: unknown;
  readonly node?: SerializedNode;
}

export class Enclosure {
  readonly #nodeOf: (id: number) => Node | null;
  readonly #blockSelector: string;
  readonly #maskSelector: string;

  /** `nodeOf` gives the node of an id, as rrweb's mirror does. */
  constructor(nodeOf: (id: number) => Node | null, blockSelector: string, maskSelector: string) {
    this.#nodeOf = nodeOf;
    this.#blockSelector = blockSelector;
    this.#maskSelector = maskSelector;
  }

  /** Clean an incremental event in place; gives whether anything of it may be kept. */
  clean(event: { readonly type: number; readonly data: unknown }): boolean {
    if (event.type !== EventType.IncrementalSnapshot) {
      return true;
    }
    const data = event.data as Record<string, unknown>;
    if (data["source"] !== IncrementalSource.Mutation) {
      return typeof data["id"] !== "number" || this.#treatmentOf(data["id"]) !== "blocked";
    }
    for (const key of ["adds", "texts", "attributes"]) {
      if (Array.isArray(data[key])) {
        data[key] = (data[key] as Change[]).filter((change) => this.#cleanChange(key, change));
      }
    }
    return true;
  }

  #cleanChange(key: string, change: Change): boolean {
    const treatment = this.#treatmentOf(change.node?.id ?? change.id);
    if (treatment === "masked" && key === "texts" && typeof change.value === "string") {
      change.value = masked(change.value);
    } else if (treatment === "masked" && change.node !== undefined) {
      maskTexts(change.node);
    }
    return treatment !== "blocked";
  }

  /** By the elements around the node's tree; those within it are rrweb's to look at. */
  #treatmentOf(id: number | undefined): Treatment {
    let treatment: Treatment = "shown";
    let host = hostOf(id === undefined ? null : this.#nodeOf(id));
    while (host !== null) {
      if (host.closest(this.#blockSelector) !== null) {
        return "blocked";
      }
      if (host.closest(this.#maskSelector) !== null) {
        treatment = "masked";
      }
      host = hostOf(host);
    }
    return treatment;
  }
}

/** The root of a tree: a shadow root, or a document. */
interface Root {
  readonly host?: Element;
  readonly defaultView?: { readonly frameElement?: Element | null } | null;
}

/** The element that holds the tree a node is in: a shadow host or a frame. */
function hostOf(node: Node | null): Element | null {
  const root = node?.getRootNode();
  if (root === undefined || root === document) {
    return null;
  }
  // By kind and not by class: a frame's nodes are of the frame's own classes.
  const { host, defaultView } = root as Root;
  return host ?? defaultView?.frameElement ?? null;
}

function maskTexts(root: SerializedNode): void {
  const open = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (typeof node.textContent === "string") {
      node.textContent = masked(node.textContent);
    }
    for (const child of node.childNodes ?? []) {
      open.push(child); // one by one: a hundred thousand arguments overflow the stack
    }
  }
}

/** As rrweb masks text. */
function masked(text: string): string {
  return text.replace(/\S/g, "*");
}
