/**
 * Brings chunks into the database, makes room for them, and does not lose the last ones.
 *
 * When a page goes, its database writes and requests may be cut off; only localStorage
 * is certain. Chunks on their way are copied there (`spill`), and the next page of the
 * site takes them over (`tidy`). The uuid makes taking one over twice harmless.
 */

import { describe, type Findings } from "./findings";
import type { SafeStorage } from "./session";
import { MemoryStore, StorageFullError, type Chunk, type ChunkStore } from "./store";

const SPILL_PREFIX = "replayport_recorder_unwritten_";
/** At least this part of the limit is freed at a time, so that not every chunk has to. */
const MIN_TRIM_SHARE = 0.05;

export interface KeeperOptions {
  readonly maxStorageBytes: number;
  readonly keepUploadedMs: number;
}

export interface KeeperHooks {
  readonly onKept: (chunk: Chunk) => void;
  /** A chunk found no room and is lost; there is no sense in recording on. */
  readonly onFull: (chunk: Chunk) => void;
  /** Upload what is pending, so that it may be deleted. */
  readonly upload: () => Promise<void>;
}

export class ChunkKeeper {
  #store: ChunkStore;
  readonly #spills: SafeStorage;
  readonly #options: KeeperOptions;
  readonly #hooks: KeeperHooks;
  readonly #findings: Findings;
  /** Chunks on their way into the database. */
  readonly #unwritten = new Map<string, { chunk: Chunk; done: Promise<void> }>();
  /** Null until counted. */
  #usedBytes: number | null = null;

  constructor(
    store: ChunkStore,
    spills: SafeStorage,
    options: KeeperOptions,
    hooks: KeeperHooks,
    findings: Findings,
  ) {
    this.#store = store;
    this.#spills = spills;
    this.#options = options;
    this.#hooks = hooks;
    this.#findings = findings;
  }

  /** The database; memory, once that has failed. */
  get store(): ChunkStore {
    return this.#store;
  }

  /** Begin to write a chunk. */
  keep(chunk: Chunk): void {
    const done = this.#keep(chunk).finally(() => {
      this.#unwritten.delete(chunk.uuid);
    });
    this.#unwritten.set(chunk.uuid, { chunk, done });
  }

  /** Resolves when every chunk of before is written, or known not to be. */
  async written(): Promise<void> {
    await Promise.all([...this.#unwritten.values()].map(({ done }) => done));
  }

  /** Other tabs, or the page, have deleted something. */
  recount(): void {
    this.#usedBytes = null;
  }

  /** The page goes: copy what is on its way to where writing takes no time; gives it. */
  spill(): Chunk[] {
    const chunks = [...this.#unwritten.values()].map(({ chunk }) => chunk);
    for (const chunk of chunks) {
      this.#spills.trySetItem(SPILL_PREFIX + chunk.uuid, JSON.stringify(chunk));
    }
    return chunks;
  }

  /** Delete what pages have spilled of a session; null is every session. */
  deleteSpills(sessionId: string | null): void {
    for (const [key, chunk] of this.#spilled()) {
      if (sessionId === null || chunk?.sessionId === sessionId) {
        this.#spills.removeItem(key);
      }
    }
  }

  /** Take over what a page before could not finish writing, and let go of what is old. */
  async tidy(nowMs: number): Promise<void> {
    try {
      for (const [key, chunk] of this.#spilled()) {
        if (chunk !== null) {
          await this.#store.put(chunk);
        }
        this.#spills.removeItem(key);
      }
      await this.#store.trimUploaded(Infinity, nowMs - this.#options.keepUploadedMs);
    } catch (error) {
      this.#findings.add("storage_unavailable", describe(error));
    }
  }

  /** Never rejects. */
  async #keep(chunk: Chunk): Promise<void> {
    try {
      await this.#fit(chunk.bytes);
      await this.#put(chunk);
      this.#usedBytes = (this.#usedBytes ?? 0) + chunk.bytes;
    } catch (error) {
      if (error instanceof StorageFullError) {
        this.#findings.add("storage_full", `${chunk.eventCount} events did not fit`);
        this.#hooks.onFull(chunk);
        return;
      }
      this.#findings.add("storage_unavailable", describe(error));
      this.#store = new MemoryStore();
      await this.#store.put(chunk);
    }
    this.#hooks.onKept(chunk);
    this.#spills.removeItem(SPILL_PREFIX + chunk.uuid);
  }

  async #put(chunk: Chunk): Promise<void> {
    for (;;) {
      try {
        await this.#store.put(chunk);
        return;
      } catch (error) {
        if (!(error instanceof StorageFullError) || !(await this.#makeRoom(chunk.bytes))) {
          throw error;
        }
      }
    }
  }

  /** Stay within the page's own limit. */
  async #fit(bytes: number): Promise<void> {
    const { maxStorageBytes } = this.#options;
    while (this.#usedBytes === null || this.#usedBytes + bytes > maxStorageBytes) {
      // Counted, not reckoned: other tabs write and delete, too.
      const sessions = await this.#store.sessions();
      this.#usedBytes = sessions.reduce((sum, session) => sum + session.bytes, 0);
      const overBytes = this.#usedBytes + bytes - maxStorageBytes;
      if (overBytes <= 0) {
        return;
      }
      if (!(await this.#makeRoom(overBytes))) {
        throw new StorageFullError(`${maxStorageBytes} bytes are used`);
      }
      this.#usedBytes = null;
    }
  }

  /** Delete uploaded chunks, oldest first; false when there are none. */
  async #makeRoom(bytes: number): Promise<boolean> {
    const wantedBytes = Math.max(bytes, this.#options.maxStorageBytes * MIN_TRIM_SHARE);
    const trim = (): Promise<number> => this.#store.trimUploaded(wantedBytes, Infinity);
    let freedBytes = await trim();
    if (freedBytes === 0) {
      await this.#hooks.upload();
      freedBytes = await trim();
    }
    if (freedBytes > 0) {
      this.#findings.add("storage_trimmed", `${freedBytes} bytes of uploaded recordings deleted`);
    }
    return freedBytes > 0;
  }

  #spilled(): [string, Chunk | null][] {
    return this.#spills
      .keys()
      .filter((key) => key.startsWith(SPILL_PREFIX))
      .map((key) => [key, chunkFrom(this.#spills.getItem(key))]);
  }
}

function chunkFrom(text: string | null): Chunk | null {
  try {
    const found = JSON.parse(text ?? "null") as Partial<Chunk> | null;
    return typeof found?.uuid === "string" && typeof found.events === "string"
      ? (found as Chunk)
      : null;
  } catch {
    return null;
  }
}
