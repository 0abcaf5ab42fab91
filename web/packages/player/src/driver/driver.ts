/**
 * A driver gives a recording to the player, a group of events at a time.
 *
 * The player asks for light columns to draw its timeline and to plan, and for the
 * `data` of the groups it is about to show. What a group is, is the driver's matter;
 * groups are in playing order and do not overlap.
 */

import type { GroupData, GroupIndex } from "@replayport/types";

import type { Assets } from "../parser/assets";

export interface GroupSpan {
  /** Least and greatest event time of the group, epoch ms, both inclusive. */
  readonly startMs: number;
  readonly endMs: number;
  readonly events: number;
}

export interface Driver {
  /** Whether reading asks nobody: the recording is in memory as it is. */
  readonly isAtHand: boolean;
  /** Spans of all groups; at least one. */
  readonly spans: readonly GroupSpan[];
  readIndex(group: number): Promise<GroupIndex>;
  /** Read the first `rows` rows of a group, or all; further ones may come with them. */
  readData(group: number, rows?: number): Promise<GroupData>;
  /** Read what was frozen with the recording, where its own file holds that too. */
  readAssets?(): Promise<Assets>;
}

/**
 * A driver that asks another one for the light columns of each group once.
 *
 * They are kept for good: a few dozen bytes an event.
 */
export function remembering(driver: Driver): Driver {
  const indexes = new Map<number, Promise<GroupIndex>>();
  return {
    ...driver,
    readIndex: (group) => {
      const before = indexes.get(group);
      if (before !== undefined) {
        return before;
      }
      const promise = driver.readIndex(group);
      indexes.set(group, promise);
      // A failed read is forgotten, so that pressing play again tries again.
      promise.catch(() => indexes.delete(group));
      return promise;
    },
  };
}
