/**
 * Brings driver, clock, state machine and stage together; knows no user interface.
 *
 * All positions in its interface are ms since the start of the recording; the epoch is
 * used only towards driver and stage.
 */

import { EventType, type GroupData, type GroupIndex } from "@replayport/types";

import { Clock, skipSpeed } from "./clock";
import type { Driver } from "./driver/driver";
import { NoFullSnapshotError, PlayerError, RecordingChangedError } from "./errors";
import type { Rows } from "./frame/protocol";
import { planOf, type Plan, type Position } from "./plan";
import type { Screen } from "./stage";
import { idleAt, timelineOf, windowAt, type Marker, type Timeline } from "./timeline";
import { INITIAL_STATE, transition, type PlayerEvent, type State } from "./transition";

export const SPEEDS: readonly number[] = [0.5, 1, 1.5, 2, 4, 8];

/** Events are sent to the frame at least this long before they are due. */
const LOOK_AHEAD_MS = 10_000;
/**
 * What a stretch may hold, in characters of its events; the frame has them as objects, several
 * times as large. Past it the next full snapshot begins a new stretch, and the old one goes.
 */
const STRETCH_CHARS = 8 << 20;
/** Rows sent ahead at once. */
const ROWS_AHEAD = 100;
/** Windows of which the frame has a stretch. */
const KEPT_STRETCHES = 3;
const INDEXES_AT_ONCE = 4;
/** Of a console line, this much is shown. */
const LABEL_CHARS = 140;
/** A speed that changes less than this is not worth a message. */
const PACE_STEP = 0.08;

export interface SessionEvents {
  readonly onState: (state: State, before: State) => void;
  readonly onOpened: () => void;
  readonly onFirstFrame: () => void;
  readonly onTimeline: () => void;
  readonly onWindow: () => void;
  readonly onFinding: (code: string, count: number) => void;
  readonly onFailed: (error: PlayerError) => void;
}

export interface OpenOptions {
  readonly autoplay: boolean;
  /** Where to start; all three are ms since the start of the recording. */
  readonly startMs: number;
  /** What to show of the recording; all of it without them. */
  readonly fromMs?: number;
  readonly toMs?: number;
  /** As by `chooseWindow`; the window in use is followed without it. */
  readonly windowId?: string | null;
}

/** A stretch of one window that the frame has, from a full snapshot on. */
interface Stretch {
  readonly take: number;
  readonly from: Position;
  /** The first row that was not sent. */
  next: Position;
  /** When that row is due, epoch ms; Infinity after the last. */
  nextMs: number;
  chars: number;
  /** Nothing is appended any more: `next` is a full snapshot, from which a new one starts. */
  isFull: boolean;
  /** Why the next rows could not be read; told when they are due. Null when they can. */
  failure: unknown;
}

const EMPTY_TIMELINE: Timeline = { markers: [], idle: [], changes: [], windows: [] };

export class Session {
  readonly #stage: Screen;
  readonly #events: SessionEvents;
  readonly #clock = new Clock();
  readonly #stretches = new Map<string, Stretch>();
  /** Takes to drop as soon as something else is shown. */
  readonly #useless: number[] = [];
  #driver: Driver | null = null;
  #state: State = INITIAL_STATE;
  #timeline: Timeline = EMPTY_TIMELINE;
  #timelineKnown = false;
  #errors: readonly Marker[] = [];
  /** Rows of each group whose console lines are among `errors`. */
  readonly #consoleRead = new Map<number, number>();
  #startMs = 0;
  #endMs = 0;
  /** What is shown of the recording, ms since its start. */
  #fromMs = 0;
  #toMs = Infinity;
  #speed = 1;
  #pace = 0;
  #skipsIdle = false;
  #chosenWindow: string | null = null;
  #shownWindow: string | null = null;
  #drawnOnce = false;
  #feeding = false;
  /** Counts seeks, so that what an overtaken one still awaits is dropped. */
  #seeks = 0;
  #seeking = false;
  #closed = false;

  constructor(stage: Screen, events: SessionEvents) {
    this.#stage = stage;
    this.#events = events;
  }

