import { describe, expect, it } from "vitest";

import { openArchiveFile } from "../src/driver/archive";
import { DamagedRecordingError } from "../src/errors";
import { Bundle, isZip } from "../src/parser/bundle";
import { WHOLE_FILE_BYTES, memoryFile, openUrl } from "../src/parser/files";
import { CountingServer, longRecording, parquetOf } from "./recordings";

const SHA256 = "ab".repeat(32);
const ASSETS = {
  assets: { "https://shop.example/a.png": { sha256: SHA256, content_type: "image/png" } },
};
const EVENTS = parquetOf(longRecording(20, 30, "x".repeat(5_000)), 30);

interface Stored {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly method?: number;
  /** Said, if not true. */
  readonly size?: number;
  readonly at?: number;
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function header(signature: number, byteLength: number, fields: [number, 2 | 4, number][]): Buffer {
  const bytes = Buffer.alloc(byteLength);
  bytes.writeUInt32LE(signature);
  for (const [at, width, value] of fields) {
    bytes.writeUIntLE(value, at, width);
  }
  return bytes;
}

/** Write a ZIP of stored entries. */
function zipOf(entries: readonly Stored[], comment = ""): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, bytes, method = 0, size = bytes.length, ...said } of entries) {
    const text = Buffer.from(name);
    parts.push(header(0x04034b50, 30, [[26, 2, text.length]]), text, bytes);
    directory.push(
      header(0x02014b50, 46, [
        [10, 2, method],
        [20, 4, size],
        [24, 4, size],
        [28, 2, text.length],
        [42, 4, said.at ?? at],
      ]),
      text,
    );
    at += 30 + text.length + bytes.length;
  }
  const listed = Buffer.concat(directory);
  const end = header(0x06054b50, 22, [
    [12, 4, listed.length],
    [16, 4, at],
    [20, 2, comment.length],
  ]);
  return new Uint8Array(Buffer.concat([...parts, listed, end, Buffer.from(comment)]));
}

const GOOD: readonly Stored[] = [
  { name: "manifest.json", bytes: json({}) },
  { name: "assets.json", bytes: json(ASSETS) },
  { name: `assets/ab/${SHA256}`, bytes: json("png") },
  { name: "events.parquet", bytes: EVENTS },
];

async function errorOf(bytes: Uint8Array): Promise<unknown> {
  return openArchiveFile(memoryFile(bytes)).catch((error: unknown) => error);
}

describe("a bundle", () => {
  it("is known by its first bytes", async () => {
    expect(await isZip(memoryFile(zipOf(GOOD)))).toBe(true);
    expect(await isZip(memoryFile(EVENTS))).toBe(false);
    expect(await isZip(memoryFile(new Uint8Array()))).toBe(false);
  });

  it.each(["", "a comment PK\u0005\u0006 as long as it likes"])(
    "plays like the file in it, and gives what was frozen (%s)",
    async (comment) => {
      const driver = await openArchiveFile(memoryFile(zipOf(GOOD, comment)));
      const alone = await openArchiveFile(memoryFile(EVENTS));
      expect(driver.spans).toEqual(alone.spans);
      expect((await driver.readData(7)).data).toEqual((await alone.readData(7)).data);
      const found = await driver.readAssets?.();
      expect(found?.failed).toBe(0);
      expect(found?.assets.map(({ url, bytes }) => [url, bytes])).toEqual([
        ["https://shop.example/a.png", json("png")],
      ]);
    },
  );

  it("is read by range, not whole", async () => {
    const zip = zipOf(GOOD);
    expect(zip.length).toBeGreaterThan(2 * WHOLE_FILE_BYTES);
    const server = new CountingServer(zip);
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    expect(driver.spans).toHaveLength(20);
    await driver.readData(18);
    expect(server.readBytes).toBeLessThan(zip.length / 2);
    expect(server.ranges.length).toBeLessThanOrEqual(5);
  });

  it("counts an asset it does not hold", async () => {
    const zip = zipOf(GOOD.filter(({ name }) => !name.startsWith("assets/")));
    const driver = await openArchiveFile(memoryFile(zip));
    expect(await driver.readAssets?.()).toEqual({ assets: [], failed: 1 });
  });

  it("has nothing frozen where there is no list", async () => {
    const driver = await openArchiveFile(memoryFile(zipOf(GOOD.slice(3))));
    expect("readAssets" in driver).toBe(false);
  });

  it("passes over names no bundle has", async () => {
    const odd = ["../events.parquet", "/etc/passwd", "assets/../x", "__proto__", "EVENTS.PARQUET"];
    const bytes = json("x");
    const bundle = await Bundle.open(
      memoryFile(zipOf([...odd.map((name) => ({ name, bytes })), ...GOOD])),
    );
    expect(odd.filter((name) => bundle.has(name))).toEqual([]);
    expect(bundle.has("events.parquet")).toBe(true);
  });
});

describe("a damaged bundle", () => {
  const events = { name: "events.parquet", bytes: EVENTS };

  it.each<[string, Stored[], RegExp]>([
    ["has no events", GOOD.slice(1, 3), /holds no events\.parquet/],
    ["is compressed", [{ ...events, method: 8 }], /compressed/],
    ["says a size beyond its end", [{ ...events, size: EVENTS.length + 500 }], /outside/],
    ["says a place beyond its end", [{ ...events, at: 0x7fffffff }], /outside/],
    ["says a place in the middle", [{ ...events, at: 77 }], /outside/],
    ["needs ZIP64", [{ ...events, at: 0xffffffff }], /4 GB/],
    ["holds a name twice", [events, events], /twice/],
  ])("that %s is refused", async (_, entries, message) => {
    const error = await errorOf(zipOf([{ name: "manifest.json", bytes: json({}) }, ...entries]));
    expect(error).toBeInstanceOf(DamagedRecordingError);
    expect(String(error)).toMatch(message);
  });

  it("is refused wherever it is cut", async () => {
    const zip = zipOf(
      [GOOD[0], { ...events, bytes: parquetOf(longRecording(1, 3, ""), 3) }].flatMap(
        (e) => e ?? [],
      ),
    );
    for (let length = 4; length < zip.length; length += 7) {
      expect(await errorOf(zip.slice(0, length))).toBeInstanceOf(DamagedRecordingError);
    }
  });

  it("never throws anything else, whatever byte is changed", async () => {
    const zip = zipOf([
      ...GOOD.slice(0, 3),
      { ...events, bytes: parquetOf(longRecording(1, 3, ""), 3) },
    ]);
    for (let at = zip.length - 1; at >= zip.length - 400; at -= 1) {
      const changed = zip.slice();
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      const result = await errorOf(changed);
      if (result instanceof Error) {
        expect(result).toBeInstanceOf(DamagedRecordingError);
      }
    }
  });
});
