/**
 * UUIDv7, ordered by time and, within one source and millisecond, by a counter.
 *
 * ```
 * 48 bits  epoch milliseconds
 *  4 bits  version, 7
 * 12 bits  counter within the millisecond
 *  2 bits  variant, 10
 * 62 bits  random
 * ```
 */

const COUNTER_LIMIT = 0x1000;

export class UuidSource {
  #lastMs = 0;
  #counter = 0;

  next(nowMs: number): string {
    // A clock that steps back, or a full counter, must not break the order.
    let ms = Math.max(Math.floor(nowMs), this.#lastMs);
    this.#counter = ms === this.#lastMs ? this.#counter + 1 : 0;
    if (this.#counter === COUNTER_LIMIT) {
      ms += 1;
      this.#counter = 0;
    }
    this.#lastMs = ms;
    const random = crypto.getRandomValues(new Uint8Array(8));
    random[0] = ((random[0] ?? 0) & 0x3f) | 0x80;
    const tail = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const time = ms.toString(16).padStart(12, "0");
    const counter = this.#counter.toString(16).padStart(3, "0");
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${tail.slice(0, 4)}-${tail.slice(4)}`;
  }
}
