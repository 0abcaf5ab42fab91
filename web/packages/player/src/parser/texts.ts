/**
 * Reads the `data` texts of one row group from the front, no further than they are asked for.
 *
 * ```
 * column chunk, compressed            inside, once decompressed
 * ┌─────────────┬──────────────────┐  ┌──────────┬─────────┬───────────────────────────┐
 * │ page header │ one zstd frame   │  │ is null? │ lengths │ text, text, text …        │
 * └─────────────┴──────────────────┘  └──────────┴─────────┴───────────────────────────┘
 * ```
 *
 * The lengths come first, so a row is there as soon as the bytes up to its end are. What
 * draws the first picture is mostly at the front of megabytes that are played much later.
 *
 * This is how `format/writer.py` writes the column; other layouts are Parquet too and are
 * left to hyparquet, which reads a column chunk as a whole.
 */

import { Decompress } from "fzstd";
import type { ColumnMetaData } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";

import { breathe, SLICE_MS } from "../breathe";
import { DamagedRecordingError } from "../errors";
import type { ByteFile } from "./files";

/** Fetched of a column chunk before anything is known of it; what follows doubles. */
const FIRST_FETCH_BYTES = 1 << 18;
/** Compressed bytes decompressed at once: some milliseconds' work. */
const STEP_BYTES = 1 << 13;
/** A page header may promise anything; no row group of ours is near this. */
const MAX_PAGE_BYTES = 1 << 30;

/** Length of a text that is null. */
const NO_TEXT = -1;

/** Whether the texts of a column chunk can be read from the front. */
export function isReadableFromFront(chunk: ColumnMetaData): boolean {
  return (
    chunk.codec === "ZSTD" &&
    chunk.dictionary_page_offset === undefined &&
    chunk.encodings.includes("DELTA_LENGTH_BYTE_ARRAY")
  );
}

/** The texts of a group, as far as they were read. */
export interface Texts {
  readonly texts: readonly (string | null)[];
  /** Read on until the first `rows` rows are in `texts`. */
  read(rows: number): Promise<void>;
}

