/** Every answer a server can give, and what becomes of the chunks. */

import { gunzipSync } from "node:zlib";

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Findings } from "../src/findings";
import { MemoryStore } from "../src/store";
import { Uploader, type Network } from "../src/uploader";
import { chunk, TOKEN } from "./chunks";

interface Item {
  uuid: string;
  sent_at: string;
}

class FakeNetwork implements Network {
  readonly urls: string[] = [];
  readonly batches: Item[][] = [];
  readonly beacons: Blob[] = [];
  answers: (number | Error | Response)[] = [];
  refuses: ReadonlySet<string> = new Set();
  online = true;
  locked = false;

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    this.urls.push(url);
    const bytes = Buffer.from(await (init.body as Blob).arrayBuffer());
    const items = JSON.parse(gunzipSync(bytes).toString()) as Item[];
    this.batches.push(items);
    if (items.some(({ uuid }) => this.refuses.has(uuid))) {
      return new Response("no", { status: 400 });
    }
    const answer = this.answers.shift() ?? 200;
    if (answer instanceof Error) {
      throw answer;
    }
    return answer instanceof Response
      ? answer
      : new Response(answer === 204 ? null : '{"status":"Ok"}', { status: answer });
  };
  readonly sendBeacon = (_: string, body: Blob): boolean => this.beacons.push(body) > 0;
  readonly isOnline = (): boolean => this.online;
  readonly exclusively = async (_: string, work: () => Promise<void>): Promise<boolean> => {
    if (!this.locked) {
      await work();
    }
    return !this.locked;
  };
}

let store: MemoryStore;
let network: FakeNetwork;
let findings: Findings;
let uploader: Uploader;

async function states(): Promise<string[]> {
  return (await store.chunks("s1")).map(({ state }) => state);
}

function made(retryDelayMs: number): Uploader {
  return new Uploader(
    () => store,
    { host: "https://r.example/in/", token: TOKEN, intervalMs: 100, retryDelayMs },
    network,
    findings,
  );
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  store = new MemoryStore();
  network = new FakeNetwork();
  findings = new Findings(undefined);
  uploader = made(10);
  for (const n of [0, 1, 2]) {
    await store.put(chunk(n));
  }
});

afterEach(() => {
  vi.useRealTimers();
});

it("sends all there is, once", async () => {
  await uploader.now();
  await uploader.now();
  expect(network.urls).toEqual(["https://r.example/in/s/"]);
  expect(await states()).toEqual(["uploaded", "uploaded", "uploaded"]);
});

it.each([new TypeError("reset"), 500, 503, 204, 202, 302, 408, 429, 401, 403, 404])(
  "repeats the same events after %s",
  async (answer) => {
    network.answers = [answer, answer];
    await uploader.now();
    expect(await states()).toEqual(["pending", "pending", "pending"]);
    // Lets the timers run, too.
    await vi.waitFor(async () => {
      expect(await states()).toEqual(["uploaded", "uploaded", "uploaded"]);
    });
    expect(network.urls.map((url) => url.split("?")[1])).toEqual([
      undefined,
      "retry_count=1",
      "retry_count=2",
    ]);
    const bare = network.batches.map((items) => items.map((item) => ({ ...item, sent_at: "" })));
    expect(bare[1]).toEqual(bare[0]);
    expect(bare[2]).toEqual(bare[0]);
  },
);

it("waits twice as long after each failure, half an hour at most", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  const timer = vi.spyOn(globalThis, "setTimeout");
  network.answers = Array.from({ length: 13 }, () => 500);
  uploader = made(1000);
  for (let attempt = 0; attempt < 13; attempt++) {
    await uploader.now();
  }
  const delaysMs = timer.mock.calls.map(([, delayMs]) => delayMs).filter((ms) => ms! >= 1000);
  expect(delaysMs.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
  expect(delaysMs.slice(-2)).toEqual([1_800_000, 1_800_000]);
  vi.restoreAllMocks();
});

it("goes on at once when the network is back", async () => {
  network.online = false;
  await uploader.now();
  expect(network.urls).toEqual([]);
  network.online = true;
  uploader.online();
  await vi.waitFor(async () => {
    expect(await states()).toEqual(["uploaded", "uploaded", "uploaded"]);
  });
});

it("finds the one piece a server will not take, and sends the others", async () => {
  network.refuses = new Set([chunk(1).uuid]);
  await uploader.now();
  expect(await states()).toEqual(["uploaded", "rejected", "uploaded"]);
  expect([...findings.counts]).toEqual([["upload_rejected", 1]]);
});

it("takes nothing for stored that a server over quota did not store", async () => {
  network.answers = [new Response('{"status":"Ok","quota_limited":["recordings"]}')];
  await uploader.now();
  expect(await states()).toEqual(["pending", "pending", "pending"]);
  await vi.advanceTimersByTimeAsync(59_000);
  expect(network.urls).toHaveLength(1);
});

it("leaves the work to the tab that is at it, and looks again", async () => {
  network.locked = true;
  await uploader.now();
  expect(network.urls).toEqual([]);
  network.locked = false;
  await vi.advanceTimersByTimeAsync(100);
  await vi.waitFor(async () => {
    expect(await states()).toEqual(["uploaded", "uploaded", "uploaded"]);
  });
});

it("beacons what fits, newest kept, under the uuids of its chunks", async () => {
  const large = (n: number) => chunk(n, { events: `["${"x".repeat(25_000)}"]`, bytes: 25_004 });
  for (const n of [10, 11, 12]) {
    uploader.added(large(n));
  }
  uploader.added(chunk(13, { events: "[]", bytes: 200_000 }));
  uploader.leave(5000);
  expect(network.beacons).toEqual([]);
  for (const n of [11, 12]) {
    uploader.added(large(n));
  }
  uploader.leave(5000);
  const items = JSON.parse(await network.beacons[0]!.text()) as Item[];
  expect(items.map(({ uuid }) => uuid)).toEqual([chunk(11).uuid, chunk(12).uuid]);
  expect(network.beacons[0]!.size).toBeLessThan(64 * 1024);
  uploader.forget("s1");
  uploader.leave(5000);
  expect(network.beacons).toHaveLength(1);
});
