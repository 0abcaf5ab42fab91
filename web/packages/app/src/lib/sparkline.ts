/** The drawing of how busy a recording was, of the server's digits or counts. */

export interface Bars {
  /** One path of upright bars. */
  readonly path: string;
  readonly width: number;
}

const BAR = 2;
const GAP = 1;

/** Bars of the digits 0 to 9; a quiet part is a dot on the ground. */
export function barsOf(digits: string, height: number): Bars {
  let path = "";
  let x = 0;
  for (const digit of digits) {
    const value = digit >= "0" && digit <= "9" ? Number(digit) : 0;
    const high = Math.max(1, Math.round((value / 9) * height));
    path += `M${x} ${height}h${BAR}v${-high}h${-BAR}z`;
    x += BAR + GAP;
  }
  return { path, width: Math.max(1, x - GAP) };
}
