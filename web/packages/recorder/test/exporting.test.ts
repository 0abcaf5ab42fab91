import { gunzipSync } from "node:zlib";

import { expect, it } from "vitest";

import { eventsOf, fileOf } from "../src/exporting";
import { bodyOf, compressed, snapshotUrl } from "../src/wire";
import { chunk } from "./chunks";

const event = (timestamp: number, text = "") => ({ type: 5, timestamp, data: { text } });
const chunks = [
  chunk(0, { events: JSON.stringify([event(1), event(4, 'é "quoted" \u2028')]) }),
  chunk(1, { windowId: "w2", events: JSON.stringify([event(2)]) }),
];

it("exports every event, in order, with its window", async () => {
  const array = JSON.parse(await fileOf(chunks, "json").text()) as unknown[];
  expect(array).toEqual(eventsOf(chunks));
  expect(eventsOf(chunks).map(({ timestamp, windowId }) => [timestamp, windowId])).toEqual([
    [1, "w1"],
    [2, "w2"],
    [4, "w1"],
  ]);
});

it("exports lines that are the events of the wire", async () => {
  const lines = (await fileOf(chunks, "jsonl").text()).trimEnd().split("\n");
  const items = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(items.map((item) => item["uuid"])).toEqual(chunks.map(({ uuid }) => uuid));
  expect(items[0]).toMatchObject({
    event: "$snapshot",
    timestamp: new Date(chunks[0]!.createdMs).toISOString(),
    properties: {
      $session_id: "s1",
      $window_id: "w1",
      $snapshot_data: JSON.parse(chunks[0]!.events) as unknown,
      $snapshot_bytes: chunks[0]!.bytes,
      $lib: "replayport-recorder",
      distinct_id: "anna",
    },
  });
});

it("compresses a body to what it was", async () => {
  const body = bodyOf(chunks, "phc_test", 5000);
  const blob = await compressed(body);
  expect(blob.type).toBe("text/plain");
  expect(gunzipSync(Buffer.from(await blob.arrayBuffer())).toString()).toBe(body);
});

it("keeps the path of a host, and says which attempt it is", () => {
  expect(snapshotUrl("https://r.example/in/", 0)).toBe("https://r.example/in/s/");
  expect(snapshotUrl(" https://r.example", 3)).toBe("https://r.example/s/?retry_count=3");
});
