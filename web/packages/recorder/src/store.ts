/**
 * What the recorder keeps in the browser.
 *
 * ```
 * IndexedDB "SessionRecorder", version 1
 * ├── sessions   keyPath sessionId   one record a session: when, how much, how much is sent
 * └── chunks     keyPath uuid        a few hundred ms of one window's events, as JSON text
 *     ├── index session              sessionId
 *     └── index pending              project token; only chunks still to be uploaded have it
 * ```
 *
 * Chunks are a store of their own because IndexedDB cannot append: with its events inside,
 * a session's record would be read and written as a whole twice a second, and two tabs of
 * one session would overwrite each other. A chunk is written once, with its counts in the
 * session's record in the same transaction, and its uuid is that of the `$snapshot` event
 * it becomes: sent again, it is the same event. UUIDv7 sorts by time, so do chunks.
 */

export type ChunkState = "local" | "pending" | "uploaded" | "rejected";

export interface Chunk {
  readonly uuid: string;
  readonly sessionId: string;
  readonly windowId: string;
  readonly distinctId: string;
  readonly createdMs: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly eventCount: number;
  /** UTF-8 length of `events`. */
  readonly bytes: number;
  /** JSON array of rrweb events. */
  readonly events: string;
  readonly state: ChunkState;
  /** Project token; only in state "pending", so that the index finds those alone. */
  readonly pending?: string;
}

export interface SessionRecord {
  readonly sessionId: string;
  readonly distinctId: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly eventCount: number;
  readonly bytes: number;
  readonly windowIds: readonly string[];
  readonly chunkCount: number;
  readonly pendingCount: number;
  readonly rejectedCount: number;
  /** Chunks deleted here, after their upload, to make room. */
  readonly trimmedCount: number;
}

export interface ChunkStore {
  /** Keep a chunk; false when its uuid is there already. Atomic with its session's record. */
  put(chunk: Chunk): Promise<boolean>;
  /** The oldest chunks to upload, all of one window; at least one, then up to both limits. */
  pending(token: string, maxBytes: number, maxCount: number): Promise<Chunk[]>;
  settle(uuids: readonly string[], state: "uploaded" | "rejected"): Promise<void>;
  /** Newest first. */
  sessions(): Promise<SessionRecord[]>;
  /** In the order they were recorded. */
  chunks(sessionId: string): Promise<Chunk[]>;
  remove(sessionId: string): Promise<void>;
  clear(): Promise<void>;
  /** Delete uploaded chunks, oldest first, made before `beforeMs`; gives the bytes freed. */
  trimUploaded(wantedBytes: number, beforeMs: number): Promise<number>;
}

/** IndexedDB cannot be opened, or stopped working. */
export class StorageUnavailableError extends Error {
  readonly code = "storage_unavailable";
}

/** The browser gives no more room. */
export class StorageFullError extends Error {
  readonly code = "storage_full";
}

export const DATABASE_NAME = "SessionRecorder";
export const DATABASE_VERSION = 1;
const SESSIONS = "sessions";
const CHUNKS = "chunks";
/** Pending chunks looked at to fill one batch; other windows' lie in between. */
const MAX_SCANNED = 200;

export class IndexedDbStore implements ChunkStore {
  readonly #factory: () => IDBFactory;
  #database: Promise<IDBDatabase> | null = null;

  /** `factory` gives `indexedDB`; in some frames the property itself throws. */
  constructor(factory: () => IDBFactory) {
    this.#factory = factory;
  }

