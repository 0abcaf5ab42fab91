/**
 * Finds out what must be read to show a moment, reading as little as it can.
 *
 * A window plays from a full snapshot on, so the plan walks back from the moment, one
 * row group's light columns at a time, until the window in use has one.
 */

import { EventType, USER_INTERACTION_SOURCES, type GroupIndex } from "@replayport/types";

import type { Driver } from "./driver/driver";

/** A row of a group. */
export interface Position {
  readonly group: number;
  readonly row: number;
}

export interface Plan {
  readonly windowId: string;
  /** The full snapshot to start from. */
  readonly snapshot: Position;
  /** The Meta event that gives it its size, which may lie in an earlier group. */
  readonly meta: Position | null;
  /** Last group with events up to the moment. */
  readonly lastGroup: number;
  /** The moment to draw: the one asked for, or the first that can be drawn. */
  readonly drawMs: number;
}

/** A Meta is looked for at most this many groups before its full snapshot. */
const META_GROUPS_BACK = 2;

/** Last group that starts at or before a moment; 0 before the first. */
export function groupAt(driver: Driver, atMs: number): number {
  const after = driver.spans.findIndex((span) => span.startMs > atMs);
  return after === -1 ? driver.spans.length - 1 : Math.max(0, after - 1);
}

/**
 * Plan how to show a moment.
 *
 * @param chosen The window to show; null for the one in use at that moment.
 * @returns null when the window (or any) has no full snapshot at all.
 */
export async function planOf(
  driver: Driver,
  atMs: number,
  chosen: string | null,
): Promise<Plan | null> {
  const lastGroup = groupAt(driver, atMs);
  let windowId = chosen;
  let inUse: string | null = chosen;
  for (let group = lastGroup; group >= 0; group -= 1) {
    const index = await driver.readIndex(group);
    for (let row = index.timestampMs.length - 1; row >= 0; row -= 1) {
      if ((index.timestampMs[row] ?? 0) > atMs) {
        continue;
      }
      const rowWindow = index.windowId[row] ?? "";
      if (inUse === null && isInteraction(index, row)) {
        inUse = rowWindow;
      }
      if (index.type[row] === EventType.FullSnapshot) {
        // With nobody at work before this, the newest picture is as good as any.
        windowId ??= inUse;
        if (rowWindow === (windowId ?? rowWindow)) {
          return finish(driver, { group, row }, rowWindow, lastGroup, atMs);
        }
      }
    }
  }
  return firstAfter(driver, lastGroup, atMs, chosen);
}

/** The first full snapshot after a moment: what to show while nothing can be drawn yet. */
async function firstAfter(
  driver: Driver,
  fromGroup: number,
  atMs: number,
  chosen: string | null,
): Promise<Plan | null> {
  for (let group = fromGroup; group < driver.spans.length; group += 1) {
    const index = await driver.readIndex(group);
    for (let row = 0; row < index.timestampMs.length; row += 1) {
      const windowId = index.windowId[row] ?? "";
      const rowMs = index.timestampMs[row] ?? 0;
      if (
        index.type[row] === EventType.FullSnapshot &&
        rowMs > atMs &&
        (chosen === null || chosen === windowId)
      ) {
        return finish(driver, { group, row }, windowId, group, rowMs);
      }
    }
  }
  return null;
}

async function finish(
  driver: Driver,
  snapshot: Position,
  windowId: string,
  lastGroup: number,
  drawMs: number,
): Promise<Plan> {
  const meta = await metaBefore(driver, snapshot, windowId);
  return { windowId, snapshot, meta, lastGroup, drawMs };
}

async function metaBefore(
  driver: Driver,
  snapshot: Position,
  windowId: string,
): Promise<Position | null> {
  const firstGroup = Math.max(0, snapshot.group - META_GROUPS_BACK);
  for (let group = snapshot.group; group >= firstGroup; group -= 1) {
    const index = await driver.readIndex(group);
    const lastRow = group === snapshot.group ? snapshot.row : index.timestampMs.length;
    for (let row = lastRow - 1; row >= 0; row -= 1) {
      if (index.windowId[row] === windowId && index.type[row] === EventType.Meta) {
        return { group, row };
      }
    }
  }
  return null;
}

function isInteraction(index: GroupIndex, row: number): boolean {
  const source = index.source[row] ?? null;
  return source !== null && USER_INTERACTION_SOURCES.has(source);
}
