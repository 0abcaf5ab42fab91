/**
 * Makes a recorded stylesheet fit for a page without a mouse and on another screen.
 *
 * ```
 * a:hover { … }                     a:hover, a.\:hover { … }    rrweb sets the class where the pointer was
 * @media (max-device-width: 9px)    @media (max-width: 9px)     the device is not the visitor's
 * ```
 *
 * rrweb does the same with postcss, which parses every sheet into a tree; that was a tenth
 * of a second of the first picture. This looks at what stands before a `{` only. It comes
 * before the sanitiser, so that nothing it writes is ever the last word.
 */

import { COMMENT, STRING, URL_TOKEN } from "./tokens";

const TOKENS = new RegExp(`${COMMENT}|${URL_TOKEN}|${STRING}|\\\\[\\s\\S]|[{};]`, "gi");
const COMMENTS = new RegExp(`${COMMENT}|${STRING}`, "g");
const PARTS = new RegExp(`${STRING}|\\\\[\\s\\S]|[(),[\\]]`, "g");

const DEVICE = /\b(max|min)-device-(width|height)/g;
const NEEDS_WORK = /:hover|-device-(?:width|height)/;

/** Give `text` with a class beside each `:hover`, and asking for the page's size. */
export function forReplay(text: string): string {
  if (!NEEDS_WORK.test(text)) {
    return text;
  }
  let clean = "";
  let doneTo = 0;
  let preludeAt = 0;
  for (const match of text.matchAll(TOKENS)) {
    const [token] = match;
    if (token === "{") {
      const prelude = text.slice(preludeAt, match.index);
      if (NEEDS_WORK.test(prelude)) {
        clean += text.slice(doneTo, preludeAt) + preludeForReplay(prelude);
        doneTo = match.index;
      }
    }
    if (token === "{" || token === "}" || token === ";") {
      preludeAt = match.index + 1;
    }
  }
  return clean + text.slice(doneTo);
}

function preludeForReplay(prelude: string): string {
  const bare = prelude.replace(COMMENTS, (part) => (part.startsWith("/*") ? "" : part)).trim();
  if (bare.startsWith("@")) {
    return bare.startsWith("@media") ? prelude.replace(DEVICE, "$1-$2") : prelude;
  }
  const hovered = selectorsOf(bare).filter((selector) => selector.includes(":hover"));
  return [
    prelude.trimEnd(),
    ...hovered.map((selector) => selector.trim().replaceAll(":hover", ".\\:hover")),
  ].join(",\n");
}

/** Split a list of selectors at the commas that are in no brackets and no string. */
function selectorsOf(list: string): string[] {
  const selectors: string[] = [];
  let depth = 0;
  let start = 0;
  for (const { 0: token, index } of list.matchAll(PARTS)) {
    if (token === "(" || token === "[") {
      depth += 1;
    } else if (token === ")" || token === "]") {
      depth -= 1;
    } else if (token === "," && depth === 0) {
      selectors.push(list.slice(start, index));
      start = index + 1;
    }
  }
  return [...selectors, list.slice(start)];
}
