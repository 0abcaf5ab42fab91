/**
 * Brings driver, clock, state machine and stage together; knows no user interface.
 *
 * All positions in its interface are ms since the start of the recording; the epoch is
 * used only towards driver and stage.
 */

import { EventType, type GroupIndex } from "@replayport/types";

import { Clock, skipSpeed } from "./clock";
import type { Driver } from "./driver/driver";
import { NoFullSnapshotError, PlayerError } from "./errors";
import type { Rows } from "./frame/protocol";
import { planOf, type Plan } from "./plan";
import type { Screen } from "./stage";
import { idleAt, timelineOf, windowAt, type Marker, type Timeline } from "./timeline";
import { INITIAL_STATE, transition, type PlayerEvent, type State } from "./transition";

export const SPEEDS: readonly number[] = [0.5, 1, 1.5, 2, 4, 8];

/** Events are sent to the frame at least this long before they are due. */
const LOOK_AHEAD_MS = 10_000;
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

/** A stretch of one window that the frame has. */
interface Stretch {
  readonly take: number;
  readonly fromGroup: number;
  readonly fromRow: number;
  toGroup: number;
}

const EMPTY_TIMELINE: Timeline = { markers: [], idle: [], changes: [], windows: [] };

export class Session {
  readonly #stage: Screen;
  readonly #events: SessionEvents;
  readonly #clock = new Clock();
  readonly #stretches = new Map<string, Stretch>();
  #driver: Driver | null = null;
  #state: State = INITIAL_STATE;
  #timeline: Timeline = EMPTY_TIMELINE;
  #timelineKnown = false;
  #errors: readonly Marker[] = [];
  #startMs = 0;
  #endMs = 0;
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
  /** Sends the part of a group that is not needed for the picture asked for. */
  #laterRows: () => void = () => undefined;
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
    return Math.min(this.durationMs, Math.max(0, this.#clock.at(nowMs)));
  }

  /** Up to where events are here without waiting. */
  fedMs(): number {
    const stretch = this.#stretches.get(this.#shownWindow ?? "");
    const span = stretch && this.#driver?.spans[stretch.toGroup];
    return span === undefined ? 0 : span.endMs - this.#startMs;
  }

  async open(
    load: () => Promise<Driver>,
    options: { autoplay: boolean; startMs: number },
  ): Promise<void> {
    this.#dispatch({ type: "open", ...options });
    try {
      const driver = await load();
      if (this.#closed) {
        return;
      }
      this.#driver = driver;
      this.#startMs = driver.spans[0]?.startMs ?? 0;
      this.#endMs = driver.spans.reduce((end, span) => Math.max(end, span.endMs), this.#startMs);
      this.#events.onOpened();
      this.#dispatch({ type: "opened" });
    } catch (error) {
      this.#fail(error);
    }
  }

  play(): void {
    this.#dispatch({ type: "play" });
  }

  pause(): void {
    this.#dispatch({ type: "pause" });
  }

  seek(targetMs: number): void {
    this.#dispatch({
      type: "seek",
      targetMs: Math.min(this.durationMs, Math.max(0, targetMs)),
    });
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
    if (atMs >= this.durationMs) {
      this.#dispatch({ type: "finished" });
      return;
    }
    if (this.#wantedWindow(atMs) !== this.#shownWindow) {
      this.seek(atMs);
      return;
    }
    this.#setPace(this.#paceAt(epochMs), atMs, nowMs);
    const stretch = this.#stretches.get(this.#shownWindow ?? "");
    const next = stretch && this.#driver.spans[stretch.toGroup + 1];
    if (stretch !== undefined && next !== undefined) {
      if (next.startMs - epochMs < LOOK_AHEAD_MS * Math.max(1, this.#speed)) {
        void this.#feedNext(stretch);
      }
      if (next.startMs <= epochMs) {
        this.#dispatch({ type: "starved" });
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#seeks += 1;
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
      this.#setPace(0, atEnd ? this.durationMs : restMs, performance.now());
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
      void this.#stage.show(stretch.take, this.#endMs);
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
      const dropped = await this.#feedPlan(driver, plan, () => seek === this.#seeks);
      const stretch = this.#stretches.get(plan.windowId);
      if (seek !== this.#seeks || stretch === undefined) {
        return;
      }
      const drawn = this.#stage.show(stretch.take, plan.drawMs);
      this.#laterRows();
      this.#laterRows = () => undefined;
      await drawn;
      if (dropped !== null) {
        this.#stage.drop(dropped);
      }
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

  /** See that the frame has what a plan needs; gives the take that is of no use any more. */
  async #feedPlan(driver: Driver, plan: Plan, isCurrent: () => boolean): Promise<number | null> {
    let stretch = this.#stretches.get(plan.windowId);
    let dropped: number | null = null;
    const { snapshot } = plan;
    const isCovered =
      stretch !== undefined &&
      (stretch.fromGroup < snapshot.group ||
        (stretch.fromGroup === snapshot.group && stretch.fromRow <= snapshot.row)) &&
      snapshot.group <= stretch.toGroup + 1;
    if (stretch === undefined || !isCovered) {
      const { due, later } = await this.#firstRows(driver, plan);
      if (!isCurrent()) {
        return null;
      }
      dropped = stretch?.take ?? null;
      const take = this.#stage.take(this.#startMs, this.#endMs, due);
      if (plan.lastGroup === snapshot.group) {
        // The picture comes first; what follows it is read by the frame afterwards.
        this.#laterRows = () => {
          this.#append(take, later);
        };
      } else {
        this.#append(take, later);
      }
      stretch = {
        take,
        fromGroup: snapshot.group,
        fromRow: snapshot.row,
        toGroup: snapshot.group,
      };
      this.#stretches.set(plan.windowId, stretch);
    }
    while (stretch.toGroup < plan.lastGroup && isCurrent()) {
      await this.#feedGroup(driver, plan.windowId, stretch);
    }
    return dropped;
  }

  /** Rows of a plan's first group: those to draw its moment, and the rest of the group. */
  async #firstRows(driver: Driver, plan: Plan): Promise<{ due: Rows; later: Rows }> {
    const { group, row } = plan.snapshot;
    const [index, { data }] = await Promise.all([driver.readIndex(group), driver.readData(group)]);
    const rows = rowsOf(plan.windowId, index, data, row);
    const split = rows.timestampMs.findLastIndex((atMs) => atMs <= plan.drawMs) + 1;
    const due = slice(rows, 0, split);
    const later = slice(rows, split, rows.type.length);
    if (plan.meta === null) {
      return { due, later };
    }
    const meta = plan.meta;
    const isHere = meta.group === group;
    const metaIndex = isHere ? index : await driver.readIndex(meta.group);
    const metaData = isHere ? data : (await driver.readData(meta.group)).data;
    return {
      due: {
        timestampMs: [metaIndex.timestampMs[meta.row] ?? 0, ...due.timestampMs],
        type: [EventType.Meta, ...due.type],
        data: [metaData[meta.row] ?? null, ...due.data],
      },
      later,
    };
  }

