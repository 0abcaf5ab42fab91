/**
 * Reads `events.parquet`, a row group at a time.
 *
 * ```
 * events.parquet
 * ├── row group 0
 * │   ├── timestamp_ms, seq, window_id, type, source, kind, node_id, x, y, url   light: one range
 * │   └── data, extra                                                            heavy: most of the bytes
 * ├── row group 1 …
 * └── footer        schema; of each group: rows, least and greatest timestamp_ms
 * ```
 *
 * The light columns lie side by side, so hyparquet reads them with one range; a
 * timeline is drawn without ever fetching `data`, which `texts.ts` reads from the front.
 */

import type { GroupData, GroupIndex } from "@replayport/types";
import { decompress } from "fzstd";
import {
  parquetMetadataAsync,
  parquetRead,
  type Compressors,
  type FileMetaData,
  type RowGroup,
} from "hyparquet";

import { DamagedRecordingError, EmptyRecordingError, PlayerError } from "../errors";
import type { ByteFile } from "./files";
import { isReadableFromFront, TextReader, UnusualPageError, type Texts } from "./texts";

const LIGHT_COLUMNS = ["timestamp_ms", "window_id", "type", "source", "kind", "url"];

/** Enough for the footer of about 200 row groups; hyparquet reads the rest if it is longer. */
const FOOTER_FETCH_BYTES = 1 << 17;

const compressors: Compressors = {
  ZSTD: (input: Uint8Array, outputLength: number) =>
    decompress(input, new Uint8Array(outputLength)),
};

export interface RowGroupRange {
  readonly rowStart: number;
  readonly rowEnd: number;
  /** Least and greatest `timestamp_ms` of the group, both inclusive. */
  readonly startMs: number;
  readonly endMs: number;
}

/** Decoded texts are kept of the newest groups only; a recording may be longer than memory. */
const KEPT_GROUPS = 2;

/** An open recording; each read fetches only what it names. */
export class RecordingFile {
  readonly groups: readonly RowGroupRange[];
  readonly #file: ByteFile;
  readonly #metadata: FileMetaData;
  /** By group, least recently used first. */
  readonly #texts = new Map<number, Texts>();

  private constructor(file: ByteFile, metadata: FileMetaData, groups: readonly RowGroupRange[]) {
    this.#file = file;
    this.#metadata = metadata;
    this.groups = groups;
  }

  /** Read the footer. Throws DamagedRecordingError or EmptyRecordingError. */
  static async open(file: ByteFile): Promise<RecordingFile> {
    const metadata = await damagedUnlessRead("the footer", () =>
      parquetMetadataAsync(file, { initialFetchSize: FOOTER_FETCH_BYTES, geoparquet: false }),
    );
    const names = new Set(metadata.schema.slice(1).map((element) => element.name));
    const missing = [...LIGHT_COLUMNS, "data"].filter((name) => !names.has(name));
    if (missing.length > 0) {
      throw new DamagedRecordingError(
        `The Parquet file has no column ${missing.join(", ")}: it is not a replayport ` +
          "recording. Open the events.parquet of a recording.",
      );
    }
    if (metadata.num_rows === 0n) {
      throw new EmptyRecordingError();
    }
    return new RecordingFile(file, metadata, rangesOf(metadata.row_groups));
  }

  /** Read the light columns of one row group. */
  async readIndex(group: number): Promise<GroupIndex> {
    const range = this.#range(group);
    const columns = await this.#columns(range, LIGHT_COLUMNS);
    return {
      rowStart: range.rowStart,
      timestampMs: numbers(columns.get("timestamp_ms")),
      windowId: column(columns.get("window_id")).map((id) => (typeof id === "string" ? id : "")),
      type: numbers(columns.get("type")),
      source: column(columns.get("source")).map((value) => (value == null ? null : Number(value))),
      kind: column(columns.get("kind")).map(String),
      url: column(columns.get("url")).map((url) => (typeof url === "string" ? url : null)),
    };
  }

