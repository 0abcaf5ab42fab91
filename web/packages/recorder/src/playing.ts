/** Plays a recording with the page's `<replayport-player>`, which is no part of this bundle. */

import type { RecordedEvent } from "./exporting";
import type { PlayOptions } from "./options";

const TAG = "replayport-player";
const LOAD_TIMEOUT_MS = 30_000;

/** The part of the player's element used here. */
interface Player extends HTMLElement {
  events: readonly RecordedEvent[] | null;
  play(): void;
}

/** There is no player, or it did not load. */
export class PlayerUnavailableError extends Error {
  readonly code = "player_unavailable";
}

/** Give the events to a player and start it; resolves when it has them. */
export async function playIn(
  events: readonly RecordedEvent[],
  options: PlayOptions,
  blockClass: string,
): Promise<HTMLElement> {
  if (customElements.get(TAG) === undefined) {
    await loadPlayer(options.playerUrl);
  }
  const player = options.player ?? document.createElement(TAG);
  customElements.upgrade(player);
  if (!isPlayer(player)) {
    throw new PlayerUnavailableError(`<${player.localName}> is no ${TAG}`);
  }
  // A page that is being recorded must not record the replay.
  player.classList.add(blockClass);
  if (!player.isConnected) {
    (options.container ?? document.body).append(player);
  }
  player.setAttribute("autoplay", "");
  player.events = events;
  player.play();
  return player;
}

function isPlayer(element: HTMLElement): element is Player {
  return "events" in element && typeof (element as { play?: unknown }).play === "function";
}

async function loadPlayer(url: string | undefined): Promise<void> {
  if (url === undefined) {
    throw new PlayerUnavailableError(`<${TAG}> is not defined and no playerUrl was given`);
  }
  const script = document.createElement("script");
  script.src = url;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new PlayerUnavailableError("the player's script did not load in time"));
    }, LOAD_TIMEOUT_MS);
    script.onload = () => {
      clearTimeout(timer);
      resolve();
    };
    script.onerror = () => {
      clearTimeout(timer);
      reject(new PlayerUnavailableError("the player's script did not load"));
    };
    document.head.append(script);
  });
  if (customElements.get(TAG) === undefined) {
    throw new PlayerUnavailableError(`the script at playerUrl does not define <${TAG}>`);
  }
}
