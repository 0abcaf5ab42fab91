/** Which rows of a long list are drawn: all rows are equally high. */

export interface Span {
  /** First row drawn. */
  readonly start: number;
  /** Behind the last row drawn. */
  readonly end: number;
}

/** Rows drawn around the ones in sight. */
export const OVERSCAN = 8;

export function visibleSpan(
  scrollPx: number,
  heightPx: number,
  rowPx: number,
  count: number,
  overscan: number = OVERSCAN,
): Span {
  const first = Math.floor(Math.max(0, scrollPx) / rowPx) - overscan;
  const last = Math.ceil((Math.max(0, scrollPx) + heightPx) / rowPx) + overscan;
  const end = Math.max(0, Math.min(count, last));
  return { start: Math.max(0, Math.min(first, end)), end };
}

/** Where to scroll so that a row is in sight; where it is when it already is. */
export function scrollTo(
  index: number,
  scrollPx: number,
  heightPx: number,
  rowPx: number,
  place: "nearest" | "middle",
): number {
  const top = index * rowPx;
  const inSight = top >= scrollPx && top + rowPx <= scrollPx + heightPx;
  if (inSight) {
    return scrollPx;
  }
  if (place === "middle") {
    return Math.max(0, top - (heightPx - rowPx) / 2);
  }
  return top < scrollPx ? top : Math.max(0, top + rowPx - heightPx);
}
