import { zstdCompressSync } from "node:zlib";

import type { ColumnMetaData } from "hyparquet";
import { ByteWriter } from "hyparquet-writer/src/bytewriter.js";
import { writePageHeader } from "hyparquet-writer/src/datapage.js";
import { deltaLengthByteArray } from "hyparquet-writer/src/delta.js";
import { writeRleBitPackedHybrid } from "hyparquet-writer/src/encoding.js";
import { describe, expect, it } from "vitest";

import { openArchiveFile } from "../src/driver/archive";
import { memoryFile, openUrl, type ByteFile } from "../src/parser/files";
import { isReadableFromFront, TextReader } from "../src/parser/texts";
import { CountingServer, parquetOf, type StoredEvent } from "./recordings";

/** Text that does not compress to nothing, the same on each run. */
function noise(chars: number, seed: number): string {
  let state = seed * 2_654_435_761 + 1;
  let text = "";
  while (text.length < chars) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    text += state.toString(36);
  }
  return text.slice(0, chars);
}

function events(count: number, chars: number): StoredEvent[] {
  return Array.from({ length: count }, (_, i) => ({
    atMs: 1_000 + i,
    type: i === 0 ? 4 : i === 1 ? 2 : 3,
    data: i % 7 === 5 ? null : { i, text: noise(chars, i), letters: "ü€😀" },
  }));
}

const textOf = ({ data }: StoredEvent): string | null =>
  data === null ? null : JSON.stringify(data);

/** A file that notes which of its bytes were read. */
function noting(bytes: Uint8Array): { file: ByteFile; readTo: () => number } {
  const file = memoryFile(bytes);
  let readTo = 0;
  return {
    readTo: () => readTo,
    file: {
      ...file,
      slice: (start, end = bytes.byteLength) => {
        readTo = Math.max(readTo, end);
        return file.slice(start, end);
      },
    },
  };
}

/** A column chunk as Arrow writes it for the archive; hyparquet-writer knows newer pages only. */
function chunkOf(stored: readonly StoredEvent[]): { bytes: Uint8Array; chunk: ColumnMetaData } {
  const texts = stored.map(textOf);
  const page = new ByteWriter();
  const levels = new ByteWriter();
  writeRleBitPackedHybrid(
    levels,
    texts.map((text) => Number(text !== null)),
    1,
  );
  page.appendUint32(levels.offset);
  page.appendBytes(levels.getBytes());
  const given = texts.filter((text) => text !== null);
  if (given.length > 0) {
    deltaLengthByteArray(
      page,
      given.map((text) => new TextEncoder().encode(text)),
    );
  }
  const compressed = new Uint8Array(zstdCompressSync(page.getBytes()));
  const file = new ByteWriter();
  file.appendBytes(new TextEncoder().encode("PAR1"));
  writePageHeader(file, {
    type: "DATA_PAGE",
    uncompressed_page_size: page.offset,
    compressed_page_size: compressed.byteLength,
    data_page_header: {
      num_values: stored.length,
      encoding: "DELTA_LENGTH_BYTE_ARRAY",
      definition_level_encoding: "RLE",
      repetition_level_encoding: "RLE",
    },
  });
  file.appendBytes(compressed);
  const bytes = new Uint8Array(file.getBytes());
  return {
    bytes,
    chunk: {
      codec: "ZSTD",
      encodings: ["RLE", "DELTA_LENGTH_BYTE_ARRAY"],
      data_page_offset: 4n,
      total_compressed_size: BigInt(bytes.byteLength - 4),
    } as ColumnMetaData,
  };
}

function readerOf(stored: readonly StoredEvent[]): {
  reader: TextReader;
  readTo: () => number;
  bytes: Uint8Array;
} {
  const { bytes, chunk } = chunkOf(stored);
  expect(isReadableFromFront(chunk)).toBe(true);
  const { file, readTo } = noting(bytes);
  return { reader: new TextReader(file, chunk, stored.length), readTo, bytes };
}

