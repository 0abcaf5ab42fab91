import { describe, expect, test } from "vitest";

import { barOf, currentRow, matching, scaleOf } from "../src/lib/sync";

const rows = [0, 100, 100, 250, 9000].map((offset_ms, i) => ({ offset_ms, text: `row ${i}` }));

describe("the row the clock is at", () => {
  test.each([
    [-50, -1],
    [0, 0],
    [98.9, 0],
    [99.4, 2],
    [100, 2],
    [249, 3],
    [8000, 3],
    [1e9, 4],
  ])("at %d ms is %d", (ms, index) => {
    expect(currentRow(rows, ms)).toBe(index);
  });

  test("of none is none", () => {
    expect(currentRow([], 5)).toBe(-1);
  });

  test("is the one a linear search finds, in 50,000 rows", () => {
    const many = Array.from({ length: 50_000 }, (_, i) => ({ offset_ms: Math.floor(i / 3) * 7 }));
    for (const ms of [0, 6, 7, 70_000, 116_655, 116_662, 1e7]) {
      const found = many.filter((row) => row.offset_ms <= ms + 1).length - 1;
      expect(currentRow(many, ms)).toBe(found);
    }
  });
});

describe("narrowing rows by words", () => {
  const textOf = (row: { text: string }): string => row.text;

  test("needs all the words, in any order and case", () => {
    expect(matching(rows, "3 ROW", textOf)).toEqual([rows[3]]);
    expect(matching(rows, "row 9", textOf)).toEqual([]);
  });

  test("gives the same rows when there are no words", () => {
    expect(matching(rows, "  ", textOf)).toBe(rows);
  });
});

describe("a waterfall", () => {
  const requests = [
    { offset_ms: 1000, duration_ms: 100 },
    { offset_ms: 1100, duration_ms: 300 },
  ];

  test("spans what is in sight", () => {
    expect(scaleOf(requests)).toEqual([1000, 1400]);
    expect(barOf(requests[1]!, [1000, 1400])).toEqual({ left: 0.25, width: 0.75 });
  });

  test("stays within itself whatever it is given", () => {
    for (const one of [
      { offset_ms: -5, duration_ms: 1e9 },
      { offset_ms: 1e9, duration_ms: 5 },
      { offset_ms: 1200, duration_ms: 0 },
    ]) {
      const { left, width } = barOf(one, [1000, 1400]);
      expect(left).toBeGreaterThanOrEqual(0);
      expect(left + width).toBeLessThanOrEqual(1);
    }
  });

  test("has a length when nothing has one", () => {
    expect(scaleOf([])).toEqual([0, 1]);
    expect(scaleOf([{ offset_ms: 7, duration_ms: 0 }])).toEqual([7, 8]);
  });
});