  /**
   * Read the `data` column of one row group.
   *
   * @param rows How many rows, from the first on; further ones may come with them.
   */
  async readData(group: number, rows = Infinity): Promise<GroupData> {
    const range = this.#range(group);
    const read = async (texts: Texts): Promise<GroupData> => {
      await damagedUnlessRead(`rows ${range.rowStart} to ${range.rowEnd}`, () => texts.read(rows));
      return { data: texts.texts };
    };
    try {
      return await read(this.#textsOf(group, range));
    } catch (error) {
      this.#texts.delete(group);
      if (error instanceof DamagedRecordingError && error.cause instanceof UnusualPageError) {
        return read(this.#keep(group, this.#whole(range)));
      }
      throw error;
    }
  }

  /** Those of a group, as they are kept or begun. */
  #textsOf(group: number, range: RowGroupRange): Texts {
    const kept = this.#texts.get(group);
    if (kept !== undefined) {
      return this.#keep(group, kept);
    }
    const chunk = this.#metadata.row_groups[group]?.columns.find(
      (each) => each.meta_data?.path_in_schema[0] === "data",
    )?.meta_data;
    return this.#keep(
      group,
      chunk !== undefined && isReadableFromFront(chunk)
        ? new TextReader(this.#file, chunk, range.rowEnd - range.rowStart)
        : this.#whole(range),
    );
  }

  #keep(group: number, texts: Texts): Texts {
    this.#texts.delete(group);
    this.#texts.set(group, texts);
    for (const oldest of this.#texts.keys()) {
      if (this.#texts.size <= KEPT_GROUPS) {
        break;
      }
      this.#texts.delete(oldest);
    }
    return texts;
  }

  /** Texts that hyparquet reads, all at once. */
  #whole(range: RowGroupRange): Texts {
    const texts: (string | null)[] = [];
    let reading: Promise<void> | undefined;
    return {
      texts,
      read: () =>
        (reading ??= this.#columns(range, ["data"]).then((columns) => {
          for (const text of column(columns.get("data"))) {
            texts.push(typeof text === "string" ? text : null);
          }
        })),
    };
  }

  #range(group: number): RowGroupRange {
    const range = this.groups[group];
    if (range === undefined) {
      throw new RangeError(`row group ${group} of ${this.groups.length}`);
    }
    return range;
  }

  async #columns(range: RowGroupRange, names: string[]): Promise<Map<string, ArrayLike<unknown>>> {
    const parts = new Map<string, unknown[]>();
    await damagedUnlessRead(`rows ${range.rowStart} to ${range.rowEnd}`, () =>
      parquetRead({
        file: this.#file,
        metadata: this.#metadata,
        compressors,
        columns: names,
        rowStart: range.rowStart,
        rowEnd: range.rowEnd,
        onChunk: ({ columnName, columnData }) => {
          const before = parts.get(columnName);
          const values = Array.from(columnData as ArrayLike<unknown>);
          parts.set(columnName, before === undefined ? values : before.concat(values));
        },
      }),
    );
    const rows = range.rowEnd - range.rowStart;
    for (const name of names) {
      if (parts.get(name)?.length !== rows) {
        throw new DamagedRecordingError(
          `Column ${name} has ${parts.get(name)?.length ?? 0} values in rows ` +
            `${range.rowStart} to ${range.rowEnd}. The file is damaged; run replayport verify.`,
        );
      }
    }
    return parts;
  }
}

function rangesOf(rowGroups: readonly RowGroup[]): RowGroupRange[] {
  let row = 0;
  return rowGroups.map((group) => {
    const rowStart = row;
    row += Number(group.num_rows);
    const statistics = group.columns.find(
      (chunk) => chunk.meta_data?.path_in_schema[0] === "timestamp_ms",
    )?.meta_data?.statistics;
    const least = statistics?.min_value ?? statistics?.min;
    const greatest = statistics?.max_value ?? statistics?.max;
    if (least === undefined || greatest === undefined) {
      throw new DamagedRecordingError(
        `Row group at row ${rowStart} has no statistics of timestamp_ms, so no moment can be ` +
          "found in it. Rewrite the file with replayport compact.",
      );
    }
    const range = { rowStart, rowEnd: row, startMs: Number(least), endMs: Number(greatest) };
    if (!Object.values(range).every(Number.isSafeInteger)) {
      throw new DamagedRecordingError(
        `Row group at row ${rowStart} has no sound numbers in the footer. The file is damaged; ` +
          "run replayport verify.",
      );
    }
    return range;
  });
}

function column(values: ArrayLike<unknown> | undefined): unknown[] {
  return values === undefined ? [] : Array.from(values);
}

function numbers(values: ArrayLike<unknown> | undefined): number[] {
  return column(values).map(Number);
}

async function damagedUnlessRead<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof PlayerError) {
      throw cause;
    }
    throw new DamagedRecordingError(
      `Could not read ${what}: not Parquet, or damaged. Fetch the recording again, or run ` +
        "replayport verify on its archive.",
      { cause },
    );
  }
}