  get state(): State {
    return this.#state;
  }

  get startMs(): number {
    return this.#startMs;
  }

  get durationMs(): number {
    return this.#endMs - this.#startMs;
  }

  /** Where what is shown begins and ends, ms since the start of the recording. */
  get fromMs(): number {
    return Math.min(this.#fromMs, this.toMs);
  }

  get toMs(): number {
    return Math.min(this.#toMs, this.durationMs);
  }

  get timeline(): Timeline {
    return this.#timeline;
  }

  /** Markers of the light columns and of the console, in no order. */
  get markersUnordered(): readonly Marker[] {
    return [...this.#timeline.markers, ...this.#errors];
  }

  get speed(): number {
    return this.#speed;
  }

  get skipsIdle(): boolean {
    return this.#skipsIdle;
  }

  /** Speed of the clock just now, more than `speed` while idle time is skipped. */
  get pace(): number {
    return this.#pace;
  }

  get shownWindow(): string | null {
    return this.#shownWindow;
  }

  /** The window somebody chose; null while the one in use is followed. */
  get chosenWindow(): string | null {
    return this.#chosenWindow;
  }

  get eventCount(): number {
    return (this.#driver?.spans ?? []).reduce((sum, span) => sum + span.events, 0);
  }

  positionMs(nowMs: number): number {
    if (this.#state.name === "seeking" || this.#state.name === "opening") {
      return this.#state.targetMs;
    }
    return this.#within(this.#clock.at(nowMs));
  }

  /** Up to where events are here without waiting. */
  fedMs(): number {
    const nextMs = this.#stretches.get(this.#shownWindow ?? "")?.nextMs ?? this.#startMs;
    return Math.min(this.durationMs, nextMs - this.#startMs);
  }

  async open(load: () => Promise<Driver>, options: OpenOptions): Promise<void> {
    const { autoplay, startMs, fromMs = 0, toMs = Infinity, windowId = null } = options;
    this.#chosenWindow = windowId;
    this.#fromMs = Math.max(0, fromMs);
    this.#toMs = Math.max(this.#fromMs, toMs);
    this.#dispatch({
      type: "open",
      autoplay,
      startMs: Math.min(this.#toMs, Math.max(this.#fromMs, startMs)),
    });
    try {
      const driver = await load();
      if (this.#closed) {
        return;
      }
      this.#driver = driver;
      this.#startMs = driver.spans[0]?.startMs ?? 0;
      this.#endMs = driver.spans.reduce((end, span) => Math.max(end, span.endMs), this.#startMs);
      this.#events.onOpened();
      const { targetMs } = this.#state;
      if (this.#within(targetMs) !== targetMs) {
        this.seek(targetMs);
      }
      this.#dispatch({ type: "opened" });
    } catch (error) {
      this.#fail(error);
    }
  }

  play(): void {
    this.#dispatch({ type: "play", fromMs: this.fromMs });
  }

  pause(): void {
    this.#dispatch({ type: "pause" });
  }

  seek(targetMs: number): void {
    // How long a recording is, is not known before it is open.
    const toMs = this.#driver === null ? this.#toMs : this.toMs;
    const fromMs = Math.min(this.#fromMs, toMs);
    this.#dispatch({ type: "seek", targetMs: Math.min(toMs, Math.max(fromMs, targetMs)) });
  }

  setSpeed(speed: number): void {
    this.#speed = Math.min(8, Math.max(0.5, speed));
  }

  setSkipsIdle(skips: boolean): void {
    this.#skipsIdle = skips;
  }

  /** Show one window whatever happens in others; null follows the one in use. */
  chooseWindow(windowId: string | null): void {
    this.#chosenWindow = windowId;
    this.#events.onWindow();
    if (this.#wantedWindow(this.#nowMs()) !== this.#shownWindow) {
      this.seek(this.#nowMs());
    }
  }

  /** Move on; called for every picture the browser paints. */
  tick(nowMs: number): void {
    if (this.#state.name !== "playing" || this.#driver === null) {
      return;
    }
    const atMs = this.positionMs(nowMs);
    const epochMs = this.#startMs + atMs;
    if (atMs >= this.toMs) {
      this.#dispatch({ type: "finished" });
      return;
    }
    if (this.#wantedWindow(atMs) !== this.#shownWindow) {
      this.seek(atMs);
      return;
    }
    this.#setPace(this.#paceAt(epochMs), atMs, nowMs);
    const stretch = this.#stretches.get(this.#shownWindow ?? "");
    if (stretch === undefined) {
      return;
    }
    if (this.#isDueSoon(stretch)) {
      void this.#feedAhead(stretch);
    }
    if (stretch.nextMs <= epochMs) {
      if (stretch.isFull) {
        this.seek(atMs);
      } else if (stretch.failure !== null) {
        this.#fail(stretch.failure);
      } else {
        this.#dispatch({ type: "starved" });
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#seeks += 1;
  }

  #within(atMs: number): number {
    return Math.min(this.toMs, Math.max(this.fromMs, atMs));
  }

  #nowMs(): number {
    return this.positionMs(performance.now());
  }

  #dispatch(event: PlayerEvent): void {
    const before = this.#state;
    const atMs = this.#nowMs();
    const state = transition(before, event);
    if (state === before) {
      return;
    }
    this.#state = state;
    if (state.name === "playing") {
      const fromMs = before.name === "seeking" ? before.targetMs : atMs;
      this.#clock.set(fromMs, 0, performance.now());
      this.#setPace(this.#paceAt(this.#startMs + fromMs), fromMs, performance.now());
    } else if (before.name === "playing" || before.name === "seeking") {
      const atEnd = state.name === "ended";
      const restMs = before.name === "seeking" ? before.targetMs : atMs;
      this.#setPace(0, atEnd ? this.toMs : restMs, performance.now());
    }
    if (state.name === "ended") {
      this.#showEnd();
    }
    this.#events.onState(state, before);
    if (state.name === "seeking" && (event.type === "seek" || before.name !== "seeking")) {
      void this.#seekToTarget();
    }
  }

  /** The frame's clock may be a breath behind: what was due at the very end is drawn. */
  #showEnd(): void {
    const stretch = this.#stretches.get(this.#shownWindow ?? "");
    if (stretch !== undefined) {
      void this.#stage.show(stretch.take, this.#startMs + this.toMs);
    }
  }

  /** One seek at a time: of those that come meanwhile only the newest is made. */
  async #seekToTarget(): Promise<void> {
    this.#seeks += 1;
    if (this.#seeking) {
      return;
    }
    this.#seeking = true;
    for (let seek = -1; seek !== this.#seeks && this.#state.name === "seeking";) {
      seek = this.#seeks;
      await this.#seek(seek, this.#state.targetMs);
    }
    this.#seeking = false;
  }

  async #seek(seek: number, targetMs: number): Promise<void> {
    const driver = this.#driver;
    if (driver === null) {
      return;
    }
    try {
      const plan = await this.#plan(driver, targetMs);
      if (seek !== this.#seeks) {
        return;
      }
      const stretch = await this.#feedPlan(driver, plan, () => seek === this.#seeks);
      if (seek !== this.#seeks) {
        return;
      }
      await this.#stage.show(stretch.take, plan.drawMs);
      this.#dropUseless();
      if (seek !== this.#seeks) {
        return;
      }
      this.#pace = 0;
      if (this.#shownWindow !== plan.windowId) {
        this.#shownWindow = plan.windowId;
        this.#events.onWindow();
      }
      if (!this.#drawnOnce) {
        this.#drawnOnce = true;
        this.#events.onFirstFrame();
        void this.#learn(driver);
      }
      this.#dispatch({ type: "drawn" });
      // The picture came first; what follows it soon is read by the frame afterwards.
      void this.#feedAhead(stretch);
    } catch (error) {
      if (seek === this.#seeks) {
        this.#fail(error);
      }
    }
  }

  async #plan(driver: Driver, targetMs: number): Promise<Plan> {
    const epochMs = this.#startMs + targetMs;
    const plan =
      (await planOf(driver, epochMs, this.#wantedWindow(targetMs))) ??
      (await planOf(driver, epochMs, null));
    if (plan === null) {
      throw new NoFullSnapshotError(this.eventCount);
    }
    return plan;
  }

  /** See that the frame has what a plan needs. */
  async #feedPlan(driver: Driver, plan: Plan, isCurrent: () => boolean): Promise<Stretch> {
    const upTo = {
      group: plan.lastGroup,
      row: dueRows(await driver.readIndex(plan.lastGroup), plan.drawMs),
    };
    const before = this.#stretches.get(plan.windowId);
    const isCovered =
      before !== undefined &&
      !isBefore(plan.snapshot, before.from) &&
      isBefore(plan.snapshot, before.next);
    const stretch = isCovered ? before : await this.#begin(driver, plan, upTo);
    stretch.failure = null;
    // The newest last: what was not shown for longest goes first.
    this.#stretches.delete(plan.windowId);
    this.#stretches.set(plan.windowId, stretch);
    if (before !== undefined && before !== stretch) {
      this.#useless.push(before.take);
    }
    await this.#feed(driver, plan.windowId, stretch, upTo, isCurrent);
    return stretch;
  }

  /** Called when a newer picture is on the screen. */
  #dropUseless(): void {
    for (const [windowId, stretch] of this.#stretches) {
      if (this.#stretches.size <= KEPT_STRETCHES) {
        break;
      }
      this.#stretches.delete(windowId);
      this.#useless.push(stretch.take);
    }
    for (const take of this.#useless.splice(0)) {
      this.#stage.drop(take);
    }
  }

  /** Begin a stretch with what its first group has for the moment. */
  async #begin(driver: Driver, plan: Plan, upTo: Position): Promise<Stretch> {
    const { group, row } = plan.snapshot;
    const index = await driver.readIndex(group);
    const end = group === upTo.group ? upTo.row : index.timestampMs.length;
    const { data } = await driver.readData(group, end);
    let rows = rowsOf(plan.windowId, index, data, row, end);
    if (plan.meta !== null) {
      const { group: metaGroup, row: metaRow } = plan.meta;
      const metaIndex = await driver.readIndex(metaGroup);
      const metaData = (await driver.readData(metaGroup, metaRow + 1)).data;
      rows = {
        timestampMs: [metaIndex.timestampMs[metaRow] ?? 0, ...rows.timestampMs],
        type: [EventType.Meta, ...rows.type],
        data: [metaData[metaRow] ?? null, ...rows.data],
      };
    }
    return {
      take: this.#stage.take(this.#startMs, this.#endMs, rows),
      from: plan.snapshot,
      ...after(driver, index, group, end),
      chars: charsOf(rows),
      isFull: false,
      failure: null,
    };
  }

