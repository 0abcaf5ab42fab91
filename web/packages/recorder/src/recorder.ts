/**
 * `SessionRecorder`: records a page, keeps it, sends it, and gives it back.
 *
 * ```
 * rrweb ─ clean ─ buffer ─ chunk ──────────→ IndexedDB ──→ uploader ──→ <host>/s/
 *         names   500 ms   sealed, uuid    │              sendBeacon when the page goes
 *                                          └ localStorage, when the page goes: the only
 *                                            write that is certain to be finished then
 * ```
 *
 * Nothing is recorded before `start`. Nothing is thrown into the page: see `findings`.
 */

import { record } from "@rrweb/record";
import { EventType, IncrementalSource } from "@replayport/types";

import { Enclosure } from "./enclosure";
import { eventsOf, fileOf, type ExportFormat, type RecordedEvent } from "./exporting";
import { describe, Findings, type FindingCode } from "./findings";
import { UuidSource } from "./ids";
import { ChunkKeeper } from "./keeping";
import { linkTo } from "./links";
import { DEFAULTS, type PlayOptions, type RecorderOptions } from "./options";
import { PlayerUnavailableError, playIn } from "./playing";
import {
  cleanEvent,
  maskInput,
  REDACTED,
  sanitizeFormData,
  SensitiveNames,
  type MaskRules,
} from "./privacy";
import { SafeStorage, SessionKeeper } from "./session";
import { IndexedDbStore, type Chunk, type SessionRecord } from "./store";
import { Throttle } from "./throttle";
import { browserNetwork, Uploader } from "./uploader";

/** More than this and the buffer is a chunk at once. */
const MAX_BUFFER_CHARS = 0.9 * 2 ** 20;
const DISTINCT_ID_KEY = "replayport_recorder_distinct_id";
const CHANNEL = "SessionRecorder";

/** Sources that show a person at work; posthog-js's set. */
const ACTIVITY: ReadonlySet<number> = new Set([
  IncrementalSource.MouseMove,
  IncrementalSource.MouseInteraction,
  IncrementalSource.Scroll,
  IncrementalSource.ViewportResize,
  IncrementalSource.Input,
  IncrementalSource.TouchMove,
  IncrementalSource.MediaInteraction,
  IncrementalSource.Drag,
]);

interface RrwebEvent {
  readonly type: number;
  readonly timestamp: number;
  readonly data: unknown;
}

/** Events of one window that are not a chunk yet. */
interface Buffer {
  readonly sessionId: string;
  readonly windowId: string;
  readonly texts: string[];
  chars: number;
  startMs: number;
  endMs: number;
}

type Settings = RecorderOptions & Required<Pick<RecorderOptions, keyof typeof DEFAULTS>>;

export class SessionRecorder {
  readonly #options: Settings;
  readonly #findings: Findings;
  readonly #ids = new UuidSource();
  readonly #throttle = new Throttle();
  readonly #rules: MaskRules;
  readonly #enclosure: Enclosure;
  readonly #shared = new SafeStorage(() => window.localStorage);
  readonly #session: SessionKeeper;
  readonly #uploader: Uploader | null;
  readonly #keeper: ChunkKeeper;
  #distinctId: string;