  async put(chunk: Chunk): Promise<boolean> {
    let isNew = false;
    await this.#transact("readwrite", (sessions, chunks) => {
      const changes = new SessionChanges(sessions);
      chunks.getKey(chunk.uuid).onsuccess = (event) => {
        if (resultOf(event) !== undefined) {
          return;
        }
        isNew = true;
        chunks.put(chunk);
        changes.add(chunk.sessionId, (session) => withChunk(session, chunk));
      };
    });
    return isNew;
  }

  async pending(token: string, maxBytes: number, maxCount: number): Promise<Chunk[]> {
    const batch = new Batch(maxBytes, maxCount);
    await this.#transact("readonly", (_, chunks) => {
      eachOf(chunks.index("pending").openCursor(token), (chunk) => batch.add(chunk));
    });
    return batch.chunks;
  }

  async settle(uuids: readonly string[], state: "uploaded" | "rejected"): Promise<void> {
    await this.#transact("readwrite", (sessions, chunks) => {
      const changes = new SessionChanges(sessions);
      for (const uuid of uuids) {
        chunks.get(uuid).onsuccess = (event) => {
          const chunk = resultOf(event) as Chunk | undefined;
          if (chunk?.state === "pending") {
            chunks.put(settled(chunk, state));
            changes.add(chunk.sessionId, (session) => withSettled(session, state));
          }
        };
      }
    });
  }

  async sessions(): Promise<SessionRecord[]> {
    let found: SessionRecord[] = [];
    await this.#transact("readonly", (sessions) => {
      sessions.getAll().onsuccess = (event) => {
        found = resultOf(event) as SessionRecord[];
      };
    });
    return found.sort((a, b) => b.startMs - a.startMs);
  }

  async chunks(sessionId: string): Promise<Chunk[]> {
    let found: Chunk[] = [];
    await this.#transact("readonly", (_, chunks) => {
      chunks.index("session").getAll(sessionId).onsuccess = (event) => {
        found = resultOf(event) as Chunk[];
      };
    });
    return found;
  }

  async remove(sessionId: string): Promise<void> {
    await this.#transact("readwrite", (sessions, chunks) => {
      sessions.delete(sessionId);
      chunks.index("session").getAllKeys(sessionId).onsuccess = (event) => {
        for (const key of resultOf(event) as string[]) {
          chunks.delete(key);
        }
      };
    });
  }

  async clear(): Promise<void> {
    await this.#transact("readwrite", (sessions, chunks) => {
      sessions.clear();
      chunks.clear();
    });
  }

  async trimUploaded(wantedBytes: number, beforeMs: number): Promise<number> {
    let freedBytes = 0;
    await this.#transact("readwrite", (sessions, chunks) => {
      const changes = new SessionChanges(sessions);
      eachOf(chunks.openCursor(), (chunk) => {
        if (chunk.createdMs >= beforeMs) {
          return false;
        }
        if (chunk.state === "uploaded") {
          freedBytes += chunk.bytes;
          chunks.delete(chunk.uuid);
          changes.add(chunk.sessionId, (session) => withoutChunk(session, chunk));
        }
        return freedBytes < wantedBytes;
      });
    });
    return freedBytes;
  }

  async #transact(
    mode: IDBTransactionMode,
    work: (sessions: IDBObjectStore, chunks: IDBObjectStore) => void,
  ): Promise<void> {
    const transaction = await this.#begin(mode);
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => {
        resolve();
      };
      transaction.onabort = () => {
        const error = transaction.error;
        reject(
          error?.name === "QuotaExceededError"
            ? new StorageFullError(error.message, { cause: error })
            : new StorageUnavailableError(messageOf(error), { cause: error }),
        );
      };
      work(transaction.objectStore(SESSIONS), transaction.objectStore(CHUNKS));
    });
  }

  async #begin(mode: IDBTransactionMode): Promise<IDBTransaction> {
    try {
      return (await this.#open()).transaction([SESSIONS, CHUNKS], mode);
    } catch (error) {
      if (error instanceof StorageUnavailableError) {
        throw error;
      }
      // Closed behind our back: the site's data were cleared. Open it anew.
      this.#database = null;
    }
    try {
      return (await this.#open()).transaction([SESSIONS, CHUNKS], mode);
    } catch (error) {
      throw new StorageUnavailableError(messageOf(error), { cause: error });
    }
  }

  #open(): Promise<IDBDatabase> {
    this.#database ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = this.#factory().open(DATABASE_NAME, DATABASE_VERSION);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(SESSIONS, { keyPath: "sessionId" });
        const chunks = request.result.createObjectStore(CHUNKS, { keyPath: "uuid" });
        chunks.createIndex("session", "sessionId");
        chunks.createIndex("pending", "pending");
      };
      request.onsuccess = () => {
        const database = request.result;
        // A newer version in another tab, or the user, wants the database: let it go.
        database.onversionchange = () => {
          database.close();
          this.#database = null;
        };
        database.onclose = () => {
          this.#database = null;
        };
        resolve(database);
      };
      request.onerror = () => {
        reject(new StorageUnavailableError(messageOf(request.error), { cause: request.error }));
      };
    }).catch((error: unknown) => {
      this.#database = null;
      throw error instanceof StorageUnavailableError
        ? error
        : new StorageUnavailableError(messageOf(error), { cause: error });
    });
    return this.#database;
  }
}