  /** Send on what comes before a row. */
  async #feed(
    driver: Driver,
    windowId: string,
    stretch: Stretch,
    upTo: Position,
    isCurrent: () => boolean,
  ): Promise<void> {
    while (isCurrent() && isBefore(stretch.next, upTo)) {
      const { group } = stretch.next;
      const index = await driver.readIndex(group);
      const end = group === upTo.group ? upTo.row : index.timestampMs.length;
      const { data } = await driver.readData(group, end);
      // Whoever waited for the same rows and was first has sent them.
      if (isCurrent() && stretch.next.group === group && stretch.next.row < end) {
        const rows = rowsOf(windowId, index, data, stretch.next.row, end);
        stretch.chars += charsOf(rows);
        stretch.isFull = false;
        Object.assign(stretch, after(driver, index, group, end));
        this.#append(stretch.take, rows);
        this.#noteConsole(group, index, data, end);
      }
    }
  }

  #append(take: number, rows: Rows): void {
    if (rows.type.length > 0) {
      this.#stage.append(take, rows);
    }
  }

  /**
   * Send on what is due soon, a little at a time, so that a seek never waits behind it.
   *
   * Ends early at a full snapshot that begins a new stretch.
   */
  async #feedAhead(stretch: Stretch): Promise<void> {
    const driver = this.#driver;
    const windowId = this.#shownWindow;
    if (this.#feeding || driver === null || windowId === null) {
      return;
    }
    const seeks = this.#seeks;
    const isCurrent = (): boolean => seeks === this.#seeks && !this.#closed;
    this.#feeding = true;
    try {
      while (isCurrent() && this.#isDueSoon(stretch)) {
        const { group, row } = stretch.next;
        const index = await driver.readIndex(group);
        const snapshot = stretch.chars < STRETCH_CHARS ? -1 : snapshotFrom(index, windowId, row);
        if (snapshot === row && isCurrent()) {
          stretch.isFull = true;
        } else {
          const most = Math.min(row + ROWS_AHEAD, index.timestampMs.length);
          const upTo = { group, row: snapshot === -1 ? most : Math.min(most, snapshot) };
          await this.#feed(driver, windowId, stretch, upTo, isCurrent);
          await this.#stage.settled();
        }
      }
    } catch (error) {
      stretch.failure = error;
      if (error instanceof RecordingChangedError) {
        // What is shown may have been masked or erased since: not a moment longer.
        this.#fail(error);
      }
    } finally {
      this.#feeding = false;
    }
    const shown = this.#stretches.get(this.#shownWindow ?? "");
    if (this.#state.name === "buffering" && shown !== undefined) {
      if (shown.failure !== null) {
        this.#fail(shown.failure);
      } else if (shown.isFull || shown.nextMs > this.#startMs + this.#nowMs()) {
        this.#dispatch({ type: "fed" });
      } else {
        void this.#feedAhead(shown);
      }
    }
  }

  #isDueSoon(stretch: Stretch): boolean {
    const aheadMs = stretch.nextMs - this.#startMs - this.#nowMs();
    return (
      aheadMs < LOOK_AHEAD_MS * Math.max(1, this.#speed) &&
      Number.isFinite(stretch.nextMs) &&
      !stretch.isFull &&
      stretch.failure === null
    );
  }

  /**
   * Read the light columns of every group, then what the console said.
   *
   * That is in the `data` of its events. Where reading is a request, it is told of what is
   * read to be played, and of no more.
   */
  async #learn(driver: Driver): Promise<void> {
    try {
      const indexes: GroupIndex[] = [];
      for (let group = 0; group < driver.spans.length; group += INDEXES_AT_ONCE) {
        const wanted = driver.spans.slice(group, group + INDEXES_AT_ONCE);
        indexes.push(...(await Promise.all(wanted.map((_, i) => driver.readIndex(group + i)))));
        if (this.#closed) {
          return;
        }
      }
      this.#timeline = timelineOf(indexes, this.#startMs, this.#endMs);
      this.#timelineKnown = true;
      this.#events.onTimeline();
      for (const [group, index] of driver.isAtHand ? indexes.entries() : []) {
        if (index.kind.includes("console") && !this.#closed) {
          const { data } = await driver.readData(group);
          this.#noteConsole(group, index, data, data.length);
        }
      }
    } catch (error) {
      if (error instanceof RecordingChangedError) {
        this.#fail(error);
      } else {
        // What is readable still plays; the unreadable part says so when it is reached.
        this.#events.onFinding("group_unreadable", 1);
      }
    }
  }

  /** Look for errors of the console in the first rows of a group, those not looked at before. */
  #noteConsole(group: number, index: GroupIndex, data: GroupData["data"], end: number): void {
    const from = this.#consoleRead.get(group) ?? 0;
    if (end <= from) {
      return;
    }
    this.#consoleRead.set(group, end);
    const errors = consoleErrors(index, data, from, end);
    if (errors.length > 0) {
      this.#errors = [...this.#errors, ...errors];
      this.#events.onTimeline();
    }
  }

  #wantedWindow(atMs: number): string | null {
    if (this.#chosenWindow !== null) {
      return this.#chosenWindow;
    }
    return this.#timelineKnown
      ? windowAt(this.#timeline.changes, this.#startMs + atMs)
      : this.#shownWindow;
  }

  #paceAt(epochMs: number): number {
    const idle = this.#skipsIdle ? idleAt(this.#timeline.idle, epochMs) : undefined;
    return idle === undefined ? this.#speed : skipSpeed(idle.endMs - epochMs, this.#speed);
  }

  #setPace(pace: number, atMs: number, nowMs: number): void {
    const isStep = (pace === 0) !== (this.#pace === 0) || pace === this.#speed;
    if (pace !== this.#pace && (isStep || Math.abs(pace / this.#pace - 1) > PACE_STEP)) {
      this.#pace = pace;
      this.#clock.set(atMs, pace, nowMs);
      this.#stage.pace(pace, this.#startMs + atMs);
    } else if (pace === 0) {
      this.#clock.set(atMs, 0, nowMs);
    }
  }

  #fail(error: unknown): void {
    if (this.#closed) {
      return;
    }
    this.#dispatch({ type: "fail" });
    this.#events.onFailed(
      error instanceof PlayerError
        ? error
        : new PlayerError("internal", "The player met a fault of its own and stopped.", {
            cause: error,
          }),
    );
  }
}

