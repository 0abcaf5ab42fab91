/**
 * Makes a frozen SVG harmless to `<use>`, which copies what it names into the page.
 *
 * As an image an SVG is on its own: a browser lets it neither run nor fetch anything. A copy
 * is part of the page, with its images, styles and handlers.
 */

import { cleanCss } from "./css";

const FORBIDDEN: ReadonlySet<string> = new Set([
  "audio",
  "embed",
  "foreignobject",
  "iframe",
  "link",
  "object",
  "script",
  "video",
]);
const ANIMATION = /^(?:animate.*|set|discard)$/;
/** Attributes that an animation must not write, and that are not kept. */
const ACTIVE = /^on|href|src/i;
const SELF_CONTAINED = /^\s*(?:#|data:image\/)/i;

/** Give the document without script and without any address outside itself; null if it is none. */
export function cleanSprite(text: string): string | null {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
  const root = parsed.documentElement;
  if (root.localName !== "svg" || parsed.querySelector("parsererror") !== null) {
    return null;
  }
  for (const element of [root, ...root.querySelectorAll("*")]) {
    const name = element.localName.toLowerCase();
    const animated = element.getAttribute("attributeName") ?? "";
    if (FORBIDDEN.has(name) || (ANIMATION.test(name) && ACTIVE.test(animated.trim()))) {
      element.remove();
      continue;
    }
    for (const attribute of [...element.attributes]) {
      if (!ACTIVE.test(attribute.localName)) {
        attribute.value = cleanCss(attribute.value).text;
      } else if (!/href$/i.test(attribute.localName) || !SELF_CONTAINED.test(attribute.value)) {
        element.removeAttributeNode(attribute);
      }
    }
    if (name === "style") {
      element.textContent = cleanCss(element.textContent).text;
    }
  }
  // The root alone: a stylesheet can also be named by an instruction before it.
  return new XMLSerializer().serializeToString(root);
}
