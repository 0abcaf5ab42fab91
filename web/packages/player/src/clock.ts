/**
 * The clock of the player: where in the recording we are.
 *
 * It knows nothing of events; it turns elapsed real time into recording time. Time is
 * passed in, so tests need not wait.
 */

export class Clock {
  #atMs = 0;
  #speed = 0;
  #sinceMs = 0;

  /** Position in ms since the start of the recording, at real time `nowMs`. */
  at(nowMs: number): number {
    return this.#atMs + (nowMs - this.#sinceMs) * this.#speed;
  }

  /** Go on from a position; speed 0 stands still. */
  set(atMs: number, speed: number, nowMs: number): void {
    this.#atMs = atMs;
    this.#speed = speed;
    this.#sinceMs = nowMs;
  }
}

/** Idle time that is skipped shrinks by two thirds in this time: fast at first, then easing out. */
const SKIP_TIME_CONSTANT_MS = 600;
const MAX_SPEED = 1_000;

/**
 * The speed at which to pass what is left of an idle span.
 *
 * Proportional to the rest, so that neither clock shoots past the end of the span
 * between two ticks, however long it is.
 */
export function skipSpeed(remainingMs: number, speed: number): number {
  return Math.max(speed, Math.min(MAX_SPEED, remainingMs / SKIP_TIME_CONSTANT_MS));
}
