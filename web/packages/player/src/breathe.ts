/** Long work in slices, so that the browser can load, paint and answer in between. */

/** A slice of work that nobody notices. */
export const SLICE_MS = 8;

/**
 * Let the browser do what waits.
 *
 * Through a message, because a chain of timers is slowed down to 4 ms each.
 */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
