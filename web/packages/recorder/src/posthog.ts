/** The session id and replay link of pages that record with posthog-js. */

import { linkTo } from "./links";

/** The part of posthog-js used here; the snippet's stub has it before the SDK is loaded. */
export interface PostHogLike {
  onSessionId?: (
    callback: (sessionId: string, windowId?: string | null) => void,
  ) => (() => void) | undefined;
  get_session_id?: () => string;
}

export interface PostHogSessionOptions {
  /** `https://replays.example.com/…/{session_id}`, or a function of the id. */
  readonly replayUrl?: string | ((sessionId: string) => string);
}

/**
 * Call back with the session id and the replay link, now and when either changes.
 *
 * ```js
 * onPostHogSession(posthog, (sessionId, url) => Intercom("update", { replay_url: url }),
 *                  { replayUrl: "https://replays.example.com/{session_id}" });
 * ```
 *
 * The link is null when no `replayUrl` is given. Never throws. Gives a function that ends
 * the callbacks.
 */
export function onPostHogSession(
  posthog: PostHogLike,
  callback: (sessionId: string, replayUrl: string | null) => void,
  options: PostHogSessionOptions = {},
): () => void {
  let told: string | null = null;
  let ended = false;
  let unsubscribe: (() => void) | undefined;
  const tell = (sessionId: unknown): void => {
    if (ended || typeof sessionId !== "string" || sessionId === "" || sessionId === told) {
      return;
    }
    told = sessionId;
    quietly(() => {
      callback(sessionId, linkTo(sessionId, options.replayUrl));
    });
  };
  quietly(() => {
    const found = posthog.onSessionId?.(tell);
    // The stub of the snippet queues the call and gives something else.
    unsubscribe = typeof found === "function" ? found : undefined;
  });
  // The stub only queues calls and has no id to give yet; the queued call tells it later.
  quietly(() => {
    tell(posthog.get_session_id?.());
  });
  return () => {
    ended = true;
    quietly(() => unsubscribe?.());
  };
}

/** The page's functions may fail; that is the page's affair and must not reach PostHog. */
function quietly(action: () => void): void {
  try {
    action();
  } catch (error) {
    setTimeout(() => {
      reportError(error);
    });
  }
}
