/**
 * Where the bytes of `events.parquet` come from: memory or HTTP ranges.
 *
 * Intervals are half-open `[start, end)` here; HTTP's `Range` is inclusive, and
 * `rangeHeader` is the one place where the two meet.
 */

import { RangeReadError, RecordingChangedError } from "../errors";

/** What hyparquet calls an AsyncBuffer. */
export interface ByteFile {
  readonly byteLength: number;
  /** Whether it is all in memory. */
  readonly isAtHand: boolean;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** Files up to this size are fetched whole: one request is faster than three. */
export const WHOLE_FILE_BYTES = 1 << 20;

/** What was fetched is kept up to this size; as it comes it is a tenth of what it says. */
export const KEPT_BYTES = 8 << 20;

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** A file that is all in memory. */
export function memoryFile(bytes: Uint8Array): ByteFile {
  return {
    byteLength: bytes.byteLength,
    isAtHand: true,
    slice: (start, end = bytes.byteLength) => Promise.resolve(bytes.slice(start, end).buffer),
  };
}

/** `[start, end)` as the value of an HTTP `Range` header, whose end is inclusive. */
export function rangeHeader(start: number, end: number): string {
  return `bytes=${start}-${end - 1}`;
}

/**
 * Open a URL for reading by range.
 *
 * The first request asks for the first `WHOLE_FILE_BYTES`: its answer tells the
 * length, and a small file has arrived with it. A server that does not know ranges
 * answers 200 with the whole file, which is then read from memory. A part of another
 * file than the first one (its ETag tells) throws RecordingChangedError.
 */
export async function openUrl(
  url: string,
  fetchFn: Fetch = (input, init) => fetch(input, init),
  onProgress: (loadedBytes: number, totalBytes: number | null) => void = () => undefined,
): Promise<ByteFile> {
  const response = await request(fetchFn, url, 0, WHOLE_FILE_BYTES);
  const etag = response.headers.get("etag");
  const total = totalBytes(response);
  const head = await readBody(response, total, onProgress);
  if (response.status !== 206 || total === null || head.byteLength >= total) {
    return memoryFile(head);
  }
  return new RangeFile(total, head, (start, end) => fetchPart(fetchFn, url, start, end, etag));
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly bytes: Promise<Uint8Array>;
}

/**
 * A file read by range, of which no byte is asked for twice while it is kept.
 *
 * A slice is put together from the pieces that are here or on their way; only what lies
 * between them is fetched. The pieces that were not used for longest go first.
 */
class RangeFile implements ByteFile {
  readonly byteLength: number;
  readonly isAtHand = false;
  readonly #fetch: (start: number, end: number) => Promise<Uint8Array>;
  /** Disjoint; least recently used first. */
  #pieces: Piece[];

  constructor(
    byteLength: number,
    head: Uint8Array,
    fetchPart: (start: number, end: number) => Promise<Uint8Array>,
  ) {
    this.byteLength = byteLength;
    this.#fetch = fetchPart;
    this.#pieces = [{ start: 0, end: head.byteLength, bytes: Promise.resolve(head) }];
  }

  async slice(start: number, end = this.byteLength): Promise<ArrayBuffer> {
    const used: Piece[] = [];
    for (let at = start; at < end;) {
      const piece = this.#pieces.find((each) => each.start <= at && at < each.end);
      used.push(piece ?? this.#ask(at, end));
      at = used.at(-1)?.end ?? end;
    }
    this.#pieces = [...this.#pieces.filter((piece) => !used.includes(piece)), ...used];
    this.#forget(used.length);
    const bytes = new Uint8Array(end - start);
    for (const piece of used) {
      const from = Math.max(start, piece.start);
      const part = await piece.bytes;
      bytes.set(part.subarray(from - piece.start, end - piece.start), from - start);
    }
    return bytes.buffer;
  }

  /** Fetch from `start` up to what is here already, at most up to `end`. */
  #ask(start: number, end: number): Piece {
    const next = Math.min(
      end,
      ...this.#pieces.filter((each) => each.start > start).map((each) => each.start),
    );
    const bytes = this.#fetch(start, next);
    const piece = { start, end: next, bytes };
    this.#pieces.push(piece);
    // A failed read is forgotten, so that pressing play again tries again.
    bytes.catch(() => {
      this.#pieces = this.#pieces.filter((each) => each !== piece);
    });
    return piece;
  }

  /** Keep the `inUse` newest pieces and of the others what there is room for. */
  #forget(inUse: number): void {
    let keptBytes = 0;
    const kept: Piece[] = [];
    for (const [i, piece] of this.#pieces.toReversed().entries()) {
      keptBytes += piece.end - piece.start;
      if (i < inUse || keptBytes <= KEPT_BYTES) {
        kept.push(piece);
      }
    }
    this.#pieces = kept.reverse();
  }
}

async function fetchPart(
  fetchFn: Fetch,
  url: string,
  start: number,
  end: number,
  etag: string | null,
): Promise<Uint8Array> {
  const part = await request(fetchFn, url, start, end, etag);
  if (part.status !== 206) {
    throw new RangeReadError(
      `The server answered ${part.status} to a range it had allowed before. ` +
        "Something between here and the file drops the Range header.",
      part.status,
    );
  }
  const bytes = new Uint8Array(await part.arrayBuffer());
  if (bytes.byteLength !== end - start) {
    throw new RangeReadError(
      `Asked for ${end - start} bytes, got ${bytes.byteLength}: the file changed or the ` +
        "connection was cut. Load the recording again.",
      part.status,
    );
  }
  return bytes;
}

async function request(
  fetchFn: Fetch,
  url: string,
  start: number,
  end: number,
  expectedEtag: string | null = null,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetchFn(url, { headers: { Range: rangeHeader(start, end) } });
  } catch (cause) {
    throw new RangeReadError(
      "The recording could not be fetched. The server cannot be reached, or does not allow " +
        "this page to read from it (CORS).",
      null,
      { cause },
    );
  }
  const etag = response.headers.get("etag");
  if (expectedEtag !== null && etag !== null && etag !== expectedEtag) {
    throw new RecordingChangedError();
  }
  if (!response.ok) {
    throw new RangeReadError(
      `The server answered ${response.status}. ` +
        (response.status === 404 || response.status === 410
          ? "The recording does not exist there, or was deleted."
          : response.status === 401 || response.status === 403
            ? "The link has expired, or you may not see this recording."
            : "Try again later."),
      response.status,
    );
  }
  return response;
}

/** Length of the whole file by the answer's headers; null when they do not say. */
function totalBytes(response: Response): number | null {
  const total =
    response.status === 206
      ? /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]
      : response.headers.get("content-length");
  return total === null || total === undefined ? null : Number(total);
}

async function readBody(
  response: Response,
  total: number | null,
  onProgress: (loadedBytes: number, totalBytes: number | null) => void,
): Promise<Uint8Array> {
  const expected =
    response.status === 206 && total !== null ? Math.min(total, WHOLE_FILE_BYTES) : total;
  if (response.body === null) {
    return new Uint8Array(await response.arrayBuffer());
  }
  const parts: Uint8Array[] = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    parts.push(value);
    loaded += value.byteLength;
    onProgress(loaded, expected);
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}
