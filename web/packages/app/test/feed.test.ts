import { afterEach, expect, test, vi } from "vitest";

import { Feed, Joined, MAX_ROWS, type FeedRow } from "../src/lib/feed.svelte";

afterEach(() => {
  vi.unstubAllGlobals();
});

/** A server with so many rows; notes what it is asked. */
function server(total: () => number): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (path: string) => {
    asked.push(path);
    const query = new URL(path, "http://x").searchParams;
    const offset = Number(query.get("offset"));
    const end = Math.min(total(), offset + Number(query.get("limit")));
    const items = Array.from({ length: Math.max(0, end - offset) }, (_, i) => ({
      timestamp_ms: offset + i,
      offset_ms: offset + i,
      window_id: "w",
    }));
    return Promise.resolve(
      Response.json({ items, total: total(), next_offset: end < total() ? end : null }),
    );
  });
  return asked;
}

const whole = async (feed: Feed<FeedRow>): Promise<void> => {
  await vi.waitFor(() => {
    expect(feed.isLoading).toBe(false);
  });
};

test("a feed is read to its end, every row once and in order", async () => {
  const asked = server(() => 2500);
  const feed = new Feed("actions", "a/b", "c", () => "");
  feed.load();
  feed.load();
  await whole(feed);
  expect(feed.rows.map((row) => row.offset_ms)).toEqual(Array.from({ length: 2500 }, (_, i) => i));
  expect(asked).toHaveLength(4);
  expect(asked[0]).toBe("/api/recordings/a%2Fb/c/feeds/actions?offset=0&limit=200");
});

test("no more rows are kept than the list takes", async () => {
  server(() => MAX_ROWS * 2);
  const feed = new Feed("events", "p", "r", () => "");
  feed.load();
  await whole(feed);
  expect(feed.rows.length).toBeGreaterThanOrEqual(MAX_ROWS);
  expect(feed.rows.length).toBeLessThan(MAX_ROWS + 1000);
  expect(feed.total).toBe(MAX_ROWS * 2);
});

test("a feed that grew is read again with what it is of now", async () => {
  let total = 10;
  const asked = server(() => total);
  const feed = new Feed("console", "p", "r", () => `&events=${total}`);
  feed.load();
  await whole(feed);
  total = 12;
  feed.reload();
  await whole(feed);
  expect(feed.rows).toHaveLength(12);
  expect(asked.at(-1)).toContain("&events=12");
});

test("a refusal is said in words, and asking again is possible", async () => {
  vi.stubGlobal("fetch", () =>
    Promise.resolve(
      Response.json({ ok: false, error: "it is damaged", reason: "damaged" }, { status: 500 }),
    ),
  );
  const feed = new Feed("console", "p", "r", () => "");
  feed.load();
  await whole(feed);
  expect(feed.error).toBe("It is damaged.");
  server(() => 3);
  feed.load();
  await whole(feed);
  expect(feed.error).toBeNull();
  expect(feed.rows).toHaveLength(3);
});

test("two feeds are one list in order of time, and there when both are", async () => {
  const even = new Feed("actions", "p", "r", () => "");
  const odd = new Feed("signals", "p", "r", () => "");
  const joined = new Joined(even, odd);
  expect(joined.total).toBeNull();
  server(() => 3);
  joined.load();
  expect(joined.isLoading).toBe(true);
  await whole(even);
  await whole(odd);
  expect(joined.total).toBe(6);
  expect(joined.error).toBeNull();
  expect(joined.rows.map((row) => row.timestamp_ms)).toEqual([0, 0, 1, 1, 2, 2]);
});
