/**
 * Canvas frames as images.
 *
 * PostHog records a canvas as pictures: `clearRect`, then `drawImage` of an encoded
 * bitmap. rrweb replays canvases only with scripts allowed inside the recorded page
 * (`UNSAFE_replayCanvas`), which we never do; the bitmap itself needs no script.
 */

/** Image types a recorder encodes to. */
const IMAGE_TYPE = /^image\/(?:webp|png|jpeg)$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Give the data URL of the last bitmap drawn by a CanvasMutation; null when it draws none. */
export function canvasFrameOf(data: Readonly<Record<string, unknown>>): string | null {
  const commands: unknown[] = Array.isArray(data["commands"]) ? data["commands"] : [data];
  for (const command of [...commands].reverse()) {
    const { property, args } = Object(command) as { property?: unknown; args?: unknown };
    if (property !== "drawImage" || !Array.isArray(args)) {
      continue;
    }
    const bitmap = Object(args[0]) as { rr_type?: unknown; args?: unknown };
    const blob = Object(Array.isArray(bitmap.args) ? bitmap.args[0] : null) as {
      rr_type?: unknown;
      type?: unknown;
      data?: unknown;
    };
    const buffer = Object(Array.isArray(blob.data) ? blob.data[0] : null) as {
      base64?: unknown;
    };
    if (
      bitmap.rr_type === "ImageBitmap" &&
      blob.rr_type === "Blob" &&
      typeof blob.type === "string" &&
      IMAGE_TYPE.test(blob.type) &&
      typeof buffer.base64 === "string" &&
      BASE64.test(buffer.base64)
    ) {
      return `data:${blob.type};base64,${buffer.base64}`;
    }
  }
  return null;
}
