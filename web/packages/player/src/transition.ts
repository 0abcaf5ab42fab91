/**
 * The states of a player and what moves it between them.
 *
 * ```
 * state       event        next         note
 * ─────────────────────────────────────────────────────────────────────────
 * any         open         opening      forgets everything before
 * opening     opened       seeking      to the start; keeps the wish to play
 * opening     play, pause  opening      remembers the wish
 * opening     seek         opening      remembers where to
 * seeking     drawn        playing      when playing is wished
 * seeking     drawn        paused       when not
 * seeking     play, pause  seeking      remembers the wish
 * playing     pause        paused
 * playing     starved      buffering    the next events are not here yet
 * playing     finished     ended
 * buffering   fed          playing
 * buffering   pause        paused
 * paused      play         playing
 * ended       play         seeking      to the start, or where the event says
 * open ones   seek         seeking      seeking, playing, buffering, paused, ended
 * any         fail         failed       only `open` leads out
 * ```
 * Everything else leaves the state as it is.
 */

export type StateName =
  "idle" | "opening" | "seeking" | "playing" | "buffering" | "paused" | "ended" | "failed";

export interface State {
  readonly name: StateName;
  /** Whether to play as soon as that is possible. */
  readonly wantsPlay: boolean;
  /** Where to seek, in `opening` and `seeking`: ms since the start of the recording. */
  readonly targetMs: number;
}

export type PlayerEvent =
  | { readonly type: "open"; readonly autoplay: boolean; readonly startMs: number }
  | { readonly type: "opened" }
  | { readonly type: "drawn" }
  | { readonly type: "play"; readonly fromMs?: number }
  | { readonly type: "pause" }
  | { readonly type: "seek"; readonly targetMs: number }
  | { readonly type: "starved" }
  | { readonly type: "fed" }
  | { readonly type: "finished" }
  | { readonly type: "fail" };

export const INITIAL_STATE: State = { name: "idle", wantsPlay: false, targetMs: 0 };

const OPEN_STATES: ReadonlySet<StateName> = new Set([
  "seeking",
  "playing",
  "buffering",
  "paused",
  "ended",
]);

export function transition(state: State, event: PlayerEvent): State {
  switch (event.type) {
    case "open":
      return { name: "opening", wantsPlay: event.autoplay, targetMs: event.startMs };
    case "fail":
      return { ...state, name: "failed", wantsPlay: false };
    case "seek":
      return onSeek(state, event.targetMs);
    case "play":
      return onPlay(state, event.fromMs ?? 0);
    case "pause":
      return onPause(state);
    default:
      return onProgress(state, event.type);
  }
}

function onSeek(state: State, targetMs: number): State {
  if (state.name === "opening") {
    return { ...state, targetMs };
  }
  return OPEN_STATES.has(state.name) ? { ...state, name: "seeking", targetMs } : state;
}

function onPlay(state: State, fromMs: number): State {
  switch (state.name) {
    case "opening":
    case "seeking":
      return { ...state, wantsPlay: true };
    case "paused":
      return { ...state, name: "playing", wantsPlay: true };
    case "ended":
      return { name: "seeking", wantsPlay: true, targetMs: fromMs };
    default:
      return state;
  }
}

function onPause(state: State): State {
  switch (state.name) {
    case "opening":
    case "seeking":
      return { ...state, wantsPlay: false };
    case "playing":
    case "buffering":
      return { ...state, name: "paused", wantsPlay: false };
    default:
      return state;
  }
}

function onProgress(
  state: State,
  type: "opened" | "drawn" | "starved" | "fed" | "finished",
): State {
  const name = `${state.name} ${type}`;
  switch (name) {
    case "opening opened":
      return { ...state, name: "seeking" };
    case "seeking drawn":
      return { ...state, name: state.wantsPlay ? "playing" : "paused" };
    case "playing starved":
      return { ...state, name: "buffering" };
    case "buffering fed":
      return { ...state, name: "playing" };
    case "playing finished":
      return { ...state, name: "ended", wantsPlay: false };
    default:
      return state;
  }
}
