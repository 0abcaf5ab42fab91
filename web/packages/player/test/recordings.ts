/** Tiny Parquet recordings for tests, and a server that counts what is read of them. */

import { zstdCompressSync } from "node:zlib";

import { parquetWriteBuffer } from "hyparquet-writer";

import type { Fetch } from "../src/parser/files";

export interface StoredEvent {
  readonly atMs: number;
  readonly type: number;
  readonly windowId?: string;
  readonly source?: number;
  readonly kind?: string;
  readonly url?: string;
  readonly data?: unknown;
}

/** How `data` is written: plain, or as the archive does, to be read from the front. */
const LAYOUTS = {
  plain: { codec: "UNCOMPRESSED" },
  archive: { codec: "ZSTD", encoding: "DELTA_LENGTH_BYTE_ARRAY" },
} as const;

/** Write events as `events.parquet`, so many rows a row group. */
export function parquetOf(
  events: readonly StoredEvent[],
  rowGroupSize: number,
  layout: keyof typeof LAYOUTS = "plain",
  pageSize = 1 << 30,
): Uint8Array {
  const data = <T>(pick: (event: StoredEvent) => T): T[] => events.map(pick);
  return new Uint8Array(
    parquetWriteBuffer({
      rowGroupSize,
      pageSize,
      compressors: { ZSTD: (input) => new Uint8Array(zstdCompressSync(input)) },
      columnData: [
        { name: "timestamp_ms", data: data((e) => BigInt(e.atMs)), type: "INT64" },
        { name: "window_id", data: data((e) => e.windowId ?? "w"), type: "STRING" },
        { name: "type", data: data((e) => e.type), type: "INT32" },
        { name: "source", data: data((e) => e.source ?? null), type: "INT32", nullable: true },
        { name: "kind", data: data((e) => e.kind ?? ""), type: "STRING" },
        { name: "url", data: data((e) => e.url ?? null), type: "STRING", nullable: true },
        {
          name: "data",
          data: data((e) => (e.data === null ? null : JSON.stringify(e.data ?? {}))),
          type: "STRING",
          nullable: true,
          columnIndex: false,
          ...LAYOUTS[layout],
        },
      ],
    }),
  );
}

/** A minute of work: a Meta and a full snapshot every `groupEvents`, moves in between. */
export function longRecording(groups: number, groupEvents: number, padding: string): StoredEvent[] {
  return Array.from({ length: groups * groupEvents }, (_, i) => {
    const atMs = 1_000_000 + i * 100;
    switch (i % groupEvents) {
      case 0:
        return { atMs, type: 4, kind: "meta", url: `https://shop.example/${i}` };
      case 1:
        return { atMs, type: 2, kind: "full_snapshot" };
      default:
        return { atMs, type: 3, source: 0, kind: "mutation", data: { padding: `${i} ${padding}` } };
    }
  });
}

export class CountingServer {
  readonly ranges: { start: number; end: number }[] = [];
  #bytes: Uint8Array;
  knowsRanges = true;
  status: number | null = null;
  etag: string | null = null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Serve another file from now on. */
  replace(bytes: Uint8Array, etag: string): void {
    this.#bytes = bytes;
    this.etag = etag;
  }

  get readBytes(): number {
    return this.ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  readonly fetch: Fetch = (_url, init) => {
    if (this.status !== null) {
      return Promise.resolve(new Response("", { status: this.status }));
    }
    const header = new Headers(init?.headers).get("range") ?? "";
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(header) ?? [];
    if (!this.knowsRanges || first === undefined || last === undefined) {
      this.ranges.push({ start: 0, end: this.#bytes.length });
      return Promise.resolve(new Response(this.#bytes.slice(), { status: 200 }));
    }
    const start = Number(first);
    const end = Math.min(Number(last) + 1, this.#bytes.length);
    this.ranges.push({ start, end });
    return Promise.resolve(
      new Response(this.#bytes.slice(start, end), {
        status: 206,
        headers: {
          "content-range": `bytes ${start}-${end - 1}/${this.#bytes.length}`,
          ...(this.etag === null ? {} : { etag: this.etag }),
        },
      }),
    );
  };
}
