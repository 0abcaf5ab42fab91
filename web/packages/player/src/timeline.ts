/**
 * What can be told of a recording from its light columns alone: markers, idle time,
 * which window was in use when, where each window can start to play.
 *
 * Pure: groups of rows in, plain values out.
 */

import { EventType, USER_INTERACTION_SOURCES, type GroupIndex } from "@replayport/types";

export type MarkerKind = "click" | "input" | "navigation" | "error" | "note" | "trouble";

export interface Marker {
  readonly kind: MarkerKind;
  readonly atMs: number;
  readonly windowId: string;
  /** Recorded text, to be shown as text only. */
  readonly label: string;
  /** Of a `note` or `trouble`: what the page around the player calls it. */
  readonly name?: string;
}

/** Half-open `[startMs, endMs)`. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** From `startMs` on, this window was the one in use. */
export interface WindowChange {
  readonly startMs: number;
  readonly windowId: string;
}

export interface WindowSummary {
  readonly windowId: string;
  readonly events: number;
  readonly fullSnapshotsMs: readonly number[];
  readonly urls: readonly { readonly atMs: number; readonly url: string }[];
}

export interface Timeline {
  readonly markers: readonly Marker[];
  readonly idle: readonly Span[];
  readonly changes: readonly WindowChange[];
  readonly windows: readonly WindowSummary[];
}

/** Pauses between two actions of the person longer than this are idle. */
export const IDLE_AFTER_MS = 10_000;
/** Shown before and after an idle span, so that an action is seen in its context. */
const IDLE_MARGIN_MS = 1_500;
/** Typing into a page is one marker until the person pauses this long. */
const INPUT_BURST_MS = 2_000;

const CLICK_KINDS: ReadonlySet<string> = new Set(["click", "dbl_click", "touch_start"]);

/** Whether an event shows a person at work in its window. */
function isInteraction(type: number, source: number | null): boolean {
  return (
    type === EventType.IncrementalSnapshot &&
    source !== null &&
    USER_INTERACTION_SOURCES.has(source)
  );
}

/**
 * Make the timeline.
 *
 * @param indexes Light columns of all groups known so far, in order.
 * @param startMs Start of the recording, epoch ms.
 * @param endMs End of the recording, epoch ms.
 */
export function timelineOf(
  indexes: readonly GroupIndex[],
  startMs: number,
  endMs: number,
): Timeline {
  const markers: Marker[] = [];
  const changes: WindowChange[] = [];
  const windows = new Map<string, MutableWindow>();
  const idle: Span[] = [];
  const inputMs = new Map<string, number>();
  let activeMs = startMs;

  for (const index of indexes) {
    index.timestampMs.forEach((atMs, row) => {
      const windowId = index.windowId[row] ?? "";
      const type = index.type[row] ?? -1;
      const source = index.source[row] ?? null;
      const kind = index.kind[row] ?? "";
      const url = index.url[row] ?? null;
      const window = windowOf(windows, windowId);
      window.events += 1;

      if (type === EventType.FullSnapshot) {
        window.fullSnapshotsMs.push(atMs);
        // Until a person does something, the first window that can be drawn is in use.
        if (changes.length === 0) {
          changes.push({ startMs: atMs, windowId });
        }
      }
      if (url !== null && url !== window.urls.at(-1)?.url) {
        if (window.urls.length > 0) {
          markers.push({ kind: "navigation", atMs, windowId, label: url });
        }
        window.urls.push({ atMs, url });
      }
      if (CLICK_KINDS.has(kind)) {
        markers.push({ kind: "click", atMs, windowId, label: "" });
      } else if (kind === "input") {
        if (atMs - (inputMs.get(windowId) ?? -Infinity) > INPUT_BURST_MS) {
          markers.push({ kind: "input", atMs, windowId, label: "" });
        }
        inputMs.set(windowId, atMs);
      }
      if (isInteraction(type, source)) {
        pushIdle(idle, activeMs, atMs);
        activeMs = Math.max(activeMs, atMs);
        if (changes.at(-1)?.windowId !== windowId && window.fullSnapshotsMs.length > 0) {
          changes.push({ startMs: atMs, windowId });
        }
      }
    });
  }
  pushIdle(idle, activeMs, endMs);
  return { markers, idle, changes, windows: [...windows.values()] };
}

/** The window in use at a moment; null when none can be drawn. */
export function windowAt(changes: readonly WindowChange[], atMs: number): string | null {
  return (
    (lastAtOrBefore(changes, (change) => change.startMs, atMs) ?? changes[0])?.windowId ?? null
  );
}

/** The address a window showed at a moment; its first one before that. */
export function urlAt(window: WindowSummary | undefined, atMs: number): string | null {
  const urls = window?.urls ?? [];
  return (lastAtOrBefore(urls, (entry) => entry.atMs, atMs) ?? urls[0])?.url ?? null;
}

/** The idle span a moment lies in, or undefined. */
export function idleAt(idle: readonly Span[], atMs: number): Span | undefined {
  const span = lastAtOrBefore(idle, (entry) => entry.startMs, atMs);
  return span !== undefined && atMs < span.endMs ? span : undefined;
}

/** Last item whose key is at or before `atMs`, by bisection; items are ordered by key. */
export function lastAtOrBefore<T>(
  items: readonly T[],
  key: (item: T) => number,
  atMs: number,
): T | undefined {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = items[middle];
    if (item !== undefined && key(item) <= atMs) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return items[low - 1];
}

interface MutableWindow {
  readonly windowId: string;
  events: number;
  readonly fullSnapshotsMs: number[];
  readonly urls: { atMs: number; url: string }[];
}

function windowOf(windows: Map<string, MutableWindow>, windowId: string): MutableWindow {
  let window = windows.get(windowId);
  if (window === undefined) {
    window = { windowId, events: 0, fullSnapshotsMs: [], urls: [] };
    windows.set(windowId, window);
  }
  return window;
}

function pushIdle(idle: Span[], fromMs: number, toMs: number): void {
  if (toMs - fromMs > IDLE_AFTER_MS) {
    idle.push({ startMs: fromMs + IDLE_MARGIN_MS, endMs: toMs - IDLE_MARGIN_MS });
  }
}
