/**
 * What PostHog's player mends before it plays, in the order it does so.
 *
 * The archive stores what the source sent; none of this is ever baked in. Source:
 * posthog `common/replay-shared/src/snapshot-processing`.
 */

import { EventType, IncrementalSource } from "@replayport/types";

/** A stored event on its way to the replayer; `data` still as JSON text. */
export interface Row {
  readonly timestampMs: number;
  readonly type: number;
  readonly data: string | null;
}

/**
 * Drop what a retried upload repeated.
 *
 * Within a run of equal timestamps an event equal to the one before it goes; and when
 * the rest of the run is one block said several times, the first saying stays. A change
 * and its change back within a millisecond are kept, which is why equal events that do
 * not touch are.
 */
export function dropRepeats(rows: readonly Row[]): Row[] {
  const kept: Row[][] = [];
  for (let start = 0; start < rows.length;) {
    const at = rows[start]?.timestampMs;
    let end = start + 1;
    while (end < rows.length && rows[end]?.timestampMs === at) {
      end += 1;
    }
    const run = rows
      .slice(start, end)
      .filter((row, i, all) => i === 0 || !sameEvent(row, all[i - 1]));
    kept.push(run.slice(0, blockLength(run)));
    start = end;
  }
  // Not by spreading into push(): a hundred thousand events at one instant overflow the stack.
  return kept.flat();
}

/** Length of the shortest block whose repetition is all of `run`. */
function blockLength(run: readonly Row[]): number {
  for (let length = 2; length <= run.length / 2; length += 1) {
    if (
      run.length % length === 0 &&
      run.every((row, i) => i < length || sameEvent(row, run[i % length]))
    ) {
      return length;
    }
  }
  return run.length;
}

function sameEvent(a: Row, b: Row | undefined): boolean {
  return a.type === b?.type && a.data === b.data;
}

const COMPRESSIBLE_FIELDS = ["texts", "attributes", "removes", "adds"];

/**
 * Whether an event still carries a compressed field, or a snapshot carries no tree.
 *
 * Such an event was not decoded when it was stored; the replayer would stop at it.
 */
export function isUndecoded(type: number, data: unknown): boolean {
  if (typeof data !== "object" || data === null) {
    return type === EventType.FullSnapshot;
  }
  const fields = data as Record<string, unknown>;
  if (type === EventType.FullSnapshot) {
    return typeof fields["node"] !== "object" || fields["node"] === null;
  }
  return (
    type === EventType.IncrementalSnapshot &&
    (fields["source"] === IncrementalSource.Mutation ||
      fields["source"] === IncrementalSource.StyleSheetRule) &&
    COMPRESSIBLE_FIELDS.some((name) => typeof fields[name] === "string")
  );
}

/** The size of a page, as a Meta event says it. */
export interface PageSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Says when a Meta event is missing before a full snapshot of a window.
 *
 * The replayer starts at a Meta and takes the size of the page from it. A full snapshot
 * without one since the snapshot before gets a copy with the newest size known.
 */
export class MetaPatch {
  #metaSeen = false;
  #size: PageSize;

  constructor(fallback: PageSize) {
    this.#size = fallback;
  }

  /** Take the next event of the window; gives the size to insert before it, or null. */
  next(type: number, data: unknown): PageSize | null {
    if (type === EventType.Meta) {
      this.#metaSeen = true;
      this.#size = sizeOf(data) ?? this.#size;
      return null;
    }
    if (type !== EventType.FullSnapshot) {
      return null;
    }
    const missing = !this.#metaSeen;
    this.#metaSeen = false;
    return missing ? this.#size : null;
  }
}

function sizeOf(data: unknown): PageSize | null {
  const { width, height } = Object(data) as { width?: unknown; height?: unknown };
  return typeof width === "number" && typeof height === "number" && width > 0 && height > 0
    ? { width, height }
    : null;
}
