import { describe, expect, it } from "vitest";

import { Clock, skipSpeed } from "../src/clock";
import { openEvents, type InputEvent } from "../src/driver/events";
import { asFromFrame, asToFrame } from "../src/frame/protocol";
import { planOf } from "../src/plan";
import { idleAt, timelineOf, urlAt, windowAt, type Timeline } from "../src/timeline";
import { formatTime, shortUrl, spokenTime } from "../src/ui/format";
import { commandOf } from "../src/ui/keys";
import { markerNear, placeMarkers } from "../src/ui/markers";

const meta = (timestamp: number, href: string, windowId = "a"): InputEvent => ({
  type: 4,
  timestamp,
  data: { href, width: 1, height: 1 },
  windowId,
});
const full = (timestamp: number, windowId = "a"): InputEvent => ({
  type: 2,
  timestamp,
  data: { node: {} },
  windowId,
});
const click = (timestamp: number, windowId = "a"): InputEvent => ({
  type: 3,
  timestamp,
  data: { source: 2, type: 2, id: 1 },
  windowId,
});
const input = (timestamp: number): InputEvent => ({
  type: 3,
  timestamp,
  data: { source: 5, id: 1 },
  windowId: "a",
});
const mutation = (timestamp: number, windowId = "a"): InputEvent => ({
  type: 3,
  timestamp,
  data: { source: 0 },
  windowId,
});

async function timeline(events: readonly InputEvent[]): Promise<Timeline> {
  const driver = openEvents(events);
  const span = driver.spans[0] ?? { startMs: 0, endMs: 0 };
  return timelineOf([await driver.readIndex(0)], span.startMs, span.endMs);
}

describe("timelineOf", () => {
  it("marks clicks, bursts of input, and pages after the first", async () => {
    const { markers } = await timeline([
      meta(0, "https://a.example/1"),
      full(1),
      click(100),
      input(200),
      input(900),
      input(5000),
      meta(6000, "https://a.example/1"),
      meta(7000, "https://a.example/2"),
    ]);
    expect(markers.map(({ kind, atMs }) => `${kind} ${atMs}`)).toEqual([
      "click 100",
      "input 200",
      "input 5000",
      "navigation 7000",
    ]);
  });

  it("calls idle what no person filled, whatever the page did", async () => {
    const { idle } = await timeline([
      full(0),
      click(1_000),
      ...Array.from({ length: 50 }, (_, i) => mutation(2_000 + i * 1_000)),
      click(60_000),
      click(65_000),
    ]);
    expect(idle).toHaveLength(1);
    expect(idle[0]?.startMs).toBeGreaterThan(1_000);
    expect(idle[0]?.endMs).toBeLessThan(60_000);
    expect(idleAt(idle, 30_000)).toBe(idle[0]);
    expect(idleAt(idle, 62_000)).toBeUndefined();
  });

  it("follows the window somebody works in", async () => {
    const { changes, windows } = await timeline([
      full(0, "a"),
      click(100, "a"),
      full(200, "b"),
      mutation(300, "b"),
      click(400, "b"),
      mutation(500, "a"),
      click(600, "c"),
      click(700, "a"),
    ]);
    expect(changes.map(({ startMs, windowId }) => `${startMs}${windowId}`)).toEqual([
      "0a",
      "400b",
      "700a",
    ]);
    expect(windowAt(changes, -5)).toBe("a");
    expect(windowAt(changes, 399)).toBe("a");
    expect(windowAt(changes, 650)).toBe("b");
    expect(windows.map(({ windowId, events }) => `${windowId}${events}`)).toEqual([
      "a4",
      "b3",
      "c1",
    ]);
  });

  it("knows the address at any moment", async () => {
    const { windows } = await timeline([meta(10, "one"), full(11), meta(50, "two")]);
    expect([0, 10, 49, 50, 99].map((atMs) => urlAt(windows[0], atMs))).toEqual([
      "one",
      "one",
      "one",
      "two",
      "two",
    ]);
    expect(urlAt(undefined, 0)).toBeNull();
  });
});