/** The same in memory, for browsers and frames without IndexedDB; gone with the page. */
export class MemoryStore implements ChunkStore {
  readonly #sessions = new Map<string, SessionRecord>();
  readonly #chunks = new Map<string, Chunk>();

  put(chunk: Chunk): Promise<boolean> {
    const isNew = !this.#chunks.has(chunk.uuid);
    if (isNew) {
      this.#chunks.set(chunk.uuid, chunk);
      this.#change(chunk.sessionId, (session) => withChunk(session, chunk));
    }
    return Promise.resolve(isNew);
  }

  pending(token: string, maxBytes: number, maxCount: number): Promise<Chunk[]> {
    const batch = new Batch(maxBytes, maxCount);
    for (const chunk of this.#inOrder()) {
      if (chunk.pending === token && !batch.add(chunk)) {
        break;
      }
    }
    return Promise.resolve(batch.chunks);
  }

  settle(uuids: readonly string[], state: "uploaded" | "rejected"): Promise<void> {
    for (const uuid of uuids) {
      const chunk = this.#chunks.get(uuid);
      if (chunk?.state === "pending") {
        this.#chunks.set(uuid, settled(chunk, state));
        this.#change(chunk.sessionId, (session) => withSettled(session, state));
      }
    }
    return Promise.resolve();
  }

