/**
 * Recordings as files.
 *
 * ```
 * json    [event + windowId, ...]     loads in rrweb's player; `replayport import` takes it
 * jsonl   {"event":"$snapshot",...}   a line a chunk, as it is uploaded: keeps the ids of
 *                                     session, window and person; `replayport import`
 * ```
 */

import type { Chunk } from "./store";
import { bodyOf } from "./wire";

export type ExportFormat = "json" | "jsonl";

/** An rrweb event as this recorder keeps it. */
export interface RecordedEvent {
  readonly type: number;
  readonly timestamp: number;
  readonly data: unknown;
  readonly windowId: string;
}

/** Events of all windows, ordered by time. */
export function eventsOf(chunks: readonly Chunk[]): RecordedEvent[] {
  return chunks
    .flatMap((chunk) =>
      (JSON.parse(chunk.events) as Omit<RecordedEvent, "windowId">[]).map((event) => ({
        ...event,
        windowId: chunk.windowId,
      })),
    )
    .sort((a, b) => a.timestamp - b.timestamp);
}

export function fileOf(chunks: readonly Chunk[], format: ExportFormat): Blob {
  if (format === "jsonl") {
    const lines = chunks.map(
      (chunk) => `${bodyOf([chunk], "export", chunk.createdMs).slice(1, -1)}\n`,
    );
    return new Blob(lines, { type: "application/x-ndjson" });
  }
  const lines = eventsOf(chunks).map((event) => JSON.stringify(event));
  return new Blob([`[\n${lines.join(",\n")}\n]\n`], { type: "application/json" });
}
