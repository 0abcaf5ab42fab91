/**
 * The player's side of the frame that draws the recording.
 *
 * `sandbox` without `allow-same-origin` would give rrweb's inner iframe an opaque origin
 * of its own, out of the replayer's reach. A `data:` URL has an opaque origin by itself,
 * which the inner iframe then shares; see docs/adr/0001-sandbox-not-sanitise.md.
 */

import { FRAME_DOCUMENT, FRAME_PROGRAM } from "virtual:frame-document";

import {
  asFromFrame,
  type FromFrame,
  type FrozenAsset,
  type Rows,
  type ToFrame,
} from "./frame/protocol";

/** Exactly these; anything more would let a recording out. */
export const FRAME_SANDBOX = "allow-scripts allow-same-origin";

export interface StageEvents {
  readonly onFinding: (code: string, count: number) => void;
}

/** What a session needs of a stage. */
export type Screen = Pick<Stage, "take" | "append" | "settled" | "show" | "pace" | "drop">;

export class Stage {
  readonly frame: HTMLIFrameElement;
  readonly #events: StageEvents;
  readonly #waiting = new Map<number, () => void>();
  readonly #reading = new Map<number, (text: string) => void>();
  #queue: ToFrame[] | null = [];
  #takes = 0;
  #requests = 0;

  constructor(parent: HTMLElement, events: StageEvents) {
    this.#events = events;
    this.frame = parent.ownerDocument.createElement("iframe");
    this.frame.setAttribute("sandbox", FRAME_SANDBOX);
    this.frame.setAttribute("allow", "");
    this.frame.setAttribute("referrerpolicy", "no-referrer");
    this.frame.title = "Recorded page";
    this.frame.tabIndex = -1;
    // Nothing inside may take the focus or a click; the replay is a picture.
    this.frame.inert = true;
    this.frame.src = `data:text/html;base64,${btoa(FRAME_DOCUMENT)}`;
    window.addEventListener("message", this.#onMessage);
    parent.prepend(this.frame);
  }

  /** Hand over what was frozen, before the first `take`. */
  assets(assets: readonly FrozenAsset[]): void {
    this.#send({ kind: "assets", assets });
  }

  /** Begin a stretch of a window; gives the number by which to name it. */
  take(startMs: number, endMs: number, rows: Rows): number {
    this.#takes += 1;
    this.#send({ kind: "take", take: this.#takes, startMs, endMs, rows });
    return this.#takes;
  }

  append(take: number, rows: Rows): void {
    this.#send({ kind: "append", take, rows });
  }

  /** Resolves when the frame has done everything it was told before. */
  settled(): Promise<void> {
    this.#requests += 1;
    const request = this.#requests;
    this.#send({ kind: "told", request });
    return new Promise((resolve) => this.#waiting.set(request, resolve));
  }

  /** Draw a moment, standing still; resolves when it is on the screen. */
  show(take: number, atMs: number): Promise<void> {
    this.#requests += 1;
    const request = this.#requests;
    this.#send({ kind: "show", take, request, atMs, speed: 0 });
    return new Promise((resolve) => this.#waiting.set(request, resolve));
  }

  pace(speed: number, atMs: number): void {
    this.#send({ kind: "pace", speed, atMs });
  }

  drop(take: number): void {
    this.#send({ kind: "drop", take });
  }

  /** The page drawn just now, as sanitised text. */
  read(): Promise<string> {
    this.#requests += 1;
    const request = this.#requests;
    this.#send({ kind: "read", request });
    return new Promise((resolve) => this.#reading.set(request, resolve));
  }

  destroy(): void {
    for (const resolve of this.#reading.values()) {
      resolve("");
    }
    window.removeEventListener("message", this.#onMessage);
    this.frame.remove();
  }

  #send(message: ToFrame): void {
    if (this.#queue !== null) {
      this.#queue.push(message);
      return;
    }
    // An opaque origin cannot be named as a target; the frame is ours and cannot navigate.
    this.frame.contentWindow?.postMessage(message, "*");
  }

  readonly #onMessage = (event: MessageEvent<unknown>): void => {
    if (event.source !== this.frame.contentWindow || event.origin !== "null") {
      return;
    }
    const message = asFromFrame(event.data);
    if (message !== null) {
      this.#receive(message);
    }
  };

  #receive(message: FromFrame): void {
    switch (message.kind) {
      case "boot":
        this.frame.contentWindow?.postMessage(FRAME_PROGRAM, "*");
        return;
      case "hello": {
        const queue = this.#queue ?? [];
        this.#queue = null;
        for (const waiting of queue) {
          this.#send(waiting);
        }
        return;
      }
      case "drawn":
      case "done":
        this.#waiting.get(message.request)?.();
        this.#waiting.delete(message.request);
        return;
      case "page":
        this.#reading.get(message.request)?.(message.text);
        this.#reading.delete(message.request);
        return;
      case "finding":
        this.#events.onFinding(message.code, message.count);
    }
  }
}
