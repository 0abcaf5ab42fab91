import { describe, expect, test } from "vitest";

import {
  apiQuery,
  chips,
  NO_FILTERS,
  ORDERS,
  parseFilters,
  SIGNALS,
  toQuery,
  type Filters,
} from "../src/lib/filters";

const EVERYTHING: Filters = {
  q: 'cart "pay now" & more',
  searchIn: ["titles", "clicked"],
  project: "a b",
  since: "7d",
  until: "2026-11-20",
  minDurationMs: 5000,
  maxDurationMs: 60_000,
  person: "ann@example.com",
  url: "/checkout?x=1&y=2",
  minErrors: 1,
  signals: ["rage_click", "dead_click"],
  minFrustration: 0.5,
  hasLlm: false,
  tags: ["bug", "ünïcode #1"],
  live: true,
  order: "-errors",
};

describe("the address of a list", () => {
  test("says nothing when nothing is narrowed", () => {
    expect(toQuery(NO_FILTERS).toString()).toBe("");
    expect(parseFilters(new URLSearchParams(""))).toEqual(NO_FILTERS);
    expect(chips(NO_FILTERS)).toEqual([]);
  });

  test("reads back as what was written, all of it", () => {
    const text = toQuery(EVERYTHING).toString();
    expect(parseFilters(new URLSearchParams(text))).toEqual(EVERYTHING);
  });

  test.each(ORDERS.map(([order]) => order))("keeps the order %s", (order) => {
    expect(parseFilters(toQuery({ ...NO_FILTERS, order })).order).toBe(order);
  });

  test.each([
    "order=name",
    "min_duration_ms=-1",
    "min_duration_ms=1e9",
    "min_errors=x",
    "min_frustration=2",
    "min_frustration=",
    "signal=__proto__",
    "in=passwords",
    "llm=maybe",
    "tag=",
    "live=1",
    "nonsense=1",
  ])("leaves out what makes no sense: %s", (text) => {
    expect(parseFilters(new URLSearchParams(text))).toEqual(NO_FILTERS);
  });
});

describe("what the server is asked", () => {
  test("has the server's names", () => {
    const query = apiQuery(EVERYTHING);
    expect(query.get("has_llm")).toBe("false");
    expect(query.getAll("signal")).toEqual(["rage_click", "dead_click"]);
    expect(query.getAll("in")).toEqual(["titles", "clicked"]);
    expect(query.get("min_frustration")).toBe("0.5");
    expect(query.has("llm")).toBe(false);
    expect(query.has("order")).toBe(false);
  });
});

describe("chips", () => {
  test("taking away every one leaves nothing", () => {
    let filters = EVERYTHING;
    let rounds = 0;
    while (chips(filters).length > 0) {
      const [first] = chips(filters);
      filters = first!.without;
      rounds += 1;
      expect(rounds).toBeLessThan(50);
    }
    expect(filters).toEqual({ ...NO_FILTERS, order: EVERYTHING.order });
    expect(rounds).toBe(16);
  });

  test("say it in words", () => {
    const labels = chips(EVERYTHING).map((chip) => chip.label);
    expect(labels).toContain("Last 7 days");
    expect(labels).toContain("At most 1 min");
    expect(labels).toContain(SIGNALS["rage_click"]);
    expect(labels).toContain("#ünïcode #1");
    expect(labels).toContain("Without LLM trace");
  });
});
