/** Markers that the page around the player adds to the timeline. */

import { finite, isObject, string } from "./frame/json";
import type { Marker, MarkerKind } from "./timeline";

/** A moment worth pointing at. */
export interface HostMarker {
  /** Ms since the start of the recording. */
  readonly offset_ms: number;
  /** `click`, `input`, `navigation`, `error`, `trouble`; any other is a name of your own. */
  readonly kind: string;
  readonly label?: string;
}

/** More than a line can show, and than a page should draw. */
export const MAX_HOST_MARKERS = 5_000;
const MAX_CHARS = 200;

const KINDS: Readonly<Record<string, MarkerKind>> = {
  click: "click",
  input: "input",
  navigation: "navigation",
  error: "error",
  trouble: "trouble",
};

/** Read markers of whatever shape; those that are none are left out. */
export function hostMarkersOf(given: unknown, startMs: number): Marker[] {
  if (!Array.isArray(given)) {
    return [];
  }
  return given.slice(0, MAX_HOST_MARKERS).flatMap((each: unknown): Marker[] => {
    const offsetMs = isObject(each) ? finite(each["offset_ms"]) : null;
    if (!isObject(each) || offsetMs === null) {
      return [];
    }
    const name = (string(each["kind"]) ?? "").slice(0, MAX_CHARS);
    const label = (string(each["label"]) ?? "").slice(0, MAX_CHARS);
    const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
    return [
      kind === undefined
        ? { kind: "note", atMs: startMs + offsetMs, windowId: "", label, name }
        : { kind, atMs: startMs + offsetMs, windowId: "", label },
    ];
  });
}
