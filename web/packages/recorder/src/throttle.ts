/** Lets one event of a type pass per interval. */
export class Throttle {
  readonly #passedAtMs = new Map<string, number>();

  /**
   * Whether an event of this type comes too soon after the last that passed.
   *
   * When it does not, this one counts as passed. `nowMs` may be on any clock that does
   * not go backwards.
   */
  shouldThrottle(type: string, minIntervalMs: number, nowMs: number): boolean {
    const lastMs = this.#passedAtMs.get(type);
    if (lastMs !== undefined && nowMs - lastMs < minIntervalMs) {
      return true;
    }
    this.#passedAtMs.set(type, nowMs);
    return false;
  }
}
