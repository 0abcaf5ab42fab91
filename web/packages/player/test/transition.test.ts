import { describe, expect, it } from "vitest";

import {
  INITIAL_STATE,
  transition,
  type PlayerEvent,
  type State,
  type StateName,
} from "../src/transition";

const NAMES: readonly StateName[] = [
  "idle",
  "opening",
  "seeking",
  "playing",
  "buffering",
  "paused",
  "ended",
  "failed",
];

const EVENTS: Readonly<Record<PlayerEvent["type"], PlayerEvent>> = {
  open: { type: "open", autoplay: true, startMs: 7 },
  opened: { type: "opened" },
  drawn: { type: "drawn" },
  play: { type: "play" },
  pause: { type: "pause" },
  seek: { type: "seek", targetMs: 42 },
  starved: { type: "starved" },
  fed: { type: "fed" },
  finished: { type: "finished" },
  fail: { type: "fail" },
};

/** Every pair that moves; what is not listed must not. `+` and `-`: the wish to play. */
const TABLE: Readonly<Record<string, string>> = {
  "idle open": "opening+",
  "opening open": "opening+",
  "opening opened": "seeking",
  "opening play": "opening+",
  "opening pause": "opening-",
  "opening seek": "opening",
  "opening fail": "failed-",
  "seeking open": "opening+",
  "seeking drawn": "paused",
  "seeking play": "seeking+",
  "seeking pause": "seeking-",
  "seeking seek": "seeking",
  "seeking fail": "failed-",
  "playing open": "opening+",
  "playing pause": "paused-",
  "playing seek": "seeking",
  "playing starved": "buffering",
  "playing finished": "ended-",
  "playing fail": "failed-",
  "buffering open": "opening+",
  "buffering fed": "playing",
  "buffering pause": "paused-",
  "buffering seek": "seeking",
  "buffering fail": "failed-",
  "paused open": "opening+",
  "paused play": "playing+",
  "paused seek": "seeking",
  "paused fail": "failed-",
  "ended open": "opening+",
  "ended play": "seeking+",
  "ended seek": "seeking",
  "ended fail": "failed-",
  "failed open": "opening+",
  "failed fail": "failed-",
  "idle fail": "failed-",
};

describe("transition", () => {
  const pairs = NAMES.flatMap((name) =>
    Object.values(EVENTS).map((event) => [name, event] as const),
  );

  it.each(pairs)("%s and %o", (name, event) => {
    const state: State = { name, wantsPlay: false, targetMs: 1 };
    const next = transition(state, event);
    const expected = TABLE[`${name} ${event.type}`];
    if (expected === undefined) {
      expect(next).toBe(state);
      return;
    }
    expect(next.name).toBe(expected.replace(/[+-]$/, ""));
    expect(next.wantsPlay).toBe(expected.endsWith("+"));
  });

  it("plays after a seek exactly when that was wished", () => {
    const seeking: State = { name: "seeking", wantsPlay: true, targetMs: 5 };
    expect(transition(seeking, EVENTS.drawn).name).toBe("playing");
    expect(transition(transition(seeking, EVENTS.pause), EVENTS.drawn).name).toBe("paused");
  });

  it("keeps the wish to play over a seek from playing", () => {
    const playing: State = { name: "playing", wantsPlay: true, targetMs: 0 };
    expect(transition(playing, EVENTS.seek)).toEqual({
      name: "seeking",
      wantsPlay: true,
      targetMs: 42,
    });
  });

  it("plays again from the start", () => {
    const ended: State = { name: "ended", wantsPlay: false, targetMs: 99 };
    expect(transition(ended, EVENTS.play).targetMs).toBe(0);
  });

  it("starts idle", () => {
    expect(INITIAL_STATE.name).toBe("idle");
  });
});
