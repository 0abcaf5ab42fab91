import { describe, expect, test } from "vitest";

import { ago, bytes, clock, duration, momentHash, momentOf, parseClock } from "../src/lib/time";

test.each([
  [0, "0:00"],
  [-5, "0:00"],
  [999, "0:00"],
  [61_500, "1:01"],
  [3_600_000, "1:00:00"],
  [36_061_000, "10:01:01"],
])("%d ms stands at %s", (ms, text) => {
  expect(clock(ms)).toBe(text);
});

test.each([
  ["90", 90_000],
  ["1:30", 90_000],
  ["1:02:03", 3_723_000],
  [" 0:05.25 ", 5250],
  ["", null],
  ["1:", null],
  ["-1", null],
  ["1:2:3:4", null],
  ["soon", null],
])("%j is read as %s", (text, ms) => {
  expect(parseClock(text)).toBe(ms);
});

test("a clock is read back to the second", () => {
  for (const ms of [0, 59_000, 60_000, 3_599_000, 3_600_000, 359_999_000]) {
    expect(parseClock(clock(ms))).toBe(ms);
  }
});

describe("the moment of an address", () => {
  test.each([
    ["#t=12.3", 12_300],
    ["#t=12s", 12_000],
    ["#t=1:30", 90_000],
    ["#x=1&t=5", 5000],
    ["", null],
    ["#t=", null],
    ["#t=javascript:alert(1)", null],
    ["#start=5", null],
  ])("%s", (hash, ms) => {
    expect(momentOf(hash)).toBe(ms);
  });

  test("is read back to a tenth of a second", () => {
    expect(momentOf(momentHash(12_345))).toBe(12_300);
    expect(momentOf(momentHash(-1))).toBe(0);
  });
});

test.each([
  [400, "0 s"],
  [59_000, "59 s"],
  [60_000, "1 min"],
  [90_000, "1 min 30 s"],
  [1_210_000, "20 min"],
  [3_600_000, "1 h"],
  [4_800_000, "1 h 20 min"],
])("%d ms took %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test("how long ago, from near to far", () => {
  const now = new Date(2026, 10, 24, 12, 0).getTime();
  const at = (...parts: [number, number, number, number, number]): number =>
    new Date(...parts).getTime();
  expect(ago(now - 10_000, now)).toBe("just now");
  expect(ago(now - 5 * 60_000, now)).toBe("5 min ago");
  expect(ago(at(2026, 10, 24, 9, 5), now)).toBe("today 09:05");
  expect(ago(at(2026, 10, 23, 21, 21), now)).toBe("yesterday 21:21");
  expect(ago(at(2026, 8, 3, 8, 0), now)).toMatch(/^3 Sept? 08:00$/);
  expect(ago(at(2025, 8, 3, 8, 0), now)).toMatch(/^3 Sept? 2025$/);
  expect(ago(8.7e15, now)).toBe("8700000000000000");
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1 kB"],
  [1234, "1.2 kB"],
  [45_600, "46 kB"],
  [999_999, "1 MB"],
  [5e13, "50 TB"],
])("%d bytes are %s", (n, text) => {
  expect(bytes(n)).toBe(text);
});
