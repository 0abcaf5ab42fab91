/**
 * Bodies of PostHog's capture protocol, which replayport's server and PostHog's speak:
 * gzip of a JSON array of `$snapshot` events, posted to `<host>/s/` as `text/plain`, which
 * needs no CORS preflight. The server tells gzip by its first bytes.
 */

import type { Chunk } from "./store";

export const LIBRARY = "replayport-recorder";
export const LIBRARY_VERSION = "0.1.0";

/** The JSON text of a request. A chunk's event is the same in each, but for `sent_at`. */
export function bodyOf(chunks: readonly Chunk[], token: string, nowMs: number): string {
  return `[${chunks.map((chunk) => itemOf(chunk, token, nowMs)).join(",")}]`;
}

function itemOf(chunk: Chunk, token: string, nowMs: number): string {
  const text = JSON.stringify;
  // The events are JSON text already; parsing them to write them again would cost the page.
  return (
    `{"uuid":${text(chunk.uuid)},"event":"$snapshot","properties":{` +
    `"$snapshot_bytes":${chunk.bytes},"$snapshot_data":${chunk.events},` +
    `"$session_id":${text(chunk.sessionId)},"$window_id":${text(chunk.windowId)},` +
    `"$lib":${text(LIBRARY)},"$lib_version":${text(LIBRARY_VERSION)},` +
    `"token":${text(token)},"distinct_id":${text(chunk.distinctId)}},` +
    `"timestamp":${text(isoOf(chunk.createdMs))},"sent_at":${text(isoOf(nowMs))}}`
  );
}

/** gzip, or the text where the browser has no `CompressionStream`; the server takes both. */
export async function compressed(body: string): Promise<Blob> {
  const blob = new Blob([body], { type: "text/plain" });
  if (typeof CompressionStream === "undefined") {
    return blob;
  }
  const stream = blob.stream().pipeThrough(new CompressionStream("gzip"));
  return new Blob([await new Response(stream).arrayBuffer()], { type: "text/plain" });
}

export function snapshotUrl(host: string, retryCount: number): string {
  const url = `${host.trim().replace(/\/+$/, "")}/s/`;
  return retryCount > 0 ? `${url}?retry_count=${retryCount}` : url;
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
