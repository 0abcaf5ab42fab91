/** The seek bar: position, what has been read, idle time, markers, and a tip under the pointer. */

import type { Marker, Span } from "../timeline";
import { formatTime, shortUrl, spokenTime } from "./format";
import {
  MARKER_LANES_PX,
  MARKER_NAMES,
  MARKER_PATHS,
  markerNear,
  placeMarkers,
  type PlacedMarker,
} from "./markers";

const SVG = "http://www.w3.org/2000/svg";

export interface SeekbarEvents {
  /** Asked for on the way of a drag and, `isFinal`, where it ends. */
  readonly onSeek: (targetMs: number, isFinal: boolean) => void;
}

export class Seekbar {
  readonly #root: HTMLElement;
  readonly #events: SeekbarEvents;
  readonly #played: HTMLElement;
  readonly #fed: HTMLElement;
  readonly #idle: HTMLElement;
  readonly #thumb: HTMLElement;
  readonly #markersRoot: Element;
  readonly #tip: HTMLElement;
  readonly #resize: ResizeObserver;
  #startMs = 0;
  #durationMs = 0;
  #markers: readonly Marker[] = [];
  #placed: readonly PlacedMarker[] = [];
  #spokenMs = -1;
  #isDragging = false;

  constructor(root: HTMLElement, events: SeekbarEvents) {
    const part = (selector: string): HTMLElement => {
      const found = root.querySelector<HTMLElement>(selector);
      if (found === null) {
        throw new TypeError(`the seek bar has no ${selector}`);
      }
      return found;
    };
    this.#root = root;
    this.#events = events;
    this.#played = part(".played");
    this.#fed = part(".fed");
    this.#idle = part(".idle");
    this.#thumb = part(".thumb");
    this.#markersRoot = part(".markers");
    this.#tip = part(".tip");
    root.addEventListener("pointerdown", this.#onDown);
    root.addEventListener("pointermove", this.#onMove);
    root.addEventListener("pointerup", this.#onUp);
    root.addEventListener("pointercancel", this.#onUp);
    root.addEventListener("pointerleave", () => {
      this.#tip.hidden = true;
    });
    this.#resize = new ResizeObserver(() => {
      this.#place();
    });
    this.#resize.observe(root);
  }

  setRange(startMs: number, durationMs: number): void {
    this.#startMs = startMs;
    this.#durationMs = durationMs;
    this.#root.setAttribute("aria-valuemax", String(Math.round(durationMs / 1000)));
  }

  setMarkers(markers: readonly Marker[], idle: readonly Span[]): void {
    this.#markers = markers;
    this.#idle.replaceChildren(
      ...idle.map((span) => {
        const bar = document.createElement("i");
        const left = this.#share(span.startMs - this.#startMs);
        bar.style.left = `${left * 100}%`;
        bar.style.width = `${(this.#share(span.endMs - this.#startMs) - left) * 100}%`;
        return bar;
      }),
    );
    this.#place();
  }

  setPosition(atMs: number, fedMs: number): void {
    const share = this.#share(atMs);
    this.#played.style.transform = `scaleX(${share})`;
    this.#fed.style.transform = `scaleX(${this.#share(fedMs)})`;
    this.#thumb.style.left = `${share * 100}%`;
    const spokenMs = Math.floor(atMs / 1000) * 1000;
    if (spokenMs !== this.#spokenMs) {
      this.#spokenMs = spokenMs;
      this.#root.setAttribute("aria-valuenow", String(spokenMs / 1000));
      this.#root.setAttribute(
        "aria-valuetext",
        `${spokenTime(spokenMs)} of ${spokenTime(this.#durationMs)}`,
      );
    }
  }

  destroy(): void {
    this.#resize.disconnect();
  }

  #share(offsetMs: number): number {
    return this.#durationMs > 0 ? Math.min(1, Math.max(0, offsetMs / this.#durationMs)) : 0;
  }

  #place(): void {
    const width = this.#root.clientWidth;
    this.#placed = placeMarkers(this.#markers, this.#startMs, this.#durationMs, width);
    this.#markersRoot.replaceChildren(
      ...this.#placed.map(({ kind, x }) => {
        const path = document.createElementNS(SVG, "path");
        path.setAttribute("d", MARKER_PATHS[kind]);
        path.setAttribute("class", kind);
        path.setAttribute("transform", `translate(${x.toFixed(1)} ${MARKER_LANES_PX[kind]})`);
        return path;
      }),
    );
  }

  #targetMs(event: PointerEvent): number {
    const { left, width } = this.#root.getBoundingClientRect();
    const share = width > 0 ? (event.clientX - left) / width : 0;
    return Math.min(1, Math.max(0, share)) * this.#durationMs;
  }

  readonly #onDown = (event: PointerEvent): void => {
    if (event.button !== 0) {
      return;
    }
    this.#isDragging = true;
    this.#root.setPointerCapture(event.pointerId);
    this.#events.onSeek(this.#targetMs(event), false);
  };

  readonly #onMove = (event: PointerEvent): void => {
    this.#showTip(event);
    if (this.#isDragging) {
      this.#events.onSeek(this.#targetMs(event), false);
    }
  };

  readonly #onUp = (event: PointerEvent): void => {
    if (this.#isDragging) {
      this.#isDragging = false;
      this.#events.onSeek(this.#targetMs(event), true);
    }
  };

  #showTip(event: PointerEvent): void {
    const { left, width } = this.#root.getBoundingClientRect();
    const x = Math.min(width, Math.max(0, event.clientX - left));
    const marker = markerNear(this.#placed, x);
    const [shape, time, text] = [
      this.#tip.querySelector("svg"),
      this.#tip.querySelector("b"),
      this.#tip.querySelector("span"),
    ];
    if (shape === null || time === null || text === null) {
      return;
    }
    shape.toggleAttribute("hidden", marker === null);
    if (marker !== null) {
      shape.querySelector("path")?.setAttribute("d", MARKER_PATHS[marker.kind]);
    }
    time.textContent = formatTime(this.#targetMs(event));
    text.textContent = marker === null ? "" : describe(marker);
    this.#tip.hidden = false;
    // Kept inside the player at both ends.
    const half = this.#tip.offsetWidth / 2;
    this.#tip.style.left = `${Math.min(width - half + 8, Math.max(half - 8, x))}px`;
  }
}

function describe({ kind, count, first }: PlacedMarker): string {
  const called = (first.name ?? "") === "" ? MARKER_NAMES[kind] : (first.name ?? "");
  const name = count > 1 ? `${count} × ${called.toLowerCase()}` : called;
  const label = kind === "navigation" ? shortUrl(first.label) : first.label;
  return label === "" ? name : `${name}: ${label}`;
}
