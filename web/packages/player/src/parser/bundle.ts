/**
 * Reads a bundle (`*.replay.zip`) by range: its entries are stored, so each is a part of it.
 *
 * ```
 * manifest.json, analytics.parquet, assets.json, assets/<ab>/<sha256>, events.parquet
 *   each  local header   30 bytes, name, extra; then the entry's bytes
 * central directory      name, place and size of each entry
 * end                    22 bytes: place and size of the directory; then a comment
 * ```
 *
 * Normative: `spec/bundle.md`. The bytes are foreign: only names a bundle can have are
 * looked at, and every place has to be inside the file.
 */

import { DamagedRecordingError } from "../errors";
import type { ByteFile } from "./files";

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
/** Some 150,000 assets. */
const MAX_DIRECTORY_BYTES = 16 << 20;
/** What a place or size says that only ZIP64 holds. */
const ELSEWHERE = 0xffffffff;
const NAME = /^(?:[a-z0-9_-]+\.(?:parquet|json|webp)|assets\/[0-9a-f]{2}\/[0-9a-f]{64})$/;

export const EVENTS_NAME = "events.parquet";
export const ASSETS_NAME = "assets.json";

interface Entry {
  /** Where its local header is. */
  readonly at: number;
  readonly byteLength: number;
}

/** Whether a file begins as a ZIP does. */
export async function isZip(file: ByteFile): Promise<boolean> {
  if (file.byteLength < END_BYTES) {
    return false;
  }
  return new DataView(await file.slice(0, 4)).getUint32(0, true) === LOCAL;
}

/** An open bundle; nothing of an entry is read before it is asked for. */
export class Bundle {
  readonly #file: ByteFile;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(file: ByteFile, entries: ReadonlyMap<string, Entry>) {
    this.#file = file;
    this.#entries = entries;
  }

  /** Read the directory. Throws DamagedRecordingError. */
  static async open(file: ByteFile): Promise<Bundle> {
    const tailAt = Math.max(0, file.byteLength - END_BYTES - MAX_COMMENT_BYTES);
    const tail = new DataView(await file.slice(tailAt));
    const end = endOf(tail);
    const size = tail.getUint32(end + 12, true);
    const at = tail.getUint32(end + 16, true);
    if (at === ELSEWHERE || size > MAX_DIRECTORY_BYTES || at + size > tailAt + end) {
      throw damaged("its directory lies outside of it");
    }
    const directory = await file.slice(at, at + size);
    return new Bundle(file, entriesOf(new DataView(directory)));
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Give an entry as a file. Throws DamagedRecordingError. */
  async entry(name: string): Promise<ByteFile> {
    const found = this.#entries.get(name);
    if (found === undefined) {
      throw damaged(`it holds no ${name}`);
    }
    if (found.at + LOCAL_BYTES > this.#file.byteLength) {
      throw damaged(`${name} lies outside of it`);
    }
    const header = new DataView(await this.#file.slice(found.at, found.at + LOCAL_BYTES));
    const start = found.at + LOCAL_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
    const end = start + found.byteLength;
    if (header.getUint32(0, true) !== LOCAL || end > this.#file.byteLength) {
      throw damaged(`${name} lies outside of it`);
    }
    return part(this.#file, start, end);
  }
}

function endOf(tail: DataView): number {
  for (let at = tail.byteLength - END_BYTES; at >= 0; at -= 1) {
    if (
      tail.getUint32(at, true) === END &&
      at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength
    ) {
      return at;
    }
  }
  throw damaged("it does not end as a ZIP file does");
}

function entriesOf(directory: DataView): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const decoder = new TextDecoder();
  let at = 0;
  while (at < directory.byteLength) {
    if (at + CENTRAL_BYTES > directory.byteLength || directory.getUint32(at, true) !== CENTRAL) {
      throw damaged("its directory is broken");
    }
    const nameAt = at + CENTRAL_BYTES;
    const nameBytes = directory.getUint16(at + 28, true);
    const next =
      nameAt + nameBytes + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
    if (next > directory.byteLength) {
      throw damaged("its directory is broken");
    }
    const name = decoder.decode(new Uint8Array(directory.buffer, nameAt, nameBytes));
    if (NAME.test(name)) {
      const method = directory.getUint16(at + 10, true);
      const byteLength = directory.getUint32(at + 24, true);
      const entry = { at: directory.getUint32(at + 42, true), byteLength };
      if (method !== 0 || directory.getUint32(at + 20, true) !== byteLength) {
        throw damaged(`${name} is compressed, which it is in no bundle`);
      }
      if (entry.at === ELSEWHERE || byteLength === ELSEWHERE) {
        throw damaged("it passes 4 GB, which no player reads from one file");
      }
      if (entries.has(name)) {
        throw damaged(`it holds ${name} twice`);
      }
      entries.set(name, entry);
    }
    at = next;
  }
  return entries;
}

/** A part of a file, as a file. */
function part(file: ByteFile, start: number, end: number): ByteFile {
  const byteLength = end - start;
  return {
    byteLength,
    isAtHand: file.isAtHand,
    slice: (from, to = byteLength) =>
      file.slice(start + Math.min(from, byteLength), start + Math.min(to, byteLength)),
  };
}

function damaged(what: string): DamagedRecordingError {
  return new DamagedRecordingError(
    `The bundle cannot be read: ${what}. Fetch it again, or make it again with ` +
      "replayport export --as bundle.",
  );
}