/** The rows of one window that draw something, of `[fromRow, end)` of the group. */
function rowsOf(
  windowId: string,
  index: GroupIndex,
  data: GroupData["data"],
  fromRow: number,
  end: number,
): Rows {
  const rows = { timestampMs: [] as number[], type: [] as number[], data: [] as (string | null)[] };
  for (let row = fromRow; row < end; row += 1) {
    const type = index.type[row] ?? -1;
    const draws = type >= EventType.FullSnapshot && type <= EventType.Meta;
    if (draws && index.windowId[row] === windowId) {
      rows.timestampMs.push(index.timestampMs[row] ?? 0);
      rows.type.push(type);
      rows.data.push(data[row] ?? null);
    }
  }
  return rows;
}

function charsOf(rows: Rows): number {
  return rows.data.reduce((sum, text) => sum + (text?.length ?? 0), 0);
}

/** How many of a group's rows are due at a moment. */
function dueRows(index: GroupIndex, atMs: number): number {
  return index.timestampMs.findLastIndex((rowMs) => rowMs <= atMs) + 1;
}

/** The first full snapshot of a window from a row on; -1 when there is none. */
function snapshotFrom(index: GroupIndex, windowId: string, fromRow: number): number {
  return index.type.findIndex(
    (type, row) =>
      row >= fromRow && type === EventType.FullSnapshot && index.windowId[row] === windowId,
  );
}

