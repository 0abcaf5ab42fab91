/**
 * What the player and its frame may say to each other.
 *
 * The frame runs recorded content behind an opaque origin; both sides check the sender
 * (`event.source`) and the shape of each message, and ignore whatever is not listed
 * here. Findings carry codes and counts, never recorded values; only `page` carries any.
 *
 * ```
 * player → frame    assets   what was frozen with the recording; before the first take
 *                   take     the first events of a stretch of one window: makes a replayer
 *                   append   the next events of that stretch
 *                   told     say when everything before this was done
 *                   show     make that replayer visible, at a moment, playing or not
 *                   pace     change the speed, or pause at 0
 *                   drop     forget a replayer
 *                   read     write the page out that is drawn just now
 * frame → player    boot     the frame's document is there and wants its program
 *                   hello    the program has started
 *                   drawn    what `show` asked for is on the screen
 *                   done     what `told` asked for
 *                   finding  what could not be applied, counted
 *                   page     what `read` asked for; recorded text, never to be markup again
 * ```
 */

/** Of a page that is written out; longer ones are cut. */
export const MAX_PAGE_CHARS = 1 << 24;

export interface Rows {
  readonly timestampMs: readonly number[];
  readonly type: readonly number[];
  readonly data: readonly (string | null)[];
}

/** Types of frozen files; the same set as in Python's `format.assets`. */
const ASSET_TYPES: ReadonlySet<string> = new Set([
  "text/css",
  "image/avif",
  "image/bmp",
  "image/gif",
  "image/jpeg",
  "image/png",
  "image/svg+xml",
  "image/webp",
  "image/x-icon",
  "font/collection",
  "font/otf",
  "font/ttf",
  "font/woff",
  "font/woff2",
]);

export function isAssetType(type: unknown): boolean {
  return typeof type === "string" && ASSET_TYPES.has(type);
}

/** A stylesheet, an image or a font as its address served it. */
export interface FrozenAsset {
  /** Absolute, as the URL standard writes it, without a fragment. */
  readonly url: string;
  /** What relative addresses in it start from: where redirects led. */
  readonly base: string;
  readonly type: string;
  /** Of a stylesheet, as its answer named it; empty when it named none. */
  readonly charset: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type ToFrame =
  | { readonly kind: "assets"; readonly assets: readonly FrozenAsset[] }
  | {
      readonly kind: "take";
      readonly take: number;
      readonly startMs: number;
      readonly endMs: number;
      readonly rows: Rows;
    }
  | { readonly kind: "append"; readonly take: number; readonly rows: Rows }
  | { readonly kind: "told"; readonly request: number }
  | {
      readonly kind: "show";
      readonly take: number;
      readonly request: number;
      /** Everything up to and including this moment is drawn. */
      readonly atMs: number;
      /** 0 stands still. */
      readonly speed: number;
    }
  | { readonly kind: "pace"; readonly speed: number; readonly atMs: number }
  | { readonly kind: "drop"; readonly take: number }
  | { readonly kind: "read"; readonly request: number };

export type FromFrame =
  | { readonly kind: "boot" }
  | { readonly kind: "hello" }
  | { readonly kind: "drawn"; readonly request: number }
  | { readonly kind: "done"; readonly request: number }
  | { readonly kind: "finding"; readonly code: string; readonly count: number }
  | { readonly kind: "page"; readonly request: number; readonly text: string };

type Shape = Readonly<Record<string, "number" | "rows" | "code" | "assets" | "text">>;

const TO_FRAME: Readonly<Record<ToFrame["kind"], Shape>> = {
  assets: { assets: "assets" },
  take: { take: "number", startMs: "number", endMs: "number", rows: "rows" },
  append: { take: "number", rows: "rows" },
  told: { request: "number" },
  show: { take: "number", request: "number", atMs: "number", speed: "number" },
  pace: { speed: "number", atMs: "number" },
  drop: { take: "number" },
  read: { request: "number" },
};

const FROM_FRAME: Readonly<Record<FromFrame["kind"], Shape>> = {
  boot: {},
  hello: {},
  drawn: { request: "number" },
  done: { request: "number" },
  finding: { code: "code", count: "number" },
  page: { request: "number", text: "text" },
};

export function asToFrame(message: unknown): ToFrame | null {
  return matches(message, TO_FRAME) ? (message as ToFrame) : null;
}

export function asFromFrame(message: unknown): FromFrame | null {
  return matches(message, FROM_FRAME) ? (message as FromFrame) : null;
}

function matches(message: unknown, shapes: Readonly<Record<string, Shape>>): boolean {
  if (typeof message !== "object" || message === null) {
    return false;
  }
  const fields = message as Record<string, unknown>;
  const kind = fields["kind"];
  const shape = typeof kind === "string" && Object.hasOwn(shapes, kind) ? shapes[kind] : undefined;
  return (
    shape !== undefined &&
    Object.keys(fields).length === Object.keys(shape).length + 1 &&
    Object.entries(shape).every(([name, type]) => isOf(type, fields[name]))
  );
}

function isOf(type: Shape[string], value: unknown): boolean {
  switch (type) {
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    case "code":
      return typeof value === "string" && /^[a-z_]{1,40}$/.test(value);
    case "text":
      return typeof value === "string" && value.length <= MAX_PAGE_CHARS;
    case "assets":
      return Array.isArray(value) && value.every(isAsset);
    case "rows": {
      const rows = Object(value) as Record<string, unknown>;
      const { timestampMs, type: types, data } = rows;
      return (
        Array.isArray(timestampMs) &&
        Array.isArray(types) &&
        Array.isArray(data) &&
        timestampMs.length === types.length &&
        types.length === data.length
      );
    }
  }
}

function isAsset(value: unknown): boolean {
  const { url, base, type, charset, bytes } = Object(value) as Record<string, unknown>;
  return (
    typeof url === "string" &&
    typeof base === "string" &&
    typeof charset === "string" &&
    isAssetType(type) &&
    bytes instanceof Uint8Array
  );
}
