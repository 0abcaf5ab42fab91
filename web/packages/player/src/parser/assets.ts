/**
 * Reads the assets that were frozen with a recording: stylesheets, images, fonts.
 *
 * ```
 * assets.json                    address → sha256, type
 * assets/<ab>/<sha256>           beside it
 * ```
 *
 * The HTML export carries both in one JSON text, each file once; a bundle as entries.
 */

import { DamagedRecordingError } from "../errors";
import { isAssetType, type FrozenAsset } from "../frame/protocol";
import { isObject, string, type Json } from "../frame/json";
import { ASSETS_NAME, type Bundle } from "./bundle";
import { bytesOfBase64, inlineText } from "./inline";

/** Files fetched at once. */
const AT_ONCE = 6;
const SHA256 = /^[0-9a-f]{64}$/;

export interface Assets {
  readonly assets: readonly FrozenAsset[];
  /** Files that could not be had. */
  readonly failed: number;
}

interface Entry {
  readonly url: string;
  readonly sha256: string;
  readonly base: string;
  readonly type: string;
  readonly charset: string;
}

/** Fetch `assets.json` and every file it names. Throws DamagedRecordingError. */
export async function fetchAssets(where: URL, fetchFn: typeof fetch = fetch): Promise<Assets> {
  const response = await fetchFn(where);
  if (!response.ok) {
    throw new DamagedRecordingError(
      `The server answered ${response.status} for the list of frozen assets. ` +
        "Run replayport verify on the archive.",
    );
  }
  return collected(await response.json(), async (name) => {
    const part = await fetchFn(new URL(name, where));
    return part.ok ? part.arrayBuffer() : null;
  });
}

/** Read `assets.json` and every file it names out of a bundle. Throws DamagedRecordingError. */
export async function bundledAssets(bundle: Bundle): Promise<Assets> {
  const read = async (name: string): Promise<ArrayBuffer> => (await bundle.entry(name)).slice(0);
  const list: unknown = JSON.parse(new TextDecoder().decode(await read(ASSETS_NAME)));
  return collected(list, read);
}

/** Read the files a list names; one that cannot be had is counted. */
async function collected(
  list: unknown,
  read: (name: string) => Promise<ArrayBuffer | null>,
): Promise<Assets> {
  const entries = entriesOf(list);
  const wanted = [...new Set(entries.map((entry) => entry.sha256))];
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const workers = Array.from({ length: AT_ONCE }, async () => {
    for (let sha256 = wanted.pop(); sha256 !== undefined; sha256 = wanted.pop()) {
      const bytes = await read(`assets/${sha256.slice(0, 2)}/${sha256}`).catch(() => null);
      if (bytes !== null) {
        files.set(sha256, new Uint8Array(bytes));
      }
    }
  });
  await Promise.all(workers);
  return joined(entries, files);
}

/** Give the assets in the element of that id; none when it is empty. */
export async function inlineAssets(document: Document, id: string): Promise<Assets> {
  const text = (await inlineText(document, id)).trim();
  if (text === "") {
    return { assets: [], failed: 0 };
  }
  const found: unknown = JSON.parse(text);
  const texts = isObject(found) && isObject(found["files"]) ? found["files"] : {};
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [sha256, base64] of Object.entries(texts)) {
    if (typeof base64 === "string") {
      files.set(sha256, bytesOfBase64(base64));
    }
  }
  return joined(entriesOf(found), files);
}

function joined(
  entries: readonly Entry[],
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
): Assets {
  const assets = entries.flatMap(({ sha256, ...entry }) => {
    const bytes = files.get(sha256);
    return bytes === undefined ? [] : [{ ...entry, bytes }];
  });
  return { assets, failed: entries.length - assets.length };
}

function entriesOf(found: unknown): Entry[] {
  if (!isObject(found) || !isObject(found["assets"])) {
    throw new DamagedRecordingError(
      "The list of frozen assets is none. Run replayport verify on the archive.",
    );
  }
  return Object.entries(found["assets"]).flatMap(([url, value]) => {
    const entry: Json = isObject(value) ? value : {};
    const sha256 = string(entry["sha256"]) ?? "";
    const type = string(entry["content_type"]) ?? "";
    if (!SHA256.test(sha256) || !isAssetType(type)) {
      return [];
    }
    const base = string(entry["final_url"]) ?? url;
    return [{ url, sha256, type, base, charset: string(entry["charset"]) ?? "" }];
  });
}
