import { describe, expect, test } from "vitest";

import { scrollTo, visibleSpan } from "../src/lib/virtual";

describe("rows drawn", () => {
  test("cover what is in sight, and little more, anywhere in 50,000", () => {
    for (const scroll of [0, 17, 34_000, 50_000 * 34 - 600]) {
      const { start, end } = visibleSpan(scroll, 600, 34, 50_000);
      expect(start * 34).toBeLessThanOrEqual(scroll);
      expect(end * 34).toBeGreaterThanOrEqual(Math.min(scroll + 600, 50_000 * 34));
      expect(end - start).toBeLessThan(40);
    }
  });

  test("are within the list when it has become shorter", () => {
    expect(visibleSpan(90_000, 600, 34, 10)).toEqual({ start: 10, end: 10 });
    expect(visibleSpan(-40, 600, 34, 3)).toEqual({ start: 0, end: 3 });
    expect(visibleSpan(0, 600, 34, 0)).toEqual({ start: 0, end: 0 });
  });
});

describe("bringing a row into sight", () => {
  test("moves nothing when it is", () => {
    expect(scrollTo(5, 100, 600, 34, "nearest")).toBe(100);
    expect(scrollTo(5, 100, 600, 34, "middle")).toBe(100);
  });

  test("shows all of it, from above and from below", () => {
    expect(scrollTo(2, 100, 600, 34, "nearest")).toBe(68);
    expect(scrollTo(100, 0, 600, 34, "nearest")).toBe(100 * 34 + 34 - 600);
    expect(scrollTo(100, 0, 600, 34, "middle")).toBe(3400 - 283);
  });
});