describe("texts read from the front", () => {
  const stored = events(600, 3_000);

  it("are those that were written, whatever was asked for first", async () => {
    for (const steps of [[600], [1, 2, 3, 300, 600], [599, 600], [10, 5, 10_000]]) {
      const { reader } = readerOf(stored);
      for (const rows of steps) {
        await reader.read(rows);
        expect(reader.texts.length).toBeGreaterThanOrEqual(Math.min(rows, 600));
      }
      expect(reader.texts).toEqual(stored.map(textOf));
    }
  });

  it("take no more of the file than they need", async () => {
    const { reader, readTo, bytes } = readerOf(stored);
    await reader.read(3);
    expect(reader.texts.slice(0, 3)).toEqual(stored.slice(0, 3).map(textOf));
    expect(reader.texts.length).toBeLessThan(300);
    expect(readTo()).toBeLessThan(bytes.byteLength / 2);
  });

  it("are read once when two ask at the same time", async () => {
    const { reader } = readerOf(stored);
    await Promise.all([reader.read(600), reader.read(2), reader.read(400)]);
    expect(reader.texts).toEqual(stored.map(textOf));
  });

  it.each([1, 5, 127, 128, 129, 1_000, 5_000])("work for %s rows", async (count) => {
    const few = events(count, 8);
    const { reader } = readerOf(few);
    await reader.read(1);
    await reader.read(count);
    expect(reader.texts).toEqual(few.map(textOf));
  });

  it("may all be null", async () => {
    const { reader } = readerOf(events(20, 5).map((event) => ({ ...event, data: null })));
    await reader.read(20);
    expect(reader.texts).toEqual(Array.from({ length: 20 }, () => null));
  });

  it("in pages of another kind are left to hyparquet", async () => {
    const many = parquetOf(stored, 600, "archive", 100_000);
    const driver = await openArchiveFile(memoryFile(many));
    expect((await driver.readData(0, 2)).data).toEqual(stored.map(textOf));
  });

  it("that are damaged say so, wherever that is", async () => {
    const { bytes, chunk } = chunkOf(stored);
    let failures = 0;
    for (let at = 100; at < bytes.byteLength; at += 40_000) {
      const broken = bytes.slice().fill(0xa5, at, at + 60);
      const reader = new TextReader(memoryFile(broken), chunk, stored.length);
      await reader.read(600).catch((error: unknown) => {
        expect(error).toBeInstanceOf(Error);
        failures += 1;
      });
    }
    expect(failures).toBeGreaterThan(0);
    const cut = new TextReader(
      memoryFile(bytes),
      { ...chunk, total_compressed_size: BigInt(bytes.byteLength >> 1) },
      stored.length,
    );
    await expect(cut.read(600)).rejects.toBeInstanceOf(Error);
  });
});

describe("a long recording over the network", () => {
  const GROUPS = 16;
  const stored = events(GROUPS * 100, 3_000).map((event, i) => ({
    ...event,
    type: i % 100 === 0 ? 4 : i % 100 === 1 ? 2 : 3,
  }));
  const bytes = parquetOf(stored, 100);

  it("never asks for a byte twice while what it has is within bounds", async () => {
    const server = new CountingServer(bytes);
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    const everything = Array.from({ length: GROUPS }, (_, group) => group);
    for (const group of [...everything, ...everything.toReversed(), 3, 3, 0]) {
      await Promise.all([driver.readIndex(group), driver.readIndex(group)]);
      await Promise.all([
        driver.readData(group, 2),
        driver.readData(group),
        driver.readData(group),
      ]);
    }
    expect(bytes.byteLength).toBeGreaterThan(2 << 20);
    const asked = [...server.ranges].sort((a, b) => a.start - b.start);
    asked.forEach(({ start }, i) => {
      expect(start).toBeGreaterThanOrEqual(asked[i - 1]?.end ?? 0);
    });
    expect(server.readBytes).toBeLessThanOrEqual(bytes.byteLength);
  });

  it("has its first picture before most of it was asked for", async () => {
    const server = new CountingServer(bytes);
    const driver = await openArchiveFile(await openUrl("r", server.fetch));
    await driver.readIndex(0);
    const { data } = await driver.readData(0, 2);
    expect(data[1]).toBe(textOf(stored[1]!));
    expect(server.readBytes).toBeLessThan(bytes.byteLength / 2);
  });

  it("forgets what was not used for longest", async () => {
    const server = new CountingServer(bytes);
    // Nine megabytes in pieces of one: eight of them are kept.
    const file = await openUrl("r", (url, init) => {
      const [, first, last] = /(\d+)-(\d+)/.exec(new Headers(init?.headers).get("range") ?? "")!;
      return first === "0"
        ? server.fetch(url, init).then(
            async (answer) =>
              new Response(await answer.arrayBuffer(), {
                status: 206,
                headers: { "content-range": `bytes 0-1/${64 << 20}` },
              }),
          )
        : (server.ranges.push({ start: Number(first), end: Number(last) + 1 }),
          Promise.resolve(
            new Response(new Uint8Array(Number(last) - Number(first) + 1), { status: 206 }),
          ));
    });
    const piece = 1 << 20;
    for (let i = 1; i <= 10; i += 1) {
      await file.slice(i * piece, (i + 1) * piece);
    }
    const asked = server.ranges.length;
    await file.slice(9 * piece, 11 * piece);
    expect(server.ranges).toHaveLength(asked);
    await file.slice(piece, 2 * piece);
    expect(server.ranges).toHaveLength(asked + 1);
  });
});
