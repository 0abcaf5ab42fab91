/**
 * Sends what is pending until the server has it.
 *
 * ```
 * answer                        meaning                 what happens
 * 200                           stored                  chunks are settled as uploaded
 * 200, quota_limited            not stored              tried again after a minute or more
 * 400, 413, other 4xx           these bytes never       batch is halved; a single chunk is
 *                                                       settled as rejected, and stays here
 * 401, 403, 404                 wrong token or address  reported, tried again
 * 408, 429, anything else,      not now                 tried again
 * no answer
 * ```
 *
 * Again is after 3 s, doubled each time up to 30 min, ±50 %, and at once when the browser
 * comes back online. There is no last attempt: the chunks are in the database, and a later
 * page of the site goes on. A chunk is posted under one uuid however often, so that a
 * server which stores each uuid once has it exactly once, even if an answer was lost.
 *
 * One tab uploads at a time where the browser has locks; without, two may send the same
 * chunk, which the uuid makes harmless.
 */

import { describe, type Findings } from "./findings";
import type { Chunk, ChunkStore } from "./store";
import { bodyOf, compressed, snapshotUrl } from "./wire";

/** JSON text of a request before gzip. */
const MAX_BATCH_BYTES = 2 * 2 ** 20;
const MAX_BATCH_CHUNKS = 100;
/** Browsers allow 64 KiB of bodies under way that outlive their page, all together. */
const KEEPALIVE_MAX_BYTES = 48 * 2 ** 10;
const BEACON_MAX_BYTES = 60 * 2 ** 10;
/** What `bodyOf` puts around a chunk's events, rounded up; ids are bounded. */
const ITEM_OVERHEAD_BYTES = 1024;
const MAX_DELAY_MS = 30 * 60_000;
const QUOTA_DELAY_MS = 60_000;
const REQUEST_TIMEOUT_MS = 60_000;
const REFUSED: ReadonlySet<number> = new Set([401, 403, 404]);
const NOT_NOW: ReadonlySet<number> = new Set([408, 429]);

/** What the uploader takes from the browser. */
export interface Network {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly sendBeacon: (url: string, body: Blob) => boolean;
  readonly isOnline: () => boolean;
  /** Runs `work` unless another tab is at it; gives whether it ran. */
  readonly exclusively: (name: string, work: () => Promise<void>) => Promise<boolean>;
}

export interface UploaderOptions {
  readonly host: string;
  readonly token: string;
  /** From a new chunk to its upload, so that a few travel together. */
  readonly intervalMs: number;
  /** First delay after a failure. */
  readonly retryDelayMs: number;
}

type Outcome = "stored" | "never" | "again" | "quota";

export class Uploader {
  readonly #store: () => ChunkStore;
  readonly #options: UploaderOptions;
  readonly #network: Network;
  readonly #findings: Findings;
  /** The newest chunks without an answer yet, as many as a beacon can take. */
  readonly #unsettled = new Map<string, Chunk>();
  /** Posted by a request that outlives the page. */
  #leaving: ReadonlySet<string> = new Set();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Infinity;
  #running: Promise<void> | null = null;
  #calledMeanwhile = false;
  #failures = 0;
  #maxChunks = MAX_BATCH_CHUNKS;

  constructor(
    store: () => ChunkStore,
    options: UploaderOptions,
    network: Network,
    findings: Findings,
  ) {
    this.#store = store;
    this.#options = options;
    this.#network = network;
    this.#findings = findings;
  }

  /** A chunk was kept: upload soon. */
  added(chunk: Chunk): void {
    this.#unsettled.set(chunk.uuid, chunk);
    let bytes = [...this.#unsettled.values()].reduce((sum, one) => sum + sizeOf(one), 0);
    for (const one of this.#unsettled.values()) {
      if (bytes <= BEACON_MAX_BYTES) {
        break;
      }
      this.#unsettled.delete(one.uuid);
      bytes -= sizeOf(one);
    }
    if (this.#failures === 0) {
      this.#schedule(this.#options.intervalMs);
    }
  }

  /** A session is deleted: nothing of it may leave any more. */
  forget(sessionId: string | null): void {
    for (const chunk of this.#unsettled.values()) {
      if (sessionId === null || chunk.sessionId === sessionId) {
        this.#unsettled.delete(chunk.uuid);
      }
    }
  }

  /** The network is back: what was waited for is over. */
  online(): void {
    this.#failures = 0;
    void this.now();
  }

  /** Upload now, whatever was waited for; resolves when this round is over. */
  async now(): Promise<void> {
    clearTimeout(this.#timer);
    this.#dueMs = Infinity;
    if (this.#running !== null) {
      // The round may be past the chunk this call is about.
      this.#calledMeanwhile = true;
      return this.#running;
    }
    this.#running = this.#round().finally(() => {
      this.#running = null;
      if (this.#calledMeanwhile && this.#failures === 0) {
        this.#schedule(0);
      }
      this.#calledMeanwhile = false;
    });
    await this.#running;
  }

