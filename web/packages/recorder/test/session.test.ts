import { expect, it } from "vitest";

import { UuidSource } from "../src/ids";
import { SafeStorage, SessionKeeper, type KeyValues } from "../src/session";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START_MS = 1_700_000_000_000;
const LIMITS = { idleTimeoutMs: 30 * MINUTE_MS, maxSessionMs: 24 * HOUR_MS };

function memory(from: Record<string, string> = {}): KeyValues & { all: Map<string, string> } {
  const all = new Map(Object.entries(from));
  return {
    all,
    getItem: (key) => all.get(key) ?? null,
    setItem: (key, value) => void all.set(key, value),
    removeItem: (key) => void all.delete(key),
  };
}

function tab(shared: KeyValues, own: KeyValues = memory()): SessionKeeper {
  return new SessionKeeper(shared, own, new UuidSource(), LIMITS);
}

it("goes on over a reload, with its window", () => {
  const [shared, own] = [memory(), memory()];
  const before = tab(shared, own);
  before.begin(START_MS);
  before.markClosed(START_MS + 1000);
  const after = tab(shared, own);
  after.begin(START_MS + 20 * MINUTE_MS);
  expect(after.sessionId).toBe(before.sessionId);
  expect(after.windowId).toBe(before.windowId);
});

it("gives a duplicated tab a window of its own", () => {
  const [shared, own] = [memory(), memory()];
  const first = tab(shared, own);
  first.begin(START_MS);
  const copy = tab(shared, memory(Object.fromEntries(own.all)));
  copy.begin(START_MS);
  expect(copy.sessionId).toBe(first.sessionId);
  expect(copy.windowId).not.toBe(first.windowId);
});

it.each([
  ["idle for half an hour", 30 * MINUTE_MS, false],
  ["idle for longer", 30 * MINUTE_MS + 1, true],
])("%s: rotates only with activity", (_, idleMs, rotates) => {
  const one = tab(memory());
  one.begin(START_MS);
  const before = [one.sessionId, one.windowId];
  expect(one.note(START_MS + idleMs, false)).toBe(false);
  expect(one.note(START_MS + idleMs, true)).toBe(rotates);
  expect(one.sessionId !== before[0]).toBe(rotates);
  expect(one.windowId !== before[1]).toBe(rotates);
});

it("ends after a day however busy, by any event", () => {
  const one = tab(memory());
  one.begin(START_MS);
  for (let ms = 0; ms <= LIMITS.maxSessionMs; ms += 20 * MINUTE_MS) {
    expect(one.note(START_MS + ms, true)).toBe(false);
  }
  expect(one.note(START_MS + LIMITS.maxSessionMs + 1, false)).toBe(true);
});

it("is kept alive by another tab", () => {
  const shared = memory();
  const [one, two] = [tab(shared), tab(shared)];
  one.begin(START_MS);
  two.begin(START_MS);
  two.note(START_MS + 25 * MINUTE_MS, true);
  expect(one.note(START_MS + 50 * MINUTE_MS, true)).toBe(false);
});

it("joins the session another tab has begun, with a new window", () => {
  const shared = memory();
  const [one, two] = [tab(shared), tab(shared)];
  one.begin(START_MS);
  two.begin(START_MS);
  const before = one.windowId;
  expect(two.note(START_MS + HOUR_MS, true)).toBe(true);
  expect(one.note(START_MS + HOUR_MS + 5, true)).toBe(true);
  expect(one.sessionId).toBe(two.sessionId);
  expect([before, two.windowId]).not.toContain(one.windowId);
});

it.each(["", "null", "{", "[1]", '["x", 1, 2]', `[${START_MS}, "a b", ${START_MS}]`])(
  "begins anew where %j is stored",
  (stored) => {
    const one = tab(memory({ replayport_recorder_session: stored }));
    one.begin(START_MS);
    expect(one.sessionId).toMatch(/^[0-9a-f-]{36}$/);
  },
);

it("does not go on with a session from the future", () => {
  const shared = memory();
  tab(shared).begin(START_MS + HOUR_MS);
  const one = tab(shared);
  one.begin(START_MS);
  expect(Number.parseInt(one.sessionId!.replaceAll("-", "").slice(0, 12), 16)).toBe(START_MS);
});

it("keeps in memory what the browser will not", () => {
  const storage = new SafeStorage(() => {
    throw new DOMException("no", "SecurityError");
  });
  storage.setItem("a", "1");
  expect(storage.getItem("a")).toBe("1");
  expect(storage.trySetItem("b", "1")).toBe(false);
  storage.removeItem("a");
  expect(storage.getItem("a")).toBeNull();
});

it("gives UUIDv7 in order, whatever the clock does", () => {
  const ids = new UuidSource();
  const made = Array.from({ length: 10_000 }, (_, n) => ids.next(START_MS + (n % 3) - 1));
  expect([...made].sort()).toEqual(made);
  expect(new Set(made).size).toBe(made.length);
  for (const id of made.slice(0, 50)) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});
