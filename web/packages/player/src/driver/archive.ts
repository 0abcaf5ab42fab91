/** Plays `events.parquet`: each row group is a group of the driver. */

import { openUrl, memoryFile, type ByteFile } from "../parser/files";
import { RecordingFile } from "../parser/parquet";
import { remembering, type Driver } from "./driver";

export async function openArchiveFile(file: ByteFile): Promise<Driver> {
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