  /** The page may be gone in a moment: send what fits without waiting for anything. */
  leave(nowMs: number): void {
    if (!this.#network.isOnline()) {
      return;
    }
    const batches = new Map<string, Chunk[]>();
    for (const chunk of this.#unsettled.values()) {
      if (!this.#leaving.has(chunk.uuid)) {
        const key = `${chunk.sessionId} ${chunk.windowId}`;
        batches.set(key, [...(batches.get(key) ?? []), chunk]);
      }
    }
    const url = snapshotUrl(this.#options.host, 0);
    for (const batch of batches.values()) {
      // Their answer is never seen: the next page sends them again, under the same uuids.
      this.#network.sendBeacon(
        url,
        new Blob([bodyOf(batch, this.#options.token, nowMs)], { type: "text/plain" }),
      );
    }
  }

  async #round(): Promise<void> {
    try {
      if (!this.#network.isOnline()) {
        return; // `online` calls again
      }
      const ran = await this.#network.exclusively(
        `SessionRecorder upload ${this.#options.token}`,
        () => this.#drain(),
      );
      if (!ran) {
        this.#schedule(this.#options.intervalMs);
      }
    } catch (error) {
      this.#findings.add("storage_unavailable", describe(error));
      this.#schedule(this.#backoffMs());
    }
  }

  async #drain(): Promise<void> {
    for (;;) {
      const store = this.#store();
      const batch = await store.pending(this.#options.token, MAX_BATCH_BYTES, this.#maxChunks);
      if (batch.length === 0) {
        return;
      }
      const outcome = await this.#send(batch);
      const uuids = batch.map((chunk) => chunk.uuid);
      if (outcome === "stored") {
        this.#failures = 0;
        this.#maxChunks = Math.min(MAX_BATCH_CHUNKS, this.#maxChunks * 2);
        await store.settle(uuids, "uploaded");
      } else if (outcome === "never" && batch.length > 1) {
        this.#maxChunks = Math.floor(batch.length / 2);
        continue;
      } else if (outcome === "never") {
        await store.settle(uuids, "rejected");
      } else {
        const delayMs = this.#backoffMs();
        this.#schedule(outcome === "quota" ? Math.max(QUOTA_DELAY_MS, delayMs) : delayMs);
        return;
      }
      for (const uuid of uuids) {
        this.#unsettled.delete(uuid);
      }
    }
  }

  async #send(batch: readonly Chunk[]): Promise<Outcome> {
    let response: Response;
    try {
      const body = await compressed(bodyOf(batch, this.#options.token, Date.now()));
      const keepalive = body.size < KEEPALIVE_MAX_BYTES;
      this.#leaving = new Set(keepalive ? batch.map((chunk) => chunk.uuid) : []);
      response = await this.#network.fetch(snapshotUrl(this.#options.host, this.#failures), {
        method: "POST",
        body,
        keepalive,
        credentials: "omit",
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
    } catch {
      return "again"; // offline, reset, refused, timed out: all of the network's making
    } finally {
      this.#leaving = new Set();
    }
    const { status } = response;
    if (status === 200) {
      return (await isQuotaLimited(response)) ? this.#quota() : "stored";
    }
    if (REFUSED.has(status)) {
      this.#findings.add("upload_refused", `status ${status}`);
      return "again";
    }
    if (status < 400 || status >= 500 || NOT_NOW.has(status)) {
      return "again";
    }
    if (batch.length === 1) {
      this.#findings.add("upload_rejected", `status ${status}, ${batch[0]?.bytes ?? 0} bytes`);
    }
    return "never";
  }

  #quota(): Outcome {
    this.#findings.add("quota_limited", "the server keeps no more recordings for now");
    return "quota";
  }

  /** Counts a failure and gives how long to wait after it. */
  #backoffMs(): number {
    const wholeMs = Math.min(MAX_DELAY_MS, this.#options.retryDelayMs * 2 ** this.#failures);
    this.#failures += 1;
    return wholeMs * (0.5 + Math.random());
  }

  #schedule(delayMs: number): void {
    const dueMs = Date.now() + delayMs;
    if (dueMs < this.#dueMs) {
      clearTimeout(this.#timer);
      this.#dueMs = dueMs;
      this.#timer = setTimeout(() => void this.now(), delayMs);
    }
  }
}

function sizeOf(chunk: Chunk): number {
  return chunk.bytes + ITEM_OVERHEAD_BYTES;
}

async function isQuotaLimited(response: Response): Promise<boolean> {
  try {
    const answer = (await response.json()) as { quota_limited?: unknown } | null;
    const limited = answer?.quota_limited;
    return Array.isArray(limited) && limited.includes("recordings");
  } catch {
    return false; // posthog-js, too, takes a 200 without JSON for stored
  }
}

/** The browser's own network. */
export function browserNetwork(): Network {
  return {
    fetch: (url, init) => fetch(url, init),
    sendBeacon: (url, body) => {
      try {
        return navigator.sendBeacon(url, body);
      } catch {
        return false;
      }
    },
    isOnline: () => navigator.onLine,
    exclusively: async (name, work) => {
      // Absent on pages without TLS.
      const locks = (navigator as { locks?: LockManager }).locks;
      if (locks === undefined) {
        await work();
        return true;
      }
      return locks.request(name, { ifAvailable: true }, async (lock) => {
        if (lock === null) {
          return false;
        }
        await work();
        return true;
      });
    },
  };
}
