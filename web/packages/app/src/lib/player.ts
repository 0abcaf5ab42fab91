/** The player's web component (docs/how-to/embed-player.md), as far as the app uses it. */

export interface Marker {
  readonly offset_ms: number;
  readonly kind: string;
  readonly label: string;
}

export interface Player extends HTMLElement {
  readonly currentMs: number;
  readonly durationMs: number;
  readonly paused: boolean;
  markers: readonly Marker[];
  play(): void;
  pause(): void;
  seek(ms: number): void;
  getDocumentHtml(): Promise<string>;
}

let loading: Promise<void> | null = null;

/** Load the player's script, once. */
export function loadPlayer(): Promise<void> {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/player.js";
    script.onload = () => {
      resolve();
    };
    script.onerror = () => {
      loading = null;
      reject(new Error("The player's script did not load."));
    };
    document.head.append(script);
  });
  return loading;
}
