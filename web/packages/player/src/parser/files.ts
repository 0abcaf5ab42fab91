/**
 * Where the bytes of `events.parquet` come from: memory or HTTP ranges.
 *
 * Intervals are half-open `[start, end)` here; HTTP's `Range` is inclusive, and
 * `rangeHeader` is the one place where the two meet.
 */

import { RangeReadError } from "../errors";

/** What hyparquet calls an AsyncBuffer. */
export interface ByteFile {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** Files up to this size are fetched whole: one request is faster than three. */
export const WHOLE_FILE_BYTES = 1 << 20;

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** A file that is all in memory. */
export function memoryFile(bytes: Uint8Array): ByteFile {
  return {
    byteLength: bytes.byteLength,
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
 * answers 200 with the whole file, which is then read from memory.
 */
export async function openUrl(
  url: string,
  fetchFn: Fetch = (input, init) => fetch(input, init),
  onProgress: (loadedBytes: number, totalBytes: number | null) => void = () => undefined,
): Promise<ByteFile> {
  const response = await request(fetchFn, url, 0, WHOLE_FILE_BYTES);
  const total = totalBytes(response);
  const head = await readBody(response, total, onProgress);
  if (response.status !== 206 || total === null || head.byteLength >= total) {
    return memoryFile(head);
  }
  return {
    byteLength: total,
    async slice(start, end = total) {
      if (end <= head.byteLength) {
        return head.slice(start, end).buffer;
      }
      const part = await request(fetchFn, url, start, end);
      if (part.status !== 206) {
        throw new RangeReadError(
          `The server answered ${part.status} to a range it had allowed before. ` +
            "Something between here and the file drops the Range header.",
          part.status,
        );
      }
      const bytes = await part.arrayBuffer();
      if (bytes.byteLength !== end - start) {
        throw new RangeReadError(
          `Asked for ${end - start} bytes, got ${bytes.byteLength}: the file changed or the ` +
            "connection was cut. Load the recording again.",
          part.status,
        );
      }
      return bytes;
    },
  };
}

async function request(fetchFn: Fetch, url: string, start: number, end: number): Promise<Response> {
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