describe("planOf", () => {
  const driver = openEvents([
    meta(0, "a1", "a"),
    full(10, "a"),
    click(100, "a"),
    meta(200, "b1", "b"),
    full(210, "b"),
    click(300, "b"),
    meta(400, "a2", "a"),
    full(410, "a"),
    click(500, "a"),
    click(600, "c"),
  ]);
  const rowOf = async (atMs: number, chosen: string | null): Promise<unknown> => {
    const plan = await planOf(driver, atMs, chosen);
    return plan && [plan.windowId, plan.snapshot.row, plan.meta?.row, plan.drawMs];
  };

  it.each([
    [150, null, ["a", 1, 0, 150]],
    [350, null, ["b", 4, 3, 350]],
    [550, null, ["a", 7, 6, 550]],
    [550, "b", ["b", 4, 3, 550]],
    [5, null, ["a", 1, 0, 10]],
    [5, "b", ["b", 4, 3, 210]],
    [550, "c", null],
  ])("at %s with %s: %o", async (atMs, chosen, expected) => {
    expect(await rowOf(atMs, chosen)).toEqual(expected);
  });

  it("finds nothing where there is no full snapshot", async () => {
    expect(await planOf(openEvents([meta(0, "x"), click(5)]), 5, null)).toBeNull();
  });
});

describe("Clock", () => {
  it("turns real time into recording time", () => {
    const clock = new Clock();
    clock.set(500, 2, 1_000);
    expect(clock.at(1_100)).toBe(700);
    clock.set(clock.at(1_100), 0, 1_100);
    expect(clock.at(9_999)).toBe(700);
  });

  it.each([1_000, 60_000, 3_600_000])("passes %s ms of idle time soon and not beyond", (idleMs) => {
    let restMs = idleMs;
    let ticks = 0;
    while (restMs > 16) {
      restMs -= 16 * skipSpeed(restMs, 1);
      expect(restMs).toBeGreaterThanOrEqual(0);
      ticks += 1;
    }
    expect(ticks * 16).toBeLessThan(Math.min(idleMs + 100, 12_000));
  });

  it("never passes idle time slower than the chosen speed", () => {
    expect(skipSpeed(100, 4)).toBe(4);
  });
});

describe("protocol", () => {
  const rows = { timestampMs: [1], type: [4], data: ["{}"] };

  it.each([
    { kind: "take", take: 1, startMs: 0, endMs: 1, rows },
    { kind: "append", take: 1, rows },
    { kind: "show", take: 1, request: 1, atMs: 0, speed: 0 },
    { kind: "pace", speed: 1, atMs: 5 },
    { kind: "drop", take: 1 },
  ])("the frame takes %o", (message) => {
    expect(asToFrame(message)).toBe(message);
    expect(asFromFrame(message)).toBeNull();
  });

  it.each([
    null,
    "take",
    { kind: "toString" },
    { kind: "__proto__" },
    { kind: "drop" },
    { kind: "drop", take: "1" },
    { kind: "drop", take: NaN },
    { kind: "drop", take: 1, more: 2 },
    { kind: "append", take: 1, rows: { ...rows, type: [] } },
    { kind: "append", take: 1, rows: null },
  ])("the frame ignores %o", (message) => {
    expect(asToFrame(message)).toBeNull();
  });

  it.each([
    { kind: "finding", code: "<b>", count: 1 },
    { kind: "finding", code: "a".repeat(41), count: 1 },
    { kind: "drawn", request: Infinity },
  ])("the player ignores %o", (message) => {
    expect(asFromFrame(message)).toBeNull();
  });

  it("the player takes what the frame may say", () => {
    expect(asFromFrame({ kind: "hello" })).not.toBeNull();
    expect(asFromFrame({ kind: "finding", code: "event_malformed", count: 2 })).not.toBeNull();
  });
});

describe("what a person reads", () => {
  it("times", () => {
    expect([0, 59_999, 61_000, 3_661_000].map(formatTime)).toEqual([
      "0:00",
      "0:59",
      "1:01",
      "1:01:01",
    ]);
    expect([0, 1_000, 61_000, 7_200_000].map(spokenTime)).toEqual([
      "0 seconds",
      "1 second",
      "1 minute 1 second",
      "2 hours",
    ]);
  });

  it("addresses", () => {
    expect(shortUrl("https://shop.example/cart?x=1")).toBe("shop.example/cart?x=1");
    expect(shortUrl("unknown")).toBe("unknown");
  });

  it("keys", () => {
    expect(commandOf(" ", false)).toEqual({ do: "toggle" });
    expect(commandOf("ArrowLeft", true)).toEqual({ do: "move", byMs: -30_000 });
    expect(commandOf("x", false)).toBeNull();
  });

  it("markers, one of a kind every few pixels", () => {
    const markers = [0, 1, 2, 500, 1000].map((atMs) => ({
      kind: "click" as const,
      atMs,
      windowId: "a",
      label: "",
    }));
    const placed = placeMarkers(markers, 0, 1000, 100);
    expect(placed.map(({ x, count }) => [x, count])).toEqual([
      [0, 3],
      [50, 1],
      [100, 1],
    ]);
    expect(markerNear(placed, 52)?.x).toBe(50);
    expect(markerNear(placed, 30)).toBeNull();
  });
});
