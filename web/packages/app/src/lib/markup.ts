/** A page's HTML as lines to read: one tag or text a line, indented. It is text and stays text. */

const VOID = new Set(
  "area base br col embed hr img input link meta param source track wbr".split(" "),
);
/** A line is cut to this: data: URLs and style sheets are longer than anybody reads. */
export const MAX_LINE_CHARS = 2000;
const MAX_INDENT = 24;

export function linesOf(html: string): string[] {
  const lines: string[] = [];
  let depth = 0;
  const put = (text: string, at: number): void => {
    const cut = text.length > MAX_LINE_CHARS ? `${text.slice(0, MAX_LINE_CHARS)}…` : text;
    lines.push("  ".repeat(Math.max(0, Math.min(at, MAX_INDENT))) + cut);
  };
  let at = 0;
  while (at < html.length) {
    if (html.charCodeAt(at) === 60) {
      const end = tagEnd(html, at);
      const tag = html.slice(at, end);
      const name = /^<\/?([a-z][^\s/>]*)/i.exec(tag)?.[1]?.toLowerCase();
      if (tag.startsWith("</")) {
        depth = Math.max(0, depth - 1);
        put(tag, depth);
      } else {
        put(tag, depth);
        if (name !== undefined && !VOID.has(name) && !tag.endsWith("/>")) {
          depth += 1;
        }
      }
      at = end;
    } else {
      const next = html.indexOf("<", at);
      const end = next < 0 ? html.length : next;
      const text = html.slice(at, end).trim().replace(/\s+/g, " ");
      if (text !== "") {
        put(text, depth);
      }
      at = end;
    }
  }
  return lines;
}

/** Behind the `>` that ends a tag; one within quotes does not. */
function tagEnd(html: string, start: number): number {
  if (html.startsWith("<!--", start)) {
    const end = html.indexOf("-->", start + 4);
    return end < 0 ? html.length : end + 3;
  }
  let quote = "";
  for (let at = start + 1; at < html.length; at++) {
    const char = html.charAt(at);
    if (quote !== "") {
      if (char === quote) {
        quote = "";
      }
    } else if (char === '"' || char === "'") {
      quote = char;
    } else if (char === ">") {
      return at + 1;
    }
  }
  return html.length;
}
