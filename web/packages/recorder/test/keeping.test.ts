/** Room, and the last moment of a page. */

import { expect, it, vi } from "vitest";

import { Findings } from "../src/findings";
import { ChunkKeeper } from "../src/keeping";
import { SafeStorage } from "../src/session";
import { MemoryStore, StorageFullError, StorageUnavailableError, type Chunk } from "../src/store";
import { chunk, localChunk } from "./chunks";

/** A browser with room for so many chunks. */
class SmallStore extends MemoryStore {
  readonly #room: number;

  constructor(room: number) {
    super();
    this.#room = room;
  }

  override async put(one: Chunk): Promise<boolean> {
    if ((await this.chunks("s1")).length >= this.#room) {
      throw new StorageFullError("full");
    }
    return super.put(one);
  }
}

/** localStorage, as Node has none. */
function storage(): SafeStorage {
  const all: Record<string, string> = {};
  const methods = {
    getItem: (key: string) => all[key] ?? null,
    setItem: (key: string, value: string) => {
      all[key] = value;
    },
    removeItem: (key: string) => {
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- what a Storage does
      delete all[key];
    },
  };
  const keys = { ownKeys: () => Object.keys(all) };
  return new SafeStorage(
    () =>
      new Proxy(all, {
        ...keys,
        get: (_, name) => (methods as Record<string | symbol, unknown>)[name],
      }) as unknown as Storage,
  );
}

function keeper(store: MemoryStore, changes: { maxStorageBytes?: number } = {}) {
  const hooks = { onKept: vi.fn(), onFull: vi.fn(), upload: vi.fn(() => Promise.resolve()) };
  const findings = new Findings(undefined);
  const spills = storage();
  const it = new ChunkKeeper(
    store,
    spills,
    { maxStorageBytes: 1e6, keepUploadedMs: 1000, ...changes },
    hooks,
    findings,
  );
  return { it, hooks, findings, spills };
}

it.each([
  ["the browser's", new SmallStore(2), 1e6],
  ["the page's own", new MemoryStore(), 2 * chunk(0).bytes],
])("drops the oldest uploaded chunk at %s limit", async (_, store, maxStorageBytes) => {
  const { it, hooks, findings } = keeper(store, { maxStorageBytes });
  await store.put(chunk(0));
  await store.put(chunk(1));
  await store.settle([chunk(1).uuid], "uploaded");
  it.keep(chunk(2));
  await it.written();
  expect((await store.chunks("s1")).map(({ uuid }) => uuid)).toEqual([
    chunk(0).uuid,
    chunk(2).uuid,
  ]);
  expect([...findings.counts.keys()]).toEqual(["storage_trimmed"]);
  expect(hooks.onKept).toHaveBeenCalledOnce();
  expect(hooks.upload).not.toHaveBeenCalled();
});

it("uploads to make room, before it gives up", async () => {
  const store = new SmallStore(1);
  await store.put(chunk(0));
  const { it, hooks } = keeper(store);
  hooks.upload.mockImplementation(() => store.settle([chunk(0).uuid], "uploaded"));
  it.keep(chunk(1));
  await it.written();
  expect(await store.chunks("s1")).toEqual([chunk(1)]);
  expect(hooks.onFull).not.toHaveBeenCalled();
});

it("gives up when nothing is uploaded, and deletes nothing", async () => {
  const store = new SmallStore(1);
  await store.put(localChunk(0));
  const { it, hooks, findings } = keeper(store);
  it.keep(localChunk(1));
  await it.written();
  expect(await store.chunks("s1")).toEqual([localChunk(0)]);
  expect(hooks.onFull).toHaveBeenCalledOnce();
  expect([...findings.counts.keys()]).toEqual(["storage_full"]);
});

it("goes on in memory when the database fails", async () => {
  const broken = new MemoryStore();
  broken.put = () => Promise.reject(new StorageUnavailableError("gone"));
  const { it, hooks, findings } = keeper(broken);
  it.keep(chunk(0));
  await it.written();
  it.keep(chunk(1));
  await it.written();
  expect(await it.store.chunks("s1")).toEqual([chunk(0), chunk(1)]);
  expect(hooks.onKept).toHaveBeenCalledTimes(2);
  expect([...findings.counts]).toEqual([["storage_unavailable", 1]]);
});

it("has the last chunks taken over by the next page, once", async () => {
  const store = new MemoryStore();
  const real = store.put.bind(store);
  store.put = () => new Promise(() => undefined); // the page is gone before it is written
  const { it, spills } = keeper(store);
  it.keep(chunk(0));
  it.keep(chunk(1, { sessionId: "s2" }));
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(it.spill()).toHaveLength(2);
  expect(spills.keys()).toHaveLength(2);
  it.deleteSpills("s2");

  store.put = real;
  await store.put(chunk(0));
  await store.settle([chunk(0).uuid], "uploaded");
  await it.tidy(0);
  expect((await store.chunks("s1")).map(({ state }) => state)).toEqual(["uploaded"]);
  expect(await store.chunks("s2")).toEqual([]);
  expect(spills.keys()).toEqual([]);
});

it("lets go of what was uploaded long ago", async () => {
  const store = new MemoryStore();
  await store.put(chunk(0));
  await store.put(chunk(500));
  await store.settle([chunk(0).uuid, chunk(500).uuid], "uploaded");
  await keeper(store).it.tidy(chunk(0).createdMs + 1001);
  expect((await store.chunks("s1")).map(({ uuid }) => uuid)).toEqual([chunk(500).uuid]);
});