export class TextReader implements Texts {
  /** Those read so far, from the first row on. */
  readonly texts: (string | null)[] = [];
  readonly #file: ByteFile;
  readonly #rows: number;
  readonly #endByte: number;
  readonly #decompress = new Decompress((block) => {
    this.#take(block);
  });
  readonly #decoder = new TextDecoder();
  #atByte: number;
  #fetchBytes = FIRST_FETCH_BYTES;
  /** Fetched and not yet decompressed. */
  #compressed: Uint8Array = new Uint8Array(0);
  #page: Uint8Array | null = null;
  #filled = 0;
  /** Length of each text in bytes, -1 for none; null until they are known. */
  #lengths: Int32Array | null = null;
  /** Where in the page the next text begins. */
  #next = 0;
  #busy: Promise<void> = Promise.resolve();

  constructor(file: ByteFile, chunk: ColumnMetaData, rows: number) {
    this.#file = file;
    this.#rows = rows;
    this.#atByte = Number(chunk.data_page_offset);
    this.#endByte = this.#atByte + Number(chunk.total_compressed_size);
  }

  async read(rows: number): Promise<void> {
    // One at a time: whoever comes second finds the rows read, or reads on.
    const turn = this.#busy.then(() => this.#readTo(Math.min(rows, this.#rows)));
    this.#busy = turn.catch(() => undefined);
    await turn;
  }

  async #readTo(rows: number): Promise<void> {
    let sliceStartMs = performance.now();
    while (this.texts.length < rows) {
      if (this.#compressed.byteLength === 0) {
        await this.#fetch();
      }
      if (this.#page === null) {
        this.#readHeader();
      }
      this.#step();
      if (performance.now() - sliceStartMs > SLICE_MS && this.texts.length < rows) {
        await breathe();
        sliceStartMs = performance.now();
      }
    }
    if (this.texts.length === this.#rows) {
      this.#page = new Uint8Array(0);
      this.#compressed = this.#page;
    }
  }

  async #fetch(): Promise<void> {
    if (this.#atByte >= this.#endByte) {
      throw new DamagedRecordingError(
        `A row group ends after ${this.texts.length} of ${this.#rows} texts. The file is ` +
          "damaged; run replayport verify.",
      );
    }
    const end = Math.min(this.#endByte, this.#atByte + this.#fetchBytes);
    this.#compressed = new Uint8Array(await this.#file.slice(this.#atByte, end));
    this.#atByte = end;
    this.#fetchBytes *= 2;
  }

  #readHeader(): void {
    const { buffer, byteOffset, byteLength } = this.#compressed;
    const reader = { view: new DataView(buffer, byteOffset, byteLength), offset: 0 };
    const header = parquetHeader(reader);
    const page = header.data_page_header;
    const pageBytes = header.uncompressed_page_size;
    if (
      header.type !== "DATA_PAGE" ||
      page?.encoding !== "DELTA_LENGTH_BYTE_ARRAY" ||
      page.num_values !== this.#rows ||
      !(pageBytes >= 0 && pageBytes <= MAX_PAGE_BYTES)
    ) {
      throw new UnusualPageError();
    }
    this.#page = new Uint8Array(pageBytes);
    this.#compressed = this.#compressed.subarray(reader.offset);
  }

  #step(): void {
    const step = this.#compressed.subarray(0, STEP_BYTES);
    this.#compressed = this.#compressed.subarray(step.byteLength);
    const isLast = this.#compressed.byteLength === 0 && this.#atByte >= this.#endByte;
    const before = this.#filled;
    this.#decompress.push(step, isLast);
    if (this.#filled > before || isLast) {
      this.#lengths ??= this.#readLengths();
      this.#readTexts();
    }
  }

  #take(block: Uint8Array): void {
    const page = this.#page;
    if (page === null || this.#filled + block.byteLength > page.byteLength) {
      throw new RangeError("a page is longer than its header says");
    }
    page.set(block, this.#filled);
    this.#filled += block.byteLength;
  }

  /** Which rows have a text, and of which length; null while that is still to come. */
  #readLengths(): Int32Array | null {
    const page = this.#page;
    if (page === null) {
      return null;
    }
    const reader = { view: new DataView(page.buffer, 0, this.#filled), offset: 0 };
    try {
      const isText = new Uint8Array(this.#rows);
      readRleBitPackedHybrid(reader, 1, isText);
      const given = new Int32Array(isText.reduce((sum, is) => sum + is, 0));
      if (given.length > 0) {
        deltaBinaryUnpack(reader, given.length, given);
      }
      if (reader.offset > this.#filled) {
        return null;
      }
      let text = 0;
      const lengths = Int32Array.from(isText, (is) => (is === 1 ? (given[text++] ?? 0) : NO_TEXT));
      this.#next = reader.offset;
      return lengths;
    } catch (error) {
      // Read beyond what is here: the next block brings more.
      if (error instanceof RangeError && this.#filled < page.byteLength) {
        return null;
      }
      throw error;
    }
  }

  #readTexts(): void {
    const lengths = this.#lengths;
    const page = this.#page;
    if (lengths === null || page === null) {
      return;
    }
    while (this.texts.length < this.#rows) {
      const length = lengths[this.texts.length] ?? 0;
      if (length < NO_TEXT) {
        throw new RangeError("a text has a negative length");
      }
      const end = this.#next + Math.max(0, length);
      if (end > this.#filled) {
        return;
      }
      this.texts.push(length < 0 ? null : this.#decoder.decode(page.subarray(this.#next, end)));
      this.#next = end;
    }
  }
}

/** The footer promised what the page is not; hyparquet may still read it. */
export class UnusualPageError extends Error {}
