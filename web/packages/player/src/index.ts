/** Defines `<replayport-player>` and names what a page may use of it. */

import { ReplayportPlayer } from "./element";

export { ReplayportPlayer };
export type { HostMarker } from "./hostmarkers";
export { PlayerError } from "./errors";

if (customElements.get("replayport-player") === undefined) {
  customElements.define("replayport-player", ReplayportPlayer);
}
