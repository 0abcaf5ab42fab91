import { describe, expect, it } from "vitest";

import { hostMarkersOf, MAX_HOST_MARKERS } from "../src/hostmarkers";
import { MARKER_KINDS, MARKER_PATHS, placeMarkers } from "../src/ui/markers";

describe("markers of the page around the player", () => {
  it("take the recording's own shapes, or are notes with a name", () => {
    expect(
      hostMarkersOf(
        [
          { offset_ms: 1_500, kind: "error", label: "500 at checkout" },
          { offset_ms: 1_600, kind: "trouble", label: "Pay" },
          { offset_ms: 2_000, kind: "rage click", label: "Pay" },
          { offset_ms: 3_000, kind: "__proto__" },
        ],
        10_000,
      ),
    ).toEqual([
      { kind: "error", atMs: 11_500, windowId: "", label: "500 at checkout" },
      { kind: "trouble", atMs: 11_600, windowId: "", label: "Pay" },
      { kind: "note", atMs: 12_000, windowId: "", label: "Pay", name: "rage click" },
      { kind: "note", atMs: 13_000, windowId: "", label: "", name: "__proto__" },
    ]);
  });

  it.each([
    null,
    "[]",
    {},
    [null],
    [7],
    [[]],
    [{ kind: "error" }],
    [{ offset_ms: "5" }],
    [{ offset_ms: NaN }],
  ])("%j are none", (given) => {
    expect(hostMarkersOf(given, 0)).toEqual([]);
  });

  it("are bounded in number and in length", () => {
    const many = Array.from({ length: MAX_HOST_MARKERS + 9 }, () => ({
      offset_ms: 1,
      kind: "k".repeat(10_000),
      label: "l".repeat(10_000),
    }));
    const markers = hostMarkersOf(many, 0);
    expect(markers).toHaveLength(MAX_HOST_MARKERS);
    expect((markers[0]?.name ?? "").length + (markers[0]?.label.length ?? 0)).toBeLessThan(500);
  });

  it("have a place and a shape", () => {
    expect(new Set(Object.values(MARKER_PATHS)).size).toBe(MARKER_KINDS.length);
    const placed = placeMarkers(
      hostMarkersOf([{ offset_ms: 50, kind: "own" }], 100),
      100,
      100,
      200,
    );
    expect(placed).toMatchObject([{ kind: "note", x: 100, count: 1 }]);
  });
});
