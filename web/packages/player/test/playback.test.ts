import { describe, expect, it } from "vitest";

import { canvasFrameOf } from "../src/frame/canvas";
import { MetaPatch, dropRepeats, isUndecoded, type Row } from "../src/frame/playback";

const row = (timestampMs: number, data: string, type = 3): Row => ({ timestampMs, type, data });
const texts = (rows: readonly Row[]): string =>
  dropRepeats(rows)
    .map((kept) => `${kept.timestampMs}${kept.data ?? ""}`)
    .join(" ");

describe("dropRepeats", () => {
  it("drops an immediate repeat", () => {
    expect(texts([row(1, "a"), row(1, "a"), row(1, "a"), row(2, "a")])).toBe("1a 2a");
  });

  it("keeps a change and its change back", () => {
    expect(texts([row(1, "a"), row(1, "b"), row(1, "a")])).toBe("1a 1b 1a");
  });

  it("keeps the first of a block said twice", () => {
    expect(texts([row(1, "a"), row(1, "b"), row(1, "a"), row(1, "b")])).toBe("1a 1b");
    expect(texts(["a", "b", "c", "a", "b", "c", "a", "b", "c"].map((d) => row(1, d)))).toBe(
      "1a 1b 1c",
    );
  });

  it("takes any number of events at one instant", () => {
    const rows = Array.from({ length: 300_000 }, (_, i) => row(1, String(i)));
    expect(dropRepeats(rows)).toEqual(rows);
    expect(dropRepeats([...rows, ...rows])).toEqual(rows);
  });

  it("does not look over a change of time or type", () => {
    expect(texts([row(1, "a"), row(2, "a"), row(2, "a", 4)])).toBe("1a 2a 2a");
  });
});

describe("isUndecoded", () => {
  it.each([
    [2, { node: {} }, false],
    [2, { node: "packed" }, true],
    [2, "packed", true],
    [2, null, true],
    [3, { source: 0, adds: [], texts: [] }, false],
    [3, { source: 0, adds: "packed" }, true],
    [3, { source: 8, adds: "packed" }, true],
    [3, { source: 5, text: "typed" }, false],
    [4, { href: "" }, false],
  ])("type %s with %o: %s", (type, data, expected) => {
    expect(isUndecoded(type, data)).toBe(expected);
  });
});

describe("MetaPatch", () => {
  const size = { width: 10, height: 20 };

  it("asks for a Meta only where one is missing", () => {
    const patch = new MetaPatch(size);
    expect(patch.next(2, {})).toEqual(size);
    expect(patch.next(4, { width: 30, height: 40 })).toBeNull();
    expect(patch.next(3, {})).toBeNull();
    expect(patch.next(2, {})).toBeNull();
    expect(patch.next(2, {})).toEqual({ width: 30, height: 40 });
  });

  it("ignores a size that is none", () => {
    const patch = new MetaPatch(size);
    patch.next(4, { width: "wide", height: 0 });
    patch.next(2, {});
    expect(patch.next(2, {})).toEqual(size);
  });
});

describe("canvasFrameOf", () => {
  const draw = (type: string, base64: string): Record<string, unknown> => ({
    commands: [
      { property: "clearRect", args: [0, 0, 1, 1] },
      {
        property: "drawImage",
        args: [
          {
            rr_type: "ImageBitmap",
            args: [{ rr_type: "Blob", data: [{ rr_type: "ArrayBuffer", base64 }], type }],
          },
          0,
          0,
        ],
      },
    ],
  });

  it("gives the bitmap as an address", () => {
    expect(canvasFrameOf(draw("image/webp", "UklGRg=="))).toBe("data:image/webp;base64,UklGRg==");
  });

  it.each([
    draw("text/html", "UklGRg=="),
    draw("image/svg+xml", "UklGRg=="),
    draw("image/webp", "not base64,"),
    { property: "drawImage", args: [{ rr_type: "Image", src: "https://x.example/" }] },
    { commands: [null, 7] },
    {},
  ])("gives nothing for %o", (data) => {
    expect(canvasFrameOf(data)).toBeNull();
  });
});
