/** Rows in step with a clock. Rows stand in order of time. */

/** Player times come in steps of its clock; a row at 1000.4 ms counts as reached at 1000. */
const SLACK_MS = 1;

/** The last row that has happened; -1 before the first. */
export function currentRow(rows: readonly { readonly offset_ms: number }[], atMs: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle];
    if (row !== undefined && row.offset_ms <= atMs + SLACK_MS) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}

/** Keep rows whose text has all the words. */
export function matching<T>(
  rows: readonly T[],
  words: string,
  textOf: (row: T) => string,
): readonly T[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) {
    return rows;
  }
  return rows.filter((row) => {
    const text = textOf(row).toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}

/** Where a request's bar stands among those in sight, each 0 to 1. */
export interface Bar {
  readonly left: number;
  readonly width: number;
}

export interface Timed {
  readonly offset_ms: number;
  readonly duration_ms: number;
}

/** The time a waterfall shows: from the first start to the last end of the rows in sight. */
export function scaleOf(rows: readonly Timed[]): readonly [startMs: number, endMs: number] {
  let start = Infinity;
  let end = -Infinity;
  for (const row of rows) {
    start = Math.min(start, row.offset_ms);
    end = Math.max(end, row.offset_ms + row.duration_ms);
  }
  return end > start
    ? [start, end]
    : [Number.isFinite(start) ? start : 0, (Number.isFinite(start) ? start : 0) + 1];
}

export function barOf(row: Timed, [startMs, endMs]: readonly [number, number]): Bar {
  const span = endMs - startMs;
  const left = Math.min(1, Math.max(0, (row.offset_ms - startMs) / span));
  return { left, width: Math.min(1 - left, Math.max(0, row.duration_ms / span)) };
}
