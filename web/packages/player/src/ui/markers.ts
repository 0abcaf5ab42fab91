/** Puts markers on a line: at most one of a kind every few pixels, each kind its own shape. */

import type { Marker, MarkerKind } from "../timeline";

export interface PlacedMarker {
  readonly kind: MarkerKind;
  readonly x: number;
  readonly count: number;
  readonly first: Marker;
}

const GAP_PX = 9;

export const MARKER_NAMES: Readonly<Record<MarkerKind, string>> = {
  click: "Click",
  input: "Input",
  navigation: "Page",
  error: "Console error",
  note: "Note",
  trouble: "Trouble",
};

/** Drawn in this order, so that the rarer and graver lie on top. */
export const MARKER_KINDS: readonly MarkerKind[] = [
  "input",
  "click",
  "navigation",
  "note",
  "error",
  "trouble",
];

/** Kinds the page around the player gives; a recording has none of them. */
export const HOST_KINDS: readonly MarkerKind[] = ["note", "trouble"];

/** Shapes around the origin, about 7 px in size; told apart without colour. */
export const MARKER_PATHS: Readonly<Record<MarkerKind, string>> = {
  click: "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0z",
  input: "M-3 -3h6v6h-6z",
  navigation: "M0 -4.2L4 3.2H-4z",
  error: "M0 -4.4L4.4 0L0 4.4L-4.4 0z",
  note: "M-3.4 -4h6.8v4.800L0 4.200L-3.400 0.800z",
  trouble: "M-4.4 -4.2h8.8L0 4.4z",
};

/** What a person does lies under what the page does, so that the two do not cover each other. */
export const MARKER_LANES_PX: Readonly<Record<MarkerKind, number>> = {
  input: 12,
  click: 12,
  navigation: 3,
  error: 3,
  note: 3,
  trouble: 3,
};

export function placeMarkers(
  markers: readonly Marker[],
  startMs: number,
  durationMs: number,
  widthPx: number,
): PlacedMarker[] {
  const placed: PlacedMarker[] = [];
  for (const kind of MARKER_KINDS) {
    let last: { kind: MarkerKind; x: number; count: number; first: Marker } | null = null;
    const ofKind = markers.filter((marker) => marker.kind === kind);
    for (const marker of ofKind.sort((a, b) => a.atMs - b.atMs)) {
      const x = durationMs > 0 ? ((marker.atMs - startMs) / durationMs) * widthPx : 0;
      if (last !== null && x - last.x < GAP_PX) {
        last.count += 1;
      } else {
        last = { kind, x, count: 1, first: marker };
        placed.push(last);
      }
    }
  }
  return placed;
}

/** The marker to tell about at a place of the line, or null. */
export function markerNear(placed: readonly PlacedMarker[], x: number): PlacedMarker | null {
  let best: PlacedMarker | null = null;
  for (const marker of placed) {
    if (
      Math.abs(marker.x - x) <= GAP_PX &&
      (best === null || Math.abs(marker.x - x) <= Math.abs(best.x - x))
    ) {
      best = marker;
    }
  }
  return best;
}