/** Where a stretch goes on when the rows of a group before `end` were sent. */
function after(
  driver: Driver,
  index: GroupIndex,
  group: number,
  end: number,
): Pick<Stretch, "next" | "nextMs"> {
  return end < index.timestampMs.length
    ? { next: { group, row: end }, nextMs: index.timestampMs[end] ?? 0 }
    : { next: { group: group + 1, row: 0 }, nextMs: driver.spans[group + 1]?.startMs ?? Infinity };
}

function isBefore(a: Position, b: Position): boolean {
  return a.group < b.group || (a.group === b.group && a.row < b.row);
}

/** What the console called an error, in `[fromRow, end)` of a group. */
function consoleErrors(
  index: GroupIndex,
  data: GroupData["data"],
  fromRow: number,
  end: number,
): Marker[] {
  const markers: Marker[] = [];
  for (let row = fromRow; row < end; row += 1) {
    const label = index.kind[row] === "console" ? errorLabel(data[row] ?? null) : null;
    if (label !== null) {
      markers.push({
        kind: "error",
        atMs: index.timestampMs[row] ?? 0,
        windowId: index.windowId[row] ?? "",
        label,
      });
    }
  }
  return markers;
}

function errorLabel(data: string | null): string | null {
  try {
    const { payload } = Object(JSON.parse(data ?? "null")) as { payload?: unknown };
    const { level, payload: parts } = Object(payload) as { level?: unknown; payload?: unknown };
    if (level !== "error" && level !== "assert") {
      return null;
    }
    const text = Array.isArray(parts)
      ? parts.filter((part) => typeof part === "string").join(" ")
      : typeof parts === "string"
        ? parts
        : "";
    return text.replace(/^"|"$/g, "").slice(0, LABEL_CHARS);
  } catch {
    return null;
  }
}
