import { describe, expect, it } from "vitest";

import { openArchiveFile, openArchiveUrl } from "../src/driver/archive";
import { openEvents } from "../src/driver/events";
import {
  DamagedRecordingError,
  EmptyRecordingError,
  RangeReadError,
  RecordingChangedError,
} from "../src/errors";
import { WHOLE_FILE_BYTES, memoryFile, openUrl, rangeHeader } from "../src/parser/files";
import { planOf } from "../src/plan";
import { CountingServer, longRecording, parquetOf } from "./recordings";

const LARGE = parquetOf(longRecording(20, 30, "x".repeat(5_000)), 30);
const SMALL = parquetOf(longRecording(2, 5, ""), 5);

describe("reading by range", () => {
  it("turns a half-open range into HTTP's inclusive one", () => {
    expect(rangeHeader(0, 1)).toBe("bytes=0-0");
    expect(rangeHeader(10, 20)).toBe("bytes=10-19");
  });

  it("fetches a small file once and whole", async () => {
    const server = new CountingServer(SMALL);
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    await driver.readIndex(1);
    await driver.readData(1);
    expect(server.ranges).toEqual([{ start: 0, end: SMALL.length }]);
  });

  it("reads of a large file what a seek needs, not the file", async () => {
    expect(LARGE.length).toBeGreaterThan(2 * WHOLE_FILE_BYTES);
    const server = new CountingServer(LARGE);
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    expect(driver.spans).toHaveLength(20);
    const before = server.readBytes;
    const plan = await planOf(driver, (driver.spans[18]?.startMs ?? 0) + 1500, null);
    expect(plan?.snapshot).toEqual({ group: 18, row: 1 });
    expect(plan?.meta).toEqual({ group: 18, row: 0 });
    const { data } = await driver.readData(18);
    expect(data.length).toBe(30);
    // One row group of twenty: its light columns, then its data.
    expect(server.readBytes - before).toBeLessThan(LARGE.length / 15);
    expect(server.ranges.length).toBeLessThanOrEqual(4);
  });

  it("draws the timeline of a large file without its data", async () => {
    const server = new CountingServer(LARGE);
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    const before = server.readBytes;
    for (const group of driver.spans.keys()) {
      const index = await driver.readIndex(group);
      expect(index.timestampMs).toHaveLength(30);
      expect(index.kind[1]).toBe("full_snapshot");
    }
    expect(server.readBytes - before).toBeLessThan(LARGE.length / 10);
  });

  it("reads from a server that knows no ranges", async () => {
    const server = new CountingServer(LARGE);
    server.knowsRanges = false;
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    await driver.readData(19);
    expect(server.ranges).toHaveLength(1);
  });

  it.each([404, 403, 500])("says what status %s means", async (status) => {
    const server = new CountingServer(LARGE);
    server.status = status;
    const error: unknown = await openUrl("r", server.fetch).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RangeReadError);
    expect(error).toMatchObject({ status, code: "range_read" });
  });

  it("notices an answer that is cut short", async () => {
    const server = new CountingServer(LARGE);
    const file = await openUrl("r", server.fetch);
    const cut = await openUrl("r", async (url, init) => {
      const response = await server.fetch(url, init);
      const range = new Headers(init?.headers).get("range") ?? "";
      return range.startsWith("bytes=0-")
        ? response
        : new Response((await response.arrayBuffer()).slice(1), { status: 206 });
    });
    expect(file.byteLength).toBe(LARGE.length);
    await expect(cut.slice(2_000_000, 2_000_010)).rejects.toBeInstanceOf(RangeReadError);
  });

  it("reads a group once, however often it is asked for", async () => {
    const server = new CountingServer(LARGE);
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    await Promise.all([driver.readData(15), driver.readData(15)]);
    const once = server.ranges.length;
    await driver.readData(15);
    expect(server.ranges).toHaveLength(once);
  });

  it("tries a group again after a failure", async () => {
    const server = new CountingServer(LARGE);
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    server.status = 503;
    await expect(driver.readData(15).then(() => "read")).rejects.toBeInstanceOf(RangeReadError);
    server.status = null;
    expect((await driver.readData(15)).data.length).toBe(30);
  });
});

describe("a recording that is written anew while it is read", () => {
  it("is told apart by its ETag, never put together of two", async () => {
    const server = new CountingServer(LARGE);
    server.etag = '"a"';
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    server.replace(LARGE, '"b"');
    await expect(driver.readData(15)).rejects.toBeInstanceOf(RecordingChangedError);
  });

  it("is opened a second time when the first reading fails", async () => {
    const server = new CountingServer(LARGE);
    const torn = LARGE.slice().fill(0, LARGE.length - 60, LARGE.length - 12);
    server.replace(torn, '"a"');
    setTimeout(() => {
      server.replace(LARGE, '"b"');
    }, 50);
    const driver = await openArchiveUrl("r", () => undefined, server.fetch);
    expect((await driver.readData(15)).data.length).toBe(30);
  });

  it("is damaged when the second reading fails as well", async () => {
    const server = new CountingServer(SMALL.slice(0, 100));
    await expect(openArchiveUrl("r", () => undefined, server.fetch)).rejects.toBeInstanceOf(
      DamagedRecordingError,
    );
  });
});

describe("files that are no recordings", () => {
  it.each([
    ["nothing", new Uint8Array(0)],
    ["text", new TextEncoder().encode("<!doctype html> not found")],
    ["half a file", LARGE.slice(0, 1000)],
    ["a broken footer", SMALL.slice().fill(0, SMALL.length - 60, SMALL.length - 12)],
  ])("%s is damaged", async (_name, bytes) => {
    await expect(openArchiveFile(memoryFile(bytes))).rejects.toBeInstanceOf(DamagedRecordingError);
  });

  it("a broken column is damaged when it is read", async () => {
    const bytes = SMALL.slice().fill(0xff, 4, 200);
    const driver = await openArchiveFile(memoryFile(bytes));
    await expect(driver.readIndex(0)).rejects.toBeInstanceOf(DamagedRecordingError);
  });

  it("no events are an empty recording", () => {
    expect(() => openEvents([])).toThrow(EmptyRecordingError);
  });
});

describe("events in memory", () => {
  it("are put in order and named as in a file", async () => {
    const driver = openEvents([
      { type: 3, timestamp: 30.7, data: { source: 2, type: 2, id: 1 }, windowId: "b" },
      { type: 4, timestamp: 10, data: { href: "https://a.example/" } },
      { type: 6, timestamp: 20, data: { plugin: "rrweb/console@1", payload: {} } },
    ]);
    const index = await driver.readIndex(0);
    expect(index.timestampMs).toEqual([10, 20, 30]);
    expect(index.kind).toEqual(["meta", "console", "click"]);
    expect(index.windowId).toEqual(["", "", "b"]);
    expect(index.url).toEqual(["https://a.example/", null, null]);
    expect((await driver.readData(0)).data[2]).toBe('{"source":2,"type":2,"id":1}');
  });
});
