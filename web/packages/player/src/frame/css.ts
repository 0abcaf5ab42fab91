/**
 * Takes everything out of CSS that would fetch.
 *
 * The content security policy of the frame stops every request anyway; this keeps
 * the attempt from being made at all, so that a replay is silent in the console and
 * in the network panel, and a missing policy is not the end of safety.
 */

/** What a stylesheet may still point to: data it carries, and fragments of its own document. */
const SELF_CONTAINED =
  /^\s*(?:data:(?:image|font|application\/(?:x-)?font|application\/vnd\.ms-fontobject|application\/octet-stream)|#)/i;

// A string ends at a line end too; a browser that met one inside would read on as CSS.
const STRING = `"(?:\\\\[\\s\\S]|[^"\\\\\\n\\r\\f])*"?|'(?:\\\\[\\s\\S]|[^'\\\\\\n\\r\\f])*'?`;
const COMMENT = `\\/\\*[\\s\\S]*?(?:\\*\\/|$)`;
const URL_TOKEN = `(?:url|src)\\(\\s*(?:${STRING})?[^)]*\\)?`;

/**
 * One pass over the tokens that matter. Comments and strings come first, so that an
 * `@import` somebody wrote about in a comment is left alone. Nothing in here can fail
 * after a long match (each closing part is optional), so there is no backtracking.
 */
const TOKENS = new RegExp(
  [
    COMMENT,
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

/** Give `text` without imports and without any address outside the text itself. */
export function cleanCss(text: string): CleanCss {
  if (!NEEDS_WORK.test(text)) {
    return { text, removed: 0 };
  }
  let removed = 0;
  let inFontFace = false;
  const clean = unescapeLetters(text).replace(TOKENS, (token) => {
    if (token === "}") {
      inFontFace = false;
      return token;
    }
    const start = token.slice(0, 20).toLowerCase();
    if (start.startsWith("@font-face")) {
      inFontFace = true;
      return token;
    }
    if (start.startsWith("@import")) {
      removed += 1;
      return "";
    }
    if (/^(?:-webkit-)?image-set\(/.test(start)) {
      if (addressesOf(token).every((address) => SELF_CONTAINED.test(address))) {
        return token;
      }
      removed += 1;
      return "none";
    }
    if (start.startsWith("url(") || start.startsWith("src(")) {
      const address = token.replace(/^\w+\(\s*["']?/, "");
      if (SELF_CONTAINED.test(address)) {
        return token;
      }
      removed += 1;
      // An empty local() makes the browser take the next font of the family list.
      return inFontFace ? 'local("")' : 'url("data:,")';
    }
    return token;
  });
  return { text: clean, removed };
}

/** Strings of an image-set, less those of `type("image/png")`, and its url() tokens. */
function addressesOf(imageSet: string): string[] {
  const strings = imageSet
    .replace(/type\(\s*(?:"[^"]*"|'[^']*')\s*\)/gi, "")
    .match(/"[^"]*"|'[^']*'|url\(\s*[^"')\s]+/gi);
  return (strings ?? []).map((part) => part.replace(/^url\(\s*/i, "").replace(/^["']/, ""));
}

/**
 * Spell escaped ASCII letters out: `\75rl(` and `u\rl(` are both `url(`.
 *
 * Only letters are touched; `\f101` of an icon font stays as it is.
 */
function unescapeLetters(text: string): string {
  if (!text.includes("\\")) {
    return text;
  }
  return text.replace(
    /\\(?:0{0,4}([46][1-9a-f]|[57][0-9a])(?:[ \t\n\f]|(?![0-9a-f]))|([g-z]))/gi,
    (whole, hex: string | undefined, letter: string | undefined) => {
      if (letter !== undefined) {
        return letter;
      }
      return hex === undefined ? whole : String.fromCharCode(parseInt(hex, 16));
    },
  );
}
