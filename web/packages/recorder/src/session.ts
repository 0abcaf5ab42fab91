/**
 * Which session and window a page belongs to, by posthog-js's rules.
 *
 * ```
 * localStorage    replayport_recorder_session   [lastActivityMs, sessionId, startMs], all tabs
 * sessionStorage  replayport_recorder_window    the tab's window id; survives a reload
 *                 replayport_recorder_open      set while a page of the tab is open
 * ```
 *
 * A session ends after `idleTimeoutMs` without activity in any tab, and at `maxSessionMs`
 * in any case. A new session has new window ids. A tab that another has left behind
 * joins the other's session at its next activity. A duplicated tab inherits a copy of
 * `sessionStorage` with the open mark in it, and so knows to take a window id of its own.
 */

import type { UuidSource } from "./ids";

/** The part of `Storage` used here. */
export type KeyValues = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export interface SessionLimits {
  readonly idleTimeoutMs: number;
  readonly maxSessionMs: number;
}

interface Shared {
  lastActivityMs: number;
  sessionId: string;
  startMs: number;
}

const SESSION_KEY = "replayport_recorder_session";
const WINDOW_KEY = "replayport_recorder_window";
const OPEN_KEY = "replayport_recorder_open";
/** Activity is written down at most this often. */
const SYNC_EVERY_MS = 1000;
/** A stored session that starts later than this from now was made by a wrong clock. */
const MAX_AHEAD_MS = 60_000;

export class SessionKeeper {
  readonly #shared: KeyValues;
  readonly #tab: KeyValues;
  readonly #ids: UuidSource;
  readonly #limits: SessionLimits;
  #state: Shared | null = null;
  #windowId: string | null = null;
  #syncedAtMs = 0;

  constructor(shared: KeyValues, tab: KeyValues, ids: UuidSource, limits: SessionLimits) {
    this.#shared = shared;
    this.#tab = tab;
    this.#ids = ids;
    this.#limits = limits;
  }

  /** Null before the first `begin`. */
  get sessionId(): string | null {
    return this.#state?.sessionId ?? null;
  }

  /** Null before the first `begin`. */
  get windowId(): string | null {
    return this.#windowId;
  }

  get lastActivityMs(): number {
    return this.#state?.lastActivityMs ?? 0;
  }

  /** Continue the stored session, or make one. Loading a page is activity. */
  begin(nowMs: number): void {
    const stored = this.#read();
    if (stored === null || this.#isOver(stored, nowMs)) {
      this.renew(nowMs);
    } else {
      const isAnother = this.#state !== null && this.#state.sessionId !== stored.sessionId;
      this.#state = stored;
      this.#touch(nowMs);
      this.#windowId = isAnother ? null : this.#windowId;
      this.#windowId ??= this.#inheritedWindowId() ?? this.#newWindowId(nowMs);
    }
    this.markOpen();
  }

  /**
   * Note an event; gives whether the session changed, by rotation or by joining that of
   * another tab. Then nothing of the old session may follow under the new ids.
   */
  note(nowMs: number, isActivity: boolean): boolean {
    const state = this.#state;
    if (state === null) {
      return false;
    }
    const seemsOver = isActivity
      ? this.#isOver(state, nowMs)
      : nowMs - state.startMs > this.#limits.maxSessionMs;
    if (!seemsOver && (!isActivity || nowMs - this.#syncedAtMs < SYNC_EVERY_MS)) {
      if (isActivity) {
        state.lastActivityMs = nowMs;
      }
      return false;
    }
    // Another tab may have kept the session alive, or have begun the next one.
    const stored = this.#read() ?? state;
    if (this.#isOver(stored, nowMs)) {
      this.renew(nowMs);
      return true;
    }
    const changed = stored.sessionId !== state.sessionId;
    this.#state = stored;
    if (isActivity) {
      this.#touch(nowMs);
    }
    if (changed) {
      this.#newWindowId(nowMs);
    }
    return changed;
  }

  /** Begin another session, whatever is stored. */
  renew(nowMs: number): void {
    this.#state = { lastActivityMs: nowMs, sessionId: this.#ids.next(nowMs), startMs: nowMs };
    this.#write(nowMs);
    this.#newWindowId(nowMs);
  }

  /** A page of this tab is open: a copy of its storage is a duplicated tab. */
  markOpen(): void {
    this.#tab.setItem(OPEN_KEY, "1");
  }

  /** The page is going; the next page of this tab may take its window id. */
  markClosed(nowMs: number): void {
    this.#tab.removeItem(OPEN_KEY);
    const stored = this.#read();
    if (this.#state !== null && stored?.sessionId === this.#state.sessionId) {
      this.#state.lastActivityMs = Math.max(
        this.#state.lastActivityMs,
        Math.min(stored.lastActivityMs, nowMs),
      );
      this.#write(nowMs);
    }
  }

