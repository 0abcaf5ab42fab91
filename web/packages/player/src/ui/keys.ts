/**
 * What each key does.
 *
 * ```
 * space, k      play or pause          ← →        5 s back, forward (with shift 30 s)
 * , .           one step back, forward (100 ms, standing still)
 * < >           slower, faster         home, end  start, end
 * f             fullscreen             s          skip inactivity
 * ?             help
 * ```
 */

export type Command =
  | { readonly do: "toggle" }
  | { readonly do: "move"; readonly byMs: number }
  | { readonly do: "step"; readonly byMs: number }
  | { readonly do: "speed"; readonly by: -1 | 1 }
  | { readonly do: "start" }
  | { readonly do: "end" }
  | { readonly do: "fullscreen" }
  | { readonly do: "skip" }
  | { readonly do: "help" };

export const STEP_MS = 100;

export const KEY_HELP: readonly (readonly [keys: string, what: string])[] = [
  ["Space", "Play or pause"],
  ["← →", "5 seconds back or forward, 30 with Shift"],
  [", .", "A tenth of a second back or forward"],
  ["< >", "Slower or faster"],
  ["Home End", "Start or end"],
  ["S", "Skip inactivity"],
  ["F", "Fullscreen"],
  ["?", "This help"],
];

export function commandOf(key: string, isShift: boolean): Command | null {
  switch (key) {
    case " ":
    case "k":
      return { do: "toggle" };
    case "ArrowLeft":
      return { do: "move", byMs: isShift ? -30_000 : -5_000 };
    case "ArrowRight":
      return { do: "move", byMs: isShift ? 30_000 : 5_000 };
    case ",":
      return { do: "step", byMs: -STEP_MS };
    case ".":
      return { do: "step", byMs: STEP_MS };
    case "<":
      return { do: "speed", by: -1 };
    case ">":
      return { do: "speed", by: 1 };
    case "Home":
      return { do: "start" };
    case "End":
      return { do: "end" };
    case "f":
      return { do: "fullscreen" };
    case "s":
      return { do: "skip" };
    case "?":
      return { do: "help" };
    default:
      return null;
  }
}
