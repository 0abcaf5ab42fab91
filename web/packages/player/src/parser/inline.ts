/** Reads a recording that lies inside the page, as the HTML export carries it. */

import { DamagedRecordingError } from "../errors";

/**
 * Give the text of the element of that id.
 *
 * While the page is still being read the element may come yet, and is waited for.
 */
export async function inlineText(document: Document, id: string): Promise<string> {
  if (document.getElementById(id) === null && document.readyState === "loading") {
    await new Promise((resolve) => {
      document.addEventListener("DOMContentLoaded", resolve, { once: true });
    });
  }
  const text = document.getElementById(id)?.textContent;
  if (text === undefined) {
    throw new DamagedRecordingError(
      `The page has no element "${id}" to read the recording from. Export it again.`,
    );
  }
  return text;
}

/** Give the bytes of the base64 text in the element of that id. */
export async function inlineBytes(document: Document, id: string): Promise<Uint8Array> {
  const text = await inlineText(document, id);
  try {
    return bytesOfBase64(text.trim());
  } catch (cause) {
    throw new DamagedRecordingError(
      "The recording inside this page is not base64. The file was changed; export it again.",
      { cause },
    );
  }
}

export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  const { fromBase64 } = Uint8Array as {
    fromBase64?: (text: string) => Uint8Array<ArrayBuffer>;
  };
  if (fromBase64 !== undefined) {
    return fromBase64.call(Uint8Array, text);
  }
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) {
    bytes[i] = binary.charCodeAt(i);
  }
  return bytes;
}
