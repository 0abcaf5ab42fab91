/**
 * Plays `events.parquet`: each row group is a group of the driver.
 *
 * It may stand alone or in a bundle; what a file is, its first bytes say.
 */

import { DamagedRecordingError, RecordingChangedError } from "../errors";
import { bundledAssets } from "../parser/assets";
import { ASSETS_NAME, Bundle, EVENTS_NAME, isZip } from "../parser/bundle";
import { memoryFile, openUrl, type ByteFile, type Fetch } from "../parser/files";
import { RecordingFile } from "../parser/parquet";
import { remembering, type Driver } from "./driver";

/** Longer than putting a new file and its manifest in the place of the old ones takes. */
const REWRITE_MS = 500;

export async function openArchiveFile(file: ByteFile): Promise<Driver> {
  if (!(await isZip(file))) {
    return openEvents(file);
  }
  const bundle = await Bundle.open(file);
  const driver = await openEvents(await bundle.entry(EVENTS_NAME));
  return bundle.has(ASSETS_NAME) ? { ...driver, readAssets: () => bundledAssets(bundle) } : driver;
}

async function openEvents(file: ByteFile): Promise<Driver> {
  const recording = await RecordingFile.open(file);
  return remembering({
    isAtHand: file.isAtHand,
    spans: recording.groups.map(({ startMs, endMs, rowStart, rowEnd }) => ({
      startMs,
      endMs,
      events: rowEnd - rowStart,
    })),
    readIndex: (group) => recording.readIndex(group),
    readData: (group, rows) => recording.readData(group, rows),
  });
}

/**
 * Open what a URL gives.
 *
 * A recording can be written anew just then (late data, a redaction); who reads in that
 * moment gets the beginning of one file and the end of another. So what does not read is
 * read a second time before it is called damaged.
 */
export async function openArchiveUrl(
  url: string,
  onProgress: (loadedBytes: number, totalBytes: number | null) => void,
  fetchFn?: Fetch,
): Promise<Driver> {
  const open = async (): Promise<Driver> =>
    openArchiveFile(await openUrl(url, fetchFn, onProgress));
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof DamagedRecordingError || error instanceof RecordingChangedError)) {
      throw error;
    }
  }
  await new Promise((resolve) => setTimeout(resolve, REWRITE_MS));
  return open();
}

export async function openArchiveBytes(bytes: Uint8Array): Promise<Driver> {
  return openArchiveFile(memoryFile(bytes));
}
