import { adaptCssForReplay } from "rrweb-snapshot";
import { describe, expect, it } from "vitest";

import { cleanCss } from "../src/frame/css";
import { forReplay } from "../src/frame/hover";

/** Blanks mean nothing here. */
const bare = (css: string): string => css.replace(/\s+/g, "");

describe("stylesheets made fit for replay", () => {
  it.each([
    "a:hover{color:red}",
    "a:hover, b:focus, .c:hover > d { color: red }",
    "ul li:not(:hover, .x) a, p { color: red }",
    '[title="a,:hover"] b:hover { color: red }',
    "@media (max-width: 9px) { a:hover { color: red } b { x: y } }",
    "@media screen and (min-device-width: 9px) and (max-device-height: 3px) { a { b: c } }",
    ".card { color: red; &:hover { color: blue } }",
    "a{background:url(data:image/svg+xml;utf8,<svg>{a:hover}</svg>)}b:hover{c:d}",
    'a::after{content:"; b:hover {"}c:hover{d:e}',
    "@keyframes x { from { a: b } to { a: c } } i:hover { a: d }",
    "a { b: c }",
    "a:hover",
    "",
  ])("%s as rrweb would", (css) => {
    expect(bare(forReplay(css))).toBe(bare(adaptCssForReplay(css, createCache())));
  });

  it("leaves comments and the marks of split sheets where they are, once", () => {
    expect(forReplay("/* rr_split */a:hover{b:c}/* d:hover { */")).toBe(
      "/* rr_split */a:hover,\na.\\:hover{b:c}/* d:hover { */",
    );
  });

  it("comes before the cleaning, and is never the last word", () => {
    const hostile = [
      `a:hover"{x:url("//evil.example/1")}`,
      `@import "//evil.example/2";a:hover{b:c}`,
      `a:hover url(//evil.example/3) {b:c}`,
      `a\\:hover,a:hover[x='{']{b:u\\rl(//evil.example/4)}`,
      `a:hover/*{*/,url('//evil.example/5{')x{}`,
      `"a:hover{" b:hover url(" {} x{background:url(//evil.example/6)}`,
    ];
    for (const css of hostile) {
      const { text } = cleanCss(css);
      expect(text).not.toMatch(/@import/i);
      // Cleaning again, with nothing left to adapt, finds nothing that the first time left or made.
      const again = text.replaceAll(":hover", ":focus").replaceAll('url("data:,")', "none");
      expect(cleanCss(again).removed, css).toBe(0);
    }
  });

  it("makes no text grow out of proportion", () => {
    for (const piece of [
      "a:hover,",
      "a:hover{",
      '"a:hover',
      "url(a:hover",
      "/*a:hover",
      "\\",
      "(",
    ]) {
      const css = `${piece.repeat(20_000)}{b:c}`;
      expect(forReplay(css).length).toBeLessThan(3 * css.length);
    }
  });
});

function createCache(): { stylesWithHoverClass: Map<string, string> } {
  return { stylesWithHoverClass: new Map() };
}
