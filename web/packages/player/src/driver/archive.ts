/**
 * Plays `events.parquet`: each row group is a group of the driver.
 *
 * It may stand alone or in a bundle; what a file is, its first bytes say.
 */

import { bundledAssets } from "../parser/assets";
import { ASSETS_NAME, Bundle, EVENTS_NAME, isZip } from "../parser/bundle";
import { openUrl, memoryFile, type ByteFile } from "../parser/files";
import { RecordingFile } from "../parser/parquet";
import { remembering, type Driver } from "./driver";

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

export async function openArchiveUrl(
  url: string,
  onProgress: (loadedBytes: number, totalBytes: number | null) => void,
): Promise<Driver> {
  return openArchiveFile(await openUrl(url, undefined, onProgress));
}

export async function openArchiveBytes(bytes: Uint8Array): Promise<Driver> {
  return openArchiveFile(memoryFile(bytes));
}
