/** Chunks to test with. */

import type { Chunk } from "../src/store";

export const TOKEN = "phc_test";

/** The n-th chunk; ids are in the order of n. */
export function chunk(n: number, changes: Partial<Chunk> = {}): Chunk {
  const events = changes.events ?? JSON.stringify([{ type: 5, timestamp: n, data: { n } }]);
  return {
    uuid: `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`,
    sessionId: "s1",
    windowId: "w1",
    distinctId: "anna",
    createdMs: 1000 + n,
    startMs: 1000 + n,
    endMs: 1001 + n,
    eventCount: 1,
    bytes: events.length,
    events,
    state: "pending",
    pending: TOKEN,
    ...changes,
  };
}

export function localChunk(n: number): Chunk {
  const copy = { ...chunk(n), state: "local" } as Chunk & { pending?: string };
  delete (copy as { pending?: string }).pending;
  return copy;
}