  #stopRrweb: (() => void) | null = null;
  #stopListening: AbortController | null = null;
  #channel: BroadcastChannel | null = null;
  #isRecording = false;
  #isIdle = false;
  #toldSessionId: string | null = null;
  #buffer: Buffer | null = null;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #snapshotTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: RecorderOptions = {}) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#options = { ...DEFAULTS, ...Object.fromEntries(given) };
    this.#findings = new Findings(options.onFinding);
    this.#session = new SessionKeeper(
      this.#shared,
      new SafeStorage(() => window.sessionStorage),
      this.#ids,
      this.#options,
    );
    this.#rules = {
      maskAllInputs: this.#options.maskAllInputs,
      names: new SensitiveNames(options.sensitiveKeys),
      maskSelector: selectorOf(
        [this.#options.maskTextClass, this.#options.ignoreClass],
        ["mask", "ignore"],
        [options.maskTextSelector, options.ignoreSelector],
      ),
    };
    this.#enclosure = new Enclosure(
      (id) => record.mirror.getNode(id),
      selectorOf([this.#options.blockClass], ["block"], [options.blockSelector]),
      selectorOf([this.#options.maskTextClass], ["mask"], [options.maskTextSelector]),
    );
    this.#distinctId = options.distinctId ?? "";
    this.#uploader = this.#makeUploader();
    this.#keeper = new ChunkKeeper(
      new IndexedDbStore(() => window.indexedDB),
      this.#shared,
      this.#options,
      {
        onKept: (chunk) => {
          this.#onKept(chunk);
        },
        onFull: () => {
          this.#halt();
        },
        upload: async () => this.#uploader?.now(),
      },
      this.#findings,
    );
  }

  get isRecording(): boolean {
    return this.#isRecording;
  }

  /** Null before the first `start`. */
  get sessionId(): string | null {
    return this.#session.sessionId;
  }

  /** Null before the first `start`. */
  get windowId(): string | null {
    return this.#session.windowId;
  }

  /** Null before the first `start`, and without the option `replayUrl`. */
  get replayUrl(): string | null {
    const { sessionId } = this;
    return sessionId === null ? null : this.#link(sessionId);
  }

  /** How often what went wrong. */
  get findings(): ReadonlyMap<FindingCode, number> {
    return this.#findings.counts;
  }

  /**
   * Start recording, at once. The promise tells whether it did; when it is settled the
   * page as it is now is in the database. One recorder at a time records a page.
   */
  start(): Promise<boolean> {
    if (this.#isRecording) {
      return Promise.resolve(true);
    }
    return this.#begin().catch((error: unknown) => {
      this.#findings.add("recorder_error", describe(error));
      this.#halt();
      return false;
    });
  }

  /** Stop recording, at once. When the promise is settled all of it is in the database. */
  async stop(): Promise<void> {
    this.#halt();
    await this.flush();
    void this.#uploader?.now();
  }

  /**
   * Add an event of the page's own, as an rrweb custom event with `type` as its tag.
   *
   * Gives whether it was recorded: not while stopped, nor sooner after the last of its
   * type than `throttleMs` says. `data` is any JSON; values under sensitive names are
   * redacted first, see `sanitizeFormData`.
   */
  addEvent(type: string, data: unknown = null): boolean {
    try {
      if (!this.#isRecording) {
        return false;
      }
      const minIntervalMs = this.#options.throttleMs?.[type];
      if (minIntervalMs !== undefined && this.shouldThrottle(type, minIntervalMs)) {
        return false;
      }
      const isBareSecret = typeof data !== "object" && this.#rules.names.has(type);
      const payload = isBareSecret ? REDACTED : this.sanitizeFormData(data);
      return this.#take({
        type: EventType.Custom,
        timestamp: Date.now(),
        data: { tag: type, payload: payload ?? null },
      });
    } catch (error) {
      this.#findings.add("invalid_event", describe(error));
      return false;
    }
  }

  /**
   * Whether something of this type comes sooner than `minIntervalMs` after the last that
   * passed. When it does not, it counts as passed.
   */
  shouldThrottle(type: string, minIntervalMs: number): boolean {
    return this.#throttle.shouldThrottle(type, minIntervalMs, performance.now());
  }

  /** A copy of form data with secrets redacted, the option `sensitiveKeys` included. */
  sanitizeFormData(data: unknown): unknown {
    return sanitizeFormData(data, this.#options.sensitiveKeys);
  }

  /** Bring what is in memory into the database. */
  async flush(): Promise<void> {
    this.#seal();
    await this.#keeper.written();
  }

  /** Upload what is pending now. Goes on by itself afterwards when that did not work. */
  async upload(): Promise<void> {
    await this.flush();
    await this.#uploader?.now();
  }

  /** Recordings kept in this browser, newest first. */
  async list(): Promise<SessionRecord[]> {
    return this.#reading([], () => this.#keeper.store.sessions());
  }

  /** rrweb events of a recording, of all its windows, in order of time. */
  async events(sessionId: string): Promise<RecordedEvent[]> {
    return this.#reading([], async () => eventsOf(await this.#keeper.store.chunks(sessionId)));
  }

  /** A recording as a file: `json` for rrweb's players, `jsonl` with all its ids. */
  async exportSession(sessionId: string, format: ExportFormat = "json"): Promise<Blob> {
    return this.#reading(new Blob([]), async () =>
      fileOf(await this.#keeper.store.chunks(sessionId), format),
    );
  }

  /** Let the visitor save a recording. */
  async download(sessionId: string, format: ExportFormat = "json"): Promise<void> {
    const url = URL.createObjectURL(await this.exportSession(sessionId, format));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${sessionId}.${format}`;
    link.click();
    setTimeout(() => {
      URL.revokeObjectURL(url);
    });
  }

  /** Play a recording; gives the player's element, null when there is none to play in. */
  async play(sessionId: string, options: PlayOptions = {}): Promise<HTMLElement | null> {
    const events = await this.events(sessionId);
    try {
      return await playIn(events, options, this.#options.blockClass);
    } catch (error) {
      if (!(error instanceof PlayerUnavailableError)) {
        this.#findings.add("player_unavailable", describe(error));
        return null;
      }
      this.#findings.add(error.code, error.message);
      return null;
    }
  }

  /**
   * Delete a recording from this browser. The one being recorded goes on as a new session.
   * What a server has is not touched.
   */
  async delete(sessionId: string): Promise<void> {
    await this.#deleting(sessionId, () => this.#keeper.store.remove(sessionId));
  }

  /** Delete every recording of this site from this browser. */
  async deleteAll(): Promise<void> {
    await this.#deleting(null, () => this.#keeper.store.clear());
  }

  // --- start and stop --------------------------------------------------------------

  async #begin(): Promise<boolean> {
    if (this.#options.respectDoNotTrack === true && asksNotToBeTracked()) {
      this.#findings.add("do_not_track", "the visitor asks not to be tracked");
      return false;
    }
    if (this.#distinctId === "") {
      this.#distinctId = this.#shared.getItem(DISTINCT_ID_KEY) ?? this.#ids.next(Date.now());
      this.#shared.setItem(DISTINCT_ID_KEY, this.#distinctId);
    }
    this.#session.begin(Date.now());
    this.#isRecording = true;
    this.#isIdle = false;
    this.#listen();
    this.#stopRrweb = this.#record();
    this.#snapshotTimer = setInterval(() => {
      this.#guard(() => {
        if (!this.#isIdle) {
          record.takeFullSnapshot(true);
        }
      });
    }, this.#options.fullSnapshotIntervalMs);
    this.#tell();
    await this.flush();
    await this.#keeper.tidy(Date.now());
    void this.#uploader?.now();
    return this.#isRecording;
  }

  #halt(): void {
    this.#isRecording = false;
    clearInterval(this.#snapshotTimer);
    const stop = this.#stopRrweb;
    this.#stopRrweb = null;
    this.#guard(() => stop?.());
    this.#guard(() => {
      this.#session.markClosed(Date.now());
    });
    this.#channel?.close();
    this.#channel = null;
    // An unsent rest is still sent when the page goes or is back online.
  }

  #record(): () => void {
    const { blockSelector, maskTextSelector, ignoreSelector } = this.#options;
    // Keys are types or tag names; with the tag, rrweb asks `maskInputFn` for every type.
    const maskInputOptions = {
      input: true,
      textarea: true,
      select: this.#options.maskAllInputs,
    } as Record<string, boolean>;
    const stop = record({
      emit: (event) => {
        this.#guard(() => {
          this.#take(event);
        });
      },
      blockClass: this.#options.blockClass,
      blockSelector: selectorOf([], ["block"], [blockSelector]),
      maskTextClass: this.#options.maskTextClass,
      maskTextSelector: selectorOf([], ["mask"], [maskTextSelector]),
      ignoreClass: this.#options.ignoreClass,
      ignoreSelector: selectorOf([], ["ignore"], [ignoreSelector]),
      maskInputOptions,
      maskInputFn: (text, element) => maskInput(text, element as Element | null, this.#rules),
      recordCanvas: this.#options.recordCanvas ?? false,
      recordCrossOriginIframes: false,
      errorHandler: (error: unknown) => {
        this.#findings.add("recorder_error", describe(error));
        return true; // handled: rrweb throws into the page's own calls otherwise
      },
    });
    if (stop === undefined) {
      throw new Error("rrweb did not start");
    }
    return stop;
  }

  #listen(): void {
    this.#stopListening?.abort();
    this.#stopListening = new AbortController();
    const { signal } = this.#stopListening;
    const on = (target: EventTarget, name: string, handler: (event: Event) => void): void => {
      target.addEventListener(
        name,
        (event) => {
          this.#guard(() => {
            handler(event);
          });
        },
        { signal },
      );
    };
    on(window, "pagehide", () => {
      this.#leave();
    });
    on(window, "pageshow", (event) => {
      if ((event as PageTransitionEvent).persisted && this.#isRecording) {
        this.#session.markOpen();
      }
    });
    on(document, "visibilitychange", () => {
      if (document.visibilityState === "hidden") {
        void this.upload();
      }
    });
    on(window, "online", () => {
      this.#uploader?.online();
    });
    if (typeof BroadcastChannel !== "undefined") {
      this.#channel = new BroadcastChannel(CHANNEL);
      on(this.#channel, "message", (event) => {
        this.#onDeletedElsewhere((event as MessageEvent).data);
      });
    }
  }

  // --- events ----------------------------------------------------------------------

  /** Take an event in; gives whether it is kept. */
  #take(event: RrwebEvent): boolean {
    if (!this.#isRecording) {
      return false;
    }
    const isActivity =
      event.type === EventType.IncrementalSnapshot &&
      ACTIVITY.has((event.data as { source: number }).source);
    const isPicture = event.type === EventType.Meta || event.type === EventType.FullSnapshot;
    if (!isPicture && this.#session.note(event.timestamp, isActivity)) {
      this.#isIdle = false;
      this.#tell();
      record.takeFullSnapshot(true);
      return this.#push({ ...event, timestamp: Date.now() });
    }
    if (isActivity && this.#isIdle) {
      this.#isIdle = false;
      this.#push(custom("sessionNoLongerIdle", { eventTimestamp: event.timestamp }, Date.now()));
      record.takeFullSnapshot(true); // changes were dropped meanwhile
      // Behind the picture it belongs to, or it would be played on the page as it was.
      return this.#push({ ...event, timestamp: Date.now() });
    }
    if (!isActivity && this.#idles(event)) {
      return false;
    }
    return this.#push(event);
  }

  /** Whether an event falls into idle time and is dropped; notes when that begins. */
  #idles(event: RrwebEvent): boolean {
    const { lastActivityMs } = this.#session;
    const idleMs = event.timestamp - lastActivityMs;
    const { idleThresholdMs, idleTimeoutMs } = this.#options;
    if (!this.#isIdle && idleMs > idleThresholdMs) {
      this.#isIdle = true;
      const payload = {
        eventTimestamp: event.timestamp,
        lastActivityTimestamp: lastActivityMs,
        threshold: idleThresholdMs,
      };
      this.#push(custom("sessionIdle", payload, lastActivityMs + idleThresholdMs));
      this.#seal();
    }
    // What the page itself reports counts as long as the session does.
    return this.#isIdle && !(event.type === EventType.Custom && idleMs <= idleTimeoutMs);
  }

  #push(event: RrwebEvent): boolean {
    const { sessionId, windowId } = this.#session;
    if (sessionId === null || windowId === null) {
      return false;
    }
    if (!this.#enclosure.clean(event)) {
      return false;
    }
    cleanEvent(event, this.#rules);
    const text = JSON.stringify(event);
    if (this.#buffer?.sessionId !== sessionId || this.#buffer.windowId !== windowId) {
      this.#seal();
    }
    this.#buffer ??= {
      sessionId,
      windowId,
      texts: [],
      chars: 0,
      startMs: event.timestamp,
      endMs: event.timestamp,
    };
    const buffer = this.#buffer;
    buffer.texts.push(text);
    buffer.chars += text.length;
    buffer.startMs = Math.min(buffer.startMs, event.timestamp);
    buffer.endMs = Math.max(buffer.endMs, event.timestamp);
    // A full snapshot is the one event nothing can do without.
    if (event.type === EventType.FullSnapshot || buffer.chars > MAX_BUFFER_CHARS) {
      this.#seal();
    } else {
      this.#flushTimer ??= setTimeout(() => {
        this.#seal();
      }, this.#options.flushIntervalMs);
    }
    return true;
  }

  /** Make the buffer a chunk and begin to write it. */
  #seal(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const buffer = this.#buffer;
    this.#buffer = null;
    if (buffer === null) {
      return;
    }
    const nowMs = Date.now();
    const events = `[${buffer.texts.join(",")}]`;
    const chunk: Chunk = {
      uuid: this.#ids.next(nowMs),
      sessionId: buffer.sessionId,
      windowId: buffer.windowId,
      distinctId: this.#distinctId,
      createdMs: nowMs,
      startMs: buffer.startMs,
      endMs: buffer.endMs,
      eventCount: buffer.texts.length,
      bytes: new TextEncoder().encode(events).length,
      events,
      ...(this.#uploader === null
        ? { state: "local" as const }
        : { state: "pending" as const, pending: this.#options.token ?? "" }),
    };
    this.#keeper.keep(chunk);
  }

  #onKept(chunk: Chunk): void {
    if (chunk.state === "pending") {
      this.#uploader?.added(chunk);
    }
  }

  /** The page goes. Databases and requests may not come to an end any more. */
  #leave(): void {
    this.#seal();
    for (const chunk of this.#keeper.spill()) {
      this.#onKept(chunk);
    }
    this.#session.markClosed(Date.now());
    this.#uploader?.leave(Date.now());
  }

  // --- reading and deleting --------------------------------------------------------

  async #reading<T>(nothing: T, read: () => Promise<T>): Promise<T> {
    try {
      await this.flush();
      return await read();
    } catch (error) {
      this.#findings.add("storage_unavailable", describe(error));
      return nothing;
    }
  }

  /** `sessionId` null is every session. */
  async #deleting(sessionId: string | null, work: () => Promise<void>): Promise<void> {
    try {
      this.#abandon(sessionId);
      await this.flush();
      await work();
      this.#keeper.deleteSpills(sessionId);
      this.#uploader?.forget(sessionId);
      this.#keeper.recount();
      this.#channel?.postMessage({ deleted: sessionId });
    } catch (error) {
      this.#findings.add("storage_unavailable", describe(error));
    }
  }

  /** Drop what is in memory of a session; when it is the current one, begin another. */
  #abandon(sessionId: string | null): void {
    this.#uploader?.forget(sessionId);
    if (sessionId !== null && sessionId !== this.sessionId) {
      return;
    }
    this.#buffer = null;
    if (this.sessionId !== null) {
      this.#session.renew(Date.now());
    }
    if (this.#isRecording) {
      this.#guard(() => {
        this.#tell();
        record.takeFullSnapshot(true);
      });
    }
  }

  #onDeletedElsewhere(message: unknown): void {
    const deleted = (message as { deleted?: unknown } | null)?.deleted;
    this.#keeper.recount();
    if (deleted === null || (typeof deleted === "string" && deleted === this.sessionId)) {
      // The tab that deleted has begun the next session already: join it.
      this.#buffer = null;
      this.#uploader?.forget(deleted);
      this.#session.begin(Date.now());
      this.#tell();
      record.takeFullSnapshot(true);
    }
  }

  // --- small things ----------------------------------------------------------------

  #makeUploader(): Uploader | null {
    const { host, token, uploadIntervalMs, retryDelayMs } = this.#options;
    if (host === undefined || host === "") {
      return null;
    }
    if (token === undefined || token === "") {
      this.#findings.add("missing_token", "host is given and token is not; nothing is uploaded");
      return null;
    }
    return new Uploader(
      () => this.#keeper.store,
      { host, token, intervalMs: uploadIntervalMs, retryDelayMs },
      browserNetwork(),
      this.#findings,
    );
  }

  #tell(): void {
    const { sessionId } = this;
    if (sessionId === null || sessionId === this.#toldSessionId) {
      return;
    }
    this.#toldSessionId = sessionId;
    try {
      this.#options.onSessionId?.(sessionId, this.#link(sessionId));
    } catch (error) {
      this.#findings.add("callback_failed", describe(error));
    }
  }

  #link(sessionId: string): string | null {
    try {
      return linkTo(sessionId, this.#options.replayUrl);
    } catch (error) {
      this.#findings.add("callback_failed", describe(error));
      return null;
    }
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#findings.add("recorder_error", describe(error));
    }
  }
}

function custom(tag: string, payload: unknown, timestamp: number): RrwebEvent {
  return { type: EventType.Custom, timestamp, data: { tag, payload } };
}

/** Classes, values of `data-replayport`, and selectors of the page, as one selector. */
function selectorOf(
  classes: readonly string[],
  values: readonly string[],
  selectors: readonly (string | undefined)[],
): string {
  return [
    ...classes.map((name) => `.${CSS.escape(name)}`),
    ...values.map((value) => `[data-replayport~="${value}"]`),
    ...selectors.filter((selector) => selector !== undefined && selector !== ""),
  ].join(",");
}

function asksNotToBeTracked(): boolean {
  const { doNotTrack, globalPrivacyControl } = navigator as Navigator & {
    doNotTrack?: string | null;
    globalPrivacyControl?: boolean;
  };
  return doNotTrack === "1" || doNotTrack === "yes" || globalPrivacyControl === true;
}
