/**
 * Lets the page around an `<iframe>` drive the player inside it, by `postMessage`.
 *
 * ```
 * page → player   { replayport: "play" }   "pause"   { replayport: "seek", value: 12000 }
 *                 { replayport: "speed", value: 2 }
 * player → page   { replayport: "event", name: "timeupdate", detail: { currentMs: 12000 } }
 * ```
 *
 * Off unless the `embed` attribute names the origins it is for. What goes out is where the
 * player is, and counts: no address, no text, nothing of the recorded page.
 */

/** Of each event that goes out, the fields that go with it. */
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  ready: ["durationMs", "fromMs", "toMs", "startMs", "events"],
  firstframe: [],
  timeupdate: ["currentMs"],
  play: [],
  pause: [],
  ended: [],
  state: ["state"],
  inactivity: ["active", "skipping"],
  finding: ["code", "count"],
  error: ["code"],
};

export type EmbedCommand =
  | { readonly do: "play" | "pause" }
  | { readonly do: "seek"; readonly toMs: number }
  | { readonly do: "speed"; readonly speed: number };

/** What an embed drives; `<replayport-player>` is one. */
export interface Embeddable extends EventTarget {
  speed: number;
  play(): void;
  pause(): void;
  seek(targetMs: number): void;
}

/** Read a message; null when it is no command. */
export function embedCommandOf(message: unknown): EmbedCommand | null {
  const { replayport, value } = Object(message) as { replayport?: unknown; value?: unknown };
  const number = typeof value === "number" && Number.isFinite(value) ? value : null;
  switch (replayport) {
    case "play":
    case "pause":
      return { do: replayport };
    case "seek":
      return number === null ? null : { do: "seek", toMs: number };
    case "speed":
      return number === null ? null : { do: "speed", speed: number };
    default:
      return null;
  }
}

/** Origins in an `embed` attribute; `*` is any. What is no origin is left out. */
export function originsOf(attribute: string): string[] {
  return attribute.split(/\s+/).filter((word) => {
    if (word === "*") {
      return true;
    }
    try {
      return new URL(word).origin === word;
    } catch {
      return false;
    }
  });
}

/** The page that is listened to and told; `window.parent` of an embedded one. */
export interface Embedder {
  postMessage(message: unknown, targetOrigin: string): void;
}

/**
 * Connect a player to the page around it.
 *
 * @param messages Where messages of the embedder arrive: the own window.
 * @returns A function that disconnects them.
 */
export function connectEmbed(
  player: Embeddable,
  embedder: Embedder,
  messages: EventTarget,
  origins: readonly string[],
): () => void {
  const onMessage = (event: Event): void => {
    const { source, origin, data } = event as MessageEvent<unknown>;
    if (source === embedder && (origins.includes("*") || origins.includes(origin))) {
      obey(player, embedCommandOf(data));
    }
  };
  const onEvent = ({ type, detail }: CustomEventInit & { type: string }): void => {
    const from = Object(detail) as Record<string, unknown>;
    const fields = (EVENTS[type] ?? []).map((name) => [name, from[name]]);
    for (const origin of origins) {
      embedder.postMessage(
        { replayport: "event", name: type, detail: Object.fromEntries(fields) as object },
        origin,
      );
    }
  };
  const names = Object.keys(EVENTS);
  messages.addEventListener("message", onMessage);
  names.forEach((name) => {
    player.addEventListener(name, onEvent as EventListener);
  });
  return () => {
    messages.removeEventListener("message", onMessage);
    names.forEach((name) => {
      player.removeEventListener(name, onEvent as EventListener);
    });
  };
}

function obey(player: Embeddable, command: EmbedCommand | null): void {
  switch (command?.do) {
    case "play":
      player.play();
      return;
    case "pause":
      player.pause();
      return;
    case "seek":
      player.seek(command.toMs);
      return;
    case "speed":
      player.speed = command.speed;
      return;
    case undefined:
  }
}
