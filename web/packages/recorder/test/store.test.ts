/** One behaviour, whatever keeps the chunks. */

import { IDBFactory } from "fake-indexeddb";
import { describe, expect, it } from "vitest";

import {
  DATABASE_NAME,
  IndexedDbStore,
  MemoryStore,
  StorageUnavailableError,
  type ChunkStore,
} from "../src/store";
import { chunk, localChunk, TOKEN } from "./chunks";

const STORES: Record<string, () => ChunkStore> = {
  IndexedDB: () => {
    const factory = new IDBFactory();
    return new IndexedDbStore(() => factory);
  },
  memory: () => new MemoryStore(),
};

async function filled(store: ChunkStore, count: number): Promise<void> {
  // All at once, as a page does: counts must survive it.
  await Promise.all(Array.from({ length: count }, (_, n) => store.put(chunk(n))));
}

async function countsAreRight(store: ChunkStore): Promise<void> {
  for (const session of await store.sessions()) {
    const chunks = await store.chunks(session.sessionId);
    expect(session.chunkCount).toBe(chunks.length);
    expect(session.bytes).toBe(chunks.reduce((sum, one) => sum + one.bytes, 0));
    expect(session.eventCount).toBe(chunks.reduce((sum, one) => sum + one.eventCount, 0));
    expect(session.pendingCount).toBe(chunks.filter((one) => one.state === "pending").length);
    expect(session.rejectedCount).toBe(chunks.filter((one) => one.state === "rejected").length);
  }
}

describe.each(Object.entries(STORES))("%s", (_, make) => {
  it("keeps a chunk once, in the order of its uuid", async () => {
    const store = make();
    await store.put(chunk(2));
    expect(await store.put(chunk(1))).toBe(true);
    expect(await store.put(chunk(1, { events: "[]", bytes: 2 }))).toBe(false);
    expect(await store.chunks("s1")).toEqual([chunk(1), chunk(2)]);
    const [session] = await store.sessions();
    expect(session).toMatchObject({ startMs: 1001, endMs: 1003, windowIds: ["w1"] });
    await countsAreRight(store);
  });

  it("counts right when many chunks are settled and trimmed together", async () => {
    const store = make();
    await filled(store, 6);
    const uuids = (await store.pending(TOKEN, 1e6, 100)).map(({ uuid }) => uuid);
    expect(uuids).toHaveLength(6);
    await store.settle(uuids.slice(0, 4), "uploaded");
    await store.settle(uuids.slice(4, 5), "rejected");
    await store.settle(uuids.slice(0, 5), "rejected"); // settled is settled
    await countsAreRight(store);
    expect((await store.sessions())[0]).toMatchObject({ pendingCount: 1, rejectedCount: 1 });
    expect(await store.trimUploaded(chunk(0).bytes + 1, Infinity)).toBe(2 * chunk(0).bytes);
    await countsAreRight(store);
    expect((await store.chunks("s1")).map(({ uuid }) => uuid)).toEqual(uuids.slice(2));
    expect((await store.sessions())[0]?.trimmedCount).toBe(2);
  });

  it("trims only what is uploaded, and old enough", async () => {
    const store = make();
    await filled(store, 3);
    await store.put(localChunk(3));
    expect(await store.trimUploaded(1e6, Infinity)).toBe(0);
    await store.settle([chunk(0).uuid, chunk(1).uuid], "uploaded");
    expect(await store.trimUploaded(1e6, chunk(1).createdMs)).toBe(chunk(0).bytes);
    expect((await store.chunks("s1")).map((one) => one.state)).toEqual([
      "uploaded",
      "pending",
      "local",
    ]);
  });

  it("forgets a session that is trimmed away", async () => {
    const store = make();
    await filled(store, 2);
    await store.settle([chunk(0).uuid, chunk(1).uuid], "uploaded");
    await store.trimUploaded(1e6, Infinity);
    expect(await store.sessions()).toEqual([]);
  });

  it("gives pending chunks of one window, up to both limits, at least one", async () => {
    const store = make();
    await store.put(chunk(0));
    await store.put(chunk(1, { windowId: "w2" }));
    await store.put(chunk(2));
    await store.put(chunk(3, { sessionId: "s2" }));
    await store.put(chunk(4, { pending: "phc_other" }));
    await store.put(localChunk(5));
    const found = async (bytes: number, count: number) =>
      (await store.pending(TOKEN, bytes, count)).map(({ uuid }) => uuid);
    expect(await found(1e6, 100)).toEqual([chunk(0).uuid, chunk(2).uuid]);
    expect(await found(1e6, 1)).toEqual([chunk(0).uuid]);
    expect(await found(1, 100)).toEqual([chunk(0).uuid]);
    expect(await store.pending("phc_none", 1e6, 100)).toEqual([]);
  });

  it("deletes a session and nothing else", async () => {
    const store = make();
    await store.put(chunk(0));
    await store.put(chunk(1, { sessionId: "s2" }));
    await store.remove("s1");
    expect(await store.chunks("s1")).toEqual([]);
    expect((await store.sessions()).map(({ sessionId }) => sessionId)).toEqual(["s2"]);
    await store.clear();
    expect(await store.sessions()).toEqual([]);
  });
});

it("opens the database again after it was deleted", async () => {
  const factory = new IDBFactory();
  const store = new IndexedDbStore(() => factory);
  await store.put(chunk(0));
  await new Promise<void>((resolve) => {
    factory.deleteDatabase(DATABASE_NAME).onsuccess = () => {
      resolve();
    };
  });
  await store.put(chunk(1));
  expect(await store.chunks("s1")).toEqual([chunk(1)]);
});

it("says so when there is no database", async () => {
  const store = new IndexedDbStore(() => {
    throw new DOMException("no", "SecurityError");
  });
  await expect(store.put(chunk(0))).rejects.toBeInstanceOf(StorageUnavailableError);
});
