import { expect, it, vi } from "vitest";

import { onPostHogSession } from "../src/posthog";
import { Throttle } from "../src/throttle";

it("tells each session once, with its link, until it is ended", () => {
  let change: (id: string) => void = () => undefined;
  const unsubscribe = vi.fn();
  const posthog = {
    onSessionId: (callback: (id: string) => void) => {
      change = callback;
      callback("one");
      return unsubscribe;
    },
    get_session_id: () => "one",
  };
  const told: unknown[] = [];
  const end = onPostHogSession(posthog, (...both) => told.push(both), {
    replayUrl: "https://r.example/{session_id}?at=1",
  });
  change("one");
  change("two");
  end();
  change("three");
  expect(told).toEqual([
    ["one", "https://r.example/one?at=1"],
    ["two", "https://r.example/two?at=1"],
  ]);
  expect(unsubscribe).toHaveBeenCalledOnce();
});

it("works with the snippet's stub, which only queues", () => {
  const queued: ((id: string) => void)[] = [];
  const stub = {
    onSessionId: (callback: (id: string) => void) => void queued.push(callback),
    get_session_id: () => undefined as unknown as string,
  };
  const told: unknown[] = [];
  onPostHogSession(stub, (...both) => told.push(both), {
    replayUrl: "https://r.example/s/",
  });
  expect(told).toEqual([]);
  queued[0]!("late");
  expect(told).toEqual([["late", "https://r.example/s/late"]]);
});

it("gives no link without a template, and keeps the page's failures from PostHog", () => {
  const report = vi.fn();
  vi.stubGlobal("reportError", report);
  vi.useFakeTimers();
  const ids: unknown[] = [];
  const posthog = { get_session_id: () => "one" };
  onPostHogSession(posthog, (id, url) => ids.push([id, url]));
  expect(ids).toEqual([["one", null]]);
  expect(() =>
    onPostHogSession(posthog, () => {
      throw new Error("mine");
    }),
  ).not.toThrow();
  vi.runAllTimers();
  expect(report).toHaveBeenCalledOnce();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("lets one of a type pass per interval", () => {
  const throttle = new Throttle();
  const passed = [0, 50, 99, 100, 150, 199, 200].filter(
    (nowMs) => !throttle.shouldThrottle("a", 100, nowMs),
  );
  expect(passed).toEqual([0, 100, 200]);
  expect(throttle.shouldThrottle("b", 100, 200)).toBe(false);
});
