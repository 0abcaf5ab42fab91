/**
 * A driver gives a recording to the player, a group of events at a time.
 *
 * The player asks for light columns to draw its timeline and to plan, and for the
 * `data` of the groups it is about to show. What a group is, is the driver's matter;
 * groups are in playing order and do not overlap.
 */

import type { GroupData, GroupIndex } from "@replayport/types";

export interface GroupSpan {
  /** Least and greatest event time of the group, epoch ms, both inclusive. */
  readonly startMs: number;
  readonly endMs: number;
  readonly events: number;
}

export interface Driver {
  /** Spans of all groups; at least one. */
  readonly spans: readonly GroupSpan[];
  readIndex(group: number): Promise<GroupIndex>;
  readData(group: number): Promise<GroupData>;
}

/**
 * A driver that asks another one for each group once and remembers the answers.
 *
 * Light columns are kept for good (a few dozen bytes an event). Of the `data` only the
 * newest `keptGroups` are: the frame has its own copy of whatever it was sent.
 */
export function remembering(driver: Driver, keptGroups = 8): Driver {
  const indexes = new Map<number, Promise<GroupIndex>>();
  const datas = new Map<number, Promise<GroupData>>();
  return {
    spans: driver.spans,
    readIndex: (group) => once(indexes, group, Infinity, () => driver.readIndex(group)),
    readData: (group) => once(datas, group, keptGroups, () => driver.readData(group)),
  };
}

function once<T>(
  kept: Map<number, Promise<T>>,
  group: number,
  limit: number,
  read: () => Promise<T>,
): Promise<T> {
  const before = kept.get(group);
  if (before !== undefined) {
    kept.delete(group);
    kept.set(group, before);
    return before;
  }
  const promise = read();
  kept.set(group, promise);
  // A failed read is forgotten, so that pressing play again tries again.
  promise.catch(() => kept.delete(group));
  for (const oldest of kept.keys()) {
    if (kept.size <= limit) {
      break;
    }
    kept.delete(oldest);
  }
  return promise;
}
