/**
 * The player's errors, all in one tree. Each carries a `code` a program can act on
 * and a message a person can: what was seen, what it means, what to do.
 */

export class PlayerError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The bytes could not be had: network, status, or a server without ranges. */
export class RangeReadError extends PlayerError {
  readonly status: number | null;

  constructor(message: string, status: number | null, options?: ErrorOptions) {
    super("range_read", message, options);
    this.status = status;
  }
}

/** The bytes were had and are not a recording. */
export class DamagedRecordingError extends PlayerError {
  constructor(message: string, options?: ErrorOptions) {
    super("damaged", message, options);
  }
}

/** The file is no longer the one that was opened. */
export class RecordingChangedError extends PlayerError {
  constructor() {
    super(
      "changed",
      "The recording was written anew while it was read: late data came, or it was redacted. " +
        "Load it again.",
    );
  }
}

/** The file is a recording without a single event. */
export class EmptyRecordingError extends PlayerError {
  constructor() {
    super("empty", "The recording holds no events.");
  }
}

/** Nothing in the recording can be drawn. */
export class NoFullSnapshotError extends PlayerError {
  readonly events: number;

  constructor(events: number) {
    super(
      "no_full_snapshot",
      "This recording has no full snapshot, nothing can be drawn; " +
        `${events.toLocaleString("en")} ${events === 1 ? "event was" : "events were"} recorded.`,
    );
    this.events = events;
  }
}
