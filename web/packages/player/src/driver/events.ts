/** Plays rrweb events that are in memory: tests, and pages that record themselves. */

import { EventType, IncrementalSource, type GroupIndex } from "@replayport/types";

import { EmptyRecordingError } from "../errors";
import type { Driver } from "./driver";

/** An rrweb event, with the window it belongs to when there is more than one. */
export interface InputEvent {
  readonly type: number;
  readonly timestamp: number;
  readonly data?: unknown;
  readonly windowId?: string;
}

const INTERACTION_KINDS: readonly string[] = [
  "mouse_up",
  "mouse_down",
  "click",
  "context_menu",
  "dbl_click",
  "focus",
  "blur",
  "touch_start",
  "touch_move_departed",
  "touch_end",
  "touch_cancel",
];

export function openEvents(input: readonly InputEvent[]): Driver {
  if (input.length === 0) {
    throw new EmptyRecordingError();
  }
  const events = [...input].sort((a, b) => a.timestamp - b.timestamp);
  const index: GroupIndex = {
    rowStart: 0,
    timestampMs: events.map((event) => Math.floor(event.timestamp)),
    windowId: events.map((event) => event.windowId ?? ""),
    type: events.map((event) => event.type),
    source: events.map(sourceOf),
    kind: events.map(kindOf),
    url: events.map((event) => {
      const href = record(event.data)["href"];
      return event.type === EventType.Meta && typeof href === "string" ? href : null;
    }),
  };
  const data = events.map((event) =>
    event.data === undefined ? null : JSON.stringify(event.data),
  );
  return {
    isAtHand: true,
    spans: [
      {
        startMs: index.timestampMs[0] ?? 0,
        endMs: index.timestampMs[events.length - 1] ?? 0,
        events: events.length,
      },
    ],
    readIndex: () => Promise.resolve(index),
    readData: () => Promise.resolve({ data }),
  };
}

/** The few readable names the player itself looks at; the rest is a number. */
function kindOf(event: InputEvent): string {
  const data = record(event.data);
  if (event.type === EventType.Plugin && data["plugin"] === "rrweb/console@1") {
    return "console";
  }
  if (event.type === EventType.Custom && typeof data["tag"] === "string") {
    return `custom:${data["tag"]}`;
  }
  const source = sourceOf(event);
  if (source === IncrementalSource.MouseInteraction) {
    return INTERACTION_KINDS[Number(data["type"])] ?? "interaction";
  }
  if (source === IncrementalSource.Input) {
    return "input";
  }
  return event.type === EventType.Meta ? "meta" : `type:${event.type}`;
}

function sourceOf(event: InputEvent): number | null {
  const source = record(event.data)["source"];
  return event.type === EventType.IncrementalSnapshot && typeof source === "number" ? source : null;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