  sessions(): Promise<SessionRecord[]> {
    return Promise.resolve([...this.#sessions.values()].sort((a, b) => b.startMs - a.startMs));
  }

  chunks(sessionId: string): Promise<Chunk[]> {
    return Promise.resolve(this.#inOrder().filter((chunk) => chunk.sessionId === sessionId));
  }

  remove(sessionId: string): Promise<void> {
    this.#sessions.delete(sessionId);
    for (const chunk of this.#inOrder()) {
      if (chunk.sessionId === sessionId) {
        this.#chunks.delete(chunk.uuid);
      }
    }
    return Promise.resolve();
  }

  clear(): Promise<void> {
    this.#sessions.clear();
    this.#chunks.clear();
    return Promise.resolve();
  }

  trimUploaded(wantedBytes: number, beforeMs: number): Promise<number> {
    let freedBytes = 0;
    for (const chunk of this.#inOrder()) {
      if (freedBytes >= wantedBytes || chunk.createdMs >= beforeMs) {
        break;
      }
      if (chunk.state === "uploaded") {
        freedBytes += chunk.bytes;
        this.#chunks.delete(chunk.uuid);
        this.#change(chunk.sessionId, (session) => withoutChunk(session, chunk));
      }
    }
    return Promise.resolve(freedBytes);
  }

  #inOrder(): Chunk[] {
    return [...this.#chunks.values()].sort((a, b) => (a.uuid < b.uuid ? -1 : 1));
  }

  #change(sessionId: string, next: NextRecord): void {
    const session = next(this.#sessions.get(sessionId));
    if (session === null) {
      this.#sessions.delete(sessionId);
    } else {
      this.#sessions.set(sessionId, session);
    }
  }
}

/** Gathers chunks of one window up to a size. */
class Batch {
  readonly chunks: Chunk[] = [];
  readonly #maxBytes: number;
  readonly #maxCount: number;
  #bytes = 0;
  #scanned = 0;

  constructor(maxBytes: number, maxCount: number) {
    this.#maxBytes = maxBytes;
    this.#maxCount = maxCount;
  }

  /** Gives whether another chunk may follow. */
  add(chunk: Chunk): boolean {
    this.#scanned += 1;
    const first = this.chunks[0];
    // The server attributes a request to the session and window of its first event.
    if (first?.sessionId === chunk.sessionId && first.windowId === chunk.windowId) {
      if (this.#bytes + chunk.bytes > this.#maxBytes) {
        return false;
      }
      this.#take(chunk);
    } else if (first === undefined) {
      this.#take(chunk);
    }
    return this.chunks.length < this.#maxCount && this.#scanned < MAX_SCANNED;
  }

  #take(chunk: Chunk): void {
    this.chunks.push(chunk);
    this.#bytes += chunk.bytes;
  }
}

/** A session's next record; null deletes it. */
type Change = SessionRecord | null;

function withChunk(session: SessionRecord | undefined, chunk: Chunk): SessionRecord {
  return {
    sessionId: chunk.sessionId,
    distinctId: session?.distinctId ?? chunk.distinctId,
    startMs: Math.min(session?.startMs ?? chunk.startMs, chunk.startMs),
    endMs: Math.max(session?.endMs ?? chunk.endMs, chunk.endMs),
    eventCount: (session?.eventCount ?? 0) + chunk.eventCount,
    bytes: (session?.bytes ?? 0) + chunk.bytes,
    windowIds: [...new Set([...(session?.windowIds ?? []), chunk.windowId])],
    chunkCount: (session?.chunkCount ?? 0) + 1,
    pendingCount: (session?.pendingCount ?? 0) + (chunk.state === "pending" ? 1 : 0),
    rejectedCount: session?.rejectedCount ?? 0,
    trimmedCount: session?.trimmedCount ?? 0,
  };
}

function withSettled(session: SessionRecord | undefined, state: "uploaded" | "rejected"): Change {
  return session === undefined
    ? null
    : {
        ...session,
        pendingCount: session.pendingCount - 1,
        rejectedCount: session.rejectedCount + (state === "rejected" ? 1 : 0),
      };
}

function withoutChunk(session: SessionRecord | undefined, chunk: Chunk): Change {
  return session === undefined || session.chunkCount <= 1
    ? null
    : {
        ...session,
        eventCount: session.eventCount - chunk.eventCount,
        bytes: session.bytes - chunk.bytes,
        chunkCount: session.chunkCount - 1,
        trimmedCount: session.trimmedCount + 1,
      };
}

function settled(chunk: Chunk, state: "uploaded" | "rejected"): Chunk {
  const copy: { pending?: string } & Chunk = { ...chunk, state };
  delete (copy as { pending?: string }).pending;
  return copy;
}

/** A session's next record, from its present one. */
type NextRecord = (session: SessionRecord | undefined) => Change;

/**
 * Changes to session records within one transaction. Two changes of one record whose
 * reads are both under way would each overwrite the other: they share one read.
 */
class SessionChanges {
  readonly #sessions: IDBObjectStore;
  readonly #underWay = new Map<string, NextRecord[]>();

  constructor(sessions: IDBObjectStore) {
    this.#sessions = sessions;
  }

  add(sessionId: string, next: NextRecord): void {
    const waiting = this.#underWay.get(sessionId);
    if (waiting !== undefined) {
      waiting.push(next);
      return;
    }
    const all = [next];
    this.#underWay.set(sessionId, all);
    this.#sessions.get(sessionId).onsuccess = (event) => {
      this.#underWay.delete(sessionId);
      let session = resultOf(event) as SessionRecord | undefined;
      for (const one of all) {
        session = one(session) ?? undefined;
      }
      if (session === undefined) {
        this.#sessions.delete(sessionId);
      } else {
        this.#sessions.put(session);
      }
    };
  }
}

function eachOf(
  request: IDBRequest<IDBCursorWithValue | null>,
  visit: (chunk: Chunk) => boolean,
): void {
  request.onsuccess = () => {
    const cursor = request.result;
    if (cursor !== null && visit(cursor.value as Chunk)) {
      cursor.continue();
    }
  };
}

function resultOf(event: Event): unknown {
  return (event.target as IDBRequest<unknown>).result;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : "unknown";
}