  #isOver(state: Shared, nowMs: number): boolean {
    return (
      nowMs - state.lastActivityMs > this.#limits.idleTimeoutMs ||
      nowMs - state.startMs > this.#limits.maxSessionMs ||
      state.startMs - nowMs > MAX_AHEAD_MS
    );
  }

  #touch(nowMs: number): void {
    if (this.#state !== null) {
      this.#state.lastActivityMs = Math.max(this.#state.lastActivityMs, nowMs);
      this.#write(nowMs);
    }
  }

  #inheritedWindowId(): string | null {
    return this.#tab.getItem(OPEN_KEY) === null ? this.#tab.getItem(WINDOW_KEY) : null;
  }

  #newWindowId(nowMs: number): string {
    const windowId = this.#ids.next(nowMs);
    this.#windowId = windowId;
    this.#tab.setItem(WINDOW_KEY, windowId);
    return windowId;
  }

  #read(): Shared | null {
    try {
      const found: unknown = JSON.parse(this.#shared.getItem(SESSION_KEY) ?? "null");
      if (!Array.isArray(found)) {
        return null;
      }
      const [lastActivityMs, sessionId, startMs] = found as unknown[];
      return typeof lastActivityMs === "number" &&
        typeof sessionId === "string" &&
        /^[A-Za-z0-9-]{1,70}$/.test(sessionId) &&
        typeof startMs === "number"
        ? { lastActivityMs, sessionId, startMs }
        : null;
    } catch {
      return null;
    }
  }

  #write(nowMs: number): void {
    const state = this.#state;
    if (state !== null) {
      this.#syncedAtMs = nowMs;
      this.#shared.setItem(
        SESSION_KEY,
        JSON.stringify([state.lastActivityMs, state.sessionId, state.startMs]),
      );
    }
  }
}

/**
 * The page's storage, or memory where the browser refuses it: in a sandboxed frame even
 * reading `window.localStorage` throws.
 */
export class SafeStorage implements KeyValues {
  readonly #real: Storage | null;
  readonly #memory = new Map<string, string>();

  constructor(open: () => Storage) {
    let real: Storage | null = null;
    try {
      real = open();
    } catch {
      // Stays in memory.
    }
    this.#real = real;
  }

  getItem(key: string): string | null {
    return this.#memory.get(key) ?? this.#real?.getItem(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (!this.trySetItem(key, value)) {
      this.#memory.set(key, value);
    }
  }

  /** Like `setItem`, but false rather than kept in memory when the storage is full. */
  trySetItem(key: string, value: string): boolean {
    try {
      this.#real?.setItem(key, value);
      this.#memory.delete(key);
      return this.#real !== null;
    } catch {
      return false;
    }
  }

  removeItem(key: string): void {
    this.#memory.delete(key);
    this.#real?.removeItem(key);
  }

  keys(): string[] {
    return Object.keys(this.#real ?? {});
  }
}
