/**
 * Takes everything out of CSS that would fetch.
 *
 * The content security policy of the frame stops every request anyway; this keeps
 * the attempt from being made at all, so that a replay is silent in the console and
 * in the network panel, and a missing policy is not the end of safety.
 */

import { forReplay } from "./hover";
import { COMMENT, STRING, URL_TOKEN } from "./tokens";

/** What a stylesheet may still point to: data it carries, and fragments of its own document. */
const SELF_CONTAINED =
  /^\s*(?:data:(?:image|font|application\/(?:x-)?font|application\/vnd\.ms-fontobject|application\/octet-stream)|#)/i;

/**
 * One pass over the tokens that matter. Comments and strings come first, so that an
 * `@import` somebody wrote about in a comment is left alone.
 */
const TOKENS = new RegExp(
  [
    COMMENT,
    "\\\\[\\s\\S]",
    `@import\\b(?:${COMMENT}|${STRING}|${URL_TOKEN}|[^;"'])*;?`,
    `(?:-webkit-)?image-set\\((?:${STRING}|${URL_TOKEN}|[^()"']|\\([^)]*\\)?)*\\)?`,
    URL_TOKEN,
    STRING,
    "@font-face\\b",
    "\\}",
  ].join("|"),
  "gi",
);

const NEEDS_WORK = /url\s*\(|src\s*\(|@import|image-set|\\/i;

export interface CleanCss {
  readonly text: string;
  /** How many references were taken out. */
  readonly removed: number;
}

/** What a stylesheet may refer to instead of the web. */
export interface CssAssets {
  /** An address that fetches nothing; null when there is none. */
  address(written: string): string | null;
  /** A clean stylesheet to put where it is imported; null when there is none. */
  sheet(written: string): CleanCss | null;
}

const NO_ASSETS: CssAssets = { address: () => null, sheet: () => null };

/**
 * Give `text` fit for replay and without any address outside the text itself.
 *
 * What `assets` has takes the place of what is taken out.
 */
export function cleanCss(text: string, assets: CssAssets = NO_ASSETS): CleanCss {
  if (!NEEDS_WORK.test(text)) {
    return { text: forReplay(text), removed: 0 };
  }
  let removed = 0;
  let inFontFace = false;
  let hasFont = false;
  let isAfterBlock = false;
  const spelled = unescapeLetters(text.replace(/\r\n?|\f/g, "\n"));
  const clean = forReplay(spelled).replace(TOKENS, (token, at: number, whole: string) => {
    if (token === "}") {
      inFontFace = false;
      hasFont = false;
      isAfterBlock = true;
      return token;
    }
    const start = token.slice(0, 20).toLowerCase();
    if (start.startsWith("@font-face")) {
      inFontFace = true;
      hasFont = false;
      return token;
    }
    if (start.startsWith("@import")) {
      // A browser obeys imports before the first rule only.
      const sheet = isAfterBlock ? null : importOf(token, assets);
      removed += sheet?.removed ?? 1;
      // What stands before and behind must not become one word.
      return sheet?.text ?? (/[^\s;}]/.test(whole.charAt(at - 1)) ? " " : "");
    }
    if (/^(?:-webkit-)?image-set\(/.test(start)) {
      const replaced = imageSetOf(token, assets);
      removed += Number(replaced === null);
      return replaced ?? "none";
    }
    if (start.startsWith("url(") || start.startsWith("src(")) {
      const replaced = urlOf(token, assets);
      if (replaced !== null) {
        hasFont = inFontFace;
        return replaced;
      }
      // Of a list of fonts one is frozen; the others would not have been shown either.
      removed += Number(!hasFont);
      // An empty local() makes the browser take the next font of the family list.
      return inFontFace ? 'local("")' : 'url("data:,")';
    }
    return token;
  });
  return { text: clean, removed };
}

/** Addresses of which a browser cannot read more or less than is meant here. */
const PLAIN_URL = /^url\((?:[^"'()\\*\s]*|"[^"\\\n]*"|'[^'\\\n]*')\)$/i;

/** Give a `url()` token that fetches nothing; null when there is none. */
function urlOf(token: string, assets: CssAssets): string | null {
  if (SELF_CONTAINED.test(token.replace(/^\w+\(\s*["']?/, ""))) {
    // Where a browser would see its end elsewhere, it would read strings behind it as CSS.
    return PLAIN_URL.test(token) ? token : `url("${quoted(addressOf(token))}")`;
  }
  const instead = assets.address(addressOf(token));
  return instead === null ? null : `url("${instead}")`;
}

const IMAGE_SET_PARTS = new RegExp(
  `type\\(\\s*(?:"[^"]*"|'[^']*')\\s*\\)|${URL_TOKEN}|${STRING}`,
  "gi",
);

/** Give a text as it may stand between double quotes. */
function quoted(text: string): string {
  return text.replace(/["\\\n]/g, (char) => `\\${char.charCodeAt(0).toString(16)} `);
}

/** Between the addresses of an `image-set()`: resolutions, and nothing that computes one. */
const IMAGE_SET_REST = /^[\w\s.,+-]*\)?$/;

/** Give an `image-set()` of which every part fetches nothing; null when one would. */
function imageSetOf(token: string, assets: CssAssets): string | null {
  let missing = 0;
  const start = token.indexOf("(") + 1;
  if (!IMAGE_SET_REST.test(token.slice(start).replace(IMAGE_SET_PARTS, ""))) {
    return null;
  }
  const replaced = token.slice(start).replace(IMAGE_SET_PARTS, (part) => {
    if (/^type\(/i.test(part)) {
      return part;
    }
    const url = urlOf(/^(?:url|src)\(/i.test(part) ? part : `url(${part})`, assets);
    missing += Number(url === null);
    return url ?? "";
  });
  return missing === 0 ? token.slice(0, start) + replaced : null;
}

const IMPORT = new RegExp(`^@import\\s*(${URL_TOKEN}|${STRING})([\\s\\S]*)$`, "i");
const NOT_COMMENTS = new RegExp(`${COMMENT}|${URL_TOKEN}|${STRING}`, "gi");

/** Give the sheet an import names, under the import's conditions; null when it is not here. */
function importOf(token: string, assets: CssAssets): CleanCss | null {
  const text = token.replace(NOT_COMMENTS, (part) => (part.startsWith("/*") ? " " : part));
  const [, written, rest] = IMPORT.exec(text.replace(/;$/, "")) ?? [];
  if (written === undefined || rest === undefined || /[{};]/.test(rest) || NEEDS_WORK.test(rest)) {
    return null;
  }
  const sheet = assets.sheet(addressOf(written));
  if (sheet === null) {
    return null;
  }
  const [, hasLayer, layer, more = ""] =
    /^\s*(layer(?![\w-])(?:\(([^)]*)\))?)?([\s\S]*)$/i.exec(rest) ?? [];
  const [supports, media] = supportsOf(more);
  const conditions = [
    media.trim() === "" ? "" : `@media ${media.trim()}`,
    supports === null ? "" : `@supports (${supports})`,
    hasLayer === undefined ? "" : `@layer ${layer ?? ""}`,
  ].filter((condition) => condition !== "");
  return {
    removed: sheet.removed,
    text:
      conditions.map((condition) => `${condition}{`).join("") +
      `${sheet.text}\n` +
      "}".repeat(conditions.length),
  };
}

/** Split `supports(…) screen` into what is in the brackets and what comes after. */
function supportsOf(text: string): [string | null, string] {
  const start = /^\s*supports\(/i.exec(text)?.[0].length;
  if (start === undefined) {
    return [null, text];
  }
  let depth = 1;
  let end = start;
  for (; end < text.length && depth > 0; end += 1) {
    depth += Number(text[end] === "(") - Number(text[end] === ")");
  }
  return [text.slice(start, depth === 0 ? end - 1 : end), text.slice(end)];
}

/** The address inside a `url()` or a string, its escapes undone. */
function addressOf(token: string): string {
  const inside = token.replace(/^(?:url|src)\(\s*/i, "");
  const raw =
    /^"((?:\\[\s\S]|[^"\\])*)/.exec(inside)?.[1] ??
    /^'((?:\\[\s\S]|[^'\\])*)/.exec(inside)?.[1] ??
    inside.replace(/\s*\)?$/, "");
  return raw.replace(
    /\\(?:([0-9a-f]{1,6})[ \t\n\f\r]?|(\n)|([\s\S]))/gi,
    (_, hex: string | undefined, lineEnd: string | undefined, other: string | undefined) => {
      const code = hex === undefined ? 0 : parseInt(hex, 16);
      if (hex !== undefined) {
        return code === 0 || code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code);
      }
      return lineEnd === undefined ? (other ?? "") : "";
    },
  );
}

const BRACKETS = new RegExp(`${COMMENT}|${URL_TOKEN}|${STRING}|\\\\[\\s\\S]|[{}()[\\]]`, "gi");
const CLOSERS: Readonly<Record<string, string>> = { "{": "}", "(": ")", "[": "]" };

/**
 * Give a stylesheet whose brackets close, so that it cannot reach beyond the block it is put in.
 *
 * At the end of a file CSS closes everything by itself; in the middle it does not.
 */
export function closed(text: string): string {
  const open: string[] = [];
  let ending = "";
  const balanced = text.replace(BRACKETS, (token, at: number) => {
    if (at + token.length === text.length) {
      ending = endingOf(token);
    }
    const closer = CLOSERS[token];
    if (closer !== undefined) {
      open.push(closer);
    } else if (/^[)}\]]$/.test(token)) {
      if (open.length === 0) {
        return "";
      }
      if (open.at(-1) === token) {
        open.pop();
      }
    }
    return token;
  });
  return `${balanced}${ending}\n${open.reverse().join("")}`;
}

/** What closes a comment, an address or a string that the text ends in. */
function endingOf(token: string): string {
  if (token.startsWith("/*")) {
    return token.length > 3 && token.endsWith("*/") ? "" : "*/";
  }
  return /^\w+\(/.test(token) && !token.endsWith(")") ? '")' : "";
}

/**
 * Spell escaped ASCII letters out: `\75rl(` and `u\rl(` are both `url(`; and hyphens between
 * letters, as in `image\2d set(`.
 *
 * Other escapes stay as they are (`\f101` of an icon font). Each is read whole, so that a
 * backslash that is escaped itself begins nothing.
 */
function unescapeLetters(text: string): string {
  if (!text.includes("\\")) {
    return text;
  }
  return text
    .replace(
      /\\(?:0{0,4}([46][1-9a-f]|[57][0-9a])(?:[ \t\n]|(?![0-9a-f]))|([g-z])|[\s\S])/gi,
      (whole, hex: string | undefined, letter: string | undefined) => {
        if (letter !== undefined) {
          return letter;
        }
        return hex === undefined ? whole : String.fromCharCode(parseInt(hex, 16));
      },
    )
    .replace(
      /(?<=[a-z])(\\(?:0{0,4}2d(?:[ \t\n]|(?![0-9a-f]))|-))(?=[a-z])|\\[\s\S]/gi,
      (whole, hyphen: string | undefined) => (hyphen === undefined ? whole : "-"),
    );
}