  #append(take: number, rows: Rows): void {
    if (rows.type.length > 0) {
      this.#stage.append(take, rows);
    }
  }

  async #feedGroup(driver: Driver, windowId: string, stretch: Stretch): Promise<void> {
    const group = stretch.toGroup + 1;
    const [index, { data }] = await Promise.all([driver.readIndex(group), driver.readData(group)]);
    // Two seeks may have waited for the same group; it is sent once.
    if (stretch.toGroup + 1 === group) {
      stretch.toGroup = group;
      this.#append(stretch.take, rowsOf(windowId, index, data, 0));
    }
  }

  async #feedNext(stretch: Stretch): Promise<void> {
    const driver = this.#driver;
    const windowId = this.#shownWindow;
    if (this.#feeding || driver === null || windowId === null) {
      return;
    }
    this.#feeding = true;
    try {
      await this.#feedGroup(driver, windowId, stretch);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#feeding = false;
    }
    const next = driver.spans[stretch.toGroup + 1];
    if (next === undefined || next.startMs > this.#startMs + this.#nowMs()) {
      this.#dispatch({ type: "fed" });
    } else if (this.#state.name === "buffering") {
      void this.#feedNext(stretch);
    }
  }

  /** Read the light columns of every group, then what the console said. */
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
      this.#errors = await consoleErrors(driver, indexes, () => this.#closed);
      if (this.#errors.length > 0) {
        this.#events.onTimeline();
      }
    } catch {
      // What is readable still plays; the unreadable part says so when it is reached.
      this.#events.onFinding("group_unreadable", 1);
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

/** The rows of one window that draw something, from a row of the group on. */
function rowsOf(
  windowId: string,
  index: GroupIndex,
  data: readonly (string | null)[],
  fromRow: number,
): Rows {
  const rows = { timestampMs: [] as number[], type: [] as number[], data: [] as (string | null)[] };
  for (let row = fromRow; row < index.timestampMs.length; row += 1) {
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

function slice(rows: Rows, start: number, end: number): Rows {
  return {
    timestampMs: rows.timestampMs.slice(start, end),
    type: rows.type.slice(start, end),
    data: rows.data.slice(start, end),
  };
}

/** Errors of the console, from the groups that have console lines. */
async function consoleErrors(
  driver: Driver,
  indexes: readonly GroupIndex[],
  isClosed: () => boolean,
): Promise<Marker[]> {
  const markers: Marker[] = [];
  for (const [group, index] of indexes.entries()) {
    if (!index.kind.includes("console") || isClosed()) {
      continue;
    }
    const { data } = await driver.readData(group);
    index.kind.forEach((kind, row) => {
      const label = kind === "console" ? errorLabel(data[row] ?? null) : null;
      if (label !== null) {
        markers.push({
          kind: "error",
          atMs: index.timestampMs[row] ?? 0,
          windowId: index.windowId[row] ?? "",
          label,
        });
      }
    });
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
