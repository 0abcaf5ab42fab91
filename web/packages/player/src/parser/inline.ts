/** Reads a recording that lies inside the page, as the HTML export carries it. */

import { DamagedRecordingError } from "../errors";

/** Bytes of the base64 text in the element of that id. */
export function inlineBytes(document: Document, id: string): Uint8Array {
  const text = document.getElementById(id)?.textContent;
  if (text === undefined) {
    throw new DamagedRecordingError(
      `The page has no element "${id}" to read the recording from. Export it again.`,
    );
  }
  try {
    return bytesOfBase64(text.trim());
  } catch (cause) {
    throw new DamagedRecordingError(
      "The recording inside this page is not base64. The file was changed; export it again.",
      { cause },
    );
  }
}

function bytesOfBase64(text: string): Uint8Array {
  const { fromBase64 } = Uint8Array as { fromBase64?: (text: string) => Uint8Array };
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
