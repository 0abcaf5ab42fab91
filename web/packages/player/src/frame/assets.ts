/**
 * The frozen assets inside the frame: addresses of the recorded page become `blob:` URLs.
 *
 * The frame has no network. What was frozen comes in a message; each file becomes a blob
 * of this frame's own opaque origin when it is first shown. Stylesheets are never blobs:
 * their text is cleaned like every other and put where the page names them.
 *
 * Addresses are resolved as `assets/find.py` does, by the URL standard.
 */

import { cleanCss, closed, type CleanCss, type CssAssets } from "./css";
import type { FrozenAsset } from "./protocol";
import { cleanSprite } from "./sprite";

/** Sheets that import sheets; as many as are frozen. */
const MAX_IMPORT_DEPTH = 5;

/** Of the sheets one sheet imports together; imports repeated in imports grow without end. */
const MAX_IMPORTED_CHARS = 2 ** 23;

/** Of all cleaned sheets together. */
const MAX_SHEET_CHARS = 2 ** 26;

/** What may follow an address, as in `icons.svg#cart`. */
const FRAGMENT = /^#[\w.:-]+$/;

const SHOWN_TYPE = /^(?:image|font)\//;

export class Assets {
  readonly #byUrl = new Map<string, FrozenAsset>();
  readonly #objectUrls = new Map<Uint8Array, string>();
  /** Cleaned sheets by how deep they were imported: deeper ones import less. */
  /** Empty for a file that is no SVG. */
  readonly #spriteUrls = new Map<Uint8Array, string>();
  #sheetChars = 0;
  readonly #sheets: Map<FrozenAsset, CleanCss>[] = [];

  add(assets: readonly FrozenAsset[]): void {
    for (const asset of assets) {
      this.#byUrl.set(asset.url, asset);
    }
  }

  /** Give what to show in place of an image's or a font's address; null when it is not here. */
  address(written: string, base: string): string | null {
    const found = this.#find(written, base);
    if (found === null || !SHOWN_TYPE.test(found.asset.type)) {
      return null;
    }
    const { asset, fragment } = found;
    let url = this.#objectUrls.get(asset.bytes);
    if (url === undefined) {
      url = URL.createObjectURL(new Blob([asset.bytes], { type: asset.type }));
      this.#objectUrls.set(asset.bytes, url);
    }
    return FRAGMENT.test(fragment) ? url + fragment : url;
  }

  /** Give what a `<use>` may copy from in place of an address; null when it is not here. */
  sprite(written: string, base: string): string | null {
    const found = this.#find(written, base);
    if (found?.asset.type !== "image/svg+xml" || !FRAGMENT.test(found.fragment)) {
      return null;
    }
    let url = this.#spriteUrls.get(found.asset.bytes);
    if (url === undefined) {
      const clean = cleanSprite(new TextDecoder().decode(found.asset.bytes));
      url = clean === null ? "" : URL.createObjectURL(new Blob([clean], { type: "image/svg+xml" }));
      this.#spriteUrls.set(found.asset.bytes, url);
    }
    return url === "" ? null : url + found.fragment;
  }

  /** Give a stylesheet's text, clean and with its imports in place; null when it is not here. */
  sheet(written: string, base: string, depth = 0): CleanCss | null {
    const asset = this.#find(written, base)?.asset;
    if (asset?.type !== "text/css" || depth > MAX_IMPORT_DEPTH) {
      return null;
    }
    const sheets = (this.#sheets[depth] ??= new Map());
    let clean = sheets.get(asset);
    if (clean === undefined) {
      if (this.#sheetChars > MAX_SHEET_CHARS) {
        return null;
      }
      clean = cleanCss(textOf(asset), this.css(asset.base, depth));
      sheets.set(asset, clean);
      this.#sheetChars += clean.text.length;
    }
    return clean;
  }

  /** What a stylesheet of that address may refer to. */
  css(base: string, depth = 0): CssAssets {
    let imported = 0;
    return {
      address: (written) => this.address(written, base),
      sheet: (written) => {
        const sheet = this.sheet(written, base, depth + 1);
        imported += sheet?.text.length ?? 0;
        return sheet === null || imported > MAX_IMPORTED_CHARS
          ? null
          : { ...sheet, text: closed(sheet.text) };
      },
    };
  }

  #find(written: string, base: string): { asset: FrozenAsset; fragment: string } | null {
    if (this.#byUrl.size === 0 || written.trimStart().startsWith("#")) {
      return null;
    }
    const url = resolve(written, base);
    if (url === null) {
      return null;
    }
    const fragment = url.hash;
    url.hash = "";
    const asset = this.#byUrl.get(url.href);
    return asset === undefined ? null : { asset, fragment };
  }
}

/** Make an address absolute; null when it is none of the web. */
export function resolve(written: string, base: string): URL | null {
  try {
    const url = base === "" ? new URL(written) : new URL(written, base);
    return url.protocol === "http:" || url.protocol === "https:" ? url : null;
  } catch {
    return null;
  }
}

/** Decode a stylesheet: byte order mark, the answer's charset, `@charset`, UTF-8. */
function textOf(asset: FrozenAsset): string {
  const { bytes } = asset;
  const head = String.fromCharCode(...bytes.subarray(0, 100));
  const named = /^@charset "([^"]{1,40})";/.exec(head)?.[1] ?? "";
  const mark = head.startsWith("\xfe\xff")
    ? "utf-16be"
    : head.startsWith("\xff\xfe")
      ? "utf-16le"
      : head.startsWith("\xef\xbb\xbf")
        ? "utf-8"
        : "";
  // A sheet that can say `@charset "utf-16"` in ASCII is not UTF-16.
  for (const label of [mark, asset.charset, /^utf-16/i.test(named) ? "" : named]) {
    if (label !== "") {
      try {
        return new TextDecoder(label).decode(bytes);
      } catch {
        continue; // no charset of that name
      }
    }
  }
  return new TextDecoder().decode(bytes);
}

export interface SrcsetCandidate {
  readonly address: string;
  /** `2x`, `640w`; empty when there is none. */
  readonly descriptor: string;
}

/** Split a `srcset`, by the algorithm of the HTML standard. */
export function parseSrcset(text: string): SrcsetCandidate[] {
  const candidates: SrcsetCandidate[] = [];
  for (let at = 0; ;) {
    at = matchFrom(/[ \t\n\f\r,]*/y, text, at);
    if (at >= text.length) {
      return candidates;
    }
    let end = matchFrom(/[^ \t\n\f\r]*/y, text, at);
    let address = text.slice(at, end);
    let descriptor = "";
    if (address.endsWith(",")) {
      address = address.replace(/,+$/, "");
    } else {
      const start = end;
      for (let depth = 0; end < text.length && (depth > 0 || text[end] !== ","); end += 1) {
        depth = Math.max(0, depth + Number(text[end] === "(") - Number(text[end] === ")"));
      }
      descriptor = text.slice(start, end).trim();
    }
    at = end;
    if (address !== "") {
      candidates.push({ address, descriptor });
    }
  }
}

/** Where a match of a sticky expression that begins at `at` ends. */
function matchFrom(expression: RegExp, text: string, at: number): number {
  expression.lastIndex = at;
  return at + (expression.exec(text)?.[0].length ?? 0);
}
