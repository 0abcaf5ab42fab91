/**
 * What went wrong, counted. The recorder never throws into the page and never writes to
 * its console: the page learns of trouble through `onFinding` and `recorder.findings`.
 */

export type FindingCode =
  /** `respectDoNotTrack` is on and the visitor asks not to be tracked; nothing is recorded. */
  | "do_not_track"
  /** rrweb could not start, or one of its observers failed. */
  | "recorder_error"
  /** `host` without `token`: recorded, kept in the browser, not sent. */
  | "missing_token"
  /** Data of `addEvent` that is not JSON. */
  | "invalid_event"
  /** IndexedDB cannot be used; the recording lives in memory until it is sent. */
  | "storage_unavailable"
  /** No room, and nothing left that was uploaded already; recording has stopped. */
  | "storage_full"
  /** Uploaded recordings were deleted from the browser to make room. */
  | "storage_trimmed"
  /** The server asks for other credentials or another address (401, 403, 404); retried. */
  | "upload_refused"
  /** The server will never take this piece (400, 413 …); kept here, not sent again. */
  | "upload_rejected"
  /** The server is over its quota; retried. */
  | "quota_limited"
  /** A function the page gave (`onSessionId`, `replayUrl`) failed. */
  | "callback_failed"
  /** The player's script did not load, or the element is no player. */
  | "player_unavailable";

export interface Finding {
  readonly code: FindingCode;
  /** Names, lengths and status codes only; never recorded values. */
  readonly detail: string;
}

export class Findings {
  readonly counts = new Map<FindingCode, number>();
  readonly #listener: ((finding: Finding) => void) | undefined;

  constructor(listener: ((finding: Finding) => void) | undefined) {
    this.#listener = listener;
  }

  add(code: FindingCode, detail: string): void {
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    try {
      this.#listener?.({ code, detail });
    } catch {
      // A listener that fails has nowhere else to be told of.
    }
  }
}

/** Class and message of a failure, for `Finding.detail`. */
export function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : typeof error;
}
